//! What was asked and what came back, read from the raw attributes and events whenever somebody looks.
//!
//! The strongest candidate wins, as for every field. Its value is shown as the client shaped it, and
//! besides as messages, whatever of the many shapes of chat it has.

mod fold;
mod message;
mod pick;

use exhibit_model::{
    Content, Json, JsonMap, Message, MessagePart, Span, SpanKind, ToolCall, limits,
};

use crate::{dialect::Field, read};
use pick::Picked;

/// Tool arguments and results count as input and output this strongly.
const TOOL_RANK: u32 = 260 << 16;
/// The same for keys that may as well hold the tool's schema.
const WEAK_TOOL_RANK: u32 = 335 << 16;
/// A document list counts as output this strongly.
const DOCUMENTS_RANK: u32 = 265 << 16;
/// From this rank on, a tool's arguments may be its schema.
const SCHEMA_RANK: u32 = 300 << 16;

/// Reads the content of a span.
pub fn content(span: &Span) -> Content {
    let mut picked = pick::pick(span);
    let arguments = picked.take(Field::ToolArguments);
    let result = picked.take(Field::ToolResult);
    let documents = picked.take(Field::Documents);
    let schema_like = arguments.as_ref().is_some_and(|(order, _)| *order >= SCHEMA_RANK);
    let tool_rank = if schema_like { WEAK_TOOL_RANK } else { TOOL_RANK };
    let input = stronger(
        picked.take(Field::Input),
        arguments.as_ref().map(|(_, value)| (tool_rank, value)),
    );
    let output = stronger(picked.take(Field::Output), result.as_ref().map(|(_, v)| (TOOL_RANK, v)));
    let output = stronger(output, documents.as_ref().map(|(_, v)| (DOCUMENTS_RANK, v)));
    let mut content = Content {
        input: input.map(|(_, value)| value),
        output: output.map(|(_, value)| value),
        tool_definitions: picked.take(Field::ToolDefinitions).map(|(_, value)| value),
        documents: documents.map(|(_, value)| value),
        ..Content::default()
    };
    let model_call = span.kind == Some(SpanKind::Llm);
    if let Some(input) = &content.input {
        content.input_messages = message::messages(input, "user", model_call);
    }
    if let Some((_, system)) = picked.take(Field::System)
        && !content.input_messages.iter().any(|m| m.role == "system")
    {
        let parts = message::parts(&system);
        if !parts.is_empty() {
            let system = Message { role: "system".into(), parts, ..Message::default() };
            content.input_messages.insert(0, system);
        }
    }
    if let Some(output) = &content.output {
        content.output_messages = message::messages(output, "assistant", model_call);
    }
    answer(&mut content, &mut picked, span);
    if span.kind == Some(SpanKind::Tool) && content.tool_calls.is_empty() {
        let arguments = match arguments {
            Some((_, value)) if !schema_like => Some(value),
            weak => content.input.clone().or(weak.map(|(_, value)| value)),
        };
        let result = result.map(|(_, value)| value).or_else(|| content.output.clone());
        content.tool_calls.push(ToolCall {
            id: span.tool_call_id.clone(),
            tool_name: span.tool.clone().or_else(|| span.name.clone()).unwrap_or_default(),
            arguments: arguments.unwrap_or_default(),
            result: result.map(message::as_result).unwrap_or_default(),
            selected_from: Vec::new(),
        });
    }
    content
}

fn stronger(held: Option<(u32, Json)>, other: Option<(u32, &Json)>) -> Option<(u32, Json)> {
    match (held, other) {
        (Some(held), Some(other)) if other.0 < held.0 => Some((other.0, other.1.clone())),
        (None, Some(other)) => Some((other.0, other.1.clone())),
        (held, _) => held,
    }
}

