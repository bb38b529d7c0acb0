//! Anthropic's stream: `message_start`, content blocks, `message_delta`, `message_stop`.
//!
//! Unknown events and blocks are skipped, as the API's versioning policy asks. A whole message
//! instead of a stream is read too.

use crate::chat::ToolCall;
use crate::error::ProviderError;
use crate::event::{ChatEvent, Finish, FinishReason};
use crate::json;
use crate::rejection::ReportedError;
use crate::sse::SseEvent;
use crate::stream::{Decoder, push_reasoning, push_text};
use crate::usage::{ReportedUsage, TokenSemantics};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, VecDeque};

/// Reads one streamed message.
#[derive(Default)]
pub(super) struct MessageDecoder {
    tool_calls_max: usize,
    calls_seen: usize,
    /// Tool calls whose block is still open, by block index.
    open: BTreeMap<u64, ToolCall>,
    id: Option<String>,
    model: Option<String>,
    raw_reason: Option<String>,
    /// The usage object, merged: later counts replace earlier ones.
    usage: Map<String, Value>,
}

impl MessageDecoder {
    pub(super) fn new(tool_calls_max: usize) -> Self {
        Self { tool_calls_max, ..Self::default() }
    }

    fn message(&mut self, message: &Map<String, Value>) {
        self.id = json::text(message.get("id"));
        self.model = json::text(message.get("model"));
        self.merge_usage(message.get("usage"));
    }

    fn merge_usage(&mut self, usage: Option<&Value>) {
        for (name, value) in usage.and_then(Value::as_object).into_iter().flatten() {
            if !value.is_null() {
                self.usage.insert(name.clone(), value.clone());
            }
        }
    }

    fn block_start(
        &mut self,
        index: u64,
        block: &Map<String, Value>,
        events: &mut VecDeque<ChatEvent>,
    ) -> Result<(), ProviderError> {
        match block.get("type").and_then(Value::as_str) {
            Some("text") => push_text(events, json::content(block.get("text"), "a text block")?),
            Some("thinking") => {
                push_reasoning(events, json::content(block.get("thinking"), "a thinking block")?);
            }
            Some("tool_use") => {
                if self.calls_seen >= self.tool_calls_max {
                    let limit = self.tool_calls_max;
                    return Err(ProviderError::TooLarge {
                        what: "the number of tool calls",
                        limit,
                    });
                }
                let id = json::text(block.get("id"))
                    .unwrap_or_else(|| format!("call_{}", self.calls_seen));
                self.calls_seen += 1;
                let given = block.get("input").and_then(Value::as_object);
                let arguments = match given.filter(|input| !input.is_empty()) {
                    Some(input) => Value::Object(input.clone()).to_string(),
                    None => String::new(),
                };
                let name = json::text(block.get("name")).unwrap_or_default();
                self.open.insert(index, ToolCall { id, name, arguments, signature: None });
            }
            _ => {}
        }
        Ok(())
    }

