//! Finding: which detectors match in a text, where and how surely.
//!
//! Clean text is passed in two quick sweeps: one bitmap of all keywords ([`keyword`]), one look at byte classes
//! ([`shape`]). Only around what they notice are patterns tried, then validators, then the words nearby.
//! Text with escapes, full-width or invisible characters is looked at through a [`view`]. A [`clean`] text
//! that comes again is not looked at twice.

mod clean;
mod decoded;
mod keyword;
mod media;
mod numbers;
mod overlap;
mod piece;
mod shape;
mod unsure;
mod view;

use std::collections::BTreeMap;

use exhibit_model::Finding;

use crate::detector::{Check, Detector, Trigger, validator::entropy};
use clean::Clean;
use keyword::Keywords;
use numbers::{Numbers, Stretches};

/// Most findings of one span. Beyond it the span is marked and the rest is not looked at.
pub const FINDINGS_MAX: usize = 1_000;
/// Most places that are kept while a span is looked at; some of them are unsure.
const HITS_MAX: usize = FINDINGS_MAX + unsure::TRIED_MAX;
/// What is less sure than this counts for nothing in a span.
const SPAN_SCORE_MILLI_MIN: u16 = Finding::SURE_SCORE_MILLI;
/// Bytes before and after a match in which context words count.
const CONTEXT_REACH: (usize, usize) = (64, 32);
/// Bytes after a keyword in which one of the detector's `follow` bytes must stand.
const FOLLOW_REACH: usize = 28;

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

impl Hit {
    /// Whether it counts in a span.
    pub(crate) fn is_sure(&self) -> bool {
        self.score_milli >= SPAN_SCORE_MILLI_MIN
    }
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
    /// Words of detectors that can be sure of something, and words that arm others.
    keywords: Keywords,
    /// All words.
    keywords_wide: Keywords,
    shapes: shape::Shapes,
    numbers: Numbers,
    /// Detectors whose shape is worth a look without one of their context words in the text.
    free: Vec<bool>,
    /// Detectors whose shape is worth a look for something unsure.
    free_unsure: Vec<bool>,
    /// Detectors that are listened for: what [`Scratch::heard`] says of them is so.
    listened: Vec<bool>,
    /// Detectors that find nothing sure without a context word near.
    weak: Vec<bool>,
    clean: Clean,
}

/// Places in a text where a detector's pattern is to be tried; kept between texts to save allocations.
#[derive(Default)]
pub(crate) struct Scratch {
    windows: Vec<Window>,
    /// By detector: one more than the place of its last window.
    last: Vec<usize>,
    stretches: Stretches,
    /// Detectors of which a context word stands somewhere in the text or its name.
    heard: Vec<bool>,
    /// By detector: bytes it has looked at in this span.
    steps: Vec<usize>,
    /// Some detector has looked at more than it may.
    spent: bool,
    /// What was found in this span that is unsure.
    unsure: unsure::Tally,
}

impl Scratch {
    /// Detectors that were cut off because they had looked at too much.
    pub(crate) fn cut_off<'a>(&'a self, engine: &'a Engine) -> impl Iterator<Item = &'a Detector> {
        let spent = self.steps.iter().zip(&engine.detectors);
        spent.filter(|(steps, detector)| **steps > detector.steps_max).map(|(_, detector)| detector)
    }
}

/// How a text is looked at.
#[derive(Debug, Clone, Copy)]
struct Look<'a> {
    /// The name under which it stands.
    key: Option<&'a str>,
    /// Whether detectors are tried that find nothing sure without context.
    widely: bool,
    /// Detectors that are tried although none of their context words stands in the text; all, if none.
    free: Option<&'a [bool]>,
    /// How many unsure hits of each detector are kept.
    unsure_each: usize,
}

/// A place in a text, and a detector to try there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    detector: usize,
    start: usize,
    end: usize,
}

