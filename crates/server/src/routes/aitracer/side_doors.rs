//! AITracer's side doors: guardrail events, tool calls, feedback, deliveries of outside scanners, and
//! the spans of its Agents bridge.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use exhibit_capture::{
    Decoded,
    dialect::{aitracer, aitracer::Kind, openai_agents},
};
use exhibit_model::{Json as Value, Span};
use exhibit_recorder::{Delivery, check_delivery};
use serde_json::json;

use crate::{
    app::Shared,
    auth::{Admin, Caller, Ingest},
    problem::{Problem, ProblemBody},
    routes::ingest::rejection,
    view::Data,
};

const DOOR: &str = "aitracer";
const TIMESTAMP: &str = "x-aitracer-delivery-timestamp";
const SIGNATURE: &str = "x-aitracer-signature";

/// Record the outcome of a guardrail or policy.
#[utoipa::path(post, path = "/api/integrations/openai-guardrails", tag = "ingest",
    request_body(content = Object, content_type = "application/json"),
    responses((status = 201, body = Object), (status = 401, body = ProblemBody),
        (status = 422, body = ProblemBody)))]
pub(crate) async fn guardrail(
    State(app): State<Shared>,
    caller: Caller<Ingest>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    event(&app, &caller, headers, body, Kind::Guardrail).await
}

/// Record a call of a tool: `toolName`, `arguments`, `result` or `error`, and the trace it belongs to.
#[utoipa::path(post, path = "/api/ingest/tool-calls", tag = "ingest",
    request_body(content = Object, content_type = "application/json"),
    responses((status = 201, body = Object), (status = 401, body = ProblemBody),
        (status = 422, body = ProblemBody)))]
pub(crate) async fn tool_call(
    State(app): State<Shared>,
    caller: Caller<Ingest>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    event(&app, &caller, headers, body, Kind::ToolCall).await
}

/// Record what somebody thought of a trace: `traceId`, `rating` (or `thumbs`, `score`), `comment`.
#[utoipa::path(post, path = "/api/ingest/feedback", tag = "ingest",
    request_body(content = Object, content_type = "application/json"),
    responses((status = 201, body = Object), (status = 401, body = ProblemBody),
        (status = 422, body = ProblemBody)))]
pub(crate) async fn feedback(
    State(app): State<Shared>,
    caller: Caller<Ingest>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    event(&app, &caller, headers, body, Kind::Feedback).await
}

async fn event(
    app: &Shared,
    caller: &Caller<Ingest>,
    headers: HeaderMap,
    body: Body,
    what: Kind,
) -> Result<Response, Problem> {
    let decode = move |body: &[u8], context: &exhibit_capture::Context<'_>| {
        aitracer::event(body, context, what, None)
    };
    let (span, _share) = app.intake(caller.workspace, DOOR, &headers, body, decode).await?;
    record(app, caller, span).await
}

async fn record(app: &Shared, caller: &Caller<Ingest>, span: Span) -> Result<Response, Problem> {
    let (trace_id, span_id) = (span.trace_id.clone(), span.span_id.clone());
    let decoded = Decoded { spans: vec![span], protocol: DOOR, ..Decoded::default() };
    let accepted = app.recorder.accept(caller.workspace, decoded).await?;
    if let Some(refused) = accepted.rejected.first() {
        return Err(rejection(accepted.accepted, &accepted.rejected, &refused.reason));
    }
    let answer = json!({
        "id": span_id,
        "traceId": trace_id,
        "trace": { "id": trace_id },
        "status": "recorded",
    });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// Take in a delivery of an outside scanner (Dependabot, Snyk, …). Where the workspace has a signing
/// secret, it must be signed: `X-AITracer-Delivery-Timestamp` with Unix seconds, and
/// `X-AITracer-Signature: v1=` with the HMAC-SHA256 of `<timestamp>.<body>`, hex. A delivery that came
/// before is refused.
#[utoipa::path(post, path = "/api/ingest/webhooks", tag = "ingest",
    request_body(content = Object, content_type = "application/json"),
    responses((status = 201, body = Object), (status = 401, body = ProblemBody),
        (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn webhook(
    State(app): State<Shared>,
    caller: Caller<Ingest>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let secret = app.recorder.webhook_secret(caller.workspace).await?;
    let text = |name: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let (timestamp, signature) = (text(TIMESTAMP), text(SIGNATURE));
    let now = app.recorder.now();
    let signed = secret.is_some();
    let decode = move |body: &[u8], context: &exhibit_capture::Context<'_>| {
        let delivery = Delivery { timestamp: &timestamp, signature: &signature, body };
        let checked = secret.as_deref().map_or(Ok(()), |key| check_delivery(key, delivery, now));
        let delivered = format!("{timestamp} {signature}");
        let id = secret.is_some().then_some(delivered.as_str());
        // Nothing of a delivery that is not believed is decoded.
        match checked {
            Ok(()) => aitracer::event(body, context, Kind::Alert, id).map(Ok),
            Err(fault) => Ok(Err(fault)),
        }
    };
    let (span, _share) = app.intake(caller.workspace, DOOR, &headers, body, decode).await?;
    let span = span.map_err(|fault| {
        Problem::unauthenticated("signature", format!("Delivery refused: {fault}."))
    })?;
    if signed {
        let known = app.recorder.span(caller.workspace, &span.trace_id, &span.span_id).await?;
        if known.is_some() {
            let detail = "This signed delivery came before; it is not taken twice.";
            return Err(Problem::new(StatusCode::CONFLICT, "replayed", detail));
        }
    }
    record(&app, &caller, span).await
}

/// Take in the spans of an agent's run: `{"traceId", "spans": […]}`, or the Agents SDK's own form.
#[utoipa::path(post, path = "/api/integrations/openai-agents", tag = "ingest",
    request_body(content = Object, content_type = "application/json"),
    responses((status = 201, body = Object), (status = 401, body = ProblemBody),
        (status = 422, body = ProblemBody)))]
pub(crate) async fn agents(
    State(app): State<Shared>,
    caller: Caller<Ingest>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let decode = openai_agents::ingest;
    let (decoded, _share) = app.intake(caller.workspace, DOOR, &headers, body, decode).await?;
    let accepted = app.recorder.accept(caller.workspace, decoded).await?;
    if let Some(first) = accepted.rejected.first() {
        return Err(rejection(accepted.accepted, &accepted.rejected, &first.reason));
    }
    let id = accepted.traces.first();
    let answer = json!({ "accepted": accepted.accepted, "traceId": id, "trace": { "id": id } });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// Make a signing secret for deliveries; the one before stops working. It is shown in this answer
/// only.
#[utoipa::path(post, path = "/api/v1/settings/webhook-secret", tag = "settings",
    responses((status = 201, body = Data<Object>), (status = 403, body = ProblemBody)))]
pub(crate) async fn renew_secret(
    State(app): State<Shared>,
    caller: Caller<Admin>,
) -> Result<Response, Problem> {
    let secret = app.recorder.renew_webhook_secret(caller.workspace).await?;
    let data = Data::<Value> { data: json!({ "secret": secret }) };
    Ok((StatusCode::CREATED, data).into_response())
}

/// Take the signing secret away: deliveries need no signature any more.
#[utoipa::path(delete, path = "/api/v1/settings/webhook-secret", tag = "settings",
    responses((status = 204), (status = 404, body = ProblemBody)))]
pub(crate) async fn drop_secret(
    State(app): State<Shared>,
    caller: Caller<Admin>,
) -> Result<StatusCode, Problem> {
    if app.recorder.drop_webhook_secret(caller.workspace).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("signing secret"))
    }
}