    fn block_delta(
        &mut self,
        index: u64,
        delta: &Map<String, Value>,
        events: &mut VecDeque<ChatEvent>,
    ) -> Result<(), ProviderError> {
        match delta.get("type").and_then(Value::as_str) {
            Some("text_delta") => {
                push_text(events, json::content(delta.get("text"), "a text delta")?);
            }
            Some("thinking_delta") => {
                push_reasoning(events, json::content(delta.get("thinking"), "a thinking delta")?);
            }
            Some("input_json_delta") => {
                let piece = json::content(delta.get("partial_json"), "a tool call's arguments")?;
                if let Some(call) = self.open.get_mut(&index) {
                    call.arguments.push_str(piece.unwrap_or_default());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn block_stop(&mut self, index: u64, events: &mut VecDeque<ChatEvent>) {
        if let Some(mut call) = self.open.remove(&index) {
            if call.arguments.is_empty() {
                "{}".clone_into(&mut call.arguments);
            }
            events.push_back(ChatEvent::ToolCall { call });
        }
    }

    fn whole(
        &mut self,
        message: &Map<String, Value>,
        events: &mut VecDeque<ChatEvent>,
    ) -> Result<(), ProviderError> {
        self.message(message);
        self.raw_reason = json::text(message.get("stop_reason"));
        let blocks = message.get("content").and_then(Value::as_array);
        for (index, block) in blocks.into_iter().flatten().enumerate() {
            if let Some(block) = block.as_object() {
                self.block_start(index as u64, block, events)?;
                self.block_stop(index as u64, events);
            }
        }
        self.finish(events)
    }

    fn finish(&mut self, events: &mut VecDeque<ChatEvent>) -> Result<(), ProviderError> {
        let Some(raw_reason) = self.raw_reason.take() else {
            return Err(ProviderError::truncated("it ended without a stop reason"));
        };
        if !self.open.is_empty() {
            return Err(ProviderError::truncated("it ended inside a tool call"));
        }
        let reason = match raw_reason.as_str() {
            "end_turn" | "stop_sequence" => FinishReason::Stop,
            "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
            "tool_use" => FinishReason::ToolCalls,
            "refusal" => FinishReason::ContentFilter,
            _ => FinishReason::Other,
        };
        let usage = std::mem::take(&mut self.usage);
        let finish = Finish {
            reason,
            raw_reason: Some(raw_reason),
            response_id: self.id.take(),
            response_model: self.model.take(),
            usage: (!usage.is_empty()).then(|| reported(usage)),
        };
        events.push_back(ChatEvent::Finish { finish: Box::new(finish) });
        Ok(())
    }
}

impl Decoder for MessageDecoder {
    fn accept(
        &mut self,
        frame: &SseEvent,
        events: &mut VecDeque<ChatEvent>,
    ) -> Result<(), ProviderError> {
        let event = json::object(&frame.data)?;
        if let Some(error) = ReportedError::in_stream(&frame.event, &event) {
            return Err(error);
        }
        let index = json::count(event.get("index")).unwrap_or(0);
        let member = |name: &str| event.get(name).and_then(Value::as_object);
        match event.get("type").and_then(Value::as_str) {
            Some("message_start") => {
                if let Some(message) = member("message") {
                    self.message(message);
                }
            }
            Some("content_block_start") => {
                if let Some(block) = member("content_block") {
                    self.block_start(index, block, events)?;
                }
            }
            Some("content_block_delta") => {
                if let Some(delta) = member("delta") {
                    self.block_delta(index, delta, events)?;
                }
            }
            Some("content_block_stop") => self.block_stop(index, events),
            Some("message_delta") => {
                let reason = member("delta").and_then(|delta| json::text(delta.get("stop_reason")));
                self.raw_reason = reason.or(self.raw_reason.take());
                self.merge_usage(event.get("usage"));
            }
            Some("message_stop") => return self.finish(events),
            Some("message") => return self.whole(&event, events),
            Some(_) => {}
            None => return Err(ProviderError::malformed("an event without a type")),
        }
        Ok(())
    }

    fn end(&mut self, _events: &mut VecDeque<ChatEvent>) -> Result<(), ProviderError> {
        Err(ProviderError::truncated("it ended without message_stop"))
    }
}

/// Anthropic's usage object: cached tokens stand beside the input tokens, thinking is inside the
/// output tokens.
fn reported(raw: Map<String, Value>) -> ReportedUsage {
    let semantics = TokenSemantics { input_includes_cache: false, output_includes_reasoning: true };
    let top = |name: &str| json::count(raw.get(name));
    let lifetime = |name: &str| json::count(raw.get("cache_creation").and_then(|d| d.get(name)));
    let searches = raw.get("server_tool_use").and_then(|used| used.get("web_search_requests"));
    ReportedUsage {
        input_tokens: top("input_tokens"),
        output_tokens: top("output_tokens"),
        cache_read_tokens: top("cache_read_input_tokens"),
        cache_write_tokens: top("cache_creation_input_tokens"),
        cache_write_5m_tokens: lifetime("ephemeral_5m_input_tokens"),
        cache_write_1h_tokens: lifetime("ephemeral_1h_input_tokens"),
        web_searches: json::count(searches),
        ..ReportedUsage::empty(semantics, Value::Object(raw.clone()))
    }
}
