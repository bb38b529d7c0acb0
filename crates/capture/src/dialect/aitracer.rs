//! AITracer's side doors: guardrail events, tool calls, feedback, and alerts of outside scanners.
//! (Its traces are the native single call.)
//!
//! Each becomes one span: in the trace it names, else in a trace of its own whose id follows from its
//! content, so that a retry is the same record. Every field is kept as a raw attribute under
//! [`PREFIX`].

use exhibit_model::{Attribute, Door, JsonMap, Nanos, Span, SpanKind, Status, TraceId};

use super::rule::{Dialect, Draft, Field, Rule, kind, on};
use crate::{
    Context, DecodeError,
    native::{
        Fault, fault,
        foreign::{derived_span, keep, span_id, take, take_text, take_time, trace_id, whole},
        object,
    },
    read,
};

pub(super) static DIALECT: Dialect =
    Dialect { refine: Some(refine), ..Dialect::new("aitracer", RULES) };

const PREFIX: &str = "aitracer.";
const TRACE: &[&str] = &["traceId", "trace_id"];
const LATENCY: &[&str] =
    &["latencyMs", "latency_ms", "durationMs", "duration_ms", "latencyMsAdded"];

/// What came to a side door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `POST /api/integrations/openai-guardrails`
    Guardrail,
    /// `POST /api/ingest/tool-calls`
    ToolCall,
    /// `POST /api/ingest/feedback`
    Feedback,
    /// `POST /api/ingest/webhooks`
    Alert,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Guardrail => "guardrail",
            Self::ToolCall => "tool",
            Self::Feedback => "feedback",
            Self::Alert => "alert",
        }
    }
}

/// Decodes one event. `id` is the span's id where the door knows one, such as a delivery's.
pub fn event(
    body: &[u8],
    context: &Context,
    what: Kind,
    id: Option<&str>,
) -> Result<Span, DecodeError> {
    let map = object(body, context, "a JSON object")?;
    decode(map, context, what, id).map_err(whole)
}

fn decode(
    mut map: JsonMap,
    context: &Context,
    what: Kind,
    id: Option<&str>,
) -> Result<Span, Fault> {
    let content = serde_json::to_string(&map).unwrap_or_default();
    let named = take_text(&mut map, TRACE)?;
    if named.is_none() && what == Kind::Feedback {
        return Err(fault("/traceId", "must name the trace that the feedback is about"));
    }
    let trace: TraceId = match named {
        Some(id) => trace_id(&id, "traceId")?,
        None => {
            let seed = [what.word(), "trace", id.unwrap_or(&content)];
            let derived = crate::ids::crockford(&crate::ids::digest(&seed));
            trace_id(&format!("tr_{derived}"), "traceId")?
        }
    };
    let stated = take_text(&mut map, &["spanId", "span_id"])?;
    let span_id = match (id, stated) {
        (Some(id), _) => derived_span(&[what.word(), trace.as_str(), id])?,
        (None, Some(id)) if what == Kind::ToolCall => span_id(&id, "spanId")?,
        (None, _) => derived_span(&[what.word(), trace.as_str(), &content])?,
    };
    let mut span = Span::new(trace, span_id, Door::Compat);
    let parent = take_text(&mut map, &["parentSpanId", "parent_span_id", "parentId"])?;
    span.parent_id = parent.map(|id| self::span_id(&id, "parentSpanId")).transpose()?;
    name(&mut span, &map, what)?;
    times(&mut span, &mut map, context)?;
    span.status = Status::Ok;
    if what == Kind::ToolCall
        && let Some((_, error)) = take(&mut map, &["error"])
        && !read::is_absent(&error)
    {
        span.status = Status::Error;
        let message = error.get("message").and_then(read::text);
        span.status_message = message.or_else(|| read::text(&error));
        span.attributes.push(Attribute::new("aitracer.error", error));
    }
    span.attributes.push(Attribute::new("aitracer.event", what.word()));
    keep(&mut span, PREFIX, map, context)?;
    Ok(span)
}

