//! Messages, whatever their shape.
//!
//! Read are the shapes of the GenAI conventions (parts), of chat completions (content, tool_calls), of
//! Anthropic's and Vercel's content blocks, of Gemini (contents, functionCall), of the responses API
//! (typed items), of LangChain (kwargs) and of Pydantic AI (part_kind), alone, in lists, or inside the
//! request or response that held them. What has no known shape stays as it came.

mod block;

use exhibit_model::{Json, JsonMap, Message, MessagePart};

use crate::read;
pub(super) use block::{as_result, tool_calls};

/// How many wrappers around messages are taken off.
const WRAPPERS_MAX: usize = 6;
/// Most messages that are read of one value.
const MESSAGES_MAX: usize = 10_000;

/// Reads the messages of a value. Text that is no message becomes one of `role` only where `plain`
/// says that a model was spoken to.
pub(super) fn messages(value: &Json, role: &str, plain: bool) -> Vec<Message> {
    let mut found = Vec::new();
    collect(value, role, plain, WRAPPERS_MAX, &mut found);
    found
}

fn collect(value: &Json, role: &str, plain: bool, depth: usize, found: &mut Vec<Message>) {
    if depth == 0 || found.len() >= MESSAGES_MAX {
        return;
    }
    match value {
        Json::Array(items) => {
            if items.iter().any(|item| item.is_array() || is_message(item)) {
                for item in items {
                    collect(item, role, plain, depth - 1, found);
                }
            } else if items.iter().any(block::is_block) {
                push(found, role, items.iter().flat_map(block::parts_of).collect());
            } else if plain && !items.is_empty() && items.iter().all(Json::is_string) {
                for item in items {
                    collect(item, role, plain, depth - 1, found);
                }
            }
        }
        Json::Object(map) => object(map, role, plain, depth, found),
        Json::String(text) if plain => {
            push(found, role, vec![MessagePart::Text { content: text.clone() }]);
        }
        _ => {}
    }
}

fn push(found: &mut Vec<Message>, role: &str, parts: Vec<MessagePart>) {
    if !parts.is_empty() {
        found.push(Message { role: role.to_owned(), parts, ..Message::default() });
    }
}

/// Names under which requests and responses hold their messages, and the role of those.
const LISTS: [(&str, Option<&str>); 8] = [
    ("messages", None),
    ("contents", Some("user")),
    ("choices", Some("assistant")),
    ("candidates", Some("assistant")),
    ("generations", Some("assistant")),
    ("input", Some("user")),
    ("output", Some("assistant")),
    ("kwargs", None),
];
/// Names under which a plain text of a request or response stands.
const TEXTS: [&str; 12] = [
    "prompt",
    "response",
    "text",
    "query",
    "question",
    "user_prompt",
    "answer",
    "result",
    "completion",
    "input",
    "output",
    "content",
];

fn object(map: &JsonMap, role: &str, plain: bool, depth: usize, found: &mut Vec<Message>) {
    let before = found.len();
    if let Some(message) = message(map, role) {
        found.push(message);
        return;
    }
    for name in ["system", "systemInstruction", "system_instruction", "instructions"] {
        if let Some(system) = map.get(name) {
            push(found, "system", parts(system));
        }
    }
    // Beside instructions to a model, a plain text is what the model was asked.
    let plain = plain || found.len() > before;
    let before = found.len();
    for (name, own) in LISTS {
        let Some(inner) = map.get(name) else { continue };
        let inner = read::unfolded(inner);
        if inner.is_array() || inner.is_object() {
            collect(&inner, own.unwrap_or(role), plain, depth - 1, found);
            if found.len() > before {
                finish(map, &mut found[before..]);
                return;
            }
        }
    }
    // A choice or candidate: the message is inside.
    for name in ["message", "content", "data"] {
        if let Some(inner @ (Json::Object(_) | Json::Array(_))) = map.get(name) {
            collect(inner, role, plain, depth - 1, found);
            if found.len() > before {
                finish(map, &mut found[before..]);
                return;
            }
        }
    }
    if plain {
        let text = TEXTS.iter().find_map(|name| map.get(*name).and_then(Json::as_str));
        if let Some(text) = text {
            push(found, role, vec![MessagePart::Text { content: text.to_owned() }]);
        }
    }
}

