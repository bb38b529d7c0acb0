//! Where a proxied request goes: provider, path, and the key that its path may hold.

use std::borrow::Cow;

use axum::http::Uri;
use exhibit_recorder::proxy::Wire;

use crate::{auth::credential::PREFIXES, config::Proxy};

/// A request's way to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Whose protocol.
    pub(crate) wire: Wire,
    /// The path below the provider's base, with its leading slash.
    pub(crate) path: String,
    query: Option<String>,
    /// Exhibit's key, where the path holds one.
    pub(crate) key: Option<String>,
}

/// Finds a key in a path: `/proxy/<key>/…`.
fn split_key(path: &str) -> (Option<&str>, &str) {
    let Some(rest) = path.strip_prefix("/proxy/") else { return (None, path) };
    match rest.split_once('/') {
        Some((first, after)) if PREFIXES.iter().any(|p| first.starts_with(p)) => {
            (Some(first), after)
        }
        None if PREFIXES.iter().any(|p| rest.starts_with(p)) => (Some(rest), ""),
        _ => (None, rest),
    }
}

/// The path as it may stand in a log.
pub(crate) fn without_key(path: &str) -> Cow<'_, str> {
    match split_key(path) {
        (Some(_), rest) => Cow::Owned(format!("/proxy/[key]/{rest}")),
        _ => Cow::Borrowed(path),
    }
}

impl Target {
    /// Reads a request's address; none when it names no provider.
    pub(crate) fn find(uri: &Uri) -> Option<Self> {
        let query = uri.query().map(str::to_owned);
        if uri.path() == "/api/proxy/openai/responses" {
            let path = "/responses".to_owned();
            return Some(Self { wire: Wire::OpenAi, path, query, key: None });
        }
        let (key, rest) = split_key(uri.path());
        let (provider, path) = rest.split_once('/').unwrap_or((rest, ""));
        let wire = match provider {
            "openai" => Wire::OpenAi,
            "anthropic" => Wire::Anthropic,
            "gemini" => Wire::Gemini,
            _ => return None,
        };
        // OpenAI's base ends with the version; the others' clients send it.
        let path = match wire {
            Wire::OpenAi => path.strip_prefix("v1/").or((path == "v1").then_some(""))?,
            _ => path,
        };
        let climbs = path.split('/').any(|s| s == ".." || s.eq_ignore_ascii_case("%2e%2e"));
        let path = format!("/{path}");
        (!climbs).then(|| Self { wire, path, query, key: key.map(str::to_owned) })
    }

    /// The address at the provider.
    pub(crate) fn url(&self, proxy: &Proxy) -> String {
        let base = match self.wire {
            Wire::OpenAi => &proxy.openai,
            Wire::Anthropic => &proxy.anthropic,
            Wire::Gemini => &proxy.gemini,
        };
        let query = self.query.as_ref().map(|q| format!("?{q}")).unwrap_or_default();
        format!("{}{}{query}", base.trim_end_matches('/'), self.path)
    }

    /// What is exported to it, which belongs to us: no provider takes traces at these paths.
    pub(crate) fn export(&self) -> Option<Export> {
        // An exporter adds `/v1/traces` to a base URL, whether that ends with a version or not.
        match self.path.strip_prefix("/v1").unwrap_or(&self.path) {
            "/traces/ingest" => Some(Export::Either),
            "/traces" => Some(Export::Otlp),
            _ => None,
        }
    }
}

/// Traces that a client exports to its base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Export {
    /// OTLP over HTTP.
    Otlp,
    /// The OpenAI Agents SDK's own form, or OTLP.
    Either,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(uri: &str) -> Option<Target> {
        Target::find(&uri.parse().unwrap())
    }

    #[test]
    fn provider_path_and_key_are_found() {
        let proxy = Proxy::default();
        let target = find("/proxy/openai/v1/chat/completions?a=b").unwrap();
        assert_eq!(target.url(&proxy), "https://api.openai.com/v1/chat/completions?a=b");
        assert_eq!(target.key, None);
        let target = find("/proxy/exk_abc/anthropic/v1/messages").unwrap();
        assert_eq!(target.url(&proxy), "https://api.anthropic.com/v1/messages");
        assert_eq!(target.key.as_deref(), Some("exk_abc"));
        let export = |uri| find(uri).unwrap().export();
        assert_eq!(export("/proxy/openai/v1/traces/ingest"), Some(Export::Either));
        for uri in
            ["/proxy/openai/v1/traces", "/proxy/openai/v1/v1/traces", "/proxy/anthropic/v1/traces"]
        {
            assert_eq!(export(uri), Some(Export::Otlp), "{uri}");
        }
        assert_eq!(export("/proxy/anthropic/v1/messages"), None);
        assert_eq!(find("/api/proxy/openai/responses").unwrap().path, "/responses");
        for wrong in ["/proxy/nobody/v1/x", "/proxy/openai/v2/x", "/proxy/openai/v1/../x"] {
            assert_eq!(find(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_key_in_a_path_is_not_shown() {
        assert_eq!(without_key("/proxy/exk_abc/openai/v1/x"), "/proxy/[key]/openai/v1/x");
        assert_eq!(without_key("/proxy/exk_abc"), "/proxy/[key]/");
        assert_eq!(without_key("/proxy/openai/v1/x"), "/proxy/openai/v1/x");
        assert_eq!(without_key("/api/v1/traces"), "/api/v1/traces");
    }
}
