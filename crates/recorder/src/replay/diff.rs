//! How one run differs from another: texts, tool calls, latency, tokens, money.

use serde::Serialize;
use similar::{ChangeTag, TextDiff};
use std::time::Duration;

/// Longest text that is compared word by word; the rest counts by its length.
const TEXT_CHARS_MAX: usize = 20_000;
/// Longest time for one comparison; then a coarser one stands.
const PATIENCE: Duration = Duration::from_millis(200);

/// One step, as it was and as it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepDiff {
    /// The original span.
    pub span_id: String,
    /// The span of the replay.
    pub replay_span_id: String,
    /// Its name.
    pub name: String,
    /// Whether it was run, or copied from the capture.
    pub executed: bool,
    /// Whether the texts are equal.
    pub same: bool,
    /// Whether the same tools were asked for, with the same arguments.
    pub same_tools: bool,
    /// How alike the texts are, 0 to 1.
    pub similarity: f64,
    /// Removed and added lines.
    pub changes: Vec<String>,
    /// Other tools were asked for than captured ones; the captured conversation was held from here.
    pub diverged: bool,
    /// Stable name of the failure, if it failed.
    pub error: Option<String>,
    /// Milliseconds, before and after.
    pub latency_ms: (Option<f64>, Option<f64>),
    /// Input tokens, before and after.
    pub tokens_in: (Option<u64>, Option<u64>),
    /// Output tokens, before and after.
    pub tokens_out: (Option<u64>, Option<u64>),
    /// Billionths of a dollar, before and after.
    pub cost_nano_usd: (Option<i64>, Option<i64>),
}

/// How alike two texts are: 1 equal, 0 nothing in common. By words, in order.
pub fn similarity(a: &str, b: &str) -> f64 {
    if a == b {
        return 1.0;
    }
    let cut = |text: &str| text.chars().take(TEXT_CHARS_MAX).collect::<String>();
    let (a, b) = (cut(a.trim()), cut(b.trim()));
    if a == b {
        return 1.0;
    }
    // Spaces between words are alike in all texts.
    let (a, b): (Vec<&str>, Vec<&str>) =
        (a.split_whitespace().collect(), b.split_whitespace().collect());
    f64::from(TextDiff::configure().timeout(PATIENCE).diff_slices(&a, &b).ratio())
}

/// The lines that went and came, `-` and `+`, at most `most`.
pub fn changes(a: &str, b: &str, most: usize) -> Vec<String> {
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(a, b);
    diff.iter_all_changes()
        .filter_map(|change| {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => return None,
            };
            Some(format!("{sign}{}", change.value().trim_end_matches('\n')))
        })
        .take(most)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likeness_goes_from_nothing_to_all() {
        assert!((similarity("a b c", "a b c") - 1.0).abs() < 1e-9);
        assert!((similarity("a  b c", "a b c ") - 1.0).abs() < 1e-9);
        assert!(similarity("a b c d", "a b x d") > 0.7);
        assert!(similarity("a b c", "x y z") < 0.01);
        assert!(similarity("", "x") < 0.01);
    }

    #[test]
    fn changed_lines_are_told() {
        assert_eq!(changes("a\nb\n", "a\nc\n", 9), ["-b", "+c"]);
    }
}
