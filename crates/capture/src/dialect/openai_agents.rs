//! The OpenAI Agents SDK's own trace exporter: `{"data": [{"object": "trace"}, {"object":
//! "trace.span"}]}`, and the bridge's `{"traceId", "spans": […]}`.
//!
//! A trace says its name, group and metadata and has no times: it is kept as the trace's
//! registration. Every field of `span_data` becomes a raw attribute under [`PREFIX`].

use exhibit_model::{
    Attribute, Door, Flag, Json, JsonMap, Span, SpanId, SpanKind, Status, TraceId,
};

use super::rule::{Dialect, Draft, Field, Rule, kind, on};
use crate::{
    Context, DecodeError, Decoded,
    native::{
        Fault, fault,
        foreign::{keep, refusal, span_id, take, take_list, take_text, take_time, trace_id},
        object,
    },
    read,
};

pub(super) static DIALECT: Dialect =
    Dialect { refine: Some(refine), ..Dialect::new("openai-agents", RULES) };

const PREFIX: &str = "openai_agents.";

/// Decodes `POST …/traces/ingest`, one line of the JSONL mirror, or the bridge's form.
pub fn ingest(body: &[u8], context: &Context) -> Result<Decoded, DecodeError> {
    const EXPECTED: &str = "a list of traces and spans";
    let mut root = object(body, context, "a JSON object with the list \"data\"")?;
    let mut decoded = Decoded { protocol: "openai-agents", ..Decoded::default() };
    if root.contains_key("data") {
        let list = take_list(&mut root, "data", EXPECTED, context)?;
        for (index, entry) in list.into_iter().enumerate() {
            push(&mut decoded, index, &format!("/data/{index}"), &entry, None, context);
        }
        return Ok(decoded);
    }
    if root.contains_key("object") {
        push(&mut decoded, 0, "", &Json::Object(root), None, context);
        return Ok(decoded);
    }
    let outer = ["traceId", "trace_id"].iter().find_map(|n| root.get(*n).and_then(read::text));
    let spans = take_list(&mut root, "spans", EXPECTED, context)?;
    for (index, entry) in spans.into_iter().enumerate() {
        let at = format!("/spans/{index}");
        push(&mut decoded, index, &at, &entry, outer.as_deref(), context);
    }
    if let Some(id) = outer {
        root.insert("object".to_owned(), "trace".into());
        root.insert("id".to_owned(), id.into());
        let index = decoded.spans.len() + decoded.rejected.len();
        push(&mut decoded, index, "", &Json::Object(root), None, context);
    }
    Ok(decoded)
}

fn push(
    decoded: &mut Decoded,
    index: usize,
    at: &str,
    entry: &Json,
    trace: Option<&str>,
    context: &Context,
) {
    match one(entry, trace, context) {
        Ok(span) => decoded.spans.push(span),
        Err(fault) => decoded.rejected.push(refusal(index, at, entry, fault)),
    }
}

fn one(entry: &Json, trace: Option<&str>, context: &Context) -> Result<Span, Fault> {
    let Json::Object(map) = entry else { return Err(fault("", "an entry must be an object")) };
    let mut map = map.clone();
    match take_text(&mut map, &["object"])?.as_deref() {
        Some("trace") => registration(map, context),
        Some("trace.span") | None => span(map, trace, context),
        Some(_) => Err(fault("/object", "must be \"trace\" or \"trace.span\"")),
    }
}

fn registration(mut map: JsonMap, context: &Context) -> Result<Span, Fault> {
    let id = take_text(&mut map, &["id", "trace_id", "traceId"])?.unwrap_or_default();
    let mut span = Span::new(trace_id(&id, "id")?, SpanId::registration(), Door::Compat);
    span.status = Status::Ok;
    span.start = Some(context.received);
    span.end = Some(context.received);
    for (from, to) in [("workflowName", "workflow_name"), ("groupId", "group_id")] {
        if let Some(value) = map.shift_remove(from) {
            map.entry(to).or_insert(value);
        }
    }
    keep(&mut span, PREFIX, map, context)?;
    Ok(span)
}

fn span(mut map: JsonMap, outer: Option<&str>, context: &Context) -> Result<Span, Fault> {
    let trace = take_text(&mut map, &["trace_id", "traceId"])?;
    let trace: TraceId = trace_id(trace.as_deref().or(outer).unwrap_or_default(), "trace_id")?;
    let id = take_text(&mut map, &["id", "span_id", "spanId"])?.unwrap_or_default();
    let mut span = Span::new(trace, span_id(&id, "id")?, Door::Compat);
    let parent = take_text(&mut map, &["parent_id", "parentId", "parent_span_id"])?;
    span.parent_id = parent.map(|id| span_id(&id, "parent_id")).transpose()?;
    span.start = take_time(&mut map, &["started_at", "startedAt", "start_time"])?;
    span.end = take_time(&mut map, &["ended_at", "endedAt", "end_time"])?;
    let error = take(&mut map, &["error"]).map(|(_, error)| error);
    span.status = match (&error, span.end) {
        (Some(_), _) => Status::Error,
        (None, Some(_)) => Status::Ok,
        (None, None) => Status::Running,
    };
    if span.status.is_terminal() && span.end.is_none() {
        span.end = Some(context.received);
        span.flag(Flag::EndMissing);
    }
    if let Some(error) = error {
        let message = error.get("message").and_then(read::text);
        span.status_message = message.or_else(|| read::text(&error));
        span.attributes.push(Attribute::new(format!("{PREFIX}error"), error));
    }
    let data = match take(&mut map, &["span_data", "spanData"]) {
        None => JsonMap::new(),
        Some((_, Json::Object(data))) => data,
        Some((name, _)) => return Err(fault(format!("/{name}"), "must be an object")),
    };
    // The SDK writes spans it has added later as custom ones of another name.
    let inner = data.get("data").and_then(Json::as_object).cloned();
    let inner = inner.filter(|inner| inner.contains_key("sdk_span_type")).unwrap_or_default();
    let name = take_text(&mut map, &["name"])?;
    span.name = name.or_else(|| name_of(&data, &inner));
    for (key, value) in inner {
        if !data.contains_key(&key) && !value.is_null() {
            span.attributes.push(Attribute::new(format!("{PREFIX}{key}"), value));
        }
    }
    map.extend(data);
    keep(&mut span, PREFIX, map, context)?;
    Ok(span)
}

