//! A provider's refusal: from status, headers and body to a class, a type and a short message.
//! The shapes of all four protocols and of their look-alikes are read by one reader.

use crate::error::{ProviderError, describe};
use serde_json::{Map, Value};
use std::fmt;
use std::time::Duration;

/// A refused request.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejection {
    /// HTTP status.
    pub status: u16,
    /// What kind of refusal it is.
    pub class: RejectionClass,
    /// The provider's name for the error, when it is a plain word.
    pub error_type: Option<String>,
    /// The provider's words: one line, shortened, without the key.
    pub message: Option<String>,
    /// How long the provider asked to wait.
    pub retry_after: Option<Duration>,
    /// The provider's id of the request, for its support.
    pub request_id: Option<String>,
    /// Attempts made.
    pub attempts: u32,
}

/// What kind of refusal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectionClass {
    /// The key is missing or wrong.
    Authentication,
    /// The key may not do this.
    Permission,
    /// No such model or path.
    NotFound,
    /// Too many requests or tokens; waiting helps.
    RateLimited,
    /// Credit or quota is used up; waiting does not help.
    QuotaExhausted,
    /// The conversation is longer than the model accepts.
    ContextTooLong,
    /// The provider has too much to do.
    Overloaded,
    /// The provider failed.
    ServerError,
    /// The base URL answers with a redirect, which is not followed: it would carry the key along.
    Redirected,
    /// Any other refusal of the request.
    BadRequest,
}

impl RejectionClass {
    /// A short, stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::Permission => "permission",
            Self::NotFound => "not_found",
            Self::RateLimited => "rate_limited",
            Self::QuotaExhausted => "quota_exhausted",
            Self::ContextTooLong => "context_too_long",
            Self::Overloaded => "overloaded",
            Self::ServerError => "server_error",
            Self::Redirected => "redirected",
            Self::BadRequest => "bad_request",
        }
    }
}

impl Rejection {
    /// Reads a refusal. `body` may be anything, cut anywhere.
    pub(crate) fn read(status: u16, body: &[u8]) -> Self {
        let reported = ReportedError::from_body(body);
        Self {
            status,
            class: classify(status, &reported),
            error_type: reported.kind.or(reported.code),
            message: reported.message,
            retry_after: None,
            request_id: None,
            attempts: 1,
        }
    }

    /// Whether the same request may succeed a little later.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self.status, 429 | 500 | 502 | 503 | 504 | 529)
            && self.class != RejectionClass::QuotaExhausted
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = describe(self.error_type.as_deref(), self.message.as_deref());
        write!(f, "the provider answered {} ({}): {words}", self.status, self.class.as_str())?;
        if let Some(wait) = self.retry_after {
            write!(f, "; asks to wait {} s", wait.as_secs())?;
        }
        if self.attempts > 1 {
            write!(f, "; after {} attempts", self.attempts)?;
        }
        Ok(())
    }
}

/// An error as a provider words it, in a refusal's body or in the middle of a stream.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct ReportedError {
    /// `type` (OpenAI, Anthropic) or `status` (Gemini).
    pub(crate) kind: Option<String>,
    /// `code`, when it is a word and not a number.
    pub(crate) code: Option<String>,
    /// The message: one line, shortened.
    pub(crate) message: Option<String>,
}

impl ReportedError {
    /// Reads `{"error":{…}}`, `{"error":"…"}`, `{"message":…}`, `{"detail":…}`, a list of one of
    /// these, or short plain text. HTML says nothing to a reader and reads as nothing.
    fn from_body(body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(Value::Object(object)) => Self::from_object(&object),
            Ok(Value::Array(list)) => match list.first() {
                Some(Value::Object(object)) => Self::from_object(object),
                _ => Self::default(),
            },
            Ok(Value::String(text)) => Self { message: one_line(&text), ..Self::default() },
            _ => {
                let text = String::from_utf8_lossy(body);
                let prose = !text.trim_start().starts_with(['<', '{', '[']);
                Self { message: one_line(&text).filter(|_| prose), ..Self::default() }
            }
        }
    }

    fn from_object(object: &Map<String, Value>) -> Self {
        match object.get("error") {
            Some(Value::Object(error)) => Self::from_members(error),
            Some(Value::String(text)) => Self { message: one_line(text), ..Self::default() },
            _ => Self::from_members(object),
        }
    }

    fn from_members(error: &Map<String, Value>) -> Self {
        let member = |name: &str| error.get(name).and_then(Value::as_str);
        let reason = || {
            error
                .get("details")?
                .as_array()?
                .iter()
                .find_map(|detail| detail.get("reason")?.as_str())
        };
        Self {
            kind: member("type").or_else(|| member("status")).and_then(word),
            code: member("code").or_else(reason).and_then(word),
            message: member("message").or_else(|| member("detail")).and_then(one_line),
        }
    }

    /// The error of a stream event, when the event is one.
    pub(crate) fn in_stream(event: &str, object: &Map<String, Value>) -> Option<ProviderError> {
        let stated = object.get("error").is_some_and(|error| !error.is_null());
        if !stated && event != "error" {
            return None;
        }
        let reported = Self::from_object(object);
        Some(ProviderError::InStream {
            error_type: reported.kind.or(reported.code),
            message: reported.message,
        })
    }
}

