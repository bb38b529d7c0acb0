//! Streamed answers, put together from their server-sent events.

use exhibit_model::{Json, JsonMap};
use serde_json::json;

use super::Wire;

/// Most choices, blocks or tool calls of one answer: an index of a client's own must not reserve
/// memory.
const ITEMS_MAX: usize = 1_024;

/// The answer in the shape that the provider gives unstreamed. What cannot be read is left out; a
/// stream that broke off gives what had come.
pub(super) fn assemble(wire: Wire, bytes: &[u8]) -> Json {
    let events = events(bytes);
    match wire {
        Wire::OpenAi if events.iter().any(is_typed) => responses(events),
        Wire::OpenAi => chat(events),
        Wire::Anthropic => anthropic(events),
        Wire::Gemini => gemini(events),
    }
}

fn is_typed(event: &Json) -> bool {
    event.get("type").and_then(Json::as_str).is_some_and(|t| t.starts_with("response."))
}

/// The JSON of every event, in order.
fn events(bytes: &[u8]) -> Vec<Json> {
    let text = String::from_utf8_lossy(bytes);
    let mut events = Vec::new();
    let mut data = String::new();
    for line in text.split(['\n', '\r']).chain([""]) {
        if let Some(rest) = line.strip_prefix("data:") {
            if !data.is_empty() {
                data.push('\n');
            }
            data.push_str(rest.strip_prefix(' ').unwrap_or(rest));
        }
        // Of CRLF the second half looks like an empty line: an event whose data is whole JSON by
        // then is over, and one that is not goes on.
        if line.is_empty() && !data.is_empty() {
            match serde_json::from_str(&data) {
                Ok(event) => {
                    events.push(event);
                    data.clear();
                }
                Err(_) if data.trim() == "[DONE]" => data.clear(),
                Err(_) => {}
            }
        }
    }
    events
}

/// Chat and plain completions.
fn chat(events: Vec<Json>) -> Json {
    let mut whole = JsonMap::new();
    let mut choices: Vec<JsonMap> = Vec::new();
    for event in events {
        let Json::Object(event) = event else { continue };
        for (name, value) in event {
            match (name.as_str(), value) {
                ("choices", Json::Array(pieces)) => {
                    pieces.into_iter().for_each(|piece| choice(&mut choices, piece));
                }
                (_, Json::Null) => {}
                (_, value) => {
                    whole.insert(name, value);
                }
            }
        }
    }
    if !choices.is_empty() {
        whole.insert("choices".to_owned(), choices.into_iter().map(Json::Object).collect());
    }
    whole.into()
}

fn choice(choices: &mut Vec<JsonMap>, piece: Json) {
    let Json::Object(mut piece) = piece else { return };
    let Some(at) = index(&Json::Object(piece.clone()), choices.len()) else { return };
    while choices.len() <= at {
        choices.push(JsonMap::from_iter([("index".to_owned(), choices.len().into())]));
    }
    let Some(choice) = choices.get_mut(at) else { return };
    if let Some(Json::Object(delta)) = piece.shift_remove("delta") {
        let message = choice.entry("message").or_insert_with(|| json!({}));
        if let Json::Object(message) = message {
            merge(message, delta);
        }
    }
    for (name, value) in piece {
        match (value, choice.get_mut(&name)) {
            (Json::Null, _) => {}
            (Json::String(more), Some(Json::String(text))) if name == "text" => {
                text.push_str(&more);
            }
            (value, _) => {
                choice.insert(name, value);
            }
        }
    }
}

/// Joins a delta to a message: texts grow, tool calls are joined by index, the rest is taken over.
fn merge(message: &mut JsonMap, delta: JsonMap) {
    for (name, value) in delta {
        match (name.as_str(), value, message.get_mut(&name)) {
            (_, Json::Null, _) => {}
            ("tool_calls", Json::Array(pieces), held) => {
                let mut calls = match held {
                    Some(Json::Array(calls)) => std::mem::take(calls),
                    _ => Vec::new(),
                };
                for piece in pieces {
                    let Some(at) = index(&piece, calls.len()) else { continue };
                    while calls.len() <= at {
                        calls.push(json!({}));
                    }
                    if let (Some(Json::Object(call)), Json::Object(mut piece)) =
                        (calls.get_mut(at), piece)
                    {
                        piece.shift_remove("index");
                        merge(call, piece);
                    }
                }
                message.insert(name, calls.into());
            }
            ("role" | "id" | "type", value, _) => {
                message.insert(name, value);
            }
            (_, Json::String(more), Some(Json::String(text))) => text.push_str(&more),
            (_, Json::Object(more), Some(Json::Object(held))) => merge(held, more),
            (_, value, _) => {
                message.insert(name, value);
            }
        }
    }
}

