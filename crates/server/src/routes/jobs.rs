//! Traces run again, and what answers depend on: begun, watched, cancelled.
//!
//! `POST …/estimate` says what it would take, `POST` begins and answers 202 with the job, `GET
//! /api/v1/jobs/{id}` says how it stands, `DELETE` stops it. `replay` and `ablation` read what is wanted.

pub(crate) mod ablation;
pub(crate) mod replay;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use exhibit_model::NanoUsd;
use exhibit_recorder::{Cap, Job, JobError, JobKind, ablate::AblationError, replay::ReplayError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::Shared,
    auth::{Caller, Read, Replay},
    extract::trace_id,
    problem::{Problem, ProblemBody},
    view::{Data, job::JobView},
};

/// What a job would take, before any of it is spent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EstimateView {
    /// Model calls.
    calls: u64,
    /// Causes that are tried; null of a replay.
    causes: Option<usize>,
    /// Input tokens.
    tokens_in: u64,
    /// Output tokens, if answers are as long as they were.
    tokens_out: u64,
    /// Billionths of a US dollar; null when a model's price is not known.
    cost_nano_usd: Option<String>,
    /// A budget with which every call would begin, should each cost what is expected: a call begins
    /// only when the budget covers a long answer. Billionths of a US dollar.
    budget_nano_usd: Option<String>,
    /// Milliseconds, if calls take as long as they did.
    duration_ms: u64,
    /// Whether captured inputs were redacted before they were stored: answers may differ for that.
    redacted_inputs: bool,
}

/// A job, under way or over.
#[utoipa::path(get, path = "/api/v1/jobs/{job_id}", tag = "replay",
    params(("job_id" = String, Path, description = "The job's id")),
    responses((status = 200, body = Data<JobView>), (status = 404, body = ProblemBody)))]
pub(crate) async fn one(
    State(app): State<Shared>,
    caller: Caller<Read>,
    Path(id): Path<String>,
) -> Result<Data<JobView>, Problem> {
    let job = app.recorder.job(caller.workspace, &trace_id(&id)?).await?;
    Ok(Data { data: JobView::of(job) })
}

/// Stop a job. Calls at hand are broken off, no other begins, and what was made stays recorded.
#[utoipa::path(delete, path = "/api/v1/jobs/{job_id}", tag = "replay",
    params(("job_id" = String, Path, description = "The job's id")),
    responses((status = 202, body = Data<JobView>), (status = 404, body = ProblemBody),
        (status = 409, body = ProblemBody)))]
pub(crate) async fn cancel(
    State(app): State<Shared>,
    caller: Caller<Replay>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    Ok(begun(app.recorder.cancel_job(caller.workspace, &trace_id(&id)?).await?))
}

/// The replays of a trace, newest first, without their results.
#[utoipa::path(get, path = "/api/v1/traces/{trace_id}/replays", tag = "replay",
    params(("trace_id" = String, Path, description = "The trace's id")),
    responses((status = 200, body = Data<Vec<JobView>>)))]
pub(crate) async fn of_trace_replays(
    State(app): State<Shared>,
    caller: Caller<Read>,
    Path(id): Path<String>,
) -> Result<Data<Vec<JobView>>, Problem> {
    listed(&app, &caller, &id, JobKind::Replay).await
}

/// The ablations of a trace, newest first, without their results.
#[utoipa::path(get, path = "/api/v1/traces/{trace_id}/ablations", tag = "replay",
    params(("trace_id" = String, Path, description = "The trace's id")),
    responses((status = 200, body = Data<Vec<JobView>>)))]
pub(crate) async fn of_trace_ablations(
    State(app): State<Shared>,
    caller: Caller<Read>,
    Path(id): Path<String>,
) -> Result<Data<Vec<JobView>>, Problem> {
    listed(&app, &caller, &id, JobKind::Ablation).await
}

async fn listed(
    app: &Shared,
    caller: &Caller<Read>,
    id: &str,
    kind: JobKind,
) -> Result<Data<Vec<JobView>>, Problem> {
    let jobs = app.recorder.jobs_of(caller.workspace, &trace_id(id)?).await?;
    Ok(Data { data: jobs.into_iter().filter(|job| job.kind == kind).map(JobView::of).collect() })
}

/// 202 with the job.
fn begun(job: Job) -> Response {
    (StatusCode::ACCEPTED, Data { data: JobView::of(job) }).into_response()
}

/// What may be spent, as the body says it: an amount, or that there is no cap.
fn cap(budget_usd: Option<f64>, uncapped: bool) -> Result<Cap, Problem> {
    match (budget_usd, uncapped) {
        (Some(usd), false) => {
            let budget = NanoUsd::from_usd(usd).filter(|nano| nano.0 >= 0);
            budget.map(Cap::At).ok_or_else(|| {
                let detail = "budget_usd: give an amount of US dollars, such as 0.50.";
                Problem::unprocessable("invalid", detail).with("field", "budget_usd")
            })
        }
        (None, true) => Ok(Cap::None),
        (Some(_), true) => {
            let detail = "Send either `budget_usd` or `uncapped`, not both.";
            Err(Problem::unprocessable("invalid", detail).with("field", "uncapped"))
        }
        (None, false) => Err(Problem::unprocessable(
            "no-budget",
            "This calls a provider and costs money: send `budget_usd`, the most that may be spent, or \
             `\"uncapped\": true` to confirm that there is no cap.",
        )),
    }
}

/// Why a job does not begin.
fn refused(error: JobError) -> Problem {
    let detail = error.to_string();
    match error {
        JobError::Recorder(error) => match error {
            exhibit_recorder::Error::NotFound => Problem::not_found("trace"),
            error => error.into(),
        },
        JobError::Erased => Problem::new(StatusCode::GONE, "erased", sentence(detail)),
        JobError::Budget { expected, .. } => Problem::unprocessable("budget", sentence(detail))
            .with("expected_nano_usd", expected.map(|nano| nano.to_string())),
        JobError::Replay(error) | JobError::Ablation(AblationError::Replay(error)) => {
            refused_replay(&error)
        }
        JobError::Ablation(error) => {
            Problem::unprocessable("not-replayable", sentence(detail)).with("reason", error.code())
        }
    }
}

fn refused_replay(error: &ReplayError) -> Problem {
    let detail = sentence(error.to_string());
    match error {
        ReplayError::Provider(error) => {
            Problem::new(StatusCode::CONFLICT, "no-provider", detail).with("reason", error.code())
        }
        ReplayError::Running(_) => Problem::new(StatusCode::CONFLICT, "running", detail),
        ReplayError::Quarantined(_) => Problem::new(StatusCode::CONFLICT, "quarantined", detail),
        error => Problem::unprocessable("not-replayable", detail).with("reason", error.code()),
    }
}

/// A capital at the start and a stop at the end.
fn sentence(text: String) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let stop = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}
