//! Whether an agent behaves, or is asked, otherwise than before: metrics and prompts of the last days
//! compared with those of a baseline before them, agent by agent, from stored traces.
//!
//! Every answer states its test. Medians are compared by the Mann-Whitney U test, rates by the
//! two-proportion z-test (`statistics`); prompts by the cosine distance of their word frequencies with
//! a permutation test (`words`). A shift counts as drift when it is both significant and large
//! enough to matter; with too few traces the answer says so instead of guessing.

mod statistics;
mod words;

use std::collections::BTreeMap;

use exhibit_model::{Json, Nanos, Span, SpanKind, TraceSummary, WorkspaceId};
use exhibit_store::Order;

use crate::{Error, Recorder};

pub use statistics::Shift;
pub use words::PromptShift;

/// Traces per window that are looked at: enough for a test to see a shift of a few percent.
const TRACES_MAX: usize = 5_000;
/// Traces per window whose prompts are read.
const PROMPT_TRACES_MAX: usize = 300;
/// Spans of a trace whose prompts are read.
const PROMPT_SPANS_MAX: usize = 20;
/// Text of one trace's prompts, bytes.
const PROMPT_BYTES_MAX: usize = 16 << 10;
const DAY_NS: f64 = 86_400e9;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// From the earliest start to the latest end, milliseconds.
    Latency,
    /// Share of traces that failed.
    ErrorRate,
    /// Input and output tokens.
    Tokens,
    /// Input tokens.
    TokensIn,
    /// Output tokens.
    TokensOut,
    /// US dollars.
    Cost,
    /// Spans of a trace.
    Spans,
}

impl Metric {
    /// All, in order.
    pub const ALL: [Self; 7] = [
        Self::Latency,
        Self::ErrorRate,
        Self::Tokens,
        Self::TokensIn,
        Self::TokensOut,
        Self::Cost,
        Self::Spans,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::ErrorRate => "error_rate",
            Self::Tokens => "total_tokens",
            Self::TokensIn => "input_tokens",
            Self::TokensOut => "output_tokens",
            Self::Cost => "cost",
            Self::Spans => "span_count",
        }
    }

    /// The metric a client's word names.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word.trim().to_ascii_lowercase().replace('-', "_").as_str() {
            "latency" | "latency_ms" | "duration" | "duration_ms" => Self::Latency,
            "error_rate" | "errors" | "failure_rate" | "success_rate" => Self::ErrorRate,
            "tokens" | "total_tokens" | "token_usage" => Self::Tokens,
            "input_tokens" | "tokens_in" | "prompt_tokens" => Self::TokensIn,
            "output_tokens" | "tokens_out" | "completion_tokens" => Self::TokensOut,
            "cost" | "cost_usd" => Self::Cost,
            "spans" | "span_count" | "steps" => Self::Spans,
            _ => return None,
        })
    }

    fn of(self, trace: &TraceSummary) -> Option<f64> {
        let usage = trace.usage();
        let tokens = |n: u64| (n > 0).then_some(n as f64);
        match self {
            Self::Latency => {
                let end = trace.end?.0.checked_sub(trace.start.0).filter(|ns| *ns >= 0)?;
                Some(end as f64 / 1e6)
            }
            Self::ErrorRate => Some(f64::from(u8::from(trace.error_count > 0))),
            Self::Tokens => tokens(usage.input_tokens().saturating_add(usage.output_tokens())),
            Self::TokensIn => tokens(usage.input_tokens()),
            Self::TokensOut => tokens(usage.output_tokens()),
            Self::Cost => trace.cost().map(exhibit_model::NanoUsd::to_usd),
            Self::Spans => Some(trace.span_count as f64),
        }
    }
}

/// Two windows that end and begin at the same moment.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    /// Days up to now.
    pub current_days: f64,
    /// Days before those.
    pub baseline_days: f64,
}

/// A metric of an agent in both windows.
#[derive(Debug, Clone)]
pub struct MetricDrift {
    /// The agent.
    pub agent: String,
    /// The metric.
    pub metric: Metric,
    /// The comparison.
    pub shift: Shift,
}

/// The prompts of an agent in both windows.
#[derive(Debug, Clone)]
pub struct PromptDrift {
    /// The agent.
    pub agent: String,
    /// The comparison.
    pub shift: PromptShift,
}

/// Traces of an agent, before and now.
#[derive(Default)]
struct Sides {
    baseline: Vec<std::sync::Arc<TraceSummary>>,
    current: Vec<std::sync::Arc<TraceSummary>>,
}

