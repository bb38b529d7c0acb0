//! Sums over time.

use exhibit_model::Usage;
use exhibit_store::{Analytics, Group, Measures, Series, analytics::Percentiles};
use serde::Serialize;
use utoipa::ToSchema;

use super::ms;

/// Sums, a series, and a breakdown where one was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnalyticsView {
    /// Start of the range, RFC 3339.
    pub(crate) from: String,
    /// End of the range (not in it), RFC 3339.
    pub(crate) to: String,
    /// Width of a step of the series, seconds.
    pub(crate) step_s: u64,
    /// What it is broken down by.
    pub(crate) group_by: Option<&'static str>,
    /// Sums of all.
    totals: MeasuresView,
    /// Steps of all, empty ones included.
    series: Vec<StepView>,
    /// The breakdown, most spans first.
    groups: Vec<GroupView>,
    /// What groups beyond the largest add up to.
    other: Option<MeasuresView>,
}

/// Sums.
#[derive(Debug, Serialize, ToSchema)]
struct MeasuresView {
    /// Traces that start in it.
    traces: u64,
    /// Ended spans.
    spans: u64,
    /// Failed spans.
    errors: u64,
    /// Model calls counted.
    calls: u64,
    /// Input tokens.
    tokens_in: u64,
    /// Output tokens.
    tokens_out: u64,
    /// Both.
    tokens_total: u64,
    /// Usage in disjoint buckets.
    #[schema(value_type = Object)]
    usage: Usage,
    /// Known cost, billionths of a US dollar.
    cost_nano_usd: String,
    /// The same in US dollars, for people.
    cost_usd: f64,
    /// Calls whose cost is unknown and not in the sum.
    cost_unknown_calls: u64,
    /// Latency of spans, milliseconds.
    latency_ms: PercentilesView,
    /// Time to the first token, milliseconds.
    ttft_ms: PercentilesView,
}

/// Percentiles; null where there is no value.
#[derive(Debug, Serialize, ToSchema)]
struct PercentilesView {
    count: u64,
    p50: Option<f64>,
    p90: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
    max: Option<f64>,
}

/// A step of a series.
#[derive(Debug, Serialize, ToSchema)]
struct StepView {
    /// Start of the step, RFC 3339.
    start: String,
    #[serde(flatten)]
    measures: MeasuresView,
}

/// One value of the dimension.
#[derive(Debug, Serialize, ToSchema)]
struct GroupView {
    /// The value; null for spans without one.
    value: Option<String>,
    #[serde(flatten)]
    measures: MeasuresView,
    /// Its series.
    series: Vec<StepView>,
}

impl AnalyticsView {
    pub(crate) fn of(analytics: &Analytics, query: &exhibit_store::AnalyticsQuery) -> Self {
        Self {
            from: query.from.to_rfc3339(),
            to: query.to.to_rfc3339(),
            step_s: query.step_s,
            group_by: query.group_by.map(exhibit_store::Dimension::as_str),
            totals: MeasuresView::of(&analytics.totals),
            series: analytics.series.iter().map(StepView::of).collect(),
            groups: analytics.groups.iter().map(GroupView::of).collect(),
            other: analytics.other.as_ref().map(MeasuresView::of),
        }
    }
}

impl MeasuresView {
    fn of(m: &Measures) -> Self {
        let (tokens_in, tokens_out) = (m.usage.input_tokens(), m.usage.output_tokens());
        Self {
            traces: m.traces,
            spans: m.spans,
            errors: m.errors,
            calls: m.calls,
            tokens_in,
            tokens_out,
            tokens_total: tokens_in.saturating_add(tokens_out),
            usage: m.usage,
            cost_nano_usd: m.cost_nano_usd.to_string(),
            cost_usd: exhibit_model::NanoUsd(m.cost_nano_usd).to_usd(),
            cost_unknown_calls: m.cost_unknown,
            latency_ms: PercentilesView::of(&m.latency),
            ttft_ms: PercentilesView::of(&m.ttft),
        }
    }
}

impl PercentilesView {
    fn of(p: &Percentiles) -> Self {
        let value = |nanos: i64| (p.count > 0).then(|| ms(exhibit_model::Nanos(nanos)));
        Self {
            count: p.count,
            p50: value(p.p50),
            p90: value(p.p90),
            p95: value(p.p95),
            p99: value(p.p99),
            max: value(p.max),
        }
    }
}

impl StepView {
    fn of(step: &Series) -> Self {
        Self { start: step.start.to_rfc3339(), measures: MeasuresView::of(&step.measures) }
    }
}

impl GroupView {
    fn of(group: &Group) -> Self {
        Self {
            value: group.value.clone(),
            measures: MeasuresView::of(&group.measures),
            series: group.series.iter().map(StepView::of).collect(),
        }
    }
}
