//! Opening and closing a data directory.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use exhibit_store::StoreError;
use rusqlite::{Connection, config::DbConfig};

use crate::{
    Options,
    failure::{Result, SqlContext, io},
    lock::DirectoryLock,
    migrate,
    pool::{self, Pool},
    search::{IndexFeed, Search},
    writer::{Queue, step::Counters},
};

/// The database's file name.
pub(crate) const DATABASE: &str = "exhibit.db";
/// The search index's directory.
const SEARCH: &str = "search";

/// Bytes of a database page.
const PAGE_BYTES: i64 = 8192;
/// Page cache of the writer, KiB: holds the pages that every commit touches.
const WRITER_CACHE_KIB: i64 = 32 * 1024;

/// The embedded store: a directory with a database, a search index and a lock.
///
/// It implements the whole contract of [`exhibit_store`]. Dropping it, or [`close`](Self::close),
/// waits for what is being written.
#[derive(Debug)]
pub struct SqliteStore {
    pub(crate) options: Options,
    pub(crate) pool: Arc<Pool>,
    pub(crate) search: Option<Arc<Search>>,
    /// The database's file.
    pub(crate) database: PathBuf,
    queue: Option<Queue>,
    /// Held until everything else is closed.
    _lock: Option<DirectoryLock>,
}

impl SqliteStore {
    /// Opens a directory to write, makes what is missing and brings an older schema up to date. Blocks;
    /// call it from a thread where that is fine.
    ///
    /// # Errors
    /// `Failed` when another process has it (naming that process), or when its schema is newer than
    /// this version knows; `Corrupt` when it is not a database.
    pub fn open(directory: &Path, options: Options) -> Result<Self> {
        make_directory(directory)?;
        let lock = DirectoryLock::take(directory)?;
        let path = directory.join(DATABASE);
        let db = open_writer(&path)?;
        migrate::run(&db)?;
        let search = if options.search {
            let last_block = Counters::load(&db)?.block;
            let index = directory.join(SEARCH);
            Some(Arc::new(Search::start(&index, path.clone(), last_block, &options)?))
        } else {
            None
        };
        let feed = search.as_ref().map_or_else(IndexFeed::default, |search| search.feed());
        let queue = Queue::start(db, options.clone(), feed)?;
        let pool = Pool::new(path.clone(), options.readers_max);
        Ok(Self { options, pool, search, database: path, queue: Some(queue), _lock: Some(lock) })
    }

    /// Opens a directory to read only, whether or not another process writes to it. Every change is
    /// answered with `Unsupported`.
    ///
    /// # Errors
    /// `Failed` when there is no database, or when its schema is not this version's.
    pub fn open_read_only(directory: &Path, options: Options) -> Result<Self> {
        let path = directory.join(DATABASE);
        if !path.exists() {
            return Err(StoreError::Failed(format!("there is no {}", path.display())));
        }
        let db = pool::open_reader(&path)?;
        let found = migrate::check(&db)?;
        if found < migrate::VERSION {
            return Err(StoreError::Failed(format!(
                "the database has schema {found}, this version reads {}; start the server once to \
                 bring it up to date",
                migrate::VERSION
            )));
        }
        drop(db);
        let index = directory.join(SEARCH);
        let search = options.search.then(|| Search::open_read_only(&index)).flatten();
        let pool = Pool::new(path.clone(), options.readers_max);
        let search = search.map(Arc::new);
        Ok(Self { options, pool, search, database: path, queue: None, _lock: None })
    }

    /// Writes everything that waits and closes. Blocks. Later calls answer `Closed`.
    pub fn close(&self) {
        self.pool.close();
        if let Some(queue) = &self.queue {
            queue.stop();
        }
        if let Some(search) = &self.search {
            search.stop();
        }
    }

    pub(crate) fn queue(&self) -> Result<&Queue> {
        self.queue.as_ref().ok_or(StoreError::Unsupported("write: it was opened to read only"))
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.close();
    }
}

/// Makes a directory that only its owner may enter.
pub(crate) fn make_directory(directory: &Path) -> Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    let made = builder.create(directory).and_then(|()| match directory.parent() {
        // Its name is durable too.
        Some(parent) if !parent.as_os_str().is_empty() => std::fs::File::open(parent)?.sync_all(),
        _ => Ok(()),
    });
    made.map_err(|e| io(&format!("creating {}", directory.display()), &e))
}

fn open_writer(path: &Path) -> Result<Connection> {
    let doing = "opening the database";
    let db = Connection::open(path).when(doing)?;
    migrate::check(&db)?;
    db.busy_timeout(Duration::from_secs(5)).when(doing)?;
    // Page size and vacuum mode take effect on an empty file only, before the journal mode is set.
    let set = |name: &str, value: &dyn rusqlite::ToSql| {
        db.pragma_update(None, name, value).when("configuring the database")
    };
    set("page_size", &PAGE_BYTES)?;
    set("auto_vacuum", &"INCREMENTAL")?;
    let mode: String =
        db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).when(doing)?;
    if mode != "wal" {
        return Err(StoreError::Failed(format!(
            "{} cannot use a write-ahead log ({mode}); is it on a network file system?",
            path.display()
        )));
    }
    // Plans do not depend on parameters: without this, SQLite compiles a statement again whenever a
    // parameter of a range changes, a tenth of the writer's time.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).when(doing)?;
    set("synchronous", &"FULL")?;
    set("secure_delete", &true)?;
    set("wal_autocheckpoint", &0)?;
    set("cache_size", &-WRITER_CACHE_KIB)?;
    set("temp_store", &"MEMORY")?;
    Ok(db)
}
