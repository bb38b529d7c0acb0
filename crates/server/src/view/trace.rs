//! A trace in lists and on its own.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_model::{TraceSummary, Usage};
use exhibit_store::TraceRow;
use serde::Serialize;
use utoipa::ToSchema;

use super::ms;

/// A trace as lists show it.
#[derive(Debug, Serialize, ToSchema)]
#[allow(clippy::struct_field_names, reason = "the API calls it trace_id")]
pub(crate) struct Trace {
    /// Its id.
    pub(crate) trace_id: String,
    /// The same, for readers that look for it here.
    pub(crate) id: String,
    /// Its name: as registered, else the root span's.
    pub(crate) name: Option<String>,
    /// `running`, `ok`, `error` or `incomplete`.
    pub(crate) status: &'static str,
    /// How it stands with the rules: `pass`, `warning`, `fail`, `review`, `quarantined`.
    pub(crate) verdict: &'static str,
    /// Agent of the trace as a whole.
    pub(crate) agent_name: Option<String>,
    /// Agents that any of its spans names.
    pub(crate) agents: BTreeSet<String>,
    /// Session or conversation.
    pub(crate) session_id: Option<String>,
    /// End user of the trace as a whole.
    pub(crate) user_id: Option<String>,
    /// End users that any of its spans names.
    pub(crate) users: BTreeSet<String>,
    /// Environment.
    pub(crate) environment: Option<String>,
    /// Application version.
    pub(crate) version: Option<String>,
    /// Sending service.
    pub(crate) service: Option<String>,
    /// Tags of all spans.
    pub(crate) tags: BTreeSet<String>,
    /// Metadata of all spans.
    pub(crate) metadata: BTreeMap<String, String>,
    /// Earliest start, RFC 3339.
    pub(crate) start_time: String,
    /// Latest end, RFC 3339.
    pub(crate) end_time: Option<String>,
    /// Earliest start, nanoseconds since the epoch.
    pub(crate) start_ns: String,
    /// Latest end, nanoseconds since the epoch.
    pub(crate) end_ns: Option<String>,
    /// From the earliest start to the latest end, milliseconds.
    pub(crate) duration_ms: Option<f64>,
    /// Spans.
    pub(crate) span_count: u64,
    /// Spans still running.
    pub(crate) running_count: u64,
    /// Spans that failed.
    pub(crate) error_count: u64,
    /// The root span.
    pub(crate) root_span_id: Option<String>,
    /// Models.
    pub(crate) models: BTreeSet<String>,
    /// Providers.
    pub(crate) providers: BTreeSet<String>,
    /// Tools.
    pub(crate) tools: BTreeSet<String>,
    /// Kinds of spans.
    pub(crate) kinds: Vec<&'static str>,
    /// Input tokens that count, caches included.
    pub(crate) tokens_in: u64,
    /// Output tokens that count, reasoning included.
    pub(crate) tokens_out: u64,
    /// Both.
    pub(crate) tokens_total: u64,
    /// Usage in disjoint buckets.
    #[schema(value_type = Object)]
    pub(crate) usage: Usage,
    /// US dollars, for people. Null when unknown; unknown is never 0.
    pub(crate) cost: Option<f64>,
    /// Billionths of a US dollar, exact.
    pub(crate) cost_nano_usd: Option<String>,
    /// Where the costs of the calls come from: `agent`, `table`, `default`, `none`.
    pub(crate) cost_sources: Vec<&'static str>,
    /// The weakest of them.
    pub(crate) cost_source: &'static str,
    /// Calls whose cost is unknown and not in the sum.
    pub(crate) cost_unknown_calls: u64,
    /// Whether a container reports other usage than its calls add up to.
    pub(crate) usage_mismatch: bool,
    /// Findings of all spans.
    pub(crate) findings: u64,
    /// What they are about: `pii`, `secret`, `injection`, `term`.
    pub(crate) categories: Vec<&'static str>,
    /// Rules that spoke against it or a span of it, as `policy/rule`.
    pub(crate) rules: BTreeSet<String>,
    /// How its reviews stand, each state once; empty in live events.
    pub(crate) reviews: Vec<&'static str>,
    /// Whether any span is kept apart.
    pub(crate) quarantined: bool,
    /// Short text of the root's input.
    pub(crate) input_preview: Option<String>,
    /// Short text of the root's output.
    pub(crate) output_preview: Option<String>,
    /// Its latest seal.
    pub(crate) seal: Option<Seal>,
    /// When we first heard of it, RFC 3339.
    pub(crate) received_at: String,
    /// When it last changed, RFC 3339.
    pub(crate) updated_at: String,
}

