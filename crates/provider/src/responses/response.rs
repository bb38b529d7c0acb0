//! The stream of `response.*` events, up to `response.completed` or `response.incomplete`.
//!
//! Tolerated: a whole `response` object instead of a stream. Items of the provider's own tools (web
//! search, code) are passed over; their words come with the answer.

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

/// Reads one streamed response.
#[derive(Default)]
pub(super) struct ResponseDecoder {
    tool_calls_max: usize,
    calls: Vec<ToolCall>,
    refused: bool,
}

impl ResponseDecoder {
    pub(super) fn new(tool_calls_max: usize) -> Self {
        Self { tool_calls_max, ..Self::default() }
    }

    /// A finished output item; texts came in pieces before, calls come as a whole here.
    fn call(&mut self, item: &Value) -> Result<(), ProviderError> {
        if item.get("type").and_then(Value::as_str) != Some("function_call") {
            return Ok(());
        }
        if self.calls.len() >= self.tool_calls_max {
            let limit = self.tool_calls_max;
            return Err(ProviderError::TooLarge { what: "the number of tool calls", limit });
        }
        let arguments = json::content(item.get("arguments"), "a tool call's arguments")?;
        let name = json::content(item.get("name"), "a tool's name")?.unwrap_or_default();
        let id = json::text(item.get("call_id")).or_else(|| json::text(item.get("id")));
        self.calls.push(ToolCall {
            id: id.unwrap_or_else(|| format!("call_{}", self.calls.len())),
            name: name.to_owned(),
            arguments: arguments.unwrap_or_default().to_owned(),
            signature: None,
        });
        Ok(())
    }

    /// The texts of a response that did not come in pieces.
    fn whole(
        &mut self,
        response: &Map<String, Value>,
        events: &mut VecDeque<ChatEvent>,
    ) -> Result<(), ProviderError> {
        let items = response.get("output").and_then(Value::as_array);
        for item in items.into_iter().flatten() {
            let parts = item.get("content").and_then(Value::as_array);
            for part in parts.into_iter().flatten() {
                push_text(events, json::content(part.get("text"), "a text part")?);
                let refusal = json::content(part.get("refusal"), "the refusal")?;
                self.refused |= refusal.is_some();
                push_text(events, refusal);
            }
            self.call(item)?;
        }
        self.finish(response, events)
    }

    fn finish(
        &mut self,
        response: &Map<String, Value>,
        events: &mut VecDeque<ChatEvent>,
    ) -> Result<(), ProviderError> {
        if let Some(error) = ReportedError::in_stream("", response) {
            return Err(error);
        }
        let status = json::text(response.get("status"));
        if matches!(status.as_deref(), Some("failed" | "cancelled")) {
            return Err(ProviderError::InStream { error_type: status, message: None });
        }
        let called = !self.calls.is_empty();
        let calls = std::mem::take(&mut self.calls).into_iter();
        events.extend(calls.map(|call| ChatEvent::ToolCall { call }));
        let why = response.get("incomplete_details").and_then(|d| json::text(d.get("reason")));
        let reason = match why.as_deref() {
            Some("max_output_tokens") => FinishReason::Length,
            Some("content_filter") => FinishReason::ContentFilter,
            Some(_) => FinishReason::Other,
            None if self.refused => FinishReason::ContentFilter,
            None => FinishReason::Stop,
        };
        let finish = Finish {
            reason: reason.with_tool_calls(called),
            raw_reason: why.or(status),
            response_id: json::text(response.get("id")),
            response_model: json::text(response.get("model")),
            usage: response.get("usage").and_then(Value::as_object).map(usage),
        };
        events.push_back(ChatEvent::Finish { finish: Box::new(finish) });
        Ok(())
    }
}

impl Decoder for ResponseDecoder {
    fn accept(
        &mut self,
        frame: &SseEvent,
        events: &mut VecDeque<ChatEvent>,
    ) -> Result<(), ProviderError> {
        let event = json::object(&frame.data)?;
        let kind = event.get("type").and_then(Value::as_str).unwrap_or(frame.event.as_str());
        let delta = |what: &str| json::content(event.get("delta"), what);
        match kind {
            "response.output_text.delta" => push_text(events, delta("the text")?),
            "response.refusal.delta" => {
                self.refused = true;
                push_text(events, delta("the refusal")?);
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                push_reasoning(events, delta("reasoning")?);
            }
            "response.output_item.done" => {
                event.get("item").map_or(Ok(()), |item| self.call(item))?;
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                let Some(Value::Object(response)) = event.get("response") else {
                    return Err(ProviderError::malformed("an end without its response"));
                };
                self.finish(response, events)?;
            }
            "error" => {
                let error = ReportedError::in_stream("error", &event);
                return Err(error.unwrap_or_else(|| ProviderError::malformed("an empty error")));
            }
            _ if event.get("object").and_then(Value::as_str) == Some("response") => {
                self.whole(&event, events)?;
            }
            _ => {
                if let Some(error) = ReportedError::in_stream(&frame.event, &event) {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, _: &mut VecDeque<ChatEvent>) -> Result<(), ProviderError> {
        Err(ProviderError::truncated("it ended before the response was completed"))
    }
}

fn usage(raw: &Map<String, Value>) -> ReportedUsage {
    let semantics = TokenSemantics { input_includes_cache: true, output_includes_reasoning: true };
    let detail = |of: &str, name: &str| json::count(raw.get(of).and_then(|d| d.get(name)));
    ReportedUsage {
        input_tokens: json::count(raw.get("input_tokens")),
        output_tokens: json::count(raw.get("output_tokens")),
        total_tokens: json::count(raw.get("total_tokens")),
        cache_read_tokens: detail("input_tokens_details", "cached_tokens"),
        reasoning_tokens: detail("output_tokens_details", "reasoning_tokens"),
        ..ReportedUsage::empty(semantics, Value::Object(raw.clone()))
    }
    .with_semantics_checked()
}
