//! Sessions: traces that name the same one, added up.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_model::{Nanos, Status, WorkspaceId};
use exhibit_store::{Order, Page, SessionSummary, TraceQuery, filter::Filter};
use rusqlite::Connection;

use crate::{
    cursor::{self, List, Place},
    failure::{Result, SqlContext},
    row::Columns,
    search::Search,
};

/// A page of sessions by their earliest start.
pub(crate) fn page(
    db: &Connection,
    search: Option<&Search>,
    workspace: WorkspaceId,
    query: &TraceQuery,
) -> Result<Page<SessionSummary>> {
    // Newest first whatever the order asked for: a session has no other order of its own.
    let after: Option<Place<String>> = cursor::read(List::Sessions, query.after.as_ref())?;
    let mut sums = match &query.filter {
        Filter::All => starts(db, workspace)?.into_iter().map(|(s, at)| (s, Sum::at(at))).collect(),
        _ => matching(db, search, workspace, query)?,
    };
    let mut places: Vec<(i64, String)> =
        sums.iter().map(|(session, sum)| (sum.start, session.clone())).collect();
    places.sort_unstable_by(|a, b| b.cmp(a));
    if let Some(after) = after {
        let after = (after.start, after.tie);
        places.retain(|place| *place < after);
    }
    let more = places.len() > query.limit;
    places.truncate(query.limit);
    let mut rows = Vec::with_capacity(places.len());
    for (_, session) in places {
        let sum = match &query.filter {
            Filter::All => add_up(db, workspace, &session)?,
            _ => sums.remove(&session).unwrap_or_default(),
        };
        rows.push(sum.into_summary(session));
    }
    let last = rows.last().filter(|_| more);
    let next = last.map(|row| {
        let place = Place { start: row.start.0, tie: row.session.clone() };
        cursor::write(List::Sessions, &place)
    });
    Ok(Page { rows, next })
}

#[derive(Debug, Default)]
struct Sum {
    traces: u64,
    spans: u64,
    errors: u64,
    start: i64,
    end: Option<i64>,
    tokens_in: u64,
    tokens_out: u64,
    cost: i64,
    users: BTreeSet<String>,
}

impl Sum {
    fn at(start: i64) -> Self {
        Self { start, ..Self::default() }
    }

    fn into_summary(self, session: String) -> SessionSummary {
        SessionSummary {
            session,
            trace_count: self.traces,
            span_count: self.spans,
            error_count: self.errors,
            start: Nanos(self.start),
            end: self.end.map(Nanos),
            tokens_in: self.tokens_in,
            tokens_out: self.tokens_out,
            cost_nano_usd: self.cost,
            users: self.users.into_iter().collect(),
        }
    }
}

/// The earliest start of every session: one walk over an index.
fn starts(db: &Connection, workspace: WorkspaceId) -> Result<BTreeMap<String, i64>> {
    db.prepare_cached(
        "SELECT session, min(start) FROM traces INDEXED BY traces_by_session \
         WHERE workspace = ?1 AND session IS NOT NULL GROUP BY session",
    )
    .and_then(|mut s| s.query_map([workspace.0], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
    .when("listing sessions")
}

/// All traces of one session, added up from their columns.
fn add_up(db: &Connection, workspace: WorkspaceId, session: &str) -> Result<Sum> {
    let doing = "adding up a session";
    let mut statement = db
        .prepare_cached(
            "SELECT start, \"end\", spans, status, tokens_in, tokens_out, cost, user FROM traces \
             INDEXED BY traces_by_session WHERE workspace = ?1 AND session = ?2 ORDER BY start",
        )
        .when(doing)?;
    let mut rows = statement.query((workspace.0, session)).when(doing)?;
    let mut sum: Option<Sum> = None;
    while let Some(row) = rows.next().when(doing)? {
        let mut c = Columns::of(row);
        let start = c.int()?;
        let sum = sum.get_or_insert_with(|| Sum::at(start));
        sum.traces += 1;
        sum.end = sum.end.max(c.int_or_null()?);
        sum.spans = sum.spans.saturating_add(c.count()?);
        sum.errors += u64::from(c.int()? == Status::Error.code());
        sum.tokens_in = sum.tokens_in.saturating_add(c.count()?);
        sum.tokens_out = sum.tokens_out.saturating_add(c.count()?);
        sum.cost = sum.cost.saturating_add(c.int_or_null()?.unwrap_or(0));
        sum.users.extend(c.string_or_null()?);
    }
    Ok(sum.unwrap_or_default())
}

/// The sessions of the traces that match, added up from those alone.
fn matching(
    db: &Connection,
    search: Option<&Search>,
    workspace: WorkspaceId,
    query: &TraceQuery,
) -> Result<BTreeMap<String, Sum>> {
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    super::traces::walk(db, search, workspace, &query.filter, Order::Oldest, None, |listed| {
        let trace = &*listed.row.summary;
        let Some(session) = &trace.session else { return Ok(true) };
        let sum = sums.entry(session.clone()).or_insert_with(|| Sum::at(trace.start.0));
        let usage = trace.usage();
        sum.traces += 1;
        sum.spans = sum.spans.saturating_add(trace.span_count);
        sum.errors += u64::from(trace.status() == Status::Error);
        sum.end = sum.end.max(trace.end.map(|t| t.0));
        sum.tokens_in = sum.tokens_in.saturating_add(usage.input_tokens());
        sum.tokens_out = sum.tokens_out.saturating_add(usage.output_tokens());
        sum.cost = sum.cost.saturating_add(trace.cost().unwrap_or_default().0);
        sum.users.extend(trace.user.clone());
        Ok(true)
    })?;
    Ok(sums)
}
