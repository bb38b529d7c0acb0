//! Keeps other sites from acting with a browser's cookie.
//!
//! `SameSite=Lax` already keeps the cookie off cross-site posts, but not off pages of another port of
//! the same host, and not off WebSocket handshakes in every browser. So whatever changes something,
//! and every WebSocket, must come from a page of ours or of an allowed origin.

use axum::http::{HeaderMap, Method, Uri, header, uri::Authority};

use super::Ask;
use crate::problem::Problem;

/// Refuses a request by cookie that another site may have caused.
pub(super) fn check(allowed: &[String], ask: &Ask<'_>) -> Result<(), Problem> {
    let safe = matches!(*ask.method, Method::GET | Method::HEAD | Method::OPTIONS);
    let upgrade = ask.headers.contains_key(header::UPGRADE);
    if (safe && !upgrade) || !is_foreign(allowed, ask) {
        return Ok(());
    }
    Err(Problem::forbidden(
        "cross-origin",
        "A page of another origin may not do this with your session. Use an API key, or have the \
         operator allow the origin.",
    ))
}

/// Whether the request comes from a page that is neither ours nor allowed. Programs that are no
/// browsers send neither header.
pub(crate) fn is_foreign(allowed: &[String], ask: &Ask<'_>) -> bool {
    let text = |name| ask.headers.get(name).and_then(|v| v.to_str().ok());
    if let Some(origin) = text(header::ORIGIN) {
        return !is_own(
            ask.headers,
            ask.uri.and_then(Uri::authority).map(Authority::as_str),
            origin,
        ) && !allowed.iter().any(|a| a.trim_end_matches('/') == origin);
    }
    match text(header::HeaderName::from_static("sec-fetch-site")) {
        Some(site) => !matches!(site, "same-origin" | "none"),
        None => false,
    }
}

/// Whether an origin names the host that the request was sent to.
fn is_own(headers: &HeaderMap, authority: Option<&str>, origin: &str) -> bool {
    let host = headers.get(header::HOST).and_then(|v| v.to_str().ok()).or(authority);
    let Some((_, named)) = origin.split_once("://") else { return false };
    host.is_some_and(|host| host.eq_ignore_ascii_case(named))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn foreign(headers: &[(&'static str, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        let ask = Ask { headers: &map, method: &Method::POST, uri: None, peer: None };
        is_foreign(&["https://ops.example".to_owned()], &ask)
    }

    #[test]
    fn only_our_own_and_allowed_pages_are_at_home() {
        let host = ("host", "localhost:3000");
        assert!(!foreign(&[host]));
        assert!(!foreign(&[host, ("origin", "http://localhost:3000")]));
        assert!(!foreign(&[host, ("origin", "https://ops.example")]));
        assert!(foreign(&[host, ("origin", "http://localhost:9999")]));
        assert!(foreign(&[host, ("origin", "null")]));
        assert!(foreign(&[host, ("sec-fetch-site", "same-site")]));
        assert!(!foreign(&[host, ("sec-fetch-site", "same-origin")]));
    }
}
