//! Finding: which detectors match in a text, where and how surely.
//!
//! Clean text is passed in two quick sweeps: one bitmap of all keywords ([`keyword`]), one look at byte classes
//! ([`shape`]). Only around what they notice are patterns tried, then validators, then the words nearby.
//! Text with escapes, full-width or invisible characters is looked at again through a [`view`].

mod keyword;
mod overlap;
mod shape;
mod view;

use std::collections::BTreeMap;

use crate::detector::{Check, Detector, Trigger, validator::entropy};
use keyword::Keywords;
use view::View;

/// Most findings of one span. Beyond it the span is marked and the rest is not looked at.
pub const FINDINGS_MAX: usize = 1_000;
/// Bytes before and after a match in which context words count.
const CONTEXT_REACH: (usize, usize) = (64, 32);
/// Bytes after a keyword in which one of the detector's `follow` bytes must stand.
const FOLLOW_REACH: usize = 28;
/// Views are made of so many bytes at a time, so that memory stays bounded; pieces overlap by the second.
const VIEW_BYTES: (usize, usize) = (256 << 10, 8 << 10);

/// Something found in a text.
#[derive(Clone)]
pub(crate) struct Hit {
    /// Index of the detector.
    pub(crate) detector: usize,
    /// Byte range in the text as it was given.
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) score_milli: u16,
    pub(crate) validated: bool,
    /// What was matched, as it reads without escapes. Never leaves the evaluation.
    pub(crate) value: String,
}

/// Something found in a text that is not part of a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFinding {
    /// The detector's id.
    pub rule: String,
    /// What it found.
    pub entity: String,
    /// What it is about.
    pub category: exhibit_model::FindingCategory,
    /// Byte range.
    pub start: usize,
    /// End of the range.
    pub end: usize,
    /// How sure, in thousandths.
    pub score_milli: u16,
    /// Whether a checksum or structure confirmed it.
    pub validated: bool,
}

/// All detectors, compiled into one sweep.
pub(crate) struct Engine {
    pub(crate) detectors: Vec<Detector>,
    keywords: Keywords,
    shapes: shape::Shapes,
}

/// Places in a text where a detector's pattern is to be tried; kept between texts to save allocations.
#[derive(Default)]
pub(crate) struct Scratch {
    windows: Vec<Window>,
}

/// Ordered by detector, then place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Window {
    detector: usize,
    start: usize,
    end: usize,
}

impl Engine {
    /// Builds the sweep.
    pub(crate) fn new(detectors: Vec<Detector>) -> Self {
        let mut words: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, detector) in detectors.iter().enumerate() {
            let Trigger::Keywords(keywords) = &detector.trigger else { continue };
            for keyword in keywords {
                let woken = words.entry(keyword.to_ascii_lowercase()).or_default();
                if !woken.contains(&index) {
                    woken.push(index);
                }
            }
        }
        let keywords = Keywords::new(words.into_iter().collect());
        Self { shapes: shape::Shapes::of(&detectors), detectors, keywords }
    }

    /// Finds everything in a text. `key` is the name under which it stands, which counts as context.
    /// Hits come in order and do not overlap within a category; at most [`FINDINGS_MAX`].
    pub(crate) fn scan(&self, text: &str, key: Option<&str>, scratch: &mut Scratch) -> Vec<Hit> {
        let mut hits = self.scan_raw(text, key, scratch);
        if hits.len() > 1 {
            overlap::resolve(&mut hits, &self.detectors);
        }
        hits
    }

    /// As [`Self::scan`], before overlaps are resolved.
    pub(crate) fn scan_raw(
        &self,
        text: &str,
        key: Option<&str>,
        scratch: &mut Scratch,
    ) -> Vec<Hit> {
        let mut hits = Vec::new();
        if !text.is_ascii() && view::hides_characters(text) {
            self.scan_views(text, key, scratch, &mut hits);
            return hits;
        }
        self.sweep(text, scratch);
        if scratch.windows.is_empty() {
            return hits;
        }
        if text.contains('\\') {
            self.scan_views(text, key, scratch, &mut hits);
        } else {
            self.try_patterns(text, key, scratch, &mut hits);
        }
        hits
    }

    fn scan_views(
        &self,
        text: &str,
        key: Option<&str>,
        scratch: &mut Scratch,
        hits: &mut Vec<Hit>,
    ) {
        let mut from = 0;
        while from < text.len() && hits.len() < FINDINGS_MAX {
            let to = text.floor_char_boundary((from + VIEW_BYTES.0).min(text.len()));
            let view = View::of(&text[from..to]);
            let first = hits.len();
            self.sweep(&view.text, scratch);
            self.try_patterns(&view.text, key, scratch, hits);
            for hit in &mut hits[first..] {
                (hit.start, hit.end) = (from + view.start(hit.start), from + view.end(hit.end));
            }
            if to == text.len() {
                break;
            }
            from = text.floor_char_boundary(to - VIEW_BYTES.1);
        }
    }

    /// Notes where patterns are worth trying.
    fn sweep(&self, text: &str, scratch: &mut Scratch) {
        scratch.windows.clear();
        let bytes = text.as_bytes();
        self.keywords.sweep(bytes, |detector, start, end| {
            self.note(detector, start, end, bytes, scratch);
        });
        self.shapes.sweep(bytes, |detector, start, end| {
            self.note(detector, start, end, bytes, scratch);
        });
        // Windows of one detector that touch become one, so that no byte is tried twice.
        scratch.windows.sort_unstable();
        scratch.windows.dedup_by(|next, kept| {
            let touches = kept.detector == next.detector && next.start <= kept.end;
            if touches {
                kept.end = kept.end.max(next.end);
            }
            touches
        });
    }

    fn note(&self, detector: usize, start: usize, end: usize, text: &[u8], scratch: &mut Scratch) {
        let Detector { reach: (before, after), follow, .. } = &self.detectors[detector];
        if !follow.is_empty() {
            let near = &text[end..(end + FOLLOW_REACH).min(text.len())];
            if !near.iter().any(|byte| follow.contains(byte)) {
                return;
            }
        }
        let (start, end) = (start.saturating_sub(*before), (end + after).min(text.len()));
        // Keywords come in order of their ends: most windows grow the last one of their detector.
        if let Some(last) = scratch.windows.last_mut()
            && last.detector == detector
            && start <= last.end
            && last.start <= start
        {
            last.end = last.end.max(end);
            return;
        }
        scratch.windows.push(Window { detector, start, end });
    }

    fn try_patterns(&self, text: &str, key: Option<&str>, scratch: &Scratch, hits: &mut Vec<Hit>) {
        for window in &scratch.windows {
            let detector = &self.detectors[window.detector];
            let mut at = window.start;
            while at < window.end && hits.len() < FINDINGS_MAX {
                let Some((start, end)) = find(detector, text, at, window.end) else { break };
                if let Some(hit) = judge(detector, window.detector, text, key, start, end) {
                    hits.push(hit);
                }
                // What follows a value may lead the next one.
                at = end.max(at + 1);
            }
        }
    }
}

