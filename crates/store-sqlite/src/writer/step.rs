//! One transaction of the writer.
//!
//! Jobs write spans, blocks and account rows as they go; what many of them touch again and again
//! (trace rows, facets, log heads, rollups, counters) is collected here and written once, at
//! [`finish`](Step::finish). What the writer keeps between transactions changes only after the
//! commit, so a failed one leaves nothing behind.

use std::collections::{BTreeMap, HashMap};

use exhibit_model::{TraceId, WorkspaceId};
use exhibit_store::{LogId, rollup::Accumulator, span::Leaf};
use rusqlite::{Connection, OptionalExtension};

use super::{
    Kept,
    facets::{FacetChanges, FacetFlow},
    ledger::OpenLogs,
    rollup,
    trace::{Filed, OpenTrace},
};
use crate::{
    Options,
    failure::{Result, SqlContext},
    row::trace::{STATE_COLUMNS, TraceState},
    search::IndexEntry,
};

/// Numbers that are given out one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) sequence: i64,
    pub(crate) trace: i64,
    pub(crate) block: i64,
}

const COUNTERS: [&str; 3] = ["sequence", "trace", "block"];

impl Counters {
    pub(crate) fn load(db: &Connection) -> Result<Self> {
        let mut values = [0; 3];
        for (value, name) in values.iter_mut().zip(COUNTERS) {
            *value = db
                .query_row("SELECT value FROM counters WHERE name = ?1", [name], |row| row.get(0))
                .optional()
                .when("reading counters")?
                .unwrap_or(0);
        }
        let [sequence, trace, block] = values;
        Ok(Self { sequence, trace, block })
    }

    fn save(self, db: &Connection, before: Self) -> Result<()> {
        let (now, before) = (
            [self.sequence, self.trace, self.block],
            [before.sequence, before.trace, before.block],
        );
        for ((name, value), before) in COUNTERS.into_iter().zip(now).zip(before) {
            if value != before {
                db.prepare_cached("INSERT OR REPLACE INTO counters (name, value) VALUES (?1, ?2)")
                    .and_then(|mut s| s.execute((name, value)))
                    .when("writing counters")?;
            }
        }
        Ok(())
    }
}

/// A transaction on its way.
pub(crate) struct Step<'w> {
    pub(crate) db: &'w Connection,
    pub(crate) options: &'w Options,
    pub(crate) kept: &'w mut Kept,
    pub(crate) counters: Counters,
    pub(crate) rollups: BTreeMap<i64, Accumulator>,
    /// Blocks that were written, in order, for the text index.
    pub(crate) indexed: Vec<IndexEntry>,
    /// Room for the packed value of a row.
    pub(crate) packed: Vec<u8>,
    /// Traces that were removed, with the facets under which they stood.
    pub(crate) erased: Vec<(i64, Filed)>,
    traces: HashMap<(i64, TraceId), OpenTrace>,
    logs: OpenLogs,
}

impl<'w> Step<'w> {
    pub(crate) fn new(db: &'w Connection, options: &'w Options, kept: &'w mut Kept) -> Self {
        Self {
            db,
            options,
            counters: kept.counters,
            kept,
            rollups: BTreeMap::new(),
            indexed: Vec::new(),
            packed: Vec::with_capacity(1_024),
            erased: Vec::new(),
            traces: HashMap::new(),
            logs: OpenLogs::default(),
        }
    }

    /// A trace as it stands now, those of this transaction included; none when it does not exist.
    pub(crate) fn trace(
        &mut self,
        workspace: WorkspaceId,
        id: &TraceId,
    ) -> Result<Option<&mut OpenTrace>> {
        let key = (workspace.0, id.clone());
        if !self.traces.contains_key(&key) {
            let open = match self.kept.take_trace(&key) {
                Some(kept) => OpenTrace::resume(kept),
                None => match self.load_trace(workspace, id)? {
                    Some(state) => OpenTrace::load(workspace, state),
                    None => return Ok(None),
                },
            };
            self.traces.insert(key.clone(), open);
        }
        Ok(self.traces.get_mut(&key))
    }

