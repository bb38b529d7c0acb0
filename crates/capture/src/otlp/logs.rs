//! Log records: content that belongs to a span, steps of coding agents, and everything else.

use std::sync::Arc;

use exhibit_model::{
    Attribute, Door, Event, Flag, InstrumentationScope, Json, JsonMap, Nanos, Resource, Span,
};

use super::raw::{Collector, Oddities, labels};
use crate::{
    dialect::{log::Record, registry},
    ids, read,
};

/// A log record as it stands in the request.
pub(super) struct RawRecord {
    pub(super) name: String,
    pub(super) time: Option<Nanos>,
    pub(super) trace_id: ids::Bytes<16>,
    pub(super) span_id: ids::Bytes<8>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) body: Option<Json>,
    pub(super) odd: Oddities,
}

/// Takes in one record.
pub(super) fn take(
    collector: &mut Collector,
    raw: RawRecord,
    resource: &Arc<Resource>,
    scope: &Arc<InstrumentationScope>,
) {
    let context = collector.context;
    let limits = context.limits;
    if raw.odd.bytes > limits.span_bytes_max
        || raw.attributes.len() > limits.attributes_per_span_max
    {
        collector.decoded.accepted_other += 1;
        return;
    }
    let record = Record {
        name: name(&raw),
        time: raw.time.unwrap_or_default(),
        trace_id: raw.trace_id.and_then(ids::trace),
        span_id: raw.span_id.and_then(ids::span),
        attributes: raw.attributes,
        body: raw.body,
        resource: Arc::clone(resource),
        scope: Arc::clone(scope),
        invalid_text: raw.odd.invalid_text,
    };
    for reader in registry().logs() {
        if let Some(mut spans) = reader(&record, context) {
            for span in &mut spans {
                span.attributes.extend(labels(context));
            }
            collector.decoded.spans.append(&mut spans);
            return;
        }
    }
    match joined(record, context.received) {
        Some(span) => collector.decoded.spans.push(span),
        None => collector.decoded.accepted_other += 1,
    }
}

/// The event's name: in its own field, in an attribute, or, with old exporters, in the body.
fn name(raw: &RawRecord) -> String {
    let mut name = raw.name.clone();
    if name.is_empty() {
        let attribute = raw.attributes.iter().find(|a| a.key == "event.name");
        attribute.and_then(|a| a.value.as_str()).unwrap_or_default().clone_into(&mut name);
    }
    if let Some(body) = raw.body.as_ref().and_then(Json::as_str)
        && (name.is_empty() || body.ends_with(&format!(".{name}")))
        && body.len() < 128
        && !body.contains(char::is_whitespace)
    {
        body.clone_into(&mut name);
    }
    read::scrub(&mut name);
    name
}

/// A running span that holds nothing but its identity and this content. Merging it with the real
/// span, in any order of arrival, puts the content where it belongs.
fn joined(record: Record, received: Nanos) -> Option<Span> {
    registry().event(&record.name)?;
    let mut span = Span::new(record.trace_id?, record.span_id?, Door::Otlp);
    span.received = received;
    let attributes: JsonMap = record
        .attributes
        .into_iter()
        .filter(|a| a.key != "event.name")
        .map(|a| (a.key, a.value))
        .collect();
    span.events.push(Event { name: record.name, time: record.time, attributes, body: record.body });
    if record.invalid_text {
        span.flag(Flag::InvalidText);
    }
    Some(span)
}
