//! Attribute values of the protobuf form.

use base64::{Engine, engine::general_purpose::STANDARD};
use exhibit_model::{Attribute, Json, JsonMap};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};

use super::raw::Oddities;
use crate::read;

/// Most keys among which repeated ones are looked for one by one.
const FEW: usize = 64;

/// Moves key-value pairs into attributes. Of a repeated key the last value counts.
pub(super) fn attributes(pairs: Vec<KeyValue>, odd: &mut Oddities) -> Vec<Attribute> {
    let mut list: Vec<Attribute> = Vec::with_capacity(pairs.len() + 2);
    for pair in pairs {
        let mut key = pair.key;
        odd.bytes += key.len();
        odd.invalid_text |= read::scrub(&mut key);
        let value = pair.value.map_or(Json::Null, |value| json(value, odd));
        list.push(Attribute::new(key, value));
    }
    unique(&mut list, odd);
    list
}

/// Leaves only the last of the attributes with the same key, in the place of the first.
pub(super) fn unique(list: &mut Vec<Attribute>, odd: &mut Oddities) {
    let mut seen = [0u64; 16];
    let mut suspects = false;
    for attribute in list.iter() {
        let mark = mark(attribute.key.as_bytes());
        let (word, bit) = ((mark >> 6) as usize & 15, 1u64 << (mark & 63));
        suspects |= seen[word] & bit != 0;
        seen[word] |= bit;
    }
    if !suspects {
        return;
    }
    let repeated = if list.len() <= FEW {
        (1..list.len()).any(|at| list[..at].iter().any(|other| other.key == list[at].key))
    } else {
        let keys: std::collections::HashSet<&str> = list.iter().map(|a| a.key.as_str()).collect();
        keys.len() < list.len()
    };
    if !repeated {
        return;
    }
    odd.repeated_key = true;
    let mut places = std::collections::HashMap::new();
    let mut kept: Vec<Attribute> = Vec::with_capacity(list.len());
    for attribute in list.drain(..) {
        if let Some(&at) = places.get(&attribute.key) {
            kept[at] = attribute;
        } else {
            places.insert(attribute.key.clone(), kept.len());
            kept.push(attribute);
        }
    }
    *list = kept;
}

/// A cheap mixture of a key's bytes: equal keys have equal marks.
fn mark(key: &[u8]) -> u64 {
    let mut tail = [0; 8];
    let from = key.len().saturating_sub(8);
    let last = &key[from..];
    tail[..last.len()].copy_from_slice(last);
    let first = key.first().copied().unwrap_or_default();
    let seed = u64::from_le_bytes(tail) ^ (key.len() as u64) << 32 ^ u64::from(first);
    seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54
}

/// Moves pairs into a JSON object.
pub(super) fn map(pairs: Vec<KeyValue>, odd: &mut Oddities) -> JsonMap {
    let mut map = JsonMap::with_capacity(pairs.len());
    for pair in pairs {
        let mut key = pair.key;
        odd.bytes += key.len();
        odd.invalid_text |= read::scrub(&mut key);
        let value = pair.value.map_or(Json::Null, |value| json(value, odd));
        odd.repeated_key |= map.insert(key, value).is_some();
    }
    map
}

/// Moves a value into JSON. Its depth is bounded by the decoder's recursion limit.
pub(super) fn json(value: AnyValue, odd: &mut Oddities) -> Json {
    odd.bytes += 8;
    match value.value {
        None => Json::Null,
        Some(Value::StringValue(mut text)) => {
            odd.bytes += text.len();
            odd.invalid_text |= read::scrub(&mut text);
            Json::String(text)
        }
        Some(Value::BoolValue(truth)) => Json::Bool(truth),
        Some(Value::IntValue(number)) => number.into(),
        Some(Value::DoubleValue(number)) => double(number),
        Some(Value::ArrayValue(list)) => {
            Json::Array(list.values.into_iter().map(|item| json(item, odd)).collect())
        }
        Some(Value::KvlistValue(list)) => Json::Object(map(list.values, odd)),
        Some(Value::BytesValue(bytes)) => {
            odd.bytes += bytes.len();
            bytes_value(&bytes)
        }
        // An index into a table of strings that traces and logs do not have.
        Some(Value::StringValueStrindex(index)) => index.into(),
    }
}

/// A number; what JSON cannot say becomes text.
pub(super) fn double(number: f64) -> Json {
    serde_json::Number::from_f64(number).map_or_else(
        || {
            let word = if number.is_nan() {
                "NaN"
            } else if number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            };
            Json::String(word.to_owned())
        },
        Json::Number,
    )
}

/// Bytes, under a key that tells them from text.
pub(super) fn bytes_value(bytes: &[u8]) -> Json {
    let mut map = JsonMap::new();
    map.insert("$bytes".to_owned(), STANDARD.encode(bytes).into());
    Json::Object(map)
}
