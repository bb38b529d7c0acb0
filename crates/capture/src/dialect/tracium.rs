//! Tracium's own protocol: a trace is created, its spans come twice each (in progress, then final),
//! and it is completed or failed.
//!
//! Its client never sends a span's parent, only how deep the span stands; [`tree`] finds the parent
//! again. The trace as a whole is a root span of kind agent under [`ROOT`].

pub mod tree;

use exhibit_model::{
    Attribute, Door, Flag, Json, JsonMap, Nanos, Span, SpanId, SpanKind, Status, TraceId,
};

use super::{
    native,
    rule::{CACHE_APART, Dialect, Field, Rule, kind, on},
};
use crate::{
    Context, DecodeError, Decoded,
    native::{
        Fault, fault,
        foreign::{keep, refusal, span_id, take, take_list, take_text, take_time, trace_id, whole},
        object,
    },
    read,
};
use tree::{Place, Tree};

pub(super) static DIALECT: Dialect =
    Dialect { semantics: CACHE_APART, ..Dialect::new("tracium", RULES) };

/// The prefix of every raw attribute.
const PREFIX: &str = "tracium.";
/// The id of the span that stands for the whole trace. Its clients make UUIDs.
pub const ROOT: &str = "tracium-trace";
/// How deep a span stands below the trace, from 0.
const DEPTH: &str = "tracium.depth_level";
/// Siblings that ran side by side share it.
const GROUP: &str = "tracium.parallel_group_id";
/// Its place among them.
const SEQUENCE: &str = "tracium.sequence_number";
/// How the parent was found.
const PARENT_BY: &str = "tracium.parent_by";

/// The root span of a trace.
pub fn root() -> Result<SpanId, DecodeError> {
    span_id(ROOT, "id").map_err(whole)
}

/// A raw field of a span as the client sent it.
pub fn field<'a>(span: &'a Span, name: &str) -> Option<&'a Json> {
    span.attributes.iter().find(|a| a.key.strip_prefix(PREFIX) == Some(name)).map(|a| &a.value)
}

/// A trace that was created.
#[derive(Debug)]
pub struct Created {
    /// Its root span, running.
    pub span: Span,
}

/// Decodes `POST /agents/traces`. `mint` gives an id where the client leaves it to the server.
pub fn create(
    body: &[u8],
    context: &Context,
    mint: &mut dyn FnMut() -> TraceId,
) -> Result<Created, DecodeError> {
    let mut map = object(body, context, "a JSON object with agent_name")?;
    let read = (|| {
        let id = match take_text(&mut map, &["trace_id", "id"])? {
            Some(id) => trace_id(&id, "trace_id")?,
            None => mint(),
        };
        let agent_name = map.get("agent_name").and_then(read::text);
        let agent_name = agent_name.ok_or_else(|| fault("/agent_name", "must be text"))?;
        let mut span = Span::new(id, span_id(ROOT, "id")?, Door::Compat);
        span.name = Some(agent_name);
        span.start = take_time(&mut map, &["started_at"])?.or(Some(context.received));
        finish_root(&mut span, map, context)?;
        Ok(Created { span })
    })();
    read.map_err(whole)
}

/// Decodes `POST /agents/traces/{id}/complete` and `…/fail` into the final state of the root.
pub fn end(
    body: &[u8],
    context: &Context,
    id: TraceId,
    failed: bool,
) -> Result<Decoded, DecodeError> {
    let mut map = if body.iter().all(u8::is_ascii_whitespace) {
        JsonMap::new()
    } else {
        object(body, context, "a JSON object")?
    };
    let read = (|| {
        let mut span = Span::new(id, span_id(ROOT, "id")?, Door::Compat);
        span.status = if failed { Status::Error } else { Status::Ok };
        span.end = take_time(&mut map, &["completed_at", "ended_at"])?.or(Some(context.received));
        if failed {
            span.status_message = map.get("error").and_then(read::text);
        }
        finish_root(&mut span, map, context)?;
        Ok(span)
    })();
    let span = read.map_err(whole)?;
    Ok(Decoded { spans: vec![span], ..Decoded::default() })
}

fn finish_root(span: &mut Span, map: JsonMap, context: &Context) -> Result<(), Fault> {
    span.attributes.push(Attribute::new("tracium.span_type", "agent"));
    keep(span, PREFIX, map, context)
}

/// Decodes `POST /agents/traces/{id}/spans`; `known` are the trace's spans so far and learns the new
/// ones.
pub fn spans(
    body: &[u8],
    context: &Context,
    id: &TraceId,
    known: &mut Tree,
) -> Result<Decoded, DecodeError> {
    let mut root = object(body, context, "a JSON object with the list \"spans\"")?;
    let list = take_list(&mut root, "spans", "a list of spans", context)?;
    let mut decoded = Decoded::default();
    for (index, entry) in list.into_iter().enumerate() {
        match span(&entry, id, known, context) {
            Ok(span) => decoded.spans.push(span),
            Err(fault) => {
                let at = format!("/spans/{index}");
                decoded.rejected.push(refusal(index, &at, &entry, fault));
            }
        }
    }
    Ok(decoded)
}

