//! Langfuse's batch ingestion, and what its clients ask before and beside it.

use std::collections::HashMap;

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use exhibit_capture::dialect::langfuse::ingestion;
use exhibit_model::Json as Value;
use serde_json::json;

use super::shape::shaped;
use crate::{
    app::Shared,
    auth::{Anyone, Caller, Ingest},
    problem::Problem,
};

const DOOR: &str = "langfuse";

/// The routes, with errors as that API writes them.
pub(crate) fn router() -> Router<Shared> {
    let router = Router::new()
        .route("/api/public/ingestion", post(ingest))
        .route("/api/public/scores", post(scores))
        .route("/api/public/projects", get(projects))
        .route("/api/public/health", get(health));
    shaped!(router, shape)
}

fn shape(problem: &Problem) -> Value {
    json!({ "error": problem.code, "message": problem.detail })
}

/// The project a key belongs to: its workspace.
async fn projects(caller: Caller<Anyone>) -> Json<Value> {
    let id = &caller.workspace_public;
    Json(json!({ "data": [{ "id": id, "name": id, "metadata": {}, "retentionDays": null,
        "organization": { "id": id, "name": id } }] }))
}

async fn health() -> Json<Value> {
    Json(json!({ "status": "OK", "version": env!("CARGO_PKG_VERSION") }))
}

/// Records scores: 202 when all were taken, else 207 with what was not.
async fn scores(
    State(app): State<Shared>,
    caller: Caller<Ingest>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let decode = ingestion::scores;
    let (decoded, _share) = app.intake(caller.workspace, DOOR, &headers, body, decode).await?;
    let id = decoded.spans.first().map(|span| span.span_id.clone());
    let accepted = app.recorder.accept(caller.workspace, decoded).await?;
    if accepted.rejected.is_empty() {
        let answer = json!({ "message": "Accepted", "id": id });
        return Ok((StatusCode::ACCEPTED, Json(answer)).into_response());
    }
    let errors = accepted.rejected.iter();
    let errors: Vec<Value> = errors
        .map(|one| json!({ "message": format!("{}: {}", one.pointer, one.reason) }))
        .collect();
    let answer =
        json!({ "accepted": accepted.accepted, "rejected": errors.len(), "errors": errors });
    Ok((StatusCode::MULTI_STATUS, Json(answer)).into_response())
}

/// Records a batch. 207: what became of each event, by the event's own id.
async fn ingest(
    State(app): State<Shared>,
    caller: Caller<Ingest>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let decode = ingestion::batch;
    let (batch, _share) = app.intake(caller.workspace, DOOR, &headers, body, decode).await?;
    let accepted = app.recorder.accept(caller.workspace, batch.decoded).await?;
    let refused: HashMap<usize, &exhibit_capture::Rejected> =
        accepted.rejected.iter().map(|one| (one.index, one)).collect();
    let (mut successes, mut errors) = (Vec::new(), Vec::new());
    for (index, id) in batch.ids.iter().enumerate() {
        match refused.get(&index) {
            None => successes.push(json!({ "id": id, "status": 201 })),
            Some(one) => errors.push(json!({
                "id": id, "status": 400, "message": format!("{}: {}", one.pointer, one.reason),
                "error": "invalid request data",
            })),
        }
    }
    let answer = json!({ "successes": successes, "errors": errors });
    Ok((StatusCode::MULTI_STATUS, Json(answer)).into_response())
}
