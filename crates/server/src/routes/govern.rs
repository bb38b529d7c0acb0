//! Rules as people see them, what they say of what was recorded, and what they would say before it happens.

use axum::extract::{Path, State};
use exhibit_model::{Evaluation, Json, JsonMap, SpanId};
use exhibit_recorder::{Question, Step};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::Shared,
    auth::{Caller, Ingest, Read, ReadTraces},
    extract::{Small, span_id, trace_id},
    problem::{Problem, ProblemBody},
    view::{
        Data,
        finding::{FindingView, findings},
    },
};

/// A call somebody is about to make, and what was done before it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecideRequest {
    /// The call: `input`, `output`, `kind`, `model`, `provider`, `tool`, `name`, `agent`, `user`,
    /// `session`, `environment`, `service`, `tags`, `metadata`, `cost_usd`, `tokens`, `id`, `parent`.
    #[schema(value_type = Object)]
    call: Step,
    /// The trace it belongs to; approvals of its reviews count.
    #[serde(default)]
    trace_id: Option<String>,
    /// The steps made so far, oldest first, each like the call.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    steps: Vec<Step>,
    /// What the trace cost so far beside the steps, USD.
    #[serde(default)]
    trace_cost_usd: Option<f64>,
    /// Tokens the trace took so far beside the steps.
    #[serde(default)]
    trace_tokens: Option<u64>,
}

impl DecideRequest {
    /// The call may also stand at the top, without `call`.
    fn read(mut map: JsonMap) -> Result<Self, Problem> {
        if !map.contains_key("call") {
            const BESIDE: [&str; 4] = ["trace_id", "steps", "trace_cost_usd", "trace_tokens"];
            let (beside, call): (JsonMap, JsonMap) =
                map.into_iter().partition(|(key, _)| BESIDE.contains(&key.as_str()));
            map = beside;
            map.insert("call".to_owned(), Json::Object(call));
        }
        serde_json::from_value(Json::Object(map)).map_err(|error| {
            Problem::unprocessable("invalid", format!("The body is not acceptable: {error}."))
        })
    }
}

/// What the rules say.
#[derive(Serialize, ToSchema)]
pub(crate) struct DecideAnswer {
    /// The strongest action: `allow`, `tag`, `notify`, `redact`, `flag`, `review`, `quarantine`, `block`.
    decision: &'static str,
    /// Whether the call may be made.
    allowed: bool,
    /// All actions, strongest first.
    actions: Vec<&'static str>,
    /// `pass`, `warning`, `fail`, `review`, `quarantined`.
    verdict: &'static str,
    /// The input as it may be sent: with what rules replace replaced.
    #[schema(value_type = Object)]
    input: Option<Json>,
    /// The output as it may be shown.
    #[schema(value_type = Object)]
    output: Option<Json>,
    /// Whether anything was replaced.
    redacted: bool,
    /// What detectors found.
    findings: Vec<FindingView>,
    /// What rules say.
    #[schema(value_type = Vec<Object>)]
    evaluations: Vec<Evaluation>,
    /// Words of the rules for people.
    messages: Vec<String>,
    /// Tags that rules put on it.
    tags: Vec<String>,
    /// What it is expected to cost, billionths of a US dollar.
    cost_nano_usd: Option<String>,
    /// Hash of the rules in force, hex.
    rules: String,
}

/// Largest question: a long prompt, with the steps before it.
const DECIDE_BYTES: usize = 8 << 20;

/// Ask before acting: the rules in force, about a call that has not been made yet. Nothing is recorded;
/// what the call would cost is reserved in budgets until its span arrives.
#[utoipa::path(post, path = "/api/v1/govern/decide", tag = "governance", request_body = DecideRequest,
    responses((status = 200, body = Data<DecideAnswer>), (status = 422, body = ProblemBody)))]
pub(crate) async fn decide(
    State(app): State<Shared>,
    caller: Caller<Ingest>,
    Small(body): Small<JsonMap, DECIDE_BYTES>,
) -> Result<Data<DecideAnswer>, Problem> {
    let asked = DecideRequest::read(body)?;
    let question = Question {
        call: asked.call,
        trace_id: asked.trace_id.as_deref().map(trace_id).transpose()?,
        steps: asked.steps,
        cost_usd: asked.trace_cost_usd,
        tokens: asked.trace_tokens,
    };
    let said = app.recorder.decide(&caller, question).await?;
    let span = &said.span;
    Ok(Data {
        data: DecideAnswer {
            decision: said.decision.strongest().as_str(),
            allowed: !said.decision.is_quarantine(),
            actions: said.decision.actions.iter().map(|action| action.as_str()).collect(),
            verdict: said.verdict.as_str(),
            input: span.attribute("input").cloned(),
            output: span.attribute("output").cloned(),
            redacted: said.redacted,
            findings: findings(span),
            tags: span.tags.clone(),
            cost_nano_usd: span.cost.amount.map(|amount| amount.0.to_string()),
            evaluations: said.evaluations,
            messages: said.messages,
            rules: said.rules,
        },
    })
}

/// The policies and detectors in force, why the last change did not take effect, if it did not, and which
/// rules tell a channel that is not there.
#[utoipa::path(get, path = "/api/v1/govern/policies", tag = "governance",
    responses((status = 200, body = Data<Object>), (status = 403, body = ProblemBody)))]
