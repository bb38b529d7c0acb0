//! Spans as rules see them, made of what lists know: no record is opened for a span of which nothing was
//! found and nothing said.

use exhibit_model::{Cost, Door, Nanos, Span, SpanHead, SpanId, TraceId, Verdict};

/// Whether a head tells all that rules ask for: nothing that counts was found in the span, and no rule has
/// spoken against it.
pub(super) fn is_plain(head: &SpanHead) -> bool {
    head.verdict == Verdict::Pass
        && head.findings == 0
        && head.rules.is_empty()
        && !head.quarantined
}

/// A span that stands for one head after the other.
pub(super) fn blank(trace: &TraceId) -> Span {
    Span::new(trace.clone(), SpanId::registration(), Door::Server)
}

/// Puts a head's facts on a span, in place of those of the head before.
pub(super) fn fill(span: &mut Span, head: SpanHead) {
    span.trace_id = head.trace_id;
    span.span_id = head.span_id;
    span.parent_id = head.parent_id;
    span.name = Some(head.name).filter(|name| !name.is_empty());
    span.kind = Some(head.kind);
    span.status = head.status;
    span.start = Some(head.start);
    span.end = head.end;
    span.received = Nanos::default();
    span.model = head.model;
    span.provider = head.provider;
    span.agent = head.agent;
    span.session = head.session;
    span.user = head.user;
    span.environment = head.environment;
    span.version = head.version;
    span.service = head.service;
    span.tool = head.tool;
    span.trace_name = head.trace_name;
    span.tags = head.tags;
    span.metadata = head.metadata;
    span.usage = head.usage;
    span.ttft = head.ttft;
    span.cost = Cost { amount: head.cost, ..Cost::default() };
    span.flags = head.flags;
    span.findings.clear();
    span.evaluations.clear();
    span.decision.actions.clear();
}
