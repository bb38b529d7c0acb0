//! A batch: check everything, then write everything.
//!
//! The check only reads, so a batch that is refused has changed nothing and the group it came in
//! goes on without it.

use std::{collections::HashSet, sync::Arc};

use exhibit_store::{Batch, CommitError, Committed, LogId, StoreError, TraceWrite};
use tokio::sync::oneshot;

use super::{
    Job,
    span::{Old, Revising},
    step::Step,
    trace::OpenTrace,
};
use crate::{
    erase::is_erased,
    failure::{Result, SqlContext},
    row::payload::RAW_BYTES_MAX,
    search::IndexEntry,
};

/// Longest leaf, bytes: its length has 16 bits in a tile.
const LEAF_BYTES_MAX: usize = 65_535;

/// A batch that waits for its commit.
pub(crate) struct CommitJob {
    batch: Batch,
    spans: usize,
    /// It was part of a group that failed: its text went with that.
    again: bool,
    outcome: std::result::Result<Committed, CommitError>,
    reply: oneshot::Sender<CommitAnswer>,
}

/// What a commit did, and the batch, which is left for whoever waits to drop: freeing thousands of
/// small texts is work, and the writer is the one thread everyone waits for.
pub(crate) type CommitAnswer = (std::result::Result<Committed, CommitError>, Batch);

/// The current revisions of the spans of one trace write, in its order.
type Olds = Vec<Option<Old>>;

impl CommitJob {
    pub(crate) fn new(batch: Batch, reply: oneshot::Sender<CommitAnswer>) -> Self {
        let spans = batch.traces.iter().map(|write| write.spans.len()).sum();
        Self { batch, spans, again: false, outcome: Err(CommitError::Stale), reply }
    }
}

impl Job for CommitJob {
    fn spans(&self) -> usize {
        self.spans
    }

    fn bytes(&self) -> usize {
        self.batch.traces.iter().map(|write| write.block.data.len() + write.text.len()).sum()
    }

    fn run(&mut self, step: &mut Step<'_>) -> Result<()> {
        self.outcome = match check(step, &self.batch) {
            Ok(olds) => {
                let again = std::mem::replace(&mut self.again, true);
                Ok(write(step, &mut self.batch, olds, again)?)
            }
            Err(CommitError::Store(error @ StoreError::Corrupt(_))) => return Err(error),
            Err(refused) => Err(refused),
        };
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<()>) {
        let answer = match committed {
            Ok(()) => self.outcome,
            Err(error) => Err(CommitError::Store(error)),
        };
        // Nobody may be waiting any more; the batch is committed all the same.
        let _ = self.reply.send((answer, self.batch));
    }
}

fn malformed(what: &str) -> CommitError {
    StoreError::Failed(format!("malformed batch: {what}")).into()
}

/// Whether the batch may be written, whole; what it replaces.
fn check(step: &mut Step<'_>, batch: &Batch) -> std::result::Result<Vec<Olds>, CommitError> {
    let mut traces = HashSet::with_capacity(batch.traces.len());
    let mut olds = Vec::with_capacity(batch.traces.len());
    for write in &batch.traces {
        if !traces.insert(&write.trace_id) {
            return Err(malformed("a trace stands in it twice"));
        }
        check_shape(write)?;
        olds.push(check_revisions(step, batch, write)?);
    }
    for seal in &batch.seals {
        if !traces.contains(&seal.trace_id)
            && step.trace(batch.workspace, &seal.trace_id)?.is_none()
        {
            return Err(CommitError::Stale);
        }
    }
    let leaves = batch.seals.iter().map(|seal| &seal.leaf).chain(&batch.acts);
    if leaves.into_iter().any(|leaf| leaf.bytes.len() > LEAF_BYTES_MAX) {
        return Err(malformed("a leaf beyond 65,535 bytes"));
    }
    Ok(olds)
}

fn check_shape(write: &TraceWrite) -> std::result::Result<(), CommitError> {
    let mut spans = HashSet::with_capacity(write.spans.len());
    if write.block.raw_bytes > RAW_BYTES_MAX {
        return Err(malformed("a block beyond 512 MiB"));
    }
    for span in &write.spans {
        if !spans.insert(&span.head.span_id) {
            return Err(malformed("a span stands in it twice"));
        }
        if span.head.trace_id != write.trace_id {
            return Err(malformed("a span belongs to another trace"));
        }
        if span.leaf.is_some() != span.head.status.is_sealed() {
            return Err(malformed("exactly the sealed revisions have a leaf"));
        }
        if span.leaf.as_ref().is_some_and(|leaf| leaf.bytes.len() > LEAF_BYTES_MAX) {
            return Err(malformed("a leaf beyond 65,535 bytes"));
        }
        let end = span.lengths.iter().fold(u64::from(span.offset), |at, n| at + u64::from(*n));
        if end > u64::from(write.block.raw_bytes) {
            return Err(malformed("a span reaches beyond its block"));
        }
    }
    Ok(())
}

