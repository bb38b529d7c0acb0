//! `POST /api/traces`: one call of a model as one trace.
//!
//! Two vocabularies are read: `model, input, output, metadata` of the quick start, and the fuller
//! record of its SDK (`actionName, prompt, response, metrics, requestId, …`). With a request id the
//! ids are derived from it, so that a retry is the same trace.

use exhibit_model::{Attribute, Door, Flag, Json, JsonMap, Nanos, Span, SpanId, Status, TraceId};

use super::{
    EXTRA, Fault, dollars, fault, finish, object, put,
    span::{check_calls, status, time},
    text, tokens,
};
use crate::{Context, DecodeError, ids, read};

/// A trace of one span.
#[derive(Debug)]
pub struct SimpleTrace {
    /// Its root and only span.
    pub span: Span,
    /// The client's own id of the request, where it sent one.
    pub request_id: Option<String>,
}

/// Decodes a single call. `mint` gives fresh ids for a request without an id of its own.
pub fn simple_trace(
    body: &[u8],
    context: &Context,
    mint: &mut dyn FnMut() -> (TraceId, SpanId),
) -> Result<SimpleTrace, DecodeError> {
    let map = object(body, context, "a JSON object with model, input, output and metadata")?;
    decode(map, context, mint).map_err(|(pointer, reason)| DecodeError::Invalid { pointer, reason })
}

/// Names under which a value may stand, the reserved name it is kept under, and its pointer's name.
const PLAIN: [(&[&str], &str); 17] = [
    (&["input", "prompt"], "input"),
    (&["output", "response"], "output"),
    (&["environment"], "environment"),
    (&["metadata"], "metadata"),
    (&["tags"], "tags"),
    (&["parameters"], "parameters"),
    (&["sessionId", "session_id"], "session_id"),
    (&["userId", "user_id"], "user_id"),
    (&["agentName", "agent_name"], "agent_name"),
    (&["serviceTier", "service_tier"], "service_tier"),
    (&["finishReason", "finish_reason"], "finish_reason"),
    (&["responseId", "response_id"], "response_id"),
    (&["tools"], "tools"),
    (&["version"], "version"),
    (&["service"], "service"),
    (&["error"], "error"),
    (&["errorType", "error_type"], "error_type"),
];

/// The same for numbers of tokens, which may also stand under `metrics` or `usage`.
const TOKENS: [(&[&str], &str); 6] = [
    (&["promptTokens", "prompt_tokens", "inputTokens", "input_tokens", "tokens_in"], "tokens_in"),
    (
        &["completionTokens", "completion_tokens", "outputTokens", "output_tokens", "tokens_out"],
        "tokens_out",
    ),
    (&["totalTokens", "total_tokens", "tokens_total"], "tokens_total"),
    (
        &["cachedTokens", "cached_tokens", "cacheReadTokens", "cache_read_tokens"],
        "cache_read_tokens",
    ),
    (&["cacheWriteTokens", "cache_write_tokens"], "cache_write_tokens"),
    (&["reasoningTokens", "reasoning_tokens"], "reasoning_tokens"),
];

const COST: &[&str] = &["estimatedCostUsd", "estimated_cost_usd", "costUsd", "cost_usd", "cost"];
const LATENCY: &[&str] = &["latencyMs", "latency_ms"];

fn take(map: &mut JsonMap, names: &[&str]) -> Option<(String, Json)> {
    names.iter().find_map(|name| {
        let value = map.shift_remove(*name).filter(|value| !value.is_null())?;
        Some(((*name).to_owned(), value))
    })
}

fn take_text(map: &mut JsonMap, names: &[&str]) -> Result<Option<String>, Fault> {
    match take(map, names) {
        None => Ok(None),
        Some((name, value)) => {
            Ok(text(&value, &format!("/{name}"))?.filter(|text| !text.trim().is_empty()))
        }
    }
}

fn decode(
    mut map: JsonMap,
    context: &Context,
    mint: &mut dyn FnMut() -> (TraceId, SpanId),
) -> Result<SimpleTrace, Fault> {
    let request_id = take_text(&mut map, &["requestId", "request_id"])?;
    let given = take_text(&mut map, &["traceId", "trace_id"])?;
    let (trace_id, span_id) = match (&request_id, given) {
        (request, Some(id)) => {
            let trace_id = TraceId::new(id.trim()).map_err(|e| fault("/traceId", e.to_string()))?;
            let span_id = match request {
                Some(request) => derived(request)?.1,
                None => mint().1,
            };
            (trace_id, span_id)
        }
        (Some(request), None) => derived(request)?,
        (None, None) => mint(),
    };
    let mut span = Span::new(trace_id, span_id, Door::Native);
    if let Some(request) = &request_id {
        put(&mut span, "request_id", request.clone().into());
    }
    put(&mut span, "span_type", "llm".into());
    name(&mut span, &mut map)?;
    for (names, reserved) in PLAIN {
        if let Some((_, value)) = take(&mut map, names) {
            put(&mut span, reserved, value);
        }
    }
    if let Some((name, calls)) = take(&mut map, &["tool_calls", "toolCalls"]) {
        check_calls(&calls).map_err(|(p, r)| (p.replacen("tool_calls", &name, 1), r))?;
        put(&mut span, "tool_calls", calls);
    }
    provider(&mut span, &mut map)?;
    let latency = numbers(&mut span, &mut map)?;
    times(&mut span, &mut map, latency, context)?;
    let attributes = match map.shift_remove("attributes") {
        None | Some(Json::Null) => JsonMap::new(),
        Some(Json::Object(attributes)) => attributes,
        Some(_) => return Err(fault("/attributes", "must be an object or null")),
    };
    finish(&mut span, map, attributes, context)?;
    Ok(SimpleTrace { span, request_id })
}

