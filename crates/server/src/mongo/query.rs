//! Filters and orders over documents: equality, `$or`, `$and`, comparisons, `$in`, `$exists`.

use std::cmp::Ordering;

use bson::{Bson, Document};
use exhibit_model::{Json, JsonMap, Nanos};

use super::value::{Found, json_of};

/// Something in a filter that is not understood here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotKnown(pub(super) String);

/// Whether a document satisfies a filter.
pub(super) fn matches(filter: &Document, document: &JsonMap) -> Result<bool, NotKnown> {
    for (key, wanted) in filter {
        let holds = match key.as_str() {
            "$or" => any(wanted, document)?,
            "$and" => all(wanted, document)?,
            "$comment" => true,
            operator if operator.starts_with('$') => return Err(NotKnown(operator.to_owned())),
            field => value_matches(wanted, at(document, field))?,
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

fn filters(list: &Bson) -> Result<Vec<&Document>, NotKnown> {
    let list = list.as_array().ok_or_else(|| NotKnown("a list of filters".to_owned()))?;
    list.iter()
        .map(|one| one.as_document().ok_or_else(|| NotKnown("a filter".to_owned())))
        .collect()
}

fn any(list: &Bson, document: &JsonMap) -> Result<bool, NotKnown> {
    for filter in filters(list)? {
        if matches(filter, document)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn all(list: &Bson, document: &JsonMap) -> Result<bool, NotKnown> {
    for filter in filters(list)? {
        if !matches(filter, document)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A field, or a path with dots.
pub(super) fn at<'a>(document: &'a JsonMap, path: &str) -> Option<&'a Json> {
    if let Some(value) = document.get(path) {
        return Some(value);
    }
    let mut steps = path.split('.');
    let first = document.get(steps.next()?)?;
    steps.try_fold(first, |value, step| match value {
        Json::Object(map) => map.get(step),
        Json::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

fn value_matches(wanted: &Bson, held: Option<&Json>) -> Result<bool, NotKnown> {
    let Bson::Document(operators) = wanted else { return Ok(equal(wanted, held)) };
    if !operators.keys().any(|key| key.starts_with('$')) {
        return Ok(equal(wanted, held));
    }
    for (operator, operand) in operators {
        let order = || held.and_then(|held| compare(held, &json_of(operand)));
        let holds = match operator.as_str() {
            "$eq" => equal(operand, held),
            "$ne" => !equal(operand, held),
            "$gt" => order() == Some(Ordering::Greater),
            "$gte" => order().is_some_and(Ordering::is_ge),
            "$lt" => order() == Some(Ordering::Less),
            "$lte" => order().is_some_and(Ordering::is_le),
            "$in" | "$nin" => {
                let list = operand.as_array().ok_or_else(|| NotKnown(operator.clone()))?;
                list.iter().any(|one| equal(one, held)) == (operator == "$in")
            }
            "$exists" => held.is_some() == operand.as_bool().unwrap_or(true),
            _ => return Err(NotKnown(operator.clone())),
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equal(wanted: &Bson, held: Option<&Json>) -> bool {
    let wanted = json_of(wanted);
    match held {
        None => wanted.is_null(),
        Some(held) => *held == wanted || compare(held, &wanted) == Some(Ordering::Equal),
    }
}

/// The order of two values of one type; none for values that have no order together.
pub(super) fn compare(a: &Json, b: &Json) -> Option<Ordering> {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Json::String(a), Json::String(b)) => {
            match (Nanos::parse_rfc3339(a), Nanos::parse_rfc3339(b)) {
                (Some(a), Some(b)) => Some(a.cmp(&b)),
                _ => Some(a.cmp(b)),
            }
        }
        (Json::Bool(a), Json::Bool(b)) => Some(a.cmp(b)),
        (Json::Null, Json::Null) => Some(Ordering::Equal),
        _ => None,
    }
}

/// Sorts documents as a specification of fields with 1 or −1 says.
pub(super) fn sort(documents: &mut [Found], specification: &Document) {
    documents.sort_by(|a, b| {
        let (a, b) = (&a.fields, &b.fields);
        specification.iter().fold(Ordering::Equal, |order, (field, direction)| {
            order.then_with(|| {
                let found = match (at(a, field), at(b, field)) {
                    (Some(a), Some(b)) => compare(a, b).unwrap_or(Ordering::Equal),
                    (held, other) => held.is_some().cmp(&other.is_some()),
                };
                let down = json_of(direction).as_f64().is_some_and(|n| n < 0.0);
                if down { found.reverse() } else { found }
            })
        })
    });
}

#[cfg(test)]
mod tests {
    use bson::doc;
    use serde_json::json;

    use super::*;

    #[test]
    fn filters_find_what_they_mean_and_refuse_what_they_do_not_know() {
        let Json::Object(document) =
            json!({"a": 5, "b": "x", "t": "2026-11-21T00:00:00Z", "n": {"m": 1}})
        else {
            panic!()
        };
        let found = |filter| matches(&filter, &document);
        assert_eq!(found(doc! {}), Ok(true));
        assert_eq!(found(doc! { "a": 5.0, "b": "x" }), Ok(true));
        assert_eq!(found(doc! { "a": { "$gte": 4, "$lte": 4 } }), Ok(false));
        assert_eq!(found(doc! { "$or": [{ "a": 1 }, { "n.m": 1 }] }), Ok(true));
        assert_eq!(found(doc! { "b": { "$in": ["y", "x"] }, "z": { "$exists": false } }), Ok(true));
        let later = bson::DateTime::from_millis(1_900_000_000_000);
        assert_eq!(found(doc! { "t": { "$lt": later } }), Ok(true));
        assert_eq!(found(doc! { "b": { "$regex": "x" } }), Err(NotKnown("$regex".into())));
        assert_eq!(found(doc! { "$where": "1" }), Err(NotKnown("$where".into())));
    }
}
