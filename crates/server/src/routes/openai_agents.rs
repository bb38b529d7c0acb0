//! The trace exporter of the OpenAI Agents SDK: `POST …/traces/ingest`.

use axum::{Json, body::Body, extract::State, http::HeaderMap};
use exhibit_capture::dialect::openai_agents;
use exhibit_model::Json as Value;
use serde_json::json;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::shape::shaped;
use crate::{
    app::Shared,
    auth::{Caller, Ingest},
    problem::{Problem, ProblemBody},
};

/// The route, with errors as that API writes them.
pub(crate) fn router() -> OpenApiRouter<Shared> {
    shaped!(OpenApiRouter::new().routes(routes!(ingest)), shape)
}

fn shape(problem: &Problem) -> Value {
    json!({ "error": { "message": problem.detail, "type": "invalid_request_error", "code": problem.code } })
}

/// Take in traces and spans: `{"data": [{"object": "trace", …}, {"object": "trace.span", …}]}`. Bad
/// entries are named in the answer and kept as dead letters; the client never sends again, so the
/// good ones count.
#[utoipa::path(post, path = "/v1/traces/ingest", tag = "ingest",
    request_body(content = Object, content_type = "application/json"),
    responses((status = 200, body = Object), (status = 401, body = ProblemBody),
        (status = 400, body = ProblemBody)))]
pub(crate) async fn ingest(
    State(app): State<Shared>,
    caller: Caller<Ingest>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let decode = openai_agents::ingest;
    let door = "openai-agents";
    let (decoded, _share) = app.intake(caller.workspace, door, &headers, body, decode).await?;
    let accepted = app.recorder.accept(caller.workspace, decoded).await?;
    let rejected: Vec<Value> = accepted
        .rejected
        .iter()
        .map(|one| json!({ "index": one.index, "pointer": one.pointer, "reason": one.reason }))
        .collect();
    Ok(Json(json!({ "accepted": accepted.accepted, "rejected": rejected })))
}
