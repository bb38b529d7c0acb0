//! What comes back: the events of a streamed answer, and the whole answer put together.

use crate::chat::ToolCall;
use crate::usage::ReportedUsage;
use serde::Serialize;

/// One step of a streamed answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ChatEvent {
    /// More text of the answer (a refusal's text too). Never empty.
    Text {
        /// The piece.
        text: String,
    },
    /// More text of the model's reasoning, where the provider shows it. Never empty.
    Reasoning {
        /// The piece.
        text: String,
    },
    /// A complete tool call.
    ToolCall {
        /// The call.
        call: ToolCall,
    },
    /// The end of the answer; nothing follows.
    Finish {
        /// How it ended and what it used.
        finish: Box<Finish>,
    },
}

/// The end of an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finish {
    /// Why the model stopped.
    pub reason: FinishReason,
    /// The provider's own word for it.
    pub raw_reason: Option<String>,
    /// The provider's id of the answer.
    pub response_id: Option<String>,
    /// The model that answered, which may differ from the one asked for.
    pub response_model: Option<String>,
    /// Token counts; `None` when the provider reported none.
    pub usage: Option<ReportedUsage>,
}

/// Why the model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The answer is complete, or a stop text was met.
    Stop,
    /// The token limit or the context window ended it.
    Length,
    /// The model waits for tool results.
    ToolCalls,
    /// The provider withheld or cut the answer, or the model refused.
    ContentFilter,
    /// Something else; see [`Finish::raw_reason`].
    Other,
}

impl FinishReason {
    /// The reason in the words of OpenTelemetry's `gen_ai.response.finish_reasons`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Other => "other",
        }
    }

    /// The reason, unless the answer only "stopped" to let tools run.
    pub(crate) fn with_tool_calls(self, called: bool) -> Self {
        if called && self == Self::Stop { Self::ToolCalls } else { self }
    }
}

/// A whole answer, put together from its events.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChatAnswer {
    /// The text.
    pub text: String,
    /// The visible reasoning; empty when none was shown.
    pub reasoning: String,
    /// The tool calls in the model's order.
    pub tool_calls: Vec<ToolCall>,
    /// How it ended and what it used.
    pub finish: Finish,
}
