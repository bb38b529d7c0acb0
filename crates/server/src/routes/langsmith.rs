//! LangSmith's ingest API, at its own paths and below `/api/v1`: `GET /info`, runs one by one, in
//! batches and as multipart forms, feedback.

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, patch, post},
};
use exhibit_capture::{Context, DecodeError, Decoded, dialect::langsmith::run};
use exhibit_model::Json as Value;
use serde_json::json;

use super::shape::shaped;
use crate::{
    app::Shared,
    auth::{Caller, Ingest},
    problem::Problem,
};

/// Prefixes under which its clients look, hosted and self-hosted.
pub(crate) const PREFIXES: &[&str] = &["", "/api/v1"];
const DOOR: &str = "langsmith";

/// The routes below every prefix, with errors as that API writes them.
pub(crate) fn router() -> Router<Shared> {
    let mut router = Router::new();
    for prefix in PREFIXES {
        router = router
            .route(&format!("{prefix}/info"), get(info))
            .route(&format!("{prefix}/runs"), post(create))
            .route(&format!("{prefix}/runs/batch"), post(batch))
            .route(&format!("{prefix}/runs/multipart"), post(form))
            .route(&format!("{prefix}/runs/{{id}}"), patch(update))
            .route(&format!("{prefix}/feedback"), post(feedback));
    }
    shaped!(router, shape)
}

fn shape(problem: &Problem) -> Value {
    json!({ "detail": problem.detail, "code": problem.code })
}

/// What the service can do. Clients ask this first, without a key.
async fn info(State(app): State<Shared>) -> Json<Value> {
    let limits = app.recorder.limits();
    Json(json!({
        "version": concat!("exhibit-", env!("CARGO_PKG_VERSION")),
        "license_expiration_time": null,
        "batch_ingest_config": {
            "use_multipart_endpoint": true,
            "scale_up_qsize_trigger": 1000,
            "scale_up_nthreads_limit": 16,
            "scale_down_nempty_trigger": 4,
            "size_limit": 100,
            "size_limit_bytes": (20 << 20).min(limits.body_bytes_max),
        },
        "instance_flags": { "zstd_compression_enabled": true },
    }))
}

async fn create(
    State(app): State<Shared>,
    caller: Caller<Ingest>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let decode = |body: &[u8], context: &Context<'_>| run::single(body, context, None);
    take(&app, &caller, headers, body, decode).await
}

async fn update(
    State(app): State<Shared>,
    caller: Caller<Ingest>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let decode = move |body: &[u8], context: &Context<'_>| run::single(body, context, Some(&id));
    take(&app, &caller, headers, body, decode).await
}

async fn batch(
    State(app): State<Shared>,
    caller: Caller<Ingest>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    take(&app, &caller, headers, body, run::batch).await
}

async fn form(
    State(app): State<Shared>,
    caller: Caller<Ingest>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    let decode = move |body: &[u8], context: &Context<'_>| run::form(body, &content_type, context);
    take(&app, &caller, headers, body, decode).await
}

async fn feedback(
    State(app): State<Shared>,
    caller: Caller<Ingest>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    take(&app, &caller, headers, body, run::single_feedback).await
}

/// Records what a request holds. Its client sends a refused batch again as a whole, so bad entries
/// are named in a successful answer and kept as dead letters.
async fn take(
    app: &Shared,
    caller: &Caller<Ingest>,
    headers: HeaderMap,
    body: Body,
    decode: impl FnOnce(&[u8], &Context<'_>) -> Result<Decoded, DecodeError> + Send + 'static,
) -> Result<Response, Problem> {
    let (decoded, _share) = app.intake(caller.workspace, DOOR, &headers, body, decode).await?;
    let accepted = app.recorder.accept(caller.workspace, decoded).await?;
    let rejected: Vec<Value> = accepted
        .rejected
        .iter()
        .map(|one| json!({ "pointer": one.pointer, "reason": one.reason }))
        .collect();
    if accepted.accepted == 0 && !rejected.is_empty() {
        let detail = "Nothing of this request could be recorded; see rejected.";
        return Err(Problem::unprocessable("runs-rejected", detail).with("rejected", rejected));
    }
    let message = "Runs batch ingested";
    let answer = json!({ "message": message, "accepted": accepted.accepted, "rejected": rejected });
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}
