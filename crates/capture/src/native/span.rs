//! `POST /api/v1/ingest/spans`: `{"batch": [span, …]}`.

use exhibit_model::{Door, Flag, IdError, Json, JsonMap, Nanos, Span, SpanId, Status, TraceId};

use super::{Fault, dollars, fault, finish, object, put, text, tokens};
use crate::{Context, DecodeError, Decoded, Rejected, ids, read, stamp};

/// Decodes a batch. A bad span is rejected by index and pointer; the good ones go on.
pub fn span_batch(body: &[u8], context: &Context) -> Result<Decoded, DecodeError> {
    const EXPECTED: &str = "a JSON object with the list \"batch\"";
    let mut root = object(body, context, EXPECTED)?;
    let Some(Json::Array(batch)) = root.remove("batch") else {
        return Err(DecodeError::Shape { pointer: "/batch".into(), expected: "a list of spans" });
    };
    let max = context.limits.spans_per_request_max;
    if batch.len() > max {
        return Err(DecodeError::TooMany { what: "spans", max });
    }
    let mut decoded = Decoded::default();
    for (index, entry) in batch.into_iter().enumerate() {
        let word = |name: &str| entry.get(name).and_then(Json::as_str).map(str::to_owned);
        let (trace_id, span_id) = (word("trace_id"), word("span_id"));
        match span(entry, context) {
            Ok(span) => decoded.spans.push(span),
            Err((below, reason)) => decoded.rejected.push(Rejected {
                index,
                pointer: format!("/batch/{index}{below}"),
                reason,
                span_id,
                trace_id,
                body: None,
            }),
        }
    }
    keep_refused(body, context, &mut decoded.rejected);
    Ok(decoded)
}

/// Reads the body once more for the entries that were refused: good batches pay nothing for it.
fn keep_refused(body: &[u8], context: &Context, rejected: &mut [Rejected]) {
    if rejected.is_empty() {
        return;
    }
    let Ok(mut root) = object(body, context, "") else { return };
    let Some(Json::Array(batch)) = root.get_mut("batch") else { return };
    for one in rejected {
        one.body = batch.get_mut(one.index).map(Json::take);
    }
}

/// Fields kept as they are under their own names.
const PLAIN: [&str; 23] = [
    "input",
    "output",
    "provider",
    "service_tier",
    "agent_name",
    "agent_id",
    "environment",
    "metadata",
    "tags",
    "session_id",
    "user_id",
    "request_id",
    "version",
    "service",
    "trace_name",
    "tool_name",
    "tool_call_id",
    "response_id",
    "finish_reason",
    "ttft_ms",
    "parameters",
    "error",
    "error_type",
];

fn span(entry: Json, context: &Context) -> Result<Span, Fault> {
    let Json::Object(mut map) = entry else { return Err(fault("", "a span must be an object")) };
    let (mut span, derived) = identity(&mut map)?;
    for flag in derived {
        span.flag(flag);
    }
    span.name = take_text(&mut map, "name")?;
    span.status_message = take_text(&mut map, "status_message")?;
    times(&mut span, &mut map, context)?;
    for name in ["span_type", "model"] {
        if let Some(word) = take_text(&mut map, name)? {
            put(&mut span, name, word.into());
        }
    }
    for name in [
        "tokens_in",
        "tokens_out",
        "tokens_total",
        "cache_read_tokens",
        "cache_write_tokens",
        "reasoning_tokens",
    ] {
        if let Some(value) = map.shift_remove(name) {
            tokens(&mut span, name, &format!("/{name}"), value)?;
        }
    }
    if let Some(value) = map.shift_remove("cost") {
        dollars(&mut span, "cost", "/cost", value)?;
    }
    if let Some(calls) = map.shift_remove("tool_calls") {
        check_calls(&calls)?;
        put(&mut span, "tool_calls", calls);
    }
    for name in PLAIN {
        if let Some(value) = map.shift_remove(name) {
            put(&mut span, name, value);
        }
    }
    let attributes = match map.shift_remove("attributes") {
        None | Some(Json::Null) => JsonMap::new(),
        Some(Json::Object(attributes)) => attributes,
        Some(_) => return Err(fault("/attributes", "must be an object or null")),
    };
    finish(&mut span, map, attributes, context)?;
    Ok(span)
}

fn take_text(map: &mut JsonMap, name: &str) -> Result<Option<String>, Fault> {
    match map.shift_remove(name) {
        None => Ok(None),
        Some(value) => Ok(text(&value, &format!("/{name}"))?.filter(|text| !text.is_empty())),
    }
}

