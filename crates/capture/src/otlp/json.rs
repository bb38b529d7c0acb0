//! The JSON form, as the OTLP specification maps it: lowerCamelCase, hexadecimal ids, 64-bit integers
//! as text or numbers, enums as numbers. What known exporters do otherwise (snake_case, base64 ids,
//! enums by name) is read as well. One bad span is rejected by index; the others go on.

mod any;

use std::sync::Arc;

use exhibit_model::{Event, InstrumentationScope, Json, JsonMap, Link, Resource};

use super::{
    logs::{self, RawRecord},
    raw::{Collector, Oddities, RawSpan, stamp},
    value,
};
use crate::{Context, DecodeError, Decoded, ids, json, read};

/// Why an entry is refused: a pointer below it, and the reason.
type Fault = (String, String);

fn fault(pointer: impl Into<String>, reason: impl Into<String>) -> Fault {
    (pointer.into(), reason.into())
}

pub(super) fn traces(body: &[u8], context: &Context) -> Result<Decoded, DecodeError> {
    let mut collector = Collector::new(context);
    each(body, context, &TRACES, |entry, pointer, resource, scope| {
        let index = collector.next()?;
        let ids = (id_of(&entry, SPAN.0, SPAN.1), id_of(&entry, SPAN.2, SPAN.3));
        match raw_span(entry) {
            Ok(raw) => collector.take(index, || pointer, raw, resource, scope),
            Err((below, reason)) => collector.reject(index, pointer + &below, reason, ids),
        }
        Ok(())
    })?;
    keep_refused(body, context, &mut collector.decoded);
    Ok(collector.decoded)
}

/// Reads the body once more for the entries that were refused: good requests pay nothing for it.
fn keep_refused(body: &[u8], context: &Context, decoded: &mut Decoded) {
    /// `/resourceSpans/0/scopeSpans/0/spans/0`
    const ENTRY_STEPS: usize = 6;
    if decoded.rejected.iter().all(|one| one.body.is_some()) {
        return;
    }
    let Ok(root) = crate::json::parse(body, context.limits.depth_max.min(120)) else { return };
    for one in &mut decoded.rejected {
        let end =
            one.pointer.match_indices('/').nth(ENTRY_STEPS).map_or(one.pointer.len(), |m| m.0);
        let entry = one.pointer.get(..end).and_then(|pointer| root.pointer(pointer));
        one.body = one.body.take().or_else(|| entry.cloned());
    }
}

const SPAN: (&str, &str, &str, &str) = ("traceId", "trace_id", "spanId", "span_id");

pub(super) fn logs(body: &[u8], context: &Context) -> Result<Decoded, DecodeError> {
    let mut collector = Collector::new(context);
    each(body, context, &LOGS, |entry, pointer, resource, scope| {
        let index = collector.next()?;
        let ids = (id_of(&entry, SPAN.0, SPAN.1), id_of(&entry, SPAN.2, SPAN.3));
        match raw_record(entry) {
            Ok(raw) => logs::take(&mut collector, raw, resource, scope),
            Err((below, reason)) => collector.reject(index, pointer + &below, reason, ids),
        }
        Ok(())
    })?;
    keep_refused(body, context, &mut collector.decoded);
    Ok(collector.decoded)
}

pub(super) fn metrics(body: &[u8], context: &Context) -> Result<Decoded, DecodeError> {
    let mut points = 0;
    each(body, context, &METRICS, |entry, _, _, _| {
        for data in entry.as_object().into_iter().flat_map(JsonMap::values) {
            let list = data.get("dataPoints").or_else(|| data.get("data_points"));
            points += list.and_then(Json::as_array).map_or(0, Vec::len) as u64;
        }
        Ok(())
    })?;
    Ok(Decoded { metric_points: points, ..Decoded::default() })
}

/// The names of the three nested lists of a signal.
struct Signal {
    resources: (&'static str, &'static str),
    scopes: (&'static str, &'static str),
    entries: (&'static str, &'static str),
    expected: &'static str,
}

