//! Batches applied in memory: what every store does, on what was loaded.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use exhibit_model::{Limits, Nanos, SpanId, TraceId, TraceSummary, WorkspaceId};
use exhibit_store::{
    Batch, CommitError, Committed, SealWrite, SpanWrite, StoreError, TraceWrite,
    rollup::{Accumulator, attribution::Revised, claims},
};

use super::{kin::Asked, load::Loaded};
use crate::{
    failure::{Result, corrupt},
    log::HeldLog,
    trace::{Place, Revision, TraceState},
};

/// A trace that is being written.
#[derive(Debug)]
pub(super) struct OpenTrace {
    pub(super) state: TraceState,
    /// Current revisions, as far as they are needed.
    pub(super) spans: HashMap<SpanId, Revision>,
    /// Which span counts a response.
    pub(super) claims: HashMap<String, SpanId>,
    /// Which stored spans were read.
    pub(super) asked: Asked,
    /// Spans to be written.
    pub(super) written: BTreeMap<SpanId, Nanos>,
    /// The commit that changed it.
    pub(super) changed: Option<i64>,
    /// The start under which it was listed before.
    pub(super) filed: Option<i64>,
}

impl OpenTrace {
    pub(super) fn load(state: TraceState) -> Self {
        let filed = Some(state.summary.start.0);
        Self {
            state,
            spans: HashMap::new(),
            claims: HashMap::new(),
            asked: Asked::default(),
            written: BTreeMap::new(),
            changed: None,
            filed,
        }
    }

    fn begin(id: i64, write: &TraceWrite, received: Nanos) -> Self {
        let state = TraceState {
            id,
            first_received: received,
            last_received: received,
            records: 0,
            leaves: 0,
            covered: 0,
            seals: 0,
            root_received: None,
            first_span: None,
            key: write.key.clone(),
            summary: Arc::new(TraceSummary::new(write.trace_id.clone(), received)),
        };
        Self { filed: None, ..Self::load(state) }
    }
}

/// A replaced terminal revision, with its trace's number.
pub(super) struct Replaced(pub(super) i64, pub(super) Revision, pub(super) (u64, [u8; 32]));

/// A seal with its trace's number, its number there, and the index of its leaf.
pub(super) struct Sealed(pub(super) i64, pub(super) u64, pub(super) u64, pub(super) SealWrite);

/// A payload on its way: block, workspace, trace, data, words.
pub(super) struct Payload {
    pub(super) id: i64,
    pub(super) workspace: i64,
    pub(super) trace: i64,
    pub(super) block: exhibit_store::Block,
    pub(super) text: String,
}

/// Everything that one transaction writes.
pub(super) struct Work {
    pub(super) limits: Limits,
    pub(super) traces: HashMap<(WorkspaceId, TraceId), OpenTrace>,
    /// Tombstones that are there, of traces that are not.
    pub(super) erased: HashSet<(WorkspaceId, [u8; 16])>,
    pub(super) logs: BTreeMap<i64, HeldLog>,
    pub(super) replaced: Vec<Replaced>,
    pub(super) seals: Vec<Sealed>,
    pub(super) payloads: Vec<Payload>,
    /// By workspace: what was added to rollups, and the last commit in it.
    pub(super) deltas: BTreeMap<i64, (Accumulator, i64)>,
    /// By workspace: its first and its last commit.
    pub(super) commits: BTreeMap<i64, (i64, i64)>,
    numbers: std::vec::IntoIter<i64>,
}

impl Work {
    pub(super) fn new(
        limits: &Limits,
        loaded: Loaded,
        logs: Vec<HeldLog>,
        numbers: Vec<i64>,
    ) -> Self {
        Self {
            limits: limits.clone(),
            traces: loaded.traces,
            erased: loaded.erased,
            logs: logs.into_iter().map(|log| (log.number, log)).collect(),
            replaced: Vec::new(),
            seals: Vec::new(),
            payloads: Vec::new(),
            deltas: BTreeMap::new(),
            commits: BTreeMap::new(),
            numbers: numbers.into_iter(),
        }
    }