fn derived(request: &str) -> Result<(TraceId, SpanId), Fault> {
    let id = |label: &str| ids::crockford(&ids::digest(&[label, request]));
    let wrong = |e: exhibit_model::IdError| fault("/requestId", e.to_string());
    Ok((
        TraceId::new(&format!("tr_{}", id("request trace"))).map_err(wrong)?,
        SpanId::new(&format!("sp_{}", id("request span"))).map_err(wrong)?,
    ))
}

fn name(span: &mut Span, map: &mut JsonMap) -> Result<(), Fault> {
    let action = take_text(map, &["actionName", "action_name", "name", "workflow"])?;
    let model = take_text(map, &["model"])?;
    if let Some(action) = &action {
        put(span, "trace_name", action.clone().into());
    }
    span.name = action.or_else(|| model.as_ref().map(|model| format!("chat {model}")));
    if let Some(model) = model {
        put(span, "model", model.into());
    }
    Ok(())
}

/// The provider may be a name or an object that describes it.
fn provider(span: &mut Span, map: &mut JsonMap) -> Result<(), Fault> {
    match map.shift_remove("provider") {
        None | Some(Json::Null) => {}
        Some(Json::Object(provider)) => {
            if let Some(name) = provider.get("name").or_else(|| provider.get("id")) {
                put(span, "provider", name.clone());
            }
            let whole = Json::Object(provider);
            span.attributes.push(Attribute::new(format!("{EXTRA}provider"), whole));
        }
        Some(value) => {
            if let Some(name) = text(&value, "/provider")? {
                put(span, "provider", name.into());
            }
        }
    }
    Ok(())
}

/// Reads the numbers, from the top or from `metrics` or `usage`. Returns the latency, milliseconds.
fn numbers(span: &mut Span, map: &mut JsonMap) -> Result<Option<f64>, Fault> {
    let mut latency = None;
    for group in ["", "metrics", "usage"] {
        let mut inner = match group {
            "" => std::mem::take(map),
            _ => match map.shift_remove(group) {
                None | Some(Json::Null) => continue,
                Some(Json::Object(inner)) => inner,
                Some(_) => return Err(fault(format!("/{group}"), "must be an object or null")),
            },
        };
        let at = if group.is_empty() { String::new() } else { format!("/{group}") };
        for (names, reserved) in TOKENS {
            if let Some((name, value)) = take(&mut inner, names)
                && !has(span, reserved)
            {
                tokens(span, reserved, &format!("{at}/{name}"), value)?;
            }
        }
        if let Some((name, value)) = take(&mut inner, COST)
            && !has(span, "cost")
        {
            dollars(span, "cost", &format!("{at}/{name}"), value)?;
        }
        if let Some((name, value)) = take(&mut inner, LATENCY) {
            let pointer = format!("{at}/{name}");
            let ms = read::number(&value).filter(|ms| (0.0..1e12).contains(ms));
            let Some(ms) = ms else {
                return Err(fault(pointer, "must be a number of milliseconds, 0 or more"));
            };
            latency = latency.or(Some(ms));
        }
        if group.is_empty() {
            *map = inner;
            continue;
        }
        for (names, reserved) in [
            (["finishReason", "finish_reason"], "finish_reason"),
            (["model", "modelName"], "model"),
        ] {
            if let Some((_, value)) = take(&mut inner, &names)
                && !has(span, reserved)
            {
                put(span, reserved, value);
            }
        }
        for (name, value) in inner {
            if !value.is_null() {
                span.attributes.push(Attribute::new(format!("{EXTRA}{group}.{name}"), value));
            }
        }
    }
    Ok(latency)
}

fn has(span: &Span, reserved: &str) -> bool {
    let prefix = super::NATIVE_PREFIX;
    span.attributes.iter().any(|a| a.key.strip_prefix(prefix) == Some(reserved))
}

fn times(
    span: &mut Span,
    map: &mut JsonMap,
    latency: Option<f64>,
    context: &Context,
) -> Result<(), Fault> {
    let mut read = |names: [&str; 2]| -> Result<Option<Nanos>, Fault> {
        for name in names {
            if let Some(at) = time(map, name)? {
                return Ok(Some(at));
            }
        }
        Ok(None)
    };
    let start = read(["startTime", "start_time"])?;
    let end = read(["endTime", "end_time"])?;
    let stated = status(map.get("status"), "/status")?.unwrap_or(Status::Ok);
    map.shift_remove("status");
    let latency = latency.map(|ms| (ms * 1e6) as i64);
    span.status = stated;
    if stated == Status::Running {
        span.start = start.or(Some(context.received));
        if end.is_some() {
            span.flag(Flag::EndMissing);
        }
        return Ok(());
    }
    // A record that arrives after the call ended when it arrived, unless it says otherwise.
    let end = end.or_else(|| Some(Nanos(start?.0.saturating_add(latency?))));
    let end = end.unwrap_or(context.received);
    span.end = Some(end);
    span.start = start.or(Some(Nanos(end.0.saturating_sub(latency.unwrap_or(0)))));
    Ok(())
}
