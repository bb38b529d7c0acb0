//! A span under the names of the native API, whatever dialect it came from.

use exhibit_model::{Json, JsonMap, Span, Status, ToolCall};

use super::{EXTRA, NATIVE_PREFIX};
use crate::{content, read};

/// Renders `span_id, trace_id, parent_span_id, name, span_type, start_time, end_time, status, input,
/// output, model, tokens_in, tokens_out, cost, tool_calls, attributes`, each always present, and then
/// whatever else a native client sent. Times are RFC 3339, the cost is in US dollars.
///
/// What a native client sent reads back exactly.
pub fn fields(span: &Span) -> JsonMap {
    let native = |name: &str| reserved(span, name);
    let content = content(span);
    let mut map = JsonMap::new();
    let mut put = |name: &str, value: Option<Json>| {
        map.insert(name.to_owned(), value.unwrap_or_default());
    };
    put("span_id", Some(span.span_id.as_str().into()));
    put("trace_id", Some(span.trace_id.as_str().into()));
    put("parent_span_id", span.parent_id.as_ref().map(|id| id.as_str().into()));
    put("name", span.name.clone().map(Json::from));
    put("span_type", native("span_type").or_else(|| Some(span_type(span).into())));
    put("start_time", span.start.map(|t| t.to_rfc3339().into()));
    put("end_time", span.end.map(|t| t.to_rfc3339().into()));
    put("status", Some(status(span.status).into()));
    put("input", native("input").or(content.input));
    put("output", native("output").or(content.output));
    put("model", native("model").or_else(|| span.model.clone().map(Json::from)));
    let tokens = |name: &str, total: fn(&exhibit_model::Usage) -> u64| {
        let sent = native(name).and_then(|value| read::count(&value).ok().flatten());
        sent.or_else(|| span.usage.as_ref().map(total)).map(Json::from)
    };
    put("tokens_in", tokens("tokens_in", exhibit_model::Usage::input_tokens));
    put("tokens_out", tokens("tokens_out", exhibit_model::Usage::output_tokens));
    put("cost", cost(span, native("cost")));
    put("tool_calls", native("tool_calls").or_else(|| calls(&content.tool_calls)));
    let attributes: JsonMap = span
        .attributes
        .iter()
        .filter(|a| !a.key.starts_with(NATIVE_PREFIX))
        .map(|a| (a.key.clone(), a.value.clone()))
        .collect();
    put("attributes", Some(Json::Object(attributes)));
    for attribute in &span.attributes {
        let name = attribute.key.strip_prefix(EXTRA);
        let Some(name) = name.or_else(|| attribute.key.strip_prefix(NATIVE_PREFIX)) else {
            continue;
        };
        if !map.contains_key(name) && !name.starts_with("otlp_") && !name.starts_with("label.") {
            map.insert(name.to_owned(), attribute.value.clone());
        }
    }
    map
}

fn reserved(span: &Span, name: &str) -> Option<Json> {
    let found = span.attributes.iter().find(|a| a.key.strip_prefix(NATIVE_PREFIX) == Some(name));
    found.map(|a| a.value.clone())
}

fn span_type(span: &Span) -> &str {
    span.kind_label.as_deref().unwrap_or_else(|| span.kind().as_str())
}

fn status(status: Status) -> &'static str {
    status.as_str()
}

/// What the client reported, as it wrote it, unless the amount in force comes from elsewhere.
fn cost(span: &Span, sent: Option<Json>) -> Option<Json> {
    let reported = sent.as_ref().and_then(read::number);
    match span.cost.amount {
        Some(amount) if span.cost_reported != Some(amount) => Some(amount.to_usd().into()),
        Some(_) | None => match reported {
            Some(number) => sent.filter(Json::is_number).or_else(|| Some(number.into())),
            None => span.cost.amount.or(span.cost_reported).map(|amount| amount.to_usd().into()),
        },
    }
}

fn calls(calls: &[ToolCall]) -> Option<Json> {
    if calls.is_empty() {
        return None;
    }
    serde_json::to_value(calls).ok()
}
