//! The numbers of one source, as they come in: which are there, which are missing and for how long.

use serde::{Deserialize, Serialize};

/// Ranges that wait at once; beyond it the oldest are given up, and said to be missing.
const WAITING_MAX: usize = 256;

/// A range of numbers, both ends included.
pub(super) type Range = (u64, u64);

/// Numbers that were passed over and may still come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Hole {
    from: u64,
    to: u64,
    /// When a later number came, nanoseconds.
    since: i64,
}

/// The numbers of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Series {
    /// Every number up to it has come, waits, or is said to be missing.
    upto: u64,
    holes: Vec<Hole>,
    /// Said to be missing, and not come since.
    missing: Vec<Range>,
    /// Said to be missing, and come since; not yet told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    filled: Vec<Range>,
}

impl Series {
    /// A source of which every number from `base` + 1 on is expected.
    pub(super) fn new(base: u64) -> Self {
        Self { upto: base, holes: Vec::new(), missing: Vec::new(), filled: Vec::new() }
    }

    /// A number came.
    pub(super) fn came(&mut self, number: u64, now: i64) {
        if number > self.upto {
            if number - self.upto > 1 {
                self.holes.push(Hole { from: self.upto + 1, to: number - 1, since: now });
            }
            self.upto = number;
            return;
        }
        let in_hole = |hole: &Hole| hole.from <= number && number <= hole.to;
        if let Some(at) = self.holes.iter().position(in_hole) {
            let hole = self.holes.remove(at);
            let rest = without((hole.from, hole.to), number);
            self.holes.splice(at..at, rest.map(|(from, to)| Hole { from, to, ..hole }));
            return;
        }
        let in_range = |range: &Range| range.0 <= number && number <= range.1;
        if let Some(at) = self.missing.iter().position(in_range) {
            let range = self.missing.remove(at);
            self.missing.splice(at..at, without(range, number));
            self.filled.push((number, number));
        }
    }

    /// Takes what has waited too long, and what came after it was said to be missing.
    pub(super) fn due(&mut self, before: i64) -> (Vec<Range>, Vec<Range>) {
        let surplus = self.holes.len().saturating_sub(WAITING_MAX);
        let mut at = 0;
        let mut missing = Vec::new();
        self.holes.retain(|hole| {
            at += 1;
            let over = hole.since <= before || at <= surplus;
            if over {
                missing.push((hole.from, hole.to));
            }
            !over
        });
        self.missing.extend(&missing);
        let surplus = self.missing.len().saturating_sub(WAITING_MAX);
        self.missing.drain(..surplus);
        let mut filled = std::mem::take(&mut self.filled);
        filled.sort_unstable();
        (missing, joined(filled))
    }

    /// Whether nothing is missing or waited for.
    pub(super) fn is_whole(&self) -> bool {
        self.holes.is_empty() && self.missing.is_empty() && self.filled.is_empty()
    }
}

/// What is left of a range without one of its numbers.
fn without((from, to): Range, number: u64) -> impl Iterator<Item = Range> {
    let before = (number > from).then(|| (from, number - 1));
    let after = (number < to).then(|| (number + 1, to));
    before.into_iter().chain(after)
}

/// Sorted ranges, neighbours put together.
fn joined(ranges: Vec<Range>) -> Vec<Range> {
    let mut out: Vec<Range> = Vec::with_capacity(ranges.len());
    for (from, to) in ranges {
        match out.last_mut() {
            Some((_, end)) if *end + 1 == from => *end = to,
            _ => out.push((from, to)),
        }
    }
    out
}

/// Ranges without what others hold.
pub(super) fn less(ranges: Vec<Range>, filled: &[Range]) -> Vec<Range> {
    filled.iter().fold(ranges, |ranges, hole| {
        let cut = |(from, to): Range| {
            let before = (from < hole.0).then(|| (from, to.min(hole.0 - 1)));
            let after = (to > hole.1).then(|| (from.max(hole.1 + 1), to));
            before.into_iter().chain(after)
        };
        ranges.into_iter().flat_map(cut).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[u64]) -> Series {
        let mut series = Series::new(0);
        numbers.iter().for_each(|n| series.came(*n, 10));
        series
    }

    #[test]
    fn numbers_in_any_order_leave_nothing_missing() {
        assert!(of(&[1, 2, 3]).is_whole());
        assert!(of(&[5, 3, 1, 2, 4, 4]).is_whole());
        assert!(!of(&[2]).is_whole());
    }

    #[test]
    fn what_does_not_come_in_time_is_missing_and_what_comes_later_is_told() {
        let mut series = of(&[1, 4, 8, 6]);
        assert_eq!(series.due(9), (vec![], vec![]), "they may still come");
        assert_eq!(series.due(10), (vec![(2, 3), (5, 5), (7, 7)], vec![]));
        assert_eq!(series.due(99), (vec![], vec![]), "it is said once");
        series.came(3, 11);
        series.came(2, 12);
        series.came(7, 12);
        assert_eq!(series.due(99), (vec![], vec![(2, 3), (7, 7)]));
        assert!(!series.is_whole());
        series.came(5, 13);
        assert_eq!(series.due(99).1, [(5, 5)]);
        assert!(series.is_whole());
    }

    #[test]
    fn holes_beyond_the_bound_are_given_up_at_once() {
        let numbers: Vec<u64> = (1..=WAITING_MAX as u64 + 10).map(|n| n * 2).collect();
        let mut series = of(&numbers);
        assert_eq!(series.due(0).0.len(), 10);
    }

    #[test]
    fn the_largest_numbers_do_no_harm() {
        let mut series = of(&[u64::MAX, 1, u64::MAX - 1]);
        assert_eq!(series.due(10).0, [(2, u64::MAX - 2)]);
        series.came(5, 1);
        assert_eq!(series.due(10).1, [(5, 5)]);
    }

    #[test]
    fn ranges_are_cut_by_what_came() {
        assert_eq!(less(vec![(1, 9)], &[(3, 4), (9, 9)]), [(1, 2), (5, 8)]);
        assert_eq!(less(vec![(1, 2), (5, 6)], &[(1, 9)]), []);
    }
}
