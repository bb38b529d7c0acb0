//! TraceLLM's trace documents, as its command line and decorators write them into a database.
//!
//! A document is a prompt, a response and a list of steps. The whole becomes a root span of kind llm,
//! each step a tool's span below it. All fields are kept as raw attributes of the root under
//! [`PREFIX`], so that [`document`] gives back what was written; a client's `api_key` never is.

use exhibit_model::{Attribute, Door, Json, JsonMap, Nanos, Span, SpanKind, Status};
use serde_json::json;

use super::rule::{Dialect, Draft, Field, Rule, kind, on};
use crate::{
    Context, DecodeError, Decoded,
    native::{
        Fault, fault,
        foreign::{derived_span, keep, span_id, take_text, trace_id, whole},
    },
    read, stamp,
};

pub(super) static DIALECT: Dialect =
    Dialect { refine: Some(refine), ..Dialect::new("tracellm", RULES) };

const PREFIX: &str = "tracellm.";
/// The id of the span that stands for the document.
pub const ROOT: &str = "tracellm-trace";
/// Never stored: what could open a door.
const SECRETS: &[&str] = &["api_key", "_id"];
/// Steps of one document that become spans.
const STEPS_MAX: usize = 10_000;

/// Decodes one document; times are RFC 3339 text.
pub fn decode(mut map: JsonMap, context: &Context) -> Result<Decoded, DecodeError> {
    for name in SECRETS {
        map.shift_remove(*name);
    }
    let spans = spans(map, context).map_err(whole)?;
    Ok(Decoded { spans, protocol: "tracellm", ..Decoded::default() })
}

fn spans(mut map: JsonMap, context: &Context) -> Result<Vec<Span>, Fault> {
    let id = take_text(&mut map, &["trace_id", "id"])?;
    let id = id.ok_or_else(|| fault("/trace_id", "must be text"))?;
    let trace = trace_id(&id, "trace_id")?;
    let root_id = span_id(ROOT, "trace_id")?;
    let mut root = Span::new(trace.clone(), root_id.clone(), Door::Compat);
    let at = map.get("created_at").map(stamp::read).transpose();
    let at = at.map_err(|reason| fault("/created_at", reason))?.unwrap_or(context.received);
    let latency = map.get("latency").and_then(read::number).filter(|ms| (0.0..1e12).contains(ms));
    root.name = map.get("model_name").and_then(read::text).map(|model| format!("chat {model}"));
    root.start = Some(at);
    root.end = Some(later(at, latency.unwrap_or(0.0)));
    let failed = map.get("status").and_then(Json::as_str) == Some("failed");
    root.status = if failed { Status::Error } else { Status::Ok };
    if failed {
        root.status_message = map.get("failure_reason").and_then(read::text);
    }
    let steps = match map.get("steps") {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Array(steps)) if steps.len() <= STEPS_MAX => steps.clone(),
        Some(_) => return Err(fault("/steps", format!("must be a list of at most {STEPS_MAX}"))),
    };
    let mut spans = Vec::with_capacity(steps.len() + 1);
    for (n, step) in steps.iter().enumerate() {
        let Json::Object(step) = step else {
            return Err(fault(format!("/steps/{n}"), "a step must be an object"));
        };
        let mut span = Span::new(
            trace.clone(),
            derived_span(&["step", trace.as_str(), &n.to_string()])?,
            Door::Compat,
        );
        span.parent_id = Some(root_id.clone());
        span.name = step.get("tool_name").and_then(read::text);
        let began = step.get("timestamp").map(stamp::read).transpose().ok().flatten().unwrap_or(at);
        let took =
            step.get("duration").and_then(read::number).filter(|ms| (0.0..1e12).contains(ms));
        span.start = Some(began);
        span.end = Some(later(began, took.unwrap_or(0.0)));
        let failed = step.get("success") == Some(&Json::Bool(false));
        span.status = if failed { Status::Error } else { Status::Ok };
        if failed {
            let said = step.get("output").and_then(|o| o.get("error").or_else(|| o.get("message")));
            span.status_message = said.and_then(read::text);
        }
        let fields = step.iter().map(|(name, value)| (format!("step.{name}"), value.clone()));
        keep(&mut span, PREFIX, fields.collect(), context)?;
        spans.push(span);
    }
    keep(&mut root, PREFIX, map, context)?;
    spans.insert(0, root);
    Ok(spans)
}

fn later(at: Nanos, ms: f64) -> Nanos {
    Nanos(at.0.saturating_add((ms * 1e6) as i64))
}

/// Gives a document back as it was written, where the span is the root of one. Times are text.
pub fn document(root: &Span) -> Option<JsonMap> {
    if root.span_id.as_str() != ROOT {
        return None;
    }
    let mut map = JsonMap::from_iter([("trace_id".to_owned(), json!(root.trace_id))]);
    for Attribute { key, value, .. } in &root.attributes {
        if let Some(name) = key.strip_prefix(PREFIX) {
            map.insert(name.to_owned(), value.clone());
        }
    }
    // Absent values are not kept, and readers ask for them.
    for name in ["response", "project_name", "failure_reason"] {
        map.entry(name).or_insert(Json::Null);
    }
    map.entry("steps").or_insert_with(|| Json::Array(Vec::new()));
    Some(map)
}

fn kind_of(word: &str) -> Option<SpanKind> {
    (!word.is_empty()).then_some(SpanKind::Tool)
}

fn model_call(word: &str) -> Option<SpanKind> {
    (!word.is_empty()).then_some(SpanKind::Llm)
}

fn refine(span: &Span, draft: &mut Draft) {
    if draft.kind == Some(SpanKind::Tool) && draft.tool.is_none() {
        draft.tool.clone_from(&span.name);
    }
}

const RULES: &[Rule] = &[
    kind(7, "tracellm.step.tool_name", kind_of),
    kind(8, "tracellm.model_name", model_call),
    on(Field::Model, 7, "tracellm.model_name"),
    on(Field::Environment, 7, "tracellm.environment"),
    on(Field::Service, 7, "tracellm.project_id"),
    on(Field::Metadata, 7, "tracellm.project_name").named("project"),
    on(Field::Metadata, 7, "tracellm.status").named("tracellm_status"),
    on(Field::TokensTotal, 7, "tracellm.token_count"),
    on(Field::ErrorMessage, 7, "tracellm.failure_reason"),
    on(Field::Input, 7, "tracellm.prompt"),
    on(Field::Output, 7, "tracellm.response"),
    on(Field::OutputAside, 7, "tracellm.steps"),
    on(Field::ToolArguments, 7, "tracellm.step.input"),
    on(Field::ToolResult, 7, "tracellm.step.output"),
];