fn span(entry: &Json, trace: &TraceId, known: &mut Tree, context: &Context) -> Result<Span, Fault> {
    let Json::Object(map) = entry else { return Err(fault("", "a span must be an object")) };
    let mut map = map.clone();
    let id = take_text(&mut map, &["id", "span_id"])?;
    let id = span_id(&id.ok_or_else(|| fault("/id", "must be text"))?, "id")?;
    let mut span = Span::new(trace.clone(), id, Door::Compat);
    span.name = take_text(&mut map, &["name"])?;
    let latency = map.get("latency_ms").and_then(read::number).filter(|ms| *ms >= 0.0);
    span.start = take_time(&mut map, &["started_at"])?;
    span.end = take_time(&mut map, &["completed_at"])?;
    span.status = status(&mut map, span.end.is_some())?;
    if span.status == Status::Running {
        span.end = None;
    } else if span.end.is_none() {
        let end =
            span.start.zip(latency).map(|(s, ms)| Nanos(s.0.saturating_add((ms * 1e6) as i64)));
        span.end = end.or(Some(context.received));
        if end.is_none() {
            span.flag(Flag::EndMissing);
        }
    }
    if span.status == Status::Error {
        span.status_message = map.get("error").and_then(read::text);
    }
    let stated = take_text(&mut map, &["parent_span_id"])?;
    let stated = stated.map(|id| span_id(&id, "parent_span_id")).transpose()?;
    for count in
        ["input_tokens", "output_tokens", "cached_input_tokens", "cache_creation_input_tokens"]
    {
        if map.get(count).is_some_and(|value| read::count(value).is_err()) {
            return Err(fault(format!("/{count}"), "must be a whole number of tokens, 0 to 1e12"));
        }
    }
    let place = Place::of_entry(&span, &map, stated);
    let (parent, by) = known.settle(place, &span_id(ROOT, "id")?);
    span.parent_id = Some(parent);
    span.attributes.push(Attribute::new(PARENT_BY, by));
    keep(&mut span, PREFIX, map, context)?;
    Ok(span)
}

/// A word of the client's own is the state of a span that is over if it has an end.
fn status(map: &mut JsonMap, ended: bool) -> Result<Status, Fault> {
    let word = match take(map, &["status"]) {
        None => String::new(),
        Some((_, Json::String(word))) => word.trim().to_ascii_lowercase(),
        Some(_) => return Err(fault("/status", "must be text")),
    };
    Ok(match word.as_str() {
        "completed" | "complete" | "success" | "succeeded" | "ok" => Status::Ok,
        "failed" | "failure" | "error" => Status::Error,
        "in_progress" | "running" | "started" | "pending" => Status::Running,
        _ if ended => Status::Ok,
        _ => Status::Running,
    })
}

fn kind_of(word: &str) -> Option<SpanKind> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "retrieval" | "search" => SpanKind::Retriever,
        "embeddings" => SpanKind::Embedding,
        "planning" => SpanKind::Plan,
        "function" => SpanKind::Task,
        "workflow" => SpanKind::Chain,
        "moderation" => SpanKind::Guardrail,
        "chat" | "completion" => SpanKind::Llm,
        _ => return native::kind_of(word),
    })
}

const RULES: &[Rule] = &[
    kind(3, "tracium.span_type", kind_of),
    on(Field::Model, 3, "tracium.model_id"),
    on(Field::Model, 4, "tracium.model"),
    on(Field::Agent, 3, "tracium.agent_name"),
    on(Field::TraceName, 3, "tracium.agent_name"),
    on(Field::Version, 3, "tracium.version"),
    on(Field::Tags, 3, "tracium.tags"),
    on(Field::Metadata, 3, "tracium.tenant_id").named("tenant"),
    on(Field::Metadata, 3, "tracium.workspace_id").named("workspace"),
    on(Field::TokensIn, 3, "tracium.input_tokens"),
    on(Field::TokensOut, 3, "tracium.output_tokens"),
    on(Field::CacheRead, 3, "tracium.cached_input_tokens"),
    on(Field::CacheWrite, 3, "tracium.cache_creation_input_tokens"),
    on(Field::ErrorMessage, 3, "tracium.error"),
    on(Field::Input, 3, "tracium.input"),
    on(Field::System, 3, "tracium.system_prompt"),
    on(Field::Output, 3, "tracium.output"),
    on(Field::Output, 4, "tracium.summary"),
    on(Field::OutputCalls, 3, "tracium.tool_calls"),
    on(Field::ToolDefinitions, 3, "tracium.tools"),
    on(Field::InputAside, 3, "tracium.llm_steps"),
    on(Field::Marker, 3, DEPTH),
    on(Field::Marker, 3, GROUP),
    on(Field::Marker, 3, SEQUENCE),
];
