//! OTLP over HTTP: `POST …/v1/traces`, `…/v1/logs`, `…/v1/metrics`, at the specification's paths and
//! at the prefixes under which clients of other products look for them.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use exhibit_capture::{Context, Decoded, Encoding, native::SimpleTrace};
use exhibit_recorder::Caller;
use opentelemetry_proto::tonic::collector::{
    logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse},
    metrics::v1::{ExportMetricsPartialSuccess, ExportMetricsServiceResponse},
    trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse},
};
use prost::Message;
use serde_json::json;

use super::{Outcome, Signal, labels, status::RpcStatus};
use crate::{
    app::Shared,
    auth::{self, Ask, Ingest, Peer},
    body::{self, Coding, Received},
    problem::Problem,
    routes::aitracer,
};

/// Prefixes before `/v1/traces` and its siblings, the specification's own first.
pub(crate) const PREFIXES: &[&str] = &[
    "",
    "/otel",
    "/api/public/otel",
    "/api/v1/otel",
    "/api/v1/private/otel",
    "/opik/api/v1/private/otel",
    "/agents/otel",
    "/api/integrations/otlp",
];

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// All OTLP paths.
pub(crate) fn router() -> Router<Shared> {
    let mut router = Router::new();
    for prefix in PREFIXES {
        let with_simple_form = prefix.is_empty();
        router = router
            .route(
                &format!("{prefix}/v1/traces"),
                post(move |state, request| {
                    export(state, request, Signal::Traces, with_simple_form)
                }),
            )
            .route(
                &format!("{prefix}/v1/logs"),
                post(|state, request| export(state, request, Signal::Logs, false)),
            )
            .route(
                &format!("{prefix}/v1/metrics"),
                post(|state, request| export(state, request, Signal::Metrics, false)),
            );
    }
    router
}

/// `POST /` of the OTLP port in JSON, for programs that send every signal to the address as it was given
/// to them: the body's own first key says which signal it is.
pub(crate) async fn export_to_root(State(app): State<Shared>, request: Request) -> Response {
    let outcome = match content_type(request.headers()) {
        Ok(Encoding::Json) => take_any(&app, request).await,
        Ok(Encoding::Protobuf) => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "OTLP over HTTP goes to /v1/traces, /v1/logs and /v1/metrics; only JSON is told apart here.",
        )),
        Err(problem) => Err(problem),
    };
    match outcome {
        Ok((signal, outcome)) => success(signal, Encoding::Json, outcome),
        Err(problem) => failure(&problem, Encoding::Json),
    }
}

async fn take_any(app: &Shared, request: Request) -> Result<(Signal, Outcome), Problem> {
    let (parts, body) = request.into_parts();
    let peer = parts.extensions.get::<Peer>().map(|p| p.0);
    let ask = Ask { headers: &parts.headers, method: &parts.method, uri: Some(&parts.uri), peer };
    let caller = auth::authorise::<Ingest>(app, &ask).await?;
    Coding::of(&parts.headers)?;
    let received = body::receive(&app.budget, app.recorder.limits(), &parts.headers, body).await?;
    let decode = |body: &[u8], context: &Context<'_>| {
        let signal = signal_of(body);
        super::decode(body, context, signal, Encoding::Json).map(|decoded| (signal, decoded))
    };
    let labels = labels(&parts.headers);
    let ((signal, decoded), _share) =
        app.decode(caller.workspace, "otlp", received, labels, decode).await?;
    super::accept(app, &caller, decoded).await.map(|outcome| (signal, outcome))
}

/// Which signal a JSON request carries; traces where it says nothing.
fn signal_of(body: &[u8]) -> Signal {
    #[derive(serde::Deserialize)]
    struct Keys {
        #[serde(alias = "resource_logs", rename = "resourceLogs")]
        logs: Option<serde::de::IgnoredAny>,
        #[serde(alias = "resource_metrics", rename = "resourceMetrics")]
        metrics: Option<serde::de::IgnoredAny>,
    }
    match serde_json::from_slice::<Keys>(body) {
        Ok(Keys { logs: Some(_), .. }) => Signal::Logs,
        Ok(Keys { metrics: Some(_), .. }) => Signal::Metrics,
        _ => Signal::Traces,
    }
}

async fn export(
    State(app): State<Shared>,
    request: Request,
    signal: Signal,
    with_simple_form: bool,
) -> Response {
    let encoding = content_type(request.headers());
    let answer_as = *encoding.as_ref().unwrap_or(&Encoding::Json);
    let outcome = match encoding {
        Ok(encoding) => take(&app, request, signal, encoding, with_simple_form).await,
        Err(problem) => Err(problem),
    };
    match outcome {
        Ok(Answer::Otlp(outcome)) => success(signal, answer_as, outcome),
        Ok(Answer::Other(response)) => response,
        Err(problem) => failure(&problem, answer_as),
    }
}

/// Takes traces in that came to another door, from somebody who is known already.
pub(crate) async fn take_in(
    app: &Shared,
    caller: &Caller,
    headers: &HeaderMap,
    body: Body,
) -> Response {
    let encoding = content_type(headers);
    let answer_as = *encoding.as_ref().unwrap_or(&Encoding::Json);
    let outcome = async {
        let encoding = encoding?;
        Coding::of(headers)?;
        let limits = app.recorder.limits();
        let received = body::receive(&app.budget, limits, headers, body).await?;
        super::record(app, caller, Signal::Traces, encoding, labels(headers), received).await
    };
    match outcome.await {
        Ok(outcome) => success(Signal::Traces, answer_as, outcome),
        Err(problem) => failure(&problem, answer_as),
    }
}

