//! BSON to JSON and back: times become RFC 3339 text, ids become hexadecimal.

use bson::{Bson, DateTime, Document, oid::ObjectId};
use exhibit_model::{Json, JsonMap, Nanos};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::query::NotKnown;

const ID: &str = "_id";

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

/// A document that was found, with the id that MongoDB gives every document.
pub(super) struct Found {
    /// Its fields; `_id` as hexadecimal text.
    pub(super) fields: JsonMap,
    id: Option<ObjectId>,
}

impl Found {
    /// The id is made of the name.
    pub(super) fn of(mut fields: JsonMap) -> Self {
        let name = fields.get("trace_id").or_else(|| fields.get("project_id"));
        let id = name.and_then(Json::as_str).map(|name| {
            let digest = Sha256::digest(name.as_bytes());
            let mut id = [0; 12];
            id.copy_from_slice(&digest[..12]);
            ObjectId::from_bytes(id)
        });
        if let Some(id) = id {
            fields.insert(ID.to_owned(), json!(id.to_hex()));
        }
        Self { fields, id }
    }

    /// About how many bytes it takes.
    pub(super) fn weight(&self) -> usize {
        self.fields.iter().map(|(key, value)| key.len() + weight(value)).sum()
    }

    /// The whole document.
    pub(super) fn whole(&self) -> Document {
        document(self.id, &self.fields)
    }

    /// What a projection shows of it.
    pub(super) fn shown(&self, projection: &Document) -> Result<Document, NotKnown> {
        let wanted = Projection::read(projection)?;
        let id = self.id.filter(|_| wanted.id);
        Ok(document(id, &wanted.of(&self.fields)))
    }
}

fn document(id: Option<ObjectId>, fields: &JsonMap) -> Document {
    let mut document = Document::new();
    if let Some(id) = id {
        document.insert(ID, id);
    }
    fill(&mut document, fields);
    if id.is_none() {
        document.remove(ID);
    }
    document
}

/// About how many bytes a value takes.
pub(super) fn weight(value: &Json) -> usize {
    const EACH: usize = 16;
    EACH + match value {
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(weight).sum(),
        Json::Object(map) => map.iter().map(|(key, value)| key.len() + weight(value)).sum(),
        _ => 0,
    }
}

/// Which fields are shown: those that are named, or all but those.
struct Projection {
    paths: Vec<String>,
    takes: bool,
    id: bool,
}

impl Projection {
    fn read(given: &Document) -> Result<Self, NotKnown> {
        let mut read = Self { paths: Vec::new(), takes: false, id: true };
        let mut ways = Vec::with_capacity(given.len());
        for (path, way) in given {
            let json = json_of(way);
            let takes = json.as_bool().or_else(|| json.as_f64().map(|n| n != 0.0));
            let takes = takes.ok_or_else(|| NotKnown(format!("the projection of {path}")))?;
            if path == ID {
                read.id = takes;
            } else {
                read.paths.push(path.clone());
                ways.push(takes);
            }
        }
        read.takes = ways.first().copied().unwrap_or(false);
        if ways.iter().any(|takes| *takes != read.takes) {
            return Err(NotKnown(
                "a projection that takes fields and leaves out others".to_owned(),
            ));
        }
        // `{_id: 1}` alone takes nothing else.
        read.takes |= ways.is_empty() && read.id && !given.is_empty();
        Ok(read)
    }

    fn of(&self, fields: &JsonMap) -> JsonMap {
        if self.paths.is_empty() && !self.takes {
            return fields.clone();
        }
        let paths: Vec<&str> = self.paths.iter().map(String::as_str).collect();
        projected(fields, &paths, self.takes)
    }
}