impl Recorder {
    /// Compares metrics, agent by agent.
    pub async fn metric_drift(
        &self,
        workspace: WorkspaceId,
        windows: Windows,
        metrics: &[Metric],
    ) -> Result<Vec<MetricDrift>, Error> {
        let agents = self.sides(workspace, windows, TRACES_MAX).await?;
        let mut out = Vec::new();
        for (agent, sides) in agents {
            for metric in metrics {
                let values = |side: &[std::sync::Arc<TraceSummary>]| -> Vec<f64> {
                    side.iter().filter_map(|trace| metric.of(trace)).collect()
                };
                let (before, now) = (values(&sides.baseline), values(&sides.current));
                let shift = match metric {
                    Metric::ErrorRate => statistics::proportions(&before, &now),
                    _ => statistics::mann_whitney(&before, &now),
                };
                out.push(MetricDrift { agent: agent.clone(), metric: *metric, shift });
            }
        }
        Ok(out)
    }

    /// Compares what agents are asked.
    pub async fn prompt_drift(
        &self,
        workspace: WorkspaceId,
        windows: Windows,
        threshold: f64,
    ) -> Result<Vec<PromptDrift>, Error> {
        let agents = self.sides(workspace, windows, PROMPT_TRACES_MAX).await?;
        let mut out = Vec::new();
        for (agent, sides) in agents {
            let before = self.prompts(workspace, &sides.baseline).await?;
            let now = self.prompts(workspace, &sides.current).await?;
            let compared =
                tokio::task::spawn_blocking(move || words::compare(&before, &now, threshold)).await;
            let shift =
                compared.map_err(|_| Error::Internal("a comparison was broken off".to_owned()))?;
            out.push(PromptDrift { agent, shift });
        }
        Ok(out)
    }

    async fn sides(
        &self,
        workspace: WorkspaceId,
        windows: Windows,
        most: usize,
    ) -> Result<BTreeMap<String, Sides>, Error> {
        let now = self.now();
        let back =
            |days: f64| Nanos(now.0.saturating_sub((days.clamp(0.0, 36_500.0) * DAY_NS) as i64));
        let turn = back(windows.current_days);
        let first = back(windows.current_days + windows.baseline_days);
        let mut agents: BTreeMap<String, Sides> = BTreeMap::new();
        for (from, to, current) in [(first, turn, false), (turn, Nanos(i64::MAX), true)] {
            let mut filter = format!("time >= \"{}\"", from.to_rfc3339());
            if !current {
                filter.push_str(&format!(" and time < \"{}\"", to.to_rfc3339()));
            }
            let (mut after, mut seen) = (None, 0);
            while seen < most {
                let rows = self.limits.page_rows_max.min(most - seen);
                let page = self.traces(workspace, &filter, Order::Newest, after, rows).await?;
                seen += page.rows.len();
                for row in page.rows {
                    let trace = row.summary;
                    if trace.running_count > 0 {
                        continue;
                    }
                    let name = trace.agent.clone().or_else(|| trace.name.clone());
                    let sides = agents.entry(name.unwrap_or_default()).or_default();
                    if current { &mut sides.current } else { &mut sides.baseline }.push(trace);
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(agents)
    }

    /// What was asked in each of these traces.
    async fn prompts(
        &self,
        workspace: WorkspaceId,
        traces: &[std::sync::Arc<TraceSummary>],
    ) -> Result<Vec<String>, Error> {
        let mut prompts = Vec::with_capacity(traces.len());
        for trace in traces {
            let id = &trace.trace_id;
            let found = self.trace_with_spans(workspace, id, PROMPT_SPANS_MAX).await?;
            let Some((_, details)) = found else { continue };
            let asks = |span: &Span| span.kind() == SpanKind::Llm || span.parent_id.is_none();
            let mut text = String::new();
            for detail in details.iter().filter(|d| asks(&d.span)) {
                for message in &detail.content.input_messages {
                    let parts = serde_json::to_value(&message.parts).unwrap_or_default();
                    texts(&parts, &mut text);
                }
                if detail.content.input_messages.is_empty()
                    && let Some(input) = &detail.content.input
                {
                    texts(input, &mut text);
                }
            }
            if !text.trim().is_empty() {
                prompts.push(text);
            }
        }
        Ok(prompts)
    }
}

/// Every text of a value, up to a bound.
fn texts(value: &Json, out: &mut String) {
    if out.len() > PROMPT_BYTES_MAX {
        return;
    }
    match value {
        Json::String(text) => {
            out.extend(text.chars().take(PROMPT_BYTES_MAX));
            out.push(' ');
        }
        Json::Array(items) => items.iter().for_each(|item| texts(item, out)),
        Json::Object(map) => {
            let said = |key: &str| !matches!(key, "type" | "role" | "id" | "name");
            map.iter().filter(|(key, _)| said(key)).for_each(|(_, value)| texts(value, out));
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}
