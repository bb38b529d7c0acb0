//! LangSmith's native runs: posted, then patched; one by one, in batches, or as multipart forms.
//!
//! Every field of a run becomes a raw attribute under [`PREFIX`]; identity, times and state are taken
//! out. A patch is the same run again: what it leaves out stays as it was. Feedback becomes an
//! evaluator's span below the run it speaks of.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use exhibit_model::{Attribute, Door, Json, JsonMap, Span, Status, TraceId};
use serde_json::json;

use crate::{
    Context, DecodeError, Decoded, json,
    native::{
        Fault, fault,
        foreign::{
            derived_span, keep, refusal, span_id, take, take_list, take_text, take_time, trace_id,
            whole,
        },
        multipart, object,
    },
    read,
};

/// The prefix of every raw attribute.
pub(super) const PREFIX: &str = "langsmith.run.";
/// Larger attachments are noted by their type and length only.
const ATTACHMENT_BYTES_MAX: usize = 256 << 10;
const PROTOCOL: &str = "langsmith";

/// Decodes `POST /runs`, or `PATCH /runs/{id}` with the id from the path.
pub fn single(body: &[u8], context: &Context, id: Option<&str>) -> Result<Decoded, DecodeError> {
    let mut map = object(body, context, "a JSON object that describes a run")?;
    if let Some(id) = id {
        map.insert("id".to_owned(), id.into());
    }
    let span = run(map, context).map_err(whole)?;
    Ok(Decoded { spans: vec![span], protocol: PROTOCOL, ..Decoded::default() })
}

/// Decodes `POST /runs/batch`: `{"post": […], "patch": […]}`.
pub fn batch(body: &[u8], context: &Context) -> Result<Decoded, DecodeError> {
    let mut root = object(body, context, "a JSON object with the lists \"post\" and \"patch\"")?;
    let mut decoded = Decoded { protocol: PROTOCOL, ..Decoded::default() };
    for name in ["post", "patch"] {
        if root.get(name).is_none_or(Json::is_null) {
            continue;
        }
        let list = take_list(&mut root, name, "a list of runs", context)?;
        for (at, entry) in list.into_iter().enumerate() {
            push(&mut decoded, &format!("/{name}/{at}"), entry, context, run);
        }
    }
    Ok(decoded)
}