fn projected(fields: &JsonMap, paths: &[&str], takes: bool) -> JsonMap {
    let mut out = JsonMap::new();
    for (key, value) in fields {
        let below: Vec<&str> =
            paths.iter().filter_map(|path| path.strip_prefix(key)?.strip_prefix('.')).collect();
        if paths.contains(&key.as_str()) {
            if takes {
                out.insert(key.clone(), value.clone());
            }
        } else if !below.is_empty() {
            out.insert(key.clone(), inside(value, &below, takes));
        } else if !takes {
            out.insert(key.clone(), value.clone());
        }
    }
    out
}

fn inside(value: &Json, paths: &[&str], takes: bool) -> Json {
    match value {
        Json::Object(map) => Json::Object(projected(map, paths, takes)),
        Json::Array(items) => items.iter().map(|one| inside(one, paths, takes)).collect(),
        other => other.clone(),
    }
}

/// A value of a field.
pub(super) fn field(key: &str, value: &Json) -> Bson {
    let name = key.rsplit('.').next().unwrap_or(key);
    let time = value.as_str().filter(|_| TIMES.contains(&name));
    match time.and_then(Nanos::parse_rfc3339) {
        Some(at) => Bson::DateTime(DateTime::from_millis(at.0 / 1_000_000)),
        None => bson_of(value),
    }
}

fn fill(document: &mut Document, map: &JsonMap) {
    for (key, value) in map {
        if key == ID && document.contains_key(ID) {
            continue;
        }
        // A name ends at its first NUL over there; with one inside, the whole answer could not be written.
        document.insert(key.replace('\0', "\u{FFFD}"), field(key, value));
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

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    fn found() -> Found {
        let Json::Object(map) = json!({
            "trace_id": "t", "status": "success", "created_at": "2026-11-21T10:00:00Z",
            "steps": [{"tool_name": "a", "input": {"x": 1, "y": 2}}], "n\u{0}l": 1,
        }) else {
            panic!()
        };
        Found::of(map)
    }

    #[test]
    fn a_projection_takes_or_leaves_out_and_the_id_goes_by_itself() {
        let shown = |projection| found().shown(&projection).map_err(|NotKnown(what)| what);
        let keys = |projection| -> Vec<String> {
            let mut keys: Vec<String> = shown(projection).unwrap().keys().cloned().collect();
            keys.sort();
            keys
        };
        let all = ["_id", "created_at", "n\u{FFFD}l", "status", "steps", "trace_id"];
        assert_eq!(keys(doc! {}), all);
        assert_eq!(keys(doc! { "status": 1 }), ["_id", "status"]);
        assert_eq!(keys(doc! { "status": true, "_id": 0 }), ["status"]);
        assert_eq!(keys(doc! { "_id": 0 }), all[1..]);
        assert_eq!(keys(doc! { "_id": 1 }), ["_id"]);
        assert_eq!(
            keys(doc! { "steps": 0, "status": 0, "created_at": 0 }),
            ["_id", "n\u{FFFD}l", "trace_id"]
        );
        let deep = shown(doc! { "steps.input.x": 1, "_id": 0 }).unwrap();
        assert_eq!(deep, doc! { "steps": [{ "input": { "x": 1 } }] });
        let without = shown(doc! { "steps.input.x": 0 }).unwrap();
        let step = without.get_array("steps").unwrap()[0].as_document().unwrap();
        assert_eq!(*step, doc! { "tool_name": "a", "input": { "y": 2 } });
        assert!(shown(doc! { "status": 1, "steps": 0 }).is_err());
        assert!(shown(doc! { "steps": { "$slice": 1 } }).unwrap_err().contains("steps"));
        assert!(shown(doc! { "x": "$status" }).is_err());
    }

    #[test]
    fn times_are_times_and_ids_are_ids() {
        let whole = found().whole();
        assert!(whole.get_object_id("_id").is_ok() && whole.get_datetime("created_at").is_ok());
        assert_eq!(found().fields["_id"].as_str().unwrap().len(), 24);
        assert!(found().weight() > whole.to_vec().unwrap().len() / 2);
    }
}