    /// Whether nothing is to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    fn number(&mut self) -> Result<i64> {
        self.numbers.next().ok_or_else(|| StoreError::Failed("too few numbers drawn".to_owned()))
    }

    fn log(&mut self, workspace: WorkspaceId) -> Result<&mut HeldLog> {
        self.logs.get_mut(&workspace.0).ok_or_else(|| corrupt("a log that is not held"))
    }

    /// Whether what a batch was built upon is still so.
    pub(super) fn check(&self, batch: &Batch) -> Result<(), CommitError> {
        let mut begun = BTreeSet::new();
        for write in &batch.traces {
            begun.insert(&write.trace_id);
            let known = self.traces.get(&(batch.workspace, write.trace_id.clone()));
            if known.is_some_and(|trace| trace.state.key != write.key) {
                return Err(CommitError::Stale);
            }
            let erased = |digest| self.erased.contains(&(batch.workspace, digest));
            if known.is_none() && write.tombstone.is_some_and(erased) {
                return Err(CommitError::Stale);
            }
            for span in &write.spans {
                let current = known.and_then(|trace| trace.spans.get(&span.head.span_id));
                if current.map(|old| old.record) != span.supersedes {
                    return Err(CommitError::Stale);
                }
            }
        }
        let known = |seal: &SealWrite| {
            begun.contains(&seal.trace_id)
                || self.traces.contains_key(&(batch.workspace, seal.trace_id.clone()))
        };
        if batch.seals.iter().all(known) { Ok(()) } else { Err(CommitError::Stale) }
    }

    /// Applies a batch that was checked.
    pub(super) fn apply(&mut self, batch: Batch) -> Result<Committed> {
        let sequence = self.number()?;
        let mut done = Committed { sequence: sequence as u64, ..Committed::default() };
        let empty = batch.traces.is_empty() && batch.seals.is_empty() && batch.acts.is_empty();
        if empty {
            return Ok(done);
        }
        self.commits.entry(batch.workspace.0).or_insert((sequence, sequence)).1 = sequence;
        for write in batch.traces {
            let key = (batch.workspace, write.trace_id.clone());
            let id = self.number()?;
            let mut trace = self
                .traces
                .remove(&key)
                .unwrap_or_else(|| OpenTrace::begin(id, &write, batch.received));
            self.write_trace(
                &mut trace,
                batch.workspace,
                batch.received,
                write,
                &mut done.indexes,
            )?;
            trace.changed = Some(sequence);
            done.traces.push(Arc::clone(&trace.state.summary));
            self.traces.insert(key, trace);
        }
        if let Some((_, last)) = self.deltas.get_mut(&batch.workspace.0) {
            *last = sequence;
        }
        for seal in batch.seals {
            let index = self.log(batch.workspace)?.append(seal.leaf.clone());
            done.indexes.push(index);
            let key = (batch.workspace, seal.trace_id.clone());
            let Some(trace) = self.traces.get_mut(&key) else { continue };
            trace.changed = Some(sequence);
            let state = &mut trace.state;
            let number = state.seals;
            state.seals += 1;
            state.covered = seal.covered;
            self.seals.push(Sealed(state.id, number, index, seal));
        }
        for act in batch.acts {
            done.indexes.push(self.log(batch.workspace)?.append(act));
        }
        Ok(done)
    }

    fn write_trace(
        &mut self,
        trace: &mut OpenTrace,
        workspace: WorkspaceId,
        received: Nanos,
        write: TraceWrite,
        indexes: &mut Vec<u64>,
    ) -> Result<()> {
        let state = &mut trace.state;
        state.first_received = state.first_received.min(received);
        state.last_received = state.last_received.max(received);
        let block = self.number()?;
        let held = self.deltas.remove(&workspace.0);
        let mut rollup = held.map_or_else(Accumulator::new, |(rollup, _)| rollup);
        let mut refold = false;
        let before = trace.before();
        let mut olds = Vec::with_capacity(write.spans.len());
        for span in write.spans {
            let id = span.head.span_id.clone();
            let index = match &span.leaf {
                Some(leaf) => Some(self.log(workspace)?.append(leaf.clone())),
                None => None,
            };
            indexes.extend(index);
            let old = trace.revise(span, index, received, block, &mut refold);
            olds.push((id, old.as_ref().map(|old| (old.head.clone(), old.counted))));
            if let Some(old) = old
                && let Some(leaf) = old.leaf
            {
                self.replaced.push(Replaced(trace.state.id, old, leaf));
            }
        }
        if refold {
            trace.fold(received, block);
        }
        let first = trace.state.first_span.as_ref();
        let revised = |(id, old): (SpanId, _)| {
            let new = trace.spans.get(&id)?;
            let first_of_trace = first == Some(&id);
            Some(Revised { old, new: &new.head, counted: new.counted, first_of_trace })
        };
        let revised: Vec<_> = olds.into_iter().filter_map(revised).collect();
        trace.account(&revised, &before, &mut rollup);
        self.deltas.insert(workspace.0, (rollup, 0));
        self.payloads.push(Payload {
            id: block,
            workspace: workspace.0,
            trace: trace.state.id,
            block: write.block,
            text: write.text,
        });
        Ok(())
    }
}

