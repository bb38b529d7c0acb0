//! Leaves on their way into logs.
//!
//! Within one transaction each log collects its leaves; at its end they become one run (a row of
//! hashes and compressed entries), the tiles they complete, and the log's new head. One row per
//! leaf cost ten times the pages.

use std::collections::{BTreeMap, btree_map::Entry};

use exhibit_ledger::{Frontier, Hash, empty_root};
use exhibit_store::{LogId, StoreError, span::Leaf};
use lru::LruCache;
use rusqlite::{Connection, OptionalExtension};

use crate::{
    failure::{Result, SqlContext, corrupt},
    ledger::{log_number, run},
};

/// Most leaves of one run. A proof reads two runs at most, 32 KiB of hashes each.
const RUN_LEAVES_MAX: usize = 1024;
/// A run with fewer leaves is small; small ones at the end of a log are joined now and then.
const SMALL_RUN: usize = 256;
/// How many small runs are joined at once.
const JOINED_RUNS: i64 = 64;

/// A log's head as the writer keeps it between transactions.
#[derive(Debug, Clone)]
pub(crate) struct LogState {
    frontier: Frontier,
    published: u64,
    /// Small runs at the end, as far as known.
    small_runs: i64,
}

/// The logs that a transaction touches.
#[derive(Debug, Default)]
pub(crate) struct OpenLogs(BTreeMap<i64, OpenLog>);

#[derive(Debug)]
struct OpenLog {
    state: LogState,
    entries: Vec<u8>,
    entry_ends: Vec<usize>,
    hashes: Vec<Hash>,
    changed: bool,
}

impl OpenLogs {
    fn open(
        &mut self,
        db: &Connection,
        kept: &mut LruCache<i64, LogState>,
        log: i64,
    ) -> Result<&mut OpenLog> {
        match self.0.entry(log) {
            Entry::Occupied(open) => Ok(open.into_mut()),
            Entry::Vacant(place) => {
                let state = match kept.get(&log) {
                    Some(state) => state.clone(),
                    None => load(db, log)?,
                };
                Ok(place.insert(OpenLog {
                    state,
                    entries: Vec::new(),
                    entry_ends: Vec::new(),
                    hashes: Vec::new(),
                    changed: false,
                }))
            }
        }
    }

    /// Appends a leaf; its index.
    pub(crate) fn append(
        &mut self,
        db: &Connection,
        kept: &mut LruCache<i64, LogState>,
        log: LogId,
        leaf: &Leaf,
    ) -> Result<u64> {
        let open = self.open(db, kept, log_number(log))?;
        let index = open.state.frontier.size() + open.hashes.len() as u64;
        run::push_entry(&mut open.entries, &leaf.bytes)?;
        open.entry_ends.push(open.entries.len());
        open.hashes.push(Hash(leaf.hash));
        open.changed = true;
        Ok(index)
    }

    /// Notes that a log was published up to a size.
    pub(crate) fn publish(
        &mut self,
        db: &Connection,
        kept: &mut LruCache<i64, LogState>,
        log: LogId,
        size: u64,
    ) -> Result<()> {
        let open = self.open(db, kept, log_number(log))?;
        if size > open.state.published {
            open.state.published = size;
            open.changed = true;
        }
        Ok(())
    }

    /// Writes everything; afterwards the heads are those of the transaction.
    pub(crate) fn flush(
        &mut self,
        db: &Connection,
        compressor: &mut zstd::bulk::Compressor<'static>,
    ) -> Result<()> {
        for (log, open) in &mut self.0 {
            if open.changed {
                open.flush(db, *log, compressor)?;
            }
        }
        Ok(())
    }

    /// The head of a log after [`flush`](Self::flush).
    pub(crate) fn head(&self, log: LogId) -> Option<(u64, [u8; 32])> {
        let frontier = &self.0.get(&log_number(log))?.state.frontier;
        Some((frontier.size(), frontier.root().0))
    }

    /// What is kept after the commit.
    pub(crate) fn into_states(self) -> impl Iterator<Item = (i64, LogState)> {
        self.0.into_iter().map(|(log, open)| (log, open.state))
    }
}

