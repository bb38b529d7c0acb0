//! Gemini's stream: one `GenerateContentResponse` per event; it ends with the body.

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
#[derive(Default)]
pub(super) struct ContentDecoder {
    tool_calls_max: usize,
    calls_seen: usize,
    id: Option<String>,
    model: Option<String>,
    raw_reason: Option<String>,
    /// The prompt itself was refused; then there is no candidate.
    blocked: Option<String>,
    usage: Option<ReportedUsage>,
}

impl ContentDecoder {
    pub(super) fn new(tool_calls_max: usize) -> Self {
        Self { tool_calls_max, ..Self::default() }
    }

    fn candidate(
        &mut self,
        candidate: &Map<String, Value>,
        events: &mut VecDeque<ChatEvent>,
    ) -> Result<(), ProviderError> {
        if json::count(candidate.get("index")).is_some_and(|index| index > 0) {
            return Err(ProviderError::malformed("a second candidate, where one was asked for"));
        }
        let parts = candidate.get("content").and_then(|content| content.get("parts"));
        for part in parts.and_then(Value::as_array).into_iter().flatten() {
            let text = json::content(part.get("text"), "a text part")?;
            if part.get("thought").and_then(Value::as_bool) == Some(true) {
                push_reasoning(events, text);
            } else {
                push_text(events, text);
            }
            if let Some(call) = part.get("functionCall") {
                events.push_back(self.tool_call(call, part.get("thoughtSignature"))?);
            }
        }
        if let Some(reason) = json::text(candidate.get("finishReason")) {
            self.raw_reason = Some(reason);
        }
        Ok(())
    }

    /// A call comes whole, with its arguments as an object.
    fn tool_call(
        &mut self,
        call: &Value,
        signature: Option<&Value>,
    ) -> Result<ChatEvent, ProviderError> {
        if self.calls_seen >= self.tool_calls_max {
            let limit = self.tool_calls_max;
            return Err(ProviderError::TooLarge { what: "the number of tool calls", limit });
        }
        let id = json::text(call.get("id")).unwrap_or_else(|| format!("call_{}", self.calls_seen));
        self.calls_seen += 1;
        let arguments = match call.get("args") {
            None | Some(Value::Null) => "{}".to_owned(),
            Some(args) => args.to_string(),
        };
        let name = json::text(call.get("name")).unwrap_or_default();
        let signature = json::text(signature);
        Ok(ChatEvent::ToolCall { call: ToolCall { id, name, arguments, signature } })
    }
}

impl Decoder for ContentDecoder {
    fn accept(
        &mut self,
        frame: &SseEvent,
        events: &mut VecDeque<ChatEvent>,
    ) -> Result<(), ProviderError> {
        // Not Gemini's own, but gateways in front of it add it.
        if frame.data.trim() == "[DONE]" {
            return Ok(());
        }
        let chunk = json::object(&frame.data)?;
        if let Some(error) = ReportedError::in_stream(&frame.event, &chunk) {
            return Err(error);
        }
        self.id = self.id.take().or_else(|| json::text(chunk.get("responseId")));
        self.model = self.model.take().or_else(|| json::text(chunk.get("modelVersion")));
        // Every chunk carries the counts so far.
        if let Some(Value::Object(reported)) = chunk.get("usageMetadata") {
            self.usage = Some(usage(reported));
        }
        let feedback = chunk.get("promptFeedback");
        if let Some(reason) = json::text(feedback.and_then(|f| f.get("blockReason"))) {
            self.blocked = Some(reason);
        }
        let candidates = chunk.get("candidates").and_then(Value::as_array);
        for candidate in candidates.into_iter().flatten() {
            match candidate {
                Value::Object(candidate) => self.candidate(candidate, events)?,
                _ => return Err(ProviderError::malformed("a candidate is not an object")),
            }
        }
        Ok(())
    }

    fn end(&mut self, events: &mut VecDeque<ChatEvent>) -> Result<(), ProviderError> {
        let reason = match (self.raw_reason.as_deref(), &self.blocked) {
            (Some("STOP"), _) => FinishReason::Stop,
            (Some("MAX_TOKENS"), _) => FinishReason::Length,
            (
                Some(
                    "SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT"
                    | "SPII" | "IMAGE_SAFETY",
                ),
                _,
            )
            | (None, Some(_)) => FinishReason::ContentFilter,
            (Some(_), _) => FinishReason::Other,
            (None, None) => {
                return Err(ProviderError::truncated("it ended without a finish reason"));
            }
        };
        let finish = Finish {
            reason: reason.with_tool_calls(self.calls_seen > 0),
            raw_reason: self.raw_reason.take().or(self.blocked.take()),
            response_id: self.id.take(),
            response_model: self.model.take(),
            usage: self.usage.take(),
        };
        events.push_back(ChatEvent::Finish { finish: Box::new(finish) });
        Ok(())
    }
}

/// Gemini's usage object: the prompt contains cached tokens, thoughts stand beside the answer.
fn usage(raw: &Map<String, Value>) -> ReportedUsage {
    let semantics = TokenSemantics { input_includes_cache: true, output_includes_reasoning: false };
    let top = |name: &str| json::count(raw.get(name));
    let audio = |name: &str| {
        let details = raw.get(name)?.as_array()?;
        let of_audio = |d: &&Value| d.get("modality").and_then(Value::as_str) == Some("AUDIO");
        json::count(details.iter().find(of_audio)?.get("tokenCount"))
    };
    ReportedUsage {
        input_tokens: top("promptTokenCount"),
        output_tokens: top("candidatesTokenCount"),
        total_tokens: top("totalTokenCount"),
        cache_read_tokens: top("cachedContentTokenCount"),
        reasoning_tokens: top("thoughtsTokenCount"),
        tool_use_input_tokens: top("toolUsePromptTokenCount"),
        input_audio_tokens: audio("promptTokensDetails"),
        output_audio_tokens: audio("candidatesTokensDetails"),
        ..ReportedUsage::empty(semantics, Value::Object(raw.clone()))
    }
}
