//! What a filter means: the reference that every store is held to.

use exhibit_model::{Nanos, TraceSummary};

use super::{CountField, Field, Filter, Test, TextField, TextTerm, TimeField};
use crate::TraceRow;

/// Whether `text` contains `piece` when every character of both is put in lower case (Unicode,
/// without regard to language or place in a word). An empty piece is contained in everything.
pub fn contains_folded(text: &str, piece: &str) -> bool {
    if text.is_ascii() && piece.is_ascii() {
        let (text, piece) = (text.as_bytes(), piece.as_bytes());
        return piece.is_empty()
            || text.windows(piece.len()).any(|window| window.eq_ignore_ascii_case(piece));
    }
    let lower = |t: &str| t.chars().flat_map(char::to_lowercase).collect::<String>();
    lower(text).contains(&lower(piece))
}

impl Filter {
    /// Whether it holds for a trace. `text` answers full-text terms.
    pub fn matches(&self, row: &TraceRow, text: &mut dyn FnMut(&TextTerm) -> bool) -> bool {
        match self {
            Self::All => true,
            Self::And(members) => members.iter().all(|m| m.matches(row, text)),
            Self::Or(members) => members.iter().any(|m| m.matches(row, text)),
            Self::Not(inner) => !inner.matches(row, text),
            Self::Test(test) => test.matches(row, text),
        }
    }
}

impl Test {
    fn matches(&self, row: &TraceRow, text: &mut dyn FnMut(&TextTerm) -> bool) -> bool {
        let trace = &*row.summary;
        match self {
            Self::Time { field, op, value } => {
                field.of(trace).is_some_and(|time| op.holds(&time, value))
            }
            Self::Latency { op, value } => trace.duration().is_some_and(|d| op.holds(&d, value)),
            Self::Cost { op, value } => trace.cost().is_some_and(|cost| op.holds(&cost, value)),
            Self::Count { field, op, value } => op.holds(&field.of(trace), value),
            Self::Status(values) => values.contains(&trace.status()),
            Self::Kind(values) => values.iter().any(|kind| trace.kinds.contains(kind)),
            Self::Verdict(values) => values.contains(&trace.verdict),
            Self::CostSource(values) => values.iter().any(|s| trace.cost_sources.contains(s)),
            Self::Review(values) => values.iter().any(|state| row.reviews.contains(state)),
            Self::OneOf { field, values } => field.any(trace, |v| values.iter().any(|x| x == v)),
            Self::Contains { field, piece } => field.any(trace, |v| contains_folded(v, piece)),
            Self::Sealed => sealed(row),
            Self::Has(field) => field.is_known(row),
            Self::Text(term) => text(term),
        }
    }
}

fn sealed(row: &TraceRow) -> bool {
    row.seal.as_ref().is_some_and(|seal| !seal.partial)
}

impl Field {
    /// Whether something is known of it.
    fn is_known(&self, row: &TraceRow) -> bool {
        let trace = &*row.summary;
        match self {
            Self::Time(field) => field.of(trace).is_some(),
            Self::Latency => trace.duration().is_some(),
            Self::Cost => trace.cost().is_some(),
            Self::Count(field) => field.of(trace) > 0,
            Self::Status | Self::Verdict => true,
            Self::Kind => !trace.kinds.is_empty(),
            Self::CostSource => !trace.cost_sources.is_empty(),
            Self::Review => !row.reviews.is_empty(),
            Self::Text(field) => field.any(trace, |_| true),
            Self::Sealed => sealed(row),
        }
    }
}

impl TimeField {
    /// The trace's value.
    pub fn of(self, trace: &TraceSummary) -> Option<Nanos> {
        match self {
            Self::Start => Some(trace.start),
            Self::End => trace.end,
        }
    }
}

impl CountField {
    /// The trace's value; sums saturate.
    pub fn of(self, trace: &TraceSummary) -> u64 {
        match self {
            Self::Tokens => {
                let usage = trace.usage();
                usage.input_tokens().saturating_add(usage.output_tokens())
            }
            Self::TokensIn => trace.usage().input_tokens(),
            Self::TokensOut => trace.usage().output_tokens(),
            Self::Spans => trace.span_count,
            Self::Errors => trace.error_count,
            Self::Findings => trace.findings,
        }
    }
}

impl TextField {
    /// Whether any of the trace's values passes.
    pub fn any(&self, trace: &TraceSummary, mut pass: impl FnMut(&str) -> bool) -> bool {
        let one = match self {
            Self::Model => return trace.models.iter().any(|v| pass(v)),
            Self::Provider => return trace.providers.iter().any(|v| pass(v)),
            Self::Tool => return trace.tools.iter().any(|v| pass(v)),
            Self::Tag => return trace.tags.iter().any(|v| pass(v)),
            Self::Agent => return trace.agents.iter().any(|v| pass(v)),
            Self::User => return trace.users.iter().any(|v| pass(v)),
            Self::Category => return trace.categories.iter().any(|v| pass(v.as_str())),
            Self::Rule => {
                let short =
                    |rule: &str| rule.split_once('/').map_or(0, |(policy, _)| policy.len() + 1);
                return trace.rules.iter().any(|v| pass(v) || pass(v.get(short(v)..).unwrap_or(v)));
            }
            Self::Id => Some(trace.trace_id.as_str()),
            Self::Name => trace.name.as_deref(),
            Self::Session => trace.session.as_deref(),
            Self::Environment => trace.environment.as_deref(),
            Self::Version => trace.version.as_deref(),
            Self::Service => trace.service.as_deref(),
            Self::Metadata(key) => trace.metadata.get(key).map(String::as_str),
        };
        one.is_some_and(pass)
    }
}
