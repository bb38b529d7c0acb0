//! What other products export into files, turned into the requests that their own doors take.
//!
//! A file is a sequence of records. [`Format::of`] tells a file by its first record, [`requests`] makes
//! requests of some records. Nothing is judged here: what a door does not take, the door refuses and
//! keeps as a dead letter.

mod langfuse;
mod table;

use exhibit_model::{Json, JsonMap};
use serde_json::json;

/// The shape of a file's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OTLP requests as JSON, one per line: what a collector's file exporter writes.
    OtlpJson,
    /// Batches or spans of the native API, the same that AuditTrail's clients send.
    Native,
    /// Traces, observations and scores of Langfuse: its API's pages, its exports, or its events.
    Langfuse,
    /// Runs of LangSmith, from its API or its bulk export.
    Langsmith,
    /// What the OpenAI Agents SDK exports, or the JSONL mirror of its events.
    OpenaiAgents,
    /// Rows of Phoenix' table of spans.
    Phoenix,
}

const NAMES: [(&str, Format); 7] = [
    ("otlp-json", Format::OtlpJson),
    ("native", Format::Native),
    ("audittrail", Format::Native),
    ("langfuse", Format::Langfuse),
    ("langsmith", Format::Langsmith),
    ("openai-agents", Format::OpenaiAgents),
    ("phoenix", Format::Phoenix),
];

impl Format {
    /// All names.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// The format of a name.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }

    /// The format of a file whose first record this is; none where it is like none.
    pub fn of(record: &Json) -> Option<Self> {
        let map = record.as_object()?;
        let has = |name: &str| map.contains_key(name);
        let first = |name: &str| map.get(name).and_then(|list| list.get(0));
        if has("resourceSpans") || has("resourceLogs") {
            return Some(Self::OtlpJson);
        }
        if has("context.span_id") {
            return Some(Self::Phoenix);
        }
        if has("run_type") || has("dotted_order") || has("runs") || has("post") {
            return Some(Self::Langsmith);
        }
        let event = map.get("event").and_then(Json::as_str).unwrap_or_default();
        let object = |value: Option<&Json>| value.is_some_and(|v| v.get("object").is_some());
        if MIRROR.contains(&event) || object(Some(record)) || object(first("data")) {
            return Some(Self::OpenaiAgents);
        }
        if let Some(first) = first("batch") {
            let events = first.get("body").is_some();
            return Some(if events { Self::Langfuse } else { Self::Native });
        }
        if has("span_id") || map.get("trace").is_some_and(Json::is_object) {
            return Some(Self::Native);
        }
        let telling =
            ["traceId", "trace_id", "observations", "projectId", "project_id", "data", "body"];
        telling.iter().any(|name| has(name)).then_some(Self::Langfuse)
    }
}

/// A request that takes some records in.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Path below the server's base URL.
    pub path: &'static str,
    /// Its JSON body.
    pub body: Json,
}

impl Request {
    fn new(path: &'static str, body: Json) -> Self {
        Self { path, body }
    }
}

/// The door of a format, for what is not JSON and has to be refused there.
pub fn door(format: Format) -> &'static str {
    match format {
        Format::OtlpJson | Format::Phoenix => "v1/traces",
        Format::Native => "api/v1/ingest/spans",
        Format::Langfuse => "api/public/ingestion",
        Format::Langsmith => "runs/batch",
        Format::OpenaiAgents => "v1/traces/ingest",
    }
}

/// The requests that take these records in, in order.
pub fn requests(format: Format, records: Vec<Json>) -> Vec<Request> {
    let path = door(format);
    match format {
        Format::OtlpJson => otlp(records),
        Format::Native => native(records),
        Format::Langfuse => {
            let events: Vec<Json> = records.into_iter().flat_map(langfuse::events).collect();
            whole(path, "batch", events)
        }
        Format::Langsmith => {
            let runs = unwrap(records, &["runs", "post", "patch", "data"]);
            whole(path, "post", runs.into_iter().map(run).collect())
        }
        Format::OpenaiAgents => {
            let entries = unwrap(records, &["data", "spans"]);
            whole(path, "data", entries.into_iter().map(mirrored).collect())
        }
        Format::Phoenix => {
            whole(path, "resourceSpans", records.into_iter().map(table::resource_spans).collect())
        }
    }
}

fn whole(path: &'static str, name: &str, list: Vec<Json>) -> Vec<Request> {
    if list.is_empty() { Vec::new() } else { vec![Request::new(path, json!({ name: list }))] }
}

/// Records that hold lists of others give these; all others stay.
fn unwrap(records: Vec<Json>, names: &[&str]) -> Vec<Json> {
    let mut out = Vec::with_capacity(records.len());
    for record in records {
        let Json::Object(mut map) = record else {
            out.push(record);
            continue;
        };
        let lists: Vec<Json> = names.iter().filter_map(|name| map.shift_remove(*name)).collect();
        if lists.is_empty() {
            out.push(Json::Object(map));
        }
        for list in lists {
            match list {
                Json::Array(items) => out.extend(items),
                other => out.push(other),
            }
        }
    }
    out
}

