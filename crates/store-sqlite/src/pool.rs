//! Connections that read.
//!
//! Opened when first needed, kept for the next reader. A read transaction ends within
//! [`READ_SECONDS_MAX`]: a longer one would stop the write-ahead log from being reused, and 145,000
//! spans left 3 GB of it behind in a trial.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use exhibit_store::StoreError;
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use tokio::sync::Semaphore;

use crate::failure::{Result, SqlContext};

/// Longest read transaction.
const READ_SECONDS_MAX: u64 = 5;
/// Longest read for verification: a trace with all its records is one answer, however large it is.
const AUDIT_SECONDS_MAX: u64 = 120;
/// Page cache of each reading connection, KiB.
const CACHE_KIB: i64 = 4 * 1024;
/// Steps of SQLite's machine between two looks at the clock: about a millisecond.
const STEPS_PER_LOOK: i32 = 20_000;

/// A bounded set of reading connections.
#[derive(Debug)]
pub(crate) struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Reader>>,
    places: Arc<Semaphore>,
}

/// A connection that can only read, and by when it has to be done.
#[derive(Debug)]
struct Reader {
    connection: Connection,
    deadline: Arc<Deadline>,
}

/// A point in time that a connection's progress handler looks at.
#[derive(Debug)]
struct Deadline {
    base: Instant,
    millis: AtomicU64,
}

impl Deadline {
    fn set(&self, limit: Duration) {
        let until = self.base.elapsed() + limit;
        self.millis.store(until.as_millis() as u64, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.base.elapsed().as_millis() as u64 > self.millis.load(Ordering::Relaxed)
    }
}

impl Pool {
    pub(crate) fn new(path: PathBuf, readers_max: usize) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(readers_max.max(1)));
        Arc::new(Self { path, idle: Mutex::new(Vec::new()), places })
    }

    /// Runs a read on a thread for blocking work, in one read transaction: it sees one state.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.read_within(Duration::from_secs(READ_SECONDS_MAX), read).await
    }

    /// The same for verification, which may take longer.
    pub(crate) async fn audit<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.read_within(Duration::from_secs(AUDIT_SECONDS_MAX), read).await
    }

    async fn read_within<T: Send + 'static>(
        self: &Arc<Self>,
        limit: Duration,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| StoreError::Closed)?;
        let pool = Arc::clone(self);
        // Place and deadline go with the work, which goes on when nobody waits for it any more.
        let work = move || {
            let _place = place;
            let reader = match pool.take() {
                Some(reader) => reader,
                None => Reader::open(&pool.path)?,
            };
            reader.deadline.set(limit);
            let answer = in_transaction(&reader.connection, read);
            if reader.connection.is_autocommit() && !pool.places.is_closed() {
                pool.idle.lock().push(reader);
            }
            answer
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(StoreError::Failed(format!("a read ended early: {error}"))))
    }

    fn take(&self) -> Option<Reader> {
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

impl Reader {
    fn open(path: &std::path::Path) -> Result<Self> {
        let mut connection = open_reader(path)?;
        let deadline = Arc::new(Deadline { base: Instant::now(), millis: AtomicU64::new(0) });
        let watched = Arc::clone(&deadline);
        connection
            .progress_handler(STEPS_PER_LOOK, Some(move || watched.is_over()))
            .when("opening the database for reading")?;
        Ok(Self { connection, deadline })
    }
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
