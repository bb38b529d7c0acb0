//! What can go wrong, in the words of callers.

use exhibit_store::{CommitError, StoreError};

/// A use case that could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Too much at once; ask again later.
    #[error("busy; try again in {retry_after_ms} ms")]
    Busy {
        /// How long to wait, milliseconds.
        retry_after_ms: u64,
    },
    /// The filter does not read.
    #[error("filter, at character {position}: {message}")]
    Filter {
        /// Character offset.
        position: usize,
        /// What was expected.
        message: String,
    },
    /// A field of the request is not acceptable.
    #[error("{field}: {message}")]
    Invalid {
        /// Which.
        field: &'static str,
        /// Why, and what to do.
        message: String,
    },
    /// A unique value is taken.
    #[error("{0} is taken")]
    Taken(&'static str),
    /// Wrong e-mail address or password, or no session.
    #[error("not authorised")]
    Unauthorized,
    /// There is no such thing, or it belongs to somebody else.
    #[error("not found")]
    NotFound,
    /// It does not fit the state of things; the text says what to do.
    #[error("{0}")]
    Conflict(String),
    /// The store cannot do this.
    #[error("this installation cannot {0}")]
    Unsupported(&'static str),
    /// Everything else; the text is for the log, never for a client.
    #[error("internal: {0}")]
    Internal(String),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy { retry_after_ms } => Self::Busy { retry_after_ms },
            StoreError::Unsupported(what) => Self::Unsupported(what),
            StoreError::Taken(what) => Self::Taken(what),
            StoreError::Cursor => Self::Invalid {
                field: "cursor",
                message: "this is not a cursor of this list; start again without one".to_owned(),
            },
            lost @ StoreError::Lost { .. } => Self::Conflict(format!(
                "{lost}: the payload cannot be shown; restore the archive from a copy of it"
            )),
            other => Self::Internal(other.to_string()),
        }
    }
}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Store(error) => error.into(),
            // A batch that stays stale after every retry is contention, not a fault.
            CommitError::Stale => Self::Busy { retry_after_ms: 100 },
        }
    }
}