/// Whether a body is protobuf, by its `Content-Type`.
pub(crate) fn is_protobuf(headers: &HeaderMap) -> bool {
    matches!(content_type(headers), Ok(Encoding::Protobuf))
}

enum Answer {
    Otlp(Outcome),
    Other(Response),
}

async fn take(
    app: &Shared,
    request: Request,
    signal: Signal,
    encoding: Encoding,
    with_simple_form: bool,
) -> Result<Answer, Problem> {
    let (parts, body) = request.into_parts();
    let peer = parts.extensions.get::<Peer>().map(|p| p.0);
    let ask = Ask { headers: &parts.headers, method: &parts.method, uri: Some(&parts.uri), peer };
    let caller = auth::authorise::<Ingest>(app, &ask).await?;
    // Refused before the body is read.
    Coding::of(&parts.headers)?;
    let limits = app.recorder.limits();
    let received = body::receive(&app.budget, limits, &parts.headers, body).await?;
    let labels = labels(&parts.headers);
    if with_simple_form && encoding == Encoding::Json {
        return either(app, &caller, labels, received).await;
    }
    super::record(app, &caller, signal, encoding, labels, received).await.map(Answer::Otlp)
}

/// `/v1/traces` in JSON is OTLP, or a single call in its older simple form.
async fn either(
    app: &Shared,
    caller: &Caller,
    labels: Vec<(String, String)>,
    received: Received,
) -> Result<Answer, Problem> {
    enum Form {
        Otlp(Decoded),
        Simple(Box<SimpleTrace>),
    }
    let recorder = Arc::clone(&app.recorder);
    let (form, _share) = app
        .decode(caller.workspace, "otlp", received, labels, move |body, context| {
            if aitracer::is_simple(body) {
                let simple = aitracer::decode(&recorder, body, context)?;
                return Ok(Form::Simple(Box::new(simple)));
            }
            super::decode(body, context, Signal::Traces, Encoding::Json).map(Form::Otlp)
        })
        .await?;
    match form {
        Form::Otlp(decoded) => super::accept(app, caller, decoded).await.map(Answer::Otlp),
        Form::Simple(simple) => {
            aitracer::record_older(app, caller, *simple).await.map(Answer::Other)
        }
    }
}

/// How the request is written, by its `Content-Type`.
fn content_type(headers: &HeaderMap) -> Result<Encoding, Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let media = value.split(';').next().unwrap_or("").trim();
    if media.eq_ignore_ascii_case(PROTOBUF) || media.eq_ignore_ascii_case("application/protobuf") {
        return Ok(Encoding::Protobuf);
    }
    if media.eq_ignore_ascii_case(JSON) {
        return Ok(Encoding::Json);
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "content-type",
        format!("This content type is not taken; send {PROTOBUF} or {JSON}."),
    )
    .with("accepted", vec![PROTOBUF, JSON]))
}

fn success(signal: Signal, encoding: Encoding, outcome: Outcome) -> Response {
    match encoding {
        Encoding::Protobuf => reply(StatusCode::OK, PROTOBUF, encode(signal, outcome)),
        Encoding::Json => {
            let field = match signal {
                Signal::Traces => "rejectedSpans",
                Signal::Logs => "rejectedLogRecords",
                Signal::Metrics => "rejectedDataPoints",
            };
            let body = if outcome.rejected == 0 {
                json!({})
            } else {
                // 64-bit integers are strings in protobuf JSON.
                let rejected = outcome.rejected.to_string();
                json!({ "partialSuccess": { field: rejected, "errorMessage": outcome.message } })
            };
            reply(StatusCode::OK, JSON, body.to_string().into_bytes())
        }
    }
}

/// The protobuf answer; without rejects it is empty.
pub(super) fn encode(signal: Signal, outcome: Outcome) -> Vec<u8> {
    let Outcome { rejected, message } = outcome;
    let some = rejected > 0;
    match signal {
        Signal::Traces => ExportTraceServiceResponse {
            partial_success: some.then_some(ExportTracePartialSuccess {
                rejected_spans: rejected,
                error_message: message,
            }),
        }
        .encode_to_vec(),
        Signal::Logs => ExportLogsServiceResponse {
            partial_success: some.then_some(ExportLogsPartialSuccess {
                rejected_log_records: rejected,
                error_message: message,
            }),
        }
        .encode_to_vec(),
        Signal::Metrics => ExportMetricsServiceResponse {
            partial_success: some.then_some(ExportMetricsPartialSuccess {
                rejected_data_points: rejected,
                error_message: message,
            }),
        }
        .encode_to_vec(),
    }
}

fn failure(problem: &Problem, encoding: Encoding) -> Response {
    // The specification asks for 400 where data is bad.
    let status = match problem.status {
        StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
        status => status,
    };
    let response = match encoding {
        Encoding::Protobuf => reply(status, PROTOBUF, RpcStatus::of(problem).encode_to_vec()),
        Encoding::Json => reply(status, JSON, RpcStatus::json(problem).to_string().into_bytes()),
    };
    problem.mark(response)
}

fn reply(status: StatusCode, media: &'static str, body: Vec<u8>) -> Response {
    let mut response = (status, Body::from(body)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}
