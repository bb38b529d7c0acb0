//! Online backups: a consistent copy of the database while it is written to.
//!
//! The copy is made step by step on the writer's own connection, between its transactions: SQLite then
//! carries every change over into the copy. From another connection it would begin again after
//! every commit, which under load means for ever. The copy holds no signing or wrapping keys, since
//! those never are in the database, and no search index, since that is made anew from it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use exhibit_store::StoreError;
use rusqlite::{
    Connection,
    backup::{Backup, StepResult},
};
use tokio::sync::oneshot;

use crate::{
    SqliteStore,
    failure::{Result, SqlContext, io},
    migrate,
    open::DATABASE,
};

/// Pages of one step: a few megabytes, so that no commit waits long for it.
const STEP_PAGES: i32 = 512;

/// How far a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupProgress {
    /// Pages copied.
    pub done: u64,
    /// Pages in all; grows while the database does.
    pub total: u64,
}

/// A backup that was asked for.
pub(crate) struct BackupRequest {
    target: PathBuf,
    progress: Box<dyn FnMut(BackupProgress) + Send>,
    reply: oneshot::Sender<Result<()>>,
}

impl SqliteStore {
    /// Copies the database into the directory `target`, which must not hold one; commits go on. The
    /// copy is complete and durable when this returns, and does not exist otherwise.
    pub async fn backup(
        &self,
        target: &Path,
        progress: impl FnMut(BackupProgress) + Send + 'static,
    ) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        let target = target.to_owned();
        self.queue()?.backup(BackupRequest { target, progress: Box::new(progress), reply })?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Checks a copy that [`backup`](Self::backup) made: that it is whole and can be read by this
    /// version. Whether its records prove is what verification says.
    pub fn verify_backup(directory: &Path) -> Result<()> {
        let doing = "checking a backup";
        let db = crate::pool::open_reader(&directory.join(DATABASE))?;
        migrate::check(&db)?;
        let found: String =
            db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).when(doing)?;
        if found == "ok" { Ok(()) } else { Err(StoreError::Corrupt(found)) }
    }
}

impl BackupRequest {
    /// Makes the copy. `between` is called after each step, for whatever waits.
    pub(crate) fn run(mut self, db: &Connection, mut between: impl FnMut()) {
        let done = self.copy(db, &mut between);
        // Nobody may be waiting any more; the copy is there all the same.
        let _ = self.reply.send(done);
    }

    /// Answers that another backup is on its way.
    pub(crate) fn refuse(self) {
        let _ = self.reply.send(Err(StoreError::Busy { retry_after_ms: 10_000 }));
    }

    fn copy(&mut self, db: &Connection, between: &mut impl FnMut()) -> Result<()> {
        let doing = "backing up";
        let path = self.target.join(DATABASE);
        let partial = self.target.join(format!("{DATABASE}.partial"));
        if path.exists() {
            let there = path.display();
            return Err(StoreError::Failed(format!("{there} exists; name an empty directory")));
        }
        crate::open::make_directory(&self.target)?;
        if partial.exists() {
            std::fs::remove_file(&partial).map_err(|e| io(doing, &e))?;
        }
        let copied = self.copy_to(db, &partial, between);
        if copied.is_err() {
            // What is left of it helps nobody.
            let _ = std::fs::remove_file(&partial);
            return copied;
        }
        let durable = || -> std::io::Result<()> {
            std::fs::File::open(&partial)?.sync_all()?;
            std::fs::rename(&partial, &path)?;
            std::fs::File::open(&self.target)?.sync_all()
        };
        durable().map_err(|e| io(doing, &e))
    }

    fn copy_to(
        &mut self,
        db: &Connection,
        partial: &Path,
        between: &mut impl FnMut(),
    ) -> Result<()> {
        let doing = "backing up";
        let mut copy = Connection::open(partial).when(doing)?;
        // It is synced once, at its end.
        copy.pragma_update(None, "synchronous", "OFF").when(doing)?;
        let backup = Backup::new(db, &mut copy).when(doing)?;
        loop {
            let step = backup.step(STEP_PAGES).when(doing)?;
            let state = backup.progress();
            let total = u64::try_from(state.pagecount).unwrap_or(0);
            let left = u64::try_from(state.remaining).unwrap_or(0);
            (self.progress)(BackupProgress { done: total.saturating_sub(left), total });
            match step {
                StepResult::Done => return Ok(()),
                StepResult::More => {}
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
            between();
        }
    }
}