/// The index that a piece names, else the next; none when it is absurd.
fn index(piece: &Json, next: usize) -> Option<usize> {
    let at = piece.get("index").and_then(Json::as_u64).map_or(next, |n| n as usize);
    (at < ITEMS_MAX).then_some(at)
}

/// The responses API: the last event carries the whole answer; without it, what had come.
fn responses(events: Vec<Json>) -> Json {
    let mut latest = Json::Null;
    let mut items: Vec<Json> = Vec::new();
    let mut text = String::new();
    let mut error = Json::Null;
    for mut event in events {
        let word = event.get("type").and_then(Json::as_str).unwrap_or_default().to_owned();
        match word.as_str() {
            "response.output_item.done" => {
                items.extend(event.get_mut("item").map(Json::take));
                text.clear();
            }
            "response.output_text.delta" => {
                text.push_str(event.get("delta").and_then(Json::as_str).unwrap_or_default());
            }
            "error" => error = event,
            _ => {
                if let Some(response) = event.get_mut("response").filter(|r| r.is_object()) {
                    latest = response.take();
                }
            }
        }
    }
    if !latest.is_object() {
        latest = json!({});
    }
    let empty = latest.get("output").and_then(Json::as_array).is_none_or(Vec::is_empty);
    if empty {
        if !text.is_empty() {
            items.push(json!({"type": "message", "role": "assistant",
                "content": [{"type": "output_text", "text": text}]}));
        }
        latest["output"] = items.into();
    }
    if !error.is_null() && latest.get("error").is_none_or(Json::is_null) {
        latest["error"] = error;
    }
    latest
}

/// The messages API.
fn anthropic(events: Vec<Json>) -> Json {
    let mut whole = JsonMap::new();
    let mut blocks: Vec<Json> = Vec::new();
    let mut arguments: Vec<String> = Vec::new();
    for mut event in events {
        let word = event.get("type").and_then(Json::as_str).unwrap_or_default().to_owned();
        match word.as_str() {
            "message_start" => {
                if let Some(Json::Object(message)) = event.get_mut("message").map(Json::take) {
                    whole = message;
                }
            }
            "content_block_start" => {
                let Some(at) = index(&event, blocks.len()) else { continue };
                while blocks.len() <= at {
                    blocks.push(json!({}));
                    arguments.push(String::new());
                }
                blocks[at] = event.get_mut("content_block").map(Json::take).unwrap_or_default();
            }
            "content_block_delta" => {
                let Some(at) = index(&event, 0).filter(|at| *at < blocks.len()) else { continue };
                let Some(Json::Object(delta)) = event.get_mut("delta").map(Json::take) else {
                    continue;
                };
                for (name, value) in delta {
                    let Json::String(more) = value else { continue };
                    match name.as_str() {
                        "type" => {}
                        "partial_json" => arguments[at].push_str(&more),
                        _ => grow(&mut blocks[at], &name, more),
                    }
                }
            }
            "message_delta" => {
                if let Some(Json::Object(delta)) = event.get_mut("delta").map(Json::take) {
                    whole.extend(delta);
                }
                if let Some(Json::Object(usage)) = event.get_mut("usage").map(Json::take) {
                    let held = whole.entry("usage").or_insert_with(|| json!({}));
                    if let Json::Object(held) = held {
                        held.extend(usage.into_iter().filter(|(_, v)| !v.is_null()));
                    }
                }
            }
            "error" => {
                let error = event.get_mut("error").map(Json::take).unwrap_or_default();
                whole.insert("error".to_owned(), error);
            }
            _ => {}
        }
    }
    for (block, text) in blocks.iter_mut().zip(arguments) {
        if !text.is_empty() && block.is_object() {
            block["input"] = serde_json::from_str(&text).unwrap_or(Json::String(text));
        }
    }
    if !blocks.is_empty() {
        whole.insert("content".to_owned(), blocks.into());
    }
    whole.into()
}

/// Adds to a text of a block.
fn grow(block: &mut Json, name: &str, more: String) {
    let Json::Object(block) = block else { return };
    match block.get_mut(name) {
        Some(Json::String(text)) => text.push_str(&more),
        _ => {
            block.insert(name.to_owned(), more.into());
        }
    }
}

