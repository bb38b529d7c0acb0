//! Looking for what an answer depends on.

use axum::{
    extract::{Path, State},
    response::Response,
};
use exhibit_recorder::{
    NewAblation,
    ablate::{Measure, Options},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{EstimateView, begun, cap, refused};
use crate::{
    app::Shared,
    auth::{Caller, Replay},
    extract::{Small, span_id, trace_id},
    problem::{Problem, ProblemBody},
    view::{Data, job::JobView},
};

/// How to look for causes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AblationRequest {
    /// The model call in question; the one that gave the final answer unless given. Name the call that
    /// asked for a tool to learn why it did.
    #[serde(default)]
    target: Option<String>,
    /// Repeats of every variant, 2 to 50; 5 unless given.
    #[serde(default)]
    repeats: Option<u32>,
    /// Random orders for Shapley values, at most 50; none unless given.
    #[serde(default)]
    orders: Option<u32>,
    /// Seed of intervals and orders.
    #[serde(default)]
    seed: Option<u64>,
    /// Compare texts by the vectors of this embedding model; by words unless given.
    #[serde(default)]
    embedding_model: Option<String>,
    /// Compare texts by what this model says of each pair. The estimate counts these calls.
    #[serde(default)]
    judge_model: Option<String>,
    /// Have the model put the findings into words, beside the fixed template.
    #[serde(default)]
    explain: bool,
    /// An ablation that was broken off, to go on with; its own target, repeats, orders and seed hold.
    #[serde(default)]
    resume: Option<String>,
    /// The most that may be spent, US dollars. Not needed for an estimate.
    #[serde(default)]
    budget_usd: Option<f64>,
    /// Confirms that there is no cap, where prices are not known.
    #[serde(default)]
    uncapped: bool,
}

impl AblationRequest {
    fn read(self, trace: &str) -> Result<NewAblation, Problem> {
        let usual = Options::default();
        let measure = match (self.embedding_model, self.judge_model) {
            (None, None) => Measure::Words,
            (Some(model), None) => Measure::Embedding(model),
            (None, Some(model)) => Measure::Judge(model),
            (Some(_), Some(_)) => {
                let detail = "Give `embedding_model` or `judge_model`, not both.";
                return Err(Problem::unprocessable("invalid", detail).with("field", "judge_model"));
            }
        };
        Ok(NewAblation {
            trace: trace_id(trace)?,
            options: Options {
                target: self.target.as_deref().map(span_id).transpose()?,
                repeats: self.repeats.unwrap_or(usual.repeats),
                orders: self.orders.unwrap_or(usual.orders),
                seed: self.seed.unwrap_or(usual.seed),
                measure,
                explain: self.explain,
                ..usual
            },
            resume: self.resume.as_deref().map(trace_id).transpose()?,
        })
    }
}

/// What looking for causes would take. Nothing is spent.
#[utoipa::path(post, path = "/api/v1/traces/{trace_id}/ablations/estimate", tag = "replay",
    request_body = AblationRequest,
    params(("trace_id" = String, Path, description = "The trace's id")),
    responses((status = 200, body = Data<EstimateView>), (status = 404, body = ProblemBody),
        (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn estimate(
    State(app): State<Shared>,
    caller: Caller<Replay>,
    Path(trace): Path<String>,
    Small(wanted): Small<AblationRequest>,
) -> Result<Data<EstimateView>, Problem> {
    let wanted = wanted.read(&trace)?;
    let estimate = app.recorder.estimate_ablation(&caller, &wanted).await.map_err(refused)?;
    Ok(Data {
        data: EstimateView {
            calls: estimate.calls,
            causes: Some(estimate.causes),
            tokens_in: estimate.tokens_in,
            tokens_out: estimate.tokens_out,
            cost_nano_usd: estimate.cost_nano_usd.map(|nano| nano.to_string()),
            budget_nano_usd: estimate.budget_nano_usd.map(|nano| nano.to_string()),
            duration_ms: estimate.duration_ms,
            redacted_inputs: false,
        },
    })
}

/// Look for what an answer depends on: every input is taken away alone, and what follows from it is
/// generated again. Answers at once; ask for the job until it is over.
#[utoipa::path(post, path = "/api/v1/traces/{trace_id}/ablations", tag = "replay",
    request_body = AblationRequest,
    params(("trace_id" = String, Path, description = "The trace's id")),
    responses((status = 202, body = Data<JobView>), (status = 404, body = ProblemBody),
        (status = 409, body = ProblemBody), (status = 410, body = ProblemBody),
        (status = 422, body = ProblemBody), (status = 503, body = ProblemBody)))]
pub(crate) async fn start(
    State(app): State<Shared>,
    caller: Caller<Replay>,
    Path(trace): Path<String>,
    Small(wanted): Small<AblationRequest>,
) -> Result<Response, Problem> {
    let cap = cap(wanted.budget_usd, wanted.uncapped)?;
    let wanted = wanted.read(&trace)?;
    Ok(begun(app.recorder.start_ablation(&caller, wanted, cap).await.map_err(refused)?))
}
