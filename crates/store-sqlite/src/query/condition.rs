//! What SQL can say about a filter.
//!
//! [`Filter::matches`] is the truth; every row is held against it before it is shown. SQL only keeps
//! rows away that cannot match: [`Conditions::necessary`] is a condition that every match meets. To
//! negate, the other direction is needed too: [`Conditions::sufficient`], which only matches meet.
//!
//! Facets count as both, although two values may share a hash: 64 bits of SHA-256 do not.

use exhibit_model::{CostSource, ReviewState, SpanKind};
use exhibit_store::filter::{Compare, CountField, Field, Filter, Test, TextField, TimeField};
use rusqlite::types::Value;

use super::{
    facet::{Facet, FacetHasher},
    known,
};

/// Makes conditions over `t` (traces) and collects their parameters.
pub(crate) struct Conditions<'h> {
    hasher: &'h FacetHasher,
    /// The columns of the driving table that hold start and number of the trace.
    key: (&'static str, &'static str),
    pub(crate) values: Vec<Value>,
}

impl<'h> Conditions<'h> {
    pub(crate) fn new(
        hasher: &'h FacetHasher,
        key: (&'static str, &'static str),
        values: Vec<Value>,
    ) -> Self {
        Self { hasher, key, values }
    }

    /// Keeps a parameter; its name.
    pub(crate) fn value(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }

    /// A condition that every match meets; none when there is nothing to say.
    pub(crate) fn necessary(&mut self, filter: &Filter) -> Option<String> {
        match filter {
            Filter::All => None,
            Filter::And(members) => {
                let known: Vec<_> = members.iter().filter_map(|m| self.necessary(m)).collect();
                join(&known, " AND ")
            }
            Filter::Or(members) => join(&self.all(members, Self::necessary)?, " OR "),
            Filter::Not(inner) => self.sufficient(inner).map(|sql| format!("NOT {sql}")),
            Filter::Test(test) => self.exact(test).or_else(|| Self::loose(test)),
        }
    }

    /// A condition that only matches meet; none when no such condition is known.
    fn sufficient(&mut self, filter: &Filter) -> Option<String> {
        match filter {
            Filter::All => Some("1".to_owned()),
            Filter::And(members) => join(&self.all(members, Self::sufficient)?, " AND "),
            Filter::Or(members) => {
                let known: Vec<_> = members.iter().filter_map(|m| self.sufficient(m)).collect();
                join(&known, " OR ")
            }
            Filter::Not(inner) => self.necessary(inner).map(|sql| format!("NOT {sql}")),
            Filter::Test(test) => self.exact(test),
        }
    }

    /// The conditions of all members; none, and no parameter left behind, when one has none.
    fn all(
        &mut self,
        members: &[Filter],
        of: fn(&mut Self, &Filter) -> Option<String>,
    ) -> Option<Vec<String>> {
        let values = self.values.len();
        let known: Option<Vec<_>> = members.iter().map(|m| of(self, m)).collect();
        if known.is_none() {
            self.values.truncate(values);
        }
        known
    }

    /// A condition that says exactly what a test says.
    fn exact(&mut self, test: &Test) -> Option<String> {
        match test {
            Test::Time { field: TimeField::Start, op, value } => {
                Some(self.compare(self.key.0, *op, value.0))
            }
            Test::Time { field: TimeField::End, op, value } => {
                Some(self.compare("t.\"end\"", *op, value.0))
            }
            Test::Latency { op, value } => Some(self.compare("t.duration", *op, value.0)),
            Test::Cost { op, value } => Some(self.compare("t.cost", *op, value.0)),
            Test::Count { field, op, value } => {
                // Columns end where i64 ends; beyond it SQL and the filter would part.
                let value = i64::try_from(*value).ok().filter(|n| *n < i64::MAX / 4)?;
                Some(self.compare(count_column(*field), *op, value))
            }
            Test::Status(values) => Some(codes("t.status", values.iter().map(|v| v.code()))),
            Test::Verdict(values) => Some(codes("t.verdict", values.iter().map(|v| v.code()))),
            Test::Kind(values) => Some(self.kinds(values)),
            Test::CostSource(values) => Some(self.cost_sources(values)),
            Test::Review(states) => Some(reviewed(Some(states))),
            Test::OneOf { field: TextField::Id, values } => {
                let names: Vec<_> = values.iter().map(|v| self.value(v.clone())).collect();
                Some(format!("t.trace_id IN ({})", names.join(", ")))
            }
            Test::OneOf { field, values } => {
                let hash = |v: &String| self.hasher.hash(Facet::Text(field, v));
                let hashes: Vec<_> = values.iter().map(hash).collect();
                Some(self.facets(&hashes))
            }
            Test::Sealed => Some("t.sealed".to_owned()),
            Test::Has(field) => has(field),
            Test::Contains { .. } | Test::Text(_) => None,
        }
    }

