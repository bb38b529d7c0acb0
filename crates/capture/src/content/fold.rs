//! Flattened keys (`0.message.role`, `0.message.content`, `1.…`) back into a tree.

use std::borrow::Cow;

use exhibit_model::{Json, JsonMap};

/// Deepest tree; what is deeper stays one key.
const DEPTH_MAX: usize = 24;

/// Folds keys into objects, and objects with only numbers for keys into lists, in numeric order.
pub(super) fn fold(entries: Vec<(&str, Cow<Json>)>) -> Json {
    let mut root = JsonMap::new();
    for (key, value) in entries {
        insert(&mut root, key, value.into_owned(), DEPTH_MAX);
    }
    lists(Json::Object(root))
}

fn insert(map: &mut JsonMap, key: &str, value: Json, depth: usize) {
    match key.split_once('.').filter(|_| depth > 0) {
        None => {
            map.entry(key).or_insert(value);
        }
        Some((head, rest)) => {
            let inner = map.entry(head).or_insert_with(|| Json::Object(JsonMap::new()));
            // A key that has both a value and keys below it: the value stays.
            if let Json::Object(inner) = inner {
                insert(inner, rest, value, depth - 1);
            }
        }
    }
}

fn lists(value: Json) -> Json {
    let Json::Object(map) = value else { return value };
    let numbers: Option<Vec<u64>> = map.keys().map(|key| key.parse().ok()).collect();
    match numbers {
        Some(numbers) if !numbers.is_empty() => {
            let mut items: Vec<(u64, Json)> =
                numbers.into_iter().zip(map).map(|(at, (_, value))| (at, lists(value))).collect();
            items.sort_by_key(|(at, _)| *at);
            Json::Array(items.into_iter().map(|(_, item)| item).collect())
        }
        _ => Json::Object(map.into_iter().map(|(key, value)| (key, lists(value))).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbered_keys_are_sorted_as_numbers() {
        let values: Vec<Json> = (0..12).map(Json::from).collect();
        let keys: Vec<String> = (0..12).rev().map(|n| format!("{n}.a")).collect();
        let entries = keys.iter().map(|key| {
            let n: usize = key[..key.len() - 2].parse().unwrap();
            (key.as_str(), Cow::Borrowed(&values[n]))
        });
        let folded = fold(entries.collect());
        assert_eq!(folded[10], json!({"a": 10}));
        assert_eq!(folded[2], json!({"a": 2}));
    }

    #[test]
    fn a_key_with_countless_dots_does_not_exhaust_the_stack() {
        let key = format!("0{}", ".a".repeat(100_000));
        let folded = fold(vec![(key.as_str(), Cow::Owned(json!(1)))]);
        assert!(folded.is_array());
    }
}
