//! Traces with everything that is kept of them.

use std::sync::Arc;

use exhibit_model::{Nanos, SpanId, TraceId, WorkspaceId};
use exhibit_store::{
    TraceKey,
    carry::{CarriedBlock, CarriedRevision, CarriedSpan, CarriedTrace},
    rollup::claims,
};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::{
    failure::{Result, SqlContext, corrupt},
    row::{
        self, Columns,
        context::Contexts,
        span::{Packed, Place, Revision, Stated, leaf, put_lengths},
        trace::{STATE_COLUMNS, TraceState, seals},
    },
    writer::{step::Step, trace::OpenTrace},
};

/// A trace by its number.
pub(super) fn read(db: &Connection, number: i64) -> Result<Option<CarriedTrace>> {
    let doing = "reading a trace to carry it over";
    let sql = format!("SELECT {STATE_COLUMNS} FROM traces WHERE id = ?1");
    let state = db
        .prepare_cached(&sql)
        .and_then(|mut s| s.query_row([number], |row| Ok(TraceState::read(row))).optional())
        .when(doing)?
        .transpose()?;
    let Some(state) = state else { return Ok(None) };
    let workspace: i64 = db
        .prepare_cached("SELECT workspace FROM traces WHERE id = ?1")
        .and_then(|mut s| s.query_row([number], |row| row.get(0)))
        .when(doing)?;
    let summary = Arc::unwrap_or_clone(state.summary);
    Ok(Some(CarriedTrace {
        number,
        workspace: WorkspaceId(workspace),
        spans: spans(db, number, &summary.trace_id)?,
        superseded: superseded(db, number)?,
        seals: seals(db, number, 0)?,
        blocks: blocks(db, number)?,
        summary,
        first_received: state.first_received,
        last_received: state.last_received,
        root_received: state.root_received,
        first_span: state.first_span,
        key: state.key,
        records: state.records,
        leaves: state.leaves,
        covered: state.covered,
    }))
}

fn spans(db: &Connection, trace: i64, trace_id: &TraceId) -> Result<Vec<CarriedSpan>> {
    let doing = "reading spans to carry them over";
    let contexts = Contexts::load(db, trace)?;
    // `received` follows what `Revision::read` expects.
    let sql = format!("SELECT {}, received FROM spans WHERE trace = ?1", row::span::COLUMNS);
    let mut statement = db.prepare_cached(&sql).when(doing)?;
    let mut rows = statement.query([trace]).when(doing)?;
    let mut spans = Vec::new();
    while let Some(row) = rows.next().when(doing)? {
        let span = Revision::read(row, trace_id, &contexts)?;
        let received = Columns::from(row, 4).time_or_null()?;
        spans.push(CarriedSpan {
            received,
            counted: span.counted,
            revision: CarriedRevision {
                span_id: span.head.span_id.clone(),
                record: span.record,
                digest: span.digest,
                block: span.place.block,
                offset: span.place.offset,
                lengths: span.place.lengths,
                leaf: span.leaf,
            },
            head: span.head,
        });
    }
    Ok(spans)
}

fn superseded(db: &Connection, trace: i64) -> Result<Vec<CarriedRevision>> {
    let doing = "reading replaced revisions to carry them over";
    let mut statement = db
        .prepare_cached(
            "SELECT span_id, record, digest, block, offset, lengths, leaf, leaf_hash \
             FROM superseded WHERE trace = ?1 ORDER BY leaf",
        )
        .when(doing)?;
    let mut rows = statement.query([trace]).when(doing)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().when(doing)? {
        let mut c = Columns::of(row);
        let span_id = row::span_id(c.text()?)?;
        let (record, digest) = (c.record()?, c.array()?);
        let Place { block, offset, lengths } = Place::read(&mut c)?;
        let leaf = leaf(&mut c)?;
        found.push(CarriedRevision { span_id, record, digest, block, offset, lengths, leaf });
    }
    Ok(found)
}

fn blocks(db: &Connection, trace: i64) -> Result<Vec<CarriedBlock>> {
    let doing = "reading payloads to carry them over";
    let mut statement = db
        .prepare_cached("SELECT id, raw_bytes, data FROM blocks WHERE trace = ?1 ORDER BY id")
        .when(doing)?;
    let mut rows = statement.query([trace]).when(doing)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().when(doing)? {
        let mut c = Columns::of(row);
        let id = c.int()?;
        let raw_bytes = u32::try_from(c.int()?).map_err(|_| corrupt("the length of a block"))?;
        found.push(CarriedBlock { id, raw_bytes, data: c.bytes()?.to_vec() });
    }
    Ok(found)
}

