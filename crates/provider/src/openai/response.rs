//! OpenAI's stream of `chat.completion.chunk` objects, up to `[DONE]`.
//!
//! Tolerated, because servers in use do it: no `[DONE]` after a finish reason, tool call pieces
//! without an index, usage in every chunk, chunks without choices, a whole `chat.completion`
//! instead of a stream. Refused, because content would be lost: text or tool arguments that are
//! not strings, a second choice, the retired `function_call`.

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

/// Reads one streamed completion.
#[derive(Default)]
pub(super) struct CompletionDecoder {
    tool_calls_max: usize,
    calls: Vec<PartialCall>,
    id: Option<String>,
    model: Option<String>,
    raw_reason: Option<String>,
    usage: Option<ReportedUsage>,
}

#[derive(Default)]
struct PartialCall {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

impl CompletionDecoder {
    pub(super) fn new(tool_calls_max: usize) -> Self {
        Self { tool_calls_max, ..Self::default() }
    }

    fn choice(
        &mut self,
        choice: &Map<String, Value>,
        events: &mut VecDeque<ChatEvent>,
    ) -> Result<(), ProviderError> {
        if json::count(choice.get("index")).is_some_and(|index| index > 0) {
            return Err(ProviderError::malformed("a second choice, where one was asked for"));
        }
        let part = choice.get("delta").filter(|delta| !delta.is_null());
        match part.or_else(|| choice.get("message")) {
            None | Some(Value::Null) => {}
            Some(Value::Object(delta)) => self.delta(delta, events)?,
            Some(_) => return Err(ProviderError::malformed("a delta is not an object")),
        }
        if let Some(reason) = json::text(choice.get("finish_reason")) {
            self.raw_reason = Some(reason);
        }
        Ok(())
    }

    fn delta(
        &mut self,
        delta: &Map<String, Value>,
        events: &mut VecDeque<ChatEvent>,
    ) -> Result<(), ProviderError> {
        if delta.get("function_call").is_some_and(|call| !call.is_null()) {
            return Err(ProviderError::malformed(
                "a function_call, retired in favour of tool_calls",
            ));
        }
        // DeepSeek, vLLM and LM Studio say the one, OpenRouter, Groq and Ollama the other.
        let long = json::content(delta.get("reasoning_content"), "reasoning")?;
        let short = json::content(delta.get("reasoning"), "reasoning")?;
        push_reasoning(events, long.filter(|text| !text.is_empty()).or(short));
        match delta.get("content") {
            Some(Value::Array(parts)) => content_parts(parts, events)?,
            other => push_text(events, json::content(other, "the content")?),
        }
        push_text(events, json::content(delta.get("refusal"), "the refusal")?);
        match delta.get("tool_calls") {
            None | Some(Value::Null) => Ok(()),
            Some(Value::Array(pieces)) => pieces.iter().try_for_each(|piece| self.tool_call(piece)),
            Some(_) => Err(ProviderError::malformed("tool_calls is not a list")),
        }
    }

    /// Joins one piece of a tool call to its call. Without an index, an id begins a new call and
    /// its lack continues the last one.
    fn tool_call(&mut self, piece: &Value) -> Result<(), ProviderError> {
        let Some(piece) = piece.as_object() else {
            return Err(ProviderError::malformed("a tool call is not an object"));
        };
        let index = json::count(piece.get("index"));
        let id = json::text(piece.get("id"));
        let nothing = Map::new();
        let function = piece.get("function").and_then(Value::as_object).unwrap_or(&nothing);
        let name = json::content(function.get("name"), "a tool's name")?.unwrap_or_default();
        let arguments = json::content(function.get("arguments"), "a tool call's arguments")?;

        let call = self.call_for(index, id.as_deref())?;
        if let Some(id) = id
            && call.id.is_empty()
        {
            call.id = id;
        }
        // Some servers repeat the whole name with every piece; none sends it in pieces.
        if call.name.is_empty() {
            name.clone_into(&mut call.name);
        }
        call.arguments.push_str(arguments.unwrap_or_default());
        Ok(())
    }

    /// The call that a piece belongs to, begun if need be. A second id under one index is a second
    /// call: Gemini's compatible interface numbers every call 0.
    fn call_for(
        &mut self,
        index: Option<u64>,
        id: Option<&str>,
    ) -> Result<&mut PartialCall, ProviderError> {
        let same_id = |call: &PartialCall| id.is_none_or(|id| call.id.is_empty() || call.id == id);
        let at = match (index, id) {
            (Some(_), _) => {
                self.calls.iter().rposition(|call| call.index == index && same_id(call))
            }
            (None, Some(id)) => self.calls.iter().rposition(|call| call.id == id),
            (None, None) => self.calls.len().checked_sub(1),
        };
        let at = at.unwrap_or(self.calls.len());
        if at == self.calls.len() {
            if at >= self.tool_calls_max {
                let limit = self.tool_calls_max;
                return Err(ProviderError::TooLarge { what: "the number of tool calls", limit });
            }
            self.calls.push(PartialCall { index, ..PartialCall::default() });
        }
        self.calls
            .get_mut(at)
            .ok_or_else(|| ProviderError::malformed("a tool call without a place"))
    }

