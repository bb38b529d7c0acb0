//! Captured messages become a request again.

use exhibit_model::{Json, JsonMap, Message, MessagePart};
use exhibit_provider as wire;
use exhibit_provider::{ChatRequest, ToolDefinition};

use serde_json::json;

use super::{Answer, Step};

/// What cannot be sent again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// Images, audio, files.
    #[error("it holds {0}, which is not sent again")]
    Media(String),
    /// No model.
    #[error("no model was captured; name one with --model")]
    NoModel,
}

/// The request that a step made.
pub(crate) fn request(step: &Step) -> Result<ChatRequest, Unsendable> {
    let mut request = ChatRequest {
        model: step.model_asked().ok_or(Unsendable::NoModel)?.to_owned(),
        ..ChatRequest::default()
    };
    for message in &step.content.input_messages {
        push(&mut request.messages, message)?;
    }
    if let Some(tools) = &step.content.tool_definitions {
        definitions(tools, &mut request.tools);
    }
    let number = |names: &[&str]| {
        names.iter().find_map(|name| {
            let value = step.params.get(*name)?;
            value.as_f64().or_else(|| value.as_str()?.parse().ok())
        })
    };
    request.temperature = number(&["temperature"]);
    request.top_p = number(&["top_p", "topP"]);
    let most = ["max_completion_tokens", "max_tokens", "max_output_tokens", "maxOutputTokens"];
    request.output_tokens_max = number(&most).filter(|n| *n >= 1.0).map(|n| n as u32);
    request.seed = step.params.get("seed").and_then(Json::as_i64);
    request.stop = ["stop", "stop_sequences", "stopSequences"]
        .iter()
        .find_map(|name| match step.params.get(*name)? {
            Json::String(text) => Some(vec![text.clone()]),
            Json::Array(list) => {
                Some(list.iter().filter_map(Json::as_str).map(str::to_owned).collect())
            }
            _ => None,
        })
        .unwrap_or_default();
    Ok(request)
}

fn push(messages: &mut Vec<wire::Message>, message: &Message) -> Result<(), Unsendable> {
    let mut text = String::new();
    let mut calls = Vec::new();
    for part in &message.parts {
        match part {
            MessagePart::Text { content } => {
                if !text.is_empty() {
                    text.push('\n');
                }
                text.push_str(content);
            }
            // A model is not told its own earlier thoughts.
            MessagePart::Reasoning { .. } => {}
            MessagePart::ToolCall { id, name, arguments } => calls.push(wire::ToolCall {
                id: id.clone().unwrap_or_else(|| format!("call_{}", calls.len())),
                name: name.clone(),
                arguments: as_text(arguments),
                signature: None,
            }),
            MessagePart::ToolCallResponse { id, response } => {
                let call_id = id.clone().unwrap_or_else(|| "call_0".to_owned());
                let name = name_of(messages, &call_id).or_else(|| message.name.clone());
                messages.push(wire::Message::Tool {
                    call_id,
                    name: name.unwrap_or_default(),
                    text: as_text(response),
                });
            }
            MessagePart::Media { modality, .. } => return Err(Unsendable::Media(modality.clone())),
            MessagePart::Other { value } => text.push_str(&value.to_string()),
        }
    }
    match message.role.as_str() {
        "system" | "developer" => messages.push(wire::Message::System { text }),
        "assistant" | "model" => {
            messages.push(wire::Message::Assistant { text, tool_calls: calls });
        }
        _ if text.is_empty() => {}
        "tool" => {
            let name = message.name.clone().unwrap_or_default();
            messages.push(wire::Message::Tool { call_id: "call_0".to_owned(), name, text });
        }
        _ => messages.push(wire::Message::User { text }),
    }
    Ok(())
}

fn name_of(messages: &[wire::Message], call: &str) -> Option<String> {
    messages.iter().rev().find_map(|message| match message {
        wire::Message::Assistant { tool_calls, .. } => {
            tool_calls.iter().find(|c| c.id == call).map(|c| c.name.clone())
        }
        _ => None,
    })
}

fn as_text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}

/// Tool definitions in any provider's shape.
fn definitions(value: &Json, tools: &mut Vec<ToolDefinition>) {
    match value {
        Json::Array(list) => list.iter().for_each(|one| definitions(one, tools)),
        Json::String(text) => {
            if let Ok(inner @ (Json::Array(_) | Json::Object(_))) = serde_json::from_str(text) {
                definitions(&inner, tools);
            }
        }
        Json::Object(map) => {
            let inner = map.get("function").and_then(Json::as_object).unwrap_or(map);
            if let Some(list) =
                map.get("functionDeclarations").or_else(|| map.get("function_declarations"))
            {
                definitions(list, tools);
            } else if let Some(name) = inner.get("name").and_then(Json::as_str) {
                let schema = ["parameters", "input_schema", "inputSchema"];
                let schema = schema.iter().find_map(|key| inner.get(*key)).cloned();
                tools.push(ToolDefinition {
                    name: name.to_owned(),
                    description: inner
                        .get("description")
                        .and_then(Json::as_str)
                        .unwrap_or_default()
                        .to_owned(),
                    parameters: schema.unwrap_or_else(|| {
                        Json::Object(JsonMap::from_iter([("type".to_owned(), "object".into())]))
                    }),
                });
            }
        }
        _ => {}
    }
}

/// Everything a message says, as one text.
pub(crate) fn text_of(message: &Message) -> String {
    let mut whole = String::new();
    for part in &message.parts {
        let text = match part {
            MessagePart::Text { content } | MessagePart::Reasoning { content } => content.clone(),
            MessagePart::ToolCall { name, arguments, .. } => {
                format!("{name}({})", as_text(arguments))
            }
            MessagePart::ToolCallResponse { response, .. } => as_text(response),
            MessagePart::Media { modality, .. } => format!("[{modality}]"),
            MessagePart::Other { value } => value.to_string(),
        };
        if !whole.is_empty() {
            whole.push('\n');
        }
        whole.push_str(&text);
    }
    whole
}

/// A request's conversation, as spans keep it.
pub(crate) fn spoken(wanted: &ChatRequest) -> Json {
    let message = |message: &wire::Message| match message {
        wire::Message::System { text } => json!({"role": "system", "content": text}),
        wire::Message::User { text } => json!({"role": "user", "content": text}),
        wire::Message::Assistant { text, tool_calls } => {
            let answer =
                Answer { text: text.clone(), tool_calls: tool_calls.clone(), ..Answer::default() };
            answer.message()
        }
        wire::Message::Tool { call_id, name, text } => {
            json!({"role": "tool", "tool_call_id": call_id, "name": name, "content": text})
        }
    };
    let mut spoken = json!({ "messages": wanted.messages.iter().map(message).collect::<Vec<_>>() });
    if !wanted.tools.is_empty() {
        spoken["tools"] = serde_json::to_value(&wanted.tools).unwrap_or_default();
    }
    spoken
}

/// A request's parameters, as spans keep them.
pub(crate) fn parameters(wanted: &ChatRequest) -> Json {
    let mut map = JsonMap::new();
    let mut put = |name: &str, value: Option<Json>| {
        if let Some(value) = value {
            map.insert(name.to_owned(), value);
        }
    };
    put("temperature", wanted.temperature.map(Json::from));
    put("top_p", wanted.top_p.map(Json::from));
    put("max_tokens", wanted.output_tokens_max.map(Json::from));
    put("seed", wanted.seed.map(Json::from));
    put("stop", (!wanted.stop.is_empty()).then(|| wanted.stop.clone().into()));
    map.into()
}
