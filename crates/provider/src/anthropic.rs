//! Anthropic's messages. Source: Anthropic API reference, "Messages" and "Streaming messages",
//! version 2023-06-01.
//!
//! Not here: images, prompt caching marks (they can be given through [`ChatRequest::extra`] for the
//! system text), the return of thinking blocks.

mod request;
mod response;

use crate::Provider;
use crate::chat::ChatRequest;
use crate::config::ConfigError;
use crate::error::ProviderError;
use crate::stream::{ChatStream, Decoder, Framing};
use crate::transport::{Connection, Transport};
use reqwest::Url;

/// A client for Anthropic's messages. The base URL ends where `/v1/messages` begins, or in `/v1`.
pub struct Anthropic {
    transport: Transport,
    url: Url,
}

impl Anthropic {
    /// A client for one server.
    ///
    /// # Errors
    /// A base URL that cannot be used, or TLS that cannot be set up.
    pub fn new(connection: Connection) -> Result<Self, ConfigError> {
        let transport = Transport::new(connection)?.header("anthropic-version", "2023-06-01");
        let url = transport.url(&["v1", "messages"]);
        Ok(Self { transport, url })
    }
}

impl std::fmt::Debug for Anthropic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Anthropic").field(&self.transport).finish()
    }
}

#[async_trait::async_trait]
impl Provider for Anthropic {
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
}

/// A decoder for one answer.
pub(crate) fn decoder(tool_calls_max: usize) -> Box<dyn Decoder> {
    Box::new(response::MessageDecoder::new(tool_calls_max))
}
