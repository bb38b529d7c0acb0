//! `POST /api/v1/ingest/traces`: `{"trace": {…}}`, what a client says about a trace as a whole.

use exhibit_model::{Door, Json, JsonMap, Span, SpanId, Status, TraceId};

use super::{Fault, finish, object, put, text};
use crate::{Context, DecodeError, Decoded};

/// Decodes a registration into one span under the reserved id ([`SpanId::registration`]).
pub fn trace_registration(body: &[u8], context: &Context) -> Result<Decoded, DecodeError> {
    const EXPECTED: &str = "a JSON object with the object \"trace\"";
    let mut root = object(body, context, EXPECTED)?;
    let Some(Json::Object(map)) = root.remove("trace") else {
        return Err(DecodeError::Shape { pointer: "/trace".into(), expected: "an object" });
    };
    let span = registration(map, context).map_err(|(below, reason)| DecodeError::Invalid {
        pointer: format!("/trace{below}"),
        reason,
    })?;
    Ok(Decoded { spans: vec![span], ..Decoded::default() })
}

/// Fields kept under the same reserved names as those of spans.
const PLAIN: [&str; 9] = [
    "agent_name",
    "agent_id",
    "environment",
    "metadata",
    "tags",
    "session_id",
    "user_id",
    "version",
    "service",
];

fn registration(mut map: JsonMap, context: &Context) -> Result<Span, Fault> {
    let id = match map.shift_remove("trace_id").or_else(|| map.shift_remove("id")) {
        Some(value) => text(&value, "/trace_id")?.unwrap_or_default(),
        None => String::new(),
    };
    let trace_id =
        TraceId::new(id.trim()).map_err(|error| (String::from("/trace_id"), error.to_string()))?;
    let mut span = Span::new(trace_id, SpanId::registration(), Door::Native);
    // A registration is complete as it stands; a later one corrects it.
    span.status = Status::Ok;
    span.start = Some(context.received);
    span.end = Some(context.received);
    if let Some(value) = map.shift_remove("name")
        && let Some(name) = text(&value, "/name")?
    {
        put(&mut span, "trace_name", name.into());
    }
    for name in PLAIN {
        if let Some(value) = map.shift_remove(name) {
            put(&mut span, name, value);
        }
    }
    finish(&mut span, map, JsonMap::new(), context)?;
    Ok(span)
}
