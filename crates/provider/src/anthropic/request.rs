//! A chat request in Anthropic's words.

use crate::chat::{ChatRequest, Message};
use crate::error::ProviderError;
use crate::json;
use serde_json::{Map, Value, json};

/// The protocol demands a limit; this one is accepted by every model.
const OUTPUT_TOKENS_DEFAULT: u32 = 4096;

pub(super) fn body(request: ChatRequest) -> Result<Value, ProviderError> {
    if request.model.trim().is_empty() {
        return Err(ProviderError::invalid("it names no model"));
    }
    if request.seed.is_some() {
        return Err(ProviderError::invalid("Anthropic takes no seed"));
    }
    let system = request.system_text();
    let messages = messages(&request.messages)?;
    let mut body = Map::new();
    body.insert("model".into(), request.model.into());
    let limit = request.output_tokens_max.unwrap_or(OUTPUT_TOKENS_DEFAULT);
    body.insert("max_tokens".into(), limit.into());
    body.insert("stream".into(), true.into());
    if let Some(system) = system {
        body.insert("system".into(), system.into());
    }
    body.insert("messages".into(), messages.into());
    if !request.tools.is_empty() {
        let tools = request.tools.into_iter().map(|tool| {
            let mut one = Map::new();
            one.insert("name".into(), tool.name.into());
            if !tool.description.is_empty() {
                one.insert("description".into(), tool.description.into());
            }
            one.insert("input_schema".into(), tool.parameters);
            Value::Object(one)
        });
        body.insert("tools".into(), tools.collect());
    }
    if let Some(temperature) = request.temperature {
        body.insert("temperature".into(), temperature.into());
    }
    if let Some(top_p) = request.top_p {
        body.insert("top_p".into(), top_p.into());
    }
    if !request.stop.is_empty() {
        body.insert("stop_sequences".into(), request.stop.into());
    }
    json::overlay(&mut body, request.extra);
    Ok(Value::Object(body))
}

/// Everything but the system texts. Results of one turn's calls must stand in one message.
fn messages(messages: &[Message]) -> Result<Vec<Value>, ProviderError> {
    let mut all = Vec::new();
    let mut results: Vec<Value> = Vec::new();
    for message in messages {
        if !matches!(message, Message::Tool { .. }) && !results.is_empty() {
            all.push(json!({"role": "user", "content": std::mem::take(&mut results)}));
        }
        match message {
            Message::System { .. } => {}
            Message::User { text } => all.push(json!({"role": "user", "content": text})),
            Message::Assistant { text, tool_calls } => {
                let mut content = Vec::new();
                if !text.is_empty() {
                    content.push(json!({"type": "text", "text": text}));
                }
                for call in tool_calls {
                    let Some(input) = call.arguments_object() else {
                        return Err(ProviderError::invalid(
                            "a tool call's arguments are not a JSON object",
                        ));
                    };
                    let (id, name) = (&call.id, &call.name);
                    content
                        .push(json!({"type": "tool_use", "id": id, "name": name, "input": input}));
                }
                all.push(json!({"role": "assistant", "content": content}));
            }
            Message::Tool { call_id, text, .. } => {
                results
                    .push(json!({"type": "tool_result", "tool_use_id": call_id, "content": text}));
            }
        }
    }
    if !results.is_empty() {
        all.push(json!({"role": "user", "content": results}));
    }
    Ok(all)
}
