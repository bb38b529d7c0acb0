//! Tracium's API, as its published client speaks it: traces are created, filled and ended; a Gantt
//! chart and the plan can be read; drift is computed on demand from what is stored.
//!
//! A trace that was ever heard of is never answered with 404: its client would send nothing more of
//! it. Tenants and workspaces that a client names are labels; the key decides the workspace.

mod drift;
mod gantt;
mod trees;

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use exhibit_capture::{Decoded, dialect::tracium};
use exhibit_model::{Json as Value, TraceId};
use exhibit_recorder::Accepted;
use serde_json::json;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::shape::shaped;
use crate::{
    app::Shared,
    auth::{Anyone, Caller, Ingest, ReadTraces},
    extract::trace_id,
    problem::{Problem, ProblemBody},
};

pub(crate) use trees::Trees;

/// All routes, with errors as this client's service writes them.
pub(crate) fn router() -> OpenApiRouter<Shared> {
    let router = OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(spans))
        .routes(routes!(complete))
        .routes(routes!(fail))
        .routes(routes!(read_gantt))
        .routes(routes!(me))
        .routes(routes!(drift::metrics))
        .routes(routes!(drift::prompts));
    shaped!(router, shape)
}

fn shape(problem: &Problem) -> Value {
    json!({ "code": problem.code, "message": problem.detail, "detail": problem.detail })
}

/// Start a trace: `{"agent_name", "model_id", "tags", "trace_id", "version", …}`. The same trace id
/// again is the same trace.
#[utoipa::path(post, path = "/agents/traces", tag = "tracium",
    request_body(content = Object, content_type = "application/json"),
    responses((status = 201, body = Object), (status = 401, body = ProblemBody),
        (status = 422, body = ProblemBody)))]
pub(crate) async fn create(
    State(app): State<Shared>,
    caller: Caller<Ingest>,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Result<Response, Problem> {
    let recorder = Arc::clone(&app.recorder);
    let decode = move |body: &[u8], context: &exhibit_capture::Context<'_>| {
        let mut mint = || TraceId::mint(recorder.now().0, recorder.entropy());
        tracium::create(body, context, &mut mint)
    };
    let (created, _share) = app.intake(caller.workspace, DOOR, &headers, body, decode).await?;
    let id = created.span.trace_id.clone();
    let root = created.span.span_id.clone();
    let decoded = Decoded { spans: vec![created.span], protocol: DOOR, ..Decoded::default() };
    accept(&app, &caller, decoded).await?;
    // As it was recorded: what rules took out is not sent back either.
    let kept = app.recorder.span(caller.workspace, &id, &root).await?;
    let kept = |name: &str| kept.as_ref().and_then(|span| tracium::field(&span.span, name));
    let answer = json!({
        "id": id,
        "trace_id": id,
        "agent_name": kept("agent_name"),
        "model_id": kept("model_id"),
        "status": "in_progress",
    });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

const DOOR: &str = "tracium";

/// Send spans of a trace, running or ended: `{"spans": [{"id", "span_type", "status", "started_at",
/// "depth_level", …}]}`. A span id sent again updates the span.
#[utoipa::path(post, path = "/agents/traces/{trace_id}/spans", tag = "tracium",
    params(("trace_id" = String, Path, description = "The trace's id")),
    request_body(content = Object, content_type = "application/json"),
    responses((status = 201, body = Object), (status = 401, body = ProblemBody),
        (status = 422, body = ProblemBody)))]
