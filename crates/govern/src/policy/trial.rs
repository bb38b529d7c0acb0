//! Tests that a policy file carries: a span, and what the rule must say of it.

use exhibit_model::{
    Attribute, Door, Json, NanoUsd, Nanos, Part, Span, SpanId, SpanKind, Status, TraceId, Usage,
};
use serde::Deserialize;

use super::{
    budget::{Spending, Spent},
    window::Window,
};
use crate::sample::Sample;

/// One test of a rule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trial {
    given: Given,
    /// The rule's actions as words; empty when it must not apply.
    pub(crate) expect: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    span: Option<RawSpan>,
    trace: Option<RawTrace>,
    /// What a budget has spent before.
    #[serde(default)]
    spent: RawSpent,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(deny_unknown_fields, default)]
struct RawSpent {
    usd: f64,
    tokens: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTrace {
    spans: Vec<RawSpan>,
    /// When a reviewer approved something, milliseconds after the trace began.
    #[serde(default)]
    approved_at_ms: Vec<i64>,
}

/// A user's id, or more about them: `{id: ann, region: EU}`.
#[derive(Deserialize, Clone)]
#[serde(untagged)]
enum RawUser {
    Id(String),
    Facts(std::collections::BTreeMap<String, String>),
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawSpan {
    id: Option<String>,
    parent: Option<String>,
    start_ms: i64,
    name: Option<String>,
    kind: Option<SpanKind>,
    model: Option<String>,
    provider: Option<String>,
    agent: Option<String>,
    user: Option<RawUser>,
    session: Option<String>,
    environment: Option<String>,
    service: Option<String>,
    status: Option<Status>,
    tool: Option<String>,
    tags: Vec<String>,
    metadata: std::collections::BTreeMap<String, String>,
    cost_usd: Option<f64>,
    tokens: Option<u64>,
    latency_ms: Option<u64>,
    input: Option<Sample>,
    output: Option<Sample>,
    attributes: std::collections::BTreeMap<String, Sample>,
}

impl Trial {
    /// The span, or the spans of the trace, in order.
    pub(crate) fn spans(&self) -> Result<Vec<Span>, String> {
        match (&self.given.span, &self.given.trace) {
            (Some(span), None) => Ok(vec![span.span(0)?]),
            (None, Some(trace)) => {
                let spans = trace.spans.iter().enumerate().map(|(n, span)| span.span(n));
                let mut spans = spans.collect::<Result<Vec<_>, _>>()?;
                spans.sort_by(|a, b| {
                    (a.start, a.span_id.as_str()).cmp(&(b.start, b.span_id.as_str()))
                });
                Ok(spans)
            }
            _ => Err("`given` needs either `span` or `trace`".to_owned()),
        }
    }

    /// Whether a whole trace is given.
    pub(crate) fn is_of_trace(&self) -> bool {
        self.given.trace.is_some()
    }

    /// When reviewers approved.
    pub(crate) fn approvals(&self) -> Vec<Nanos> {
        let at = self.given.trace.iter().flat_map(|trace| &trace.approved_at_ms);
        at.map(|ms| Nanos(ms.saturating_mul(1_000_000))).collect()
    }
}

impl Spending for Trial {
    fn spent(&self, _: &str, _: &str, _: Window) -> Spent {
        let RawSpent { usd, tokens } = self.given.spent;
        Spent { nano_usd: NanoUsd::from_usd(usd).map_or(0, |n| n.0), tokens }
    }
}

impl RawSpan {
    fn span(&self, number: usize) -> Result<Span, String> {
        let raw = self;
        let id = raw.id.clone().unwrap_or_else(|| format!("s{number:04}"));
        let ids = ("trial".parse::<TraceId>(), id.parse::<SpanId>());
        let (Ok(trace), Ok(id)) = ids else { return Err("a span's id is not one".to_owned()) };
        let mut span = Span::new(trace, id, Door::Server);
        if let Some(parent) = &raw.parent {
            let parent = parent.parse().map_err(|_| "a parent's id is not one".to_owned())?;
            span.parent_id = Some(parent);
        }
        span.name.clone_from(&raw.name);
        span.kind = raw.kind;
        span.model.clone_from(&raw.model);
        span.provider.clone_from(&raw.provider);
        span.agent.clone_from(&raw.agent);
        span.session.clone_from(&raw.session);
        span.environment.clone_from(&raw.environment);
        span.service.clone_from(&raw.service);
        span.tool.clone_from(&raw.tool);
        span.tags.clone_from(&raw.tags);
        span.metadata.clone_from(&raw.metadata);
        match &raw.user {
            None => {}
            Some(RawUser::Id(id)) => span.user = Some(id.clone()),
            Some(RawUser::Facts(facts)) => {
                for (key, value) in facts {
                    if key == "id" {
                        span.user = Some(value.clone());
                    } else {
                        span.metadata.insert(format!("user.{key}"), value.clone());
                    }
                }
            }
        }
        span.status = raw.status.unwrap_or(Status::Ok);
        span.cost.amount = raw.cost_usd.and_then(NanoUsd::from_usd);
        span.usage = raw.tokens.map(|n| Usage { input_uncached: n, ..Usage::default() });
        let start = raw.start_ms.saturating_mul(1_000_000);
        span.start = Some(Nanos(start));
        if let Some(latency) = raw.latency_ms {
            let nanos = i64::try_from(latency).unwrap_or(i64::MAX).saturating_mul(1_000_000);
            span.end = Some(Nanos(start.saturating_add(nanos)));
        }
        let texts = [("input", &raw.input, Part::Input), ("output", &raw.output, Part::Output)];
        let texts =
            texts.into_iter().filter_map(|(key, text, part)| Some((key, text.as_ref()?, part)));
        let others =
            raw.attributes.iter().map(|(key, text)| (key.as_str(), text, Part::Attributes));
        for (key, text, part) in texts.chain(others) {
            let value = Json::String(text.text()?);
            span.attributes.push(Attribute { key: key.to_owned(), value, part });
        }
        Ok(span)
    }
}