pub(crate) async fn policies(
    State(app): State<Shared>,
    _caller: Caller<Read>,
) -> Result<Data<Json>, Problem> {
    let listing = serde_json::to_value(app.recorder.rule_listing());
    let mut data = listing.map_err(|error| Problem::internal(&error))?;
    if let Some(map) = data.as_object_mut() {
        let rules = app.recorder.rules();
        map.insert("last_error".into(), rules.last_error.into());
        map.insert("warnings".into(), rules.warnings.into());
    }
    Ok(Data { data })
}

/// Lines of an answer about budgets.
const BUDGETS: usize = 500;

/// What was spent of the budgets in force, most used up first.
#[utoipa::path(get, path = "/api/v1/govern/budgets", tag = "governance",
    responses((status = 200, body = Data<Vec<Object>>), (status = 403, body = ProblemBody)))]
pub(crate) async fn budgets(
    State(app): State<Shared>,
    caller: Caller<Read>,
) -> Data<Vec<exhibit_recorder::BudgetBurn>> {
    Data { data: app.recorder.budgets(caller.workspace, BUDGETS) }
}

/// What rules and detectors say of one span.
#[derive(Serialize, ToSchema)]
pub(crate) struct SpanRuling {
    /// The span; null for what is said of the trace as a whole.
    span_id: Option<String>,
    /// Its name.
    name: Option<String>,
    /// `pass`, `warning`, `fail`, `review`, `quarantined`.
    verdict: &'static str,
    /// What followed, strongest first.
    decision: Vec<&'static str>,
    /// What each rule says.
    #[schema(value_type = Vec<Object>)]
    evaluations: Vec<Evaluation>,
    /// What was found.
    findings: Vec<FindingView>,
}

impl SpanRuling {
    fn of(detail: &exhibit_recorder::SpanDetail) -> Self {
        let span = &detail.span;
        let verdict = exhibit_model::Verdict::of(&span.findings, &span.evaluations, &span.decision);
        let is_trace = span.span_id == SpanId::registration();
        Self {
            span_id: (!is_trace).then(|| span.span_id.to_string()),
            name: span.name.clone(),
            verdict: verdict.as_str(),
            decision: span.decision.actions.iter().map(|a| a.as_str()).collect(),
            evaluations: span.evaluations.clone(),
            findings: findings(span),
        }
    }
}

/// What is said of a trace.
#[derive(Serialize, ToSchema)]
pub(crate) struct TraceRulings {
    /// How the trace stands.
    verdict: &'static str,
    /// What is said of the trace as a whole; null before it was judged.
    trace: Option<SpanRuling>,
    /// Spans of which rules or detectors say anything, in order of start.
    spans: Vec<SpanRuling>,
    /// Whether there were more spans than are looked through.
    truncated: bool,
}

/// Spans looked through for one answer.
const SPANS_MAX: usize = 1_000;

/// Evaluations, findings and decisions of a trace and its spans.
#[utoipa::path(get, path = "/api/v1/traces/{trace_id}/evaluations", tag = "governance",
    params(("trace_id" = String, Path, description = "The trace's id")),
    responses((status = 200, body = Data<TraceRulings>), (status = 404, body = ProblemBody)))]
pub(crate) async fn of_trace(
    State(app): State<Shared>,
    caller: Caller<ReadTraces>,
    Path(id): Path<String>,
) -> Result<Data<TraceRulings>, Problem> {
    let id = trace_id(&id)?;
    let found = app.recorder.trace_with_spans(caller.workspace, &id, SPANS_MAX).await?;
    let (row, details) = found.ok_or_else(|| Problem::not_found("trace"))?;
    let whole = app.recorder.registration(caller.workspace, &id).await?;
    let says = |ruling: &SpanRuling| !ruling.evaluations.is_empty() || !ruling.findings.is_empty();
    let spans = details.iter().filter(|d| !d.span.span_id.is_registration()).map(SpanRuling::of);
    Ok(Data {
        data: TraceRulings {
            verdict: row.summary.verdict.as_str(),
            trace: whole.as_ref().map(SpanRuling::of).filter(says),
            spans: spans.filter(says).collect(),
            truncated: row.summary.span_count > details.len() as u64,
        },
    })
}

/// Evaluations, findings and decision of a span.
#[utoipa::path(get, path = "/api/v1/traces/{trace_id}/spans/{span_id}/evaluations", tag = "governance",
    params(("trace_id" = String, Path, description = "The trace's id"),
        ("span_id" = String, Path, description = "The span's id")),
    responses((status = 200, body = Data<SpanRuling>), (status = 404, body = ProblemBody)))]
pub(crate) async fn of_span(
    State(app): State<Shared>,
    caller: Caller<ReadTraces>,
    Path((trace, span)): Path<(String, String)>,
) -> Result<Data<SpanRuling>, Problem> {
    let (trace, span) = (trace_id(&trace)?, span_id(&span)?);
    let detail = app.recorder.span(caller.workspace, &trace, &span).await?;
    let detail = detail.ok_or_else(|| Problem::not_found("span"))?;
    Ok(Data { data: SpanRuling::of(&detail) })
}
