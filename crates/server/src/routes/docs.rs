//! The OpenAPI document and its interactive page. Both are inside the binary; the page asks nobody
//! else for anything.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        self,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{app::Shared, otlp::http::PREFIXES, problem::Problem};

/// What is said about the API as a whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Exhibit",
        description = "The flight recorder for AI: what was asked, what came back, how long, how many \
            tokens, what it cost and how we know, which rules spoke, and the proof that nobody has \
            changed it since.\n\nEvery GET answers `{\"data\": …}` unless it is noted otherwise; \
            errors are `application/problem+json` (RFC 9457). Send your key as `Authorization: Bearer \
            exk_…`.\n\n[Quick start](/quick-start): the SDKs with their versions, and starter templates.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "This installation")),
    tags(
        (name = "ingest", description = "Ways in"),
        (name = "otlp", description = "OpenTelemetry"),
        (name = "traces", description = "Traces, spans, sessions"),
        (name = "analytics", description = "Sums over time"),
        (name = "live", description = "What is being recorded right now"),
        (name = "ledger", description = "Proofs, in the C2SP text formats"),
        (name = "governance", description = "Rules, what they say, and asking before acting"),
        (name = "reviews", description = "What waits for people"),
        (name = "replay", description = "Traces run again, and what answers depend on"),
        (name = "settings", description = "Prices and rules in force"),
        (name = "keys", description = "API keys"),
        (name = "workspaces", description = "Workspaces and members"),
        (name = "accounts", description = "Accounts and sessions"),
        (name = "tracium", description = "What Tracium's published client speaks"),
        (name = "health", description = "Whether it works"),
    ),
    modifiers(&Security),
    security(("key" = []), ("header" = []), ("session" = [])),
)]
struct Base;

struct Security;

impl Modify for Security {
    fn modify(&self, api: &mut openapi::OpenApi) {
        let components = api.components.get_or_insert_default();
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API key: exk_…, akt_… or sk-at-…"))
            .build();
        components.add_security_scheme("key", SecurityScheme::Http(bearer));
        let header = ApiKeyValue::with_description("X-API-Key", "The same in a header of its own");
        components.add_security_scheme("header", SecurityScheme::ApiKey(ApiKey::Header(header)));
        let cookie = ApiKeyValue::with_description("exhibit_session", "A browser's session");
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}

/// The document before the routes.
pub(crate) fn base() -> openapi::OpenApi {
    let mut api = Base::openapi();
    env!("CARGO_PKG_VERSION").clone_into(&mut api.info.version);
    api
}

/// Adds what is not plain request and answer.
pub(crate) fn complete(mut api: openapi::OpenApi) -> openapi::OpenApi {
    use openapi::{
        HttpMethod, PathItem, RefOr, Required, ResponseBuilder,
        content::ContentBuilder,
        path::{OperationBuilder, Paths},
        request_body::RequestBodyBuilder,
    };
    let answer = |text: &str| -> RefOr<openapi::Response> {
        ResponseBuilder::new().description(text).build().into()
    };
    let mut paths: Paths = std::mem::take(&mut api.paths);
    for (path, item) in &mut paths.paths {
        let operations = [
            ("get", &mut item.get),
            ("post", &mut item.post),
            ("put", &mut item.put),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                operation.operation_id = Some(operation_id(method, path));
            }
        }
    }
    for prefix in PREFIXES {
        for (signal, message) in [
            ("traces", "ExportTraceServiceRequest"),
            ("logs", "ExportLogsServiceRequest"),
            ("metrics", "ExportMetricsServiceRequest"),
        ] {
            let body = RequestBodyBuilder::new()
                .description(Some(format!(
                    "`{message}`, as protobuf or JSON; gzip, deflate or zstd"
                )))
                .content("application/x-protobuf", ContentBuilder::new().build())
                .content("application/json", ContentBuilder::new().build())
                .required(Some(Required::True))
                .build();
            let operation = OperationBuilder::new()
                .tag("otlp")
                .operation_id(Some(format!("otlp{}_{signal}", prefix.replace('/', "_"))))
                .summary(Some(format!("OTLP/HTTP {signal}")))
                .request_body(Some(body))
                .response("200", answer("Recorded; `partial_success` names what was not"))
                .response("400", answer("Bad data (google.rpc.Status)"))
                .response("401", answer("No key, or one that does not open"))
                .response("413", answer("Too large"))
                .response("415", answer("Another content type or encoding"))
                .response("429", answer("Too often; Retry-After"))
                .response("503", answer("Busy; Retry-After"))
                .build();
            let path = format!("{prefix}/v1/{signal}");
            paths.paths.insert(path, PathItem::new(HttpMethod::Post, operation));
        }
    }
    let live = OperationBuilder::new()
        .tag("live")
        .operation_id(Some("websocket"))
        .summary(Some("What is being recorded right now, as a WebSocket"))
        .description(Some(crate::live::socket::PROTOCOL))
        .response("101", answer("Switching to WebSocket"))
        .response("401", answer("No key and no session"))
        .build();
    paths.paths.insert("/ws".to_owned(), PathItem::new(HttpMethod::Get, live));
    api.paths = paths;
    api
}

/// Names of handlers repeat from module to module; a method and a path do not.
fn operation_id(method: &str, path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

/// `GET /api/openapi.json`
pub(crate) async fn document(State(app): State<Shared>) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")];
    (json, Body::from(app.openapi.clone())).into_response()
}

/// `GET /docs`
pub(crate) async fn enter() -> Redirect {
    Redirect::permanent("/docs/")
}

/// `GET /docs/…`
pub(crate) async fn page(path: Option<Path<String>>) -> Result<Response, Problem> {
    let path = path.map(|Path(p)| p).unwrap_or_default();
    // Without a validator, nothing is sent to anybody.
    let config = utoipa_swagger_ui::Config::from("/api/openapi.json")
        .validator_url("none")
        .persist_authorization(false)
        .try_it_out_enabled(true);
    let file = utoipa_swagger_ui::serve(&path, Arc::new(config))
        .map_err(|error| Problem::internal(&error))?
        .ok_or_else(|| Problem::not_found("page"))?;
    let mut response = Body::from(file.bytes.into_owned()).into_response();
    let headers = response.headers_mut();
    if let Ok(media) = HeaderValue::from_str(&file.content_type) {
        headers.insert(header::CONTENT_TYPE, media);
    }
    // The page sets styles on its elements and draws icons from data.
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
             object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
        ),
    );
    Ok(response)
}
