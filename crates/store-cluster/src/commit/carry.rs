//! Traces of another store, written by the statements of a commit.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use deadpool_postgres::Transaction;
use exhibit_model::{Nanos, SpanHead, SpanId, record, text::searchable};
use exhibit_store::{
    Block, SealWrite,
    carry::{CarriedRevision, CarriedTrace},
    span::Leaf,
};

use super::{
    apply::{OpenTrace, Payload, Replaced, Sealed, Work},
    load::{Loaded, numbers},
    write,
};
use crate::{
    failure::{Result, When, corrupt},
    read::unpack,
    row::Columns,
    store::Shared,
    trace::{Place, Revision, TraceState},
};

/// Puts traces in the place of those with the same numbers, and removes those in `gone`.
pub(crate) async fn put_carried(
    db: &Transaction<'_>,
    shared: &Shared,
    traces: Vec<CarriedTrace>,
    gone: &[i64],
) -> Result<()> {
    let ids: Vec<i64> = traces.iter().map(|trace| trace.number).collect();
    let filed = take_away(db, &ids, gone).await?;
    if traces.is_empty() {
        return Ok(());
    }
    let changed = numbers(db, 1).await?.first().copied().unwrap_or_default();
    // Unpacking and cutting words is work; other tasks go on meanwhile.
    let (limits, words) = (shared.options.limits.clone(), shared.options.carry_words);
    let work = tokio::task::spawn_blocking(move || {
        let loaded = Loaded::default();
        let mut work = Work::new(&limits, loaded, Vec::new(), Vec::new());
        for trace in traces {
            let start = filed.get(&trace.number).copied();
            add(&mut work, trace, start, changed, words)?;
        }
        Ok(work)
    });
    let work = work.await.map_err(|e| exhibit_store::StoreError::Failed(e.to_string()))??;
    write::all(db, work, &shared.node).await
}

/// Removes what is kept of traces; the starts under which those in `ids` were listed.
async fn take_away(db: &Transaction<'_>, ids: &[i64], gone: &[i64]) -> Result<HashMap<i64, i64>> {
    let doing = "removing traces that are carried over";
    let all: Vec<i64> = ids.iter().chain(gone).copied().collect();
    let sql = "SELECT id, workspace, summary FROM traces WHERE id = ANY($1)";
    let mut filed = HashMap::new();
    let (mut erased, mut spaces) = (Vec::new(), Vec::new());
    for row in db.query(sql, &[&all]).await.when(doing)? {
        let mut c = Columns::of(&row);
        let (id, workspace): (i64, i64) = (c.next()?, c.next()?);
        let summary: exhibit_model::TraceSummary = serde_json::from_slice(c.next()?)
            .map_err(|error| corrupt(format!("a trace's summary: {error}")))?;
        filed.insert(id, summary.start.0);
        if gone.contains(&id) {
            erased.push(id);
            spaces.push(workspace);
        }
    }
    if filed.is_empty() {
        return Ok(filed);
    }
    for table in ["spans", "superseded", "seals", "outbox_blocks", "outbox_texts"] {
        let sql = format!("DELETE FROM {table} WHERE trace = ANY($1)");
        db.execute(&sql, &[&all]).await.when(doing)?;
    }
    for (table, column) in [("outbox_traces", "trace"), ("outbox_moved", "trace"), ("traces", "id")]
    {
        let sql = format!("DELETE FROM {table} WHERE {column} = ANY($1)");
        db.execute(&sql, &[&gone]).await.when(doing)?;
    }
    db.execute(
        "INSERT INTO outbox_erased (workspace, trace) \
         SELECT * FROM unnest($1::bigint[], $2::bigint[]) ON CONFLICT DO NOTHING",
        &[&spaces, &erased],
    )
    .await
    .when(doing)?;
    Ok(filed)
}

fn revision(of: &CarriedRevision, head: SpanHead, counted: bool) -> Revision {
    Revision {
        head,
        record: of.record,
        digest: of.digest,
        place: Place { block: of.block, offset: of.offset, lengths: of.lengths },
        leaf: of.leaf,
        counted,
    }
}

