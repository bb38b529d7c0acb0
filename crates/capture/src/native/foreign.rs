//! What the decoders of other products' own protocols have in common: an object is taken apart into
//! identity, times and status, and all else is kept as raw attributes under the product's prefix,
//! where its dialect's table finds it.

use exhibit_model::{Attribute, Json, JsonMap, Nanos, Span, SpanId, TraceId};

use super::{Fault, fault, finish, text};
use crate::{Context, DecodeError, Rejected, ids, read, stamp};

/// The first of several fields that says something, with its name.
pub(crate) fn take(map: &mut JsonMap, names: &[&str]) -> Option<(String, Json)> {
    names.iter().find_map(|name| {
        let value = map.shift_remove(*name).filter(|value| !value.is_null())?;
        Some(((*name).to_owned(), value))
    })
}

/// The same as text. Empty text says nothing.
pub(crate) fn take_text(map: &mut JsonMap, names: &[&str]) -> Result<Option<String>, Fault> {
    let Some((name, value)) = take(map, names) else { return Ok(None) };
    Ok(text(&value, &format!("/{name}"))?.filter(|text| !text.trim().is_empty()))
}

/// The same as a point in time.
pub(crate) fn take_time(map: &mut JsonMap, names: &[&str]) -> Result<Option<Nanos>, Fault> {
    let Some((name, value)) = take(map, names) else { return Ok(None) };
    if value.as_str().is_some_and(|text| text.trim().is_empty()) {
        return Ok(None);
    }
    stamp::read(&value).map(Some).map_err(|reason| fault(format!("/{name}"), reason))
}

/// A trace id as the product writes it.
pub(crate) fn trace_id(id: &str, name: &str) -> Result<TraceId, Fault> {
    TraceId::new(id.trim()).map_err(|e| fault(format!("/{name}"), e.to_string()))
}

/// A span id as the product writes it.
pub(crate) fn span_id(id: &str, name: &str) -> Result<SpanId, Fault> {
    SpanId::new(id.trim()).map_err(|e| fault(format!("/{name}"), e.to_string()))
}

/// A span id that follows from texts.
pub(crate) fn derived_span(texts: &[&str]) -> Result<SpanId, Fault> {
    span_id(&format!("sp_{}", ids::crockford(&ids::digest(texts))), "id")
}

/// Keeps all that is left of an object under the product's prefix, and finishes the span.
pub(crate) fn keep(
    span: &mut Span,
    prefix: &str,
    rest: JsonMap,
    context: &Context,
) -> Result<(), Fault> {
    for (name, value) in rest {
        if !value.is_null() {
            span.attributes.push(Attribute::new(format!("{prefix}{name}"), value));
        }
    }
    finish(span, JsonMap::new(), JsonMap::new(), context)
}

/// Names an entry that was refused.
pub(crate) fn refusal(index: usize, at: &str, entry: &Json, fault: Fault) -> Rejected {
    let word = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| entry.get(*name).and_then(read::text))
            .filter(|t| t.len() < 300)
    };
    Rejected {
        index,
        pointer: format!("{at}{}", fault.0),
        reason: fault.1,
        span_id: word(&["id", "span_id"]),
        trace_id: word(&["trace_id", "traceId"]),
        body: Some(entry.clone()),
    }
}

/// A fault in a body that is one object.
pub(crate) fn whole((pointer, reason): Fault) -> DecodeError {
    DecodeError::Invalid { pointer, reason }
}

/// Takes the list under a name out of a body, bounded by the spans one request may hold.
pub(crate) fn take_list(
    root: &mut JsonMap,
    name: &str,
    expected: &'static str,
    context: &Context,
) -> Result<Vec<Json>, DecodeError> {
    let Some(Json::Array(list)) = root.shift_remove(name) else {
        return Err(DecodeError::Shape { pointer: format!("/{name}"), expected });
    };
    let max = context.limits.spans_per_request_max;
    if list.len() > max { Err(DecodeError::TooMany { what: "entries", max }) } else { Ok(list) }
}