const TRACES: Signal = Signal {
    resources: ("resourceSpans", "resource_spans"),
    scopes: ("scopeSpans", "scope_spans"),
    entries: ("spans", "spans"),
    expected: "a JSON object with the list \"resourceSpans\"",
};
const LOGS: Signal = Signal {
    resources: ("resourceLogs", "resource_logs"),
    scopes: ("scopeLogs", "scope_logs"),
    entries: ("logRecords", "log_records"),
    expected: "a JSON object with the list \"resourceLogs\"",
};
const METRICS: Signal = Signal {
    resources: ("resourceMetrics", "resource_metrics"),
    scopes: ("scopeMetrics", "scope_metrics"),
    entries: ("metrics", "metrics"),
    expected: "a JSON object with the list \"resourceMetrics\"",
};

/// Calls `then` for every entry of a request with its pointer, resource and scope.
fn each(
    body: &[u8],
    context: &Context,
    signal: &Signal,
    mut then: impl FnMut(
        Json,
        String,
        &Arc<Resource>,
        &Arc<InstrumentationScope>,
    ) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    // Each level of an attribute's value takes two levels of JSON, and seven enclose it.
    let depth_max = context.limits.depth_max.saturating_mul(2).saturating_add(8).min(120);
    let root = json::parse(body, depth_max)?;
    let Json::Object(mut root) = root else {
        return Err(DecodeError::Shape { pointer: String::new(), expected: signal.expected });
    };
    let groups = remove(&mut root, signal.resources);
    if groups.is_none() && !root.is_empty() {
        return Err(DecodeError::Shape { pointer: String::new(), expected: signal.expected });
    }
    let at = format!("/{}", signal.resources.0);
    for (r, group) in list(groups, &at)?.into_iter().enumerate() {
        let at = format!("{at}/{r}");
        let mut group = object(group, &at)?;
        let resource = resource(remove(&mut group, ("resource", "resource")), &at)?;
        let at = format!("{at}/{}", signal.scopes.0);
        for (s, group) in list(remove(&mut group, signal.scopes), &at)?.into_iter().enumerate() {
            let at = format!("{at}/{s}");
            let mut group = object(group, &at)?;
            let scope = scope(remove(&mut group, ("scope", "scope")), &at)?;
            let at = format!("{at}/{}", signal.entries.0);
            let entries = list(remove(&mut group, signal.entries), &at)?;
            for (n, entry) in entries.into_iter().enumerate() {
                then(entry, format!("{at}/{n}"), &resource, &scope)?;
            }
        }
    }
    Ok(())
}

/// Takes a value out by its name in either case style; null is absent.
fn remove(map: &mut JsonMap, names: (&str, &str)) -> Option<Json> {
    map.remove(names.0).or_else(|| map.remove(names.1)).filter(|value| !value.is_null())
}

fn list(value: Option<Json>, pointer: &str) -> Result<Vec<Json>, DecodeError> {
    match value {
        None => Ok(Vec::new()),
        Some(Json::Array(items)) => Ok(items),
        Some(_) => Err(DecodeError::Shape { pointer: pointer.to_owned(), expected: "a list" }),
    }
}

fn object(value: Json, pointer: &str) -> Result<JsonMap, DecodeError> {
    match value {
        Json::Object(map) => Ok(map),
        _ => Err(DecodeError::Shape { pointer: pointer.to_owned(), expected: "an object" }),
    }
}

fn shared(error: Fault, pointer: &str) -> DecodeError {
    DecodeError::Invalid { pointer: format!("{pointer}{}", error.0), reason: error.1 }
}

fn resource(value: Option<Json>, at: &str) -> Result<Arc<Resource>, DecodeError> {
    let at = format!("{at}/resource");
    let Some(value) = value else { return Ok(Arc::default()) };
    let mut map = object(value, &at)?;
    let mut odd = Oddities::default();
    let attributes = any::map(map.remove("attributes"), &mut odd).map_err(|e| shared(e, &at))?;
    Ok(Arc::new(Resource { attributes }))
}

