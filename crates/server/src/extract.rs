//! Query parameters, small JSON bodies and ids, with problems that say what is wrong.

use std::time::Duration;

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use exhibit_model::{SpanId, TraceId};
use serde::de::DeserializeOwned;

use crate::{app::Shared, problem::Problem};

/// Largest body of a route that takes settings, not traces.
const SMALL_BODY_BYTES: usize = 256 << 10;

/// Query parameters. Unknown ones are refused where `T` refuses them: a mistyped filter that is left
/// out would answer another question.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Shared> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let Query(params) = Query::<T>::from_request_parts(parts, app)
            .await
            .map_err(|rejection| Problem::bad("parameters", rejection.body_text()))?;
        Ok(Self(params))
    }
}

/// A small JSON body, of at most `MAX` bytes.
pub(crate) struct Small<T, const MAX: usize = SMALL_BODY_BYTES>(pub(crate) T);

impl<T: DeserializeOwned, const MAX: usize> FromRequest<Shared> for Small<T, MAX> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        require_json(&parts.headers)?;
        let seconds = app.recorder.limits().body_timeout_s.max(1);
        let read = axum::body::to_bytes(body, MAX);
        let bytes = tokio::time::timeout(Duration::from_secs(seconds), read)
            .await
            .map_err(|_| {
                let detail = format!("The body did not arrive within {seconds} seconds.");
                Problem::new(StatusCode::REQUEST_TIMEOUT, "body-timeout", detail)
            })?
            .map_err(|_| {
                Problem::too_large(format!("The body breaks off or is larger than {MAX} bytes."))
            })?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            if error.is_data() {
                Problem::unprocessable("invalid", format!("The body is not acceptable: {error}."))
            } else {
                Problem::bad("malformed-json", format!("The body is not valid JSON: {error}."))
            }
        })
    }
}

/// The whole request body, undecoded, of a route that takes JSON.
pub(crate) struct Raw {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

impl FromRequest<Shared> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Shared) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        require_json(&parts.headers)?;
        Ok(Self { headers: parts.headers, body })
    }
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let media = value.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    if media == "application/json" || media.ends_with("+json") {
        return Ok(());
    }
    let detail = "This content type is not taken; send `Content-Type: application/json`.";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type", detail)
        .with("accepted", vec!["application/json"]))
}

/// A trace id in a path. One that no client could have sent reads as unknown.
pub(crate) fn trace_id(text: &str) -> Result<TraceId, Problem> {
    TraceId::new(text).map_err(|_| Problem::not_found("trace"))
}

/// A span id in a path.
pub(crate) fn span_id(text: &str) -> Result<SpanId, Problem> {
    SpanId::new(text).map_err(|_| Problem::not_found("span"))
}
