//! The provider proxy: `/proxy/openai/v1/…`, `/proxy/anthropic/…`, `/proxy/gemini/…`.
//!
//! A client changes its base URL and nothing else; every call is recorded. The provider's key travels
//! in its own header and is passed on; Exhibit's comes as `X-Exhibit-Key` or as the first segment of
//! the path (`/proxy/exk_…/openai/v1`). Answers pass byte for byte while they arrive. Trace exports
//! that such a client sends to its base URL are taken in here, not passed on.
//!
//! `pump` passes the answer on; this file finds out who calls, what rules say, and where to.

mod pump;
mod target;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{any, post},
};
use bytes::Bytes;
use exhibit_capture::dialect::openai_agents;
use exhibit_model::{Json, JsonMap, SpanId, TraceId};
use exhibit_recorder::{
    Caller as Known,
    proxy::{Exchange, Forwarder, Outgoing, ProviderError, Ruling, Wire},
};
use serde_json::json;
use tokio::sync::{OnceCell, Semaphore};

use crate::{
    app::Shared,
    auth::{self, Ingest},
    body, otlp,
    problem::Problem,
};
use target::{Export, Target};

/// Answers passed on at once.
const CALLS_MAX: usize = 4_096;

/// What the proxy keeps between calls.
pub(crate) struct Proxy {
    forwarder: OnceCell<Forwarder>,
    /// One permit per open call; all are free when every call has been recorded.
    calls: Arc<Semaphore>,
}

impl Default for Proxy {
    fn default() -> Self {
        Self { forwarder: OnceCell::new(), calls: Arc::new(Semaphore::new(CALLS_MAX)) }
    }
}

impl Proxy {
    /// Made at the first call: a server that is no proxy reads no trust store.
    async fn forwarder(&self, idle: Duration) -> Result<&Forwarder, Problem> {
        let make = || async {
            tokio::task::spawn_blocking(move || Forwarder::new(idle))
                .await
                .map_err(|error| error.to_string())?
                .map_err(|error| error.to_string())
        };
        let made: Result<_, String> = self.forwarder.get_or_try_init(make).await;
        made.map_err(|error| Problem::internal(&error))
    }

    /// Waits until every open call has been recorded, for at most this long.
    pub(crate) async fn drained(&self, patience: Duration) {
        let all = u32::try_from(CALLS_MAX).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(patience, self.calls.acquire_many(all)).await;
    }
}

/// The routes. They take every method, for providers have many.
pub(crate) fn router() -> Router<Shared> {
    Router::new()
        .route("/proxy/{*path}", any(pass))
        .route("/api/proxy/openai/responses", post(pass))
}

/// The path without a key in it, for logs.
pub(crate) fn shown(path: &str) -> std::borrow::Cow<'_, str> {
    target::without_key(path)
}

async fn pass(State(app): State<Shared>, request: Request) -> Response {
    let found = Target::find(request.uri());
    let wire = found.as_ref().map_or(Wire::OpenAi, |target| target.wire);
    let Some(target) = found else {
        return refusal(wire, &Problem::not_found("provider: use openai, anthropic or gemini"));
    };
    match forward(&app, target, request).await {
        Ok(response) => response,
        Err(problem) => refusal(wire, &problem),
    }
}

/// Who calls. Only Exhibit's own header and the path count: what stands elsewhere is the provider's.
async fn caller(app: &Shared, target: &Target, headers: &HeaderMap) -> Result<Known, Problem> {
    let header = headers.get("x-exhibit-key").and_then(|v| v.to_str().ok()).map(str::trim);
    let Some(key) = header.filter(|k| !k.is_empty()).or(target.key.as_deref()) else {
        return Err(Problem::unauthenticated(
            "no-key",
            "The proxy needs Exhibit's key beside the provider's: send it as `X-Exhibit-Key: exk_…`, \
             or put it into the base URL as /proxy/exk_…/openai/v1.",
        ));
    };
    let known = auth::by_key(app, key).await?;
    auth::require::<Ingest>(&known)?;
    app.rates.check(&known)?;
    let ours = auth::credential::find(&without_own(headers)).is_some_and(|c| c.is_ours());
    if ours {
        return Err(Problem::bad(
            "own-key-as-provider-key",
            "Exhibit's key stands where the provider's belongs; it is not sent to a provider. Set the \
             provider's key as the client's API key.",
        ));
    }
    Ok(known)
}

