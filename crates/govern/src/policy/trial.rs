//! Tests that a policy file carries: a span, and what the rule must say of it.

use exhibit_model::{
    Attribute, Door, Json, NanoUsd, Nanos, Part, Span, SpanId, SpanKind, Status, TraceId, Usage,
};
use serde::Deserialize;

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
    span: RawSpan,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawSpan {
    name: Option<String>,
    kind: Option<SpanKind>,
    model: Option<String>,
    provider: Option<String>,
    agent: Option<String>,
    user: Option<String>,
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
    /// The span that is given.
    pub(crate) fn span(&self) -> Result<Span, String> {
        let raw = &self.given.span;
        let ids = ("trial".parse::<TraceId>(), "trial".parse::<SpanId>());
        let (Ok(trace), Ok(id)) = ids else { return Err("has no identity".to_owned()) };
        let mut span = Span::new(trace, id, Door::Server);
        span.name.clone_from(&raw.name);
        span.kind = raw.kind;
        span.model.clone_from(&raw.model);
        span.provider.clone_from(&raw.provider);
        span.agent.clone_from(&raw.agent);
        span.user.clone_from(&raw.user);
        span.session.clone_from(&raw.session);
        span.environment.clone_from(&raw.environment);
        span.service.clone_from(&raw.service);
        span.tool.clone_from(&raw.tool);
        span.tags.clone_from(&raw.tags);
        span.metadata.clone_from(&raw.metadata);
        span.status = raw.status.unwrap_or(Status::Ok);
        span.cost.amount = raw.cost_usd.and_then(NanoUsd::from_usd);
        span.usage = raw.tokens.map(|n| Usage { input_uncached: n, ..Usage::default() });
        if let Some(latency) = raw.latency_ms {
            let nanos = i64::try_from(latency).unwrap_or(i64::MAX).saturating_mul(1_000_000);
            (span.start, span.end) = (Some(Nanos(0)), Some(Nanos(nanos)));
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
