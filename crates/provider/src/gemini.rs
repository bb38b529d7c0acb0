//! Gemini's `streamGenerateContent`. Source: Gemini API reference, "Generating content"
//! (`v1beta`).
//!
//! Not here: Vertex AI's addresses and tokens, files, images, live sessions.

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

/// A client for the Gemini API. The base URL ends where `/v1beta/models/…` begins, or in `/v1beta`.
pub struct Gemini {
    transport: Transport,
}

impl Gemini {
    /// A client for one server.
    ///
    /// # Errors
    /// A base URL that cannot be used, or TLS that cannot be set up.
    pub fn new(connection: Connection) -> Result<Self, ConfigError> {
        Ok(Self { transport: Transport::new(connection)? })
    }

    /// The model is part of the path, so its name must not be able to leave its place.
    fn url(&self, model: &str, method: &str) -> Result<Url, ProviderError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let parts: Vec<&str> = model.trim().split('/').collect();
        let good =
            |part: &&str| !part.is_empty() && !part.starts_with('.') && part.chars().all(plain);
        let (collection, name) = match parts.as_slice() {
            [name] if good(name) => ("models", *name),
            [collection, name] if good(collection) && good(name) => (*collection, *name),
            _ => return Err(ProviderError::invalid("the model's name is not one of Gemini's")),
        };
        let action = format!("{name}:{method}");
        Ok(self.transport.url(&["v1beta", collection, &action]))
    }
}

impl std::fmt::Debug for Gemini {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Gemini").field(&self.transport).finish()
    }
}

#[async_trait::async_trait]
impl Provider for Gemini {
    fn name(&self) -> &str {
        self.transport.name()
    }

    fn endpoint(&self) -> &str {
        self.transport.shown()
    }

    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, ProviderError> {
        let mut url = self.url(&request.model, "streamGenerateContent")?;
        url.query_pairs_mut().append_pair("alt", "sse");
        let body = request::body(request)?;
        ChatStream::open(&self.transport, &url, &body, Framing::events, decoder).await
    }

    async fn embed(&self, model: &str, texts: &[String]) -> Result<Embeddings, ProviderError> {
        let url = self.url(model, "batchEmbedContents")?;
        embedding::gemini(&self.transport, &url, model, texts).await
    }
}

/// A decoder for one answer.
pub(crate) fn decoder(tool_calls_max: usize) -> Box<dyn Decoder> {
    Box::new(response::ContentDecoder::new(tool_calls_max))
}
