//! Why a whole request could not be read.

/// A request that cannot be decoded at all. Nothing of it is kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The protobuf message is damaged, truncated or of another type.
    #[error(
        "the body is not a valid OTLP protobuf message ({reason}); send the serialised Export…ServiceRequest"
    )]
    Protobuf {
        /// What the decoder said.
        reason: String,
    },
    /// The JSON text is damaged or truncated.
    #[error("the body is not valid JSON at line {line}, column {column}: {reason}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What the parser said.
        reason: String,
    },
    /// The body is empty where a JSON text was expected.
    #[error("the body is empty; send a JSON object")]
    Empty,
    /// Values are nested too deeply.
    #[error("the body is nested deeper than {max} levels; flatten it")]
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// An object has the same key twice.
    #[error(
        "the key {key:?} stands twice in one object at line {line}, column {column}; send each key once"
    )]
    DuplicateKey {
        /// The key.
        key: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A `\u` escape names half of a surrogate pair.
    #[error(
        "the text at line {line}, column {column} has a lone surrogate escape; send both halves or U+FFFD"
    )]
    LoneSurrogate {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// Text that is not UTF-8.
    #[error("the body holds text that is not valid UTF-8 (at byte {at}); encode all text as UTF-8")]
    InvalidUtf8 {
        /// Byte offset of the first invalid byte, 0 where the decoder does not say.
        at: usize,
    },
    /// More spans, log records or values than one request may hold.
    #[error("the request holds more than {max} {what}; send smaller batches")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// The JSON value is not the one this door expects.
    #[error("{} must be {expected}", place(pointer))]
    Shape {
        /// JSON pointer to the value; empty for the whole body.
        pointer: String,
        /// What was expected.
        expected: &'static str,
    },
    /// A value of a request that holds a single entry is invalid.
    #[error("{pointer:?}: {reason}")]
    Invalid {
        /// JSON pointer to the value.
        pointer: String,
        /// What is wrong and what to do about it.
        reason: String,
    },
}

/// A value by its pointer, for people.
fn place(pointer: &str) -> String {
    if pointer.is_empty() { "the body".to_owned() } else { format!("{pointer:?}") }
}

impl DecodeError {
    /// A stable machine-readable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Protobuf { .. } => "malformed-protobuf",
            Self::Json { .. } => "malformed-json",
            Self::Empty => "empty-body",
            Self::TooDeep { .. } => "too-deep",
            Self::DuplicateKey { .. } => "duplicate-key",
            Self::LoneSurrogate { .. } => "lone-surrogate",
            Self::InvalidUtf8 { .. } => "invalid-utf8",
            Self::TooMany { .. } => "too-many",
            Self::Shape { .. } => "wrong-shape",
            Self::Invalid { .. } => "invalid-value",
        }
    }

    /// JSON pointer to the offending value, where one is known.
    pub fn pointer(&self) -> Option<&str> {
        match self {
            Self::Shape { pointer, .. } | Self::Invalid { pointer, .. } => Some(pointer),
            _ => None,
        }
    }
}
