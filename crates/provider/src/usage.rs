//! Token counts as a provider reports them, with a mark that says what they contain.
//!
//! Nothing is added up or split here. Whoever prices an answer turns these numbers into disjoint
//! buckets with the help of [`TokenSemantics`].

use serde::Serialize;
use serde_json::Value;

/// What a provider's totals contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TokenSemantics {
    /// `input_tokens` contains the cached tokens (read and written).
    pub input_includes_cache: bool,
    /// `output_tokens` contains the reasoning tokens.
    pub output_includes_reasoning: bool,
}

/// One answer's token counts, unchanged. `None` means "not reported", which is not zero.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReportedUsage {
    /// What the totals below contain.
    pub semantics: TokenSemantics,
    /// Tokens of the prompt.
    pub input_tokens: Option<u64>,
    /// Tokens of the answer.
    pub output_tokens: Option<u64>,
    /// Prompt tokens read from a cache.
    pub cache_read_tokens: Option<u64>,
    /// Prompt tokens written to a cache, all lifetimes together.
    pub cache_write_tokens: Option<u64>,
    /// Of these, written for five minutes.
    pub cache_write_5m_tokens: Option<u64>,
    /// Of these, written for one hour.
    pub cache_write_1h_tokens: Option<u64>,
    /// Tokens of the model's reasoning.
    pub reasoning_tokens: Option<u64>,
    /// Audio tokens of the prompt, part of `input_tokens`.
    pub input_audio_tokens: Option<u64>,
    /// Audio tokens of the answer, part of `output_tokens`.
    pub output_audio_tokens: Option<u64>,
    /// Prompt tokens that the provider's own tools caused; beside `input_tokens`, not part of it.
    pub tool_use_input_tokens: Option<u64>,
    /// The provider's own sum.
    pub total_tokens: Option<u64>,
    /// Web searches the provider ran for this answer.
    pub web_searches: Option<u64>,
    /// What the call cost in US dollars, where the provider says so; finite and not negative.
    pub cost_usd: Option<f64>,
    /// The provider's usage object as it came (merged where it comes in parts).
    pub raw: Value,
}

impl ReportedUsage {
    /// Nothing reported yet.
    pub(crate) fn empty(semantics: TokenSemantics, raw: Value) -> Self {
        Self {
            semantics,
            input_tokens: None,
            output_tokens: None,
            cache_read_tokens: None,
            cache_write_tokens: None,
            cache_write_5m_tokens: None,
            cache_write_1h_tokens: None,
            reasoning_tokens: None,
            input_audio_tokens: None,
            output_audio_tokens: None,
            tool_use_input_tokens: None,
            total_tokens: None,
            web_searches: None,
            cost_usd: None,
            raw,
        }
    }

    /// Corrects the mark where the numbers contradict it: parts greater than their whole are
    /// beside it, and a sum that needs the reasoning tokens once more says that they are too.
    pub(crate) fn with_semantics_checked(mut self) -> Self {
        let cache = self
            .cache_read_tokens
            .unwrap_or(0)
            .saturating_add(self.cache_write_tokens.unwrap_or(0));
        if self.input_tokens.is_some_and(|input| cache > input) {
            self.semantics.input_includes_cache = false;
        }
        let reasoning = self.reasoning_tokens.unwrap_or(0);
        if let Some(output) = self.output_tokens
            && reasoning > 0
        {
            let apart = self.input_tokens.and_then(|input| {
                input.checked_add(output).and_then(|sum| sum.checked_add(reasoning))
            });
            if reasoning > output || (apart.is_some() && apart == self.total_tokens) {
                self.semantics.output_includes_reasoning = false;
            }
        }
        self
    }
}
