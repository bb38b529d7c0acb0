//! Batches for tests that reopen a store: built from spans, without asking the store.

use std::{collections::HashMap, path::Path};

use exhibit_ledger::{Frontier, Hash, leaf_hash};
use exhibit_model::{
    RecordId, Span, SpanHead, SpanId, TraceId, TraceSummary, WorkspaceId, record, text,
};
use exhibit_store::{
    AuditStore, Batch, Block, Findable, LedgerStore, LogId, SpanStore, SpanWrite, TraceKey,
    TraceWrite,
    conformance::fixture::{Dice, START},
    rollup::{Accumulator, Inherited, attribution::Lineages},
    span::Leaf,
};
use exhibit_store_sqlite::{Options, SqliteStore};

/// The workspace that these tests write to.
pub(crate) const WORKSPACE: WorkspaceId = WorkspaceId(1);

/// Opens a store with the default options.
pub(crate) fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(directory, Options::default()).unwrap()
}

/// Builds batches; remembers what it replaces.
pub(crate) struct Builder {
    dice: Dice,
    current: HashMap<(TraceId, SpanId), RecordId>,
}

impl Builder {
    pub(crate) fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed), current: HashMap::new() }
    }

    fn record(&mut self) -> RecordId {
        let mut id = [0; 16];
        id.iter_mut().for_each(|byte| *byte = self.dice.roll(256) as u8);
        RecordId(id)
    }

    /// A batch of spans of any traces.
    pub(crate) fn batch(&mut self, spans: &[Span]) -> Batch {
        let mut traces: Vec<(TraceId, Vec<&Span>)> = Vec::new();
        for span in spans {
            match traces.iter_mut().find(|(id, _)| *id == span.trace_id) {
                Some((_, spans)) => spans.push(span),
                None => traces.push((span.trace_id.clone(), vec![span])),
            }
        }
        Batch {
            workspace: WORKSPACE,
            received: spans.iter().map(|s| s.received).max().unwrap_or(START),
            traces: traces.into_iter().map(|(id, spans)| self.write(id, &spans)).collect(),
            seals: Vec::new(),
            acts: Vec::new(),
        }
    }

    fn write(&mut self, trace_id: TraceId, spans: &[&Span]) -> TraceWrite {
        let mut raw = Vec::new();
        let mut words = String::new();
        let mut writes = Vec::new();
        for span in spans {
            let parts = record::encode(span);
            let id = self.record();
            let key = (trace_id.clone(), span.span_id.clone());
            let bytes = format!("{{\"record\":\"{id}\"}}").into_bytes();
            if !span.decision.is_quarantine() {
                text::searchable(span, &mut words);
            }
            writes.push(SpanWrite {
                head: SpanHead::of(span),
                record: id,
                supersedes: self.current.insert(key, id),
                digest: id.0,
                offset: raw.len() as u32,
                lengths: parts.lengths().map(|n| n as u32),
                leaf: span
                    .status
                    .is_sealed()
                    .then(|| Leaf { hash: leaf_hash(&bytes).0, bytes: bytes.clone() }),
            });
            raw.extend(parts.0.concat());
        }
        TraceWrite {
            key: TraceKey(trace_id.as_str().as_bytes().to_vec()),
            trace_id,
            block: Block {
                raw_bytes: raw.len() as u32,
                data: zstd::bulk::compress(&raw, 1).unwrap(),
            },
            spans: writes,
            text: words,
            tombstone: None,
        }
    }
}

/// Derives everything that the store shows from the records in it, and compares.
pub(crate) async fn verify(store: &SqliteStore) {
    let log = LogId::Workspace(WORKSPACE);
    let head = store.head(log).await.unwrap();
    let leaves = store.leaves(log, 0, u64::MAX).await.unwrap();
    let hashes = store.hashes(log, 0, 0, u64::MAX).await.unwrap();
    assert_eq!((leaves.len() as u64, hashes.len() as u64), (head.size, head.size));
    let mut frontier = Frontier::new();
    for (leaf, hash) in leaves.iter().zip(&hashes) {
        assert_eq!(leaf_hash(leaf).0, *hash);
        frontier.append(Hash(*hash));
    }
    assert_eq!(frontier.root().0, head.root);

    let mut placed = vec![false; leaves.len()];
    let mut rollup = Accumulator::new();
    let mut texts = Vec::new();
    let mut after = None;
    loop {
        let page = store.audit_traces(WORKSPACE, after, 500, true).await.unwrap();
        for trace in &page.rows {
            let shown = &*trace.row.summary;
            let mut summary = TraceSummary::new(shown.trace_id.clone(), shown.start);
            let all = trace
                .spans
                .iter()
                .map(|(_, stored)| stored)
                .chain(trace.superseded.iter().map(|(_, stored)| stored));
            for (index, hash) in all.filter_map(|s| s.index.zip(s.leaf_hash)) {
                assert_eq!(hashes[index as usize], hash);
                assert!(!std::mem::replace(&mut placed[index as usize], true));
            }
            let first = first_span(trace);
            let lineages = Lineages::of(trace.spans.iter().map(|(row, _)| &row.head));
            let mut words = String::new();
            for (row, stored) in &trace.spans {
                let parts = stored.parts.each_ref().map(Vec::as_slice);
                let span = record::decode(parts).unwrap();
                assert_eq!(row.head, SpanHead::of(&span));
                assert_eq!(row.index.is_some(), span.status.is_sealed());
                summary.absorb(&row.head, row.counted);
                let inherited =
                    Inherited { agent: lineages.agent(&row.head), user: shown.user.as_deref() };
                let is_first = first.as_ref() == Some(&row.head.span_id);
                rollup.add(&row.head, row.counted, is_first, inherited);
                if !span.decision.is_quarantine() {
                    text::searchable(&span, &mut words);
                }
            }
            assert_eq!(&summary, shown);
            texts.push(Findable { trace: shown.trace_id.clone(), text: words, settled: true });
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(placed.iter().all(|placed| *placed), "every leaf belongs to a record");
    let held = store.audit_rollups(WORKSPACE, None, usize::MAX).await.unwrap();
    assert_eq!(held.rows, rollup.into_cells());
    store.search_settled().await.unwrap();
    let missing = store.audit_search(WORKSPACE, &texts).await.unwrap();
    assert_eq!(missing, [], "every trace is found by its words");
}

/// The span whose first leaf is the oldest of the trace.
fn first_span(trace: &exhibit_store::AuditTrace) -> Option<SpanId> {
    // Superseded revisions do not name their span; these tests correct only what came first.
    let current = trace.spans.iter().filter(|(row, _)| !row.head.span_id.is_registration());
    current
        .filter_map(|(row, stored)| Some((stored.index?, row.head.span_id.clone())))
        .min()
        .map(|(_, id)| id)
}
