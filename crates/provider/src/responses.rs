//! OpenAI's Responses API. Source: OpenAI API reference, "Create a model response" and "Streaming".
//!
//! Conversations are sent whole and nothing is kept at the provider (`store: false`), so that what is
//! recorded is what was asked. Not here: the provider's own tools, background answers.

mod request;
mod response;

use crate::Provider;
use crate::chat::ChatRequest;
use crate::config::ConfigError;
use crate::embedding::{self, Embeddings};
use crate::error::ProviderError;
use crate::stream::{ChatStream, Decoder, Framing};
use crate::transport::{Connection, Transport};
use reqwest::Url;

/// A client for servers with OpenAI's Responses API. The base URL ends where `/responses` begins.
pub struct OpenAiResponses {
    transport: Transport,
    url: Url,
}

impl OpenAiResponses {
    /// A client for one server.
    ///
    /// # Errors
    /// A base URL that cannot be used, or TLS that cannot be set up.
    pub fn new(connection: Connection) -> Result<Self, ConfigError> {
        let transport = Transport::new(connection)?;
        let url = transport.url(&["responses"]);
        Ok(Self { transport, url })
    }
}

impl std::fmt::Debug for OpenAiResponses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OpenAiResponses").field(&self.transport).finish()
    }
}

#[async_trait::async_trait]
impl Provider for OpenAiResponses {
    fn name(&self) -> &str {
        self.transport.name()
    }

    fn endpoint(&self) -> &str {
        self.transport.shown()
    }

    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, ProviderError> {
        let body = request::body(request)?;
        ChatStream::open(&self.transport, &self.url, &body, Framing::events, decoder).await
    }

    async fn embed(&self, model: &str, texts: &[String]) -> Result<Embeddings, ProviderError> {
        embedding::openai(&self.transport, model, texts).await
    }
}

/// A decoder for one answer.
pub(crate) fn decoder(tool_calls_max: usize) -> Box<dyn Decoder> {
    Box::new(response::ResponseDecoder::new(tool_calls_max))
}