/// Puts reasoning and tool calls that stand apart into the answer, and lists the calls made.
fn answer(content: &mut Content, picked: &mut Picked, span: &Span) {
    if let Some((_, reasoning)) = picked.take(Field::OutputReasoning)
        && let Some(text) = message::text_of(&reasoning)
    {
        last_answer(content).parts.insert(0, MessagePart::Reasoning { content: text });
    }
    if let Some((_, calls)) = picked.take(Field::OutputCalls) {
        let calls = message::tool_calls(&calls);
        let told = content.output_messages.iter().flat_map(|m| &m.parts);
        let told = told.filter(|p| matches!(p, MessagePart::ToolCall { .. })).count();
        if told == 0 && span.kind == Some(SpanKind::Llm) && !calls.is_empty() {
            let parts = calls.iter().map(|call| MessagePart::ToolCall {
                id: call.id.clone(),
                name: call.tool_name.clone(),
                arguments: call.arguments.clone(),
            });
            last_answer(content).parts.extend(parts);
        }
        content.tool_calls = calls;
    }
    if content.tool_calls.is_empty() && span.kind != Some(SpanKind::Tool) {
        for part in content.output_messages.iter().flat_map(|message| &message.parts) {
            if let MessagePart::ToolCall { id, name, arguments } = part {
                content.tool_calls.push(ToolCall {
                    id: id.clone(),
                    tool_name: name.clone(),
                    arguments: arguments.clone(),
                    ..ToolCall::default()
                });
            }
        }
    }
}

fn last_answer(content: &mut Content) -> &mut Message {
    if content.output_messages.is_empty() {
        let message = Message { role: "assistant".into(), ..Message::default() };
        content.output_messages.push(message);
    }
    let last = content.output_messages.len() - 1;
    &mut content.output_messages[last]
}

/// Short texts of a span's input and output for lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Previews {
    /// What was asked: of a conversation, the last word of the user.
    pub input: Option<String>,
    /// What came back.
    pub output: Option<String>,
}

/// Shortens a span's content to at most [`limits::PREVIEW_CHARS`] characters on each side.
pub fn previews(span: &Span) -> Previews {
    let content = content(span);
    let asked = content.input_messages.iter().rev();
    let asked = asked.filter(|m| m.role == "user").find_map(message::plain);
    let asked = asked.or_else(|| content.input_messages.iter().rev().find_map(message::plain));
    let told = content.output_messages.iter().rev().find_map(message::plain);
    let called = || {
        let names: Vec<_> = content.tool_calls.iter().map(|c| c.tool_name.as_str()).collect();
        (span.kind != Some(SpanKind::Tool) && !names.is_empty()).then(|| names.join(", "))
    };
    Previews {
        input: asked.or_else(|| content.input.as_ref().and_then(plain)).as_deref().map(shorten),
        output: told
            .or_else(called)
            .or_else(|| content.output.as_ref().and_then(plain))
            .as_deref()
            .map(shorten),
    }
}

fn plain(value: &Json) -> Option<String> {
    let text = message::text_of(value).unwrap_or_else(|| value.to_string());
    (!text.trim().is_empty()).then_some(text)
}

/// One line, cut between characters.
fn shorten(text: &str) -> String {
    let mut short = String::with_capacity(text.len().min(limits::PREVIEW_CHARS * 2));
    let mut count = 0;
    for word in text.split_whitespace() {
        if count > 0 {
            short.push(' ');
            count += 1;
        }
        for c in word.chars() {
            if count >= limits::PREVIEW_CHARS {
                short.pop();
                short.push('…');
                return short;
            }
            short.push(c);
            count += 1;
        }
    }
    short
}

/// The message an event carries, as an object with role and content.
fn of_event(event: &exhibit_model::Event, role: &str) -> Json {
    let mut map = match &event.body {
        Some(Json::Object(body)) => body.clone(),
        Some(body @ Json::String(_)) if !event.attributes.contains_key("content") => {
            JsonMap::from_iter([("content".to_owned(), body.clone())])
        }
        _ => JsonMap::new(),
    };
    for name in
        ["content", "role", "name", "id", "tool_calls", "message", "finish_reason", "output"]
    {
        if let Some(value) = event.attributes.get(name)
            && !map.contains_key(name)
        {
            map.insert(name.to_owned(), read::unfolded(value).into_owned());
        }
    }
    if let Some(Json::Object(inner)) = map.remove("message") {
        map.extend(inner);
    } else if let Some(output) = map.remove("output") {
        map.entry("content").or_insert(output);
    }
    // Some exporters put the content under a longer name of their own.
    if !map.contains_key("content")
        && let Some((_, value)) = event.attributes.iter().find(|(key, _)| key.ends_with(".content"))
    {
        match read::unfolded(value).into_owned() {
            Json::Object(inner) => map.extend(inner),
            text => {
                map.insert("content".to_owned(), text);
            }
        }
    }
    if !map.get("role").is_some_and(Json::is_string) {
        map.insert("role".to_owned(), role.into());
    }
    Json::Object(map)
}