    /// A condition that a test implies.
    fn loose(test: &Test) -> Option<String> {
        match test {
            Test::Contains { field, .. } => has(&Field::Text(field.clone()))
                .or_else(|| matches!(field, TextField::Metadata(_)).then(any_metadata)),
            Test::Has(Field::Text(TextField::Metadata(_))) => Some(any_metadata()),
            _ => None,
        }
    }

    fn kinds(&mut self, kinds: &[SpanKind]) -> String {
        let hashes: Vec<_> = kinds.iter().map(|k| self.hasher.hash(Facet::Kind(*k))).collect();
        self.facets(&hashes)
    }

    fn cost_sources(&mut self, sources: &[CostSource]) -> String {
        let hash = |s: &CostSource| self.hasher.hash(Facet::CostSource(*s));
        let hashes: Vec<_> = sources.iter().map(hash).collect();
        self.facets(&hashes)
    }

    /// The trace stands under one of these hashes, in one of the two tables.
    fn facets(&mut self, hashes: &[i64]) -> String {
        let names: Vec<_> = hashes.iter().map(|hash| self.value(*hash)).collect();
        let test = match names.as_slice() {
            [one] => format!("x.hash = {one}"),
            many => format!("x.hash IN ({})", many.join(", ")),
        };
        let (start, trace) = self.key;
        let test = format!("{test} AND x.start = {start} AND x.trace = {trace}");
        format!(
            "(EXISTS (SELECT 1 FROM facets AS x WHERE {test}) \
             OR EXISTS (SELECT 1 FROM facets_late AS x WHERE {test}))"
        )
    }

    /// A comparison that is false for nothing known.
    fn compare(&mut self, column: &str, op: Compare, value: i64) -> String {
        let value = self.value(value);
        let nullable = matches!(column, "t.\"end\"" | "t.duration" | "t.cost");
        let sql = format!("{column} {} {value}", op.as_str());
        if nullable { format!("IFNULL({sql}, 0)") } else { format!("({sql})") }
    }
}

fn count_column(field: CountField) -> &'static str {
    match field {
        CountField::Tokens => "t.tokens_in + t.tokens_out",
        CountField::TokensIn => "t.tokens_in",
        CountField::TokensOut => "t.tokens_out",
        CountField::Spans => "t.spans",
        CountField::Errors => "t.errors",
        CountField::Findings => "t.findings",
    }
}

fn codes(column: &str, codes: impl Iterator<Item = i64>) -> String {
    let codes: Vec<_> = codes.map(|code| code.to_string()).collect();
    format!("{column} IN ({})", codes.join(", "))
}

fn has(field: &Field) -> Option<String> {
    let sql = match field {
        Field::Status | Field::Verdict | Field::Time(TimeField::Start) => "1".to_owned(),
        Field::Text(TextField::Id) => "1".to_owned(),
        Field::Time(TimeField::End) => "t.\"end\" IS NOT NULL".to_owned(),
        Field::Latency => "t.duration IS NOT NULL".to_owned(),
        Field::Cost => "t.cost IS NOT NULL".to_owned(),
        Field::Count(field) => format!("({} > 0)", count_column(*field)),
        Field::Kind => bit(known::KINDS),
        Field::CostSource => bit(known::COST_SOURCES),
        Field::Review => reviewed(None),
        Field::Text(field) => bit(known::bit(field)?),
        Field::Sealed => "t.sealed".to_owned(),
    };
    Some(sql)
}

/// The trace has a review, one that stands like this if it is said how.
fn reviewed(states: Option<&[ReviewState]>) -> String {
    let like = states.map(|states| codes("v.state", states.iter().map(|v| v.code())));
    let like = like.map(|like| format!(" AND {like}")).unwrap_or_default();
    format!(
        "EXISTS (SELECT 1 FROM reviews AS v INDEXED BY reviews_of_trace \
         WHERE v.workspace = t.workspace AND v.trace_id = t.trace_id{like})"
    )
}

fn bit(bit: i64) -> String {
    format!("(t.known & {bit} != 0)")
}

fn any_metadata() -> String {
    bit(known::METADATA)
}

/// Joins conditions; none of them: none.
fn join(conditions: &[String], with: &str) -> Option<String> {
    match conditions {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(format!("({})", many.join(with))),
    }
}