    fn finish(&mut self, events: &mut VecDeque<ChatEvent>) {
        let called = !self.calls.is_empty();
        let mut calls = std::mem::take(&mut self.calls);
        // A stable sort: calls without an index keep their place at the end.
        calls.sort_by_key(|call| call.index.unwrap_or(u64::MAX));
        for (at, call) in calls.into_iter().enumerate() {
            let PartialCall { id, name, arguments, .. } = call;
            let id = if id.is_empty() { format!("call_{at}") } else { id };
            let call = ToolCall { id, name, arguments, signature: None };
            events.push_back(ChatEvent::ToolCall { call });
        }
        let reason = match self.raw_reason.as_deref() {
            Some("stop") => FinishReason::Stop,
            Some("length") => FinishReason::Length,
            Some("tool_calls" | "function_call") => FinishReason::ToolCalls,
            Some("content_filter") => FinishReason::ContentFilter,
            _ => FinishReason::Other,
        };
        let finish = Finish {
            reason: reason.with_tool_calls(called),
            raw_reason: self.raw_reason.take(),
            response_id: self.id.take(),
            response_model: self.model.take(),
            usage: self.usage.take(),
        };
        events.push_back(ChatEvent::Finish { finish: Box::new(finish) });
    }
}

impl Decoder for CompletionDecoder {
    fn accept(
        &mut self,
        frame: &SseEvent,
        events: &mut VecDeque<ChatEvent>,
    ) -> Result<(), ProviderError> {
        if frame.data.trim() == "[DONE]" {
            return self.end(events);
        }
        let chunk = json::object(&frame.data)?;
        if let Some(error) = ReportedError::in_stream(&frame.event, &chunk) {
            return Err(error);
        }
        self.id = self.id.take().or_else(|| json::text(chunk.get("id")));
        self.model = self.model.take().or_else(|| json::text(chunk.get("model")));
        if let Some(Value::Object(reported)) = chunk.get("usage") {
            self.usage = Some(usage(reported));
        }
        match chunk.get("choices") {
            None | Some(Value::Null) => Ok(()),
            Some(Value::Array(choices)) => choices.iter().try_for_each(|choice| match choice {
                Value::Object(choice) => self.choice(choice, events),
                _ => Err(ProviderError::malformed("a choice is not an object")),
            }),
            Some(_) => Err(ProviderError::malformed("choices is not a list")),
        }
    }

    fn end(&mut self, events: &mut VecDeque<ChatEvent>) -> Result<(), ProviderError> {
        if self.raw_reason.is_none() {
            return Err(ProviderError::truncated("it ended without a finish reason"));
        }
        self.finish(events);
        Ok(())
    }
}

/// Mistral's reasoning models send a list of parts: `text`, and `thinking` that holds a list.
fn content_parts(parts: &[Value], events: &mut VecDeque<ChatEvent>) -> Result<(), ProviderError> {
    for part in parts {
        match part.get("type").and_then(Value::as_str) {
            Some("text") => push_text(events, json::content(part.get("text"), "a text part")?),
            Some("thinking") => {
                let inner = part.get("thinking").and_then(Value::as_array);
                for piece in inner.into_iter().flatten() {
                    push_reasoning(events, json::content(piece.get("text"), "a thinking part")?);
                }
            }
            _ => return Err(ProviderError::malformed("a content part of an unknown type")),
        }
    }
    Ok(())
}

/// OpenAI's usage object and what its look-alikes add: DeepSeek's cache hits, OpenRouter's cache
/// writes and cost, Perplexity's cost.
fn usage(raw: &Map<String, Value>) -> ReportedUsage {
    let semantics = TokenSemantics { input_includes_cache: true, output_includes_reasoning: true };
    let top = |name: &str| json::count(raw.get(name));
    let input =
        |name: &str| json::count(raw.get("prompt_tokens_details").and_then(|d| d.get(name)));
    let output =
        |name: &str| json::count(raw.get("completion_tokens_details").and_then(|d| d.get(name)));
    let cost = raw.get("cost");
    ReportedUsage {
        input_tokens: top("prompt_tokens"),
        output_tokens: top("completion_tokens"),
        total_tokens: top("total_tokens"),
        cache_read_tokens: input("cached_tokens").or_else(|| top("prompt_cache_hit_tokens")),
        cache_write_tokens: input("cache_write_tokens"),
        reasoning_tokens: output("reasoning_tokens"),
        input_audio_tokens: input("audio_tokens"),
        output_audio_tokens: output("audio_tokens"),
        cost_usd: json::amount(cost)
            .or_else(|| json::amount(cost.and_then(|cost| cost.get("total_cost")))),
        ..ReportedUsage::empty(semantics, Value::Object(raw.clone()))
    }
    .with_semantics_checked()
}
