//! The one filter language over traces, used the same way from URL, command line and dashboard.
//!
//! ```text
//! status = error model = "gpt-4o" timeout
//! time >= -7d and (cost > 0.25 or latency > 30s) and not tag in (test, "load test")
//! has(session) agent ~ billing "connection reset"
//! ```
//!
//! Terms that stand side by side must all hold. A bare word or a quoted phrase that is not a test of
//! a field is searched for in inputs, outputs and tool arguments, so a search box can hand over what
//! was typed.
//!
//! [`Filter`] is the syntax tree with typed values; [`Filter::parse`] reads text, `Display` writes the
//! canonical form of it, and [`Filter::matches`] says what it means. A store may answer in any way
//! it likes as long as it finds the traces for which `matches` is true.

mod build;
mod display;
mod field;
mod lexer;
mod matches;
mod nearest;
mod parse;
mod value;

use exhibit_model::{CostSource, NanoUsd, Nanos, ReviewState, SpanKind, Status, Verdict};

pub use field::{CountField, Field, TextField, TimeField};
pub use matches::contains_folded;
pub use parse::{DEPTH_MAX, FilterError, LENGTH_MAX, TESTS_MAX, VALUES_MAX};

/// What must hold for a trace. Boolean logic has two values: a test of something absent is false,
/// and its negation is true.
///
/// Built by [`parse`](Self::parse) or [`all_of`](Self::all_of), [`any_of`](Self::any_of) and
/// [`negate`](Self::negate), it is in normal form: no `And` directly inside `And`, no `Or` directly
/// inside `Or`, both with at least two members, no double negation.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Filter {
    /// Holds for every trace.
    #[default]
    All,
    /// Holds when every member does.
    And(Vec<Filter>),
    /// Holds when any member does.
    Or(Vec<Filter>),
    /// Holds when its content does not. `a != b` is `Not` of `a = b`.
    Not(Box<Filter>),
    /// Holds when the test does.
    Test(Test),
}

/// One test of a trace.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// A point in time; false while unknown.
    Time {
        /// Which.
        field: TimeField,
        /// How.
        op: Compare,
        /// Against what.
        value: Nanos,
    },
    /// Duration from the earliest start to the latest end; false while unknown.
    Latency {
        /// How.
        op: Compare,
        /// Against what, nanoseconds.
        value: Nanos,
    },
    /// [`TraceSummary::cost`](exhibit_model::TraceSummary::cost); false while unknown.
    Cost {
        /// How.
        op: Compare,
        /// Against what.
        value: NanoUsd,
    },
    /// A count.
    Count {
        /// Which.
        field: CountField,
        /// How.
        op: Compare,
        /// Against what.
        value: u64,
    },
    /// The trace's status is one of these.
    Status(Vec<Status>),
    /// Any span has one of these kinds.
    Kind(Vec<SpanKind>),
    /// The trace's verdict is one of these.
    Verdict(Vec<Verdict>),
    /// The cost of any counted call comes from one of these.
    CostSource(Vec<CostSource>),
    /// A review of it stands like one of these.
    Review(Vec<ReviewState>),
    /// A text equals one of these, exactly. For a field with many values: any of its values does.
    OneOf {
        /// Which.
        field: TextField,
        /// The values; at least one.
        values: Vec<String>,
    },
    /// A text contains this, whatever the case: see [`contains_folded`]. For a field with many
    /// values: any of its values does.
    Contains {
        /// Which.
        field: TextField,
        /// The piece of text.
        piece: String,
    },
    /// Its latest seal is final, not partial.
    Sealed,
    /// Something is known of the field: see [`Field`].
    Has(Field),
    /// Full-text search finds the term in the trace.
    Text(TextTerm),
}

/// How to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compare {
    /// Equal.
    Eq,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
}

impl Compare {
    /// The operator as written, the same as in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }

    /// Whether it holds between two values.
    pub fn holds<T: Ord>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Eq => left == right,
            Self::Lt => left < right,
            Self::Le => left <= right,
            Self::Gt => left > right,
            Self::Ge => left >= right,
        }
    }
}

/// What full-text search shall find. [`crate::search`] says how text is cut into words; a term
/// without a single word looks for nothing and holds for every trace.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TextTerm {
    /// As written, without quotes.
    pub text: String,
    /// Whether it was quoted. The words of a phrase stand next to one another; a store whose index
    /// has no positions MAY find every trace that has all of them. The words of a term that is not a
    /// phrase may stand anywhere.
    pub phrase: bool,
}

#[cfg(test)]
mod tests;
