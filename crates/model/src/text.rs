//! The words of a span that full-text search finds: inputs, outputs, tool arguments, names, errors.

use crate::{Json, Part, Span};

/// Everything of a span that is worth searching, as plain text: its name, its error message and the
/// string values (not the keys) of its input and output attributes and of its events. JSON inside
/// strings is unfolded, since most dialects carry messages that way.
pub fn searchable(span: &Span, out: &mut String) {
    for text in [&span.name, &span.status_message, &span.tool].into_iter().flatten() {
        line(text, out);
    }
    for attribute in span.attributes.iter().filter(|a| matches!(a.part, Part::Input | Part::Output))
    {
        value(&attribute.value, out);
    }
    for event in &span.events {
        event.attributes.values().for_each(|v| value(v, out));
        if let Some(body) = &event.body {
            value(body, out);
        }
    }
}

fn value(json: &Json, out: &mut String) {
    match json {
        Json::String(text) if text.starts_with(['{', '[']) => unfold(text, out),
        Json::String(text) => line(text, out),
        Json::Array(items) => items.iter().for_each(|v| value(v, out)),
        Json::Object(map) => map.values().for_each(|v| value(v, out)),
        Json::Number(number) => line(&number.to_string(), out),
        Json::Null | Json::Bool(_) => {}
    }
}

fn line(text: &str, out: &mut String) {
    out.push_str(text);
    out.push('\n');
}

/// Copies the string literals of JSON text that are not keys. Text that only looks like JSON is
/// copied as far as it has literals; a scan, not a parse, so that nothing here can fail.
fn unfold(text: &str, out: &mut String) {
    let mut rest = text;
    let mut found = false;
    while let Some(open) = rest.find('"') {
        let body = &rest[open + 1..];
        let Some(close) = literal_end(body) else { break };
        let after = body[close + 1..].trim_start();
        if !after.starts_with(':') {
            unescape(&body[..close], out);
            out.push('\n');
        }
        found = true;
        rest = &body[close + 1..];
    }
    if !found {
        line(text, out);
    }
}

/// Byte offset of the quote that ends a literal.
fn literal_end(body: &str) -> Option<usize> {
    let bytes = body.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

fn unescape(literal: &str, out: &mut String) {
    let mut rest = literal;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = rest[at + 1..].chars().next();
        let mut skip = 1 + escape.map_or(0, char::len_utf8);
        match escape {
            Some('u') => {
                let unit = |from: usize| {
                    rest.get(from..from + 4).and_then(|hex| u16::from_str_radix(hex, 16).ok())
                };
                if let Some(high) = unit(at + 2) {
                    skip = 6;
                    let low =
                        rest.get(at + 6..at + 8).filter(|s| *s == "\\u").and_then(|_| unit(at + 8));
                    let units = [Some(high), low];
                    let mut decoded = char::decode_utf16(units.into_iter().flatten());
                    if let Some(Ok(c)) = decoded.next() {
                        out.push(c);
                        skip += if c.len_utf16() == 2 { 6 } else { 0 };
                    }
                }
            }
            Some('"' | '\\' | '/') => out.extend(escape),
            _ => out.push(' '),
        }
        rest = rest.get(at + skip..).unwrap_or_default();
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_a_string_gives_its_values_and_not_its_keys() {
        let mut out = String::new();
        unfold(r#"[{"role":"user","content":"say \"hi\"\nto \u4e2d\ud83d\ude00"}]"#, &mut out);
        assert_eq!(out, "user\nsay \"hi\" to 中😀\n");
    }

    #[test]
    fn broken_json_never_panics_and_keeps_its_words() {
        for text in ["{not json", "[\"open", "{\"a\\", "[\"\\u12\"]", "[\"\\ud83d\"]"] {
            let mut out = String::new();
            unfold(text, &mut out);
        }
    }
}
