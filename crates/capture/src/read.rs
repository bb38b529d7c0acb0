//! How values are read, since clients write numbers as text, lists as text, and text as JSON text.

use std::borrow::Cow;

use exhibit_model::{Json, JsonMap};

/// Whether a value says nothing: null, empty text, empty object or list, or the text of one.
pub(crate) fn is_absent(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::String(text) => {
            text.len() <= 8 && matches!(text.trim(), "" | "{}" | "[]" | "null" | "\"\"" | "None")
        }
        Json::Array(items) => items.is_empty(),
        Json::Object(map) => map.is_empty(),
        Json::Bool(_) | Json::Number(_) => false,
    }
}

/// Text, number or truth value as text; text that is itself JSON text of a string is unwrapped.
pub(crate) fn text(value: &Json) -> Option<String> {
    word(value).map(Cow::into_owned)
}

/// The same without a copy where the value is plain text.
pub(crate) fn word(value: &Json) -> Option<Cow<'_, str>> {
    let text = match value {
        Json::String(text) => unquoted(text),
        Json::Number(number) => number.to_string().into(),
        Json::Bool(truth) => truth.to_string().into(),
        Json::Array(items) if items.len() == 1 => {
            return items.first().filter(|item| !item.is_array()).and_then(word);
        }
        _ => return None,
    };
    (!text.trim().is_empty()).then_some(text)
}

fn unquoted(text: &str) -> Cow<'_, str> {
    if text.len() > 1
        && text.starts_with('"')
        && text.ends_with('"')
        && let Ok(inner) = serde_json::from_str::<String>(text)
    {
        return Cow::Owned(inner);
    }
    Cow::Borrowed(text)
}

/// Why a number of tokens does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// Largest believable number of tokens of one span. Beyond it a report is damaged, and sums over
/// many spans could overflow.
pub(crate) const TOKENS_MAX: u64 = 1_000_000_000_000;

/// A count of tokens. `Ok(None)` when absent; an error when negative, fractional, not a number, or
/// too large to be true.
pub(crate) fn count(value: &Json) -> Result<Option<u64>, Unreadable> {
    let whole = |number: f64| {
        if number.is_finite() && number >= 0.0 && number.fract() == 0.0 && number <= 1e15 {
            Ok(number as u64)
        } else {
            Err(Unreadable)
        }
    };
    let count = match value {
        Json::Number(number) => match number.as_u64() {
            Some(count) => count,
            None => whole(number.as_f64().ok_or(Unreadable)?)?,
        },
        Json::String(text) => {
            let text = unquoted(text);
            let text = text.trim();
            if text.is_empty() || text == "null" {
                return Ok(None);
            }
            match text.parse::<u64>() {
                Ok(count) => count,
                Err(_) => whole(text.parse::<f64>().map_err(|_| Unreadable)?)?,
            }
        }
        Json::Null => return Ok(None),
        _ => return Err(Unreadable),
    };
    if count > TOKENS_MAX { Err(Unreadable) } else { Ok(Some(count)) }
}

/// A finite number, also from text.
pub(crate) fn number(value: &Json) -> Option<f64> {
    let number = match value {
        Json::Number(number) => number.as_f64()?,
        Json::String(text) => unquoted(text).trim().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// A value with JSON text unfolded, once.
pub(crate) fn unfolded(value: &Json) -> Cow<'_, Json> {
    match value {
        Json::String(text) if looks_like_json(text) => {
            crate::json::parse_inner(text).map_or(Cow::Borrowed(value), Cow::Owned)
        }
        _ => Cow::Borrowed(value),
    }
}

/// Whether a text may be JSON of an object, a list, or (double-encoded) a string.
pub(crate) fn looks_like_json(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with(['{', '[']) || (text.starts_with('"') && text.trim_end().ends_with('"'))
}

/// A list of texts: a JSON list or its text, or text with commas.
pub(crate) fn list(value: &Json) -> Vec<String> {
    match &*unfolded(value) {
        Json::Array(items) => items.iter().filter_map(text).collect(),
        Json::String(text) => text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect(),
        other => text(other).into_iter().collect(),
    }
}

/// An object, or the text of one.
pub(crate) fn object(value: &Json) -> Option<JsonMap> {
    match unfolded(value).into_owned() {
        Json::Object(map) => Some(map),
        _ => None,
    }
}

/// What stands at a path inside a value; list positions as decimal text.
pub(crate) fn at<'a>(value: &'a Json, path: &[&str]) -> Option<&'a Json> {
    path.iter().try_fold(value, |value, step| match value {
        Json::Object(map) => map.get(*step),
        Json::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Cuts a text to a number of characters; says whether it did.
pub(crate) fn cut(text: &mut String, chars: usize) -> bool {
    if text.len() <= chars {
        return false;
    }
    match text.char_indices().nth(chars) {
        Some((at, _)) => {
            text.truncate(at);
            true
        }
        None => false,
    }
}

/// Replaces NUL characters, which stores and C clients cannot hold; says whether there were any.
pub(crate) fn scrub(text: &mut String) -> bool {
    if memchr::memchr(0, text.as_bytes()).is_none() {
        return false;
    }
    *text = text.replace('\0', "\u{FFFD}");
    true
}

/// The same for every text of a value, keys included. Bounded by the depth the parser allowed.
pub(crate) fn scrub_value(value: &mut Json) -> bool {
    match value {
        Json::String(text) => scrub(text),
        Json::Array(items) => items.iter_mut().fold(false, |found, item| scrub_value(item) | found),
        Json::Object(map) => scrub_map(map),
        _ => false,
    }
}

/// The same for every key and value of an object.
pub(crate) fn scrub_map(map: &mut JsonMap) -> bool {
    let mut found = false;
    if map.keys().any(|key| memchr::memchr(0, key.as_bytes()).is_some()) {
        found = true;
        *map = std::mem::take(map)
            .into_iter()
            .map(|(key, value)| (key.replace('\0', "\u{FFFD}"), value))
            .collect();
    }
    map.values_mut().fold(found, |found, value| scrub_value(value) | found)
}

/// The bytes a value takes, roughly: its texts and a little for each number.
pub(crate) fn size(value: &Json) -> usize {
    match value {
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(size).sum::<usize>() + items.len(),
        Json::Object(map) => map.iter().map(|(key, value)| key.len() + size(value)).sum(),
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn counts_of_tokens_read_from_numbers_and_text_and_nothing_odd() {
        assert_eq!(count(&json!(12)), Ok(Some(12)));
        assert_eq!(count(&json!(12.0)), Ok(Some(12)));
        assert_eq!(count(&json!("12")), Ok(Some(12)));
        assert_eq!(count(&json!("\"12\"")), Ok(Some(12)));
        assert_eq!(count(&json!(null)), Ok(None));
        for odd in [json!(-1), json!(1.5), json!("NaN"), json!("-3"), json!(1e300), json!([1])] {
            assert_eq!(count(&odd), Err(Unreadable), "{odd}");
        }
        assert_eq!(count(&json!(u64::MAX)), Err(Unreadable));
    }

    #[test]
    fn values_that_say_nothing_are_absent() {
        for nothing in [json!(null), json!(""), json!("{}"), json!({}), json!([]), json!("null")] {
            assert!(is_absent(&nothing), "{nothing}");
        }
        assert!(!is_absent(&json!(0)) && !is_absent(&json!(false)));
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        let mut text = "日本語".to_owned();
        assert!(cut(&mut text, 2));
        assert_eq!(text, "日本");
        assert!(!cut(&mut text, 2));
    }
}
