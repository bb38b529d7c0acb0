//! A chat request in Gemini's words.

use crate::chat::{ChatRequest, Message};
use crate::error::ProviderError;
use crate::json;
use serde_json::{Map, Value, json};

pub(super) fn body(request: ChatRequest) -> Result<Value, ProviderError> {
    let mut body = Map::new();
    if let Some(system) = request.system_text() {
        body.insert("systemInstruction".into(), json!({"parts": [{"text": system}]}));
    }
    body.insert("contents".into(), contents(&request.messages)?.into());
    if !request.tools.is_empty() {
        let tools = request.tools.into_iter().map(|tool| {
            json!({
                "name": tool.name,
                "description": tool.description,
                "parametersJsonSchema": tool.parameters,
            })
        });
        let declarations: Vec<Value> = tools.collect();
        body.insert("tools".into(), json!([{"functionDeclarations": declarations}]));
    }
    let mut generation = Map::new();
    if let Some(temperature) = request.temperature {
        generation.insert("temperature".into(), temperature.into());
    }
    if let Some(top_p) = request.top_p {
        generation.insert("topP".into(), top_p.into());
    }
    if let Some(limit) = request.output_tokens_max {
        generation.insert("maxOutputTokens".into(), limit.into());
    }
    if !request.stop.is_empty() {
        generation.insert("stopSequences".into(), request.stop.into());
    }
    if let Some(seed) = request.seed {
        generation.insert("seed".into(), seed.into());
    }
    if !generation.is_empty() {
        body.insert("generationConfig".into(), generation.into());
    }
    json::overlay(&mut body, request.extra);
    Ok(Value::Object(body))
}

/// Everything but the system texts. Results of one turn's calls stand in one content.
fn contents(messages: &[Message]) -> Result<Vec<Value>, ProviderError> {
    let mut all = Vec::new();
    let mut results: Vec<Value> = Vec::new();
    for message in messages {
        if !matches!(message, Message::Tool { .. }) && !results.is_empty() {
            all.push(json!({"role": "user", "parts": std::mem::take(&mut results)}));
        }
        match message {
            Message::System { .. } => {}
            Message::User { text } => all.push(json!({"role": "user", "parts": [{"text": text}]})),
            Message::Assistant { text, tool_calls } => {
                let mut parts = Vec::new();
                if !text.is_empty() {
                    parts.push(json!({"text": text}));
                }
                for call in tool_calls {
                    let Some(args) = call.arguments_object() else {
                        return Err(ProviderError::invalid(
                            "a tool call's arguments are not a JSON object",
                        ));
                    };
                    let mut part = json!({"functionCall": {"name": call.name, "args": args}});
                    if let (Some(signature), Some(part)) = (&call.signature, part.as_object_mut()) {
                        part.insert("thoughtSignature".into(), signature.as_str().into());
                    }
                    parts.push(part);
                }
                all.push(json!({"role": "model", "parts": parts}));
            }
            Message::Tool { name, text, .. } => {
                // The response must be an object; a result that is none is wrapped.
                let response = match serde_json::from_str::<Map<String, Value>>(text) {
                    Ok(object) => Value::Object(object),
                    Err(_) => json!({"result": text}),
                };
                results.push(json!({"functionResponse": {"name": name, "response": response}}));
            }
        }
    }
    if !results.is_empty() {
        all.push(json!({"role": "user", "parts": results}));
    }
    Ok(all)
}
