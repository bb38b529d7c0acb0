//! A row of Phoenix' table of spans as OTLP: columns `context.*`, times, status, events, and one
//! column per attribute below `attributes.`.

use exhibit_model::{Json, JsonMap, Nanos};
use serde_json::json;

use crate::{read, stamp};

const ATTRIBUTES: &str = "attributes.";
/// Deepest structure of a column that is flattened.
const DEPTH_MAX: usize = 32;

/// One row. What is missing or wrong is left for the door to say.
pub(super) fn resource_spans(row: Json) -> Json {
    let Json::Object(row) = row else { return row };
    let mut attributes: Vec<Json> = Vec::new();
    let text = |name: &str| row.get(name).and_then(Json::as_str).unwrap_or_default();
    if let Some(kind) = row.get("span_kind").and_then(Json::as_str) {
        attributes.push(attribute("openinference.span.kind", kind.into()));
    }
    for (column, value) in &row {
        match column.strip_prefix(ATTRIBUTES) {
            Some(key) => flatten(key, value, 0, &mut attributes),
            None if column == "attributes" => flatten("", value, 0, &mut attributes),
            None => {}
        }
    }
    let code = match text("status_code") {
        "ERROR" => 2,
        "OK" => 1,
        _ => 0,
    };
    let events: Vec<Json> = match row.get("events") {
        Some(Json::Array(events)) => events.iter().map(event).collect(),
        _ => Vec::new(),
    };
    let mut span = json!({
        "traceId": text("context.trace_id"),
        "spanId": text("context.span_id"),
        "name": text("name"),
        "startTimeUnixNano": nanos(row.get("start_time")),
        "endTimeUnixNano": nanos(row.get("end_time")),
        "attributes": attributes,
        "events": events,
        "status": { "code": code, "message": text("status_message") },
    });
    if let (Some(parent), Json::Object(map)) =
        (row.get("parent_id").and_then(Json::as_str), &mut span)
    {
        map.insert("parentSpanId".to_owned(), parent.into());
    }
    json!({ "scopeSpans": [{ "spans": [span] }] })
}

fn nanos(value: Option<&Json>) -> String {
    let at = value.and_then(|value| stamp::read(value).ok()).unwrap_or(Nanos(0));
    at.0.max(0).to_string()
}

fn event(event: &Json) -> Json {
    let mut attributes = Vec::new();
    if let Some(held) = event.get("attributes") {
        flatten("", held, 0, &mut attributes);
    }
    json!({
        "name": event.get("name").and_then(read::text).unwrap_or_default(),
        "timeUnixNano": nanos(event.get("timestamp")),
        "attributes": attributes,
    })
}

/// Structures become numbered and dotted keys, as the instrumentation wrote them.
fn flatten(key: &str, value: &Json, depth: usize, out: &mut Vec<Json>) {
    let inner = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
    match value {
        Json::Null => {}
        // Free structures are one value each.
        Json::Object(map) if depth < DEPTH_MAX && key != "metadata" => {
            for (name, value) in map {
                flatten(&inner(name), value, depth + 1, out);
            }
        }
        Json::Array(items) if depth < DEPTH_MAX && items.iter().any(Json::is_object) => {
            for (n, value) in items.iter().enumerate() {
                flatten(&inner(&n.to_string()), value, depth + 1, out);
            }
        }
        Json::Object(map) => out.push(attribute(key, plain(map).to_string().into())),
        other => out.push(attribute(key, other.clone())),
    }
}

/// Without the absent fields that a table's structures have.
fn plain(map: &JsonMap) -> Json {
    map.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect()
}

fn attribute(key: &str, value: Json) -> Json {
    json!({ "key": key, "value": any(&value) })
}

fn any(value: &Json) -> Json {
    match value {
        Json::Bool(truth) => json!({ "boolValue": truth }),
        Json::String(text) => json!({ "stringValue": text }),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => json!({ "intValue": whole.to_string() }),
            // Counts stand in columns of floats where some rows lack them.
            (None, Some(float)) if float.fract() == 0.0 && float.abs() < 9e15 => {
                json!({ "intValue": format!("{float:.0}") })
            }
            (None, float) => json!({ "doubleValue": float }),
        },
        Json::Array(items) => {
            json!({ "arrayValue": { "values": items.iter().map(any).collect::<Vec<_>>() } })
        }
        Json::Object(map) => json!({ "stringValue": plain(map).to_string() }),
        Json::Null => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_the_span_that_was_sent() {
        let row = json!({
            "name": "chat", "span_kind": "LLM", "parent_id": null, "context.span_id": "00f067aa0ba902b7",
            "context.trace_id": "0af7651916cd43dd8448eb211c80319c", "status_code": "OK",
            "start_time": "2026-11-21T07:00:00Z", "end_time": "2026-11-21T07:00:01Z", "events": [],
            "attributes.llm.token_count.prompt": 12.0,
            "attributes.llm.input_messages": [{"message.role": "user", "message.content": "hi"}],
            "attributes.metadata": {"tier": "gold", "none": null},
        });
        let out = resource_spans(row);
        let span = &out["scopeSpans"][0]["spans"][0];
        let find = |key: &str| {
            let list = span["attributes"].as_array().unwrap();
            list.iter().find(|a| a["key"] == key).map(|a| a["value"].clone())
        };
        assert_eq!(find("llm.token_count.prompt"), Some(json!({"intValue": "12"})));
        assert_eq!(find("llm.input_messages.0.message.role"), Some(json!({"stringValue": "user"})));
        assert_eq!(find("metadata"), Some(json!({"stringValue": "{\"tier\":\"gold\"}"})));
        assert!(span.get("parentSpanId").is_none());
        let start = span["startTimeUnixNano"].as_str().unwrap();
        let end = span["endTimeUnixNano"].as_str().unwrap();
        assert!(start.len() == 19 && end > start);
    }
}
