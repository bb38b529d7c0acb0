//! One model call of a replay, measured.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use exhibit_model::{Json, JsonMap, NanoUsd, Usage};
use exhibit_provider::{ChatEvent, ChatRequest, Finish, Provider, ReportedUsage, ToolCall};
use serde_json::json;

use super::Pricer;

/// What a call gave.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The text, also of an answer that broke off.
    pub text: String,
    /// The tool calls.
    pub tool_calls: Vec<ToolCall>,
    /// The end of the answer, when it came.
    pub finish: Option<Box<Finish>>,
    /// Stable name and words of what went wrong.
    pub failure: Option<(String, String)>,
    /// How long it took, milliseconds.
    pub latency_ms: f64,
    /// To the first piece, milliseconds.
    pub ttft_ms: Option<f64>,
    /// What it cost, as far as known.
    pub cost: Option<NanoUsd>,
}

/// How often a call looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Makes the call. Waits no longer than the provider's own limits, and ends it when it is to stop.
pub(crate) async fn make(
    provider: &dyn Provider,
    request: ChatRequest,
    cancel: &AtomicBool,
) -> Answer {
    let begun = Instant::now();
    let mut answer = Answer::default();
    tokio::select! {
        () = listen(provider, request, begun, &mut answer) => {}
        () = cancelled(cancel) => {}
    }
    if answer.finish.is_none() && answer.failure.is_none() {
        answer.failure = Some(("cancelled".to_owned(), "the call was cancelled".to_owned()));
    }
    answer.latency_ms = begun.elapsed().as_secs_f64() * 1e3;
    answer
}

async fn cancelled(cancel: &AtomicBool) {
    while !cancel.load(Ordering::Relaxed) {
        tokio::time::sleep(LOOK).await;
    }
}

async fn listen(
    provider: &dyn Provider,
    request: ChatRequest,
    begun: Instant,
    answer: &mut Answer,
) {
    let failed = |error: &exhibit_provider::ProviderError| {
        Some((error.code().to_owned(), format!("{}: {error}", provider.name())))
    };
    match provider.chat(request).await {
        Err(error) => answer.failure = failed(&error),
        Ok(mut stream) => loop {
            match stream.next_event().await {
                Some(Ok(ChatEvent::Finish { finish })) => {
                    answer.finish = Some(finish);
                    break;
                }
                Some(Ok(event)) => {
                    let ms = begun.elapsed().as_secs_f64() * 1e3;
                    answer.ttft_ms.get_or_insert(ms);
                    match event {
                        ChatEvent::Text { text } => answer.text.push_str(&text),
                        ChatEvent::ToolCall { call } => answer.tool_calls.push(call),
                        _ => {}
                    }
                }
                Some(Err(error)) => {
                    answer.failure = failed(&error);
                    break;
                }
                None => {
                    let words = "the answer ended without its last part".to_owned();
                    answer.failure = Some(("truncated".to_owned(), words));
                    break;
                }
            }
        },
    }
}

impl Answer {
    /// What was used, by what the provider reported.
    pub fn usage(&self) -> Option<Usage> {
        let usage = self.finish.as_ref()?.usage.as_ref()?;
        Some(Usage {
            input_uncached: input_tokens(usage)?,
            output_text: output_tokens(usage).unwrap_or(0),
            ..Usage::default()
        })
    }

    /// What it cost by the price of the model that answered, as its record will have it, else by that
    /// of the one that was asked.
    pub(crate) fn priced(
        &self,
        pricer: &dyn Pricer,
        provider: Option<&str>,
        asked: &str,
    ) -> Option<NanoUsd> {
        let usage = self.usage()?;
        let answered = self.finish.as_ref().and_then(|f| f.response_model.as_deref());
        answered
            .and_then(|model| pricer.price(provider, model, &usage))
            .or_else(|| pricer.price(provider, asked, &usage))
    }

    /// What it adds to a span, in the native API's words.
    pub(crate) fn fields(&self) -> JsonMap {
        let mut fields = JsonMap::new();
        let mut put = |name: &str, value: Json| {
            if !value.is_null() {
                fields.insert(name.to_owned(), value);
            }
        };
        put("ttft_ms", self.ttft_ms.into());
        if !(self.text.is_empty() && self.tool_calls.is_empty()) {
            put("output", json!({ "messages": [self.message()] }));
        }
        if let Some(finish) = &self.finish {
            put("model", finish.response_model.as_deref().into());
            put("response_id", finish.response_id.as_deref().into());
            put("finish_reason", finish.reason.as_str().into());
            if let Some(usage) = &finish.usage {
                put("tokens_in", input_tokens(usage).into());
                put("tokens_out", output_tokens(usage).into());
                put("cache_read_tokens", usage.cache_read_tokens.into());
                put("cache_write_tokens", usage.cache_write_tokens.into());
                put("reasoning_tokens", usage.reasoning_tokens.into());
                put("cost", usage.cost_usd.into());
            }
        }
        match &self.failure {
            None => put("status", "ok".into()),
            Some((code, words)) => {
                put("status", "error".into());
                put("error_type", code.as_str().into());
                put("error", words.as_str().into());
            }
        }
        fields
    }

    /// The answer as a message of a conversation.
    pub(crate) fn message(&self) -> Json {
        let mut message = json!({"role": "assistant", "content": self.text});
        if !self.tool_calls.is_empty() {
            let call = |call: &ToolCall| {
                json!({"id": call.id, "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments}})
            };
            message["tool_calls"] = self.tool_calls.iter().map(call).collect();
        }
        message
    }

    /// The answer as one text, tool calls included.
    pub fn said(&self) -> String {
        let calls = self.tool_calls.iter().map(|c| format!("{}({})", c.name, c.arguments));
        let text = Some(self.text.clone()).filter(|t| !t.is_empty());
        text.into_iter().chain(calls).collect::<Vec<_>>().join("\n")
    }
}

/// Input tokens with caches, as the native API counts them.
fn input_tokens(usage: &ReportedUsage) -> Option<u64> {
    let mut tokens = usage.input_tokens?;
    if !usage.semantics.input_includes_cache {
        tokens = tokens
            .saturating_add(usage.cache_read_tokens.unwrap_or(0))
            .saturating_add(usage.cache_write_tokens.unwrap_or(0));
    }
    Some(tokens.saturating_add(usage.tool_use_input_tokens.unwrap_or(0)))
}

/// Output tokens with reasoning, as the native API counts them.
fn output_tokens(usage: &ReportedUsage) -> Option<u64> {
    let tokens = usage.output_tokens?;
    let apart = !usage.semantics.output_includes_reasoning;
    Some(tokens.saturating_add(usage.reasoning_tokens.filter(|_| apart).unwrap_or(0)))
}
