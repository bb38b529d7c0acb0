//! What every request passes: an id, a panic guard, security headers, CORS, compression.

use axum::{
    Router,
    body::HttpBody,
    extract::Request,
    http::{self, HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tower_http::{
    CompressionLevel,
    catch_panic::CatchPanicLayer,
    compression::{CompressionLayer, Predicate},
    cors::{AllowOrigin, CorsLayer},
};
use tracing::Instrument;

use crate::{Config, auth, problem::Problem};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// Longest id of a client's own that is taken over.
const ID_CHARS_MAX: usize = 128;

/// Marks an answer of somebody else that passes through: its headers stay its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Foreign;

/// Shorter answers are not worth compressing.
const COMPRESSED_BYTES_MIN: u64 = 4_096;

/// Answers that are compressed for clients that take gzip: lists and traces of some length. Nothing that
/// streams, nothing that passes through; keys and sessions stand in short answers.
#[derive(Debug, Clone, Copy)]
struct LongJson;

impl Predicate for LongJson {
    fn should_compress<B: HttpBody>(&self, response: &http::Response<B>) -> bool {
        let kind = response.headers().get(header::CONTENT_TYPE);
        let length = response.body().size_hint().exact();
        kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
            && length.is_some_and(|length| length >= COMPRESSED_BYTES_MIN)
            && response.extensions().get::<Foreign>().is_none()
    }
}

/// Puts the layers around a router; the last one named here is the first a request meets.
pub(crate) fn around(router: Router, config: &Config) -> Router {
    let mut router =
        router.layer(CatchPanicLayer::custom(|panic: Box<dyn std::any::Any + Send>| {
            let text = panic.downcast_ref::<&str>().map(|t| (*t).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Problem::internal(&format!("panic: {text}")).into_response()
        }));
    let gzip = CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(LongJson);
    router = router.layer(gzip);
    if !config.cors_origins.is_empty() {
        router = router.layer(cors(&config.cors_origins));
    }
    router.layer(middleware::from_fn(mark))
}

fn cors(origins: &[String]) -> CorsLayer {
    let origins = origins.iter().filter_map(|o| o.trim_end_matches('/').parse().ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::CONTENT_ENCODING,
            HeaderName::from_static("x-api-key"),
            HeaderName::from_static("x-exhibit-key"),
            HeaderName::from_static(auth::WORKSPACE),
            REQUEST_ID,
            CORRELATION_ID,
        ])
        .expose_headers([REQUEST_ID, CORRELATION_ID, header::RETRY_AFTER])
        .allow_credentials(true)
        .max_age(std::time::Duration::from_hours(1))
}

/// Gives the request its id, and the answer its headers.
async fn mark(request: Request, next: Next) -> Response {
    let id = taken_over(request.headers(), &REQUEST_ID).unwrap_or_else(fresh_id);
    let correlation = taken_over(request.headers(), &CORRELATION_ID).unwrap_or_else(|| id.clone());
    let span = tracing::info_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        method = %request.method(),
        path = %crate::routes::proxy::shown(request.uri().path()),
        otel.kind = "server",
        http.response.status_code = tracing::field::Empty,
    );
    let is_api = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).instrument(span.clone()).await;
    span.record("http.response.status_code", i64::from(response.status().as_u16()));
    if response.extensions().get::<Foreign>().is_some() {
        return response;
    }
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers.insert(CORRELATION_ID, correlation);
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action \
         'self'; frame-ancestors 'none'",
    ));
    if is_api {
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    response
}

fn taken_over(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let value = headers.get(name)?;
    let text = value.to_str().ok()?;
    let fits =
        (1..=ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| value.clone())
}

/// Not a secret: unique is enough.
fn fresh_id() -> HeaderValue {
    use std::{
        hash::{BuildHasher, RandomState},
        sync::{
            LazyLock,
            atomic::{AtomicU64, Ordering},
        },
    };
    static BASE: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let text = format!("req_{:016x}{:08x}", *BASE, COUNT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("req"))
}