pub(crate) async fn spans(
    State(app): State<Shared>,
    caller: Caller<Ingest>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Result<Response, Problem> {
    let id = sent_id(&id)?;
    let held = app.trees.of(&app.recorder, caller.workspace, &id).await?;
    let mut tree = held.lock_owned().await;
    let trace = id.clone();
    let decode = move |body: &[u8], context: &exhibit_capture::Context<'_>| {
        tracium::spans(body, context, &trace, &mut tree)
    };
    let (decoded, _share) = app.intake(caller.workspace, DOOR, &headers, body, decode).await?;
    let accepted = accept(&app, &caller, Decoded { protocol: DOOR, ..decoded }).await?;
    let rejected: Vec<Value> = accepted
        .rejected
        .iter()
        .map(|one| json!({ "index": one.index, "pointer": one.pointer, "reason": one.reason }))
        .collect();
    if accepted.accepted == 0 && !rejected.is_empty() {
        let detail = "No span of this request could be recorded; see rejected.";
        let problem = Problem::unprocessable("spans-rejected", detail);
        return Err(problem.with("rejected", rejected));
    }
    let answer = json!({ "trace_id": id, "recorded": accepted.accepted, "rejected": rejected });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// A trace has ended well: `{"summary", "tags", "model", "system_prompt", "llm_steps"}`, all optional.
#[utoipa::path(post, path = "/agents/traces/{trace_id}/complete", tag = "tracium",
    params(("trace_id" = String, Path, description = "The trace's id")),
    request_body(content = Object, content_type = "application/json"),
    responses((status = 200, body = Object), (status = 401, body = ProblemBody)))]
pub(crate) async fn complete(
    State(app): State<Shared>,
    caller: Caller<Ingest>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Result<Response, Problem> {
    end(&app, &caller, &id, headers, body, false).await
}

/// A trace has failed: `{"error", "model", "system_prompt", "llm_steps"}`, all optional.
#[utoipa::path(post, path = "/agents/traces/{trace_id}/fail", tag = "tracium",
    params(("trace_id" = String, Path, description = "The trace's id")),
    request_body(content = Object, content_type = "application/json"),
    responses((status = 200, body = Object), (status = 401, body = ProblemBody)))]
pub(crate) async fn fail(
    State(app): State<Shared>,
    caller: Caller<Ingest>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Result<Response, Problem> {
    end(&app, &caller, &id, headers, body, true).await
}

async fn end(
    app: &Shared,
    caller: &Caller<Ingest>,
    id: &str,
    headers: HeaderMap,
    body: axum::body::Body,
    failed: bool,
) -> Result<Response, Problem> {
    let id = sent_id(id)?;
    let trace = id.clone();
    let decode = move |body: &[u8], context: &exhibit_capture::Context<'_>| {
        tracium::end(body, context, trace, failed)
    };
    let (decoded, _share) = app.intake(caller.workspace, DOOR, &headers, body, decode).await?;
    accept(app, caller, Decoded { protocol: DOOR, ..decoded }).await?;
    app.trees.forget(caller.workspace, &id);
    let status = if failed { "failed" } else { "completed" };
    Ok(Json(json!({ "id": id, "trace_id": id, "status": status })).into_response())
}

/// A trace id in a path that is written to: one that cannot be an id is refused, never 404.
fn sent_id(text: &str) -> Result<TraceId, Problem> {
    TraceId::new(text).map_err(|error| {
        Problem::unprocessable("invalid-value", format!("The trace id in the path: {error}."))
    })
}

async fn accept(
    app: &Shared,
    caller: &Caller<Ingest>,
    decoded: Decoded,
) -> Result<Accepted, Problem> {
    Ok(app.recorder.accept(caller.workspace, decoded).await?)
}

/// The spans of a trace with their places in time and tree.
#[utoipa::path(get, path = "/agents/traces/{trace_id}/gantt", tag = "tracium",
    params(("trace_id" = String, Path, description = "The trace's id")),
    responses((status = 200, body = Object), (status = 404, body = ProblemBody)))]
pub(crate) async fn read_gantt(
    State(app): State<Shared>,
    caller: Caller<ReadTraces>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let id = trace_id(&id)?;
    let spans_max = app.recorder.limits().window_spans_max;
    let found = app.recorder.trace_with_spans(caller.workspace, &id, spans_max).await?;
    let (row, details) = found.ok_or_else(|| Problem::not_found("trace"))?;
    Ok(Json(gantt::chart(&row, &details)))
}

/// Who asks. There is one plan, and it has no bounds but those of the machine.
#[utoipa::path(get, path = "/auth/me", tag = "tracium",
    responses((status = 200, body = Object), (status = 401, body = ProblemBody)))]
pub(crate) async fn me(caller: Caller<Anyone>) -> Json<Value> {
    Json(json!({
        "plan": "self-hosted",
        "workspace_id": caller.workspace_public,
        "scopes": caller.scopes.iter().map(exhibit_model::Scope::as_str).collect::<Vec<_>>(),
    }))
}
