//! Connections that read.
//!
//! Opened when first needed, kept for the next reader. A read transaction ends within
//! [`READ_SECONDS_MAX`]: a longer one would stop the write-ahead log from being reused, and 145,000
//! spans left 3 GB of it behind in a trial.

use std::{path::PathBuf, sync::Arc, time::Duration};

use exhibit_store::StoreError;
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use tokio::sync::Semaphore;

use crate::failure::{Result, SqlContext};

/// Longest read transaction.
const READ_SECONDS_MAX: u64 = 5;
/// Page cache of each reading connection, KiB.
const CACHE_KIB: i64 = 4 * 1024;

/// A bounded set of reading connections.
#[derive(Debug)]
pub(crate) struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    places: Semaphore,
}

impl Pool {
    pub(crate) fn new(path: PathBuf, readers_max: usize) -> Arc<Self> {
        let places = Semaphore::new(readers_max.max(1));
        Arc::new(Self { path, idle: Mutex::new(Vec::new()), places })
    }

    /// Runs a read on a thread for blocking work, in one read transaction: it sees one state.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _place = self.places.acquire().await.map_err(|_| StoreError::Closed)?;
        let connection = match self.take() {
            Some(connection) => connection,
            None => {
                let path = self.path.clone();
                join(tokio::task::spawn_blocking(move || open_reader(&path)).await)?
            }
        };
        let interrupt = connection.get_interrupt_handle();
        let pool = Arc::clone(self);
        let mut work = tokio::task::spawn_blocking(move || {
            let answer = in_transaction(&connection, read);
            if connection.is_autocommit() {
                pool.idle.lock().push(connection);
            }
            answer
        });
        let limit = Duration::from_secs(READ_SECONDS_MAX);
        match tokio::time::timeout(limit, &mut work).await {
            Ok(done) => join(done),
            Err(_) => {
                interrupt.interrupt();
                join(work.await)
            }
        }
    }

    fn take(&self) -> Option<Connection> {
        self.idle.lock().pop()
    }

    /// Closes the idle connections, so that the last writer can empty the write-ahead log.
    pub(crate) fn close(&self) {
        self.places.close();
        self.idle.lock().clear();
    }
}

fn in_transaction<T>(
    connection: &Connection,
    read: impl FnOnce(&Connection) -> Result<T>,
) -> Result<T> {
    let transaction = connection.unchecked_transaction().when("beginning a read")?;
    // The transaction is rolled back when it is dropped: there is nothing to commit.
    read(&transaction)
}

fn join<T>(done: std::result::Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    done.unwrap_or_else(|error| Err(StoreError::Failed(format!("a read ended early: {error}"))))
}

/// Opens a connection that can only read.
pub(crate) fn open_reader(path: &std::path::Path) -> Result<Connection> {
    let doing = "opening the database for reading";
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).when(doing)?;
    connection.busy_timeout(Duration::from_secs(READ_SECONDS_MAX)).when(doing)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB).when(doing)?;
    connection.pragma_update(None, "query_only", true).when(doing)?;
    // Statements stay compiled whatever their parameters are.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).when(doing)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}