impl Engine {
    /// Builds the sweep.
    pub(crate) fn new(detectors: Vec<Detector>) -> Self {
        let weak: Vec<bool> =
            detectors.iter().map(|d| d.needs_context(SPAN_SCORE_MILLI_MIN)).collect();
        let hopeless = |n: usize| weak[n] && detectors[n].context.is_empty();
        let keyed = |d: &Detector| matches!(d.trigger, Trigger::Keywords(_));
        let gated: Vec<bool> = detectors
            .iter()
            .enumerate()
            .map(|(n, d)| weak[n] && (hopeless(n) || !keyed(d)))
            .collect();
        let mut words: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut words_wide: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, detector) in detectors.iter().enumerate() {
            if let Trigger::Keywords(keywords) = &detector.trigger {
                for keyword in keywords {
                    wake(&mut words_wide, keyword, index);
                    if !hopeless(index) {
                        wake(&mut words, keyword, index);
                    }
                }
            } else if gated[index] {
                for word in detector.context.iter().filter(|word| word.len() > 2) {
                    // Above all detectors: it is heard for one, and wakes none.
                    wake(&mut words, word, index + detectors.len());
                    wake(&mut words_wide, word, index + detectors.len());
                }
            }
        }
        let listened = |(n, d): (usize, &Detector)| {
            gated[n] && !keyed(d) && d.context.iter().all(|word| word.len() > 2)
        };
        let unsure =
            |(n, d): (usize, &Detector)| !gated[n] || !d.needs_context(unsure::SCORE_MILLI_MIN);
        Self {
            keywords: Keywords::new(words.into_iter().collect()),
            keywords_wide: Keywords::new(words_wide.into_iter().collect()),
            shapes: shape::Shapes::of(&detectors),
            numbers: Numbers::of(&detectors),
            free_unsure: detectors.iter().enumerate().map(unsure).collect(),
            listened: detectors.iter().enumerate().map(listened).collect(),
            weak,
            free: gated.iter().map(|gated| !gated).collect(),
            detectors,
            clean: Clean::new(),
        }
    }

    /// Finds what counts in a text. `key` is the name under which it stands, which counts as context.
    /// Hits come in order and do not overlap within a category; at most [`FINDINGS_MAX`].
    pub(crate) fn scan(&self, text: &str, key: Option<&str>, scratch: &mut Scratch) -> Vec<Hit> {
        let place = self.clean.place(text, key, false);
        if place.is_known() {
            return Vec::new();
        }
        let look = Look { key, widely: false, free: Some(&self.free), unsure_each: 0 };
        let mut hits = self.scan_raw(text, look, scratch);
        if hits.is_empty() && !scratch.spent {
            place.remember();
        }
        if hits.len() > 1 {
            overlap::resolve(&mut hits, &self.detectors, false);
        }
        hits
    }

    /// Finds everything, however unsure; hits of one entity do not overlap.
    pub(crate) fn scan_widely(&self, text: &str, scratch: &mut Scratch) -> Vec<Hit> {
        let look = Look { key: None, widely: true, free: None, unsure_each: usize::MAX };
        let mut hits = self.scan_raw(text, look, scratch);
        if hits.len() > 1 {
            overlap::resolve(&mut hits, &self.detectors, true);
        }
        hits
    }

    /// Whether a detector finds anything in a text, whatever others find there.
    pub(crate) fn finds(&self, detector: usize, text: &str, scratch: &mut Scratch) -> bool {
        let look = Look { key: None, widely: true, free: None, unsure_each: usize::MAX };
        self.scan_raw(text, look, scratch).iter().any(|hit| hit.detector == detector)
    }

    /// Notes where patterns are worth trying.
    fn sweep(&self, text: &str, look: Look<'_>, scratch: &mut Scratch) {
        let bytes = text.as_bytes();
        let count = self.detectors.len();
        scratch.last.resize(count, 0);
        scratch.windows.drain(..).for_each(|window| scratch.last[window.detector] = 0);
        scratch.stretches.clear();
        scratch.heard.clear();
        scratch.heard.resize(count, false);
        let is_free = |detector: usize| look.free.is_none_or(|free| free[detector]);
        let keywords = if look.widely { &self.keywords_wide } else { &self.keywords };
        if let Some(key) = look.key {
            keywords.sweep(key.as_bytes(), |detector, _, _| {
                if let Some(heard) = detector.checked_sub(count) {
                    scratch.heard[heard] = true;
                }
            });
        }
        keywords.sweep(bytes, |detector, start, end| match detector.checked_sub(count) {
            Some(heard) => scratch.heard[heard] = true,
            None => self.note(detector, start, end, bytes, scratch),
        });
        let mut stretches = std::mem::take(&mut scratch.stretches);
        self.shapes.sweep(
            bytes,
            |detector, start, end| {
                if is_free(detector) || scratch.heard[detector] {
                    self.note(detector, start, end, bytes, scratch);
                }
            },
            |start, end| self.numbers.note(&mut stretches, start, end, bytes.len()),
        );
        let heard = std::mem::take(&mut scratch.heard);
        self.numbers.which(
            &self.detectors,
            bytes,
            &mut stretches,
            |detector| is_free(detector) || heard[detector],
            |detector, start, end| add(scratch, detector, start, end),
        );
        scratch.heard = heard;
        scratch.stretches = stretches;
    }

    fn note(&self, detector: usize, start: usize, end: usize, text: &[u8], scratch: &mut Scratch) {
        let Detector { reach: (before, after), follow, exact, trigger, .. } =
            &self.detectors[detector];
        if *exact && !stands_exactly(trigger, text, start, end) {
            return;
        }
        if !follow.is_empty() {
            let near = &text[end..(end + FOLLOW_REACH).min(text.len())];
            if !near.iter().any(|byte| follow.contains(byte)) {
                return;
            }
        }
        let (start, end) = (start.saturating_sub(*before), (end + after).min(text.len()));
        add(scratch, detector, start, end);
    }

    fn try_patterns(&self, text: &str, look: Look<'_>, scratch: &mut Scratch, hits: &mut Vec<Hit>) {
        scratch.steps.resize(self.detectors.len(), 0);
        for window in &scratch.windows {
            let detector = &self.detectors[window.detector];
            // Without a context word in the text none stands near either.
            let deaf = self.listened[window.detector] && !scratch.heard[window.detector];
            let context = !deaf && !detector.context.is_empty();
            let only_unsure = self.weak[window.detector] && !context;
            if only_unsure && scratch.unsure.is_full(window.detector, look.unsure_each) {
                continue;
            }
            let around = &text.as_bytes()[window.start..window.end];
            if detector.pattern.need().is_some_and(|need| !need.stands_in(around)) {
                continue;
            }
            let steps = &mut scratch.steps[window.detector];
            let mut at = window.start;
            while at < window.end && hits.len() < HITS_MAX && *steps <= detector.steps_max {
                let Some((start, end)) = find(detector, text, at, window.end) else {
                    *steps += window.end - at;
                    break;
                };
                let index = window.detector;
                if let Some(hit) = judge(detector, index, text, look.key, context, (start, end)) {
                    if hit.is_sure() || scratch.unsure.take(index, look.unsure_each) {
                        hits.push(hit);
                    } else if only_unsure {
                        break;
                    }
                }
                *steps += end.saturating_sub(at).max(1);
                // What follows a value may lead the next one.
                at = end.max(at + 1);
            }
            scratch.spent |= *steps > detector.steps_max;
        }
    }
}