fn classify(status: u16, reported: &ReportedError) -> RejectionClass {
    let is = |name: &str| {
        reported.kind.as_deref() == Some(name) || reported.code.as_deref() == Some(name)
    };
    let message = reported.message.as_deref().unwrap_or_default().to_ascii_lowercase();
    let too_long = is("context_length_exceeded")
        || message.contains("maximum context length")
        || message.contains("prompt is too long")
        || message.contains("exceeds the maximum number of tokens")
        || message.contains("exceeds the available context size");
    match status {
        300..=399 => RejectionClass::Redirected,
        400 | 413 | 422 if too_long || status == 413 => RejectionClass::ContextTooLong,
        400 if is("API_KEY_INVALID") || message.contains("api key not valid") => {
            RejectionClass::Authentication
        }
        401 => RejectionClass::Authentication,
        402 => RejectionClass::QuotaExhausted,
        403 => RejectionClass::Permission,
        404 => RejectionClass::NotFound,
        429 if is("insufficient_quota") || is("billing_hard_limit_reached") => {
            RejectionClass::QuotaExhausted
        }
        429 => RejectionClass::RateLimited,
        503 | 529 => RejectionClass::Overloaded,
        500..=599 => RejectionClass::ServerError,
        _ => RejectionClass::BadRequest,
    }
}

/// Longest message kept, in characters.
const MESSAGE_CHARS_MAX: usize = 400;

/// The text on one line, without control characters, shortened; `None` when nothing is left.
fn one_line(text: &str) -> Option<String> {
    let mut line = String::new();
    // Far more than is kept, so that a hostile megabyte of blanks costs nothing.
    for piece in text.split(|c: char| c.is_whitespace() || c.is_control()).take(4096) {
        if piece.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(piece);
        if line.len() > MESSAGE_CHARS_MAX * 4 {
            break;
        }
    }
    if let Some((cut, _)) = line.char_indices().nth(MESSAGE_CHARS_MAX) {
        line.truncate(cut);
        line.push('…');
    }
    (!line.is_empty()).then_some(line)
}

/// A plain word (`rate_limit_error`), never prose.
fn word(text: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (!text.is_empty() && text.len() <= 64 && text.chars().all(plain)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> (RejectionClass, Option<String>, Option<String>) {
        let rejection = Rejection::read(status, body.as_bytes());
        (rejection.class, rejection.error_type, rejection.message)
    }

    #[test]
    fn the_refusals_of_all_protocols_are_read() {
        let some = |text: &str| Some(text.to_owned());
        let cases = [
            (
                429,
                r#"{"error":{"message":"Slow\ndown","type":"requests","code":"rate_limit_exceeded"}}"#,
                (RejectionClass::RateLimited, some("requests"), some("Slow down")),
            ),
            (
                529,
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
                (RejectionClass::Overloaded, some("overloaded_error"), some("Overloaded")),
            ),
            (
                400,
                r#"[{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}]"#,
                (
                    RejectionClass::Authentication,
                    some("INVALID_ARGUMENT"),
                    some("API key not valid."),
                ),
            ),
            (
                404,
                r#"{"error":"model 'x' not found"}"#,
                (RejectionClass::NotFound, None, some("model 'x' not found")),
            ),
            (
                400,
                r#"{"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
                (RejectionClass::ContextTooLong, some("invalid_request_error"), some("too long")),
            ),
            (502, "<html>Bad Gateway</html>", (RejectionClass::ServerError, None, None)),
            (422, r#"{"detail":"no"}"#, (RejectionClass::BadRequest, None, some("no"))),
            (500, "upstream down", (RejectionClass::ServerError, None, some("upstream down"))),
        ];
        for (status, body, expected) in cases {
            assert_eq!(read(status, body), expected, "{body}");
        }
    }

    #[test]
    fn spent_credit_is_not_worth_another_try() {
        let body = r#"{"error":{"message":"m","type":"insufficient_quota"}}"#;
        assert!(!Rejection::read(429, body.as_bytes()).may_pass());
        assert!(Rejection::read(429, b"").may_pass());
    }

    #[test]
    fn a_message_is_one_line_and_short() {
        let body = serde_json::json!({"error": {"message": "é\u{7}\n".repeat(5000)}}).to_string();
        let message = read(400, &body).2.unwrap();
        assert!(message.chars().count() <= MESSAGE_CHARS_MAX + 1);
        assert!(!message.contains(|c: char| c.is_control()));
    }
}