fn add(
    work: &mut Work,
    carried: CarriedTrace,
    filed: Option<i64>,
    changed: i64,
    words: bool,
) -> Result<()> {
    let texts = if words { texts(&carried)? } else { vec![String::new(); carried.blocks.len()] };
    let CarriedTrace { number, workspace, .. } = carried;
    let state = TraceState {
        id: number,
        first_received: carried.first_received,
        last_received: carried.last_received,
        records: carried.records,
        leaves: carried.leaves,
        covered: carried.covered,
        seals: carried.seals.len() as u64,
        root_received: carried.root_received,
        first_span: carried.first_span,
        key: carried.key,
        summary: Arc::new(carried.summary),
    };
    let trace_id = state.summary.trace_id.clone();
    let mut trace = OpenTrace::load(state);
    trace.filed = filed;
    trace.changed = Some(changed);
    let mut heads: BTreeMap<SpanId, SpanHead> = BTreeMap::new();
    for span in carried.spans {
        let id = span.head.span_id.clone();
        heads.insert(id.clone(), span.head.clone());
        trace.written.insert(id.clone(), span.received.unwrap_or(Nanos(0)));
        trace.spans.insert(id, revision(&span.revision, span.head, span.counted));
    }
    for old in &carried.superseded {
        // Of what was replaced only its place is written, under the id of the span.
        let (Some(head), Some(leaf)) = (heads.get(&old.span_id), old.leaf) else {
            return Err(corrupt("a replaced revision of a span that is not there"));
        };
        work.replaced.push(Replaced(number, revision(old, head.clone(), false), leaf));
    }
    for (place, seal) in carried.seals.into_iter().enumerate() {
        let write = SealWrite {
            trace_id: trace_id.clone(),
            record: seal.record,
            // It stands in the log already.
            leaf: Leaf { bytes: Vec::new(), hash: [0; 32] },
            body: seal.body,
            covered: seal.covered,
            root: seal.root,
            partial: seal.partial,
            late: seal.late,
        };
        work.seals.push(Sealed(number, place as u64, seal.index, write));
    }
    for (block, text) in carried.blocks.into_iter().zip(texts) {
        let data = Block { raw_bytes: block.raw_bytes, data: block.data };
        let workspace = workspace.0;
        work.payloads.push(Payload { id: block.id, workspace, trace: number, block: data, text });
    }
    work.traces.insert((workspace, trace_id), trace);
    Ok(())
}

/// What search finds in each block of a trace: the words of its records, but of those that are quarantined.
fn texts(carried: &CarriedTrace) -> Result<Vec<String>> {
    let current = carried.spans.iter().map(|span| &span.revision);
    let mut places: HashMap<i64, Vec<&CarriedRevision>> = HashMap::new();
    for revision in current.chain(&carried.superseded) {
        places.entry(revision.block).or_default().push(revision);
    }
    let mut texts = Vec::with_capacity(carried.blocks.len());
    for block in &carried.blocks {
        let mut words = String::new();
        let Some(places) = places.get(&block.id) else {
            texts.push(words);
            continue;
        };
        let raw = unpack(block.id, block.raw_bytes, &block.data)?;
        for revision in places {
            let (block, offset, lengths) = (revision.block, revision.offset, revision.lengths);
            let parts = Place { block, offset, lengths }.parts(&raw)?;
            match record::decode(parts.each_ref().map(Vec::as_slice)) {
                Ok(span) if span.decision.is_quarantine() => {}
                Ok(span) => searchable(&span, &mut words),
                // What is quarantined lies locked.
                Err(_) if !parts[0].starts_with(b"{") => {}
                // Verification names such a record; carrying it over must not stop at it.
                Err(error) => tracing::warn!(%error, block, "a record does not read"),
            }
        }
        texts.push(words);
    }
    Ok(texts)
}
