//! Strict JSON.
//!
//! Refuses what lenient parsers let through and two readers would read differently: duplicate keys,
//! lone surrogates, invalid UTF-8, `NaN`, trailing data; and what would exhaust a server: deep
//! nesting and more values than a request can honestly need. Every refusal names its place.

use std::{cell::Cell, fmt};

use exhibit_model::{Json, JsonMap};
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

use crate::DecodeError;

/// Most JSON values in one body. A value costs about 72 bytes in memory and two on the wire, so a
/// small body could otherwise become gigabytes; 50,000 spans of 30 attributes need six million.
const VALUES_MAX: usize = 6_000_000;
/// Most values of JSON text inside an attribute.
const INNER_VALUES_MAX: usize = 200_000;
/// Deepest nesting of JSON text inside an attribute.
const INNER_DEPTH_MAX: usize = 64;

/// Reads one JSON text.
pub(crate) fn parse(body: &[u8], depth_max: usize) -> Result<Json, DecodeError> {
    let text =
        std::str::from_utf8(body).map_err(|e| DecodeError::InvalidUtf8 { at: e.valid_up_to() })?;
    if text.trim().is_empty() {
        return Err(DecodeError::Empty);
    }
    let state =
        State { budget: Cell::new(VALUES_MAX), refusal: Cell::new(None), strict: true, depth_max };
    run(text, &state).map_err(|e| refusal(&state, &e))
}

/// Reads JSON text inside an attribute, such as a list of messages. Repeated keys are tolerated (the
/// last counts), since the text itself is kept as the client sent it. `None` when it is not JSON.
pub(crate) fn parse_inner(text: &str) -> Option<Json> {
    let state = State {
        budget: Cell::new(INNER_VALUES_MAX),
        refusal: Cell::new(None),
        strict: false,
        depth_max: INNER_DEPTH_MAX,
    };
    run(text, &state).ok()
}

fn run(text: &str, state: &State) -> Result<Json, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Seed { state, depth: 0 }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

struct State {
    budget: Cell<usize>,
    refusal: Cell<Option<Refusal>>,
    strict: bool,
    depth_max: usize,
}

enum Refusal {
    Depth,
    Duplicate(String),
    Values,
}

fn refusal(state: &State, error: &serde_json::Error) -> DecodeError {
    let (line, column) = (error.line(), error.column());
    match state.refusal.take() {
        Some(Refusal::Depth) => DecodeError::TooDeep { max: state.depth_max },
        Some(Refusal::Duplicate(key)) => DecodeError::DuplicateKey { key, line, column },
        Some(Refusal::Values) => DecodeError::TooMany { what: "values", max: VALUES_MAX },
        None => {
            let text = error.to_string();
            let reason = text.split(" at line ").next().unwrap_or_default().to_owned();
            if reason.contains("surrogate") || reason.contains("end of hex escape") {
                DecodeError::LoneSurrogate { line, column }
            } else if reason.contains("recursion limit") {
                DecodeError::TooDeep { max: state.depth_max }
            } else {
                DecodeError::Json { line, column, reason }
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    state: &'a State,
    depth: usize,
}

impl Seed<'_> {
    fn refuse<E: de::Error>(&self, refusal: Refusal) -> E {
        self.state.refusal.set(Some(refusal));
        E::custom("refused")
    }

    fn inner<E: de::Error>(self) -> Result<Self, E> {
        if self.depth >= self.state.depth_max {
            return Err(self.refuse(Refusal::Depth));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        match self.state.budget.get().checked_sub(1) {
            Some(rest) => self.state.budget.set(rest),
            None => return Err(self.refuse(Refusal::Values)),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(serde_json::Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let seed = self.inner()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(seed)? {
            list.push(item);
        }
        Ok(Json::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let seed = self.inner()?;
        let mut map = JsonMap::new();
        while let Some(key) = entries.next_key::<String>()? {
            if self.state.strict && map.contains_key(&key) {
                return Err(self.refuse(Refusal::Duplicate(key)));
            }
            let value = entries.next_value_seed(seed)?;
            map.insert(key, value);
        }
        Ok(Json::Object(map))
    }
}

/// Escapes one token of a JSON pointer (RFC 6901, section 3).
pub(crate) fn pointer_token(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> &'static str {
        parse(text.as_bytes(), 8).unwrap_err().code()
    }

    #[test]
    fn each_defect_of_a_json_text_has_its_own_code() {
        assert_eq!(code(""), "empty-body");
        assert_eq!(code("{\"a\":"), "malformed-json");
        assert_eq!(code("{\"a\":1} x"), "malformed-json");
        assert_eq!(code("{\"a\":NaN}"), "malformed-json");
        assert_eq!(code("{\"a\":1e999}"), "malformed-json");
        assert_eq!(code("{\"a\":1,\"a\":2}"), "duplicate-key");
        assert_eq!(code(r#"{"a":"\ud800"}"#), "lone-surrogate");
        assert_eq!(code(r#"{"a":"\udc00x"}"#), "lone-surrogate");
        assert_eq!(code(r#"{"a":"\ud800A"}"#), "lone-surrogate");
        assert_eq!(code("[[[[[[[[[1]]]]]]]]]"), "too-deep");
        let invalid = parse(b"{\"a\":\"\xff\"}", 8).unwrap_err();
        assert_eq!(invalid, DecodeError::InvalidUtf8 { at: 6 });
    }

    #[test]
    fn the_refusal_of_a_duplicate_key_names_the_key_and_its_place() {
        let error = parse(b"{\"a\":1,\n \"b\":{\"x\":1,\"x\":2}}", 8).unwrap_err();
        assert!(
            matches!(&error, DecodeError::DuplicateKey { key, line: 2, .. } if key == "x"),
            "{error}"
        );
    }

    #[test]
    fn deep_nesting_is_refused_before_it_can_exhaust_the_stack() {
        let text = "[".repeat(1_000_000);
        assert_eq!(parse(text.as_bytes(), 64).unwrap_err().code(), "too-deep");
        assert_eq!(parse_inner(&text), None);
    }

    #[test]
    fn a_body_of_countless_tiny_values_is_refused() {
        let text = format!("[{}0]", "0,".repeat(VALUES_MAX));
        assert_eq!(parse(text.as_bytes(), 8).unwrap_err().code(), "too-many");
    }
}
