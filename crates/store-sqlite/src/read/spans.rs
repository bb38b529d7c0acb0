//! Spans of one trace.

use std::collections::HashMap;

use exhibit_model::{SpanId, TraceId, WorkspaceId};
use exhibit_store::{Page, SpanRow, SpanWindow, StoredSpan};
use rusqlite::{Connection, OptionalExtension, params_from_iter, types::Value};

use super::traces::number;
use crate::{
    PayloadSources,
    cursor::{self, List, Place},
    failure::{Result, SqlContext},
    row::{
        Columns,
        context::Contexts,
        payload::Payloads,
        span::{self, COLUMNS, Packed, Place as Payload, Revision},
    },
};

/// The current revisions under identities.
pub(crate) fn load(
    db: &Connection,
    sources: &PayloadSources,
    workspace: WorkspaceId,
    ids: &[(TraceId, SpanId)],
) -> Result<Vec<Option<StoredSpan>>> {
    let doing = "reading a span";
    let mut payloads = Payloads::new(db, sources);
    let mut numbers: HashMap<&TraceId, Option<i64>> = HashMap::new();
    let mut statement = db
        .prepare_cached("SELECT packed FROM spans WHERE trace = ?1 AND span_id = ?2")
        .when(doing)?;
    let mut found = Vec::with_capacity(ids.len());
    for (trace, span) in ids {
        let number = match numbers.get(trace) {
            Some(number) => *number,
            None => *numbers.entry(trace).or_insert(number(db, workspace, trace)?),
        };
        let Some(number) = number else {
            found.push(None);
            continue;
        };
        let stored = statement
            .query_row((number, span.as_str()), |row| Ok(read_packed(row)))
            .optional()
            .when(doing)?
            .transpose()?;
        found.push(match stored {
            None => None,
            Some((stored, place)) => Some(StoredSpan { parts: payloads.parts(&place)?, ..stored }),
        });
    }
    Ok(found)
}

/// Reads `packed`.
fn read_packed(row: &rusqlite::Row<'_>) -> Result<(StoredSpan, Payload)> {
    let packed = Packed::read(Columns::of(row).bytes()?)?;
    let stored = StoredSpan {
        record: packed.record,
        digest: packed.digest,
        parts: Default::default(),
        index: packed.leaf.map(|(index, _)| index),
        leaf_hash: packed.leaf.map(|(_, hash)| hash),
        counted: packed.counted,
    };
    Ok((stored, packed.place))
}

/// Reads `record, digest, block, offset, lengths, leaf, leaf_hash` of a superseded revision.
pub(crate) fn read_superseded(c: &mut Columns<'_>) -> Result<(StoredSpan, Payload)> {
    let record = c.record()?;
    let digest = c.array()?;
    let place = Payload::read(c)?;
    let leaf = span::leaf(c)?;
    let stored = StoredSpan {
        record,
        digest,
        parts: Default::default(),
        index: leaf.map(|(index, _)| index),
        leaf_hash: leaf.map(|(_, hash)| hash),
        counted: false,
    };
    Ok((stored, place))
}

