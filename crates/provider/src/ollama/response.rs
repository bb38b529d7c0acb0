//! Ollama's stream: one object per line, the last with `done` and the counts.

use crate::chat::ToolCall;
use crate::error::ProviderError;
use crate::event::{ChatEvent, Finish, FinishReason};
use crate::json;
use crate::rejection::ReportedError;
use crate::sse::SseEvent;
use crate::stream::{Decoder, push_reasoning, push_text};
use crate::usage::{ReportedUsage, TokenSemantics};
use serde_json::{Map, Value};
use std::collections::VecDeque;

/// Reads one streamed answer.
pub(super) struct LineDecoder {
    tool_calls_max: usize,
    calls_seen: usize,
}

impl LineDecoder {
    pub(super) fn new(tool_calls_max: usize) -> Self {
        Self { tool_calls_max, calls_seen: 0 }
    }

    /// A call comes whole, with its arguments as an object.
    fn tool_call(&mut self, call: &Value) -> Result<ChatEvent, ProviderError> {
        if self.calls_seen >= self.tool_calls_max {
            let limit = self.tool_calls_max;
            return Err(ProviderError::TooLarge { what: "the number of tool calls", limit });
        }
        let Some(function) = call.get("function").and_then(Value::as_object) else {
            return Err(ProviderError::malformed("a tool call without a function"));
        };
        let id = json::text(call.get("id")).unwrap_or_else(|| format!("call_{}", self.calls_seen));
        self.calls_seen += 1;
        let arguments = match function.get("arguments") {
            None | Some(Value::Null) => "{}".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let name = json::text(function.get("name")).unwrap_or_default();
        Ok(ChatEvent::ToolCall { call: ToolCall { id, name, arguments, signature: None } })
    }
}

impl Decoder for LineDecoder {
    fn accept(
        &mut self,
        frame: &SseEvent,
        events: &mut VecDeque<ChatEvent>,
    ) -> Result<(), ProviderError> {
        let line = json::object(&frame.data)?;
        if let Some(error) = ReportedError::in_stream(&frame.event, &line) {
            return Err(error);
        }
        match line.get("message") {
            None | Some(Value::Null) => {}
            Some(Value::Object(message)) => {
                push_reasoning(events, json::content(message.get("thinking"), "the thinking")?);
                push_text(events, json::content(message.get("content"), "the content")?);
                let calls = message.get("tool_calls").and_then(Value::as_array);
                for call in calls.into_iter().flatten() {
                    events.push_back(self.tool_call(call)?);
                }
            }
            Some(_) => return Err(ProviderError::malformed("a message is not an object")),
        }
        if line.get("done").and_then(Value::as_bool) == Some(true) {
            let raw_reason = json::text(line.get("done_reason"));
            let reason = match raw_reason.as_deref() {
                // Servers before 0.3 give no reason.
                Some("stop") | None => FinishReason::Stop,
                Some("length") => FinishReason::Length,
                Some(_) => FinishReason::Other,
            };
            let finish = Finish {
                reason: reason.with_tool_calls(self.calls_seen > 0),
                raw_reason,
                response_id: None,
                response_model: json::text(line.get("model")),
                usage: usage(&line),
            };
            events.push_back(ChatEvent::Finish { finish: Box::new(finish) });
        }
        Ok(())
    }

    fn end(&mut self, _events: &mut VecDeque<ChatEvent>) -> Result<(), ProviderError> {
        Err(ProviderError::truncated("it ended without done"))
    }
}

/// The counts and durations of the last line. The prompt is counted whole, thinking with the rest.
fn usage(line: &Map<String, Value>) -> Option<ReportedUsage> {
    let semantics = TokenSemantics { input_includes_cache: true, output_includes_reasoning: true };
    let names = [
        "prompt_eval_count",
        "eval_count",
        "total_duration",
        "load_duration",
        "prompt_eval_duration",
        "eval_duration",
    ];
    let raw: Map<String, Value> = names
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), line.get(name)?.clone())))
        .collect();
    let input_tokens = json::count(raw.get("prompt_eval_count"));
    let output_tokens = json::count(raw.get("eval_count"));
    (input_tokens.is_some() || output_tokens.is_some()).then(|| ReportedUsage {
        input_tokens,
        output_tokens,
        ..ReportedUsage::empty(semantics, Value::Object(raw))
    })
}
