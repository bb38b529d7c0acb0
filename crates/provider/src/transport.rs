//! HTTP to a provider: one connection pool, TLS with ring, attempts and waits, bounded reading.
//! Knows nothing of protocols: a JSON body goes out, bytes come in.

pub(crate) mod tls;

use crate::config::ConfigError;
use crate::error::{ProviderError, TimeoutPhase};
use crate::options::ClientOptions;
use crate::preset::check_base_url;
use crate::rejection::Rejection;
use crate::retry;
use crate::secret::Secret;
use bytes::Bytes;
use futures_util::FutureExt;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, Url};
use std::error::Error;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// Where a provider is and how it is spoken to. Its `Debug` shows neither key nor base URL, whose
/// query may hold a secret.
#[derive(Clone)]
pub struct Connection {
    /// The provider's name for records (`gen_ai.provider.name`).
    pub name: String,
    /// Base URL; each client says below which part of the path it expects.
    pub base_url: String,
    /// The key, if the provider wants one.
    pub key: Option<Secret>,
    /// The header that carries the key.
    pub auth: AuthHeader,
    /// Waits, attempts, limits.
    pub options: ClientOptions,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The header that carries a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthHeader {
    /// `Authorization: Bearer …` (OpenAI and most others).
    Bearer,
    /// `api-key: …` (Azure).
    ApiKey,
    /// `x-api-key: …` (Anthropic).
    XApiKey,
    /// `x-goog-api-key: …` (Gemini).
    XGoogApiKey,
}

/// The shared HTTP side of a provider.
pub(crate) struct Transport {
    client: reqwest::Client,
    base: Url,
    shown: String,
    name: String,
    headers: HeaderMap,
    key: Option<Secret>,
    options: ClientOptions,
}

impl Transport {
    pub(crate) fn new(connection: Connection) -> Result<Self, ConfigError> {
        let Connection { name, base_url, key, auth, options } = connection;
        let base = check_base_url(&base_url, key.is_some()).map_err(|reason| {
            ConfigError::BadBaseUrl { origin: "the base URL".to_owned(), reason }
        })?;
        let client_error = |reason: String| ConfigError::Client { reason };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::config(base.scheme() == "https").map_err(client_error)?)
            .user_agent(concat!("exhibit/", env!("CARGO_PKG_VERSION")))
            // A redirect would carry the prompt, and with own headers the key, to another place.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.timeouts.connect);
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| client_error(cause(error)))?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("text/event-stream, application/x-ndjson, application/json"),
        );
        if let Some(key) = &key {
            let (header, value) = auth_header(auth, key)?;
            headers.insert(header, value);
        }
        let mut shown = base.clone();
        shown.set_query(None);
        shown.set_fragment(None);
        let shown = shown.as_str().trim_end_matches('/').to_owned();
        Ok(Self { client, base, shown, name, headers, key, options })
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    pub(crate) fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    pub(crate) fn key(&self) -> Option<&Secret> {
        self.key.as_ref()
    }

    pub(crate) fn options(&self) -> &ClientOptions {
        &self.options
    }

    /// The base URL with `segments` appended to its path and its query kept. When the path already
    /// ends with the first `n` of them, these are not repeated (`…/v1` + `v1/messages`).
    pub(crate) fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        let have: Vec<&str> =
            self.base.path().split('/').filter(|segment| !segment.is_empty()).collect();
        let overlap =
            (0..=segments.len()).rev().find(|n| have.ends_with(&segments[..*n])).unwrap_or(0);
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(&segments[overlap..]);
        }
        url
    }

    /// Posts the body until it is accepted, the attempts are used up, or a refusal is final.
    pub(crate) async fn post(&self, url: &Url, body: Bytes) -> Result<Opened, ProviderError> {
        self.attempts(url, body).await.map_err(|error| match &self.key {
            Some(key) => error.map_texts(|text| key.scrub(text)),
            None => error,
        })
    }

    async fn attempts(&self, url: &Url, body: Bytes) -> Result<Opened, ProviderError> {
        let policy = &self.options.retry;
        let total = Wait::new(TimeoutPhase::Total, self.options.timeouts.total);
        let mut attempt = 1;
        loop {
            let first = Wait::new(TimeoutPhase::FirstByte, self.options.timeouts.first_byte);
            let request =
                self.client.post(url.clone()).headers(self.headers.clone()).body(body.clone());
            let last = attempt >= policy.attempts_max;
            let (error, wait) = match first.or(&total, request.send()).await? {
                Ok(response) if response.status().is_success() => {
                    refuse_web_page(&response)?;
                    return Ok(self.open(response, first, total, attempt));
                }
                Ok(response) => {
                    let rejection = self.read_rejection(response, &total, attempt).await;
                    let wait = rejection.retry_after;
                    let is_final = last
                        || !rejection.may_pass()
                        || wait.is_some_and(|wait| wait > policy.retry_after_max);
                    let error = ProviderError::Rejected(Box::new(rejection));
                    if is_final {
                        return Err(error);
                    }
                    (error, wait)
                }
                Err(error) => {
                    let is_final = last || error.is_builder() || is_certificate_error(&error);
                    let endpoint = self.shown.clone();
                    let detail = cause(error);
                    let error = ProviderError::Connect { endpoint, attempts: attempt, detail };
                    if is_final {
                        return Err(error);
                    }
                    (error, None)
                }
            };
            let dice = getrandom::u32().unwrap_or(0);
            let wait = wait.unwrap_or_else(|| retry::backoff(policy, attempt, dice));
            if wait >= total.left() {
                return Err(error);
            }
            tracing::debug!(
                provider = %self.name, attempt, code = error.code(),
                wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                "provider call is tried again"
            );
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    fn open(&self, response: Response, first: Wait, total: Wait, attempts: u32) -> Opened {
        Opened {
            request_id: request_id(response.headers()),
            response,
            attempts,
            first: Some(first),
            total,
            between_chunks: self.options.timeouts.between_chunks,
            bytes_left: self.options.limits.response_bytes_max,
            bytes_max: self.options.limits.response_bytes_max,
        }
    }

    async fn read_rejection(&self, response: Response, total: &Wait, attempts: u32) -> Rejection {
        let status = response.status().as_u16();
        let retry_after = retry::asked_wait(response.headers(), jiff::Timestamp::now());
        let request_id = request_id(response.headers());
        let body = read_some(response, self.options.limits.error_bytes_max);
        let patience = Wait::new(TimeoutPhase::BetweenChunks, Duration::from_secs(10));
        let body = patience.or(total, body).await.unwrap_or_default();
        Rejection { retry_after, request_id, attempts, ..Rejection::read(status, &body) }
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport")
            .field("name", &self.name)
            .field("endpoint", &self.shown)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// An accepted request whose answer is still to be read.
pub(crate) struct Opened {
    pub(crate) request_id: Option<String>,
    pub(crate) attempts: u32,
    response: Response,
    /// Runs until the first byte of the body.
    first: Option<Wait>,
    total: Wait,
    between_chunks: Duration,
    bytes_left: usize,
    bytes_max: usize,
}

impl Opened {
    /// The next piece of the body; `None` at its end.
    pub(crate) async fn next_piece(&mut self) -> Result<Option<Bytes>, ProviderError> {
        let wait = self
            .first
            .take()
            .unwrap_or_else(|| Wait::new(TimeoutPhase::BetweenChunks, self.between_chunks));
        let piece = wait
            .or(&self.total, self.response.chunk())
            .await?
            .map_err(|error| ProviderError::Interrupted { detail: cause(error) })?;
        if let Some(piece) = &piece {
            self.bytes_left =
                self.bytes_left.checked_sub(piece.len()).ok_or(ProviderError::TooLarge {
                    what: "the answer in bytes",
                    limit: self.bytes_max,
                })?;
        }
        Ok(piece)
    }

    /// Lets go of a response that has been read as far as it matters. When its end arrives at once
    /// or very soon the connection stays open for the next call, otherwise it is closed.
    pub(crate) fn release(mut self) {
        if self.response.chunk().now_or_never().is_some() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let soon = Duration::from_millis(250);
                let _ = tokio::time::timeout(soon, self.response.chunk()).await;
            });
        }
    }
}

