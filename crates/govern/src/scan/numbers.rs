//! Detectors that look at runs of digits, tried together: a number may be the tax number of twenty
//! countries, and one pass over it tells which.
//!
//! The pass is made over the text's outline, in which all digits are one digit and all letters one letter.
//! Patterns of outlines have few states, whatever numbers a text holds; those of the texts themselves have
//! so many that remembering them costs more than matching.

use std::sync::OnceLock;

use regex::bytes::RegexSet;

use crate::detector::{
    Detector, Trigger,
    pattern::{outline, outlines_together},
};

/// Longest stretch that grows by a further run, bytes. In a log every stretch touches the next; as one, each
/// detector that may match anywhere in it would be tried on all of it.
const STRETCH_BYTES_MAX: usize = 256;

/// All detectors whose trigger is [`Trigger::Run`].
pub(super) struct Numbers {
    /// Detector, and the lengths of runs that it asks for.
    detectors: Vec<(usize, u32)>,
    /// The farthest that any of them reaches.
    reach: (usize, usize),
    /// The outlines of their patterns in the same order; none where one has none or they are too large.
    outlines: OnceLock<Option<RegexSet>>,
}

/// A stretch of text with runs of digits: where, and bit n for a run of n.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) start: usize,
    pub(super) end: usize,
    lengths: u32,
}

impl Numbers {
    pub(super) fn of(all: &[Detector]) -> Self {
        let mut numbers = Self { detectors: Vec::new(), reach: (0, 0), outlines: OnceLock::new() };
        for (index, detector) in all.iter().enumerate() {
            if let Trigger::Run(lengths) = detector.trigger {
                numbers.detectors.push((index, lengths));
                let (before, after) = detector.reach;
                numbers.reach = (numbers.reach.0.max(before), numbers.reach.1.max(after));
            }
        }
        numbers
    }

    /// Notes a run of digits; stretches that touch become one, up to a bound. Each holds whatever may match
    /// around any of its runs.
    pub(super) fn note(&self, stretches: &mut Vec<Stretch>, start: usize, end: usize, last: usize) {
        let lengths = 1_u32.checked_shl(u32::try_from(end - start).unwrap_or(u32::MAX));
        let Some(lengths) = lengths.filter(|_| !self.detectors.is_empty()) else { return };
        let (start, end) = (start.saturating_sub(self.reach.0), (end + self.reach.1).min(last));
        match stretches.last_mut() {
            Some(stretch) if start <= stretch.end && end - stretch.start <= STRETCH_BYTES_MAX => {
                stretch.end = end;
                stretch.lengths |= lengths;
            }
            _ => stretches.push(Stretch { start, end, lengths }),
        }
    }

    /// Calls back with every detector that may match in the stretch.
    pub(super) fn which(
        &self,
        all: &[Detector],
        text: &[u8],
        stretch: &Stretch,
        mut wake: impl FnMut(usize),
    ) {
        let outlines = self.outlines.get_or_init(|| {
            outlines_together(self.detectors.iter().map(|(index, _)| &all[*index].pattern))
        });
        let fits = |n: usize| {
            let (detector, lengths) = self.detectors.get(n)?;
            (lengths & stretch.lengths != 0).then_some(*detector)
        };
        match outlines {
            // The stretch's ends may let more match than the whole text does, never less.
            Some(set) => {
                let outline: Vec<u8> =
                    text[stretch.start..stretch.end].iter().map(|byte| outline(*byte)).collect();
                let matching = set.matches(&outline);
                matching.iter().filter_map(fits).for_each(&mut wake);
            }
            None => (0..self.detectors.len()).filter_map(fits).for_each(&mut wake),
        }
    }
}
