//! Reading loose JSON: the few accessors that the four protocols share. Wrong types read as
//! absent where that is harmless, and as [`ProviderError::Malformed`] where content would be lost.

use crate::error::ProviderError;
use serde_json::{Map, Value};

/// Parses one frame as a JSON object.
pub(crate) fn object(data: &str) -> Result<Map<String, Value>, ProviderError> {
    match serde_json::from_str(data) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ProviderError::malformed("a stream event is not a JSON object")),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            Err(ProviderError::malformed(format!(
                "a stream event is not valid JSON (line {line}, column {column})"
            )))
        }
    }
}

/// A text member; absent, `null` and empty read as `None`.
pub(crate) fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A text member whose loss would lose content: absent and `null` read as `None`, anything else
/// that is not text is an error naming `what`.
pub(crate) fn content<'a>(
    value: Option<&'a Value>,
    what: &str,
) -> Result<Option<&'a str>, ProviderError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(ProviderError::malformed(format!("{what} is not text"))),
    }
}

/// A count; numbers with an integral, non-negative value only.
pub(crate) fn count(value: Option<&Value>) -> Option<u64> {
    let value = value?;
    value.as_u64().or_else(|| {
        let float = value.as_f64()?;
        // 2^53: above it a float is no longer an exact count.
        (float >= 0.0 && float.fract() == 0.0 && float <= 9_007_199_254_740_992.0)
            .then_some(float as u64)
    })
}

/// An amount of money: finite and not negative.
pub(crate) fn amount(value: Option<&Value>) -> Option<f64> {
    value.and_then(Value::as_f64).filter(|amount| amount.is_finite() && *amount >= 0.0)
}

/// Lays `extra` over `body`; `stream` stays as it is, because the answer's form follows from it.
pub(crate) fn overlay(body: &mut Map<String, Value>, extra: Map<String, Value>) {
    for (key, value) in extra {
        if key != "stream" {
            body.insert(key, value);
        }
    }
}