fn without_own(headers: &HeaderMap) -> HeaderMap {
    let mut rest = headers.clone();
    rest.remove("x-exhibit-key");
    rest
}

async fn forward(app: &Shared, target: Target, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let known = caller(app, &target, &parts.headers).await?;
    if parts.method == Method::POST
        && let Some(export) = target.export()
    {
        return take_in(app, &known, export, &parts.headers, body).await;
    }
    let permit = Arc::clone(&app.proxy.calls).try_acquire_owned();
    let permit = permit.map_err(|_| Problem::busy(1_000))?;
    let start = app.recorder.now();
    let begun = tokio::time::Instant::now();
    let limits = app.recorder.limits();
    let received = body::receive(&app.budget, limits, &parts.headers, body).await?;
    let (body, share) = if received.is_plain() {
        received.inflate(limits)?
    } else {
        let limits = limits.clone();
        let inflated = tokio::task::spawn_blocking(move || received.inflate(&limits)).await;
        inflated.map_err(|error| Problem::internal(&error))??
    };
    let mut headers = parts.headers;
    headers.remove(header::CONTENT_ENCODING);

    let (trace_id, parent_id) = place(&headers, app);
    let mut exchange = Exchange {
        wire: target.wire,
        path: target.path.clone(),
        request: body.to_vec(),
        status: None,
        content_type: String::new(),
        answer: Vec::new(),
        failure: None,
        span_id: SpanId::mint(start.0, app.recorder.entropy()),
        trace_id,
        parent_id,
        start,
        end: None,
        first_byte: None,
        labels: labels(&headers),
    };
    // Lists of models and the like are passed on and not recorded.
    let recorded = parts.method == Method::POST;
    let mut sent: Bytes = body;
    if recorded {
        match app.recorder.rule_on_call(&known, exchange.clone()).await? {
            Ruling::Send => {}
            Ruling::SendInstead(body) => sent = body.into(),
            Ruling::Refuse { reasons } => {
                let words = if reasons.is_empty() {
                    "a rule of this workspace".to_owned()
                } else {
                    reasons.join("; ")
                };
                exchange.failure =
                    Some(("blocked".to_owned(), format!("blocked before the call: {words}")));
                exchange.status = Some(StatusCode::FORBIDDEN.as_u16());
                exchange.end = Some(app.recorder.now());
                app.recorder.keep_call(known.workspace, exchange).await?;
                let detail = format!("This call was not made: {words}.");
                return Err(Problem::forbidden("blocked", detail));
            }
        }
    }
    let trace = HeaderValue::from_str(exchange.trace_id.as_str()).ok();
    let call = pump::Call {
        app: Arc::clone(app),
        workspace: known.workspace,
        exchange,
        begun,
        recorded,
        share,
        _permit: permit,
    };
    let forwarder = app.proxy.forwarder(app.config.proxy.idle).await?;
    let url = target.url(&app.config.proxy);
    let outgoing = Outgoing { method: parts.method.to_string(), url, headers, body: sent };
    let mut response = match forwarder.send(outgoing).await {
        Ok(incoming) => pump::pass_on(call, incoming),
        Err(error) => {
            let problem = unreachable(&error);
            call.failed(&error, problem.status.as_u16()).await;
            refusal(target.wire, &problem)
        }
    };
    if let Some(trace) = trace {
        response.headers_mut().insert("x-exhibit-trace-id", trace);
    }
    Ok(response)
}