fn check_revisions(
    step: &mut Step<'_>,
    batch: &Batch,
    write: &TraceWrite,
) -> std::result::Result<Olds, CommitError> {
    let db = step.db;
    let Some(trace) = step.trace(batch.workspace, &write.trace_id)? else {
        let new = write.spans.iter().all(|span| span.supersedes.is_none());
        let erased = match &write.tombstone {
            Some(digest) => is_erased(db, batch.workspace, digest)?,
            None => false,
        };
        return if new && !erased { Ok(Vec::new()) } else { Err(CommitError::Stale) };
    };
    if trace.state.key != write.key {
        return Err(CommitError::Stale);
    }
    if trace.state.records == 0 {
        let new = write.spans.iter().all(|span| span.supersedes.is_none());
        return if new { Ok(Vec::new()) } else { Err(CommitError::Stale) };
    }
    let mut contexts = None;
    let mut olds = Vec::with_capacity(write.spans.len());
    for span in &write.spans {
        let id = &span.head.span_id;
        let old = match span.supersedes {
            None if Old::exists(db, trace.state.id, id)? => return Err(CommitError::Stale),
            None => None,
            Some(record) => {
                let old = Old::load(db, trace.state.id, &write.trace_id, id, &mut contexts)?;
                Some(old.filter(|old| old.is(record)).ok_or(CommitError::Stale)?)
            }
        };
        olds.push(old);
    }
    Ok(olds)
}

fn write(
    step: &mut Step<'_>,
    batch: &mut Batch,
    olds: Vec<Olds>,
    again: bool,
) -> Result<Committed> {
    let mut done = Committed::default();
    let log = LogId::Workspace(batch.workspace);
    let mut rollup = step.rollups.remove(&batch.workspace.0).unwrap_or_default();
    for (write, olds) in batch.traces.iter_mut().zip(olds) {
        let (workspace, received) = (batch.workspace, batch.received);
        let mut trace = match step.take(workspace, &write.trace_id) {
            Some(trace) => trace,
            None => {
                step.counters.trace += 1;
                let id = step.counters.trace;
                OpenTrace::begin(id, &write.trace_id, write.key.clone(), received)
            }
        };
        trace.touch();
        trace.state.first_received = trace.state.first_received.min(received);
        trace.state.last_received = trace.state.last_received.max(received);
        let block = write_block(step, workspace.0, trace.state.id, write, again)?;
        let mut olds = olds.into_iter();
        let mut revising = Revising::new(step, &mut trace, &mut rollup, log, received, block);
        for span in &write.spans {
            done.indexes.extend(revising.write(span, olds.next().flatten())?);
        }
        revising.finish()?;
        done.traces.push(Arc::clone(&trace.state.summary));
        step.put(workspace, write.trace_id.clone(), trace);
    }
    step.rollups.insert(batch.workspace.0, rollup);
    for seal in &batch.seals {
        let index = step.append(log, &seal.leaf)?;
        done.indexes.push(index);
        let db = step.db;
        if let Some(trace) = step.trace(batch.workspace, &seal.trace_id)? {
            trace.seal(db, seal, index)?;
        }
    }
    for act in &batch.acts {
        done.indexes.push(step.append(log, act)?);
    }
    step.counters.sequence += 1;
    done.sequence = step.counters.sequence as u64;
    Ok(done)
}

/// Writes the payload; the number of its block.
fn write_block(
    step: &mut Step<'_>,
    workspace: i64,
    trace: i64,
    write: &mut TraceWrite,
    again: bool,
) -> Result<i64> {
    step.counters.block += 1;
    let block = step.counters.block;
    step.db
        .prepare_cached("INSERT INTO blocks (id, trace, raw_bytes, data) VALUES (?1, ?2, ?3, ?4)")
        .and_then(|mut s| s.execute((block, trace, write.block.raw_bytes, &write.block.data)))
        .when("writing a block")?;
    if step.options.search {
        let text = std::mem::take(&mut write.text);
        let text = if again { None } else { Some(text) };
        step.indexed.push(IndexEntry { block, trace, workspace, text });
    }
    Ok(block)
}
