//! Traces and their spans.

mod query;
pub(crate) mod within;

use axum::extract::{Path, State};
use exhibit_model::{Json, Scope};
use exhibit_store::SpanWindow;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::retention;
use crate::{
    app::Shared,
    auth::{Caller, ReadTraces},
    extract::{Params, span_id, trace_id},
    problem::{Problem, ProblemBody},
    view::{
        Data, Listing,
        span::{NativeSpan, SpanDocument, SpanPreview},
        trace::Trace,
    },
};

pub(crate) use query::{ListParams, query, quoted};

/// Most spans that come whole with their trace.
const WHOLE_SPANS_MAX: usize = 500;
/// Spans of a window unless asked otherwise.
const WINDOW: usize = 200;

/// A trace with its spans.
#[derive(Serialize, ToSchema)]
pub(crate) struct TraceDocument {
    #[serde(flatten)]
    trace: Trace,
    /// Its spans in order of start, whole; at most 500.
    #[schema(value_type = Vec<NativeSpan>)]
    spans: Vec<SpanDocument>,
    /// Whether there are more; read them from `/api/v1/traces/{id}/spans`.
    spans_truncated: bool,
}

/// Traces, newest first, that a filter finds. Every field of the filter language is a parameter as
/// well: `?status=error&model=gpt-4o` is `?filter=status = error and model = "gpt-4o"`.
#[utoipa::path(get, path = "/api/v1/traces", tag = "traces", params(ListParams),
    responses((status = 200, body = Listing<Trace>), (status = 400, body = ProblemBody),
        (status = 401, body = ProblemBody)))]
pub(crate) async fn list(
    State(app): State<Shared>,
    caller: Caller<ReadTraces>,
    Params(pairs): Params<Vec<(String, String)>>,
) -> Result<Listing<Trace>, Problem> {
    let query = query(pairs)?;
    let page = app
        .recorder
        .traces(caller.workspace, &query.filter, query.order, query.cursor, query.limit)
        .await?;
    Ok(Listing::of(page, Trace::of))
}

/// One trace with its spans.
#[utoipa::path(get, path = "/api/v1/traces/{trace_id}", tag = "traces",
    params(("trace_id" = String, Path, description = "The trace's id")),
    responses((status = 200, body = Data<TraceDocument>), (status = 404, body = ProblemBody)))]
pub(crate) async fn one(
    State(app): State<Shared>,
    caller: Caller<ReadTraces>,
    Path(id): Path<String>,
) -> Result<Data<TraceDocument>, Problem> {
    let id = trace_id(&id)?;
    let found = app
        .recorder
        .trace_shown(caller.workspace, &id, WHOLE_SPANS_MAX, caller.scopes.has(Scope::Review))
        .await?;
    let (row, details) = found.ok_or_else(|| Problem::not_found("trace"))?;
    let trace = Trace::of(&row);
    let spans_truncated = trace.span_count > details.len() as u64;
    let spans = details.iter().map(SpanDocument::of).collect();
    Ok(Data { data: TraceDocument { trace, spans, spans_truncated } })
}

/// Which spans of a trace.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Window {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Most spans of a page.
    limit: Option<usize>,
    /// Only children of this span.
    parent: Option<String>,
    #[serde(rename = "workspace")]
    #[param(ignore)]
    _workspace: Option<String>,
}

/// A window of a trace's spans in order of start, with short texts.
#[utoipa::path(get, path = "/api/v1/traces/{trace_id}/spans", tag = "traces",
    params(("trace_id" = String, Path, description = "The trace's id"), Window),
    responses((status = 200, body = Listing<SpanPreview>), (status = 404, body = ProblemBody)))]
pub(crate) async fn spans(
    State(app): State<Shared>,
    caller: Caller<ReadTraces>,
    Path(id): Path<String>,
    Params(window): Params<Window>,
) -> Result<Listing<SpanPreview>, Problem> {
    let id = trace_id(&id)?;
    let window = SpanWindow {
        after: window.cursor,
        limit: window.limit.unwrap_or(WINDOW),
        parent: window.parent.as_deref().map(span_id).transpose()?,
    };
    let page = app.recorder.spans(caller.workspace, &id, &window, true).await?;
    let page = page.ok_or_else(|| Problem::not_found("trace"))?;
    Ok(Listing::of(page, SpanPreview::of))
}

/// One span with everything, its raw attributes included.
#[utoipa::path(get, path = "/api/v1/traces/{trace_id}/spans/{span_id}", tag = "traces",
    params(("trace_id" = String, Path, description = "The trace's id"),
        ("span_id" = String, Path, description = "The span's id")),
    responses((status = 200, body = Data<NativeSpan>), (status = 404, body = ProblemBody)))]
pub(crate) async fn span(
    State(app): State<Shared>,
    caller: Caller<ReadTraces>,
    Path((trace, span)): Path<(String, String)>,
) -> Result<Data<SpanDocument>, Problem> {
    let (trace, span) = (trace_id(&trace)?, span_id(&span)?);
    let detail = app
        .recorder
        .span_shown(caller.workspace, &trace, &span, caller.scopes.has(Scope::Review))
        .await?;
    let detail = detail.ok_or_else(|| Problem::not_found("span"))?;
    Ok(Data { data: SpanDocument::with_raw(&detail) })
}

/// Whether a trace is still what was sealed, with the proofs. Of one that was erased: its certificate.
#[utoipa::path(get, path = "/api/v1/traces/{trace_id}/verification", tag = "traces",
    params(("trace_id" = String, Path, description = "The trace's id")),
    responses((status = 200, body = Data<Object>), (status = 404, body = ProblemBody)))]
pub(crate) async fn verification(
    State(app): State<Shared>,
    caller: Caller<ReadTraces>,
    Path(id): Path<String>,
) -> Result<Data<Json>, Problem> {
    let id = trace_id(&id)?;
    let verification = app.recorder.verification(caller.workspace, &id).await?;
    let Some(verification) = verification else {
        let erasure = retention::erasure(&app, caller.workspace, &id).await?;
        let data = erasure.ok_or_else(|| Problem::not_found("trace"))?;
        return Ok(Data { data });
    };
    let data = serde_json::to_value(verification).map_err(|error| Problem::internal(&error))?;
    Ok(Data { data })
}

/// Whether a span is still what was sealed, with its proof. Of an erased trace: its certificate.
#[utoipa::path(get, path = "/api/v1/traces/{trace_id}/spans/{span_id}/verification", tag = "traces",
    params(("trace_id" = String, Path, description = "The trace's id"),
        ("span_id" = String, Path, description = "The span's id")),
    responses((status = 200, body = Data<Object>), (status = 404, body = ProblemBody)))]
pub(crate) async fn span_verification(
    State(app): State<Shared>,
    caller: Caller<ReadTraces>,
    Path((trace, span)): Path<(String, String)>,
) -> Result<Data<Json>, Problem> {
    let (trace, span) = (trace_id(&trace)?, span_id(&span)?);
    let Some(found) = app.recorder.span_verification(caller.workspace, &trace, &span).await? else {
        let erasure = retention::erasure(&app, caller.workspace, &trace).await?;
        let data = erasure.ok_or_else(|| Problem::not_found("span"))?;
        return Ok(Data { data });
    };
    let data = serde_json::to_value(found).map_err(|error| Problem::internal(&error))?;
    Ok(Data { data })
}
