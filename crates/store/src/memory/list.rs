//! Lists and their pages.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_model::{Nanos, Status};

use super::{Space, cursor, review::States, trace::Trace};
use crate::{
    Order, Page, Sealed, SessionSummary, SpanRow, SpanWindow, StoreError, TraceQuery, TraceRow,
};

/// Where a row stands: its start, then its id.
type Place = (Nanos, String);

pub(super) fn traces(
    space: Option<&Space>,
    reviews: &States,
    query: &TraceQuery,
) -> Result<Page<TraceRow>, StoreError> {
    let list = match query.order {
        Order::Newest => "traces-newest",
        Order::Oldest => "traces-oldest",
    };
    let place = |row: &TraceRow| (row.summary.start, row.summary.trace_id.as_str().to_owned());
    let mut rows = matching(space, reviews, query);
    rows.sort_by_key(place);
    page(list, rows, query.after.as_ref(), query.limit, query.order, place)
}

fn matching(space: Option<&Space>, reviews: &States, query: &TraceQuery) -> Vec<TraceRow> {
    let traces = space.into_iter().flat_map(|space| space.traces.values());
    let rows = traces.map(|trace| {
        let reviews = reviews.get(&trace.summary.trace_id).cloned().unwrap_or_default();
        (TraceRow { reviews, ..trace.row() }, &trace.text)
    });
    rows.filter(|(row, text)| query.filter.matches(row, &mut |term| text.finds(term)))
        .map(|(row, _)| row)
        .collect()
}

pub(super) fn sealed(space: Option<&Space>, reviews: &States, from: u64, limit: usize) -> Sealed {
    let Some(space) = space else { return Sealed::default() };
    let index = |row: &TraceRow| row.seal.as_ref().map(|seal| seal.index);
    let mut rows: Vec<TraceRow> = space.traces.values().map(Trace::row).collect();
    rows.retain(|row| index(row).is_some_and(|index| index >= from));
    rows.sort_by_key(index);
    let more = rows.len() > limit;
    rows.truncate(limit);
    for row in &mut rows {
        row.reviews = reviews.get(&row.summary.trace_id).cloned().unwrap_or_default();
    }
    let last = rows.last().and_then(index).map_or(from, |index| index + 1);
    Sealed { rows, next: if more { last } else { space.log.size() } }
}

pub(super) fn spans(
    trace: Option<&Trace>,
    window: &SpanWindow,
) -> Result<Page<SpanRow>, StoreError> {
    let all = trace.into_iter().flat_map(|t| t.spans.values());
    let shown = all.filter(|row| !row.head.span_id.is_registration()).filter(|row| {
        window.parent.is_none() || window.parent.as_ref() == row.head.parent_id.as_ref()
    });
    let mut rows: Vec<_> = shown.map(super::trace::Row::listed).collect();
    let place = |row: &SpanRow| (row.head.start, row.head.span_id.as_str().to_owned());
    rows.sort_by_key(place);
    page("spans", rows, window.after.as_ref(), window.limit, Order::Oldest, place)
}

pub(super) fn sessions(
    space: Option<&Space>,
    reviews: &States,
    query: &TraceQuery,
) -> Result<Page<SessionSummary>, StoreError> {
    let mut sessions: BTreeMap<String, (SessionSummary, BTreeSet<String>)> = BTreeMap::new();
    for row in matching(space, reviews, query) {
        let trace = &*row.summary;
        let Some(session) = &trace.session else { continue };
        let (sum, users) = sessions
            .entry(session.clone())
            .or_insert_with(|| (empty(session, trace.start), BTreeSet::new()));
        let usage = trace.usage();
        sum.trace_count += 1;
        sum.span_count = sum.span_count.saturating_add(trace.span_count);
        sum.error_count += u64::from(trace.status() == Status::Error);
        sum.start = sum.start.min(trace.start);
        sum.end = sum.end.max(trace.end);
        sum.tokens_in = sum.tokens_in.saturating_add(usage.input_tokens());
        sum.tokens_out = sum.tokens_out.saturating_add(usage.output_tokens());
        let cost = trace.cost().unwrap_or_default();
        sum.cost_nano_usd = sum.cost_nano_usd.saturating_add(cost.0);
        users.extend(trace.user.clone());
    }
    let mut rows: Vec<_> = sessions
        .into_values()
        .map(|(sum, users)| SessionSummary { users: users.into_iter().collect(), ..sum })
        .collect();
    let place = |row: &SessionSummary| (row.start, row.session.clone());
    rows.sort_by_key(place);
    page("sessions", rows, query.after.as_ref(), query.limit, Order::Newest, place)
}

fn empty(session: &str, start: Nanos) -> SessionSummary {
    SessionSummary {
        session: session.to_owned(),
        trace_count: 0,
        span_count: 0,
        error_count: 0,
        start,
        end: None,
        tokens_in: 0,
        tokens_out: 0,
        cost_nano_usd: 0,
        users: Vec::new(),
    }
}

/// The page after a cursor. The rows are in ascending order of their places.
fn page<T>(
    list: &str,
    mut rows: Vec<T>,
    after: Option<&String>,
    limit: usize,
    order: Order,
    place: impl Fn(&T) -> Place,
) -> Result<Page<T>, StoreError> {
    let after: Option<Place> = cursor::read(list, after)?;
    if order == Order::Newest {
        rows.reverse();
    }
    let passed = |row: &T| {
        after.as_ref().is_some_and(|after| match order {
            Order::Newest => place(row) >= *after,
            Order::Oldest => place(row) <= *after,
        })
    };
    rows.retain(|row| !passed(row));
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).and_then(|row| cursor::write(list, &place(row)));
    Ok(Page { rows, next })
}
