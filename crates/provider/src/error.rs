//! How a call can fail. Every text in here is fit for a log and a trace: no key, no query string,
//! no raw body.

use crate::rejection::Rejection;
use std::fmt;
use std::time::Duration;

/// A failed call.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// The request cannot be expressed in the provider's protocol; nothing was sent.
    #[error("the request cannot be sent: {detail}")]
    InvalidRequest {
        /// What is wrong.
        detail: String,
    },
    /// No connection, or it broke before an answer began.
    #[error("cannot reach {endpoint} ({attempts} attempts): {detail}")]
    Connect {
        /// Address without query and credentials.
        endpoint: String,
        /// Attempts made.
        attempts: u32,
        /// The cause.
        detail: String,
    },
    /// A wait ran out.
    #[error("timeout: {phase} took longer than {} ms", after.as_millis())]
    Timeout {
        /// Which wait.
        phase: TimeoutPhase,
        /// The limit that ran out.
        after: Duration,
    },
    /// The provider refused the request.
    #[error("{0}")]
    Rejected(Box<Rejection>),
    /// The provider reported an error after its answer had begun.
    #[error("the provider reported an error while answering: {}", describe(error_type.as_deref(), message.as_deref()))]
    InStream {
        /// The provider's name for the error.
        error_type: Option<String>,
        /// The provider's words, shortened.
        message: Option<String>,
    },
    /// The connection broke in the middle of an answer.
    #[error("the connection broke in the middle of the answer: {detail}")]
    Interrupted {
        /// The cause.
        detail: String,
    },
    /// The answer ended in order as far as HTTP goes, but without its last part.
    #[error("the answer was cut off: {detail}")]
    Truncated {
        /// What was missing.
        detail: String,
    },
    /// Something exceeds a limit of [`crate::Limits`].
    #[error("{what} is larger than {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit, in bytes or in items, as `what` says.
        limit: usize,
    },
    /// The answer does not follow the provider's protocol.
    #[error("the answer does not follow the protocol: {detail}")]
    Malformed {
        /// What is wrong.
        detail: String,
    },
}

/// Which wait ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutPhase {
    /// From sending the request to the first byte.
    FirstByte,
    /// Between two pieces of the answer.
    BetweenChunks,
    /// The whole call.
    Total,
}

impl fmt::Display for TimeoutPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstByte => "the first byte of the answer",
            Self::BetweenChunks => "the next piece of the answer",
            Self::Total => "the whole call",
        })
    }
}

impl ProviderError {
    /// A short, stable name for records and scripts (`error.type` of a span).
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest { .. } => "invalid_request",
            Self::Connect { .. } => "connect",
            Self::Timeout { .. } => "timeout",
            Self::Rejected(rejection) => rejection.class.as_str(),
            Self::InStream { .. } => "provider_error",
            Self::Interrupted { .. } => "interrupted",
            Self::Truncated { .. } => "truncated",
            Self::TooLarge { .. } => "too_large",
            Self::Malformed { .. } => "malformed",
        }
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::InvalidRequest { detail: detail.into() }
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::Malformed { detail: detail.into() }
    }

    pub(crate) fn truncated(detail: impl Into<String>) -> Self {
        Self::Truncated { detail: detail.into() }
    }

    /// The same error with every text that came from outside passed through `scrub`.
    pub(crate) fn map_texts(mut self, scrub: impl Fn(&str) -> String) -> Self {
        let each = |text: &mut Option<String>| {
            if let Some(text) = text {
                *text = scrub(text);
            }
        };
        match &mut self {
            Self::Rejected(rejection) => {
                each(&mut rejection.message);
                each(&mut rejection.error_type);
            }
            Self::InStream { error_type, message } => {
                each(error_type);
                each(message);
            }
            Self::InvalidRequest { detail }
            | Self::Connect { detail, .. }
            | Self::Interrupted { detail }
            | Self::Truncated { detail }
            | Self::Malformed { detail } => *detail = scrub(detail),
            Self::Timeout { .. } | Self::TooLarge { .. } => {}
        }
        self
    }
}

/// `type: message`, or what there is of it.
pub(crate) fn describe(error_type: Option<&str>, message: Option<&str>) -> String {
    match (error_type, message) {
        (Some(error_type), Some(message)) => format!("{error_type}: {message}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "no reason given".to_owned(),
    }
}