/// What a client is told when the provider cannot be reached: what a gateway of the provider's own
/// would say, so that clients try again as they do.
fn unreachable(error: &ProviderError) -> Problem {
    match error {
        ProviderError::Timeout { .. } => Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "provider-timeout",
            "The provider did not answer in time.",
        ),
        _ => Problem::new(
            StatusCode::BAD_GATEWAY,
            "provider-unreachable",
            "The provider cannot be reached.",
        ),
    }
}

/// Spans that a client exports to its base URL.
async fn take_in(
    app: &Shared,
    known: &Known,
    export: Export,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    if export == Export::Otlp || otlp::http::is_protobuf(headers) {
        return Ok(otlp::http::take_in(app, known, headers, body).await);
    }
    let door = "openai-agents";
    let decode = |body: &[u8], context: &exhibit_capture::Context<'_>| {
        if otlp::is_json(body) {
            otlp::decode(body, context, otlp::Signal::Traces, exhibit_capture::Encoding::Json)
        } else {
            openai_agents::ingest(body, context)
        }
    };
    let (decoded, _share) = app.intake(known.workspace, door, headers, body, decode).await?;
    let accepted = app.recorder.accept(known.workspace, decoded).await?;
    let answer = json!({ "accepted": accepted.accepted, "rejected": accepted.rejected.len() });
    Ok(axum::Json(answer).into_response())
}

/// The trace that a call belongs to, and the span that made it: as Exhibit's headers say, else as
/// W3C Trace Context says, else a new trace.
fn place(headers: &HeaderMap, app: &Shared) -> (TraceId, Option<String>) {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
    let parent = text("x-exhibit-parent-id").map(str::to_owned);
    if let Some(trace) = text("x-exhibit-trace-id").and_then(|t| TraceId::new(t).ok()) {
        return (trace, parent);
    }
    if let Some(context) = text("traceparent") {
        let fields: Vec<&str> = context.split('-').collect();
        if let [_, trace, span, ..] = fields[..]
            && trace.len() == 32
            && span.len() == 16
            && trace.bytes().any(|b| b != b'0')
            && let Ok(trace) = TraceId::new(trace)
        {
            return (trace, Some(span.to_owned()));
        }
    }
    (TraceId::mint(app.recorder.now().0, app.recorder.entropy()), None)
}

/// What Exhibit's headers say about a call.
fn labels(headers: &HeaderMap) -> JsonMap {
    let mut labels = JsonMap::new();
    for (header, field) in [
        ("x-exhibit-session", "session_id"),
        ("x-exhibit-user", "user_id"),
        ("x-exhibit-agent", "agent_name"),
        ("x-exhibit-environment", "environment"),
        ("x-exhibit-version", "version"),
        ("x-exhibit-name", "name"),
    ] {
        let value = headers.get(header).and_then(|v| v.to_str().ok()).filter(|v| !v.is_empty());
        if let Some(value) = value {
            labels.insert(field.to_owned(), value.into());
        }
    }
    if let Some(tags) = headers.get("x-exhibit-tags").and_then(|v| v.to_str().ok()) {
        let tags: Vec<&str> = tags.split(',').map(str::trim).filter(|t| !t.is_empty()).collect();
        labels.insert("tags".to_owned(), tags.into());
    }
    labels
}

/// An error in the words of the provider whose client asked.
fn refusal(wire: Wire, problem: &Problem) -> Response {
    let (detail, code) = (problem.detail.as_str(), problem.code);
    let body: Json = match wire {
        Wire::OpenAi => {
            json!({"error": {"message": detail, "type": "exhibit_error", "param": null, "code": code}})
        }
        Wire::Anthropic => {
            json!({"type": "error", "error": {"type": "exhibit_error", "message": detail}})
        }
        Wire::Gemini => json!({"error": {"code": problem.status.as_u16(), "message": detail,
            "status": code.to_ascii_uppercase().replace('-', "_")}}),
    };
    problem.mark((problem.status, axum::Json(body)).into_response())
}