/// Traces and logs go to doors of their own.
fn otlp(records: Vec<Json>) -> Vec<Request> {
    let (mut traces, mut logs, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for record in records {
        let Json::Object(mut map) = record else {
            others.push(Request::new("v1/traces", record));
            continue;
        };
        let mut known = false;
        for (name, list) in [("resourceSpans", &mut traces), ("resourceLogs", &mut logs)] {
            match map.shift_remove(name) {
                Some(Json::Array(items)) => {
                    list.extend(items);
                    known = true;
                }
                Some(other) => drop(map.insert(name.to_owned(), other)),
                None => {}
            }
        }
        // Metrics of the same file are no traces.
        if !known && !map.contains_key("resourceMetrics") {
            others.push(Request::new("v1/traces", Json::Object(map)));
        }
    }
    let mut out = whole("v1/traces", "resourceSpans", traces);
    out.extend(whole("v1/logs", "resourceLogs", logs));
    out.extend(others);
    out
}

fn native(records: Vec<Json>) -> Vec<Request> {
    let (traces, spans): (Vec<Json>, Vec<Json>) = unwrap(records, &["batch", "spans"])
        .into_iter()
        .partition(|record| record.get("trace").is_some_and(Json::is_object));
    let mut out: Vec<Request> =
        traces.into_iter().map(|trace| Request::new("api/v1/ingest/traces", trace)).collect();
    out.extend(whole("api/v1/ingest/spans", "batch", spans));
    out
}

/// Fields of a run that a table holds as JSON text.
const RUN_TEXTS: [&str; 6] = ["inputs", "outputs", "extra", "events", "serialized", "tags"];

fn run(record: Json) -> Json {
    let Json::Object(mut map) = record else { return record };
    for name in RUN_TEXTS {
        if let Some(value) = map.get_mut(name)
            && let Some(inner) = value.as_str().and_then(inner_json)
        {
            *value = inner;
        }
    }
    map.retain(|_, value| !value.is_null());
    Json::Object(map)
}

/// The JSON inside a text, where it is a list or an object.
fn inner_json(text: &str) -> Option<Json> {
    let opens = text.trim_start().starts_with(['{', '[']);
    opens.then(|| serde_json::from_str(text).ok()).flatten()
}

/// Events of the mirror that a tracing processor writes.
const MIRROR: [&str; 4] = ["trace_start", "trace_end", "span_start", "span_end"];

/// A line of the mirror as the entry that the exporter would have sent.
fn mirrored(record: Json) -> Json {
    let event = record.get("event").and_then(Json::as_str).unwrap_or_default().to_owned();
    let Json::Object(mut map) = record else { return record };
    if !MIRROR.contains(&event.as_str()) {
        return Json::Object(map);
    }
    let mut field = |name: &str| map.shift_remove(name).unwrap_or_default();
    if event.starts_with("trace") {
        return json!({
            "object": "trace", "id": field("trace_id"), "workflow_name": field("name"),
            "group_id": field("group_id"), "metadata": field("metadata"),
        });
    }
    let (start, end) = if event == "span_start" {
        (field("at"), Json::Null)
    } else {
        (field("started_at"), field("ended_at"))
    };
    let mut data = match field("span_data") {
        Json::Object(data) => data,
        _ => JsonMap::new(),
    };
    data.entry("type").or_insert_with(|| field("span_type"));
    json!({
        "object": "trace.span", "id": field("span_id"), "trace_id": field("trace_id"),
        "parent_id": field("parent_id"), "started_at": start, "ended_at": end,
        "error": field("error"), "span_data": data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_by_its_first_record() {
        for (record, format) in [
            (json!({"resourceSpans": []}), Format::OtlpJson),
            (json!({"batch": [{"span_id": "a"}]}), Format::Native),
            (json!({"trace": {"trace_id": "t"}}), Format::Native),
            (json!({"batch": [{"type": "span-create", "body": {}}]}), Format::Langfuse),
            (json!({"id": "t", "observations": []}), Format::Langfuse),
            (json!({"id": "o", "traceId": "t", "startTime": "…"}), Format::Langfuse),
            (json!({"id": "r", "run_type": "llm"}), Format::Langsmith),
            (json!({"object": "trace", "id": "t"}), Format::OpenaiAgents),
            (json!({"event": "span_end", "span_id": "s"}), Format::OpenaiAgents),
            (json!({"context.span_id": "s", "name": "n"}), Format::Phoenix),
        ] {
            assert_eq!(Format::of(&record), Some(format), "{record}");
            assert_eq!(Format::named(format.name()), Some(format));
        }
        assert_eq!(Format::of(&json!({"a": 1})), None);
        assert_eq!(Format::of(&json!([])), None);
    }

    #[test]
    fn records_that_hold_lists_give_what_they_hold() {
        let records = vec![json!({"batch": [{"span_id": "a"}]}), json!({"span_id": "b"})];
        let [request] = requests(Format::Native, records).try_into().unwrap();
        assert_eq!(request.body, json!({"batch": [{"span_id": "a"}, {"span_id": "b"}]}));
        let trace = json!({"trace": {"trace_id": "t"}});
        assert_eq!(requests(Format::Native, vec![trace])[0].path, "api/v1/ingest/traces");
        let both = vec![json!({"resourceSpans": [1]}), json!({"resourceLogs": [2]})];
        let paths: Vec<_> = requests(Format::OtlpJson, both).iter().map(|r| r.path).collect();
        assert_eq!(paths, ["v1/traces", "v1/logs"]);
    }

    #[test]
    fn a_mirrors_line_becomes_the_exporters_entry() {
        let line = json!({"event": "span_end", "trace_id": "t", "span_id": "s", "parent_id": null,
            "span_type": "generation", "started_at": "a", "ended_at": "b"});
        let [request] = requests(Format::OpenaiAgents, vec![line]).try_into().unwrap();
        let entry = &request.body["data"][0];
        assert_eq!(
            (&entry["id"], &entry["span_data"]["type"]),
            (&json!("s"), &json!("generation"))
        );
    }
}