/// Adds a window. Those of one detector come in order: what touches the last one grows it, so that no byte
/// is tried twice.
fn add(scratch: &mut Scratch, detector: usize, start: usize, end: usize) {
    let Scratch { windows, last, .. } = scratch;
    let known = last[detector].checked_sub(1).and_then(|n| windows.get_mut(n));
    if let Some(window) = known.filter(|window| start <= window.end && window.start <= end) {
        window.start = window.start.min(start);
        window.end = window.end.max(end);
        return;
    }
    windows.push(Window { detector, start, end });
    last[detector] = windows.len();
}

/// Whether one of the words stands here as it is written, at the start of a token.
fn stands_exactly(trigger: &Trigger, text: &[u8], start: usize, end: usize) -> bool {
    let Trigger::Keywords(words) = trigger else { return true };
    let before = start.checked_sub(1).and_then(|n| text.get(n));
    let within = before.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    !within && words.iter().any(|word| text.get(start..end) == Some(word.as_bytes()))
}

/// Notes which detector a word wakes.
fn wake(words: &mut BTreeMap<String, Vec<usize>>, word: &str, detector: usize) {
    let woken = words.entry(word.to_ascii_lowercase()).or_default();
    if !woken.contains(&detector) {
        woken.push(detector);
    }
}

/// The range of the next value.
fn find(detector: &Detector, text: &str, at: usize, end: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let pattern = detector.pattern.compiled()?;
    let mut limit = end;
    let mut whole = pattern.find_at(&bytes[..end], at)?;
    // What ends where the window ends may be longer: look once more, further.
    if whole.end == end && end < bytes.len() {
        limit = (end + 4 * detector.reach.1).min(bytes.len());
        whole = pattern.find_at(&bytes[..limit], whole.start)?;
    }
    let value = pattern.value(&bytes[..limit], whole);
    Some((text.floor_char_boundary(value.start), text.ceil_char_boundary(value.end)))
}

/// Validator, entropy, placeholders and context decide whether a match is a hit. `context` says whether there
/// can be any.
fn judge(
    detector: &Detector,
    index: usize,
    text: &str,
    key: Option<&str>,
    context: bool,
    (start, end): (usize, usize),
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
    let mut score_milli = if validated { detector.alone_milli } else { detector.score_milli };
    if score_milli < 1_000 && context && in_context(detector, text, key, start, end) {
        score_milli = if validated { 1_000 } else { score_milli + detector.boost_milli }.min(1_000);
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
