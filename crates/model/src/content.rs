//! What was asked and what came back, in one shape whatever the dialect.
//!
//! Content is never stored: it is read out of the raw attributes by `capture`, so a better mapping
//! later changes no sealed byte.

use serde::{Deserialize, Serialize};

use crate::Json;

/// The mapped content of a span.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Content {
    /// What was asked, as the client shaped it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Json>,
    /// What came back, as the client shaped it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Json>,
    /// The messages that were sent to the model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub input_messages: Vec<Message>,
    /// The messages the model answered with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub output_messages: Vec<Message>,
    /// Definitions of the tools the model was offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_definitions: Option<Json>,
    /// The tool calls this span made or executed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Documents found by a retriever or reranker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documents: Option<Json>,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Message {
    /// `system`, `user`, `assistant`, `tool` or the client's own word.
    pub role: String,
    /// The participant's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it says, in order.
    pub parts: Vec<MessagePart>,
    /// Why the model stopped after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum MessagePart {
    /// Text.
    Text {
        /// The text.
        content: String,
    },
    /// The model's reasoning.
    Reasoning {
        /// The text.
        content: String,
    },
    /// A call of a tool.
    ToolCall {
        /// The call's id.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        id: Option<String>,
        /// The tool's name.
        name: String,
        /// Its arguments.
        #[serde(default)]
        arguments: Json,
    },
    /// A tool's answer.
    ToolCallResponse {
        /// The call's id.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        id: Option<String>,
        /// The result.
        #[serde(default)]
        response: Json,
    },
    /// An image, audio or file by reference or inline.
    Media {
        /// `image`, `audio`, `video` or `file`.
        modality: String,
        /// MIME type.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        mime_type: Option<String>,
        /// Where it is.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        uri: Option<String>,
        /// Its bytes, base64.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        data: Option<String>,
    },
    /// Anything else, as it came.
    Other {
        /// The piece as the client sent it.
        value: Json,
    },
}

/// A tool call as the native API speaks of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ToolCall {
    /// The call's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tool's name.
    pub tool_name: String,
    /// Its arguments.
    pub arguments: Json,
    /// Its result: an object, or null.
    pub result: Json,
    /// The tools it was chosen from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub selected_from: Vec<String>,
}
