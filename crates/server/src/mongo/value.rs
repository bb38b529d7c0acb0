//! BSON to JSON and back: times become RFC 3339 text, ids become hexadecimal.

use bson::{Bson, DateTime, Document, oid::ObjectId};
use exhibit_model::{Json, JsonMap, Nanos};
use serde_json::json;
use sha2::{Digest, Sha256};

/// A document as JSON. Nesting was bounded when the message was read.
pub(super) fn to_json(document: &Document) -> JsonMap {
    document.iter().map(|(key, value)| (key.clone(), json_of(value))).collect()
}

pub(super) fn json_of(value: &Bson) -> Json {
    match value {
        Bson::Double(number) => json!(number),
        Bson::String(text) | Bson::Symbol(text) => json!(text),
        Bson::Array(items) => items.iter().map(json_of).collect(),
        Bson::Document(document) => Json::Object(to_json(document)),
        Bson::Boolean(truth) => json!(truth),
        Bson::Int32(number) => json!(number),
        Bson::Int64(number) => json!(number),
        Bson::DateTime(at) => {
            let nanos = Nanos(at.timestamp_millis().saturating_mul(1_000_000));
            json!(nanos.to_rfc3339())
        }
        Bson::ObjectId(id) => json!(id.to_hex()),
        Bson::Decimal128(number) => json!(number.to_string()),
        Bson::Binary(binary) => {
            use base64::{Engine, engine::general_purpose::STANDARD};
            json!({ "$bytes": STANDARD.encode(&binary.bytes) })
        }
        _ => Json::Null,
    }
}

/// Fields of documents and steps that are points in time.
const TIMES: [&str; 3] = ["created_at", "updated_at", "timestamp"];

/// A document for a reader, with the id that MongoDB gives every document.
pub(super) fn to_bson(map: &JsonMap) -> Document {
    let mut document = Document::new();
    let name = map.get("trace_id").or_else(|| map.get("project_id")).and_then(Json::as_str);
    if let Some(name) = name {
        let digest = Sha256::digest(name.as_bytes());
        let mut id = [0; 12];
        id.copy_from_slice(&digest[..12]);
        document.insert("_id", ObjectId::from_bytes(id));
    }
    fill(&mut document, map);
    document
}

fn fill(document: &mut Document, map: &JsonMap) {
    for (key, value) in map {
        let time = value.as_str().filter(|_| TIMES.contains(&key.as_str()));
        let bson = match time.and_then(Nanos::parse_rfc3339) {
            Some(at) => Bson::DateTime(DateTime::from_millis(at.0 / 1_000_000)),
            None => bson_of(value),
        };
        // A name ends at its first NUL over there; with one inside, the whole answer could not be written.
        document.insert(key.replace('\0', "\u{FFFD}"), bson);
    }
}

fn bson_of(value: &Json) -> Bson {
    match value {
        Json::Null => Bson::Null,
        Json::Bool(truth) => Bson::Boolean(*truth),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => match i32::try_from(whole) {
                Ok(small) => Bson::Int32(small),
                Err(_) => Bson::Int64(whole),
            },
            (None, float) => Bson::Double(float.unwrap_or(0.0)),
        },
        Json::String(text) => Bson::String(text.clone()),
        Json::Array(items) => Bson::Array(items.iter().map(bson_of).collect()),
        Json::Object(map) => {
            let mut document = Document::new();
            fill(&mut document, map);
            Bson::Document(document)
        }
    }
}
