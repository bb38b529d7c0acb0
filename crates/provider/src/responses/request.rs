//! A chat request as a list of items.

use crate::chat::{ChatRequest, Message};
use crate::error::ProviderError;
use crate::json;
use serde_json::{Map, Value, json};

/// The request body.
pub(super) fn body(request: ChatRequest) -> Result<Value, ProviderError> {
    if request.model.trim().is_empty() {
        return Err(ProviderError::invalid("it names no model"));
    }
    if !request.stop.is_empty() {
        return Err(ProviderError::invalid("the Responses API has no stop texts"));
    }
    if request.seed.is_some() {
        return Err(ProviderError::invalid("the Responses API has no seed"));
    }
    let mut items = Vec::new();
    request.messages.iter().for_each(|message| push(&mut items, message));
    let mut body = Map::new();
    body.insert("model".into(), request.model.into());
    body.insert("input".into(), items.into());
    body.insert("stream".into(), true.into());
    body.insert("store".into(), false.into());
    if !request.tools.is_empty() {
        let tools = request.tools.into_iter().map(|tool| {
            let mut function = Map::new();
            function.insert("type".into(), "function".into());
            function.insert("name".into(), tool.name.into());
            if !tool.description.is_empty() {
                function.insert("description".into(), tool.description.into());
            }
            function.insert("parameters".into(), tool.parameters);
            // Strict schemas are the default here, and most captured ones are not.
            function.insert("strict".into(), false.into());
            Value::Object(function)
        });
        body.insert("tools".into(), tools.collect());
    }
    if let Some(limit) = request.output_tokens_max {
        body.insert("max_output_tokens".into(), limit.into());
    }
    if let Some(temperature) = request.temperature {
        body.insert("temperature".into(), temperature.into());
    }
    if let Some(top_p) = request.top_p {
        body.insert("top_p".into(), top_p.into());
    }
    json::overlay(&mut body, request.extra);
    Ok(Value::Object(body))
}

fn push(items: &mut Vec<Value>, message: &Message) {
    match message {
        Message::System { text } => items.push(json!({"role": "system", "content": text})),
        Message::User { text } => items.push(json!({"role": "user", "content": text})),
        Message::Assistant { text, tool_calls } => {
            if !text.is_empty() || tool_calls.is_empty() {
                items.push(json!({"role": "assistant", "content": text}));
            }
            items.extend(tool_calls.iter().map(|call| {
                json!({"type": "function_call", "call_id": call.id, "name": call.name,
                    "arguments": call.arguments})
            }));
        }
        Message::Tool { call_id, text, .. } => {
            items.push(json!({"type": "function_call_output", "call_id": call_id, "output": text}));
        }
    }
}