fn name(span: &mut Span, map: &JsonMap, what: Kind) -> Result<(), Fault> {
    let text = |names: &[&str]| names.iter().find_map(|name| map.get(*name).and_then(read::text));
    span.name = Some(match what {
        Kind::Guardrail => text(&["guardrailName"]).unwrap_or_else(|| "guardrail".to_owned()),
        Kind::ToolCall => text(&["toolName", "tool_name", "name", "functionName", "function"])
            .ok_or_else(|| fault("/toolName", "must name the tool"))?,
        Kind::Feedback => "feedback".to_owned(),
        Kind::Alert => text(&["title", "summary", "event", "type", "action"])
            .unwrap_or_else(|| "security alert".to_owned()),
    });
    Ok(())
}

/// An event that says when it began or how long it took is placed there, else at its receipt.
fn times(span: &mut Span, map: &mut JsonMap, context: &Context) -> Result<(), Fault> {
    let start = take_time(map, &["startedAt", "started_at", "startTime", "start_time"])?;
    let end = take_time(map, &["endedAt", "ended_at", "endTime", "end_time", "timestamp"])?;
    let latency = LATENCY.iter().find_map(|name| map.get(*name).and_then(read::number));
    let latency = (latency.filter(|ms| (0.0..1e12).contains(ms)).unwrap_or(0.0) * 1e6) as i64;
    let end = end.or_else(|| Some(Nanos(start?.0.saturating_add(latency))));
    let end = end.unwrap_or(context.received);
    span.end = Some(end);
    span.start = start.or(Some(Nanos(end.0.saturating_sub(latency))));
    Ok(())
}

fn kind_of(word: &str) -> Option<SpanKind> {
    Some(match word {
        "guardrail" => SpanKind::Guardrail,
        "tool" => SpanKind::Tool,
        "feedback" => SpanKind::Evaluator,
        "alert" => SpanKind::Event,
        _ => return None,
    })
}

fn refine(span: &Span, draft: &mut Draft) {
    if draft.kind == Some(SpanKind::Tool) && draft.tool.is_none() {
        draft.tool.clone_from(&span.name);
    }
}

const RULES: &[Rule] = &[
    kind(6, "aitracer.event", kind_of),
    on(Field::Model, 6, "aitracer.model"),
    on(Field::Environment, 6, "aitracer.environment"),
    on(Field::Metadata, 6, "aitracer.metadata"),
    on(Field::Metadata, 7, "aitracer.workflowName").named("workflow"),
    on(Field::Metadata, 7, "aitracer.actionTaken").named("action_taken"),
    on(Field::Metadata, 7, "aitracer.triggerType").named("trigger_type"),
    on(Field::Metadata, 7, "aitracer.severity").named("severity"),
    on(Field::User, 6, "aitracer.userId"),
    on(Field::Cost, 6, "aitracer.estimatedCostUsd"),
    on(Field::ToolCallId, 6, "aitracer.toolCallId"),
    on(Field::ToolCallId, 7, "aitracer.callId"),
    on(Field::ErrorMessage, 6, "aitracer.error").at(&["message"]),
    on(Field::ErrorMessage, 7, "aitracer.error"),
    on(Field::ToolArguments, 6, "aitracer.arguments"),
    on(Field::ToolArguments, 7, "aitracer.args"),
    on(Field::ToolArguments, 8, "aitracer.input"),
    on(Field::ToolResult, 6, "aitracer.result"),
    on(Field::ToolResult, 7, "aitracer.output"),
    on(Field::Output, 6, "aitracer.rating"),
    on(Field::Output, 7, "aitracer.thumbs"),
    on(Field::Output, 8, "aitracer.score"),
    on(Field::Output, 9, "aitracer.feedback"),
    on(Field::OutputAside, 6, "aitracer.comment"),
    on(Field::Output, 10, "aitracer.reason"),
    on(Field::Input, 10, "aitracer.triggerSource"),
    on(Field::Marker, 6, "aitracer.guardrailName"),
];
