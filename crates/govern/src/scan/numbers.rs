//! Detectors that look at runs of digits, tried together: a number may be the tax number of twenty
//! countries, and one pass over it tells which.
//!
//! The pass is made over the text's outline, in which all digits are one digit and all letters one letter.
//! Patterns of outlines have few states, whatever numbers a text holds; those of the texts themselves have
//! so many that remembering them costs more than matching.

use std::sync::OnceLock;

use regex_automata::PatternSet;

use crate::detector::{
    Detector, Trigger,
    pattern::{Outlines, outline},
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
    outlines: OnceLock<Option<Outlines>>,
}

/// A stretch of text with runs of digits: where, and bit n for a run of n.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    start: usize,
    end: usize,
    lengths: u32,
}

/// The stretches of a text; kept between texts to save allocations.
#[derive(Default)]
pub(super) struct Stretches {
    all: Vec<Stretch>,
    outline: Vec<u8>,
    matching: Option<PatternSet>,
}

impl Stretches {
    pub(super) fn clear(&mut self) {
        self.all.clear();
    }
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
    pub(super) fn note(&self, stretches: &mut Stretches, start: usize, end: usize, last: usize) {
        let lengths = 1_u32.checked_shl(u32::try_from(end - start).unwrap_or(u32::MAX));
        let Some(lengths) = lengths.filter(|_| !self.detectors.is_empty()) else { return };
        let (start, end) = (start.saturating_sub(self.reach.0), (end + self.reach.1).min(last));
        match stretches.all.last_mut() {
            Some(stretch) if start <= stretch.end && end - stretch.start <= STRETCH_BYTES_MAX => {
                stretch.end = end;
                stretch.lengths |= lengths;
            }
            _ => stretches.all.push(Stretch { start, end, lengths }),
        }
    }

    /// Calls back with every wanted detector that may match in a stretch, and the stretch.
    pub(super) fn which(
        &self,
        all: &[Detector],
        text: &[u8],
        stretches: &mut Stretches,
        is_wanted: impl Fn(usize) -> bool,
        mut wake: impl FnMut(usize, usize, usize),
    ) {
        let Stretches { all: stretches, outline: room, matching } = stretches;
        let outlines = self.outlines.get_or_init(|| {
            Outlines::of(self.detectors.iter().map(|(index, _)| &all[*index].pattern))
        });
        for Stretch { start, end, lengths } in stretches.iter().copied() {
            let wake = |n: usize| match self.detectors.get(n) {
                Some((index, asked)) if asked & lengths != 0 && is_wanted(*index) => {
                    wake(*index, start, end);
                }
                _ => {}
            };
            match outlines {
                // The stretch's ends may let more match than the whole text does, never less.
                Some(outlines) => {
                    room.clear();
                    room.extend(text[start..end].iter().map(|byte| outline(*byte)));
                    let matching = matching.get_or_insert_with(|| outlines.room());
                    outlines.matching(room, matching).for_each(wake);
                }
                None => (0..self.detectors.len()).for_each(wake),
            }
        }
    }
}