fn bad_id(name: &str, error: &IdError) -> Fault {
    fault(format!("/{name}"), error.to_string())
}

fn identity(map: &mut JsonMap) -> Result<(Span, Vec<Flag>), Fault> {
    let mut flags = Vec::new();
    // Derived ids cover everything the client sent, so that a retry is the same span.
    let content = serde_json::to_string(&*map).unwrap_or_default();
    let trace_id = if let Some(id) = take_text(map, "trace_id")? {
        TraceId::new(id.trim()).map_err(|e| bad_id("trace_id", &e))?
    } else {
        flags.push(Flag::TraceIdDerived);
        TraceId::new(&format!("tr_{}", ids::crockford(&ids::digest(&["trace", &content]))))
            .map_err(|e| bad_id("trace_id", &e))?
    };
    let span_id = if let Some(id) = take_text(map, "span_id")? {
        SpanId::new(id.trim()).map_err(|e| bad_id("span_id", &e))?
    } else {
        flags.push(Flag::SpanIdDerived);
        let digest = ids::digest(&["span", trace_id.as_str(), &content]);
        SpanId::new(&format!("sp_{}", ids::crockford(&digest)))
            .map_err(|e| bad_id("span_id", &e))?
    };
    let mut span = Span::new(trace_id, span_id, Door::Native);
    span.parent_id = take_text(map, "parent_span_id")?
        .map(|id| SpanId::new(id.trim()).map_err(|e| bad_id("parent_span_id", &e)))
        .transpose()?;
    Ok((span, flags))
}

/// Reads a status and the words that other clients use for one.
pub(super) fn status(value: Option<&Json>, pointer: &str) -> Result<Option<Status>, Fault> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let word = value.as_str().unwrap_or_default().trim().to_ascii_lowercase();
    match word.as_str() {
        "ok" | "success" | "succeeded" | "completed" | "complete" => Ok(Some(Status::Ok)),
        "error" | "failed" | "failure" => Ok(Some(Status::Error)),
        "running" | "in_progress" | "pending" | "started" => Ok(Some(Status::Running)),
        _ => Err(fault(pointer, "must be ok, error or running")),
    }
}

/// Reads a time that may be absent.
pub(super) fn time(map: &mut JsonMap, name: &str) -> Result<Option<Nanos>, Fault> {
    match map.shift_remove(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) if text.trim().is_empty() => Ok(None),
        Some(value) => {
            stamp::read(&value).map(Some).map_err(|reason| fault(format!("/{name}"), reason))
        }
    }
}

fn times(span: &mut Span, map: &mut JsonMap, context: &Context) -> Result<(), Fault> {
    for name in ["start_time", "end_time"] {
        let text = map.get(name).and_then(Json::as_str).map(str::trim);
        if text.is_some_and(|text| !text.is_empty() && text.parse::<f64>().is_ok()) {
            span.flag(Flag::NumberAsText);
        }
    }
    span.start = time(map, "start_time")?;
    span.end = time(map, "end_time")?;
    let stated = status(map.get("status"), "/status")?;
    map.shift_remove("status");
    span.status = stated.unwrap_or(if span.end.is_some() { Status::Ok } else { Status::Running });
    match (span.status, span.end) {
        (Status::Running, Some(_)) => {
            // The client says both; the running state is what it can still take back.
            span.end = None;
            span.flag(Flag::EndMissing);
        }
        (Status::Ok | Status::Error, None) => {
            span.end = Some(context.received);
            span.flag(Flag::EndMissing);
        }
        _ => {}
    }
    Ok(())
}

/// Checks the calls of tools: a list of objects whose result is an object or null.
pub(super) fn check_calls(calls: &Json) -> Result<(), Fault> {
    let list = match calls {
        Json::Null => return Ok(()),
        Json::Array(list) => list,
        _ => return Err(fault("/tool_calls", "must be a list or null")),
    };
    for (n, call) in list.iter().enumerate() {
        let Json::Object(call) = call else {
            return Err(fault(format!("/tool_calls/{n}"), "a tool call must be an object"));
        };
        match call.get("result") {
            None | Some(Json::Null | Json::Object(_)) => {}
            Some(_) => {
                return Err(fault(
                    format!("/tool_calls/{n}/result"),
                    "result must be an object or null; wrap the value as {\"output\": \"...\"}",
                ));
            }
        }
        if let Some(name) = call.get("tool_name").filter(|name| !name.is_null())
            && read::text(name).is_none()
        {
            return Err(fault(format!("/tool_calls/{n}/tool_name"), "must be text"));
        }
    }
    Ok(())
}
