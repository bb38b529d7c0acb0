//! Logs: the contract's [`LedgerStore`].

pub(crate) mod run;

use async_trait::async_trait;
use exhibit_ledger::empty_root;
use exhibit_model::{Nanos, WorkspaceId};
use exhibit_store::{LedgerStore, LogHead, LogId, StoreError, StoredCheckpoint, span::Leaf};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    SqliteStore,
    failure::{Result, SqlContext},
    row::Columns,
};
use run::{Run, split_hashes};

/// Checkpoints of a log that are kept; older ones are thinned.
const CHECKPOINTS_KEPT: i64 = 1_000;

/// The number of a log in the tables.
pub(crate) fn log_number(log: LogId) -> i64 {
    match log {
        LogId::Installation => 0,
        LogId::Workspace(workspace) => workspace.0,
    }
}

fn log_of(number: i64) -> LogId {
    if number == 0 { LogId::Installation } else { LogId::Workspace(WorkspaceId(number)) }
}

#[async_trait]
impl LedgerStore for SqliteStore {
    async fn head(&self, log: LogId) -> Result<LogHead> {
        self.pool.read(move |db| head(db, log)).await
    }

    async fn unpublished(&self) -> Result<Vec<LogHead>> {
        self.pool
            .read(|db| {
                let doing = "reading unpublished heads";
                let mut statement = db
                    .prepare_cached(
                        "SELECT log, size, root FROM logs WHERE log <> 0 AND size > published \
                         ORDER BY log",
                    )
                    .when(doing)?;
                let mut rows = statement.query([]).when(doing)?;
                let mut heads = Vec::new();
                while let Some(row) = rows.next().when(doing)? {
                    let mut c = Columns::of(row);
                    let log = log_of(c.int()?);
                    heads.push(LogHead { log, size: c.count()?, root: c.array()? });
                }
                Ok(heads)
            })
            .await
    }

    async fn publish(&self, heads: &[LogHead], leaves: Vec<Leaf>) -> Result<LogHead> {
        if leaves.iter().any(|leaf| leaf.bytes.len() > usize::from(u16::MAX)) {
            return Err(StoreError::Failed("a leaf beyond 65,535 bytes".to_owned()));
        }
        let heads = heads.to_vec();
        self.queue()?
            .run(move |step| {
                for head in &heads {
                    if head.log != LogId::Installation {
                        step.publish(head.log, head.size)?;
                    }
                }
                for leaf in &leaves {
                    step.append(LogId::Installation, leaf)?;
                }
                let log = LogId::Installation;
                let head = match step.flush_log(log)? {
                    Some((size, root)) => LogHead { log, size, root },
                    None => head(step.db, log)?,
                };
                Ok(Ok(head))
            })
            .await
    }

    async fn put_checkpoint(&self, checkpoint: StoredCheckpoint) -> Result<()> {
        self.queue()?
            .run(move |step| {
                let log = log_number(checkpoint.log);
                let size = i64::try_from(checkpoint.size).unwrap_or(i64::MAX);
                step.db
                    .prepare_cached(
                        "INSERT OR REPLACE INTO checkpoints (log, size, root, note, signed) \
                         VALUES (?1, ?2, ?3, ?4, ?5)",
                    )
                    .and_then(|mut s| {
                        s.execute(params![
                            log,
                            size,
                            &checkpoint.root[..],
                            checkpoint.note,
                            checkpoint.signed.0
                        ])
                    })
                    .when("writing a checkpoint")?;
                step.db
                    .prepare_cached(
                        "DELETE FROM checkpoints WHERE log = ?1 AND size < (SELECT size FROM \
                         checkpoints WHERE log = ?1 ORDER BY size DESC LIMIT 1 OFFSET ?2)",
                    )
                    .and_then(|mut s| s.execute((log, CHECKPOINTS_KEPT)))
                    .when("thinning checkpoints")?;
                Ok(Ok(()))
            })
            .await
    }

    async fn checkpoint(&self, log: LogId) -> Result<Option<StoredCheckpoint>> {
        self.pool.read(move |db| latest_checkpoint(db, log)).await
    }

    async fn leaves(&self, log: LogId, from: u64, to: u64) -> Result<Vec<Vec<u8>>> {
        self.pool
            .audit(move |db| {
                let mut leaves = Vec::new();
                runs(db, log, from, to, "entries", |row| {
                    let run = Run::read(row, 0)?;
                    let numbered = (run.first..).zip(run.entries());
                    let wanted = numbered.filter(|(index, _)| (from..to).contains(index));
                    leaves.extend(wanted.map(|(_, leaf)| leaf.to_vec()));
                    Ok(())
                })?;
                Ok(leaves)
            })
            .await
    }