/// Removes traces, as far as they exist.
pub(super) fn remove(step: &mut Step<'_>, numbers: &[i64]) -> Result<()> {
    let doing = "removing a trace that was carried over";
    for number in numbers {
        let found: Option<(i64, String)> = step
            .db
            .prepare_cached("SELECT workspace, trace_id FROM traces WHERE id = ?1")
            .and_then(|mut s| {
                s.query_row([number], |row| Ok((row.get(0)?, row.get(1)?))).optional()
            })
            .when(doing)?;
        let Some((workspace, trace_id)) = found else { continue };
        let (workspace, id) = (WorkspaceId(workspace), row::trace_id(&trace_id)?);
        if step.trace(workspace, &id)?.is_none() {
            continue;
        }
        let Some(trace) = step.remove(workspace, &id) else { continue };
        for table in ["contexts", "spans", "superseded", "responses", "blocks", "seals"] {
            step.db
                .prepare_cached(&format!("DELETE FROM {table} WHERE trace = ?1"))
                .and_then(|mut s| s.execute([number]))
                .when(doing)?;
        }
        step.db
            .prepare_cached("DELETE FROM traces WHERE id = ?1")
            .and_then(|mut s| s.execute([number]))
            .when(doing)?;
        step.erased.push((*number, trace.filed()));
    }
    Ok(())
}

/// Writes traces that do not exist.
pub(super) fn write(step: &mut Step<'_>, traces: &[CarriedTrace]) -> Result<()> {
    for carried in traces {
        write_one(step, carried)?;
    }
    Ok(())
}

fn write_one(step: &mut Step<'_>, carried: &CarriedTrace) -> Result<()> {
    let doing = "writing a trace that is carried over";
    let number = carried.number;
    let trace_id = carried.summary.trace_id.clone();
    let key = TraceKey(carried.key.0.clone());
    let mut trace = OpenTrace::begin(number, &trace_id, key, carried.first_received);
    let state = &mut trace.state;
    state.last_received = carried.last_received;
    state.root_received = carried.root_received;
    state.first_span.clone_from(&carried.first_span);
    state.records = carried.records;
    state.leaves = carried.leaves;
    state.covered = carried.covered;
    state.seals = carried.seals.len() as i64;
    state.sealed = carried.seals.last().is_some_and(|seal| !seal.partial);
    state.summary = Arc::new(carried.summary.clone());
    for span in &carried.spans {
        write_span(step, &mut trace, span)?;
    }
    for old in &carried.superseded {
        let Some((index, hash)) = &old.leaf else { continue };
        let mut lengths = Vec::with_capacity(12);
        put_lengths(&mut lengths, old.lengths);
        step.db
            .prepare_cached(
                "INSERT INTO superseded (trace, span_id, leaf, leaf_hash, record, digest, block, \
                 offset, lengths) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )
            .and_then(|mut s| {
                s.execute(params![
                    number,
                    old.span_id.as_str(),
                    *index as i64,
                    &hash[..],
                    &old.record.0[..],
                    &old.digest[..],
                    old.block,
                    old.offset,
                    lengths,
                ])
            })
            .when(doing)?;
    }
    for (place, seal) in carried.seals.iter().enumerate() {
        step.db
            .prepare_cached(
                "INSERT INTO seals (trace, number, record, leaf, body, covered, root, partial, late) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )
            .and_then(|mut s| {
                s.execute(params![
                    number,
                    place as i64,
                    &seal.record.0[..],
                    seal.index as i64,
                    seal.body,
                    seal.covered as i64,
                    &seal.root[..],
                    seal.partial,
                    seal.late,
                ])
            })
            .when(doing)?;
    }
    for block in &carried.blocks {
        step.db
            .prepare_cached(
                "INSERT INTO blocks (id, trace, raw_bytes, data) VALUES (?1, ?2, ?3, ?4)",
            )
            .and_then(|mut s| s.execute((block.id, number, block.raw_bytes, &block.data)))
            .when(doing)?;
    }
    trace.touch();
    step.put(carried.workspace, trace_id, trace);
    Ok(())
}

fn write_span(step: &mut Step<'_>, trace: &mut OpenTrace, span: &CarriedSpan) -> Result<()> {
    let doing = "writing a span that is carried over";
    let number = trace.state.id;
    let head = &span.head;
    let (context, new) = trace.recent_contexts(step.db)?.number(head);
    if let Some(new) = new {
        let body = new.to_json()?;
        step.db
            .prepare_cached("INSERT INTO contexts (trace, number, body) VALUES (?1, ?2, ?3)")
            .and_then(|mut s| s.execute((number, context, body)))
            .when(doing)?;
    }
    let of = &span.revision;
    let place = Place { block: of.block, offset: of.offset, lengths: of.lengths };
    let stated = Stated {
        record: of.record,
        digest: &of.digest,
        place,
        leaf: of.leaf,
        counted: span.counted,
        context,
    };
    let mut packed = Vec::with_capacity(512);
    Packed::write(&mut packed, head, &stated);
    step.db
        .prepare_cached(
            "INSERT INTO spans (trace, span_id, start, parent, received, packed) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .and_then(|mut s| {
            s.execute((
                number,
                head.span_id.as_str(),
                head.start.0,
                head.parent_id.as_ref().map(SpanId::as_str),
                span.received.map(|Nanos(at)| at),
                packed,
            ))
        })
        .when(doing)?;
    if let Some(claim) = claims(head).filter(|_| span.counted) {
        step.db
            .prepare_cached(
                "INSERT INTO responses (trace, response_id, span_id) VALUES (?1, ?2, ?3) \
                 ON CONFLICT DO NOTHING",
            )
            .and_then(|mut s| s.execute((number, claim, head.span_id.as_str())))
            .when(doing)?;
    }
    Ok(())
}
