//! Which table drives a list, and the statement over it.
//!
//! A list is walked in its order from the cursor on until it is full. The walk goes over the facet of
//! the most selective equality test, over the traces a rare word is found in, or, when the filter has
//! neither, over all traces by start. Everything else of the filter is a condition on the way.
//! Indexes are named in the statements, since SQLite's planner has been seen to pass over them.

use exhibit_model::{ReviewState, Status, Verdict};
use exhibit_store::{
    Order,
    filter::{Compare, Filter, Test, TextField, TextTerm, TimeField},
};
use rusqlite::types::Value;

use super::{
    condition::Conditions,
    facet::{Facet, FacetHasher},
};
use crate::{cursor::Place, row::trace::LISTED_COLUMNS};

/// Most values of one test that a list walks over side by side.
pub(crate) const STREAMS_MAX: usize = 16;

/// What a list can be driven by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Driver {
    /// All traces of the workspace by start.
    Start,
    /// The traces under each of these facets; at most [`STREAMS_MAX`].
    Facets(Vec<i64>),
}

/// A filter taken apart.
pub(crate) struct Parts<'f> {
    /// Earliest and latest start, both inclusive.
    pub(crate) starts: (i64, i64),
    /// Sets of facets: a match stands under one of each.
    pub(crate) facets: Vec<Vec<i64>>,
    /// Sets of trace ids: a match is one of each.
    pub(crate) ids: Vec<&'f [String]>,
    /// How the reviews of a match stand: one of each.
    pub(crate) reviews: Vec<&'f [ReviewState]>,
    /// Terms that a match has.
    pub(crate) terms: Vec<&'f TextTerm>,
}

impl<'f> Parts<'f> {
    /// Takes the conjuncts of a filter apart.
    pub(crate) fn of(filter: &'f Filter, hasher: &FacetHasher) -> Self {
        let mut parts = Self {
            starts: (i64::MIN, i64::MAX),
            facets: Vec::new(),
            ids: Vec::new(),
            reviews: Vec::new(),
            terms: Vec::new(),
        };
        match filter {
            Filter::And(members) => members.iter().for_each(|m| parts.take(m, hasher)),
            other => parts.take(other, hasher),
        }
        parts
    }

    fn take(&mut self, conjunct: &'f Filter, hasher: &FacetHasher) {
        let test = match conjunct {
            Filter::Test(test) => test,
            Filter::Not(inner) => {
                self.take_not(inner, hasher);
                return;
            }
            _ => return,
        };
        let hashes: Vec<i64> = match test {
            Test::Time { field: TimeField::Start, op, value } => {
                self.bound(*op, value.0);
                return;
            }
            Test::OneOf { field: TextField::Id, values } => {
                self.ids.push(values);
                return;
            }
            Test::Text(term) => {
                self.terms.push(term);
                return;
            }
            Test::Review(states) => {
                self.reviews.push(states);
                return;
            }
            Test::Status(v) => v.iter().map(|v| hasher.hash(Facet::Status(*v))).collect(),
            Test::Verdict(v) => v.iter().map(|v| hasher.hash(Facet::Verdict(*v))).collect(),
            Test::Kind(v) => v.iter().map(|v| hasher.hash(Facet::Kind(*v))).collect(),
            Test::CostSource(v) => v.iter().map(|v| hasher.hash(Facet::CostSource(*v))).collect(),
            Test::OneOf { field, values } => {
                values.iter().map(|v| hasher.hash(Facet::Text(field, v))).collect()
            }
            Test::Sealed => vec![hasher.hash(Facet::Sealed(true))],
            _ => return,
        };
        self.facets.push(hashes);
    }

    /// Of fields with few values, what a trace is not says what it is.
    fn take_not(&mut self, inner: &Filter, hasher: &FacetHasher) {
        let Filter::Test(test) = inner else { return };
        match test {
            Test::Sealed => self.facets.push(vec![hasher.hash(Facet::Sealed(false))]),
            Test::Status(values) => {
                let others = Status::ALL.iter().filter(|v| !values.contains(v));
                self.facets.push(others.map(|v| hasher.hash(Facet::Status(*v))).collect());
            }
            Test::Verdict(values) => {
                let others = Verdict::ALL.iter().filter(|v| !values.contains(v));
                self.facets.push(others.map(|v| hasher.hash(Facet::Verdict(*v))).collect());
            }
            _ => {}
        }
    }

