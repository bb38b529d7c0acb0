//! Requests as clients send them.

use exhibit_capture::{Context, Decoded, Encoding, map, otlp};
use exhibit_model::{Limits, Nanos, Span};
use serde_json::{Value, json};

pub(crate) const NOW: Nanos = Nanos(1_800_000_100_000_000_000);
pub(crate) const START: &str = "1800000000000000000";
pub(crate) const END: &str = "1800000001500000000";
pub(crate) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub(crate) const SPAN: &str = "00f067aa0ba902b7";

pub(crate) fn with<T>(run: impl FnOnce(&Context) -> T) -> T {
    let limits = Limits::default();
    run(&Context { received: NOW, limits: &limits, labels: &[] })
}

/// An attribute value in OTLP JSON.
pub(crate) fn any(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(b) => json!({"boolValue": b}),
        Value::Number(n) if n.is_f64() => json!({"doubleValue": n}),
        Value::Number(n) => json!({"intValue": n.to_string()}),
        Value::String(s) => json!({"stringValue": s}),
        Value::Array(items) => {
            json!({"arrayValue": {"values": items.iter().map(any).collect::<Vec<_>>()}})
        }
        Value::Object(_) => json!({"kvlistValue": {"values": pairs(value)}}),
    }
}

/// Attributes in OTLP JSON.
pub(crate) fn pairs(attributes: &Value) -> Value {
    let map = attributes.as_object().cloned().unwrap_or_default();
    map.iter().map(|(k, v)| json!({"key": k, "value": any(v)})).collect()
}

/// A span in OTLP JSON.
pub(crate) fn otlp_span(name: &str, attributes: Value) -> Value {
    json!({
        "traceId": TRACE, "spanId": SPAN, "name": name, "kind": 3,
        "startTimeUnixNano": START, "endTimeUnixNano": END,
        "attributes": pairs(&attributes), "status": {}
    })
}

/// A request of one span.
pub(crate) fn request(scope: &str, resource: Value, span: Value) -> Value {
    json!({"resourceSpans": [{
        "resource": {"attributes": pairs(&resource)},
        "scopeSpans": [{"scope": {"name": scope, "version": "1.2.3"}, "spans": [span]}]
    }]})
}

pub(crate) fn traces(request: &Value) -> Decoded {
    with(|context| otlp::traces(request.to_string().as_bytes(), Encoding::Json, context)).unwrap()
}

pub(crate) fn logs(request: &Value) -> Decoded {
    with(|context| otlp::logs(request.to_string().as_bytes(), Encoding::Json, context)).unwrap()
}

/// A mapped span of a scope with attributes.
pub(crate) fn mapped(scope: &str, name: &str, attributes: Value) -> Span {
    let mut decoded = traces(&request(scope, json!({}), otlp_span(name, attributes)));
    assert_eq!(decoded.rejected, vec![]);
    let mut span = decoded.spans.remove(0);
    map(&mut span);
    span
}

/// The same with events, each `(name, attributes)`.
pub(crate) fn mapped_with_events(scope: &str, attributes: Value, events: &[(&str, Value)]) -> Span {
    let mut span = otlp_span("chat", attributes);
    span["events"] = events
        .iter()
        .map(|(name, attributes)| {
            json!({"name": name, "timeUnixNano": START, "attributes": pairs(attributes)})
        })
        .collect();
    let mut span = traces(&request(scope, json!({}), span)).spans.remove(0);
    map(&mut span);
    span
}

/// What snapshots show: the mapped header, the content, and the part of each attribute.
pub(crate) fn shown(span: &Span) -> Value {
    let mut header = serde_json::to_value(span).unwrap();
    let map = header.as_object_mut().unwrap();
    for same in
        ["trace_id", "span_id", "door", "received", "start", "end", "mapping_version", "cost"]
    {
        map.shift_remove(same);
    }
    let parts: Value = span
        .attributes
        .iter()
        .filter(|a| a.part != exhibit_model::Part::Attributes)
        .map(|a| format!("{}: {}", a.part.as_str(), a.key))
        .collect();
    json!({"header": header, "provenance": span.provenance, "content": exhibit_capture::content(span), "parts": parts})
}