    async fn hashes(&self, log: LogId, level: u8, from: u64, to: u64) -> Result<Vec<[u8; 32]>> {
        self.pool
            .read(move |db| {
                if level == 0 {
                    leaf_hashes(db, log, from, to)
                } else {
                    tiles(db, log, level, from, to)
                }
            })
            .await
    }
}

/// The head of a log.
pub(crate) fn head(db: &Connection, log: LogId) -> Result<LogHead> {
    let found = db
        .prepare_cached("SELECT size, root FROM logs WHERE log = ?1")
        .and_then(|mut s| {
            s.query_row([log_number(log)], |row| {
                let mut c = Columns::of(row);
                Ok((|| Ok::<_, StoreError>(LogHead { log, size: c.count()?, root: c.array()? }))())
            })
            .optional()
        })
        .when("reading a log's head")?
        .transpose()?;
    Ok(found.unwrap_or(LogHead { log, size: 0, root: empty_root().0 }))
}

fn latest_checkpoint(db: &Connection, log: LogId) -> Result<Option<StoredCheckpoint>> {
    db.prepare_cached(
        "SELECT size, root, note, signed FROM checkpoints WHERE log = ?1 \
         ORDER BY size DESC LIMIT 1",
    )
    .and_then(|mut s| {
        s.query_row([log_number(log)], |row| {
            let mut c = Columns::of(row);
            Ok((|| {
                Ok::<_, StoreError>(StoredCheckpoint {
                    log,
                    size: c.count()?,
                    root: c.array()?,
                    note: c.text()?.to_owned(),
                    signed: Nanos(c.int()?),
                })
            })())
        })
        .optional()
    })
    .when("reading a checkpoint")?
    .transpose()
}

/// Visits the runs that hold leaves `from..to`, in order: the one that starts at or before `from`, and
/// all that start before `to`.
fn runs(
    db: &Connection,
    log: LogId,
    from: u64,
    to: u64,
    entries: &str,
    mut visit: impl FnMut(&rusqlite::Row<'_>) -> Result<()>,
) -> Result<()> {
    let doing = "reading leaves";
    if from >= to {
        return Ok(());
    }
    let clamp = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let sql = format!(
        "SELECT first, count, raw_bytes, hashes, {entries} FROM leaf_runs \
         INDEXED BY leaf_runs_by_place WHERE log = ?1 AND first < ?3 AND first >= ifnull((SELECT \
         first FROM leaf_runs INDEXED BY leaf_runs_by_place WHERE log = ?1 AND first <= ?2 \
         ORDER BY first DESC LIMIT 1), ?2) ORDER BY first"
    );
    let mut statement = db.prepare_cached(&sql).when(doing)?;
    let mut rows = statement.query((log_number(log), clamp(from), clamp(to))).when(doing)?;
    while let Some(row) = rows.next().when(doing)? {
        visit(row)?;
    }
    Ok(())
}

fn leaf_hashes(db: &Connection, log: LogId, from: u64, to: u64) -> Result<Vec<[u8; 32]>> {
    let mut hashes = Vec::new();
    runs(db, log, from, to, "NULL", |row| {
        let mut c = Columns::of(row);
        let first = c.count()?;
        let _count = c.int()?;
        let _raw_bytes = c.int()?;
        let numbered = (first..).zip(split_hashes(c.bytes()?)?);
        let wanted = numbered.filter(|(index, _)| (from..to).contains(index));
        hashes.extend(wanted.map(|(_, hash)| hash.0));
        Ok(())
    })?;
    Ok(hashes)
}

fn tiles(db: &Connection, log: LogId, level: u8, from: u64, to: u64) -> Result<Vec<[u8; 32]>> {
    let doing = "reading tiles";
    let clamp = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let mut statement = db
        .prepare_cached(
            "SELECT hash FROM tiles WHERE log = ?1 AND level = ?2 AND place >= ?3 AND place < ?4 \
             ORDER BY place",
        )
        .when(doing)?;
    let mut rows = statement.query((log_number(log), level, clamp(from), clamp(to))).when(doing)?;
    let mut hashes = Vec::new();
    while let Some(row) = rows.next().when(doing)? {
        hashes.push(Columns::of(row).array()?);
    }
    Ok(hashes)
}
