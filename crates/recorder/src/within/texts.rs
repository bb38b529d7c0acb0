//! Every text of a span, with the part it stands in and the pointer that leads to it.

use std::fmt::Write as _;

use exhibit_model::{Json, JsonMap, Part, Span};

/// Names that start so are ours: what came without a name of its own stands under them.
const OURS: &str = "exhibit.";

type Visit<'v> = &'v mut dyn FnMut(Part, &str, &str);

/// Visits the texts of a span: mapped fields, attributes with their names, resource, scope, events and
/// links. Pointers are those of findings.
pub(super) fn visit(span: &Span, visit: Visit<'_>) {
    let mut pointer = String::new();
    let fields = [
        ("/name", &span.name),
        ("/status_message", &span.status_message),
        ("/error_type", &span.error_type),
        ("/model", &span.model),
        ("/provider", &span.provider),
        ("/agent_name", &span.agent),
        ("/tool_name", &span.tool),
        ("/tool_call_id", &span.tool_call_id),
        ("/response_id", &span.response_id),
        ("/session_id", &span.session),
        ("/user_id", &span.user),
        ("/service", &span.service),
    ];
    for (name, field) in fields {
        if let Some(text) = field {
            visit(Part::Header, name, text);
        }
    }
    for attribute in &span.attributes {
        named(attribute.part, &attribute.key, &attribute.value, &mut pointer, visit);
    }
    below("/resource", &mut pointer, |pointer| {
        members(Part::Attributes, &span.resource.attributes, pointer, visit);
    });
    for (name, text) in [("/scope/name", &span.scope.name), ("/scope/version", &span.scope.version)]
    {
        visit(Part::Attributes, name, text);
    }
    below("/scope/attributes", &mut pointer, |pointer| {
        members(Part::Attributes, &span.scope.attributes, pointer, visit);
    });
    for (n, event) in span.events.iter().enumerate() {
        visit(Part::Events, &format!("/events/{n}/name"), &event.name);
        below(&format!("/events/{n}/attributes"), &mut pointer, |pointer| {
            members(Part::Events, &event.attributes, pointer, visit);
        });
        if let Some(body) = &event.body {
            below(&format!("/events/{n}/body"), &mut pointer, |pointer| {
                value(Part::Events, body, pointer, visit);
            });
        }
    }
    for (n, link) in span.links.iter().enumerate() {
        below(&format!("/links/{n}/attributes"), &mut pointer, |pointer| {
            members(Part::Events, &link.attributes, pointer, visit);
        });
    }
}

/// Goes a step further, and back.
fn below(step: &str, pointer: &mut String, go: impl FnOnce(&mut String)) {
    let length = pointer.len();
    pointer.push_str(step);
    go(pointer);
    pointer.truncate(length);
}

fn members(part: Part, map: &JsonMap, pointer: &mut String, visit: Visit<'_>) {
    for (key, json) in map {
        named(part, key, json, pointer, visit);
    }
}

/// A name, and the value under it.
fn named(part: Part, key: &str, json: &Json, pointer: &mut String, visit: Visit<'_>) {
    below(&escaped(key), pointer, |pointer| {
        if !key.starts_with(OURS) {
            below("#", pointer, |pointer| visit(part, pointer, key));
        }
        value(part, json, pointer, visit);
    });
}

fn value(part: Part, json: &Json, pointer: &mut String, visit: Visit<'_>) {
    match json {
        Json::String(text) if text.starts_with(['{', '[']) => {
            // Most dialects carry messages as JSON in a text.
            match serde_json::from_str::<Json>(text) {
                Ok(inner) => value(part, &inner, pointer, visit),
                Err(_) => visit(part, pointer, text),
            }
        }
        Json::String(text) => visit(part, pointer, text),
        Json::Number(number) => visit(part, pointer, &number.to_string()),
        Json::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                let length = pointer.len();
                // Writing to a string cannot fail.
                let _ = write!(pointer, "/{n}");
                value(part, item, pointer, visit);
                pointer.truncate(length);
            }
        }
        Json::Object(map) => {
            for (key, json) in map {
                below(&escaped(key), pointer, |pointer| value(part, json, pointer, visit));
            }
        }
        Json::Null | Json::Bool(_) => {}
    }
}

/// A step of a pointer.
fn escaped(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}
