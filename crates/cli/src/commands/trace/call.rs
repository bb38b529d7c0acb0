//! One call of a provider, measured.

use std::time::{Duration, Instant};

use exhibit_model::Nanos;
use exhibit_provider::{
    ChatEvent, ChatRequest, Finish, Provider, ProviderError, ReportedUsage, ToolCall,
};
use serde_json::{Map, Value, json};

use crate::output::{Output, printable};

use super::now;

/// What a call gave.
pub(crate) struct Call {
    /// The answer's text, also of one that broke off.
    pub(crate) text: String,
    reasoning: String,
    tool_calls: Vec<ToolCall>,
    first: Option<Duration>,
    /// How long it took.
    pub(crate) took: Duration,
    /// When it ended.
    pub(crate) end: Nanos,
    /// How it ended.
    pub(crate) outcome: Outcome,
}

/// How a call ended.
pub(crate) enum Outcome {
    /// With an answer.
    Answered(Box<Finish>),
    /// Without one.
    Failed {
        /// Stable name of the error.
        code: &'static str,
        /// For people.
        message: String,
    },
}

impl Call {
    /// A call that was never made.
    pub(crate) fn refused(code: &'static str, message: String) -> Self {
        Self {
            text: String::new(),
            reasoning: String::new(),
            tool_calls: Vec::new(),
            first: None,
            took: Duration::ZERO,
            end: now(),
            outcome: Outcome::Failed { code, message },
        }
    }

    /// The model that answered.
    pub(crate) fn model(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Answered(finish) => finish.response_model.as_deref(),
            Outcome::Failed { .. } => None,
        }
    }

    /// Input and output tokens, caches and reasoning included.
    pub(crate) fn tokens(&self) -> (Option<u64>, Option<u64>) {
        match &self.outcome {
            Outcome::Answered(finish) => {
                let usage = finish.usage.as_ref();
                (usage.and_then(input_tokens), usage.and_then(output_tokens))
            }
            Outcome::Failed { .. } => (None, None),
        }
    }

    /// What it adds to the recorded span.
    pub(crate) fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                fields.insert(name.to_owned(), value);
            }
        };
        put("ttft_ms", self.first.map(|t| (t.as_micros() as f64 / 1e3).into()).unwrap_or_default());
        let answered =
            !(self.text.is_empty() && self.reasoning.is_empty() && self.tool_calls.is_empty());
        if answered {
            put("output", self.answer());
        }
        match &self.outcome {
            Outcome::Answered(finish) => {
                put("status", "ok".into());
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
            Outcome::Failed { code, message } => {
                put("status", "error".into());
                put("error_type", (*code).into());
                put("error", message.as_str().into());
            }
        }
        fields
    }

    /// The answer as a message of a conversation.
    fn answer(&self) -> Value {
        let mut message = json!({"role": "assistant", "content": self.text});
        if !self.reasoning.is_empty() {
            message["reasoning_content"] = self.reasoning.as_str().into();
        }
        if !self.tool_calls.is_empty() {
            let call = |call: &ToolCall| {
                json!({
                    "id": call.id, "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments}
                })
            };
            message["tool_calls"] = self.tool_calls.iter().map(call).collect();
        }
        json!({"messages": [message]})
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

/// Calls the provider; with `show`, prints the answer as it comes.
pub(super) async fn make(
    provider: &dyn Provider,
    request: ChatRequest,
    show: bool,
    output: Output,
) -> Call {
    let started = Instant::now();
    let mut call = Call::refused("", String::new());
    let spinner = (!show && output.draws_progress()).then(|| {
        let spinner = indicatif::ProgressBar::new_spinner();
        spinner.set_message(format!("waiting for {}", provider.name()));
        spinner.enable_steady_tick(Duration::from_millis(120));
        spinner
    });
    let outcome = tokio::select! {
        outcome = converse(provider, request, show, output, started, &mut call) => outcome,
        _ = tokio::signal::ctrl_c() => Outcome::Failed {
            code: "cancelled",
            message: "cancelled".to_owned(),
        },
    };
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
    }
    call.took = started.elapsed();
    call.end = now();
    call.outcome = outcome;
    call
}

async fn converse(
    provider: &dyn Provider,
    request: ChatRequest,
    show: bool,
    output: Output,
    started: Instant,
    call: &mut Call,
) -> Outcome {
    let failed = |error: ProviderError| Outcome::Failed {
        code: error.code(),
        message: format!("{}: {error}", provider.name()),
    };
    let mut stream = match provider.chat(request).await {
        Ok(stream) => stream,
        Err(error) => return failed(error),
    };
    loop {
        match stream.next_event().await {
            Some(Ok(ChatEvent::Finish { finish })) => return Outcome::Answered(finish),
            Some(Ok(event)) => {
                call.first.get_or_insert_with(|| started.elapsed());
                match event {
                    ChatEvent::Text { text } => {
                        if show {
                            // A closed pipe must not keep the call from being recorded.
                            let _ = output.raw(&printable(&text));
                        }
                        call.text.push_str(&text);
                    }
                    ChatEvent::Reasoning { text } => call.reasoning.push_str(&text),
                    ChatEvent::ToolCall { call: tool } => call.tool_calls.push(tool),
                    ChatEvent::Finish { .. } => {}
                }
            }
            Some(Err(error)) => return failed(error),
            None => {
                return Outcome::Failed {
                    code: "truncated",
                    message: "the answer ended without its last part".to_owned(),
                };
            }
        }
    }
}
