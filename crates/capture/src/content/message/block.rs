//! The pieces of a message: text, reasoning, tool calls and their answers, media.

use exhibit_model::{Json, JsonMap, MessagePart, ToolCall};

use crate::read;

/// Everything a message says, wherever its shape keeps it.
pub(super) fn of_message(map: &JsonMap, role: &str) -> Vec<MessagePart> {
    let mut parts = Vec::new();
    for name in ["reasoning_content", "reasoning", "thinking"] {
        if let Some(text) = map.get(name).and_then(Json::as_str).filter(|text| !text.is_empty()) {
            parts.push(MessagePart::Reasoning { content: text.to_owned() });
            break;
        }
    }
    let kind = map.get("type").and_then(Json::as_str);
    if matches!(kind, Some("function_call" | "function_call_output" | "reasoning")) {
        parts.extend(parts_of(&Json::Object(map.clone())));
        return parts;
    }
    let body = map.get("parts").or_else(|| map.get("content"));
    let response_id = text(map, &["tool_call_id", "toolCallId"])
        .or_else(|| text(map, &["id"]).filter(|_| role == "tool"));
    match body {
        Some(body) if role == "tool" && response_id.is_some() && !has_response(body) => {
            let response = read::unfolded(body).into_owned();
            parts.push(MessagePart::ToolCallResponse { id: response_id, response });
        }
        Some(Json::Array(items)) => parts.extend(items.iter().flat_map(parts_of)),
        Some(Json::Null) | None => {}
        Some(value) => parts.extend(parts_of(value)),
    }
    if let Some(text) = map.get("refusal").and_then(Json::as_str) {
        parts.push(MessagePart::Text { content: text.to_owned() });
    }
    for name in ["tool_calls", "toolCalls"] {
        if let Some(calls) = map.get(name) {
            parts.extend(tool_calls(calls).into_iter().map(call_part));
        }
    }
    if let Some(Json::Object(call)) = map.get("function_call") {
        parts.extend(tool_call(call).map(call_part));
    }
    parts
}

fn call_part(call: ToolCall) -> MessagePart {
    MessagePart::ToolCall { id: call.id, name: call.tool_name, arguments: call.arguments }
}

fn has_response(body: &Json) -> bool {
    body.as_array().is_some_and(|items| {
        items.iter().any(|item| {
            item.get("functionResponse").is_some()
                || item.get("function_response").is_some()
                || item.get("type").and_then(Json::as_str).is_some_and(|t| {
                    matches!(t, "tool_call_response" | "tool_result" | "tool-result")
                })
        })
    })
}

/// Whether a value is a piece of a message rather than a message.
pub(super) fn is_block(value: &Json) -> bool {
    let Json::Object(map) = value else { return false };
    map.get("part_kind").is_some()
        || map.get("text").is_some_and(Json::is_string)
        || ["functionCall", "function_call", "functionResponse", "inlineData"]
            .iter()
            .any(|name| map.contains_key(*name))
        || map.get("type").and_then(Json::as_str).is_some_and(|kind| {
            matches!(
                kind,
                "text"
                    | "output_text"
                    | "input_text"
                    | "reasoning"
                    | "thinking"
                    | "tool_call"
                    | "tool-call"
                    | "tool_use"
                    | "tool_result"
                    | "tool-result"
                    | "tool_call_response"
                    | "image"
                    | "image_url"
                    | "file"
                    | "blob"
                    | "uri"
            )
        })
}

fn text(map: &JsonMap, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| map.get(*name).and_then(read::text))
}

fn value(map: &JsonMap, names: &[&str]) -> Json {
    let found = names.iter().find_map(|name| map.get(*name).filter(|value| !value.is_null()));
    found.map(|value| read::unfolded(value).into_owned()).unwrap_or_default()
}

/// Reads one piece.
pub(super) fn parts_of(piece: &Json) -> Vec<MessagePart> {
    match piece {
        Json::String(text) => vec![MessagePart::Text { content: text.clone() }],
        Json::Object(map) => vec![of_object(map)],
        Json::Null => Vec::new(),
        other => vec![MessagePart::Other { value: other.clone() }],
    }
}

