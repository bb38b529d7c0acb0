//! Detectors that look at runs of digits. A number may be the tax number of twenty countries: one pass
//! over it tells which.

use std::sync::OnceLock;

use regex::bytes::RegexSet;

use crate::detector::{Detector, Trigger, pattern::together};

/// All detectors whose trigger is [`Trigger::Run`].
pub(super) struct Numbers {
    /// Detectors that are always tried, and the lengths of runs that they ask for.
    free: Vec<(usize, u32)>,
    /// Their patterns in the same order, as one; none where they are too large together. Those that wait
    /// for a word are no part of it: so many at once have more states than any cache holds.
    free_patterns: OnceLock<Option<RegexSet>>,
    /// Detectors that wait for a word.
    gated: Vec<(usize, u32)>,
    /// The farthest that any of them reaches.
    reach: (usize, usize),
}

/// A stretch of text with runs of digits: where, and bit n for a run of n.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) start: usize,
    pub(super) end: usize,
    lengths: u32,
}

impl Numbers {
    /// `gated` says of each detector whether it waits for a word.
    pub(super) fn of(all: &[Detector], gated: &[bool]) -> Self {
        let mut numbers = Self {
            free: Vec::new(),
            free_patterns: OnceLock::new(),
            gated: Vec::new(),
            reach: (0, 0),
        };
        for (index, detector) in all.iter().enumerate() {
            if let Trigger::Run(lengths) = detector.trigger {
                let waits = gated.get(index).copied().unwrap_or(false);
                let list = if waits { &mut numbers.gated } else { &mut numbers.free };
                list.push((index, lengths));
                let (before, after) = detector.reach;
                numbers.reach = (numbers.reach.0.max(before), numbers.reach.1.max(after));
            }
        }
        numbers
    }

    /// Notes a run of digits; stretches that touch become one.
    pub(super) fn note(&self, stretches: &mut Vec<Stretch>, start: usize, end: usize, last: usize) {
        let lengths = 1_u32.checked_shl(u32::try_from(end - start).unwrap_or(u32::MAX));
        let any = !self.free.is_empty() || !self.gated.is_empty();
        let Some(lengths) = lengths.filter(|_| any) else { return };
        let (start, end) = (start.saturating_sub(self.reach.0), (end + self.reach.1).min(last));
        match stretches.last_mut() {
            Some(stretch) if start <= stretch.end => {
                stretch.end = end;
                stretch.lengths |= lengths;
            }
            _ => stretches.push(Stretch { start, end, lengths }),
        }
    }

    /// Calls back with every detector that may match in the stretch, those that wait included.
    pub(super) fn which(
        &self,
        all: &[Detector],
        text: &[u8],
        stretch: &Stretch,
        mut wake: impl FnMut(usize),
    ) {
        let fits = |&(detector, lengths): &(usize, u32)| {
            (lengths & stretch.lengths != 0).then_some(detector)
        };
        self.gated.iter().filter_map(fits).for_each(&mut wake);
        let patterns = self
            .free_patterns
            .get_or_init(|| together(self.free.iter().map(|(index, _)| &all[*index].pattern)));
        match patterns {
            // The stretch's ends may let more match than the whole text does, never less.
            Some(set) => {
                let matching = set.matches(&text[stretch.start..stretch.end]);
                matching.iter().filter_map(|n| fits(self.free.get(n)?)).for_each(&mut wake);
            }
            None => self.free.iter().filter_map(fits).for_each(&mut wake),
        }
    }
}
