//! How a span becomes the bytes that are sealed and stored, and back.
//!
//! A record has five parts in a fixed order ([`Part::ALL`]), each JSON:
//! the header is the [`Span`] itself; `input` and `output` are objects of the raw attributes that
//! carry content; `attributes` holds all others with the resource and the scope; `events` holds
//! events and links. An absent part has no bytes.

use std::sync::Arc;

use serde::{Deserialize, Serialize, ser::SerializeMap};

use crate::{Attribute, Event, Json, JsonMap, Link, Part, Resource, Span, span::Scope};

/// The stored bytes of one record, in the order of [`Part::ALL`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parts(pub [Vec<u8>; 5]);

impl Parts {
    /// The bytes as slices.
    pub fn slices(&self) -> [&[u8]; 5] {
        self.0.each_ref().map(Vec::as_slice)
    }

    /// Length of each part in bytes.
    pub fn lengths(&self) -> [usize; 5] {
        self.0.each_ref().map(Vec::len)
    }
}

/// Stored bytes that are not a record.
#[derive(Debug, thiserror::Error)]
#[error("the {part} part does not read: {source}")]
pub struct RecordError {
    part: &'static str,
    source: serde_json::Error,
}

struct Raw<'a>(&'a [Attribute], Part);

impl Serialize for Raw<'_> {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        for attribute in self.0.iter().filter(|a| a.part == self.1) {
            map.serialize_entry(&attribute.key, &attribute.value)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct AttributesOut<'a> {
    attributes: Raw<'a>,
    resource: &'a Resource,
    scope: &'a Scope,
}

#[derive(Deserialize)]
struct AttributesIn {
    attributes: JsonMap,
    resource: Resource,
    scope: Scope,
}

#[derive(Serialize)]
struct EventsOut<'a> {
    events: &'a [Event],
    links: &'a [Link],
}

#[derive(Deserialize)]
struct EventsIn {
    events: Vec<Event>,
    links: Vec<Link>,
}

/// Writes a span's parts. Equal spans give equal bytes.
pub fn encode(span: &Span) -> Parts {
    let mut parts = Parts::default();
    parts.0[0] = json(span, 1024);
    for (slot, part) in [(1, Part::Input), (2, Part::Output)] {
        if span.attributes.iter().any(|a| a.part == part) {
            parts.0[slot] = json(&Raw(&span.attributes, part), 1024);
        }
    }
    parts.0[3] = json(
        &AttributesOut {
            attributes: Raw(&span.attributes, Part::Attributes),
            resource: &span.resource,
            scope: &span.scope,
        },
        1024,
    );
    if !span.events.is_empty() || !span.links.is_empty() {
        parts.0[4] = json(&EventsOut { events: &span.events, links: &span.links }, 256);
    }
    parts
}

/// Reads a span back from its parts.
pub fn decode(parts: [&[u8]; 5]) -> Result<Span, RecordError> {
    let fail = |part: Part| move |source| RecordError { part: part.as_str(), source };
    let mut span: Span = serde_json::from_slice(parts[0]).map_err(fail(Part::Header))?;
    for (slot, part) in [(1, Part::Input), (2, Part::Output)] {
        if !parts[slot].is_empty() {
            let map: JsonMap = serde_json::from_slice(parts[slot]).map_err(fail(part))?;
            push(&mut span.attributes, map, part);
        }
    }
    if !parts[3].is_empty() {
        let rest: AttributesIn =
            serde_json::from_slice(parts[3]).map_err(fail(Part::Attributes))?;
        push(&mut span.attributes, rest.attributes, Part::Attributes);
        span.resource = Arc::new(rest.resource);
        span.scope = Arc::new(rest.scope);
    }
    if !parts[4].is_empty() {
        let events: EventsIn = serde_json::from_slice(parts[4]).map_err(fail(Part::Events))?;
        span.events = events.events;
        span.links = events.links;
    }
    Ok(span)
}

fn push(attributes: &mut Vec<Attribute>, map: JsonMap, part: Part) {
    attributes.extend(map.into_iter().map(|(key, value): (String, Json)| Attribute {
        key,
        value,
        part,
    }));
}

/// Cannot fail: maps of the model have text keys, and every number of [`Json`] is finite.
fn json<T: Serialize>(value: &T, capacity: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(capacity);
    let written = serde_json::to_writer(&mut bytes, value);
    debug_assert!(written.is_ok(), "JSON of the model serialises");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Door, Nanos, SpanId, TraceId};

    #[test]
    fn a_span_reads_back_as_it_was_written() {
        let mut span = Span::new(TraceId::new("t").unwrap(), SpanId::new("s").unwrap(), Door::Otlp);
        span.name = Some("chat".into());
        span.start = Some(Nanos(1_800_000_000_000_000_001));
        span.attributes.push(Attribute {
            key: "in".into(),
            value: "question".into(),
            part: Part::Input,
        });
        span.attributes.push(Attribute::new("n", 7));
        span.events.push(Event {
            name: "e".into(),
            time: Nanos(5),
            attributes: JsonMap::new(),
            body: None,
        });
        let parts = encode(&span);
        let back = decode(parts.slices()).unwrap();
        assert_eq!(encode(&back), parts);
        assert_eq!(back.start, span.start);
        assert_eq!(back.attributes, span.attributes);
    }
}
