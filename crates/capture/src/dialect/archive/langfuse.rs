//! Exported traces, observations and scores as the events that would have made them.

use exhibit_model::{Json, JsonMap};
use serde_json::json;

/// The events of one record: a page, a trace with what is in it, an observation, a score, or an event
/// itself.
pub(super) fn events(record: Json) -> Vec<Json> {
    let Json::Object(mut map) = record else { return vec![record] };
    for name in ["data", "batch"] {
        if let Some(Json::Array(list)) = map.get_mut(name) {
            return std::mem::take(list).into_iter().flat_map(events).collect();
        }
    }
    if map.contains_key("body") && map.contains_key("type") {
        return vec![Json::Object(map)];
    }
    let mut map = camel(map);
    let has = |name: &str| map.contains_key(name);
    if has("traceId") && has("value") && !has("startTime") {
        return vec![event("score-create", map)];
    }
    if has("startTime") || has("traceId") {
        return vec![event("observation-create", map)];
    }
    let mut out = Vec::new();
    for name in ["observations", "scores"] {
        if let Some(Json::Array(list)) = map.shift_remove(name) {
            // A list of ids only names what other records hold.
            out.extend(list.into_iter().filter(Json::is_object).flat_map(events));
        }
    }
    out.insert(0, event("trace-create", map));
    out
}

fn event(kind: &str, body: JsonMap) -> Json {
    let at = ["timestamp", "startTime", "createdAt"].iter().find_map(|name| body.get(*name));
    let id = body.get("id").cloned().unwrap_or_default();
    json!({ "id": id, "timestamp": at, "type": kind, "body": body })
}

/// Bulk exports write names with underscores, and structures as text.
fn camel(map: JsonMap) -> JsonMap {
    let mut out = JsonMap::new();
    for (name, value) in map {
        if value.is_null() {
            continue;
        }
        let name = match name.as_str() {
            "provided_model_name" | "providedModelName" => "model".to_owned(),
            _ => one(&name),
        };
        let value = match &value {
            Json::String(text) if STRUCTURED.contains(&name.as_str()) => {
                super::inner_json(text).unwrap_or(value)
            }
            _ => value,
        };
        out.entry(name).or_insert(value);
    }
    out
}

/// Fields that hold structures.
const STRUCTURED: [&str; 7] =
    ["input", "output", "metadata", "usageDetails", "costDetails", "modelParameters", "tags"];

fn one(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut raise = false;
    for c in name.chars() {
        match (c, raise) {
            ('_', _) => raise = !out.is_empty(),
            (c, true) => {
                out.extend(c.to_uppercase());
                raise = false;
            }
            (c, false) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_gives_itself_its_observations_and_its_scores() {
        let events = events(json!({"data": [{"id": "t", "timestamp": "a", "observations": [
            {"id": "o", "traceId": "t", "startTime": "b", "type": "GENERATION"}],
            "scores": [{"id": "s", "traceId": "t", "name": "good", "value": 1}]}]}));
        let kinds: Vec<_> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["trace-create", "observation-create", "score-create"]);
    }

    #[test]
    fn names_with_underscores_and_structures_in_texts_are_read() {
        let row = json!({"id": "o", "trace_id": "t", "start_time": "b", "type": "GENERATION",
            "provided_model_name": "m", "usage_details": "{\"input\":3}", "end_time": null});
        let [event] = events(row).try_into().unwrap();
        let body = &event["body"];
        assert_eq!((&body["model"], &body["usageDetails"]["input"]), (&json!("m"), &json!(3)));
        assert!(body.get("endTime").is_none());
    }
}
