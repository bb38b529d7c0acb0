//! Keys of sealed payloads, in a small database of their own beside the other keys.
//!
//! It is apart from the store so that no backup of the store holds it: a key destroyed here is destroyed
//! for every backup. `secure_delete` overwrites what goes, and the write-ahead log is cut after each
//! destruction.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use exhibit_model::WorkspaceId;
use exhibit_store::{DoomedSlot, Rewrap, SlotHeader, SlotId, SlotStore, StoreError};
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction};

use crate::failure::{Result, SqlContext, corrupt, io};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS header (
  one    INTEGER PRIMARY KEY CHECK (one = 1),
  id     BLOB NOT NULL,
  key    BLOB NOT NULL,
  master TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS slots (
  slot BLOB PRIMARY KEY,
  key  BLOB NOT NULL
) STRICT, WITHOUT ROWID;
-- Slots whose traces are being erased; empty but between two steps of an erasure.
CREATE TABLE IF NOT EXISTS doomed (
  slot      BLOB PRIMARY KEY,
  workspace INTEGER NOT NULL,
  tombstone BLOB NOT NULL
) STRICT, WITHOUT ROWID;
";

/// How long a change waits for another process.
const BUSY: Duration = Duration::from_secs(5);

/// The file. Reads do not wait for writes.
#[derive(Debug)]
pub struct SlotFile {
    path: PathBuf,
    reader: Mutex<Connection>,
    writer: Option<Mutex<Connection>>,
}

impl SlotFile {
    /// Opens it to write, and makes it where it is missing; only its owner can read it.
    ///
    /// # Errors
    /// It is not such a file, or cannot be written.
    pub fn open(path: &Path) -> Result<Self> {
        let doing = "opening the keys of payloads";
        make_private(path)?;
        let db = Connection::open(path).when(doing)?;
        db.busy_timeout(BUSY).when(doing)?;
        db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).when(doing)?;
        db.pragma_update(None, "synchronous", "FULL").when(doing)?;
        db.pragma_update(None, "secure_delete", true).when(doing)?;
        db.execute_batch(SCHEMA).when(doing)?;
        let reader = Mutex::new(open_reader(path)?);
        Ok(Self { path: path.to_owned(), reader, writer: Some(Mutex::new(db)) })
    }

    /// Whether it holds keys: whoever makes it may have been stopped before the first one.
    ///
    /// # Errors
    /// It is not such a file.
    pub fn has_begun(path: &Path) -> Result<bool> {
        let doing = "looking for keys of payloads";
        if !path.exists() {
            return Ok(false);
        }
        let db = open_reader(path)?;
        let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'header'";
        let is_made = db.prepare(sql).and_then(|mut s| s.exists([])).when(doing)?;
        Ok(is_made
            && db.prepare("SELECT 1 FROM header").and_then(|mut s| s.exists([])).when(doing)?)
    }

    /// Opens it to read, whether or not another process writes to it.
    ///
    /// # Errors
    /// It is not there, or not such a file.
    pub fn open_read_only(path: &Path) -> Result<Self> {
        let reader = Mutex::new(open_reader(path)?);
        Ok(Self { path: path.to_owned(), reader, writer: None })
    }

    /// Copies it, as it is at this moment, into a new file.
    ///
    /// # Errors
    /// The target exists or cannot be written.
    pub fn copy(&self, target: &Path) -> Result<()> {
        if target.exists() {
            return Err(StoreError::Failed(format!("{} exists", target.display())));
        }
        make_private(target)?;
        let doing = "copying the keys of payloads";
        let text = target.to_str().ok_or_else(|| StoreError::Failed("a path".to_owned()))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        let db = Connection::open_with_flags(&self.path, flags).when(doing)?;
        db.execute("VACUUM INTO ?1", [text]).when(doing)?;
        std::fs::File::open(target).and_then(|file| file.sync_all()).map_err(|e| io(doing, &e))
    }

    fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let doing = "writing the keys of payloads";
        let mut db = self.writer()?.lock();
        let step = db.transaction().when(doing)?;
        let done = work(&step)?;
        step.commit().when(doing)?;
        Ok(done)
    }

    fn writer(&self) -> Result<&Mutex<Connection>> {
        let refused = || StoreError::Unsupported("write: it was opened to read only");
        self.writer.as_ref().ok_or_else(refused)
    }

    /// Leaves nothing of what was overwritten in the write-ahead log.
    fn cut_log(&self) -> Result<()> {
        let doing = "emptying the log of the keys of payloads";
        let db = self.writer()?.lock();
        let busy: i64 =
            db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).when(doing)?;
        if busy != 0 {
            tracing::warn!(
                "somebody reads the keys of payloads; their log is emptied the next time"
            );
        }
        Ok(())
    }
}

