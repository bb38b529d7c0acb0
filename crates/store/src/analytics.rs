//! Sums over time, answered from rollups.

use exhibit_model::{Nanos, Usage};
use serde::Serialize;

/// What to sum.
#[derive(Debug, Clone)]
pub struct AnalyticsQuery {
    /// From (inclusive), by span start; cut down to the minute.
    pub from: Nanos,
    /// To (exclusive); cut up to the minute.
    pub to: Nanos,
    /// Break down by this.
    pub group_by: Option<Dimension>,
    /// Width of a step of the series, seconds: a multiple of 60; 86,400 or more is answered from the
    /// daily rollup.
    pub step_s: u64,
    /// Most groups, largest span count first; the rest is summed as `other`.
    pub groups_max: usize,
}

/// What sums can be broken down by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// Kind of span.
    Kind,
    /// Model.
    Model,
    /// Provider.
    Provider,
    /// Agent.
    Agent,
    /// End user.
    User,
    /// Environment.
    Environment,
    /// Status.
    Status,
    /// Verdict.
    Verdict,
    /// Tool.
    Tool,
    /// Sending service.
    Service,
    /// Cost source.
    CostSource,
    /// Rules that spoke against the span (outcome warning or fail), as `policy/rule`. A ruling on a
    /// whole trace counts as a span at the trace's start.
    Rule,
    /// Categories of the span's findings.
    Category,
}

impl Dimension {
    /// Every dimension.
    pub const ALL: [Self; 13] = [
        Self::Kind,
        Self::Model,
        Self::Provider,
        Self::Agent,
        Self::User,
        Self::Environment,
        Self::Status,
        Self::Verdict,
        Self::Tool,
        Self::Service,
        Self::CostSource,
        Self::Rule,
        Self::Category,
    ];

    /// Its name in `group_by`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Agent => "agent",
            Self::User => "user",
            Self::Environment => "environment",
            Self::Status => "status",
            Self::Verdict => "verdict",
            Self::Tool => "tool",
            Self::Service => "service",
            Self::CostSource => "cost_source",
            Self::Rule => "rule",
            Self::Category => "category",
        }
    }

    /// Whether a span can have any number of values of it. Its groups do not add up to the whole: a
    /// span without one stands in none of them, a span with two in both.
    pub fn is_set(self) -> bool {
        matches!(self, Self::Rule | Self::Category)
    }

    /// The dimension of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|d| d.as_str() == name)
    }
}

/// Sums of one cell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measures {
    /// Traces that start in it (a trace is counted where its first-committed span starts).
    pub traces: u64,
    /// Terminal spans (running ones are not counted).
    pub spans: u64,
    /// Failed spans.
    pub errors: u64,
    /// Counted leaf calls.
    pub calls: u64,
    /// Usage of counted leaf calls.
    pub usage: Usage,
    /// Known cost of counted leaf calls, nano-USD.
    pub cost_nano_usd: i64,
    /// Counted leaf calls with unknown cost.
    pub cost_unknown: u64,
    /// Latency percentiles of spans, nanoseconds, from log buckets (error at most 3 %).
    pub latency: Percentiles,
    /// Time to first token percentiles, nanoseconds.
    pub ttft: Percentiles,
}

/// Percentiles in nanoseconds; zero where there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Percentiles {
    /// How many values.
    pub count: u64,
    /// Median.
    pub p50: i64,
    /// 90th.
    pub p90: i64,
    /// 95th.
    pub p95: i64,
    /// 99th.
    pub p99: i64,
    /// Largest.
    pub max: i64,
}

/// A step of a series.
#[derive(Debug, Clone)]
pub struct Series {
    /// Start of the step.
    pub start: Nanos,
    /// Its sums.
    pub measures: Measures,
}

/// One value of the dimension.
#[derive(Debug, Clone)]
pub struct Group {
    /// The value; none for spans without one.
    pub value: Option<String>,
    /// Its sums.
    pub measures: Measures,
    /// Its series.
    pub series: Vec<Series>,
}

/// The answer.
#[derive(Debug, Clone, Default)]
pub struct Analytics {
    /// Sums of all.
    pub totals: Measures,
    /// Steps of all, empty steps included.
    pub series: Vec<Series>,
    /// Groups, largest span count first.
    pub groups: Vec<Group>,
    /// What the cut-off groups add up to; of a [set](Dimension::is_set), a span that stands in
    /// several of them as often.
    pub other: Option<Measures>,
}
