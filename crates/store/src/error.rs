//! Why a store could not do what it was asked.

/// A failure of the store itself. Absence is never an error: it is `None`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot take more at the moment; ask again after the given time.
    #[error("the store is busy; try again in {retry_after_ms} ms")]
    Busy {
        /// How long to wait, milliseconds.
        retry_after_ms: u64,
    },
    /// It does not support what was asked; never approximated.
    #[error("this store cannot {0}")]
    Unsupported(&'static str),
    /// The cursor is not one that this list gave.
    #[error("the cursor is not one that this list gave")]
    Cursor,
    /// A unique value is taken.
    #[error("{0} is taken")]
    Taken(&'static str),
    /// What it holds contradicts itself.
    #[error("the stored data contradicts itself: {0}")]
    Corrupt(String),
    /// Cold storage no longer has what was archived there, or has it changed.
    #[error("the archived object {object} {}", if *.missing { "is missing or was cut" } else { "was changed" })]
    Lost {
        /// Its path.
        object: String,
        /// It is not there, or shorter; else it is another.
        missing: bool,
    },
    /// It is closed.
    #[error("the store is closed")]
    Closed,
    /// The database or disk failed. The text is for the log, never for a client.
    #[error("storage failed: {0}")]
    Failed(String),
}
