//! The native JSON API: `{"trace": …}`, `{"batch": […]}` and the single call of `POST /api/traces`.
//!
//! Every native field becomes a raw attribute under a reserved key (`exhibit.model`, …), and the
//! client's own `attributes` become plain ones, so that keys of known conventions inside them are
//! mapped as well. [`fields`] gives them back under the same names, for spans of any origin.

mod fields;
pub(crate) mod foreign;
pub(crate) mod multipart;
mod register;
mod simple;
mod span;

pub use fields::fields;
pub use register::trace_registration;
pub use simple::{SimpleTrace, simple_trace};
pub use span::span_batch;

use exhibit_model::{Attribute, Flag, Json, JsonMap, Span, limits};

use crate::{Context, DecodeError, dialect::native::PREFIX, json, otlp, read};

/// The prefix of every reserved attribute key.
pub const NATIVE_PREFIX: &str = PREFIX;
/// Where native fields are kept whose names mean nothing to Exhibit.
pub(crate) const EXTRA: &str = "exhibit.extra.";

/// Why an entry is refused: a pointer below it, and the reason.
pub(crate) type Fault = (String, String);

pub(crate) fn fault(pointer: impl Into<String>, reason: impl Into<String>) -> Fault {
    (pointer.into(), reason.into())
}

/// Reads a body that must be an object.
pub(crate) fn object(
    body: &[u8],
    context: &Context,
    expected: &'static str,
) -> Result<JsonMap, DecodeError> {
    match json::parse(body, context.limits.depth_max.min(120))? {
        Json::Object(map) => Ok(map),
        _ => Err(DecodeError::Shape { pointer: String::new(), expected }),
    }
}

/// The number that a client gave a finished record, and the name of its series (`source`, `sequence`): a
/// missing number is a record that got lost.
pub fn numbered(span: &Span) -> Option<(&str, u64)> {
    let extra = |name: &str| {
        let mut all = span.attributes.iter();
        all.find(|a| a.key.strip_prefix(EXTRA) == Some(name)).map(|a| &a.value)
    };
    Some((extra("source")?.as_str()?, extra("sequence")?.as_u64()?))
}

/// Puts a native field under its reserved key. Null is absent.
pub(crate) fn put(span: &mut Span, name: &str, value: Json) {
    if !value.is_null() {
        span.attributes.push(Attribute::new(format!("{PREFIX}{name}"), value));
    }
}

/// Keeps what no field is known for, and the client's own attributes; repairs all texts.
pub(crate) fn finish(
    span: &mut Span,
    rest: JsonMap,
    attributes: JsonMap,
    context: &Context,
) -> Result<(), Fault> {
    for (name, value) in rest {
        if !value.is_null() {
            span.attributes.push(Attribute::new(format!("{EXTRA}{name}"), value));
        }
    }
    for (key, value) in attributes {
        if span.attribute(&key).is_some() {
            span.flag(Flag::RepeatedKey);
        } else {
            span.attributes.push(Attribute::new(key, value));
        }
    }
    span.attributes.extend(otlp::labels(context));
    let max = context.limits.attributes_per_span_max;
    if span.attributes.len() > max {
        return Err(fault("/attributes", format!("a span has at most {max} attributes")));
    }
    let mut bytes = 0;
    let mut invalid = false;
    for attribute in &mut span.attributes {
        bytes += attribute.key.len() + read::size(&attribute.value);
        invalid |= read::scrub(&mut attribute.key);
        invalid |= read::scrub_value(&mut attribute.value);
    }
    for text in [&mut span.name, &mut span.status_message].into_iter().flatten() {
        invalid |= read::scrub(text);
    }
    if invalid {
        span.flag(Flag::InvalidText);
    }
    let max = context.limits.span_bytes_max;
    if bytes > max {
        return Err(fault("", format!("the span holds {bytes} bytes, at most {max} are kept")));
    }
    if let Some(name) = &mut span.name
        && read::cut(name, limits::NAME_CHARS_MAX)
    {
        span.flag(Flag::NameCut);
    }
    span.received = context.received;
    Ok(())
}

/// Text, or a number that stands for text.
pub(crate) fn text(value: &Json, pointer: &str) -> Result<Option<String>, Fault> {
    match value {
        Json::Null => Ok(None),
        Json::String(text) => Ok(Some(text.clone())),
        Json::Number(number) => Ok(Some(number.to_string())),
        _ => Err(fault(pointer, "must be text")),
    }
}

/// Checks a number of tokens and keeps it as the client wrote it.
fn tokens(span: &mut Span, name: &str, pointer: &str, value: Json) -> Result<(), Fault> {
    match read::count(&value) {
        Ok(None) => Ok(()),
        Ok(Some(_)) => {
            if value.is_string() {
                span.flag(Flag::NumberAsText);
            }
            put(span, name, value);
            Ok(())
        }
        Err(_) => Err(fault(pointer, "must be a whole number of tokens, 0 to 1e12")),
    }
}

/// Checks an amount of US dollars and keeps it as the client wrote it.
fn dollars(span: &mut Span, name: &str, pointer: &str, value: Json) -> Result<(), Fault> {
    if value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty()) {
        return Ok(());
    }
    let amount = read::number(&value).and_then(exhibit_model::NanoUsd::from_usd);
    if amount.is_none() {
        return Err(fault(pointer, "must be an amount of US dollars, 0 to 9e9"));
    }
    if value.is_string() {
        span.flag(Flag::NumberAsText);
    }
    put(span, name, value);
    Ok(())
}
