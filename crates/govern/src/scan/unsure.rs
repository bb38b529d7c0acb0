//! What may be something, and may be not: kept of what models are asked and say, a little of each, so that
//! somebody who looks for it finds it, and counted nowhere.
//!
//! Nine digits may be a tax number or an order; a date is personal data to some and noise to most. All of
//! them together would bury what is sure, so only so many are kept.

use std::collections::BTreeSet;

use super::{Engine, Hit, Look, SPAN_SCORE_MILLI_MIN, Scratch, overlap};

/// What is less sure than this is not even kept.
pub(super) const SCORE_MILLI_MIN: u16 = 200;
/// Unsure hits of one detector in one span.
const EACH: usize = 4;
/// Unsure hits of one span that overlaps are resolved among.
pub(super) const TRIED_MAX: usize = 64;
/// Unsure findings of one span.
const KEPT_MAX: usize = 16;

/// What was kept of one span.
#[derive(Default)]
pub(super) struct Tally {
    /// By detector.
    each: Vec<usize>,
    tried: usize,
    kept: usize,
}

impl Tally {
    /// Whether no more of this detector are wanted, of which there may be `most`.
    pub(super) fn is_full(&self, detector: usize, most: usize) -> bool {
        let seen = self.each.get(detector).copied().unwrap_or(0);
        seen >= most || (most != usize::MAX && self.tried >= TRIED_MAX)
    }

    /// Counts one more, where it is wanted.
    pub(super) fn take(&mut self, detector: usize, most: usize) -> bool {
        if self.is_full(detector, most) {
            return false;
        }
        if self.each.len() <= detector {
            self.each.resize(detector + 1, 0);
        }
        self.each[detector] += 1;
        self.tried += 1;
        true
    }
}

impl Engine {
    /// As [`scan`](Self::scan), of what a model was asked or said: with it comes what is unsure, and what
    /// else a sure hit may be, as less sure than what counts.
    pub(crate) fn scan_content(
        &self,
        text: &str,
        key: Option<&str>,
        scratch: &mut Scratch,
    ) -> Vec<Hit> {
        let place = self.clean.place(text, key, true);
        if place.is_known() {
            return Vec::new();
        }
        let look = Look { key, widely: true, free: Some(&self.free_unsure), unsure_each: EACH };
        let mut all = self.scan_raw(text, look, scratch);
        all.retain(|hit| hit.score_milli >= SCORE_MILLI_MIN);
        if all.is_empty() {
            if !scratch.spent {
                place.remember();
            }
            return all;
        }
        let mut sure: Vec<Hit> = all.iter().filter(|hit| hit.is_sure()).cloned().collect();
        overlap::resolve(&mut sure, &self.detectors, false);
        overlap::resolve(&mut all, &self.detectors, true);
        let known: BTreeSet<_> =
            sure.iter().map(|hit| (hit.start, hit.end, hit.detector)).collect();
        // Part of what was confirmed as something else means nothing by itself.
        let is_part = |hit: &Hit| {
            let whole = |s: &&Hit| s.validated && s.start <= hit.start && hit.end <= s.end;
            sure.iter().filter(whole).any(|s| s.end - s.start > hit.end - hit.start)
        };
        all.retain(|hit| !known.contains(&(hit.start, hit.end, hit.detector)) && !is_part(hit));
        all.sort_by_key(|hit| (std::cmp::Reverse(hit.score_milli), hit.start, hit.detector));
        all.truncate(KEPT_MAX.saturating_sub(scratch.unsure.kept));
        scratch.unsure.kept += all.len();
        sure.extend(
            all.into_iter().map(|hit| Hit {
                score_milli: hit.score_milli.min(SPAN_SCORE_MILLI_MIN - 1),
                ..hit
            }),
        );
        sure.sort_by_key(|hit| (hit.start, hit.end, hit.detector));
        sure
    }
}
