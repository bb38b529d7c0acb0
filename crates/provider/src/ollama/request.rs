//! A chat request in Ollama's words.

use crate::chat::{ChatRequest, Message};
use crate::error::ProviderError;
use crate::json;
use serde_json::{Map, Value, json};

pub(super) fn body(request: ChatRequest) -> Result<Value, ProviderError> {
    if request.model.trim().is_empty() {
        return Err(ProviderError::invalid("it names no model"));
    }
    let messages = request.messages.iter().map(message).collect::<Result<Vec<_>, _>>()?;
    let mut body = Map::new();
    body.insert("model".into(), request.model.into());
    body.insert("messages".into(), messages.into());
    body.insert("stream".into(), true.into());
    if !request.tools.is_empty() {
        let tools = request.tools.into_iter().map(|tool| {
            let (name, description, parameters) = (tool.name, tool.description, tool.parameters);
            let function =
                json!({"name": name, "description": description, "parameters": parameters});
            json!({"type": "function", "function": function})
        });
        body.insert("tools".into(), tools.collect());
    }
    let mut options = Map::new();
    if let Some(temperature) = request.temperature {
        options.insert("temperature".into(), temperature.into());
    }
    if let Some(top_p) = request.top_p {
        options.insert("top_p".into(), top_p.into());
    }
    if let Some(limit) = request.output_tokens_max {
        options.insert("num_predict".into(), limit.into());
    }
    if !request.stop.is_empty() {
        options.insert("stop".into(), request.stop.into());
    }
    if let Some(seed) = request.seed {
        options.insert("seed".into(), seed.into());
    }
    if !options.is_empty() {
        body.insert("options".into(), options.into());
    }
    json::overlay(&mut body, request.extra);
    Ok(Value::Object(body))
}

fn message(message: &Message) -> Result<Value, ProviderError> {
    Ok(match message {
        Message::System { text } => json!({"role": "system", "content": text}),
        Message::User { text } => json!({"role": "user", "content": text}),
        Message::Assistant { text, tool_calls } => {
            let mut one = Map::new();
            one.insert("role".into(), "assistant".into());
            one.insert("content".into(), text.as_str().into());
            let calls = tool_calls.iter().map(|call| {
                let arguments = call.arguments_object().ok_or_else(|| {
                    ProviderError::invalid("a tool call's arguments are not a JSON object")
                })?;
                Ok(json!({"function": {"name": call.name, "arguments": arguments}}))
            });
            let calls = calls.collect::<Result<Vec<Value>, ProviderError>>()?;
            if !calls.is_empty() {
                one.insert("tool_calls".into(), calls.into());
            }
            Value::Object(one)
        }
        Message::Tool { name, text, .. } => {
            json!({"role": "tool", "tool_name": name, "content": text})
        }
    })
}
