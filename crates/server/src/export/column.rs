//! The columns of tables of spans.

use exhibit_model::{Json, JsonMap};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Whole,
    Real,
}

/// Name and kind of every column, in order. Names are those of the API.
pub(super) const COLUMNS: [(&str, Kind); 34] = [
    ("trace_id", Kind::Text),
    ("span_id", Kind::Text),
    ("parent_span_id", Kind::Text),
    ("name", Kind::Text),
    ("span_type", Kind::Text),
    ("status", Kind::Text),
    ("start_time", Kind::Text),
    ("end_time", Kind::Text),
    ("start_ns", Kind::Whole),
    ("duration_ms", Kind::Real),
    ("model", Kind::Text),
    ("provider", Kind::Text),
    ("agent_name", Kind::Text),
    ("tool_name", Kind::Text),
    ("session_id", Kind::Text),
    ("user_id", Kind::Text),
    ("environment", Kind::Text),
    ("service", Kind::Text),
    ("version", Kind::Text),
    ("tokens_in", Kind::Whole),
    ("tokens_out", Kind::Whole),
    ("cost", Kind::Real),
    ("cost_nano_usd", Kind::Whole),
    ("cost_source", Kind::Text),
    ("verdict", Kind::Text),
    ("status_message", Kind::Text),
    ("tags", Kind::Text),
    ("metadata", Kind::Text),
    ("input", Kind::Text),
    ("output", Kind::Text),
    ("flags", Kind::Text),
    ("received_at", Kind::Text),
    ("log_index", Kind::Whole),
    ("fingerprint", Kind::Text),
];

/// A cell as text; what is no text as JSON. None where there is nothing.
pub(super) fn text(row: &JsonMap, name: &str) -> Option<String> {
    match row.get(name)? {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        Json::Array(all) if all.is_empty() => None,
        Json::Object(all) if all.is_empty() => None,
        other => Some(other.to_string()),
    }
}

/// A cell as a whole number; 64-bit numbers stand in JSON as text.
pub(super) fn whole(row: &JsonMap, name: &str) -> Option<i64> {
    match row.get(name)? {
        Json::String(text) => text.parse().ok(),
        other => other.as_i64(),
    }
}

/// A cell as a number.
pub(super) fn real(row: &JsonMap, name: &str) -> Option<f64> {
    row.get(name)?.as_f64()
}