/// The range of the next value.
fn find(detector: &Detector, text: &str, at: usize, end: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let found = detector.pattern.find_at(&bytes[..end], at)?;
    let mut limit = end;
    let mut whole = found.range();
    // What ends where the window ends may be longer: look once more, further.
    if whole.end == end && end < bytes.len() {
        limit = (end + 4 * detector.reach.1).min(bytes.len());
        whole = detector.pattern.find_at(&bytes[..limit], whole.start)?.range();
    }
    let value = match detector.group {
        None => whole.clone(),
        Some(group) => {
            let captures = detector.pattern.captures_at(&bytes[..limit], whole.start)?;
            captures.get(group).map_or(whole.clone(), |value| value.range())
        }
    };
    let start = text.floor_char_boundary(value.start);
    Some((start, text.ceil_char_boundary(value.end)))
}

/// Validator, entropy, placeholders and context decide whether a match is a hit.
fn judge(
    detector: &Detector,
    index: usize,
    text: &str,
    key: Option<&str>,
    start: usize,
    end: usize,
) -> Option<Hit> {
    let value = text.get(start..end).filter(|value| !value.is_empty())?;
    let check = detector.validator.map_or(Check::Possible, |validator| validator.check(value));
    if check == Check::Refuted {
        return None;
    }
    if detector.min_entropy.is_some_and(|floor| entropy(value.as_bytes()) < floor) {
        return None;
    }
    if !detector.stop.is_empty() {
        let lower = value.to_ascii_lowercase();
        if detector.stop.iter().any(|word| lower.contains(word.as_str())) {
            return None;
        }
    }
    let validated = check == Check::Confirmed;
    let mut score_milli = if validated { 1_000 } else { detector.score_milli };
    if score_milli < 1_000
        && !detector.context.is_empty()
        && in_context(detector, text, key, start, end)
    {
        score_milli = (score_milli + detector.boost_milli).min(1_000);
    }
    (score_milli >= detector.min_score_milli).then(|| Hit {
        detector: index,
        start,
        end,
        score_milli,
        validated,
        value: value.to_owned(),
    })
}

fn in_context(
    detector: &Detector,
    text: &str,
    key: Option<&str>,
    start: usize,
    end: usize,
) -> bool {
    let from = text.floor_char_boundary(start.saturating_sub(CONTEXT_REACH.0));
    let to = text.ceil_char_boundary((end + CONTEXT_REACH.1).min(text.len()));
    let near = [Some(&text[from..start]), Some(&text[end..to]), key];
    near.into_iter().flatten().any(|near| {
        let near = near.to_ascii_lowercase();
        detector.context.iter().any(|word| has_word(&near, word))
    })
}

/// Whether a word stands in a text, not as the inside of another word. A word may be the end of a name
/// such as `customer_ssn`.
fn has_word(text: &str, word: &str) -> bool {
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphabetic());
    text.match_indices(word).any(|(at, _)| {
        !letter(text[..at].chars().next_back()) && !letter(text[at + word.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::has_word;

    #[test]
    fn context_words_are_whole_words() {
        assert!(has_word("customer_ssn: ", "ssn"));
        assert!(!has_word("classname", "ssn"));
        assert!(has_word("phone number", "phone"));
    }
}
