//! The native way in: register a trace, send spans.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use exhibit_capture::{Rejected, native};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    app::Shared,
    auth::{Caller, Ingest},
    extract::Raw,
    problem::{Problem, ProblemBody},
};

/// A registered trace.
#[derive(Serialize, ToSchema)]
pub(crate) struct Registered {
    /// Its id.
    trace_id: String,
    /// Always 1.
    accepted: u64,
    /// The trace.
    data: RegisteredTrace,
}

/// What is known of a registered trace.
#[derive(Serialize, ToSchema)]
struct RegisteredTrace {
    /// Its id.
    trace_id: String,
    /// `running` until its root span has ended.
    status: &'static str,
}

/// Spans that are now durable.
#[derive(Serialize, ToSchema)]
pub(crate) struct Taken {
    /// How many, identical re-deliveries included.
    accepted: u64,
    /// None here; see 422.
    rejected: Vec<Refused>,
}

/// A span that was refused while the others went on.
#[derive(Serialize, ToSchema)]
pub(crate) struct Refused {
    /// Its position in the batch, from 0.
    index: usize,
    /// JSON pointer (RFC 6901) into the request.
    pointer: String,
    /// What is wrong and what to do about it.
    reason: String,
    /// Its span id, where it could be read.
    span_id: Option<String>,
    /// Its trace id, where it could be read.
    trace_id: Option<String>,
}

impl From<&Rejected> for Refused {
    fn from(one: &Rejected) -> Self {
        Self {
            index: one.index,
            pointer: one.pointer.clone(),
            reason: one.reason.clone(),
            span_id: one.span_id.clone(),
            trace_id: one.trace_id.clone(),
        }
    }
}

/// Say what is known about a trace as a whole: `{"trace": {"trace_id", "agent_name", "environment",
/// "metadata", …}}`. Sending it again changes it.
#[utoipa::path(post, path = "/api/v1/ingest/traces", tag = "ingest",
    request_body(content = Object, content_type = "application/json"),
    responses((status = 201, body = Registered), (status = 401, body = ProblemBody),
        (status = 422, body = ProblemBody), (status = 503, body = ProblemBody)))]
pub(crate) async fn register_trace(
    State(app): State<Shared>,
    caller: Caller<Ingest>,
    raw: Raw,
) -> Result<Response, Problem> {
    let decode = native::trace_registration;
    let (decoded, _share) =
        app.intake(caller.workspace, "native", &raw.headers, raw.body, decode).await?;
    let accepted = app.recorder.accept(caller.workspace, decoded).await?;
    if let Some(refused) = accepted.rejected.first() {
        return Err(rejection(accepted.accepted, &accepted.rejected, &refused.reason));
    }
    let trace_id = accepted.traces.first().map(ToString::to_string).unwrap_or_default();
    let data = RegisteredTrace { trace_id: trace_id.clone(), status: "running" };
    let body = Registered { trace_id, accepted: 1, data };
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// Send spans: `{"batch": [{"span_id", "trace_id", "parent_span_id", "name", "span_type",
/// "start_time", "end_time", "status", "input", "output", "model", "tokens_in", "tokens_out", "cost",
/// "tool_calls", "attributes"}]}`. A span id sent again updates the span. Good spans are recorded
/// whatever else is in the batch; 422 names the others.
#[utoipa::path(post, path = "/api/v1/ingest/spans", tag = "ingest",
    request_body(content = Object, content_type = "application/json"),
    responses((status = 201, body = Taken), (status = 401, body = ProblemBody),
        (status = 422, body = ProblemBody), (status = 503, body = ProblemBody)))]
pub(crate) async fn spans(
    State(app): State<Shared>,
    caller: Caller<Ingest>,
    raw: Raw,
) -> Result<Response, Problem> {
    let decode = native::span_batch;
    let (decoded, _share) =
        app.intake(caller.workspace, "native", &raw.headers, raw.body, decode).await?;
    let accepted = app.recorder.accept(caller.workspace, decoded).await?;
    if let Some(first) = accepted.rejected.first() {
        return Err(rejection(accepted.accepted, &accepted.rejected, &first.reason));
    }
    let body = Taken { accepted: accepted.accepted, rejected: Vec::new() };
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// 422 with what was accepted and what was not.
pub(super) fn rejection(accepted: u64, rejected: &[Rejected], first: &str) -> Problem {
    let refused: Vec<Refused> = rejected.iter().map(Refused::from).collect();
    let more = match rejected.len() - 1 {
        0 => String::new(),
        n => format!(" ({n} more)"),
    };
    let pointer = rejected.first().map(|r| r.pointer.as_str()).unwrap_or_default();
    let detail =
        format!("{accepted} accepted, {} rejected. {pointer}: {first}{more}", refused.len());
    Problem::unprocessable("spans-rejected", detail)
        .with("accepted", accepted)
        .with("rejected", json!(refused))
}