/// The finish reason that stands beside a message rather than in it.
fn finish(map: &JsonMap, found: &mut [Message]) {
    let reason = ["finish_reason", "finishReason", "stop_reason"]
        .iter()
        .find_map(|name| map.get(*name).and_then(Json::as_str));
    if let (Some(reason), Some(last)) = (reason, found.last_mut()) {
        last.finish_reason.get_or_insert_with(|| reason.to_owned());
    }
}

fn is_message(value: &Json) -> bool {
    match value {
        Json::Object(map) => {
            map.contains_key("role")
                || map.get("kind").is_some_and(Json::is_string) && map.contains_key("parts")
                || map.contains_key("message")
                || map.contains_key("kwargs")
                || item_type(map).is_some()
                || langchain_role(map).is_some() && map.contains_key("content")
                || map.get("content").is_some_and(is_message)
        }
        _ => false,
    }
}

/// The type of an item of the responses API.
fn item_type(map: &JsonMap) -> Option<&str> {
    map.get("type").and_then(Json::as_str).filter(|kind| {
        matches!(*kind, "function_call" | "function_call_output" | "message" | "reasoning")
            && !map.contains_key("text")
    })
}

/// LangChain names the speaker by type.
fn langchain_role(map: &JsonMap) -> Option<&'static str> {
    let word = match map.get("type").and_then(Json::as_str) {
        Some("constructor") | None => map.get("id").and_then(Json::as_array)?.last()?.as_str()?,
        Some(word) => word,
    };
    Some(match word {
        "human" | "HumanMessage" | "HumanMessageChunk" => "user",
        "ai" | "AIMessage" | "AIMessageChunk" => "assistant",
        "system" | "SystemMessage" => "system",
        "tool" | "ToolMessage" | "function" => "tool",
        _ => return None,
    })
}

/// Reads one message; `None` when the object is none.
fn message(map: &JsonMap, default: &str) -> Option<Message> {
    let role = map.get("role").and_then(Json::as_str);
    let langchain = langchain_role(map);
    let pydantic = map.get("kind").and_then(Json::as_str).filter(|_| map.contains_key("parts"));
    let item = item_type(map);
    let role = match (role, langchain, pydantic) {
        (Some("model"), _, _) => "assistant",
        (Some("human"), _, _) => "user",
        (Some(role), _, _) => role,
        (None, Some(role), _) if map.contains_key("content") || map.contains_key("kwargs") => role,
        (None, _, Some("response")) => "assistant",
        (None, _, Some(_)) => "user",
        _ => match item? {
            "function_call_output" => "tool",
            "message" => default,
            _ => "assistant",
        },
    };
    let inner = match map.get("kwargs") {
        Some(Json::Object(kwargs)) => kwargs,
        _ => map,
    };
    let text = |name: &str| inner.get(name).and_then(Json::as_str).map(str::to_owned);
    let mut message = Message {
        role: role.to_owned(),
        name: text("name"),
        parts: block::of_message(inner, role),
        finish_reason: text("finish_reason").or_else(|| text("stop_reason")),
    };
    if item == Some("function_call") {
        message.name = None;
    }
    Some(message)
}

/// Reads the parts of a value that is the content of one message.
pub(super) fn parts(value: &Json) -> Vec<MessagePart> {
    match &*read::unfolded(value) {
        Json::Array(items) => items.iter().flat_map(block::parts_of).collect(),
        Json::Object(map) => match map.get("parts").and_then(Json::as_array) {
            Some(items) => items.iter().flat_map(block::parts_of).collect(),
            None => block::parts_of(&Json::Object(map.clone())),
        },
        other => block::parts_of(other),
    }
}

/// The words of a message, without reasoning.
pub(super) fn plain(message: &Message) -> Option<String> {
    let texts: Vec<&str> = message
        .parts
        .iter()
        .filter_map(|part| match part {
            MessagePart::Text { content } => Some(content.as_str()),
            _ => None,
        })
        .filter(|text| !text.trim().is_empty())
        .collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

/// The text of a value, where it is text or an object with one well-known text.
pub(super) fn text_of(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Object(map) => {
            TEXTS.iter().find_map(|name| map.get(*name)?.as_str().map(str::to_owned))
        }
        Json::Number(_) | Json::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}
