//! The dashboard's files. Whatever is not an API path and asks for a page gets the dashboard, which
//! finds its way by the address.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use crate::problem::Problem;

/// Paths that never are pages.
const NOT_PAGES: &[&str] = &["/api/", "/v1/", "/otel/", "/opik/", "/agents/", "/opentelemetry."];

/// Serves a file or the dashboard.
pub(crate) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    if !matches!(method, Method::GET | Method::HEAD)
        || NOT_PAGES.iter().any(|p| path.starts_with(p))
    {
        return Problem::not_found("path").into_response();
    }
    let accepts = headers.get(header::ACCEPT_ENCODING).and_then(|v| v.to_str().ok());
    let accepts = accepts.unwrap_or_default();
    if let Some(file) = exhibit_ui::file(path.trim_start_matches('/'), accepts) {
        return answer(file, StatusCode::OK);
    }
    let wants_page = headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .is_none_or(|v| v.contains("text/html") || v.contains("*/*"));
    let is_file = path.rsplit('/').next().is_some_and(|last| last.contains('.'));
    match exhibit_ui::index(accepts) {
        // A trace id may hold a dot.
        Some(index) if wants_page && (!is_file || path.starts_with("/traces/")) => {
            answer(index, StatusCode::OK)
        }
        _ => Problem::not_found("path").into_response(),
    }
}

fn answer(file: exhibit_ui::File, status: StatusCode) -> Response {
    let cache = if file.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        (header::CONTENT_TYPE, file.content_type),
        (header::CACHE_CONTROL, cache),
        (header::VARY, "accept-encoding"),
    ];
    let mut response = (status, headers, Body::from(file.bytes.into_owned())).into_response();
    if let Some(encoding) = file.encoding {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}
