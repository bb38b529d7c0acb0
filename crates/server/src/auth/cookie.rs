//! The session cookie.

use axum::http::{HeaderMap, HeaderValue, header};

const NAME: &str = "exhibit_session";
/// As long as a session lasts.
const MAX_AGE_S: u32 = 14 * 86_400;

/// The session token of a request.
pub(crate) fn session(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == NAME && !value.is_empty())
        .map(|(_, value)| value)
}

/// The header that opens a session.
pub(crate) fn open(token: &str, secure: bool) -> Option<HeaderValue> {
    write(token, MAX_AGE_S, secure)
}

/// The header that ends it.
pub(crate) fn close(secure: bool) -> Option<HeaderValue> {
    write("", 0, secure)
}

fn write(token: &str, max_age_s: u32, secure: bool) -> Option<HeaderValue> {
    let secure = if secure { "; Secure" } else { "" };
    let text =
        format!("{NAME}={token}; HttpOnly; SameSite=Lax; Path=/; Max-Age={max_age_s}{secure}");
    HeaderValue::from_str(&text).ok()
}

/// Whether the client came over TLS, by what a proxy in front says.
pub(crate) fn came_over_tls(headers: &HeaderMap) -> bool {
    let proto = headers.get("x-forwarded-proto").and_then(|v| v.to_str().ok());
    proto.is_some_and(|v| v.split(',').next().is_some_and(|p| p.trim() == "https"))
}
