//! The commit, step by step: check everything, then change everything.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use exhibit_model::{Nanos, SpanId, TraceSummary, merge::Digest};

use super::{
    Space, State,
    ledger::Log,
    trace::{Row, Trace},
};
use crate::{
    Batch, CommitError, Committed, Dimension, SealWrite, SpanWrite, StoreError, StoredSeal,
    TraceWrite,
    rollup::{Accumulator, Inherited, attribution::Lineages, claims},
    search::Document,
};

impl State {
    pub(super) fn commit(&mut self, batch: Batch) -> Result<Committed, CommitError> {
        let space = self.spaces.entry(batch.workspace).or_default();
        space.check(&batch)?;

        let mut done = Committed::default();
        let mut rollup = Accumulator::new();
        for write in batch.traces {
            let summary = space.write_trace(write, batch.received, &mut done.indexes, &mut rollup);
            done.traces.push(summary);
        }
        for seal in batch.seals {
            space.write_seal(seal, &mut done.indexes);
        }
        for act in batch.acts {
            done.indexes.push(space.log.append(act));
        }
        for (key, cell) in rollup.into_cells() {
            let sum = space.rollups.entry(key.clone()).or_default();
            sum.add(&cell);
            if sum.is_zero() {
                space.rollups.remove(&key);
            }
        }
        self.sequence += 1;
        done.sequence = self.sequence;
        Ok(done)
    }
}

impl Space {
    /// Whether the batch may be written, whole.
    fn check(&self, batch: &Batch) -> Result<(), CommitError> {
        let malformed =
            |what: &str| Err(StoreError::Failed(format!("malformed batch: {what}")).into());
        let mut traces = HashSet::new();
        for write in &batch.traces {
            if !traces.insert(&write.trace_id) {
                return malformed("a trace stands in it twice");
            }
            let known = self.traces.get(&write.trace_id);
            if known.is_some_and(|trace| trace.key != write.key) {
                return Err(CommitError::Stale);
            }
            let erased = |digest: &[u8; 16]| self.tombstones.contains(digest);
            if known.is_none() && write.tombstone.as_ref().is_some_and(erased) {
                return Err(CommitError::Stale);
            }
            let mut spans = HashSet::new();
            for span in &write.spans {
                if !spans.insert(&span.head.span_id) {
                    return malformed("a span stands in it twice");
                }
                if span.head.trace_id != write.trace_id {
                    return malformed("a span belongs to another trace");
                }
                if span.leaf.is_some() != span.head.status.is_sealed() {
                    return malformed("exactly the sealed revisions have a leaf");
                }
                let current = known.and_then(|t| t.spans.get(&span.head.span_id));
                if current.map(|row| row.record) != span.supersedes {
                    return Err(CommitError::Stale);
                }
            }
        }
        let known = |seal: &SealWrite| {
            traces.contains(&seal.trace_id) || self.traces.contains_key(&seal.trace_id)
        };
        if batch.seals.iter().all(known) { Ok(()) } else { Err(CommitError::Stale) }
    }

    fn write_trace(
        &mut self,
        write: TraceWrite,
        received: Nanos,
        indexes: &mut Vec<u64>,
        rollup: &mut Accumulator,
    ) -> Arc<TraceSummary> {
        let trace = self.traces.entry(write.trace_id.clone()).or_insert_with(|| Trace {
            key: write.key,
            summary: Arc::new(TraceSummary::new(write.trace_id, received)),
            first_received: received,
            last_received: received,
            spans: BTreeMap::new(),
            superseded: BTreeMap::new(),
            leaves: Vec::new(),
            seals: Vec::new(),
            text: Document::default(),
            first_span: None,
        });
        trace.first_received = trace.first_received.min(received);
        trace.last_received = trace.last_received.max(received);
        if !write.text.is_empty() {
            trace.text.push(&write.text);
        }
        let block = Arc::new(write.block);
        let mut replaced = false;
        let before = trace.spans.clone();
        let user = trace.summary.user.clone();
        for span in write.spans {
            let row = trace.revise(span, received, &block, &mut self.log, indexes);
            replaced |= row.is_some();
        }
        if replaced {
            trace.summary = Arc::new(trace.fold());
        }
        trace.account(&before, user.as_deref(), rollup);
        Arc::clone(&trace.summary)
    }

    fn write_seal(&mut self, seal: SealWrite, indexes: &mut Vec<u64>) {
        let index = self.log.append(seal.leaf);
        indexes.push(index);
        if let Some(trace) = self.traces.get_mut(&seal.trace_id) {
            trace.seals.push(StoredSeal {
                record: seal.record,
                index,
                body: seal.body,
                covered: seal.covered,
                root: seal.root,
                partial: seal.partial,
                late: seal.late,
            });
        }
    }
}

impl Trace {
    /// Puts a revision in the place of the current one, which is returned. The summary takes in a
    /// new span; it must be folded anew when one was replaced.
    fn revise(
        &mut self,
        write: SpanWrite,
        received: Nanos,
        block: &Arc<crate::Block>,
        log: &mut Log,
        indexes: &mut Vec<u64>,
    ) -> Option<Digest> {
        let id = write.head.span_id.clone();
        let leaf = write.leaf.map(|leaf| (log.append(leaf.clone()), leaf.hash));
        indexes.extend(leaf.map(|(index, _)| index));
        self.leaves.extend(leaf);
        if leaf.is_some() && self.first_span.is_none() && !id.is_registration() {
            self.first_span = Some(id.clone());
        }
        let counted = claims(&write.head).is_none_or(|response| {
            let mut others = self.spans.iter().filter(|(other, _)| **other != id);
            !others.any(|(_, row)| row.counted && claims(&row.head) == Some(response))
        });
        let row = Row {
            head: write.head,
            record: write.record,
            digest: write.digest,
            block: Arc::clone(block),
            offset: write.offset,
            lengths: write.lengths,
            leaf,
            counted,
            received,
        };
        let Some(old) = self.spans.insert(id.clone(), row.clone()) else {
            Arc::make_mut(&mut self.summary).absorb(&row.head, counted);
            return None;
        };
        let digest = old.digest;
        if old.leaf.is_some() {
            self.superseded.entry(id).or_default().push(Row { counted: false, ..old });
        }
        Some(digest)
    }

    /// Brings the sums from what the spans were to what they are: plainly, by looking at each.
    fn account(&self, before: &BTreeMap<SpanId, Row>, user: Option<&str>, sum: &mut Accumulator) {
        let old = Lineages::of(before.values().map(|row| &row.head));
        let new = Lineages::of(self.spans.values().map(|row| &row.head));
        let users = [user, self.summary.user.as_deref()];
        for (id, row) in &self.spans {
            let first = self.first_span.as_ref() == Some(id);
            let agent = new.agent(&row.head);
            let was = before.get(id);
            if let Some(was) = was.filter(|was| was.record == row.record) {
                let agents = [old.agent(&was.head), agent];
                sum.shift(&row.head, row.counted, first, Dimension::Agent, agents);
                if row.head.user.is_none() {
                    sum.shift(&row.head, row.counted, first, Dimension::User, users);
                }
                continue;
            }
            sum.add(&row.head, row.counted, first, Inherited { agent, user: users[1] });
            if let Some(was) = was {
                let from = Inherited { agent: old.agent(&was.head), user: users[0] };
                sum.subtract(&was.head, was.counted, first, from);
            }
        }
    }
}