/// A window of a trace's spans.
pub(crate) fn window(
    db: &Connection,
    workspace: WorkspaceId,
    trace: &TraceId,
    window: &SpanWindow,
) -> Result<Page<SpanRow>> {
    let doing = "listing spans";
    let after: Option<Place<String>> = cursor::read(List::Spans, window.after.as_ref())?;
    let empty = Page { rows: Vec::new(), next: None };
    let Some(number) = number(db, workspace, trace)?.filter(|_| window.limit > 0) else {
        return Ok(empty);
    };
    let mut values = vec![
        Value::Integer(number),
        Value::Text(SpanId::REGISTRATION.to_owned()),
        Value::Integer(i64::try_from(window.limit).unwrap_or(i64::MAX).saturating_add(1)),
    ];
    let mut sql = format!("SELECT {COLUMNS} FROM spans WHERE trace = ?1 AND span_id <> ?2");
    if let Some(parent) = &window.parent {
        values.push(Value::Text(parent.as_str().to_owned()));
        sql.push_str(&format!(" AND parent = ?{}", values.len()));
    }
    if let Some(after) = after {
        values.push(Value::Integer(after.start));
        values.push(Value::Text(after.tie));
        let (start, id) = (values.len() - 1, values.len());
        sql.push_str(&format!(" AND (start > ?{start} OR (start = ?{start} AND span_id > ?{id}))"));
    }
    sql.push_str(" ORDER BY start, span_id LIMIT ?3");
    let contexts = Contexts::load(db, number)?;
    let mut statement = db.prepare_cached(&sql).when(doing)?;
    let mut found = statement.query(params_from_iter(values)).when(doing)?;
    let mut rows: Vec<SpanRow> = Vec::new();
    let mut more = false;
    while let Some(row) = found.next().when(doing)? {
        if rows.len() == window.limit {
            more = true;
            break;
        }
        rows.push(Revision::read(row, trace, &contexts)?.into_row());
    }
    let last = rows.last().filter(|_| more);
    let next = last.map(|row| {
        let tie = row.head.span_id.as_str().to_owned();
        cursor::write(List::Spans, &Place { start: row.head.start.0, tie })
    });
    Ok(Page { rows, next })
}

/// Earlier terminal revisions of a span, oldest first.
pub(crate) fn superseded(
    db: &Connection,
    sources: &PayloadSources,
    workspace: WorkspaceId,
    trace: &TraceId,
    span: &SpanId,
) -> Result<Vec<StoredSpan>> {
    let doing = "reading superseded revisions";
    let Some(number) = number(db, workspace, trace)? else { return Ok(Vec::new()) };
    let mut payloads = Payloads::new(db, sources);
    let mut statement = db
        .prepare_cached(
            "SELECT record, digest, block, offset, lengths, leaf, leaf_hash \
             FROM superseded WHERE trace = ?1 AND span_id = ?2 ORDER BY leaf",
        )
        .when(doing)?;
    let mut rows = statement.query((number, span.as_str())).when(doing)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().when(doing)? {
        let (stored, place) = read_superseded(&mut Columns::of(row))?;
        found.push(StoredSpan { parts: payloads.parts(&place)?, ..stored });
    }
    Ok(found)
}

/// Indexes and hashes of all terminal revisions of a trace, in log order.
pub(crate) fn leaves(
    db: &Connection,
    workspace: WorkspaceId,
    trace: &TraceId,
) -> Result<Vec<(u64, [u8; 32])>> {
    let doing = "reading the leaves of a trace";
    let Some(number) = number(db, workspace, trace)? else { return Ok(Vec::new()) };
    let mut leaves = Vec::new();
    let mut statement =
        db.prepare_cached("SELECT packed FROM spans WHERE trace = ?1").when(doing)?;
    let mut rows = statement.query([number]).when(doing)?;
    while let Some(row) = rows.next().when(doing)? {
        leaves.extend(Packed::read(Columns::of(row).bytes()?)?.leaf);
    }
    let mut statement =
        db.prepare_cached("SELECT leaf, leaf_hash FROM superseded WHERE trace = ?1").when(doing)?;
    let mut rows = statement.query([number]).when(doing)?;
    while let Some(row) = rows.next().when(doing)? {
        leaves.extend(span::leaf(&mut Columns::of(row))?);
    }
    leaves.sort_unstable();
    Ok(leaves)
}

/// The index of a span's leaf.
pub(crate) fn locate(
    db: &Connection,
    workspace: WorkspaceId,
    trace: &TraceId,
    span: &SpanId,
) -> Result<Option<u64>> {
    let Some(number) = number(db, workspace, trace)? else { return Ok(None) };
    let found = db
        .prepare_cached("SELECT packed FROM spans WHERE trace = ?1 AND span_id = ?2")
        .and_then(|mut s| {
            s.query_row((number, span.as_str()), |row| Ok(read_packed(row))).optional()
        })
        .when("looking for a leaf")?
        .transpose()?;
    Ok(found.and_then(|(stored, _)| stored.index))
}