/// Decodes `POST /runs/multipart`: parts `post.<id>`, `patch.<id>`, `feedback.<id>`, their fields
/// `post.<id>.inputs` and so on, and `attachment.<id>.<name>`.
pub fn form(body: &[u8], content_type: &str, context: &Context) -> Result<Decoded, DecodeError> {
    let parts = multipart::parts(body, content_type, context.limits.spans_per_request_max)?;
    let mut entries: BTreeMap<(usize, &str, &str), JsonMap> = BTreeMap::new();
    let mut order: Vec<(&str, &str)> = Vec::new();
    let mut decoded = Decoded { protocol: PROTOCOL, ..Decoded::default() };
    let mut attachments: Vec<(&str, &str, Json)> = Vec::new();
    for part in &parts {
        let mut steps = part.name.splitn(3, '.');
        let (Some(event), Some(id)) = (steps.next(), steps.next()) else { continue };
        let field = steps.next();
        if event == "attachment" {
            attachments.push((id, field.unwrap_or("attachment"), attachment(part)));
            continue;
        }
        let value = match json::parse(part.body, context.limits.depth_max.min(120)) {
            Ok(value) => value,
            Err(error) => {
                let fault = (String::new(), error.to_string());
                let entry = json!({ "id": id });
                let index = decoded.rejected.len();
                decoded.rejected.push(refusal(index, &format!("/{}", part.name), &entry, fault));
                continue;
            }
        };
        let place = order.iter().position(|known| *known == (event, id)).unwrap_or_else(|| {
            order.push((event, id));
            order.len() - 1
        });
        let entry = entries.entry((place, event, id)).or_default();
        match (field, value) {
            (None, Json::Object(map)) => entry.extend(map),
            (None, _) => {}
            (Some(field), value) => {
                entry.insert(field.to_owned(), value);
            }
        }
    }
    for ((_, event, id), mut map) in entries {
        map.entry("id").or_insert_with(|| id.into());
        let held: JsonMap = attachments
            .iter()
            .filter(|(of, _, _)| *of == id)
            .map(|(_, name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        if !held.is_empty() {
            map.insert("attachments".to_owned(), Json::Object(held));
        }
        let at = format!("/{event}.{id}");
        match event {
            "post" | "patch" => push(&mut decoded, &at, Json::Object(map), context, run),
            "feedback" => push(&mut decoded, &at, Json::Object(map), context, feedback),
            _ => {}
        }
    }
    Ok(decoded)
}

/// Decodes `POST /feedback`.
pub fn single_feedback(body: &[u8], context: &Context) -> Result<Decoded, DecodeError> {
    let map = object(body, context, "a JSON object with run_id and key")?;
    let span = feedback(map, context).map_err(whole)?;
    Ok(Decoded { spans: vec![span], protocol: PROTOCOL, ..Decoded::default() })
}

fn push(
    decoded: &mut Decoded,
    at: &str,
    entry: Json,
    context: &Context,
    read: impl Fn(JsonMap, &Context) -> Result<Span, Fault>,
) {
    let index = decoded.spans.len() + decoded.rejected.len();
    let outcome = match &entry {
        Json::Object(map) => read(map.clone(), context),
        _ => Err(fault("", "an entry must be an object")),
    };
    match outcome {
        Ok(span) => decoded.spans.push(span),
        Err(fault) => decoded.rejected.push(refusal(index, at, &entry, fault)),
    }
}

fn attachment(part: &multipart::Part<'_>) -> Json {
    let mut value = json!({ "mime_type": part.content_type, "bytes": part.body.len() });
    if part.body.len() <= ATTACHMENT_BYTES_MAX {
        value["data"] = STANDARD.encode(part.body).into();
    }
    value
}

/// The trace of a run: as stated, else the first step of its dotted order, else the run itself.
fn trace_of(map: &mut JsonMap, id: &str) -> Result<TraceId, Fault> {
    if let Some(stated) = take_text(map, &["trace_id"])? {
        return trace_id(&stated, "trace_id");
    }
    let dotted = map.get("dotted_order").and_then(read::text).unwrap_or_default();
    // `20261121T070000000000Z<uuid>.…`
    let first = dotted.split('.').next().and_then(|step| step.split_once('Z'));
    let parent = map.get("parent_run_id").and_then(read::text);
    match (first, parent) {
        (Some((_, root)), _) if !root.is_empty() => trace_id(root, "dotted_order"),
        (_, None) => trace_id(id, "id"),
        (_, Some(_)) => Err(fault("/trace_id", "must be stated for a run that has a parent")),
    }
}

fn run(mut map: JsonMap, context: &Context) -> Result<Span, Fault> {
    let id = take_text(&mut map, &["id"])?.ok_or_else(|| fault("/id", "must be text"))?;
    let trace = trace_of(&mut map, &id)?;
    let mut span = Span::new(trace, span_id(&id, "id")?, Door::Compat);
    let parent = take_text(&mut map, &["parent_run_id"])?;
    span.parent_id = parent.map(|id| span_id(&id, "parent_run_id")).transpose()?;
    span.name = take_text(&mut map, &["name"])?;
    span.start = take_time(&mut map, &["start_time"])?;
    span.end = take_time(&mut map, &["end_time"])?;
    let error = map.get("error").and_then(read::text);
    span.status = match (&error, span.end) {
        (Some(_), _) => Status::Error,
        (None, Some(_)) => Status::Ok,
        (None, None) => Status::Running,
    };
    if span.status.is_terminal() {
        span.end = span.end.or(Some(context.received));
    }
    span.status_message = error;
    keep(&mut span, PREFIX, map, context)?;
    Ok(span)
}

fn feedback(mut map: JsonMap, context: &Context) -> Result<Span, Fault> {
    let run = take_text(&mut map, &["run_id"])?;
    let trace = take_text(&mut map, &["trace_id"])?.or_else(|| run.clone());
    let trace = trace.ok_or_else(|| fault("/trace_id", "must name the trace or run"))?;
    let trace = trace_id(&trace, "trace_id")?;
    let id = take_text(&mut map, &["id"])?;
    let id = match id {
        Some(id) => span_id(&id, "id")?,
        None => {
            let content = serde_json::to_string(&map).unwrap_or_default();
            derived_span(&["feedback", trace.as_str(), &content])?
        }
    };
    let mut span = Span::new(trace, id, Door::Compat);
    span.parent_id = run.map(|run| span_id(&run, "run_id")).transpose()?;
    span.name = map.get("key").and_then(read::text).or_else(|| Some("feedback".to_owned()));
    let at = take_time(&mut map, &["created_at", "modified_at"])?.unwrap_or(context.received);
    (span.start, span.end, span.status) = (Some(at), Some(at), Status::Ok);
    let mut told = JsonMap::new();
    for name in ["key", "score", "value", "comment", "correction"] {
        if let Some((name, value)) = take(&mut map, &[name]) {
            told.insert(name, value);
        }
    }
    span.attributes.push(Attribute::new(format!("{PREFIX}run_type"), "evaluator"));
    span.attributes.push(Attribute::new(format!("{PREFIX}outputs"), Json::Object(told)));
    keep(&mut span, "langsmith.feedback.", map, context)?;
    Ok(span)
}
