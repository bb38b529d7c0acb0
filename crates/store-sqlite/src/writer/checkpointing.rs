//! Moving the write-ahead log into the database, mostly off the path of acknowledgements.
//!
//! A second thread copies what is in the log while the writer goes on. When it is through, the writer
//! copies the little that came meanwhile, and the next transaction starts the log from its beginning.
//! SQLite's own automatic checkpoint would do all of it inside somebody's commit.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use crossbeam_channel::Sender;
use rusqlite::Connection;

use super::Load;
use crate::failure::{Result, SqlContext, io};

/// Log size at which copying starts. Larger logs copy fewer pages twice, but take longer to recover
/// after a crash and more disk.
const WAL_BYTES: u64 = 24 << 20;

const IDLE: u8 = 0;
const COPYING: u8 = 1;
const COPIED: u8 = 2;

/// The writer's side of it.
pub(super) struct Checkpointing {
    load: Arc<Load>,
    state: Arc<AtomicU8>,
    begin: Option<Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Checkpointing {
    /// Starts the copying thread and listens to the size of the log.
    pub(super) fn start(db: &mut Connection, load: Arc<Load>) -> Result<Self> {
        let doing = "starting checkpoints";
        let page_bytes: u64 = db
            .pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0))
            .when(doing)?
            .max(512) as u64;
        let told = Arc::clone(&load);
        db.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            told.wal_bytes.store(pages.max(0) as u64 * page_bytes, Ordering::Relaxed);
            Ok(())
        }))
        .when(doing)?;
        let state = Arc::new(AtomicU8::new(IDLE));
        let path = db.path().map(PathBuf::from).unwrap_or_default();
        let (begin, waiting) = crossbeam_channel::bounded::<()>(1);
        let shared = Arc::clone(&state);
        let thread = std::thread::Builder::new()
            .name("exhibit-checkpoint".to_owned())
            .spawn(move || {
                let mut connection = None;
                while waiting.recv().is_ok() {
                    if let Err(error) = copy(&path, &mut connection) {
                        tracing::warn!(%error, "a checkpoint failed");
                    }
                    shared.store(COPIED, Ordering::Release);
                }
            })
            .map_err(|e| io(doing, &e))?;
        Ok(Self { load, state, begin: Some(begin), thread: Some(thread) })
    }

    /// Called by the writer between transactions.
    pub(super) fn after_commit(&self, db: &Connection) {
        match self.state.load(Ordering::Acquire) {
            COPIED => {
                self.relieve(db);
                self.state.store(IDLE, Ordering::Release);
            }
            IDLE if self.load.wal_bytes.load(Ordering::Relaxed) > WAL_BYTES => {
                self.state.store(COPYING, Ordering::Release);
                if let Some(begin) = &self.begin {
                    // Full means that it is about to begin anyway.
                    let _ = begin.try_send(());
                }
            }
            _ => {}
        }
    }

    /// Copies what is in the log. Without waiting for anyone: a reader may keep the log in use, then
    /// the next round gets further.
    pub(super) fn relieve(&self, db: &Connection) {
        match passive(db) {
            Ok(true) => self.load.wal_bytes.store(0, Ordering::Relaxed),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "a checkpoint failed"),
        }
    }

    /// Ends the thread and empties the log.
    pub(super) fn stop(&mut self, db: &Connection) {
        self.begin = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the checkpoint thread panicked");
        }
        let emptied = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = emptied {
            tracing::warn!(%error, "the write-ahead log was not emptied");
        }
    }
}

fn copy(path: &std::path::Path, connection: &mut Option<Connection>) -> rusqlite::Result<()> {
    let connection = match connection {
        Some(connection) => connection,
        None => {
            let opened = Connection::open(path)?;
            opened.busy_timeout(Duration::from_millis(100))?;
            opened.pragma_update(None, "synchronous", "FULL")?;
            opened.pragma_update(None, "cache_size", -256)?;
            connection.insert(opened)
        }
    };
    passive(connection).map(drop)
}

/// Copies as much as it can; whether that was all.
fn passive(db: &Connection) -> rusqlite::Result<bool> {
    db.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?.query_row([], |row| {
        let (busy, log, copied): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(busy == 0 && log == copied)
    })
}