    fn bound(&mut self, op: Compare, value: i64) {
        let (low, high) = &mut self.starts;
        match op {
            Compare::Eq => (*low, *high) = ((*low).max(value), (*high).min(value)),
            Compare::Ge => *low = (*low).max(value),
            Compare::Le => *high = (*high).min(value),
            Compare::Gt => match value.checked_add(1) {
                Some(next) => *low = (*low).max(next),
                None => (*low, *high) = (i64::MAX, i64::MIN),
            },
            Compare::Lt => match value.checked_sub(1) {
                Some(before) => *high = (*high).min(before),
                None => (*low, *high) = (i64::MAX, i64::MIN),
            },
        }
    }
}

/// A statement and its parameters. The first parameter is the facet's hash, or the workspace.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) values: Vec<Value>,
}

/// What a list asks for.
pub(crate) struct Asked<'q> {
    pub(crate) workspace: i64,
    pub(crate) filter: &'q Filter,
    /// Earliest and latest start, both inclusive.
    pub(crate) starts: (i64, i64),
    pub(crate) order: Order,
    pub(crate) after: Option<&'q Place<i64>>,
}

/// The statements that walk over a driver side by side: one for all traces; two for each facet, which
/// may stand in either table.
pub(crate) fn statements(
    driver: &Driver,
    hasher: &FacetHasher,
    asked: &Asked<'_>,
) -> Vec<Statement> {
    match driver {
        Driver::Start => vec![statement(
            "FROM traces AS t INDEXED BY traces_by_start WHERE t.workspace = ?1",
            ("t.start", "t.id"),
            asked.workspace,
            (driver, hasher, asked),
        )],
        Driver::Facets(hashes) => {
            let over = |table: &str, hash: i64| {
                let from = format!(
                    "FROM {table} AS f CROSS JOIN traces AS t ON t.id = f.trace WHERE f.hash = ?1"
                );
                statement(&from, ("f.start", "f.trace"), hash, (driver, hasher, asked))
            };
            let both = |hash: &i64| [over("facets", *hash), over("facets_late", *hash)];
            hashes.iter().flat_map(both).collect()
        }
    }
}

fn statement(
    from: &str,
    key: (&'static str, &'static str),
    first: i64,
    (driver, hasher, asked): (&Driver, &FacetHasher, &Asked<'_>),
) -> Statement {
    let Asked { filter, starts, order, after, .. } = *asked;
    let mut conditions = Conditions::new(hasher, key, vec![Value::Integer(first)]);
    let (start, trace) = key;
    let mut sql = format!("SELECT {start}, {LISTED_COLUMNS} {from}");
    let (mut low, mut high) = starts;
    let (direction, beyond) = match order {
        Order::Newest => ("DESC", "<"),
        Order::Oldest => ("ASC", ">"),
    };
    if let Some(after) = after {
        match order {
            Order::Newest => high = high.min(after.start),
            Order::Oldest => low = low.max(after.start),
        }
    }
    for (bound, op) in [(low, ">="), (high, "<=")] {
        if bound != i64::MIN && bound != i64::MAX || low > high {
            let value = conditions.value(bound);
            sql.push_str(&format!(" AND {start} {op} {value}"));
        }
    }
    if let Some(after) = after {
        let (at, id) = (conditions.value(after.start), conditions.value(after.tie));
        sql.push_str(&format!(" AND ({start} {beyond} {at} OR {trace} {beyond} {id})"));
    }
    if let Some(condition) = conditions.necessary(&without(filter, driver, hasher)) {
        sql.push_str(" AND ");
        sql.push_str(&condition);
    }
    sql.push_str(&format!(" ORDER BY {start} {direction}, {trace} {direction}"));
    Statement { sql, values: conditions.values }
}

/// The filter without what the walk itself sees to: bounds of the start, and the driving test.
fn without(filter: &Filter, driver: &Driver, hasher: &FacetHasher) -> Filter {
    let seen_to = |conjunct: &Filter| {
        let parts = Parts::of(conjunct, hasher);
        let bound = matches!(conjunct, Filter::Test(Test::Time { field: TimeField::Start, .. }));
        let driving = match (driver, parts.facets.as_slice()) {
            (Driver::Facets(hashes), [set]) => hashes == set,
            _ => false,
        };
        bound || driving
    };
    match filter {
        Filter::And(members) => {
            Filter::And(members.iter().filter(|m| !seen_to(m)).cloned().collect())
        }
        other if seen_to(other) => Filter::All,
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
