//! Lists of traces.

use std::collections::BTreeSet;

use exhibit_model::{TraceId, WorkspaceId};
use exhibit_store::{
    Order, Page, TraceKey, TraceQuery, TraceRow,
    filter::{Field, Filter, Test},
};
use rusqlite::{
    Connection, OptionalExtension, Rows, fallible_streaming_iterator::FallibleStreamingIterator,
    params_from_iter,
};

use crate::{
    cursor::{self, List, Place},
    failure::{Result, SqlContext, corrupt},
    query::{
        facet::FacetHasher,
        plan::{Asked, Driver, Parts, STREAMS_MAX, Statement, statements},
    },
    row::trace::{LISTED_COLUMNS, ListedTrace},
    search::{
        Search,
        find::{Finder, TraceSet},
    },
};

/// A word found in fewer traces than this drives a list by itself: so many look-ups take less time
/// than a screen needs to be painted.
const RARE: usize = 1_000;

/// The number of a trace.
pub(crate) fn number(
    db: &Connection,
    workspace: WorkspaceId,
    trace: &TraceId,
) -> Result<Option<i64>> {
    db.prepare_cached("SELECT id FROM traces WHERE workspace = ?1 AND trace_id = ?2")
        .and_then(|mut s| s.query_row((workspace.0, trace.as_str()), |row| row.get(0)).optional())
        .when("looking for a trace")
}

/// One trace.
pub(crate) fn trace(
    db: &Connection,
    workspace: WorkspaceId,
    trace: &TraceId,
) -> Result<Option<(i64, TraceRow)>> {
    let sql = format!(
        "SELECT {LISTED_COLUMNS} FROM traces AS t WHERE t.workspace = ?1 AND t.trace_id = ?2"
    );
    let found = db
        .prepare_cached(&sql)
        .and_then(|mut s| {
            s.query_row((workspace.0, trace.as_str()), |row| Ok(ListedTrace::read(row, 0)))
                .optional()
        })
        .when("reading a trace")?
        .transpose()?;
    let found =
        found.map(|listed| listed.with_seal(db)?.with_reviews(db, workspace)).transpose()?;
    Ok(found.map(|listed| (listed.id, listed.row)))
}

/// The wrapped keys of traces.
pub(crate) fn keys(
    db: &Connection,
    workspace: WorkspaceId,
    traces: &[TraceId],
) -> Result<Vec<Option<TraceKey>>> {
    let doing = "reading trace keys";
    let mut statement = db
        .prepare_cached("SELECT key FROM traces WHERE workspace = ?1 AND trace_id = ?2")
        .when(doing)?;
    let mut key = |trace: &TraceId| {
        statement
            .query_row((workspace.0, trace.as_str()), |row| row.get(0).map(TraceKey))
            .optional()
            .when(doing)
    };
    traces.iter().map(&mut key).collect()
}

/// A page of traces.
pub(crate) fn page(
    db: &Connection,
    search: Option<&Search>,
    workspace: WorkspaceId,
    query: &TraceQuery,
) -> Result<Page<TraceRow>> {
    let list = match query.order {
        Order::Newest => List::TracesNewest,
        Order::Oldest => List::TracesOldest,
    };
    let after: Option<Place<i64>> = cursor::read(list, query.after.as_ref())?;
    let mut rows = Vec::new();
    let mut last = None;
    let mut more = false;
    if query.limit > 0 {
        walk(db, search, workspace, &query.filter, query.order, after.as_ref(), |listed| {
            if rows.len() == query.limit {
                more = true;
                return Ok(false);
            }
            last = Some(Place { start: listed.row.summary.start.0, tie: listed.id });
            rows.push(listed.row);
            Ok(true)
        })?;
    }
    let next = last.filter(|_| more).map(|place| cursor::write(list, &place));
    Ok(Page { rows, next })
}

