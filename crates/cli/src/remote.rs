//! The HTTP API of a server, as commands use it.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use serde_json::Value;

use crate::failure::Failure;

/// A server, and by what right we ask.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    base: Url,
    right: Right,
    client: Client,
}

/// By what right a command asks.
#[derive(Clone)]
pub(crate) enum Right {
    /// As the user who may read the data directory.
    Local {
        /// The token from the data directory.
        token: String,
    },
    /// With a key.
    Key(String),
}

impl std::fmt::Debug for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Local { .. } => "Local",
            Self::Key(_) => "Key",
        })
    }
}

impl Remote {
    /// A server at this base URL.
    pub(crate) fn new(base: &str, right: Right) -> anyhow::Result<Self> {
        let wrong = || Failure::usage(format!("`{base}` is not the URL of a server"));
        let mut url = Url::parse(base).map_err(|_| wrong())?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(wrong().into());
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        let tls = tls(url.scheme() == "https").context("TLS cannot be set up")?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_mins(5))
            .redirect(reqwest::redirect::Policy::none())
            // A local server is never behind the proxy of the environment.
            .no_proxy()
            .build()
            .context("the HTTP client cannot be set up")?;
        Ok(Self { base: url, right, client })
    }

    /// GET; `None` when there is no such thing.
    pub(crate) async fn get(
        &self,
        path: &str,
        query: &[(&str, &str)],
        workspace: &str,
    ) -> anyhow::Result<Option<Value>> {
        let mut url = self.base.join(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.send(self.request(Method::GET, url, workspace)).await
    }

    /// POST of a JSON document.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: &Value,
        workspace: &str,
    ) -> anyhow::Result<Value> {
        let request = self.request(Method::POST, self.base.join(path)?, workspace).json(body);
        self.reply(request).await?.map_err(|problem| self.lacks(path, &problem))
    }

    /// PUT of a JSON document.
    pub(crate) async fn put(
        &self,
        path: &str,
        body: &Value,
        workspace: &str,
    ) -> anyhow::Result<Value> {
        let request = self.request(Method::PUT, self.base.join(path)?, workspace).json(body);
        self.reply(request).await?.map_err(|problem| self.lacks(path, &problem))
    }

    /// POST of bytes as they are; whatever is answered, and how long to wait where it says so.
    pub(crate) async fn post_bytes(
        &self,
        path: &str,
        body: Vec<u8>,
        workspace: &str,
    ) -> anyhow::Result<(StatusCode, Value, Option<Duration>)> {
        let request = self.request(Method::POST, self.base.join(path)?, workspace);
        let request = request.header("content-type", "application/json").body(body);
        let unreachable = |error: reqwest::Error| {
            let error = error.without_url();
            Failure::new(format!("cannot reach the server at {}: {}", self.base, causes(&error)))
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let wait =
            response.headers().get("retry-after").and_then(|v| v.to_str().ok()?.parse().ok());
        let body = response.bytes().await.map_err(unreachable)?;
        let value = serde_json::from_slice(&body).unwrap_or_default();
        Ok((status, value, wait.map(Duration::from_secs)))
    }

    /// POST whose answer is a file, as it comes.
    pub(crate) async fn download(
        &self,
        path: &str,
        body: &Value,
        workspace: &str,
    ) -> anyhow::Result<reqwest::Response> {
        let request = self.request(Method::POST, self.base.join(path)?, workspace).json(body);
        // As long as it takes; what comes is written away.
        let response = request.timeout(Duration::from_hours(24)).send().await;
        let response = response.map_err(|error| {
            let error = error.without_url();
            Failure::new(format!("cannot reach the server at {}: {}", self.base, causes(&error)))
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let problem: Value = response.json().await.unwrap_or_default();
        Err(self.refusal(status, &problem).into())
    }

    /// GET of bytes as they are; `None` when there is no such thing.
    pub(crate) async fn bytes(
        &self,
        path: String,
        workspace: &str,
    ) -> anyhow::Result<Option<Vec<u8>>> {
        let response = self.request(Method::GET, self.base.join(&path)?, workspace).send().await;
        let unreachable = |error: reqwest::Error| {
            let error = error.without_url();
            Failure::new(format!("cannot reach the server at {}: {}", self.base, causes(&error)))
        };
        let response = response.map_err(unreachable)?;
        let status = response.status();
        let body = response.bytes().await.map_err(unreachable)?;
        if status.is_success() {
            return Ok(Some(body.to_vec()));
        }
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Err(self.refusal(status, &serde_json::from_slice(&body).unwrap_or_default()).into())
    }

    /// DELETE; false when there is no such thing.
    pub(crate) async fn delete(&self, path: &str, workspace: &str) -> anyhow::Result<bool> {
        Ok(self
            .send(self.request(Method::DELETE, self.base.join(path)?, workspace))
            .await?
            .is_some())
    }

    /// Nothing stands there: no such thing, or no such path.
    fn lacks(&self, path: &str, problem: &Value) -> anyhow::Error {
        let detail = problem.get("detail").and_then(Value::as_str).unwrap_or_default();
        if let Some(what) = detail.strip_prefix("There is no such ")
            && !what.starts_with("path")
        {
            return Failure::new(format!("there is no such {}", what.trim_end_matches('.'))).into();
        }
        Failure::new(format!("the server at {} does not know {path}", self.base))
            .hint("it may be of another version; compare `exhibit --version` with its health page")
            .into()
    }

    fn request(&self, method: Method, url: Url, workspace: &str) -> RequestBuilder {
        let request = self.client.request(method, url);
        match &self.right {
            Right::Local { token } => request
                .header("x-exhibit-local-token", token)
                .header("x-exhibit-workspace", workspace),
            Right::Key(key) => request.bearer_auth(key),
        }
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Option<Value>> {
        Ok(self.reply(request).await?.ok())
    }

    /// What is answered; the problem where there is no such thing.
    async fn reply(&self, request: RequestBuilder) -> anyhow::Result<Result<Value, Value>> {
        let unreachable = |error: reqwest::Error| {
            let error = error.without_url();
            Failure::new(format!("cannot reach the server at {}: {}", self.base, causes(&error)))
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let body = response.bytes().await.map_err(unreachable)?;
        if status.is_success() {
            if body.is_empty() {
                return Ok(Ok(Value::Null));
            }
            let value = serde_json::from_slice(&body)
                .with_context(|| format!("the answer of {} is not JSON", self.base))?;
            return Ok(Ok(value));
        }
        let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status == StatusCode::NOT_FOUND {
            // An unknown workspace is a mistake; an unknown trace is an answer.
            let detail = problem.get("detail").and_then(Value::as_str).unwrap_or_default();
            if detail.contains("workspace") {
                return Err(Failure::usage("there is no such workspace").into());
            }
            return Ok(Err(problem));
        }
        Err(self.refusal(status, &problem).into())
    }

    fn refusal(&self, status: StatusCode, problem: &Value) -> Failure {
        let detail = problem.get("detail").and_then(Value::as_str);
        let detail = detail.map_or_else(|| format!("HTTP {status}"), str::to_owned);
        let failure = match status {
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::CONFLICT => {
                Failure::usage(detail)
            }
            _ => Failure::new(format!("the server at {} refused: {detail}", self.base)),
        };
        match (status, &self.right) {
            (StatusCode::UNAUTHORIZED, Right::Key(_)) => {
                failure.hint("check EXHIBIT_API_KEY; `exhibit keys create` makes a key")
            }
            _ => failure,
        }
    }
}

/// An error and what caused it, in one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

/// Whom to trust: the machine's own trust store. Plain HTTP needs nobody.
pub(crate) fn tls(trust: bool) -> Result<rustls::ClientConfig, rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    if trust {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_are_servers() {
        let right = || Right::Key("k".to_owned());
        assert!(Remote::new("http://127.0.0.1:3000", right()).is_ok());
        assert!(Remote::new("https://example.com/exhibit", right()).is_ok());
        for wrong in ["", "localhost", "ftp://x", "file:///x"] {
            assert!(Remote::new(wrong, right()).is_err(), "{wrong}");
        }
    }
}
