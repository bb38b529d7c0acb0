//! What a client is told when something did not work.
//!
//! One [`Problem`] serves every protocol: our own routes write it as RFC 9457 `problem+json`, OTLP
//! over HTTP as `google.rpc.Status`, gRPC as its status (see `otlp`). Its `code` is stable; programs
//! may rely on it, people read `detail`. Internal text never gets in: it goes to the log, inside the
//! request's span, which carries the id that the answer names in `x-request-id`.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use exhibit_capture::DecodeError;
use exhibit_model::{Json, JsonMap, Scope};
use exhibit_recorder::{Error, KeyRefusal};
use serde::Serialize;
use utoipa::ToSchema;

/// Why a request was not carried out.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) detail: String,
    /// Seconds after which asking again makes sense.
    pub(crate) retry_after_s: Option<u64>,
    /// More members of the answer; boxed, since a problem travels in every result.
    extra: Option<Box<JsonMap>>,
}

/// An RFC 9457 problem document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemBody {
    /// `urn:exhibit:problem:<code>`; stable.
    #[schema(example = "urn:exhibit:problem:not-found")]
    r#type: String,
    /// The HTTP status in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// The code alone; stable.
    code: &'static str,
    /// What happened and what to do about it.
    detail: String,
    #[serde(flatten)]
    #[schema(ignore)]
    extra: JsonMap,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { status, code, detail, retry_after_s: None, extra: None }
    }

    /// 400.
    pub(crate) fn bad(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 422: it reads, but a value is not acceptable.
    pub(crate) fn unprocessable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// 401.
    pub(crate) fn unauthenticated(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
    }

    /// 403.
    pub(crate) fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// 403 that names the scope.
    pub(crate) fn missing_scope(scope: Scope) -> Self {
        let detail = format!(
            "This needs the scope `{scope}`. Use a key or account that has it, or create one with \
             `exhibit keys create --scopes {scope}`."
        );
        Self::forbidden("missing-scope", detail).with("required_scope", scope.as_str())
    }

    /// 404. A foreign thing and an unknown one read the same.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", format!("There is no such {what} here."))
    }

    /// 413.
    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
    }

    /// 503 with `Retry-After`.
    pub(crate) fn busy(retry_after_ms: u64) -> Self {
        let mut problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "Too much is being worked on at once. Send this request again after the time in Retry-After.",
        );
        problem.retry_after_s = Some(retry_after_ms.div_ceil(1_000).max(1));
        problem
    }

    /// 429 with `Retry-After`.
    pub(crate) fn too_many(detail: impl Into<String>, retry_after_s: u64) -> Self {
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", detail);
        problem.retry_after_s = Some(retry_after_s.max(1));
        problem
    }

    /// 500. `internal` goes to the log only.
    pub(crate) fn internal(internal: &dyn std::fmt::Display) -> Self {
        tracing::error!(error = %internal, "a request failed on our side");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something failed on our side. The log has the reason under the x-request-id of this \
             answer.",
        )
    }

    /// Adds a member.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.extra.get_or_insert_default().insert(name.to_owned(), value.into());
        self
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Busy { retry_after_ms } => Self::busy(retry_after_ms),
            Error::Filter { position, message } => {
                let detail = sentence(&format!("the filter does not read: {message}"));
                Self::bad("filter", detail).with("position", position as u64)
            }
            Error::Invalid { field: "cursor", message } => Self::bad("cursor", message),
            Error::Invalid { field, message } => {
                Self::unprocessable("invalid", format!("{field}: {message}")).with("field", field)
            }
            Error::Taken(what) => {
                Self::new(StatusCode::CONFLICT, "taken", format!("This {what} is taken."))
            }
            Error::Conflict(message) => Self::new(StatusCode::CONFLICT, "conflict", message),
            Error::Unauthorized => Self::unauthenticated("unauthorized", "This is not authorised."),
            Error::NotFound => Self::not_found("thing"),
            Error::Unsupported(what) => Self::new(
                StatusCode::NOT_IMPLEMENTED,
                "unsupported",
                format!("This installation cannot {what}."),
            ),
            Error::Internal(text) => Self::internal(&text),
        }
    }
}

impl From<KeyRefusal> for Problem {
    fn from(refusal: KeyRefusal) -> Self {
        let code = match &refusal {
            KeyRefusal::Malformed => "key-malformed",
            KeyRefusal::Unknown => "key-unknown",
            KeyRefusal::Expired => "key-expired",
            KeyRefusal::Revoked => "key-revoked",
            KeyRefusal::Failed(_) => "internal",
        };
        match refusal {
            KeyRefusal::Failed(error) => error.into(),
            refusal => Self::unauthenticated(code, sentence(&refusal.to_string())),
        }
    }
}

impl From<DecodeError> for Problem {
    fn from(error: DecodeError) -> Self {
        let status = match &error {
            DecodeError::TooMany { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            DecodeError::Shape { .. } | DecodeError::Invalid { .. } => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            _ => StatusCode::BAD_REQUEST,
        };
        let problem = Self::new(status, error.code(), sentence(&error.to_string()));
        match error.pointer() {
            Some(pointer) => problem.with("pointer", pointer),
            None => problem,
        }
    }
}

/// A capital at the start and a stop at the end.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let stop = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody {
            r#type: format!("urn:exhibit:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            code: self.code,
            detail: self.detail.clone(),
            extra: self.extra.clone().map(|extra| *extra).unwrap_or_default(),
        };
        let mut response = (self.status, axum::Json(body)).into_response();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        let mut response = self.mark(response);
        // For routes that write errors in another product's shape.
        response.extensions_mut().insert(self);
        response
    }
}

impl Problem {
    /// Adds the headers that belong to the problem whatever the body's form.
    pub(crate) fn mark(&self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = match self.code {
                "no-key" => "Bearer realm=\"exhibit\"",
                _ => "Bearer realm=\"exhibit\", error=\"invalid_token\"",
            };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}