/// A seal over a trace.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Seal {
    /// Index in the workspace's log.
    index: u64,
    /// Span records covered.
    covered: u64,
    /// Root over them, hex.
    root: String,
    /// The trace was not over.
    partial: bool,
    /// It followed an earlier final seal.
    late: bool,
}

impl Trace {
    pub(crate) fn of(row: &TraceRow) -> Self {
        let mut view = Self::summary(&row.summary);
        view.seal = row.seal.as_ref().map(|seal| Seal {
            index: seal.index,
            covered: seal.covered,
            root: hex::encode(seal.root),
            partial: seal.partial,
            late: seal.late,
        });
        view.reviews = row.reviews.iter().map(|state| state.as_str()).collect();
        view.received_at = row.first_received.to_rfc3339();
        view.updated_at = row.last_received.to_rfc3339();
        view
    }

    /// Of a summary alone, as live events carry it.
    pub(crate) fn summary(trace: &TraceSummary) -> Self {
        let usage = trace.usage();
        let cost = trace.cost();
        let sources: Vec<_> = trace.cost_sources.iter().map(|s| s.as_str()).collect();
        let weakest = match (sources.last(), cost) {
            (Some(source), _) => source,
            (None, Some(_)) => "agent",
            (None, None) => "none",
        };
        Self {
            trace_id: trace.trace_id.to_string(),
            id: trace.trace_id.to_string(),
            name: trace.name.clone(),
            status: trace.status().as_str(),
            verdict: trace.verdict.as_str(),
            agent_name: trace.agent.clone(),
            agents: trace.agents.clone(),
            session_id: trace.session.clone(),
            user_id: trace.user.clone(),
            users: trace.users.clone(),
            environment: trace.environment.clone(),
            version: trace.version.clone(),
            service: trace.service.clone(),
            tags: trace.tags.clone(),
            metadata: trace.metadata.clone(),
            start_time: trace.start.to_rfc3339(),
            end_time: trace.end.map(exhibit_model::Nanos::to_rfc3339),
            start_ns: trace.start.to_string(),
            end_ns: trace.end.map(|t| t.to_string()),
            duration_ms: trace.duration().map(ms),
            span_count: trace.span_count,
            running_count: trace.running_count,
            error_count: trace.error_count,
            root_span_id: trace.root.as_ref().map(ToString::to_string),
            models: trace.models.clone(),
            providers: trace.providers.clone(),
            tools: trace.tools.clone(),
            kinds: trace.kinds.iter().map(|k| k.as_str()).collect(),
            tokens_in: usage.input_tokens(),
            tokens_out: usage.output_tokens(),
            tokens_total: usage.input_tokens().saturating_add(usage.output_tokens()),
            usage,
            cost: cost.map(exhibit_model::NanoUsd::to_usd),
            cost_nano_usd: cost.map(|c| c.0.to_string()),
            cost_source: weakest,
            cost_sources: sources,
            cost_unknown_calls: trace.leaf_cost_unknown,
            usage_mismatch: trace.usage_mismatch(),
            findings: trace.findings,
            categories: trace.categories.iter().map(|c| c.as_str()).collect(),
            rules: trace.rules.clone(),
            reviews: Vec::new(),
            quarantined: trace.quarantined,
            input_preview: trace.input_preview.clone(),
            output_preview: trace.output_preview.clone(),
            seal: None,
            received_at: trace.start.to_rfc3339(),
            updated_at: trace.end.unwrap_or(trace.start).to_rfc3339(),
        }
    }
}