fn scope(value: Option<Json>, at: &str) -> Result<Arc<InstrumentationScope>, DecodeError> {
    let at = format!("{at}/scope");
    let Some(value) = value else { return Ok(Arc::default()) };
    let mut map = object(value, &at)?;
    let mut odd = Oddities::default();
    let attributes = any::map(map.remove("attributes"), &mut odd).map_err(|e| shared(e, &at))?;
    let mut text = |name: &str| {
        let mut text = map.remove(name).as_ref().and_then(read::text).unwrap_or_default();
        read::scrub(&mut text);
        text
    };
    Ok(Arc::new(InstrumentationScope { name: text("name"), version: text("version"), attributes }))
}

fn id_of<const N: usize>(entry: &Json, camel: &str, snake: &str) -> ids::Bytes<N> {
    let value = entry.get(camel).or_else(|| entry.get(snake))?;
    ids::from_text(value.as_str()?)
}

fn raw_span(entry: Json) -> Result<RawSpan, Fault> {
    let Json::Object(mut map) = entry else { return Err(fault("", "a span must be an object")) };
    let mut odd = Oddities::default();
    let attributes = any::attributes(map.remove("attributes"), "/attributes", &mut odd)?;
    let mut raw = RawSpan {
        trace_id: id(remove(&mut map, ("traceId", "trace_id")), "/traceId")?,
        span_id: id(remove(&mut map, ("spanId", "span_id")), "/spanId")?,
        parent_id: id(remove(&mut map, ("parentSpanId", "parent_span_id")), "/parentSpanId")?,
        name: text(remove(&mut map, ("name", "name")), "/name", &mut odd)?,
        start: nanos(&mut map, "startTimeUnixNano", "start_time_unix_nano")?,
        end: nanos(&mut map, "endTimeUnixNano", "end_time_unix_nano")?,
        kind: word(map.remove("kind"), "/kind", &KINDS)?,
        trace_state: text(
            remove(&mut map, ("traceState", "trace_state")),
            "/traceState",
            &mut odd,
        )?,
        attributes,
        ..RawSpan::default()
    };
    if let Some(dropped) = remove(&mut map, ("droppedAttributesCount", "dropped_attributes_count"))
    {
        raw.dropped = read::number(&dropped).unwrap_or_default() as u32;
    }
    match map.remove("status") {
        None | Some(Json::Null) => {}
        Some(Json::Object(mut status)) => {
            raw.code = word(status.remove("code"), "/status/code", &CODES)?;
            raw.message = text(status.remove("message"), "/status/message", &mut odd)?;
        }
        Some(_) => return Err(fault("/status", "status must be an object with code and message")),
    }
    for (n, event) in members(map.remove("events"), "/events")?.into_iter().enumerate() {
        raw.events.push(self::event(event, &format!("/events/{n}"), &mut odd)?);
    }
    for (n, link) in members(map.remove("links"), "/links")?.into_iter().enumerate() {
        raw.links.extend(self::link(link, &format!("/links/{n}"), &mut odd)?);
    }
    raw.odd = odd;
    Ok(raw)
}

