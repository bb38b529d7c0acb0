//! Spans as OTLP requests in JSON (opentelemetry-proto, JSON encoding: ids in hex, 64-bit numbers as text).
//!
//! Attributes go out as they came. Spans of the native API get those of OpenTelemetry's GenAI conventions in
//! the place of reserved ones. Ids that are not those of OTLP are replaced by digests of them, and stand in
//! `exhibit.export.trace_id` and `exhibit.export.span_id`.

use exhibit_capture::dialect::convention::attributes_of;
use exhibit_model::{Json, JsonMap, Span, SpanKind, Status};
use exhibit_recorder::SpanDetail;
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// Prefix of attributes that only the server writes.
const RESERVED: &str = "exhibit.";
/// `SPAN_KIND_INTERNAL` and `SPAN_KIND_CLIENT`.
const INTERNAL: u8 = 1;
const CLIENT: u8 = 3;

/// One request with these spans.
pub(super) fn request(details: &[SpanDetail]) -> Json {
    let mut resources: Vec<Json> = Vec::new();
    for group in details.chunk_by(|a, b| a.span.resource == b.span.resource) {
        let scopes: Vec<Json> = group
            .chunk_by(|a, b| a.span.scope == b.span.scope)
            .map(|spans| {
                let scope = spans.first().map(|first| &first.span.scope);
                json!({
                    "scope": {
                        "name": scope.map_or("", |scope| scope.name.as_str()),
                        "version": scope.map_or("", |scope| scope.version.as_str()),
                    },
                    "spans": spans.iter().map(span).collect::<Vec<_>>(),
                })
            })
            .collect();
        let attributes = group.first().map(|first| attributes(&first.span.resource.attributes));
        resources.push(json!({
            "resource": { "attributes": attributes.unwrap_or_default() },
            "scopeSpans": scopes,
        }));
    }
    json!({ "resourceSpans": resources })
}

fn span(detail: &SpanDetail) -> Json {
    let span = &detail.span;
    let (trace, id) = (hex_id(span.trace_id.as_str(), 16), span_hex(span, span.span_id.as_str()));
    let mut all: JsonMap = span
        .attributes
        .iter()
        .filter(|a| !a.key.starts_with(RESERVED))
        .map(|a| (a.key.clone(), a.value.clone()))
        .collect();
    if span.attributes.iter().any(|a| a.key.starts_with(RESERVED)) {
        for (key, value) in attributes_of(span, &detail.content) {
            all.entry(key).or_insert(value);
        }
    }
    for (key, own, sent) in [
        ("exhibit.export.trace_id", span.trace_id.as_str(), &trace),
        ("exhibit.export.span_id", span.span_id.as_str(), &id),
    ] {
        if own != sent {
            all.insert(key.to_owned(), own.into());
        }
    }
    let events = span.events.iter().map(|event| {
        json!({
            "name": event.name, "timeUnixNano": event.time.to_string(),
            "attributes": attributes(&event.attributes),
        })
    });
    let links = span.links.iter().map(|link| {
        json!({
            "traceId": hex_id(link.trace_id.as_str(), 16),
            "spanId": hex_id(link.span_id.as_str(), 8),
            "attributes": attributes(&link.attributes),
        })
    });
    let code = match span.status {
        Status::Ok => 1,
        Status::Error => 2,
        _ => 0,
    };
    let mut out = json!({
        "traceId": trace,
        "spanId": id,
        "name": span.name.as_deref().unwrap_or_default(),
        "kind": if span.kind() == SpanKind::Llm { CLIENT } else { INTERNAL },
        "startTimeUnixNano": span.start.unwrap_or(span.received).0.max(0).to_string(),
        "attributes": attributes(&all),
        "events": events.collect::<Vec<_>>(),
        "links": links.collect::<Vec<_>>(),
        "status": { "code": code, "message": span.status_message.as_deref().unwrap_or_default() },
    });
    if let Some(end) = span.end {
        out["endTimeUnixNano"] = end.0.max(0).to_string().into();
    }
    if let Some(parent) = &span.parent_id {
        out["parentSpanId"] = span_hex(span, parent.as_str()).into();
    }
    out
}

fn attributes(all: &JsonMap) -> Vec<Json> {
    all.iter().map(|(key, value)| json!({ "key": key, "value": any(value) })).collect()
}

/// An `AnyValue`. Values are not nested deeper than they were when they came.
fn any(value: &Json) -> Json {
    match value {
        Json::Null => json!({}),
        Json::Bool(truth) => json!({ "boolValue": truth }),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => json!({ "intValue": whole.to_string() }),
            None => json!({ "doubleValue": number }),
        },
        Json::String(text) => json!({ "stringValue": text }),
        Json::Array(all) => {
            json!({ "arrayValue": { "values": all.iter().map(any).collect::<Vec<_>>() } })
        }
        Json::Object(map) => json!({ "kvlistValue": { "values": attributes(map) } }),
    }
}

/// An id of a span is unique within its trace only.
fn span_hex(span: &Span, id: &str) -> String {
    if is_hex(id, 8) {
        return id.to_ascii_lowercase();
    }
    hex_id(&format!("{}\n{id}", span.trace_id), 8)
}

fn hex_id(id: &str, bytes: usize) -> String {
    if is_hex(id, bytes) {
        return id.to_ascii_lowercase();
    }
    let digest = Sha256::digest(id.as_bytes());
    hex::encode(digest.get(..bytes).unwrap_or_default())
}

fn is_hex(id: &str, bytes: usize) -> bool {
    id.len() == bytes * 2
        && id.bytes().all(|b| b.is_ascii_hexdigit())
        && id.bytes().any(|b| b != b'0')
}