/// A wait with its limit.
#[derive(Debug, Clone, Copy)]
struct Wait {
    phase: TimeoutPhase,
    limit: Duration,
    from: Instant,
}

impl Wait {
    fn new(phase: TimeoutPhase, limit: Duration) -> Self {
        Self { phase, limit, from: Instant::now() }
    }

    fn left(&self) -> Duration {
        self.limit.saturating_sub(self.from.elapsed())
    }

    /// Runs `future` until this wait or the `other` one runs out.
    async fn or<T>(
        &self,
        other: &Self,
        future: impl Future<Output = T>,
    ) -> Result<T, ProviderError> {
        let nearer = if self.left() <= other.left() { self } else { other };
        let timeout = ProviderError::Timeout { phase: nearer.phase, after: nearer.limit };
        tokio::time::timeout(nearer.left(), future).await.map_err(|_| timeout)
    }
}

fn auth_header(auth: AuthHeader, key: &Secret) -> Result<(HeaderName, HeaderValue), ConfigError> {
    let (name, text) = match auth {
        AuthHeader::Bearer => {
            (AUTHORIZATION, zeroize::Zeroizing::new(format!("Bearer {}", key.expose())))
        }
        AuthHeader::ApiKey => (HeaderName::from_static("api-key"), key.expose().to_owned().into()),
        AuthHeader::XApiKey => {
            (HeaderName::from_static("x-api-key"), key.expose().to_owned().into())
        }
        AuthHeader::XGoogApiKey => {
            (HeaderName::from_static("x-goog-api-key"), key.expose().to_owned().into())
        }
    };
    let mut value = HeaderValue::from_str(&text).map_err(|_| ConfigError::Client {
        reason: "the key cannot stand in a header".to_owned(),
    })?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// At most `limit` bytes of a body; what cannot be read is left out.
async fn read_some(mut response: Response, limit: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        let room = limit.saturating_sub(body.len());
        body.extend_from_slice(piece.get(..room).unwrap_or(&piece));
        if body.len() >= limit {
            break;
        }
    }
    body
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    let names = ["x-request-id", "request-id", "apim-request-id"];
    let text = names.iter().find_map(|name| headers.get(*name)?.to_str().ok())?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    (!text.is_empty() && text.len() <= 128 && text.chars().all(plain)).then(|| text.to_owned())
}

fn refuse_web_page(response: &Response) -> Result<(), ProviderError> {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    match kind {
        Some(kind) if kind.trim_start().to_ascii_lowercase().starts_with("text/html") => {
            Err(ProviderError::malformed("the base URL answers with a web page, not with an API"))
        }
        _ => Ok(()),
    }
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|a| a.is_loopback())
}

/// The innermost cause in words; the outer layers only repeat the URL.
pub(crate) fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    text
}

/// A wrong certificate does not become right by asking again. The TLS error hides in one or more
/// I/O errors, whose `source` skips what they wrap.
fn is_certificate_error(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match wrapped {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_certificate_is_found_inside_io_errors() {
        let wrong = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let wrapped = std::io::Error::other(std::io::Error::other(wrong));
        assert!(is_certificate_error(&wrapped));
        assert!(!is_certificate_error(&std::io::Error::other("refused")));
    }
}
