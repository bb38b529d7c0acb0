//! What is asked: one chat request, the same for every provider. Plain data, no wire shapes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One chat call.
///
/// A parameter that a provider's protocol cannot carry is refused before anything is sent: a call
/// that silently lost its seed would not be the call that was asked for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChatRequest {
    /// The model's name as the provider knows it.
    pub model: String,
    /// The conversation, oldest first. System messages may stand anywhere.
    pub messages: Vec<Message>,
    /// Tools the model may call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolDefinition>,
    /// Sampling temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling mass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Most tokens the answer may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens_max: Option<u32>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// Sampling seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Further members of the request body in the provider's own words; they win over what the
    /// fields above would have written, except for `stream`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

impl ChatRequest {
    /// A request with one user message and the provider's default parameters.
    pub fn prompt(model: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            messages: vec![Message::User { text: text.into() }],
            ..Self::default()
        }
    }

    /// All system texts in order, joined by blank lines; `None` when there is none.
    pub(crate) fn system_text(&self) -> Option<String> {
        let texts: Vec<&str> = self
            .messages
            .iter()
            .filter_map(|message| match message {
                Message::System { text } => Some(text.as_str()),
                _ => None,
            })
            .collect();
        (!texts.is_empty()).then(|| texts.join("\n\n"))
    }
}

/// One message of the conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case", deny_unknown_fields)]
pub enum Message {
    /// Instructions to the model.
    System {
        /// The instructions.
        text: String,
    },
    /// What the user said.
    User {
        /// The words.
        text: String,
    },
    /// What the model said, and what it asked tools to do.
    Assistant {
        /// The words; may be empty when there are tool calls.
        text: String,
        /// The calls, in the model's order.
        #[serde(default)]
        tool_calls: Vec<ToolCall>,
    },
    /// A tool's result.
    Tool {
        /// [`ToolCall::id`] of the call that this answers.
        call_id: String,
        /// Name of the tool.
        name: String,
        /// The result as text (JSON or prose).
        text: String,
    },
}

/// A complete tool call of the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// The provider's id of the call; `call_0`, `call_1`, … in order where it gives none.
    pub id: String,
    /// Name of the tool.
    pub name: String,
    /// The arguments as JSON text, exactly as the model wrote them; may be invalid JSON, because
    /// models are.
    pub arguments: String,
    /// An opaque mark that some providers want back with the call (Gemini's thought signature).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

impl ToolCall {
    /// The arguments as an object, `{}` for empty text; `None` when they are not a JSON object.
    pub fn arguments_object(&self) -> Option<Map<String, Value>> {
        if self.arguments.trim().is_empty() {
            return Some(Map::new());
        }
        serde_json::from_str(&self.arguments).ok()
    }
}

/// A tool that the model may call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolDefinition {
    /// Name of the tool.
    pub name: String,
    /// What it does, for the model.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
}