impl OpenLog {
    fn flush(
        &mut self,
        db: &Connection,
        log: i64,
        compressor: &mut zstd::bulk::Compressor<'static>,
    ) -> Result<()> {
        let doing = "writing leaves";
        let mut first = self.state.frontier.size() as i64;
        let mut entry_start = 0;
        for (hashes, ends) in
            self.hashes.chunks(RUN_LEAVES_MAX).zip(self.entry_ends.chunks(RUN_LEAVES_MAX))
        {
            let entry_end = ends.last().copied().unwrap_or(entry_start);
            let entries = &self.entries[entry_start..entry_end];
            insert_run(db, compressor, log, first, hashes, entries)?;
            first += hashes.len() as i64;
            entry_start = entry_end;
            let small = hashes.len() < SMALL_RUN;
            self.state.small_runs = if small { self.state.small_runs + 1 } else { 0 };
        }
        let completed = self.state.frontier.append_many(&self.hashes);
        let mut tile = db
            .prepare_cached("INSERT INTO tiles (log, level, place, hash) VALUES (?1, ?2, ?3, ?4)")
            .when(doing)?;
        for done in completed {
            tile.execute((log, i64::from(done.level), done.index as i64, &done.hash.0[..]))
                .when(doing)?;
        }
        if self.state.small_runs >= JOINED_RUNS {
            join_small_runs(db, compressor, log)?;
            self.state.small_runs = 0;
        }
        let size = self.state.frontier.size() as i64;
        let root = if size == 0 { empty_root() } else { self.state.frontier.root() };
        db.prepare_cached(
            "INSERT INTO logs (log, size, root, frontier, published) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (log) DO UPDATE SET size = excluded.size, root = excluded.root, \
             frontier = excluded.frontier, published = excluded.published",
        )
        .and_then(|mut s| {
            let frontier = self.state.frontier.to_bytes();
            s.execute((log, size, &root.0[..], frontier, self.state.published as i64))
        })
        .when(doing)?;
        self.hashes.clear();
        self.entries.clear();
        self.entry_ends.clear();
        self.changed = false;
        Ok(())
    }
}

fn load(db: &Connection, log: i64) -> Result<LogState> {
    let found: Option<(Vec<u8>, i64)> = db
        .prepare_cached("SELECT frontier, published FROM logs WHERE log = ?1")
        .and_then(|mut s| s.query_row([log], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .when("reading a log's head")?;
    let Some((bytes, published)) = found else {
        return Ok(LogState { frontier: Frontier::new(), published: 0, small_runs: 0 });
    };
    let frontier =
        Frontier::from_bytes(&bytes).map_err(|e| corrupt(format!("the head of log {log}: {e}")))?;
    Ok(LogState { frontier, published: published.max(0) as u64, small_runs: 0 })
}

fn insert_run(
    db: &Connection,
    compressor: &mut zstd::bulk::Compressor<'static>,
    log: i64,
    first: i64,
    hashes: &[Hash],
    entries: &[u8],
) -> Result<()> {
    let data = compressor
        .compress(entries)
        .map_err(|e| StoreError::Failed(format!("compressing leaves: {e}")))?;
    let joined: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
    db.prepare_cached(
        "INSERT INTO leaf_runs (log, first, count, raw_bytes, hashes, entries) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .and_then(|mut s| {
        s.execute((log, first, hashes.len() as i64, entries.len() as i64, joined, data))
    })
    .when("writing a run of leaves")?;
    Ok(())
}

/// Joins the small runs at the end of a log: commits of a single span leave one row per leaf.
fn join_small_runs(
    db: &Connection,
    compressor: &mut zstd::bulk::Compressor<'static>,
    log: i64,
) -> Result<()> {
    let doing = "joining runs of leaves";
    let mut tail = Vec::new();
    {
        let mut statement = db
            .prepare_cached(
                "SELECT id, first, count, raw_bytes, hashes, entries FROM leaf_runs \
                 WHERE log = ?1 ORDER BY first DESC LIMIT ?2",
            )
            .when(doing)?;
        let mut rows = statement.query((log, JOINED_RUNS)).when(doing)?;
        while let Some(row) = rows.next().when(doing)? {
            let found = run::Run::read(row, 1)?;
            if found.hashes.len() >= SMALL_RUN {
                break;
            }
            let id: i64 = row.get(0).when(doing)?;
            tail.push((id, found));
        }
    }
    tail.reverse();
    let Some((_, oldest)) = tail.first() else { return Ok(()) };
    let first = oldest.first as i64;
    let mut remove = db.prepare_cached("DELETE FROM leaf_runs WHERE id = ?1").when(doing)?;
    for (id, _) in &tail {
        remove.execute([id]).when(doing)?;
    }
    let hashes: Vec<Hash> = tail.iter().flat_map(|(_, run)| run.hashes.iter().copied()).collect();
    let mut at = 0;
    let mut entries = Vec::new();
    let mut leaves = tail.iter().flat_map(|(_, run)| run.entries());
    for chunk in hashes.chunks(RUN_LEAVES_MAX) {
        entries.clear();
        for leaf in leaves.by_ref().take(chunk.len()) {
            run::push_entry(&mut entries, leaf)?;
        }
        insert_run(db, compressor, log, first + at, chunk, &entries)?;
        at += chunk.len() as i64;
    }
    Ok(())
}
