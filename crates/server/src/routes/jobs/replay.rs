//! Running a trace again.

use axum::{
    extract::{Path, State},
    response::Response,
};
use exhibit_recorder::{
    NewReplay,
    replay::{Options, ToolMode},
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

/// How to run a trace again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayRequest {
    /// Where tools' results come from: `captured` (default) or `skip`. Live tools run where their
    /// programs are: with `exhibit replay --tools live`.
    #[serde(default)]
    tools: Option<String>,
    /// The first span that is run; everything before it is the exact captured prefix.
    #[serde(default)]
    from: Option<String>,
    /// Another model for every call.
    #[serde(default)]
    model: Option<String>,
    /// Another temperature for every call.
    #[serde(default)]
    temperature: Option<f64>,
    /// Another system prompt.
    #[serde(default)]
    system: Option<String>,
    /// Another text in the place of the first call's last user message.
    #[serde(default)]
    prompt: Option<String>,
    /// How often, 1 to 50; 1 unless given.
    #[serde(default)]
    repeats: Option<u32>,
    /// The most that may be spent, US dollars. Not needed for an estimate.
    #[serde(default)]
    budget_usd: Option<f64>,
    /// Confirms that there is no cap, where prices are not known.
    #[serde(default)]
    uncapped: bool,
}

impl ReplayRequest {
    fn read(self, trace: &str) -> Result<NewReplay, Problem> {
        let invalid = |field: &str, detail: &str| {
            Problem::unprocessable("invalid", format!("{field}: {detail}")).with("field", field)
        };
        let tools = match self.tools.as_deref() {
            None | Some("captured") => ToolMode::Captured,
            Some("skip") => ToolMode::Skip,
            Some("live") => {
                return Err(invalid(
                    "tools",
                    "live tools run where their programs are: use `exhibit replay ID --tools live \
                     COMMAND` there.",
                ));
            }
            Some(_) => return Err(invalid("tools", "write `captured` or `skip`.")),
        };
        if self.temperature.is_some_and(|t| !(0.0..=10.0).contains(&t)) {
            return Err(invalid("temperature", "give a number from 0 to 10."));
        }
        Ok(NewReplay {
            trace: trace_id(trace)?,
            options: Options {
                tools,
                from: self.from.as_deref().map(span_id).transpose()?,
                model: self.model,
                temperature: self.temperature,
                system: self.system,
                prompt: self.prompt,
                ..Options::default()
            },
            repeats: self.repeats.unwrap_or(1),
        })
    }
}

/// What running a trace again would take. Nothing is spent.
#[utoipa::path(post, path = "/api/v1/traces/{trace_id}/replays/estimate", tag = "replay",
    request_body = ReplayRequest,
    params(("trace_id" = String, Path, description = "The trace's id")),
    responses((status = 200, body = Data<EstimateView>), (status = 404, body = ProblemBody),
        (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn estimate(
    State(app): State<Shared>,
    caller: Caller<Replay>,
    Path(trace): Path<String>,
    Small(wanted): Small<ReplayRequest>,
) -> Result<Data<EstimateView>, Problem> {
    let wanted = wanted.read(&trace)?;
    let (estimate, redacted_inputs) =
        app.recorder.estimate_replay(&caller, &wanted).await.map_err(refused)?;
    Ok(Data {
        data: EstimateView {
            calls: estimate.calls,
            causes: None,
            tokens_in: estimate.tokens_in,
            tokens_out: estimate.tokens_out,
            cost_nano_usd: estimate.cost_nano_usd.map(|nano| nano.to_string()),
            budget_nano_usd: estimate.budget_nano_usd.map(|nano| nano.to_string()),
            duration_ms: estimate.duration_ms,
            redacted_inputs,
        },
    })
}

/// Run a trace again: a new trace, linked to the original, which stays as it is. Answers at once; ask
/// for the job until it is over.
#[utoipa::path(post, path = "/api/v1/traces/{trace_id}/replays", tag = "replay",
    request_body = ReplayRequest,
    params(("trace_id" = String, Path, description = "The trace's id")),
    responses((status = 202, body = Data<JobView>), (status = 404, body = ProblemBody),
        (status = 409, body = ProblemBody), (status = 410, body = ProblemBody),
        (status = 422, body = ProblemBody), (status = 503, body = ProblemBody)))]
pub(crate) async fn start(
    State(app): State<Shared>,
    caller: Caller<Replay>,
    Path(trace): Path<String>,
    Small(wanted): Small<ReplayRequest>,
) -> Result<Response, Problem> {
    let cap = cap(wanted.budget_usd, wanted.uncapped)?;
    let wanted = wanted.read(&trace)?;
    Ok(begun(app.recorder.start_replay(&caller, wanted, cap).await.map_err(refused)?))
}