fn name_of(data: &JsonMap, inner: &JsonMap) -> Option<String> {
    let text = |map: &JsonMap, key: &str| map.get(key).and_then(read::text);
    let kind = text(inner, "sdk_span_type").or_else(|| text(data, "type"))?;
    let rest = match kind.as_str() {
        "generation" => text(data, "model"),
        "handoff" => Some(format!(
            "{} → {}",
            text(data, "from_agent").unwrap_or_default(),
            text(data, "to_agent").unwrap_or_default()
        )),
        "turn" => text(inner, "turn"),
        "task" => text(inner, "name"),
        "mcp_tools" => text(data, "server"),
        _ => text(data, "name"),
    };
    Some(match (kind.as_str(), rest) {
        ("agent" | "function" | "custom" | "guardrail", Some(name)) => name,
        (kind, Some(rest)) => format!("{kind} {rest}"),
        (kind, None) => kind.to_owned(),
    })
}

fn kind_of(word: &str) -> Option<SpanKind> {
    Some(match word {
        "agent" => SpanKind::Agent,
        "function" | "mcp_tools" => SpanKind::Tool,
        "generation" | "response" | "transcription" | "speech" => SpanKind::Llm,
        "speech_group" | "task" => SpanKind::Chain,
        "turn" => SpanKind::Task,
        "handoff" => SpanKind::Event,
        "guardrail" => SpanKind::Guardrail,
        "custom" => SpanKind::Custom,
        _ => return None,
    })
}

/// The SDK talks to one provider unless the model's name says otherwise (`litellm/anthropic/…`).
fn refine(span: &Span, draft: &mut Draft) {
    let text = |key: &str| span.attribute(key).and_then(read::text);
    if draft.kind == Some(SpanKind::Llm) && draft.provider.is_none() {
        let model = text("openai_agents.model").unwrap_or_default();
        if !model.contains('/') {
            draft.provider = Some("openai".to_owned());
        }
    }
    if draft.kind == Some(SpanKind::Tool) && draft.tool.is_none() {
        draft.tool = text("openai_agents.name");
    }
    if draft.kind == Some(SpanKind::Agent) && draft.agent.is_none() {
        draft.agent = text("openai_agents.name");
    }
}

const USAGE: &str = "openai_agents.usage";

const RULES: &[Rule] = &[
    kind(4, "openai_agents.sdk_span_type", kind_of),
    kind(5, "openai_agents.type", kind_of),
    on(Field::TraceName, 5, "openai_agents.workflow_name"),
    on(Field::Session, 5, "openai_agents.group_id"),
    on(Field::Metadata, 5, "openai_agents.metadata"),
    on(Field::Agent, 5, "openai_agents.agent_name"),
    on(Field::ModelRequested, 5, "openai_agents.model"),
    on(Field::ResponseId, 5, "openai_agents.response_id"),
    on(Field::Param, 5, "openai_agents.model_config"),
    on(Field::TokensIn, 5, USAGE).at(&["input_tokens"]),
    on(Field::TokensIn, 6, USAGE).at(&["prompt_tokens"]),
    on(Field::TokensOut, 5, USAGE).at(&["output_tokens"]),
    on(Field::TokensOut, 6, USAGE).at(&["completion_tokens"]),
    on(Field::TokensTotal, 5, USAGE).at(&["total_tokens"]),
    on(Field::CacheRead, 5, USAGE).at(&["input_tokens_details", "cached_tokens"]),
    on(Field::CacheRead, 6, USAGE).at(&["prompt_tokens_details", "cached_tokens"]),
    on(Field::CacheRead, 7, USAGE).at(&["details", "input_tokens_details", "cached_tokens"]),
    on(Field::CacheRead, 8, USAGE).at(&["details", "cached_input_tokens"]),
    on(Field::Reasoning, 5, USAGE).at(&["output_tokens_details", "reasoning_tokens"]),
    on(Field::Reasoning, 6, USAGE).at(&["completion_tokens_details", "reasoning_tokens"]),
    on(Field::Reasoning, 7, USAGE).at(&["details", "output_tokens_details", "reasoning_tokens"]),
    on(Field::ErrorMessage, 5, "openai_agents.error").at(&["message"]),
    on(Field::Input, 5, "openai_agents.input"),
    on(Field::Output, 5, "openai_agents.output"),
    on(Field::Output, 6, "openai_agents.result"),
    on(Field::InputAside, 5, "openai_agents.data"),
    on(Field::ToolDefinitions, 5, "openai_agents.tools"),
    on(Field::Marker, 5, "openai_agents.triggered"),
    on(Field::Marker, 5, "openai_agents.handoffs"),
    on(Field::Marker, 5, "openai_agents.from_agent"),
    on(Field::Marker, 5, "openai_agents.name"),
];