/// Gemini: each event is a whole answer with the next parts.
fn gemini(events: Vec<Json>) -> Json {
    let mut whole = JsonMap::new();
    let mut parts: Vec<Json> = Vec::new();
    let mut candidate = JsonMap::new();
    for event in events {
        let Json::Object(event) = event else { continue };
        for (name, mut value) in event {
            if name != "candidates" {
                whole.insert(name, value);
                continue;
            }
            let Some(Json::Object(first)) = value.get_mut(0).map(Json::take) else { continue };
            for (name, mut value) in first {
                if name != "content" {
                    candidate.insert(name, value);
                    continue;
                }
                if let Some(Json::Array(more)) = value.get_mut("parts").map(Json::take) {
                    more.into_iter().for_each(|part| join(&mut parts, part));
                }
            }
        }
    }
    if !parts.is_empty() || !candidate.is_empty() {
        candidate.insert("content".to_owned(), json!({"role": "model", "parts": parts}));
        whole.insert("candidates".to_owned(), json!([candidate]));
    }
    whole.into()
}

/// Adds a part; plain text grows the part before it when that is plain text of the same sort.
fn join(parts: &mut Vec<Json>, part: Json) {
    let more = part.get("text").and_then(Json::as_str);
    if let (Some(more), Some(Json::Object(last))) = (more, parts.last_mut())
        && last.get("thought") == part.get("thought")
        && let Some(Json::String(text)) = last.get_mut("text")
    {
        text.push_str(more);
        return;
    }
    parts.push(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sse(events: &[Json]) -> Vec<u8> {
        let lines: Vec<String> = events.iter().map(|e| format!("data: {e}\r\n\r\n")).collect();
        lines.concat().into_bytes()
    }

    #[test]
    fn chat_chunks_become_one_completion() {
        let mut bytes = sse(&[
            json!({"id": "c1", "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}),
            json!({"choices": [{"index": 0, "delta": {"content": "Hel"}}]}),
            json!({"choices": [{"index": 0, "delta": {"content": "lo"}}]}),
            json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "id": "t", "type": "function", "function": {"name": "f", "arguments": "{\"a\""}}]}}]}),
            json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}, "finish_reason": "tool_calls"}]}),
            json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}),
        ]);
        bytes.extend_from_slice(b"data: [DONE]\n\n");
        let whole = assemble(Wire::OpenAi, &bytes);
        assert_eq!(whole["choices"][0]["message"]["content"], "Hello");
        assert_eq!(
            whole["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"],
            "{\"a\":1}"
        );
        assert_eq!(whole["choices"][0]["message"]["tool_calls"][0]["function"]["name"], "f");
        assert_eq!(whole["choices"][0]["finish_reason"], "tool_calls");
        assert_eq!(whole["usage"]["prompt_tokens"], 3);
        assert_eq!(whole["id"], "c1");
    }

    #[test]
    fn messages_events_become_one_message() {
        let bytes = sse(&[
            json!({"type": "message_start", "message": {"id": "m1", "role": "assistant", "content": [], "usage": {"input_tokens": 5, "output_tokens": 1}}}),
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}),
            json!({"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}}}),
            json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{\"q\": 2}"}}),
            json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}}),
            json!({"type": "message_stop"}),
        ]);
        let whole = assemble(Wire::Anthropic, &bytes);
        assert_eq!(whole["content"][0]["text"], "Hi");
        assert_eq!(whole["content"][1]["input"]["q"], 2);
        assert_eq!(whole["usage"], json!({"input_tokens": 5, "output_tokens": 9}));
        assert_eq!(whole["stop_reason"], "tool_use");
    }

    #[test]
    fn responses_and_gemini_streams_become_whole_answers() {
        let cut = sse(&[
            json!({"type": "response.created", "response": {"id": "r", "output": []}}),
            json!({"type": "response.output_text.delta", "delta": "par"}),
            json!({"type": "response.output_text.delta", "delta": "tial"}),
        ]);
        let whole = assemble(Wire::OpenAi, &cut);
        assert_eq!(whole["output"][0]["content"][0]["text"], "partial");
        let bytes = sse(&[
            json!({"candidates": [{"content": {"parts": [{"text": "a"}]}}]}),
            json!({"candidates": [{"content": {"parts": [{"text": "b"}]}, "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 1}}),
        ]);
        let whole = assemble(Wire::Gemini, &bytes);
        assert_eq!(whole["candidates"][0]["content"]["parts"], json!([{"text": "ab"}]));
        assert_eq!(whole["usageMetadata"]["promptTokenCount"], 1);
    }

    #[test]
    fn absurd_indices_and_noise_reserve_nothing() {
        let bytes = sse(&[
            json!({"choices": [{"index": 4_000_000_000_u64, "delta": {"content": "x"}}]}),
            json!(7),
            json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 1e18}]}}]}),
        ]);
        assert!(assemble(Wire::OpenAi, &bytes).is_object());
        assert!(
            assemble(Wire::Anthropic, b"data: {\"type\":\"content_block_delta\",\"index\":9}\n\n")
                .is_object()
        );
        assert!(assemble(Wire::Gemini, b"\xff\xfe data").is_object());
    }
}
