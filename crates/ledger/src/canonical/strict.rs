//! Reading JSON that has one meaning only.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

mod scan;

/// Why a text was refused. Offsets count bytes from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not UTF-8.
    #[error("invalid UTF-8 at byte {offset}")]
    Utf8 {
        /// First byte that is not UTF-8.
        offset: usize,
    },
    /// Nested deeper than allowed.
    #[error("nested deeper than {max} at byte {offset}")]
    TooDeep {
        /// Where the first level too many opens.
        offset: usize,
        /// The bound.
        max: usize,
    },
    /// A `\uD800`..`\uDFFF` escape without its other half.
    #[error("lone surrogate at byte {offset}")]
    LoneSurrogate {
        /// Where the escape starts.
        offset: usize,
    },
    /// An integer of more than 64 bits, which would lose digits.
    #[error("integer at byte {offset} does not fit 64 bits")]
    Integer {
        /// Where the number starts.
        offset: usize,
    },
    /// An object has the same name twice.
    #[error("duplicate name {name:?}")]
    DuplicateName {
        /// The name, cut to 64 characters.
        name: String,
    },
    /// Something other than white space follows the value.
    #[error("trailing data at line {line}, column {column}")]
    Trailing {
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
    },
    /// Not JSON.
    #[error("not JSON: {message} at line {line}, column {column}")]
    Syntax {
        /// What is wrong.
        message: String,
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
    },
}

/// Reads one JSON value and nothing else; `depth_max` bounds the nesting of arrays and objects and is
/// itself held to 127.
///
/// # Errors
/// See [`ParseError`]: each kind of refusal has its own name.
pub fn parse_strict(bytes: &[u8], depth_max: usize) -> Result<Value, ParseError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| ParseError::Utf8 { offset: error.valid_up_to() })?;
    scan::check(bytes, depth_max.min(scan::DEPTH_LIMIT))?;
    let duplicate = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_str(text);
    let value =
        StrictValue { duplicate: &duplicate }.deserialize(&mut reader).map_err(|error| {
            match duplicate.take() {
                Some(name) => ParseError::DuplicateName { name },
                None => syntax(&error),
            }
        })?;
    reader
        .end()
        .map_err(|error| ParseError::Trailing { line: error.line(), column: error.column() })?;
    Ok(value)
}

fn syntax(error: &serde_json::Error) -> ParseError {
    let mut message = error.to_string();
    if let Some(cut) = message.rfind(" at line ") {
        message.truncate(cut);
    }
    ParseError::Syntax { message, line: error.line(), column: error.column() }
}

/// Builds a [`Value`] and stops at the first name that an object has twice.
#[derive(Clone, Copy)]
struct StrictValue<'d> {
    duplicate: &'d RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for StrictValue<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictValue<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                *self.duplicate.borrow_mut() = Some(name.chars().take(64).collect());
                return Err(A::Error::custom("duplicate name"));
            }
            let value = members.next_value_seed(self)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}
