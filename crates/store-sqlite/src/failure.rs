//! How failures below become errors of the contract. Their text is for the log.

use exhibit_store::StoreError;

/// A result of the contract.
pub(crate) type Result<T> = std::result::Result<T, StoreError>;

/// Names what was being done when SQLite failed.
pub(crate) trait SqlContext<T> {
    /// Turns the error into one of the contract.
    fn when(self, doing: &'static str) -> Result<T>;
}

impl<T> SqlContext<T> for rusqlite::Result<T> {
    fn when(self, doing: &'static str) -> Result<T> {
        self.map_err(|error| sql(doing, &error))
    }
}

fn sql(doing: &'static str, error: &rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => {
            StoreError::Unsupported("answer this within five seconds; narrow the time range")
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Corrupt(format!("{doing}: {error}"))
        }
        _ => StoreError::Failed(format!("{doing}: {error}")),
    }
}

/// An input or output failure.
pub(crate) fn io(doing: &str, error: &std::io::Error) -> StoreError {
    StoreError::Failed(format!("{doing}: {error}"))
}

/// Something stored that cannot be.
pub(crate) fn corrupt(what: impl Into<String>) -> StoreError {
    StoreError::Corrupt(what.into())
}