impl SlotStore for SlotFile {
    fn header(&self) -> Result<Option<SlotHeader>> {
        let doing = "reading the keys of payloads";
        let db = self.reader.lock();
        let found = db
            .query_row("SELECT id, key, master FROM header", [], |row| {
                Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()
            .when(doing)?;
        let Some((id, key, master)) = found else { return Ok(None) };
        let id = id.try_into().map_err(|_| corrupt(self.path.display().to_string()))?;
        Ok(Some(SlotHeader { id, key, master }))
    }

    fn begin(&self, header: &SlotHeader) -> Result<()> {
        self.write(|db| {
            db.execute(
                "INSERT INTO header (one, id, key, master) VALUES (1, ?1, ?2, ?3)",
                (&header.id[..], &header.key, &header.master),
            )
            .when("beginning the keys of payloads")
            .map(drop)
        })
    }

    fn put(&self, slots: &[(SlotId, Vec<u8>)]) -> Result<()> {
        let doing = "keeping keys of payloads";
        self.write(|db| {
            let mut insert = db
                .prepare_cached("INSERT OR IGNORE INTO slots (slot, key) VALUES (?1, ?2)")
                .when(doing)?;
            for (slot, key) in slots {
                insert.execute((&slot.0[..], key)).when(doing)?;
            }
            Ok(())
        })
    }

    fn get(&self, slot: SlotId) -> Result<Option<Vec<u8>>> {
        self.reader
            .lock()
            .prepare_cached("SELECT key FROM slots WHERE slot = ?1")
            .and_then(|mut s| s.query_row([&slot.0[..]], |row| row.get(0)).optional())
            .when("reading a key of payloads")
    }

    fn doom(&self, slots: &[DoomedSlot]) -> Result<()> {
        let doing = "noting keys to be destroyed";
        self.write(|db| {
            for doomed in slots {
                db.prepare_cached(
                    "INSERT OR REPLACE INTO doomed (slot, workspace, tombstone) VALUES (?1, ?2, ?3)",
                )
                .and_then(|mut s| {
                    s.execute((&doomed.slot.0[..], doomed.workspace.0, &doomed.tombstone[..]))
                })
                .when(doing)?;
            }
            Ok(())
        })
    }

    fn doomed(&self) -> Result<Vec<DoomedSlot>> {
        let doing = "reading keys to be destroyed";
        let db = self.reader.lock();
        let mut statement =
            db.prepare("SELECT slot, workspace, tombstone FROM doomed").when(doing)?;
        let mut rows = statement.query([]).when(doing)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().when(doing)? {
            let array = |at: usize| -> Result<[u8; 16]> {
                let bytes: Vec<u8> = row.get(at).when(doing)?;
                bytes.try_into().map_err(|_| corrupt(self.path.display().to_string()))
            };
            found.push(DoomedSlot {
                slot: SlotId(array(0)?),
                workspace: WorkspaceId(row.get(1).when(doing)?),
                tombstone: array(2)?,
            });
        }
        Ok(found)
    }

    fn spare(&self, slots: &[SlotId]) -> Result<()> {
        self.write(|db| delete(db, "DELETE FROM doomed WHERE slot = ?1", slots))
    }

    fn destroy(&self, slots: &[SlotId]) -> Result<()> {
        self.write(|db| {
            delete(db, "DELETE FROM slots WHERE slot = ?1", slots)?;
            delete(db, "DELETE FROM doomed WHERE slot = ?1", slots)
        })?;
        self.cut_log()
    }

    fn rewrap(&self, header: &SlotHeader, rewrap: &mut Rewrap<'_>) -> Result<u64> {
        let doing = "wrapping keys of payloads anew";
        let count = self.write(|db| {
            let mut count = 0;
            let mut update = db.prepare("UPDATE slots SET key = ?2 WHERE slot = ?1").when(doing)?;
            let mut all = db
                .prepare("SELECT slot, key FROM slots WHERE slot > ?1 ORDER BY slot LIMIT 1000")
                .when(doing)?;
            let mut after: Vec<u8> = Vec::new();
            loop {
                let page: Vec<(Vec<u8>, Vec<u8>)> = all
                    .query_map([&after], |row| Ok((row.get(0)?, row.get(1)?)))
                    .and_then(Iterator::collect)
                    .when(doing)?;
                let Some((last, _)) = page.last() else { break };
                after.clone_from(last);
                for (slot, key) in &page {
                    let id = <[u8; 16]>::try_from(slot.as_slice());
                    let id = id.map_err(|_| corrupt(self.path.display().to_string()))?;
                    let fresh = rewrap(SlotId(id), key)
                        .ok_or_else(|| corrupt("a key of payloads does not open"))?;
                    update.execute((slot, fresh)).when(doing)?;
                    count += 1;
                }
            }
            db.execute(
                "UPDATE header SET id = ?1, key = ?2, master = ?3",
                (&header.id[..], &header.key, &header.master),
            )
            .when(doing)?;
            Ok(count)
        })?;
        self.cut_log()?;
        Ok(count)
    }
}

fn delete(db: &Connection, sql: &str, slots: &[SlotId]) -> Result<()> {
    for slot in slots {
        db.prepare_cached(sql)
            .and_then(|mut s| s.execute([&slot.0[..]]))
            .when("destroying keys of payloads")?;
    }
    Ok(())
}

fn open_reader(path: &Path) -> Result<Connection> {
    let doing = "opening the keys of payloads";
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).when(doing)?;
    db.busy_timeout(BUSY).when(doing)?;
    db.pragma_update(None, "query_only", true).when(doing)?;
    Ok(db)
}

/// An empty file that only its owner can read, where there is none.
fn make_private(path: &Path) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path).map(drop).map_err(|e| io(&format!("making {}", path.display()), &e))
}
