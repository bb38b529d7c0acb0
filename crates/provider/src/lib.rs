//! Clients for LLM providers: OpenAI-compatible, Anthropic, Gemini, Ollama; streaming.
//!
//! One [`Provider`] sends a [`ChatRequest`] and answers with a [`ChatStream`] of [`ChatEvent`]s.
//! A stream ends with exactly one [`ChatEvent::Finish`] or one error, and dropping it cancels the
//! call. Token counts are passed on as the provider reports them, with a mark that says what they
//! contain ([`ReportedUsage`]); turning them into disjoint buckets and money is done elsewhere.
//!
//! [`Forwarder`] passes requests of others on as they are, for the proxy.
//!
//! What this crate does not do: it records nothing, prices nothing and stores no keys. A key lives
//! in a [`Secret`] and leaves it only into a request header marked as sensitive.
//!
//! Where to start: [`from_env`] picks a provider; [`Provider::chat`] calls it. The five wire
//! protocols are in `openai`, `responses`, `anthropic`, `gemini` and `ollama`; what they share is in
//! `stream` (bytes to events), `transport` (HTTP, retries, timeouts) and [`sse`] (the event stream format).

mod anthropic;
mod chat;
mod config;
mod embedding;
mod error;
mod event;
mod forward;
mod gemini;
mod json;
mod ollama;
mod openai;
mod options;
mod preset;
mod rejection;
mod responses;
mod retry;
mod secret;
pub mod sse;
mod stream;
mod transport;
mod usage;

pub use anthropic::Anthropic;
pub use chat::{ChatRequest, Message, ToolCall, ToolDefinition};
pub use config::{ConfigError, ProviderConfig, from_env, from_env_with};
pub use embedding::Embeddings;
pub use error::{ProviderError, TimeoutPhase};
pub use event::{ChatAnswer, ChatEvent, Finish, FinishReason};
pub use forward::{Forwarder, Incoming, Outgoing};
pub use gemini::Gemini;
pub use ollama::Ollama;
pub use openai::OpenAiCompatible;
pub use options::{ClientOptions, Limits, RetryPolicy, Timeouts};
pub use rejection::{Rejection, RejectionClass};
pub use responses::OpenAiResponses;
pub use secret::{InvalidSecret, Secret};
pub use stream::ChatStream;
pub use transport::{AuthHeader, Connection};
pub use usage::{ReportedUsage, TokenSemantics};

/// A service that answers chat requests.
///
/// Implementations are cheap to share behind an `Arc`; one holds one connection pool.
#[async_trait::async_trait]
pub trait Provider: Send + Sync + std::fmt::Debug {
    /// The provider as OpenTelemetry's `gen_ai.provider.name` spells it, for example `openai`.
    fn name(&self) -> &str;

    /// Where requests go: scheme, host, port and path, without query and without credentials.
    fn endpoint(&self) -> &str;

    /// Sends the request and returns once the provider has accepted it.
    ///
    /// Refusals that may pass (429, 500, 502, 503, 504, 529, connection errors) are tried again
    /// within [`RetryPolicy`] before this returns; nothing is tried again once an answer has begun.
    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, ProviderError>;

    /// The vectors of texts by an embedding model. Refused where the provider has none.
    async fn embed(&self, model: &str, texts: &[String]) -> Result<Embeddings, ProviderError> {
        let _ = (model, texts);
        Err(ProviderError::invalid(format!("{} has no embeddings", self.name())))
    }
}
