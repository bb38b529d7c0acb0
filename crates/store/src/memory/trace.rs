//! One trace in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use exhibit_model::{
    Limits, Nanos, RecordId, SpanHead, SpanId, Status, TraceSummary, merge::Digest,
};

use crate::{Block, SpanRow, StoreError, StoredSeal, StoredSpan, TraceKey, TraceRow, search};

#[derive(Debug)]
pub(super) struct Trace {
    pub(super) key: TraceKey,
    pub(super) summary: Arc<TraceSummary>,
    pub(super) first_received: Nanos,
    pub(super) last_received: Nanos,
    pub(super) spans: BTreeMap<SpanId, Row>,
    pub(super) superseded: BTreeMap<SpanId, Vec<Row>>,
    /// Index and hash of every leaf of its spans, in log order.
    pub(super) leaves: Vec<(u64, [u8; 32])>,
    pub(super) seals: Vec<StoredSeal>,
    pub(super) text: search::Document,
    /// The span in whose cells the trace counts: see [`crate::rollup`].
    pub(super) first_span: Option<SpanId>,
}

/// A revision of a span.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) head: SpanHead,
    pub(super) record: RecordId,
    pub(super) digest: Digest,
    pub(super) block: Arc<Block>,
    pub(super) offset: u32,
    pub(super) lengths: [u32; 5],
    /// Index and hash of its leaf.
    pub(super) leaf: Option<(u64, [u8; 32])>,
    pub(super) counted: bool,
    pub(super) received: Nanos,
}

impl Trace {
    pub(super) fn row(&self) -> TraceRow {
        TraceRow {
            summary: Arc::clone(&self.summary),
            first_received: self.first_received,
            last_received: self.last_received,
            seal: self.seals.last().cloned(),
            reviews: BTreeSet::new(),
            key: self.key.clone(),
        }
    }

    /// Folds the summary anew from all current heads.
    pub(super) fn fold(&self) -> TraceSummary {
        let mut summary = TraceSummary::new(self.summary.trace_id.clone(), self.summary.start);
        for row in self.spans.values() {
            summary.absorb(&row.head, row.counted);
        }
        summary
    }

    /// Whether a seal is due: see [`SpanStore::due`](crate::SpanStore::due).
    pub(super) fn is_seal_due(&self, now: Nanos, limits: &Limits) -> bool {
        let covered = self.seals.last().map_or(0, |seal| seal.covered);
        let unsealed = (self.leaves.len() as u64).saturating_sub(covered);
        let root = self.summary.root.as_ref().and_then(|id| self.spans.get(id));
        let ended = root.filter(|r| r.head.status.is_terminal() && self.summary.running_count == 0);
        unsealed > 0
            && (unsealed > limits.seal_partial_spans
                || elapsed(self.last_received, now, limits.seal_after_silence_ms)
                || ended.is_some_and(|r| elapsed(r.received, now, limits.seal_after_root_ms)))
    }

    /// Running spans without an update for too long, with the time of the last one.
    pub(super) fn stale(
        &self,
        now: Nanos,
        limits: &Limits,
    ) -> impl Iterator<Item = (Nanos, &SpanId)> {
        let after = limits.stale_after_ms;
        self.spans
            .iter()
            .filter(|(id, row)| row.head.status == Status::Running && !id.is_registration())
            .filter(move |(_, row)| elapsed(row.received, now, after))
            .map(|(id, row)| (row.received, id))
    }
}

fn elapsed(since: Nanos, now: Nanos, ms: u64) -> bool {
    i128::from(now.0) - i128::from(since.0) >= i128::from(ms) * 1_000_000
}

impl Row {
    pub(super) fn index(&self) -> Option<u64> {
        self.leaf.map(|(index, _)| index)
    }

    pub(super) fn listed(&self) -> SpanRow {
        SpanRow {
            head: self.head.clone(),
            record: self.record,
            index: self.index(),
            leaf_hash: self.leaf.map(|(_, hash)| hash),
            counted: self.counted,
        }
    }

    /// The revision with the bytes of its parts.
    pub(super) fn stored(&self) -> Result<StoredSpan, StoreError> {
        let corrupt = |what: &str| StoreError::Corrupt(format!("{what} of record {}", self.record));
        let raw = if self.block.raw_bytes == 0 {
            Vec::new()
        } else {
            zstd::bulk::decompress(&self.block.data, self.block.raw_bytes as usize)
                .map_err(|_| corrupt("the block"))?
        };
        let mut parts: [Vec<u8>; 5] = Default::default();
        let mut at = self.offset as usize;
        for (part, length) in parts.iter_mut().zip(self.lengths) {
            let end = at.saturating_add(length as usize);
            *part = raw.get(at..end).ok_or_else(|| corrupt("the block is too short"))?.to_vec();
            at = end;
        }
        Ok(StoredSpan { parts, ..self.without_parts() })
    }

    /// The revision without its bytes.
    pub(super) fn without_parts(&self) -> StoredSpan {
        StoredSpan {
            record: self.record,
            digest: self.digest,
            parts: Default::default(),
            index: self.index(),
            leaf_hash: self.leaf.map(|(_, hash)| hash),
            counted: self.counted,
        }
    }
}
