//! Attribute values of the JSON form.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use exhibit_model::{Attribute, Json, JsonMap};

use super::{Fault, Oddities, fault, members, value};
use crate::read;

/// Reads a list of `{key, value}`. Of a repeated key the last value counts.
pub(super) fn attributes(
    list: Option<Json>,
    at: &str,
    odd: &mut Oddities,
) -> Result<Vec<Attribute>, Fault> {
    let items = members(list, at)?;
    let mut attributes = Vec::with_capacity(items.len() + 2);
    for (n, item) in items.into_iter().enumerate() {
        let at = |below: &str| format!("{at}/{n}{below}");
        let (key, value) = pair(item, odd).map_err(|(b, reason)| fault(at(&b), reason))?;
        attributes.push(Attribute::new(key, value));
    }
    value::unique(&mut attributes, odd);
    Ok(attributes)
}

/// Reads a list of `{key, value}` as an object. The pointer of a fault starts at `/attributes`.
pub(super) fn map(list: Option<Json>, odd: &mut Oddities) -> Result<JsonMap, Fault> {
    let mut map = JsonMap::new();
    for attribute in attributes(list, "/attributes", odd)? {
        map.insert(attribute.key, attribute.value);
    }
    Ok(map)
}

fn pair(item: Json, odd: &mut Oddities) -> Result<(String, Json), Fault> {
    let Json::Object(mut map) = item else {
        return Err(fault("", "an attribute must be an object with key and value"));
    };
    let Some(Json::String(mut key)) = map.remove("key") else {
        return Err(fault("/key", "an attribute must have a key that is text"));
    };
    odd.bytes += key.len();
    odd.invalid_text |= read::scrub(&mut key);
    let value = match map.remove("value") {
        None => Json::Null,
        Some(value) => self::value(value, odd)
            .map_err(|(below, reason)| fault(format!("/value{below}"), reason))?,
    };
    Ok((key, value))
}

/// Reads `{"stringValue": …}` and its siblings. Depth is bounded by the parser.
pub(super) fn value(value: Json, odd: &mut Oddities) -> Result<Json, Fault> {
    odd.bytes += 8;
    let map = match value {
        Json::Null => return Ok(Json::Null),
        Json::Object(map) => map,
        _ => return Err(fault("", "a value must be an object such as {\"stringValue\": \"…\"}")),
    };
    let Some((name, inner)) = map.into_iter().find(|(_, inner)| !inner.is_null()) else {
        return Ok(Json::Null);
    };
    let at = |reason: &str| fault(format!("/{}", crate::json::pointer_token(&name)), reason);
    match name.as_str() {
        "stringValue" | "string_value" => match inner {
            Json::String(mut text) => {
                odd.bytes += text.len();
                odd.invalid_text |= read::scrub(&mut text);
                Ok(Json::String(text))
            }
            inner @ (Json::Number(_) | Json::Bool(_)) => Ok(Json::String(inner.to_string())),
            _ => Err(at("must be text")),
        },
        "boolValue" | "bool_value" => match inner {
            Json::Bool(_) => Ok(inner),
            Json::String(text) if text == "true" || text == "false" => {
                Ok(Json::Bool(text == "true"))
            }
            _ => Err(at("must be true or false")),
        },
        "intValue" | "int_value" => integer(&inner)
            .map(Json::from)
            .ok_or_else(|| at("must be an integer of 64 bits, as a number or as text")),
        "doubleValue" | "double_value" => match &inner {
            Json::Number(_) => Ok(inner),
            Json::String(text) => match text.as_str() {
                "NaN" | "Infinity" | "-Infinity" => Ok(inner),
                _ => text
                    .parse::<f64>()
                    .map(value::double)
                    .map_err(|_| at("must be a number, \"NaN\", \"Infinity\" or \"-Infinity\"")),
            },
            _ => Err(at("must be a number")),
        },
        "arrayValue" | "array_value" => {
            let items = nested(inner).ok_or_else(|| at("must be an object with values"))?;
            items
                .into_iter()
                .map(|item| self::value(item, odd))
                .collect::<Result<Vec<_>, _>>()
                .map(Json::Array)
                .map_err(|(_, reason)| at(&reason))
        }
        "kvlistValue" | "kvlist_value" => {
            let items = nested(inner).ok_or_else(|| at("must be an object with values"))?;
            let mut map = JsonMap::new();
            for item in items {
                let (key, value) = pair(item, odd).map_err(|(_, reason)| at(&reason))?;
                odd.repeated_key |= map.insert(key, value).is_some();
            }
            Ok(Json::Object(map))
        }
        "bytesValue" | "bytes_value" => {
            let text = inner.as_str().ok_or_else(|| at("must be base64 text"))?;
            odd.bytes += text.len();
            let bytes = STANDARD
                .decode(text)
                .or_else(|_| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')))
                .map_err(|_| at("must be base64 text"))?;
            Ok(value::bytes_value(&bytes))
        }
        _ => Err(at("is not a kind of value OTLP knows")),
    }
}

fn integer(value: &Json) -> Option<i64> {
    match value {
        Json::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64()?;
            (float.fract() == 0.0 && float.abs() < 9.2e18).then_some(float as i64)
        }),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The members of an array or key-value list.
fn nested(inner: Json) -> Option<Vec<Json>> {
    match inner {
        Json::Object(mut map) => match map.remove("values") {
            None | Some(Json::Null) => Some(Vec::new()),
            Some(Json::Array(items)) => Some(items),
            Some(_) => None,
        },
        Json::Array(items) => Some(items),
        _ => None,
    }
}
