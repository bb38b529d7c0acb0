//! Ollama's own `/api/chat`: JSON lines, local models, no money. Source: Ollama API documentation,
//! "Generate a chat completion".
//!
//! Not here: pulling models. Ollama's `/v1` is spoken by [`crate::OpenAiCompatible`].

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

/// A client for an Ollama server. The base URL ends where `/api/chat` begins.
pub struct Ollama {
    transport: Transport,
    url: Url,
}

impl Ollama {
    /// A client for one server.
    ///
    /// # Errors
    /// A base URL that cannot be used, or TLS that cannot be set up.
    pub fn new(connection: Connection) -> Result<Self, ConfigError> {
        let transport = Transport::new(connection)?;
        let url = transport.url(&["api", "chat"]);
        Ok(Self { transport, url })
    }
}

impl std::fmt::Debug for Ollama {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Ollama").field(&self.transport).finish()
    }
}

#[async_trait::async_trait]
impl Provider for Ollama {
    fn name(&self) -> &str {
        self.transport.name()
    }

    fn endpoint(&self) -> &str {
        self.transport.shown()
    }

    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, ProviderError> {
        let body = request::body(request)?;
        ChatStream::open(&self.transport, &self.url, &body, Framing::lines, decoder).await
    }

    async fn embed(&self, model: &str, texts: &[String]) -> Result<Embeddings, ProviderError> {
        embedding::ollama(&self.transport, model, texts).await
    }
}

/// A decoder for one answer.
pub(crate) fn decoder(tool_calls_max: usize) -> Box<dyn Decoder> {
    Box::new(response::LineDecoder::new(tool_calls_max))
}