/// Visits the matching traces in order until the visitor has enough.
pub(crate) fn walk(
    db: &Connection,
    search: Option<&Search>,
    workspace: WorkspaceId,
    filter: &Filter,
    order: Order,
    after: Option<&Place<i64>>,
    mut visit: impl FnMut(ListedTrace) -> Result<bool>,
) -> Result<()> {
    let hasher = FacetHasher::new(workspace.0);
    let parts = Parts::of(filter, &hasher);
    let finder = Finder::of(search, workspace.0, terms(filter))?;
    let sets: Vec<&TraceSet> = parts.terms.iter().filter_map(|t| finder.traces(t)).collect();
    let mut asks = false;
    filter.visit(&mut |test| {
        asks |= matches!(test, Test::Review(_) | Test::Has(Field::Review));
    });
    let mut visit = |listed: ListedTrace| -> Result<bool> {
        let mut listed = listed.with_seal(db)?;
        if asks {
            listed = listed.with_reviews(db, workspace)?;
        }
        let id = listed.id;
        if filter.matches(&listed.row, &mut |term| finder.has(term, id)) {
            visit(if asks { listed } else { listed.with_reviews(db, workspace)? })
        } else {
            Ok(true)
        }
    };
    if let Some(ids) = few(db, workspace, &parts, &sets)? {
        return visit_few(db, ids, order, after, &mut visit);
    }
    let driver = choose(db, &parts)?;
    let asked = Asked { workspace: workspace.0, filter, starts: parts.starts, order, after };
    let statements = statements(&driver, &hasher, &asked);
    let possible = |id: i64| sets.iter().all(|set| set.has(id));
    merge(db, statements, order, possible, &mut visit)
}

/// The text terms of a filter, wherever they stand in it.
fn terms(filter: &Filter) -> Vec<&exhibit_store::filter::TextTerm> {
    match filter {
        Filter::All => Vec::new(),
        Filter::And(members) | Filter::Or(members) => members.iter().flat_map(terms).collect(),
        Filter::Not(inner) => terms(inner),
        Filter::Test(exhibit_store::filter::Test::Text(term)) => vec![term],
        Filter::Test(_) => Vec::new(),
    }
}

/// The candidates, where the filter itself names few: by id, or by a rare word.
fn few(
    db: &Connection,
    workspace: WorkspaceId,
    parts: &Parts<'_>,
    sets: &[&TraceSet],
) -> Result<Option<Vec<Place<i64>>>> {
    let doing = "looking for candidates";
    let place = |row: &rusqlite::Row<'_>| Ok(Place { start: row.get(0)?, tie: row.get(1)? });
    let in_range = |place: &Place<i64>| {
        (parts.starts.0..=parts.starts.1).contains(&place.start)
            && sets.iter().all(|set| set.has(place.tie))
    };
    let mut candidates = Vec::new();
    if let Some(ids) = parts.ids.first() {
        let mut statement = db
            .prepare_cached("SELECT start, id FROM traces WHERE workspace = ?1 AND trace_id = ?2")
            .when(doing)?;
        for id in *ids {
            let found = statement.query_row((workspace.0, id), place).optional().when(doing)?;
            candidates.extend(found.filter(in_range));
        }
    } else if let Some(ids) = reviewed(db, workspace, parts)? {
        let mut statement = db
            .prepare_cached("SELECT start, id FROM traces WHERE workspace = ?1 AND trace_id = ?2")
            .when(doing)?;
        for id in ids {
            let found = statement.query_row((workspace.0, id), place).optional().when(doing)?;
            candidates.extend(found.filter(in_range));
        }
    } else if let Some(rare) = sets.iter().min_by_key(|set| set.len()).filter(|s| s.len() < RARE) {
        let mut statement = db
            .prepare_cached("SELECT start, id FROM traces WHERE id = ?1 AND workspace = ?2")
            .when(doing)?;
        for id in rare.iter() {
            let found = statement.query_row((id, workspace.0), place).optional().when(doing)?;
            candidates.extend(found.filter(in_range));
        }
    } else {
        return Ok(None);
    }
    Ok(Some(candidates))
}

/// The traces whose reviews stand as the filter wants, where they are few.
fn reviewed(
    db: &Connection,
    workspace: WorkspaceId,
    parts: &Parts<'_>,
) -> Result<Option<Vec<String>>> {
    let doing = "looking for reviewed traces";
    let Some(states) = parts.reviews.first() else { return Ok(None) };
    let mut statement = db
        .prepare_cached(
            "SELECT trace_id FROM reviews INDEXED BY reviews_by_state \
             WHERE workspace = ?1 AND state = ?2 LIMIT ?3",
        )
        .when(doing)?;
    let mut ids = BTreeSet::new();
    for state in *states {
        let mut rows = statement.query((workspace.0, state.code(), RARE as i64)).when(doing)?;
        while let Some(row) = Rows::next(&mut rows).when(doing)? {
            ids.insert(row.get(0).when(doing)?);
        }
        if ids.len() >= RARE {
            return Ok(None);
        }
    }
    Ok(Some(ids.into_iter().collect()))
}