    fn load_trace(&self, workspace: WorkspaceId, id: &TraceId) -> Result<Option<TraceState>> {
        let sql =
            format!("SELECT {STATE_COLUMNS} FROM traces WHERE workspace = ?1 AND trace_id = ?2");
        self.db
            .prepare_cached(&sql)
            .and_then(|mut s| {
                s.query_row((workspace.0, id.as_str()), |row| Ok(TraceState::read(row))).optional()
            })
            .when("reading a trace")?
            .transpose()
    }

    /// Takes a trace out, to change it beside the rest of the step; [`put`](Self::put) brings it
    /// back.
    pub(crate) fn take(&mut self, workspace: WorkspaceId, id: &TraceId) -> Option<OpenTrace> {
        self.traces.remove(&(workspace.0, id.clone()))
    }

    /// Takes a trace out for good.
    pub(crate) fn remove(&mut self, workspace: WorkspaceId, id: &TraceId) -> Option<OpenTrace> {
        self.take(workspace, id)
    }

    pub(crate) fn put(&mut self, workspace: WorkspaceId, id: TraceId, trace: OpenTrace) {
        self.traces.insert((workspace.0, id), trace);
    }

    /// Appends a leaf to a log; its index.
    pub(crate) fn append(&mut self, log: LogId, leaf: &Leaf) -> Result<u64> {
        self.logs.append(self.db, &mut self.kept.logs, log, leaf)
    }

    /// Notes that a log was published up to a size.
    pub(crate) fn publish(&mut self, log: LogId, size: u64) -> Result<()> {
        self.logs.publish(self.db, &mut self.kept.logs, log, size)
    }

    /// Writes out the leaves so far; the head of a log after them.
    pub(crate) fn flush_log(&mut self, log: LogId) -> Result<Option<(u64, [u8; 32])>> {
        self.logs.flush(self.db, &mut self.kept.compressor)?;
        Ok(self.logs.head(log))
    }

    /// Writes everything that was collected. The result is handed to [`Kept::absorb`] once the
    /// transaction is committed.
    pub(crate) fn finish(mut self) -> Result<Finished> {
        let mut changes = FacetChanges::default();
        for ((workspace, _), trace) in &mut self.traces {
            trace.flush(self.db, self.options, *workspace, &mut changes)?;
        }
        let mut erased = Vec::with_capacity(self.erased.len());
        for (trace, filed) in &self.erased {
            changes.remove(*trace, filed.as_ref());
            erased.push(*trace);
        }
        let facets = changes.write(self.db, self.kept.facets)?;
        let erasing = !erased.is_empty();
        let mut waiting = Vec::with_capacity(self.rollups.len());
        for (workspace, sum) in std::mem::take(&mut self.rollups) {
            let before = self.kept.waiting.get(&workspace).copied();
            waiting.push((workspace, rollup::flush(self.db, workspace, before, sum, erasing)?));
        }
        self.logs.flush(self.db, &mut self.kept.compressor)?;
        self.counters.save(self.db, self.kept.counters)?;
        Ok(Finished {
            counters: self.counters,
            facets,
            traces: self.traces,
            logs: self.logs,
            waiting,
            indexed: self.indexed,
            erased,
        })
    }
}

/// What a transaction leaves for the next ones.
pub(crate) struct Finished {
    pub(super) counters: Counters,
    pub(super) facets: FacetFlow,
    pub(super) traces: HashMap<(i64, TraceId), OpenTrace>,
    pub(super) logs: OpenLogs,
    pub(super) waiting: Vec<(i64, rollup::Waiting)>,
    pub(super) indexed: Vec<IndexEntry>,
    /// Traces that full-text search is to forget.
    pub(super) erased: Vec<i64>,
}
