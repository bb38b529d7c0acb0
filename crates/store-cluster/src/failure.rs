//! What goes wrong in the databases, as the contract says it.

use exhibit_store::StoreError;

pub(crate) type Result<T, E = StoreError> = std::result::Result<T, E>;

/// When to ask again after a database was out of reach, milliseconds.
const RETRY_MS: u64 = 1_000;

/// A database that is out of reach: the caller is asked to come again.
pub(crate) fn unreachable(doing: &str, error: &dyn std::fmt::Display) -> StoreError {
    tracing::warn!(%error, "{doing}: the database is out of reach");
    StoreError::Busy { retry_after_ms: RETRY_MS }
}

/// Data that contradicts itself.
pub(crate) fn corrupt(what: impl Into<String>) -> StoreError {
    StoreError::Corrupt(what.into())
}

/// Errors of either database with what was being done.
pub(crate) trait When<T> {
    /// Names what was being done.
    fn when(self, doing: &str) -> Result<T>;
}

impl<T> When<T> for std::result::Result<T, tokio_postgres::Error> {
    fn when(self, doing: &str) -> Result<T> {
        self.map_err(|error| {
            let Some(db) = error.as_db_error() else {
                return if error.is_closed() || std::error::Error::source(&error).is_some_and(is_io)
                {
                    unreachable(doing, &error)
                } else {
                    StoreError::Failed(format!("{doing}: {error}"))
                };
            };
            // Shutting down or starting up (57P), out of connections (53), deadlock or serialisation
            // (40), a connection that was broken (08).
            let code = db.code().code();
            let passes = ["57P", "53", "40", "08"].iter().any(|class| code.starts_with(class));
            if passes {
                unreachable(doing, &format_args!("{} ({code})", db.message()))
            } else {
                StoreError::Failed(format!("{doing}: {} ({code})", db.message()))
            }
        })
    }
}

fn is_io(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<std::io::Error>()
}

impl<T> When<T> for std::result::Result<T, clickhouse::error::Error> {
    fn when(self, doing: &str) -> Result<T> {
        use clickhouse::error::Error;
        self.map_err(|error| match error {
            Error::Network(_) | Error::TimedOut => unreachable(doing, &error),
            error => StoreError::Failed(format!("{doing}: {error}")),
        })
    }
}

impl<T> When<T> for std::result::Result<T, deadpool_postgres::PoolError> {
    fn when(self, doing: &str) -> Result<T> {
        use deadpool_postgres::PoolError;
        match self {
            Ok(value) => Ok(value),
            Err(PoolError::Backend(error)) => Err(error).when(doing),
            Err(error) => Err(unreachable(doing, &error)),
        }
    }
}