fn visit_few(
    db: &Connection,
    mut candidates: Vec<Place<i64>>,
    order: Order,
    after: Option<&Place<i64>>,
    visit: &mut impl FnMut(ListedTrace) -> Result<bool>,
) -> Result<()> {
    let doing = "reading candidates";
    candidates.sort_unstable_by_key(|place| (place.start, place.tie));
    candidates.dedup();
    if order == Order::Newest {
        candidates.reverse();
    }
    if let Some(after) = after {
        let passed = |place: &Place<i64>| match order {
            Order::Newest => (place.start, place.tie) >= (after.start, after.tie),
            Order::Oldest => (place.start, place.tie) <= (after.start, after.tie),
        };
        candidates.retain(|place| !passed(place));
    }
    let sql = format!("SELECT {LISTED_COLUMNS} FROM traces AS t WHERE t.id = ?1");
    let mut statement = db.prepare_cached(&sql).when(doing)?;
    for place in candidates {
        let listed =
            statement.query_row([place.tie], |row| Ok(ListedTrace::read(row, 0))).when(doing)??;
        if !visit(listed)? {
            break;
        }
    }
    Ok(())
}

/// The most selective facet, or the walk over all.
fn choose(db: &Connection, parts: &Parts<'_>) -> Result<Driver> {
    /// Facets with more traces are all the same: common.
    const COUNTED: i64 = 500;
    let doing = "choosing a plan";
    let usable: Vec<_> = parts.facets.iter().filter(|set| set.len() <= STREAMS_MAX).collect();
    if let [only] = usable.as_slice() {
        return Ok(Driver::Facets((*only).clone()));
    }
    let mut statement = db
        .prepare_cached(
            "SELECT (SELECT count(*) FROM (SELECT 1 FROM facets WHERE hash = ?1 AND start >= ?2 \
             AND start <= ?3 LIMIT ?4)) + (SELECT count(*) FROM (SELECT 1 FROM facets_late \
             WHERE hash = ?1 AND start >= ?2 AND start <= ?3 LIMIT ?4))",
        )
        .when(doing)?;
    let mut best: Option<(i64, &Vec<i64>)> = None;
    for set in usable {
        let mut count = 0;
        for hash in set {
            let (low, high) = parts.starts;
            count += statement
                .query_row((*hash, low, high, COUNTED), |row| row.get::<_, i64>(0))
                .when(doing)?;
        }
        if best.is_none_or(|(least, _)| count < least) {
            best = Some((count, set));
        }
    }
    Ok(best.map_or(Driver::Start, |(_, set)| Driver::Facets(set.clone())))
}

/// Runs statements side by side and visits their rows in one order, each trace once.
fn merge(
    db: &Connection,
    statements: Vec<Statement>,
    order: Order,
    possible: impl Fn(i64) -> bool,
    visit: &mut impl FnMut(ListedTrace) -> Result<bool>,
) -> Result<()> {
    let doing = "listing traces";
    let mut prepared = Vec::with_capacity(statements.len());
    for statement in &statements {
        prepared.push(db.prepare_cached(&statement.sql).when(doing)?);
    }
    let mut streams = Vec::with_capacity(statements.len());
    for (prepared, statement) in prepared.iter_mut().zip(statements) {
        let rows = prepared.query(params_from_iter(statement.values)).when(doing)?;
        streams.push(Stream::open(rows)?);
    }
    loop {
        let heads = streams.iter().filter_map(|stream| stream.at);
        let next = match order {
            Order::Newest => heads.max(),
            Order::Oldest => heads.min(),
        };
        let Some(next) = next else { return Ok(()) };
        let mut listed = None;
        for stream in &mut streams {
            if stream.at == Some(next) {
                if listed.is_none() && possible(next.1) {
                    listed = Some(stream.read()?);
                }
                stream.advance()?;
            }
        }
        if let Some(listed) = listed
            && !visit(listed)?
        {
            return Ok(());
        }
    }
}

/// Rows of one statement, the first of them at hand.
struct Stream<'s> {
    rows: Rows<'s>,
    /// Start and number of the row at hand.
    at: Option<(i64, i64)>,
}

impl<'s> Stream<'s> {
    fn open(rows: Rows<'s>) -> Result<Self> {
        let mut stream = Self { rows, at: None };
        stream.advance()?;
        Ok(stream)
    }

    fn advance(&mut self) -> Result<()> {
        let doing = "listing traces";
        self.at = match Rows::next(&mut self.rows).when(doing)? {
            Some(row) => Some((row.get(0).when(doing)?, row.get(1).when(doing)?)),
            None => None,
        };
        Ok(())
    }

    fn read(&self) -> Result<ListedTrace> {
        let row = self.rows.get().ok_or_else(|| corrupt("a row vanished"))?;
        ListedTrace::read(row, 1)
    }
}
