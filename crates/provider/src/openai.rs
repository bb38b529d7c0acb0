//! OpenAI-compatible chat completions: OpenAI, Azure, vLLM, Ollama's `/v1`, LM Studio, OpenRouter
//! and many more. Source: OpenAI API reference, "Create chat completion" and "Streaming".
//!
//! The look-alikes differ in small ways; what is tolerated is said at the place that does it.
//! Not here: the Responses API (`responses`), more than one choice.

mod request;
mod response;

use crate::chat::ChatRequest;
use crate::config::ConfigError;
use crate::embedding::{self, Embeddings};
use crate::error::ProviderError;
use crate::stream::{ChatStream, Decoder, Framing};
use crate::transport::{Connection, Transport};
use crate::{Provider, Rejection};
use reqwest::Url;

/// A client for OpenAI-compatible servers. The base URL ends where `/chat/completions` begins
/// (`https://api.openai.com/v1`); its query, if any, is sent along (Azure's `api-version`).
pub struct OpenAiCompatible {
    transport: Transport,
    url: Url,
}

impl OpenAiCompatible {
    /// A client for one server.
    ///
    /// # Errors
    /// A base URL that cannot be used, or TLS that cannot be set up.
    pub fn new(connection: Connection) -> Result<Self, ConfigError> {
        let transport = Transport::new(connection)?;
        let url = transport.url(&["chat", "completions"]);
        Ok(Self { transport, url })
    }

    /// Newer models of OpenAI refuse `max_tokens`; other servers know nothing else.
    fn new_token_limit_name(&self) -> bool {
        let host = self.transport.host();
        host == "api.openai.com" || host.ends_with(".azure.com")
    }

    async fn open(&self, body: &serde_json::Value) -> Result<ChatStream, ProviderError> {
        ChatStream::open(&self.transport, &self.url, body, Framing::events, decoder).await
    }
}

impl std::fmt::Debug for OpenAiCompatible {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OpenAiCompatible").field(&self.transport).finish()
    }
}

#[async_trait::async_trait]
impl Provider for OpenAiCompatible {
    fn name(&self) -> &str {
        self.transport.name()
    }

    fn endpoint(&self) -> &str {
        self.transport.shown()
    }

    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, ProviderError> {
        let mut body = request::body(request, self.new_token_limit_name())?;
        match self.open(&body).await {
            Err(ProviderError::Rejected(rejection)) if complains_of_usage_option(&rejection) => {
                if let Some(body) = body.as_object_mut() {
                    body.remove("stream_options");
                }
                self.open(&body).await
            }
            other => other,
        }
    }

    async fn embed(&self, model: &str, texts: &[String]) -> Result<Embeddings, ProviderError> {
        embedding::openai(&self.transport, model, texts).await
    }
}

/// Older servers refuse the option that asks for token counts; without it the call still works.
fn complains_of_usage_option(rejection: &Rejection) -> bool {
    matches!(rejection.status, 400 | 422)
        && rejection.message.as_deref().is_some_and(|message| {
            message.contains("stream_options") || message.contains("include_usage")
        })
}

/// A decoder for one answer.
pub(crate) fn decoder(tool_calls_max: usize) -> Box<dyn Decoder> {
    Box::new(response::CompletionDecoder::new(tool_calls_max))
}
