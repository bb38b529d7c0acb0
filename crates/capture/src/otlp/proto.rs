//! The protobuf form. Texts are moved, never copied.

use std::sync::Arc;

use exhibit_model::{Event, InstrumentationScope, Link, Resource, SpanId, TraceId};
use opentelemetry_proto::tonic::{
    common::v1::InstrumentationScope as ProtoScope,
    metrics::v1::metric::Data,
    resource::v1::Resource as ProtoResource,
    trace::v1::{Span as ProtoSpan, span},
};
use prost::Message;

use super::{
    ExportLogsServiceRequest, ExportMetricsServiceRequest, ExportTraceServiceRequest,
    logs::{self, RawRecord},
    raw::{Collector, Oddities, RawSpan, stamp},
    value, wire,
};
use crate::{Context, DecodeError, Decoded, ids};

pub(super) fn traces(
    request: ExportTraceServiceRequest,
    context: &Context,
) -> Result<Decoded, DecodeError> {
    let mut collector = Collector::new(context);
    for (r, group) in request.resource_spans.into_iter().enumerate() {
        let resource = resource(group.resource);
        for (s, group) in group.scope_spans.into_iter().enumerate() {
            let scope = scope(group.scope);
            collector.decoded.spans.reserve(group.spans.len());
            for (n, span) in group.spans.into_iter().enumerate() {
                let index = collector.next()?;
                let pointer = || pointer(r, s, n);
                collector.take(index, pointer, raw_span(span), &resource, &scope);
            }
        }
    }
    Ok(collector.decoded)
}

fn pointer(r: usize, s: usize, n: usize) -> String {
    format!("/resourceSpans/{r}/scopeSpans/{s}/spans/{n}")
}

/// Decodes span by span what does not decode as a whole. `None` when not even the structure around
/// the spans is sound.
pub(super) fn salvage(body: &[u8], context: &Context) -> Option<Decoded> {
    let mut collector = Collector::new(context);
    for (r, group) in messages(body, 1)?.into_iter().enumerate() {
        let resource = match messages(group, 1)?.last() {
            Some(bytes) => ProtoResource::decode(*bytes).ok(),
            None => None,
        };
        let resource = self::resource(resource);
        for (s, group) in messages(group, 2)?.into_iter().enumerate() {
            let scope = match messages(group, 1)?.last() {
                Some(bytes) => ProtoScope::decode(*bytes).ok(),
                None => None,
            };
            let scope = self::scope(scope);
            for (n, bytes) in messages(group, 2)?.into_iter().enumerate() {
                let index = collector.next().ok()?;
                let pointer = || pointer(r, s, n);
                match ProtoSpan::decode(bytes) {
                    Ok(span) => {
                        collector.take(index, pointer, raw_span(span), &resource, &scope);
                    }
                    Err(error) => {
                        let reason = format!("the span does not decode: {error}");
                        collector.reject(index, pointer(), reason, (None, None));
                    }
                }
            }
        }
    }
    // When nothing is sound the body was hardly a damaged request of this type.
    (!collector.decoded.spans.is_empty()).then_some(collector.decoded)
}

/// The contents of every length-delimited field of a number.
fn messages(mut bytes: &[u8], number: u32) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (field, inner, rest) = wire::next(bytes)?;
        if field == number {
            found.push(inner?);
        }
        bytes = rest;
    }
    Some(found)
}

fn resource(resource: Option<ProtoResource>) -> Arc<Resource> {
    let mut odd = Oddities::default();
    let attributes = resource.map(|r| value::map(r.attributes, &mut odd)).unwrap_or_default();
    Arc::new(Resource { attributes })
}

fn scope(scope: Option<ProtoScope>) -> Arc<InstrumentationScope> {
    let mut odd = Oddities::default();
    Arc::new(scope.map_or_else(InstrumentationScope::default, |scope| InstrumentationScope {
        name: clean(scope.name),
        version: clean(scope.version),
        attributes: value::map(scope.attributes, &mut odd),
    }))
}

fn clean(mut text: String) -> String {
    crate::read::scrub(&mut text);
    text
}

fn raw_span(span: ProtoSpan) -> RawSpan {
    let mut odd = Oddities::default();
    let attributes = value::attributes(span.attributes, &mut odd);
    let events = span.events.into_iter().map(|e| event(e, &mut odd)).collect();
    let links = span.links.into_iter().filter_map(|l| link(l, &mut odd)).collect();
    let (code, message) = span.status.map(|s| (s.code, s.message)).unwrap_or_default();
    RawSpan {
        trace_id: ids::from_bytes(&span.trace_id),
        span_id: ids::from_bytes(&span.span_id),
        parent_id: ids::from_bytes(&span.parent_span_id),
        name: span.name,
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
        code,
        message,
        kind: span.kind,
        trace_state: span.trace_state,
        dropped: span.dropped_attributes_count,
        attributes,
        events,
        links,
        odd,
    }
}

fn event(event: span::Event, odd: &mut Oddities) -> Event {
    let mut name = event.name;
    odd.bytes += name.len();
    odd.invalid_text |= crate::read::scrub(&mut name);
    Event {
        name,
        time: stamp(event.time_unix_nano).unwrap_or_default(),
        attributes: value::map(event.attributes, odd),
        body: None,
    }
}

/// A link that points nowhere is left out.
fn link(link: span::Link, odd: &mut Oddities) -> Option<Link> {
    let trace_id: TraceId = ids::from_bytes(&link.trace_id).and_then(ids::trace)?;
    let span_id: SpanId = ids::from_bytes(&link.span_id).and_then(ids::span)?;
    Some(Link { trace_id, span_id, attributes: value::map(link.attributes, odd) })
}

pub(super) fn logs(
    request: ExportLogsServiceRequest,
    context: &Context,
) -> Result<Decoded, DecodeError> {
    let mut collector = Collector::new(context);
    for group in request.resource_logs {
        let resource = resource(group.resource);
        for group in group.scope_logs {
            let scope = scope(group.scope);
            for record in group.log_records {
                collector.next()?;
                let mut odd = Oddities::default();
                let raw = RawRecord {
                    name: record.event_name,
                    time: stamp(record.time_unix_nano)
                        .or_else(|| stamp(record.observed_time_unix_nano)),
                    trace_id: ids::from_bytes(&record.trace_id),
                    span_id: ids::from_bytes(&record.span_id),
                    attributes: value::attributes(record.attributes, &mut odd),
                    body: record.body.map(|body| value::json(body, &mut odd)),
                    odd,
                };
                logs::take(&mut collector, raw, &resource, &scope);
            }
        }
    }
    Ok(collector.decoded)
}

/// Data points of a request.
pub(super) fn points(request: &ExportMetricsServiceRequest) -> u64 {
    let scopes = request.resource_metrics.iter().flat_map(|group| &group.scope_metrics);
    scopes
        .flat_map(|group| &group.metrics)
        .map(|metric| match &metric.data {
            Some(Data::Gauge(data)) => data.data_points.len(),
            Some(Data::Sum(data)) => data.data_points.len(),
            Some(Data::Histogram(data)) => data.data_points.len(),
            Some(Data::ExponentialHistogram(data)) => data.data_points.len(),
            Some(Data::Summary(data)) => data.data_points.len(),
            None => 0,
        } as u64)
        .sum()
}
