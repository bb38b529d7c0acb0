//! Rollup cells: the pure arithmetic that every store and verification share.
//!
//! A rollup is a table of [`Cell`]s of integer sums, one per [`Key`]. Cells form a group: what was
//! added can be subtracted exactly, in any order, so a correction is applied as −old +new and
//! verification can add everything up again and compare byte for byte.
//!
//! What counts:
//!
//! * The **current** revision of a span, while its status is sealed (`ok`, `error`, `incomplete`).
//!   A running revision and a trace's registration record count nothing.
//! * A **trace** counts once, in the cells of its *first span*: the span whose first sealed revision
//!   was committed before that of any other span of the trace (the order within a batch is its
//!   order). It stays the first span whatever is corrected later, so the flag `first_of_trace` is a
//!   property of the span and not of a revision.
//! * **Usage and cost** count for spans of [`UsageRole::Leaf`] that are `counted`; see [`claims`].
//!
//! * Under **agent** and **user** a span that names none of its own counts with others': see
//!   [`attribution`].
//!
//! Most dimensions divide the whole: a span without a value counts under the value `None`, so the
//! cells of one dimension add up to the totals. A [set](Dimension::is_set) does not: a span stands in
//! the cell of each of its values, and in none without one. What rules say of a whole trace is kept
//! on its registration record; sealed, that one counts as a span in the cells of sets, and there only.
//!
//! Start with [`Accumulator`] to write, and with [`Plan`] to answer analytics.

mod accumulate;
pub mod attribution;
mod cell;
mod codec;
mod histogram;
mod plan;

use exhibit_model::{FindingCategory, Nanos, SpanHead, UsageRole};

use crate::Dimension;

pub use accumulate::Accumulator;
pub use attribution::Inherited;
pub use cell::{Cell, Sample};
pub use codec::CodecError;
pub use histogram::Histogram;
pub use plan::{Plan, Read, STEPS_MAX};

/// Which cell. Ordered by grain, start, dimension (none first), value (none first, then by bytes).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its width.
    pub grain: Grain,
    /// Where it starts: nanoseconds since the epoch, a multiple of the grain's width.
    pub bucket_start: i64,
    /// What it is broken down by; none for the totals.
    pub dimension: Option<Dimension>,
    /// The value of the dimension; none for spans without one, and for the totals.
    pub value: Option<String>,
}

/// Width of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grain {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day, UTC.
    Day,
}

impl Grain {
    /// All, finest first; the width of each divides that of the next.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// Its width in nanoseconds.
    pub const fn width_ns(self) -> i64 {
        match self {
            Self::Minute => 60_000_000_000,
            Self::Hour => 3_600_000_000_000,
            Self::Day => 86_400_000_000_000,
        }
    }

    /// The start of the cell that a time falls into. Times at the far end of the range, whose cell
    /// would start before the first representable nanosecond, fall into the one that starts there.
    pub const fn floor(self, at: Nanos) -> i64 {
        at.0.div_euclid(self.width_ns()).saturating_mul(self.width_ns())
    }

    /// The number under which it is stored. Never reused, never changed.
    pub const fn code(self) -> i64 {
        match self {
            Self::Minute => 1,
            Self::Hour => 2,
            Self::Day => 3,
        }
    }

    /// The grain stored under a number.
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|grain| grain.code() == code)
    }
}

/// The number under which a dimension is stored: 0 for the totals, else its place in
/// [`Dimension::ALL`] counted from 1, so that numbers sort as [`Key`]s do.
pub fn dimension_code(dimension: Option<Dimension>) -> i64 {
    dimension.map_or(0, |d| d as i64 + 1)
}

/// The dimension stored under a number; `None` for a number that means nothing.
pub fn dimension_from_code(code: i64) -> Option<Option<Dimension>> {
    if code == 0 {
        return Some(None);
    }
    let place = usize::try_from(code.checked_sub(1)?).ok()?;
    Dimension::ALL.get(place).copied().map(Some)
}

/// The value under which a span counts in a dimension that divides the whole; none for a
/// [set](Dimension::is_set).
pub fn dimension_value<'a>(
    head: &'a SpanHead,
    inherited: Inherited<'a>,
    dimension: Dimension,
) -> Option<&'a str> {
    match dimension {
        Dimension::Kind => Some(head.kind.as_str()),
        Dimension::Model => head.model.as_deref(),
        Dimension::Provider => head.provider.as_deref(),
        Dimension::Agent => head.agent.as_deref().or(inherited.agent),
        Dimension::User => head.user.as_deref().or(inherited.user),
        Dimension::Environment => head.environment.as_deref(),
        Dimension::Status => Some(head.status.as_str()),
        Dimension::Verdict => Some(head.verdict.as_str()),
        Dimension::Tool => head.tool.as_deref(),
        Dimension::Service => head.service.as_deref(),
        Dimension::CostSource => Some(head.cost_source.as_str()),
        Dimension::Rule | Dimension::Category => None,
    }
}

/// A span's values of a [set](Dimension::is_set); none for a dimension that divides the whole.
pub fn set_values(head: &SpanHead, dimension: Dimension) -> impl Iterator<Item = &str> {
    let rules: &[String] = if dimension == Dimension::Rule { &head.rules } else { &[] };
    let categories: &[FindingCategory] =
        if dimension == Dimension::Category { &head.categories } else { &[] };
    rules.iter().map(String::as_str).chain(categories.iter().map(|category| category.as_str()))
}

/// The response id by which a span's usage is counted at most once per trace; none when nothing can
/// be counted twice.
///
/// A revision is **not** counted exactly when it claims an id that the current, counted revision of
/// another span of its trace claims too. Only spans with usage of their own claim one, so a
/// container that repeats its child's response id never takes the count away from it.
pub fn claims(head: &SpanHead) -> Option<&str> {
    if head.usage_role == UsageRole::Leaf && !head.span_id.is_registration() {
        head.response_id.as_deref()
    } else {
        None
    }
}

/// Whether a revision contributes to the totals and to the dimensions that divide them.
pub fn contributes(head: &SpanHead) -> bool {
    head.status.is_sealed() && !head.span_id.is_registration()
}

/// What one revision adds to which cells; empty when it [contributes] nothing. For
/// many spans use an [`Accumulator`].
pub fn contributions(
    head: &SpanHead,
    counted: bool,
    first_of_trace: bool,
    inherited: Inherited<'_>,
) -> Vec<(Key, Cell)> {
    let mut sum = Accumulator::new();
    sum.add(head, counted, first_of_trace, inherited);
    sum.into_cells()
}

#[cfg(test)]
mod tests;