impl OpenTrace {
    /// Puts a revision in the place of the current one, which is returned.
    fn revise(
        &mut self,
        write: SpanWrite,
        index: Option<u64>,
        received: Nanos,
        block: i64,
        refold: &mut bool,
    ) -> Option<Revision> {
        let id = write.head.span_id.clone();
        if index.is_some() {
            self.state.leaves += 1;
            if self.state.first_span.is_none() && !id.is_registration() {
                self.state.first_span = Some(id.clone());
            }
        }
        let old = self.spans.remove(&id);
        let counted = self.count(&write, old.as_ref());
        if old.is_none() {
            self.state.records += 1;
        }
        *refold |= old
            .as_ref()
            .is_some_and(|old| !TraceSummary::replaces_in_place(&old.head, &write.head));
        if !*refold {
            let summary = Arc::make_mut(&mut self.state.summary);
            if let Some(old) = &old {
                summary.release_running(&old.head);
            }
            summary.absorb(&write.head, counted);
            if summary.root.as_ref() == Some(&id) {
                self.state.root_received = Some(received);
            }
        }
        let leaf = index.zip(write.leaf).map(|(index, leaf)| (index, leaf.hash));
        let revision = Revision {
            head: write.head,
            record: write.record,
            digest: write.digest,
            place: Place { block, offset: write.offset, lengths: write.lengths },
            leaf,
            counted,
        };
        self.spans.insert(id.clone(), revision);
        self.written.insert(id, received);
        old
    }

    /// Whether the usage of a revision counts: not when the current, counted revision of another
    /// span claims the same response.
    fn count(&mut self, write: &SpanWrite, old: Option<&Revision>) -> bool {
        let claim = claims(&write.head);
        let held = old.filter(|old| old.counted).and_then(|old| claims(&old.head));
        if let Some(held) = held {
            if claim == Some(held) {
                return true;
            }
            self.claims.remove(held);
        }
        let Some(claim) = claim else { return true };
        let id = &write.head.span_id;
        let holder = self.claims.entry(claim.to_owned()).or_insert_with(|| id.clone());
        holder == id
    }

    /// Folds the summary anew from all current revisions, which are loaded.
    fn fold(&mut self, received: Nanos, block: i64) {
        let old = Arc::clone(&self.state.summary);
        let mut summary = TraceSummary::new(old.trace_id.clone(), old.start);
        let mut root_is_new = false;
        for revision in self.spans.values() {
            summary.absorb(&revision.head, revision.counted);
            if summary.root.as_ref() == Some(&revision.head.span_id) {
                root_is_new = revision.place.block == block;
            }
        }
        // When an older span has become the root, its clock starts now: a seal comes late rather
        // than early.
        if root_is_new || summary.root != old.root {
            self.state.root_received = summary.root.is_some().then_some(received);
        }
        self.state.summary = Arc::new(summary);
    }
}
