//! A trace's document as MongoDB takes it: with its `_id`, names that are allowed, and a bounded size.

use exhibit_recorder::{SinkName, SpanDetail};
use exhibit_store::TraceRow;
use mongodb::bson::{Bson, Document, oid::ObjectId};

/// Largest document, bytes: 16 MiB less some room for what stands around it.
const BYTES_MAX: usize = (16 << 20) - (64 << 10);
/// Longest text of one that would be larger, characters.
const TEXT_CHARS: usize = 20_000;
/// Steps of one that is too large even so.
const STEPS: usize = 20;

/// The `_id` of a name: its first 96 bits.
pub(super) fn id(name: &SinkName) -> ObjectId {
    let mut id = [0; 12];
    id.copy_from_slice(&name[..12]);
    ObjectId::from_bytes(id)
}

/// The document of a trace.
pub(super) fn encode(
    name: &SinkName,
    row: &TraceRow,
    spans: &[SpanDetail],
) -> Result<Vec<u8>, String> {
    fit(id(name), exhibit_server::trace_document(row, spans))
}

fn fit(id: ObjectId, mut document: Document) -> Result<Vec<u8>, String> {
    document.insert("_id", id);
    allow(&mut document);
    let bytes = |document: &Document| document.to_vec().map_err(|error| error.to_string());
    let whole = bytes(&document)?;
    if whole.len() <= BYTES_MAX {
        return Ok(whole);
    }
    document.insert("truncated", true);
    let mut all = Bson::Document(document);
    cut(&mut all);
    let Bson::Document(mut document) = all else { return Err("it is no document".to_owned()) };
    let cut = bytes(&document)?;
    if cut.len() <= BYTES_MAX {
        return Ok(cut);
    }
    if let Ok(steps) = document.get_array_mut("steps") {
        steps.truncate(STEPS);
    }
    let cut = bytes(&document)?;
    if cut.len() > BYTES_MAX { Err("it is too large".to_owned()) } else { Ok(cut) }
}

/// Names that start with `$` mean something to MongoDB, to older versions everywhere: its own advice
/// is the full-width sign.
fn allow(document: &mut Document) {
    if document.keys().any(|key| key.starts_with('$')) {
        let renamed = std::mem::take(document).into_iter().map(|(key, value)| {
            let key = key.strip_prefix('$').map(|rest| format!("\u{FF04}{rest}")).unwrap_or(key);
            (key, value)
        });
        *document = renamed.collect();
    }
    document.iter_mut().for_each(|(_, value)| allow_in(value));
}

fn allow_in(value: &mut Bson) {
    match value {
        Bson::Document(inner) => allow(inner),
        Bson::Array(items) => items.iter_mut().for_each(allow_in),
        _ => {}
    }
}

/// Shortens every text that is long.
fn cut(value: &mut Bson) {
    match value {
        Bson::String(text) => {
            if let Some((end, _)) = text.char_indices().nth(TEXT_CHARS) {
                text.truncate(end);
                text.push('…');
            }
        }
        Bson::Document(inner) => inner.iter_mut().for_each(|(_, value)| cut(value)),
        Bson::Array(items) => items.iter_mut().for_each(cut),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::*;

    fn fitted(document: Document) -> Document {
        Document::from_reader(fit(id(&[7; 16]), document).unwrap().as_slice()).unwrap()
    }

    #[test]
    fn the_id_is_that_of_the_name_and_names_are_allowed() {
        let schema = doc! { "$ref": "#/x", "a.b": 1, "list": [{ "$defs": { "$id": 2 } }] };
        let read = fitted(doc! { "_id": 1, "trace_id": "t", "steps": [{ "input": schema }] });
        assert_eq!(read.get_object_id("_id").unwrap(), ObjectId::from_bytes([7; 12]));
        let text = read.to_string();
        assert!(!text.contains('$') || text.contains("$oid"), "{text}");
        let input = read.get_array("steps").unwrap()[0].as_document().unwrap();
        let input = input.get_document("input").unwrap();
        assert_eq!(input.keys().collect::<Vec<_>>(), ["\u{FF04}ref", "a.b", "list"]);
    }

    #[test]
    fn what_is_too_large_is_shortened_and_says_so() {
        let step =
            |n: usize| doc! { "step_id": n.to_string(), "input": { "x": "é".repeat(90_000) } };
        let steps: Vec<Document> = (0..200).map(step).collect();
        let read = fitted(doc! { "trace_id": "t", "prompt": "short", "steps": steps });
        assert!(read.get_bool("truncated").unwrap());
        assert_eq!(read.get_array("steps").unwrap().len(), 200);
        assert_eq!(read.get_str("prompt").unwrap(), "short");
        let many: Vec<Bson> = (0..3_000_000_i64).map(Bson::Int64).collect();
        let steps: Vec<Document> = vec![doc! { "output": many }];
        assert!(fit(id(&[0; 16]), doc! { "steps": steps }).is_err());
    }
}
