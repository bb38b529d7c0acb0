//! Requests of others, passed on as they are: the outgoing side of the provider proxy.
//!
//! Bytes go out and bytes come back; nothing is read, tried again or unpacked, and no key is known
//! here: the caller's headers carry it. What an answer means is read elsewhere, from a copy.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    Url,
    header::{
        ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, COOKIE, FORWARDED, HOST, HeaderMap,
        HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE, VIA,
    },
};

use crate::{
    config::ConfigError,
    error::{ProviderError, TimeoutPhase},
    transport::{cause, is_loopback, tls},
};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Headers that concern one connection only (RFC 9110, section 7.6.1), or that our client writes.
const OF_THE_CONNECTION: [HeaderName; 9] = [
    CONNECTION,
    TRANSFER_ENCODING,
    TE,
    TRAILER,
    UPGRADE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HOST,
    CONTENT_LENGTH,
];

/// Passes requests on. Cheap to clone; all clones share one connection pool.
#[derive(Debug, Clone)]
pub struct Forwarder {
    client: reqwest::Client,
    /// For providers on this machine, which are never behind the proxy of the environment.
    local: reqwest::Client,
    idle: Duration,
}

/// A request to pass on.
#[derive(Clone)]
pub struct Outgoing {
    /// Its method, in capitals.
    pub method: String,
    /// Where to.
    pub url: String,
    /// Its headers as the client sent them; what must not leave is taken out on the way.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// An answer whose head has arrived.
#[derive(Debug)]
pub struct Incoming {
    /// The HTTP status.
    pub status: u16,
    /// The headers, without those of the connection.
    pub headers: HeaderMap,
    response: reqwest::Response,
    idle: Duration,
}

impl Forwarder {
    /// A forwarder that waits at most `idle` for the head of an answer, and between two pieces.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(idle: Duration) -> Result<Self, ConfigError> {
        let client_error = |reason: String| ConfigError::Client { reason };
        let tls = tls::config(true).map_err(client_error)?;
        let builder = || {
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(CONNECT)
                .tcp_nodelay(true)
        };
        let built = |builder: reqwest::ClientBuilder| {
            builder.build().map_err(|error| client_error(cause(error)))
        };
        Ok(Self { client: built(builder())?, local: built(builder().no_proxy())?, idle })
    }

    /// Sends the request and returns when the head of the answer is there.
    ///
    /// # Errors
    /// [`ProviderError::Connect`] and [`ProviderError::Timeout`]; whatever the provider answers is an
    /// answer.
    pub async fn send(&self, outgoing: Outgoing) -> Result<Incoming, ProviderError> {
        let url = Url::parse(&outgoing.url)
            .map_err(|_| ProviderError::invalid("the address of the provider does not read"))?;
        let shown = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
        let method = reqwest::Method::from_bytes(outgoing.method.as_bytes())
            .map_err(|_| ProviderError::invalid("the method does not read"))?;
        let client = if is_loopback(&url) { &self.local } else { &self.client };
        let request = client
            .request(method, url)
            .headers(leaving(&outgoing.headers))
            .body(outgoing.body)
            .send();
        let waited = tokio::time::timeout(self.idle, request).await.map_err(|_| {
            ProviderError::Timeout { phase: TimeoutPhase::FirstByte, after: self.idle }
        })?;
        let response = waited.map_err(|error| ProviderError::Connect {
            endpoint: shown,
            attempts: 1,
            detail: cause(error),
        })?;
        let mut headers = response.headers().clone();
        let length = headers.get(CONTENT_LENGTH).cloned();
        OF_THE_CONNECTION.iter().for_each(|name| drop(headers.remove(name)));
        if let Some(length) = length {
            headers.insert(CONTENT_LENGTH, length);
        }
        Ok(Incoming { status: response.status().as_u16(), headers, response, idle: self.idle })
    }
}

impl Incoming {
    /// The next piece of the body as it came from the wire; `None` at its end.
    ///
    /// # Errors
    /// [`ProviderError::Interrupted`] and [`ProviderError::Timeout`].
    pub async fn next_piece(&mut self) -> Result<Option<Bytes>, ProviderError> {
        tokio::time::timeout(self.idle, self.response.chunk())
            .await
            .map_err(|_| ProviderError::Timeout {
                phase: TimeoutPhase::BetweenChunks,
                after: self.idle,
            })?
            .map_err(|error| ProviderError::Interrupted { detail: cause(error) })
    }
}

/// What may leave: everything but what concerns the connection, the client's network, its cookies
/// for us, and our own headers. Answers are asked for unpacked, so that they can be read.
fn leaving(headers: &HeaderMap) -> HeaderMap {
    let mut leaving = HeaderMap::with_capacity(headers.len());
    // A `Connection` header names further headers of the connection.
    let named: Vec<String> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    for (name, value) in headers {
        let word = name.as_str();
        let stays = OF_THE_CONNECTION.contains(name)
            || [ACCEPT_ENCODING, COOKIE, FORWARDED, VIA].contains(name)
            || word.starts_with("x-exhibit-")
            || word.starts_with("x-forwarded-")
            || matches!(word, "x-real-ip" | "keep-alive" | "expect")
            || named.iter().any(|n| n == word);
        if !stays {
            leaving.append(name.clone(), value.clone());
        }
    }
    leaving.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    leaving
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_us_or_to_the_connection_does_not_leave() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer theirs"),
            ("x-exhibit-key", "ours"),
            ("x-exhibit-session", "s"),
            ("cookie", "exhibit_session=1"),
            ("host", "127.0.0.1:3000"),
            ("connection", "keep-alive, x-hop"),
            ("x-hop", "1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("accept-encoding", "gzip"),
            ("openai-organization", "org"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let leaving = leaving(&headers);
        let mut names: Vec<_> = leaving.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept-encoding", "authorization", "openai-organization"]);
        assert_eq!(leaving[ACCEPT_ENCODING], "identity");
    }
}
