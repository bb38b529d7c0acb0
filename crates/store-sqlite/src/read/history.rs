//! Traces with the heads of their spans, in the order of first receipt: one range of each table, read from end
//! to end, and of each row only what is asked for.

use exhibit_model::{Nanos, SpanHead, SpanId, TraceId, WorkspaceId};
use exhibit_store::{HEADS_MAX, HistoryQuery, Page, TraceHistory};
use rusqlite::{CachedStatement, Connection, Row};

use crate::{
    cursor::{self, List, Place},
    failure::{Result, SqlContext, corrupt},
    row::{
        Columns,
        context::Contexts,
        span::{COLUMNS, Packed},
        trace::parse_summary,
    },
};

const DOING: &str = "reading the history";
/// A page ends early once it has so many heads.
const PAGE_HEADS: usize = 20_000;

/// A trace of which the heads are still to be read.
struct Found {
    number: i64,
    records: usize,
    history: TraceHistory,
}

/// A page of it.
pub(crate) fn page(
    db: &Connection,
    workspace: WorkspaceId,
    query: &HistoryQuery,
) -> Result<Page<TraceHistory>> {
    let after: Option<Place<i64>> = cursor::read(List::History, query.after.as_ref())?;
    let (found, more) = traces(db, workspace, query, after.map_or(0, |place| place.tie))?;
    let last = found.last().filter(|_| more).map(|found| found.number);
    let mut spans =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM spans WHERE trace = ?1")).when(DOING)?;
    let rows = found.into_iter().map(|found| heads(db, &mut spans, found, query));
    let rows = rows.collect::<Result<Vec<_>>>()?;
    let next = last.map(|number| cursor::write(List::History, &Place { start: 0, tie: number }));
    Ok(Page { rows, next })
}

/// The next traces, and whether there are more.
fn traces(
    db: &Connection,
    workspace: WorkspaceId,
    query: &HistoryQuery,
    after: i64,
) -> Result<(Vec<Found>, bool)> {
    let summary = if query.summaries { "summary" } else { "NULL" };
    let mut statement = db
        .prepare_cached(&format!(
            "SELECT id, trace_id, records, {summary} FROM traces INDEXED BY traces_by_workspace \
             WHERE workspace = ?1 AND id > ?2 AND start >= ?3 ORDER BY id LIMIT ?4"
        ))
        .when(DOING)?;
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut rows = statement.query((workspace.0, after, query.from.0, limit)).when(DOING)?;
    let (mut found, mut heads): (Vec<Found>, usize) = (Vec::new(), 0);
    while let Some(row) = rows.next().when(DOING)? {
        if found.len() >= query.limit || heads >= PAGE_HEADS {
            return Ok((found, true));
        }
        let mut c = Columns::of(row);
        let number = c.int()?;
        let trace_id = c.text()?.parse::<TraceId>().map_err(|_| corrupt("a trace id"))?;
        let records = usize::try_from(c.count()?).unwrap_or(usize::MAX);
        let summary = c.text_or_null()?.map(parse_summary).transpose()?.map(Into::into);
        heads = heads.saturating_add(records);
        let history = TraceHistory { trace_id, summary, heads: None };
        found.push(Found { number, records, history });
    }
    Ok((found, false))
}

fn heads(
    db: &Connection,
    spans: &mut CachedStatement<'_>,
    found: Found,
    query: &HistoryQuery,
) -> Result<TraceHistory> {
    let Found { number, records, mut history } = found;
    if records > HEADS_MAX {
        return Ok(history);
    }
    let contexts = if query.context { Some(Contexts::load(db, number)?) } else { None };
    let mut heads = Vec::with_capacity(records);
    let mut rows = spans.query([number]).when(DOING)?;
    while let Some(row) = rows.next().when(DOING)? {
        heads.extend(head(row, &history.trace_id, contexts.as_ref(), query.names)?);
    }
    heads.sort_by(|a: &SpanHead, b| (a.start, &a.span_id).cmp(&(b.start, &b.span_id)));
    history.heads = Some(heads);
    Ok(history)
}

/// What is asked for of a row of [`COLUMNS`]; none of the registration record.
fn head(
    row: &Row<'_>,
    trace_id: &TraceId,
    contexts: Option<&Contexts>,
    names: bool,
) -> Result<Option<SpanHead>> {
    let mut c = Columns::of(row);
    let id = c.text()?;
    if id == SpanId::REGISTRATION {
        return Ok(None);
    }
    let span_id = crate::row::span_id(id)?;
    let start: Nanos = c.time()?;
    let parent = c.text_or_null()?.filter(|_| names);
    let parent_id = parent.map(crate::row::span_id).transpose()?;
    let mut facts = Packed::read(c.bytes()?)?.facts()?;
    (facts.response_id, facts.input_preview, facts.output_preview) = (None, None, None);
    if !names {
        facts.name = "";
        (facts.model, facts.provider, facts.tool) = (None, None, None);
    }
    let mut head = facts.head(trace_id, span_id, parent_id, start);
    if let Some(contexts) = contexts {
        contexts.get(facts.context)?.fill(&mut head);
    }
    Ok(Some(head))
}
