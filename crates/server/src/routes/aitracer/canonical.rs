//! JSON as Python's `json.dumps(value, sort_keys=True, separators=(",", ":"))` writes it: sorted
//! keys, everything beyond ASCII escaped, floats by their shortest `repr`.

use std::fmt::Write;

use exhibit_model::Json;

/// The canonical text. Recursion is bounded by the parser that read the value.
pub(super) fn python_json(value: &Json) -> String {
    let mut out = String::new();
    element(value, &mut out);
    out
}

fn element(value: &Json, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => out.push_str(&float_repr(float)),
            None => out.push_str(&number.to_string()),
        },
        Json::String(text) => string(text, out),
        Json::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                element(item, out);
            }
            out.push(']');
        }
        Json::Object(members) => {
            // Python sorts by code point, as UTF-8 bytes do.
            let mut keys: Vec<&String> = members.keys().collect();
            keys.sort_unstable();
            out.push('{');
            for (at, key) in keys.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                string(key, out);
                out.push(':');
                element(&members[key], out);
            }
            out.push('}');
        }
    }
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

/// The shortest digits that read back, with an exponent below 1e-4 and from 1e16 on.
fn float_repr(float: f64) -> String {
    let scientific = format!("{float:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{float}");
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_what_python_writes() {
        // From `json.dumps(value, sort_keys=True, separators=(",", ":"))` of CPython 3.12.
        let value = json!({
            "ü": "é😀\u{7f}\n", "b": [1, 2.0, -0.5, 1e-5, 1e16, 1.5e300, 0.1], "a": { "z": null, "y": true }
        });
        let expected = r#"{"a":{"y":true,"z":null},"b":[1,2.0,-0.5,1e-05,1e+16,1.5e+300,0.1],"\u00fc":"\u00e9\ud83d\ude00\u007f\n"}"#;
        assert_eq!(python_json(&value), expected);
    }
}