fn of_object(map: &JsonMap) -> MessagePart {
    let kind = text(map, &["type", "part_kind"]).unwrap_or_default();
    let words = || text(map, &["content", "text", "thinking", "reasoning"]);
    let other = || MessagePart::Other { value: Json::Object(map.clone()) };
    match kind.as_str() {
        "text" | "output_text" | "input_text" | "user-prompt" | "system-prompt" | "refusal" => {
            words().map_or_else(other, |content| MessagePart::Text { content })
        }
        "reasoning" | "thinking" => words()
            .or_else(|| summary(map))
            .map_or_else(other, |content| MessagePart::Reasoning { content }),
        "tool_call" | "tool-call" | "tool_use" | "server_tool_use" | "server_tool_call"
        | "function_call" | "function" => tool_call(map).map_or_else(other, call_part),
        "tool_call_response"
        | "tool-return"
        | "tool_result"
        | "tool-result"
        | "server_tool_call_response"
        | "function_call_output" => MessagePart::ToolCallResponse {
            id: text(map, &["id", "tool_use_id", "tool_call_id", "toolCallId", "call_id"]),
            response: value(map, &["response", "result", "output", "content"]),
        },
        "image" | "image_url" | "input_image" | "audio" | "input_audio" | "video" | "file"
        | "blob" | "uri" | "document" | "image-url" | "binary" => media(map, &kind),
        _ => untyped(map).unwrap_or_else(other),
    }
}

fn summary(map: &JsonMap) -> Option<String> {
    let items = map.get("summary")?.as_array()?;
    let texts: Vec<&str> =
        items.iter().filter_map(|item| item.get("text").and_then(Json::as_str)).collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

/// Pieces of shapes that name no type.
fn untyped(map: &JsonMap) -> Option<MessagePart> {
    for name in ["functionCall", "function_call"] {
        if let Some(Json::Object(call)) = map.get(name) {
            return tool_call(call).map(call_part);
        }
    }
    for name in ["functionResponse", "function_response"] {
        if let Some(Json::Object(answer)) = map.get(name) {
            return Some(MessagePart::ToolCallResponse {
                id: text(answer, &["id", "name"]),
                response: value(answer, &["response", "result"]),
            });
        }
    }
    for name in ["inlineData", "inline_data", "fileData", "file_data"] {
        if let Some(Json::Object(inner)) = map.get(name) {
            return Some(media(inner, "file"));
        }
    }
    let content = map.get("text")?.as_str()?.to_owned();
    if map.get("thought") == Some(&Json::Bool(true)) {
        return Some(MessagePart::Reasoning { content });
    }
    Some(MessagePart::Text { content })
}

fn media(map: &JsonMap, kind: &str) -> MessagePart {
    let modality = match kind {
        "image" | "image_url" | "input_image" | "image-url" => "image".to_owned(),
        "audio" | "input_audio" => "audio".to_owned(),
        "video" => "video".to_owned(),
        _ => text(map, &["modality"]).unwrap_or_else(|| "file".to_owned()),
    };
    let mut mime_type = text(map, &["mime_type", "mimeType", "media_type", "mediaType"]);
    let mut uri = text(map, &["uri", "url", "fileUri", "file_uri", "file_id"]);
    let mut data = text(map, &["data"]);
    if kind == "blob" {
        data = data.or_else(|| text(map, &["content"]));
    }
    for name in ["image_url", "source", "input_audio", "image", "file"] {
        match map.get(name) {
            Some(Json::Object(inner)) => {
                uri = uri.or_else(|| text(inner, &["url", "uri", "file_id"]));
                data = data.or_else(|| text(inner, &["data"]));
                mime_type = mime_type.or_else(|| text(inner, &["media_type", "mime_type"]));
            }
            Some(Json::String(inner)) => uri = uri.or_else(|| Some(inner.clone())),
            _ => {}
        }
    }
    MessagePart::Media { modality, mime_type, uri, data }
}

/// Reads a list of tool calls, or a single one.
pub(crate) fn tool_calls(calls: &Json) -> Vec<ToolCall> {
    match &*read::unfolded(calls) {
        Json::Array(items) => items
            .iter()
            .filter_map(|item| match &*read::unfolded(item) {
                Json::Object(call) => tool_call(call),
                _ => None,
            })
            .collect(),
        Json::Object(call) => tool_call(call).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn tool_call(map: &JsonMap) -> Option<ToolCall> {
    let inner = match map.get("function").or_else(|| map.get("functionCall")) {
        Some(Json::Object(inner)) => inner,
        _ => map,
    };
    let names = ["tool_name", "toolName", "name"];
    let tool_name = text(inner, &names).or_else(|| text(map, &names))?;
    let arguments = value(inner, &["arguments", "args", "input", "parameters"]);
    let selected = map.get("selected_from").map(read::list).unwrap_or_default();
    Some(ToolCall {
        id: text(map, &["call_id", "toolCallId", "tool_call_id", "id"]),
        tool_name,
        arguments: if arguments.is_null() {
            value(map, &["arguments", "args", "input"])
        } else {
            arguments
        },
        result: map.get("result").cloned().map(as_result).unwrap_or_default(),
        selected_from: selected,
    })
}

/// A result as the native API speaks of it: an object, or null.
pub(crate) fn as_result(value: Json) -> Json {
    match value {
        Json::Object(_) | Json::Null => value,
        other => {
            let mut map = JsonMap::new();
            map.insert("output".to_owned(), other);
            Json::Object(map)
        }
    }
}