const KINDS: [&str; 6] = [
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];
const CODES: [&str; 3] = ["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];

fn event(value: Json, at: &str, odd: &mut Oddities) -> Result<Event, Fault> {
    let Json::Object(mut map) = value else { return Err(fault(at, "an event must be an object")) };
    let time = nanos(&mut map, "timeUnixNano", "time_unix_nano")
        .map_err(|(below, reason)| fault(format!("{at}{below}"), reason))?;
    Ok(Event {
        name: text(map.remove("name"), &format!("{at}/name"), odd)?,
        time: stamp(time).unwrap_or_default(),
        attributes: any::map(map.remove("attributes"), odd)
            .map_err(|(below, reason)| fault(format!("{at}{below}"), reason))?,
        body: None,
    })
}

fn link(value: Json, at: &str, odd: &mut Oddities) -> Result<Option<Link>, Fault> {
    let Json::Object(mut map) = value else { return Err(fault(at, "a link must be an object")) };
    let trace = id::<16>(remove(&mut map, ("traceId", "trace_id")), at)?.and_then(ids::trace);
    let span = id::<8>(remove(&mut map, ("spanId", "span_id")), at)?.and_then(ids::span);
    let (Some(trace_id), Some(span_id)) = (trace, span) else { return Ok(None) };
    let attributes = any::map(map.remove("attributes"), odd)
        .map_err(|(below, reason)| fault(format!("{at}{below}"), reason))?;
    Ok(Some(Link { trace_id, span_id, attributes }))
}

fn raw_record(entry: Json) -> Result<RawRecord, Fault> {
    let Json::Object(mut map) = entry else {
        return Err(fault("", "a log record must be an object"));
    };
    let mut odd = Oddities::default();
    let time = nanos(&mut map, "timeUnixNano", "time_unix_nano")?;
    let observed = nanos(&mut map, "observedTimeUnixNano", "observed_time_unix_nano")?;
    let body = remove(&mut map, ("body", "body"))
        .map(|body| any::value(body, &mut odd))
        .transpose()
        .map_err(|(below, reason)| fault(format!("/body{below}"), reason))?;
    let attributes = any::attributes(map.remove("attributes"), "/attributes", &mut odd)?;
    Ok(RawRecord {
        name: text(remove(&mut map, ("eventName", "event_name")), "/eventName", &mut odd)?,
        time: stamp(time).or_else(|| stamp(observed)),
        trace_id: id(remove(&mut map, ("traceId", "trace_id")), "/traceId")?,
        span_id: id(remove(&mut map, ("spanId", "span_id")), "/spanId")?,
        attributes,
        body,
        odd,
    })
}

/// An id. Text of any kind that is not an id counts as missing, since real clients send it.
fn id<const N: usize>(value: Option<Json>, pointer: &str) -> Result<ids::Bytes<N>, Fault> {
    match value {
        None => Ok(None),
        Some(Json::String(text)) => Ok(ids::from_text(&text)),
        Some(_) => Err(fault(pointer, "an id must be hexadecimal text")),
    }
}

fn text(value: Option<Json>, pointer: &str, odd: &mut Oddities) -> Result<String, Fault> {
    match value {
        None | Some(Json::Null) => Ok(String::new()),
        Some(Json::String(mut text)) => {
            odd.bytes += text.len();
            odd.invalid_text |= read::scrub(&mut text);
            Ok(text)
        }
        Some(value @ (Json::Number(_) | Json::Bool(_))) => Ok(value.to_string()),
        Some(_) => Err(fault(pointer, "must be text")),
    }
}

fn nanos(map: &mut JsonMap, camel: &str, snake: &str) -> Result<u64, Fault> {
    let number = match remove(map, (camel, snake)) {
        None => return Ok(0),
        Some(Json::Number(number)) => number
            .as_u64()
            .or_else(|| number.as_f64().filter(|n| (0.0..1.8e19).contains(n)).map(|n| n as u64)),
        Some(Json::String(text)) if text.trim().is_empty() => return Ok(0),
        Some(Json::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    number.ok_or_else(|| {
        fault(format!("/{camel}"), "must be nanoseconds since the Unix epoch, 0 to 2^64-1")
    })
}

/// An enum by number, by the text of one, or by name.
fn word(value: Option<Json>, pointer: &str, names: &[&str]) -> Result<i32, Fault> {
    let number = match &value {
        None | Some(Json::Null) => return Ok(0),
        Some(Json::Number(number)) => number.as_i64(),
        Some(Json::String(text)) => names
            .iter()
            .position(|name| {
                name.eq_ignore_ascii_case(text)
                    || name.rsplit_once('_').is_some_and(|(_, end)| end.eq_ignore_ascii_case(text))
            })
            .map(|at| at as i64)
            .or_else(|| text.parse().ok()),
        Some(_) => None,
    };
    number
        .and_then(|number| i32::try_from(number).ok())
        .ok_or_else(|| fault(pointer, format!("must be a number or one of {}", names.join(", "))))
}

fn members(value: Option<Json>, pointer: &str) -> Result<Vec<Json>, Fault> {
    match value {
        None | Some(Json::Null) => Ok(Vec::new()),
        Some(Json::Array(items)) => Ok(items),
        Some(_) => Err(fault(pointer, "must be a list")),
    }
}
