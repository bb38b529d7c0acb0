//! Token usage in disjoint buckets.

use serde::{Deserialize, Serialize};

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Tokens and requests of one call in buckets that do not overlap: their sum is the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Input text tokens that were not read from a cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub input_uncached: u64,
    /// Input tokens read from a prompt cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_read: u64,
    /// Input tokens written to a prompt cache that lives five minutes (or an unstated time).
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_5m: u64,
    /// Input tokens written to a prompt cache that lives an hour.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_1h: u64,
    /// Input audio tokens.
    #[serde(skip_serializing_if = "is_zero")]
    pub input_audio: u64,
    /// Input image tokens.
    #[serde(skip_serializing_if = "is_zero")]
    pub input_image: u64,
    /// Output text tokens without reasoning.
    #[serde(skip_serializing_if = "is_zero")]
    pub output_text: u64,
    /// Reasoning tokens.
    #[serde(skip_serializing_if = "is_zero")]
    pub output_reasoning: u64,
    /// Output audio tokens.
    #[serde(skip_serializing_if = "is_zero")]
    pub output_audio: u64,
    /// Output image tokens.
    #[serde(skip_serializing_if = "is_zero")]
    pub output_image: u64,
    /// Billed requests beyond the call itself.
    #[serde(skip_serializing_if = "is_zero")]
    pub requests: u64,
    /// Billed web searches.
    #[serde(skip_serializing_if = "is_zero")]
    pub web_searches: u64,
}

impl Usage {
    /// All input tokens, caches included.
    pub fn input_tokens(&self) -> u64 {
        [
            self.input_uncached,
            self.cache_read,
            self.cache_write_5m,
            self.cache_write_1h,
            self.input_audio,
            self.input_image,
        ]
        .iter()
        .fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// All output tokens, reasoning included.
    pub fn output_tokens(&self) -> u64 {
        [self.output_text, self.output_reasoning, self.output_audio, self.output_image]
            .iter()
            .fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// Adds another usage, bucket by bucket; saturates.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets_mut().into_iter().zip(other.buckets()) {
            *mine = mine.saturating_add(theirs);
        }
    }

    /// The buckets in the order of the fields, as stores keep them.
    pub fn buckets(&self) -> [u64; 12] {
        [
            self.input_uncached,
            self.cache_read,
            self.cache_write_5m,
            self.cache_write_1h,
            self.input_audio,
            self.input_image,
            self.output_text,
            self.output_reasoning,
            self.output_audio,
            self.output_image,
            self.requests,
            self.web_searches,
        ]
    }

    /// The usage whose [`buckets`](Self::buckets) these are.
    pub fn from_buckets(buckets: [u64; 12]) -> Self {
        let mut usage = Self::default();
        for (mine, n) in usage.buckets_mut().into_iter().zip(buckets) {
            *mine = n;
        }
        usage
    }

    fn buckets_mut(&mut self) -> [&mut u64; 12] {
        [
            &mut self.input_uncached,
            &mut self.cache_read,
            &mut self.cache_write_5m,
            &mut self.cache_write_1h,
            &mut self.input_audio,
            &mut self.input_image,
            &mut self.output_text,
            &mut self.output_reasoning,
            &mut self.output_audio,
            &mut self.output_image,
            &mut self.requests,
            &mut self.web_searches,
        ]
    }
}

/// Which sums a source's totals already hold. Recorded on the span, since sources differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSemantics {
    /// The input total includes cached tokens.
    pub input_includes_cache: bool,
    /// The output total includes reasoning tokens.
    pub output_includes_reasoning: bool,
}

/// Usage as a source reported it, before it is split into disjoint buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReportedUsage {
    /// Input total.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<u64>,
    /// Output total.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<u64>,
    /// Grand total.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Cache reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<u64>,
    /// Cache writes of any lifetime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
    /// Of those, with a lifetime of five minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_5m: Option<u64>,
    /// Of those, with a lifetime of an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<u64>,
    /// Reasoning tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<u64>,
    /// Input audio tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_audio: Option<u64>,
    /// Input image tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_image: Option<u64>,
    /// Output audio tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_audio: Option<u64>,
    /// Output image tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_image: Option<u64>,
    /// Web searches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_searches: Option<u64>,
}

impl ReportedUsage {
    /// Whether nothing was reported.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Splits the report into disjoint buckets. When the numbers contradict the stated semantics
    /// (more cached than input, more reasoning than output) the totals are taken as exclusive, and
    /// the semantics that were used are returned.
    pub fn split(&self, stated: TokenSemantics) -> (Usage, TokenSemantics) {
        let n = |value: Option<u64>| value.unwrap_or(0);
        let write_1h = n(self.cache_write_1h);
        let write =
            self.cache_write.unwrap_or(0).max(n(self.cache_write_5m).saturating_add(write_1h));
        let cached = n(self.cache_read).saturating_add(write);
        let media_in = n(self.input_audio).saturating_add(n(self.input_image));
        let media_out = n(self.output_audio).saturating_add(n(self.output_image));
        let reasoning = n(self.reasoning);

        let mut used = stated;
        if self.input.is_some_and(|input| cached > input) {
            used.input_includes_cache = false;
        }
        let input = self.input.or_else(|| {
            let output = self.output?;
            Some(self.total?.saturating_sub(output))
        });
        let output = self.output.or_else(|| Some(self.total?.saturating_sub(self.input?)));
        if output.is_some_and(|output| reasoning > output) {
            used.output_includes_reasoning = false;
        }
        let input_rest =
            n(input).saturating_sub(if used.input_includes_cache { cached } else { 0 });
        let output_rest =
            n(output).saturating_sub(if used.output_includes_reasoning { reasoning } else { 0 });
        let usage = Usage {
            input_uncached: input_rest.saturating_sub(media_in),
            cache_read: n(self.cache_read),
            cache_write_5m: write.saturating_sub(write_1h),
            cache_write_1h: write_1h,
            input_audio: n(self.input_audio),
            input_image: n(self.input_image),
            output_text: output_rest.saturating_sub(media_out),
            output_reasoning: reasoning,
            output_audio: n(self.output_audio),
            output_image: n(self.output_image),
            requests: 0,
            web_searches: n(self.web_searches),
        };
        (usage, used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INCLUSIVE: TokenSemantics =
        TokenSemantics { input_includes_cache: true, output_includes_reasoning: true };

    #[test]
    fn inclusive_totals_are_split_without_counting_twice() {
        let report = ReportedUsage {
            input: Some(100),
            output: Some(50),
            cache_read: Some(40),
            reasoning: Some(20),
            ..Default::default()
        };
        let (usage, _) = report.split(INCLUSIVE);
        assert_eq!(
            (usage.input_uncached, usage.cache_read, usage.output_text, usage.output_reasoning),
            (60, 40, 30, 20)
        );
        assert_eq!((usage.input_tokens(), usage.output_tokens()), (100, 50));
    }

    #[test]
    fn numbers_that_contradict_the_semantics_are_taken_as_exclusive() {
        let report = ReportedUsage {
            input: Some(10),
            output: Some(5),
            cache_read: Some(1000),
            reasoning: Some(80),
            ..Default::default()
        };
        let (usage, used) = report.split(INCLUSIVE);
        assert!(!used.input_includes_cache && !used.output_includes_reasoning);
        assert_eq!((usage.input_tokens(), usage.output_tokens()), (1010, 85));
    }
}
