//! A chat request in OpenAI's words.

use crate::chat::{ChatRequest, Message};
use crate::error::ProviderError;
use crate::json;
use serde_json::{Map, Value, json};

/// The request body. `new_limit_name`: `max_completion_tokens` instead of `max_tokens`.
pub(super) fn body(request: ChatRequest, new_limit_name: bool) -> Result<Value, ProviderError> {
    if request.model.trim().is_empty() {
        return Err(ProviderError::invalid("it names no model"));
    }
    let messages: Vec<Value> = request.messages.iter().map(message).collect();
    let mut body = Map::new();
    body.insert("model".into(), request.model.into());
    body.insert("messages".into(), messages.into());
    body.insert("stream".into(), true.into());
    body.insert("stream_options".into(), json!({"include_usage": true}));
    if !request.tools.is_empty() {
        let tools = request.tools.into_iter().map(|tool| {
            let mut function = Map::new();
            function.insert("name".into(), tool.name.into());
            if !tool.description.is_empty() {
                function.insert("description".into(), tool.description.into());
            }
            function.insert("parameters".into(), tool.parameters);
            json!({"type": "function", "function": function})
        });
        body.insert("tools".into(), tools.collect());
    }
    if let Some(limit) = request.output_tokens_max {
        let name = if new_limit_name { "max_completion_tokens" } else { "max_tokens" };
        body.insert(name.into(), limit.into());
    }
    if let Some(temperature) = request.temperature {
        body.insert("temperature".into(), temperature.into());
    }
    if let Some(top_p) = request.top_p {
        body.insert("top_p".into(), top_p.into());
    }
    if !request.stop.is_empty() {
        body.insert("stop".into(), request.stop.into());
    }
    if let Some(seed) = request.seed {
        body.insert("seed".into(), seed.into());
    }
    json::overlay(&mut body, request.extra);
    Ok(Value::Object(body))
}

fn message(message: &Message) -> Value {
    match message {
        Message::System { text } => json!({"role": "system", "content": text}),
        Message::User { text } => json!({"role": "user", "content": text}),
        Message::Assistant { text, tool_calls } if tool_calls.is_empty() => {
            json!({"role": "assistant", "content": text})
        }
        Message::Assistant { text, tool_calls } => {
            let calls: Vec<Value> = tool_calls
                .iter()
                .map(|call| {
                    let function = json!({"name": call.name, "arguments": call.arguments});
                    json!({"id": call.id, "type": "function", "function": function})
                })
                .collect();
            let content = if text.is_empty() { Value::Null } else { text.as_str().into() };
            json!({"role": "assistant", "content": content, "tool_calls": calls})
        }
        Message::Tool { call_id, text, .. } => {
            json!({"role": "tool", "tool_call_id": call_id, "content": text})
        }
    }
}
