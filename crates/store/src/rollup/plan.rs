//! Which cells answer an analytics query, and the answer they add up to.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, btree_map::Entry},
    ops::Range,
};

use exhibit_model::Nanos;

use super::{Cell, Grain, Key};
use crate::{
    Analytics, AnalyticsQuery, Dimension, StoreError,
    analytics::{Group, Series},
};

/// Most steps of a series: a week of minutes, and a bound on the size of an answer.
pub const STEPS_MAX: i64 = 10_080;

/// How a query is answered from cells. Whole days come from day cells and whole hours from hour
/// cells when the step allows it, the rest from minute cells, so `from` and `to` are kept to the
/// minute at any step.
///
/// Steps stand on multiples of their width since the epoch; the first and the last may be cut by
/// `from` and `to`. A step of a day or more is rounded down to whole days. Read the cells of
/// [`reads`](Self::reads) under each of [`dimensions`](Self::dimensions) in any order and hand them
/// to [`assemble`](Self::assemble).
#[derive(Debug, Clone)]
pub struct Plan {
    from: i64,
    to: i64,
    step: i64,
    dimension: Option<Dimension>,
    groups_max: usize,
}

/// Cells to read: those of a grain that start in a range of nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Grain.
    pub grain: Grain,
    /// Starts of the cells.
    pub starts: Range<i64>,
}

impl Plan {
    /// Plans a query. `Unsupported` when it asks for a step that is not a multiple of a minute or for
    /// more than [`STEPS_MAX`] steps.
    pub fn of(query: &AnalyticsQuery) -> Result<Self, StoreError> {
        let minute = Grain::Minute.width_ns();
        let day = Grain::Day.width_ns();
        let mut step = i64::try_from(query.step_s)
            .ok()
            .and_then(|s| s.checked_mul(1_000_000_000))
            .filter(|step| *step > 0 && step % minute == 0)
            .ok_or(StoreError::Unsupported("sum in steps that are not whole minutes"))?;
        if step > day {
            step -= step % day;
        }
        let from = Grain::Minute.floor(query.from);
        let to = match query.to.0.rem_euclid(minute) {
            0 => query.to.0,
            past => query.to.0.saturating_add(minute - past),
        }
        .max(from);
        let plan = Self { from, to, step, dimension: query.group_by, groups_max: query.groups_max };
        if plan.step_count() > i128::from(STEPS_MAX) {
            return Err(StoreError::Unsupported("answer in so many steps; use longer ones"));
        }
        Ok(plan)
    }

    fn step_count(&self) -> i128 {
        if self.from == self.to {
            return 0;
        }
        let place = |at: i64| i128::from(at).div_euclid(i128::from(self.step));
        place(self.to - 1) - place(self.from) + 1
    }

    fn step_of(&self, at: i64) -> i64 {
        at.div_euclid(self.step).saturating_mul(self.step)
    }

    /// The dimensions of the cells to read, `None` standing for the totals.
    pub fn dimensions(&self) -> Vec<Option<Dimension>> {
        let groups = self.dimension.map(Some);
        std::iter::once(None).chain(groups).collect()
    }

    /// How many groups are shown, those of most spans first and of equal ones the first by value. Of the
    /// dimension's other cells [`assemble`](Self::assemble) need not be told; `None` where it needs all,
    /// as in a [set](Dimension::is_set), whose cells do not add up to the totals.
    pub fn shown(&self) -> Option<usize> {
        (!self.is_set()).then_some(self.groups_max)
    }

    fn is_set(&self) -> bool {
        self.dimension.is_some_and(Dimension::is_set)
    }

    /// The ranges of cells to read, in the order of time; they do not overlap.
    pub fn reads(&self) -> Vec<Read> {
        let mut reads = Vec::with_capacity(2 * Grain::ALL.len() - 1);
        self.cover(Grain::ALL.len() - 1, self.from..self.to, &mut reads);
        reads
    }

    /// Covers a range with whole cells of a grain, and what stands out at its ends with finer ones.
    fn cover(&self, place: usize, range: Range<i64>, reads: &mut Vec<Read>) {
        if range.is_empty() {
            return;
        }
        let grain = Grain::ALL[place];
        let width = grain.width_ns();
        if place == 0 {
            reads.push(Read { grain, starts: range });
            return;
        }
        let first = match range.start.rem_euclid(width) {
            0 => range.start,
            past => range.start.saturating_add(width - past),
        };
        let last = range.end.div_euclid(width).saturating_mul(width);
        if self.step % width == 0 && first < last {
            self.cover(place - 1, range.start..first, reads);
            reads.push(Read { grain, starts: first..last });
            self.cover(place - 1, last..range.end, reads);
        } else {
            self.cover(place - 1, range, reads);
        }
    }

    /// The answer from the cells of [`reads`](Self::reads). The series of the whole has every step,
    /// those of groups only the steps in which something happened.
    pub fn assemble(&self, cells: impl IntoIterator<Item = (Key, Cell)>) -> Analytics {
        let mut steps: BTreeMap<i64, Cell> = BTreeMap::new();
        let mut groups: HashMap<Option<String>, BTreeMap<i64, Cell>> = HashMap::new();
        for (key, cell) in cells {
            let step = self.step_of(key.bucket_start);
            if key.dimension.is_none() {
                steps.entry(step).or_default().add(&cell);
                continue;
            }
            match groups.entry(key.value).or_default().entry(step) {
                Entry::Vacant(place) => drop(place.insert(cell)),
                Entry::Occupied(mut held) => held.get_mut().add(&cell),
            }
        }
        let totals = sum(steps.values());
        let mut ranked: Vec<_> = groups
            .into_iter()
            .map(|(value, steps)| {
                (steps.values().fold(0_i64, |n, c| n.wrapping_add(c.spans)), value, steps)
            })
            .filter(|(spans, _, steps)| *spans != 0 || !sum(steps.values()).is_zero())
            .collect();
        ranked.sort_by(|a, b| (Reverse(a.0), &a.1).cmp(&(Reverse(b.0), &b.1)));
        let cut = ranked.split_off(self.groups_max.min(ranked.len()));
        // Thousands of groups may be cut, if they were told at all: they are what is left of the whole.
        let mut other = if self.is_set() {
            sum(cut.iter().flat_map(|(_, _, steps)| steps.values()))
        } else {
            totals.clone()
        };
        let series = |steps: BTreeMap<i64, Cell>| {
            steps
                .into_iter()
                .filter(|(_, cell)| !cell.is_zero())
                .map(|(start, cell)| Series { start: Nanos(start), measures: cell.measures() })
                .collect()
        };
        let groups = ranked
            .into_iter()
            .map(|(_, value, steps)| {
                let sum = sum(steps.values());
                if !self.is_set() {
                    other.subtract(&sum);
                }
                Group { value, measures: sum.measures(), series: series(steps) }
            })
            .collect();
        Analytics {
            totals: totals.measures(),
            series: self.every_step(&steps),
            groups,
            other: (self.dimension.is_some() && !other.is_zero()).then(|| other.measures()),
        }
    }

    fn every_step(&self, steps: &BTreeMap<i64, Cell>) -> Vec<Series> {
        let empty = Cell::default();
        let mut start = self.step_of(self.from);
        (0..self.step_count())
            .map(|_| {
                let measures = steps.get(&start).unwrap_or(&empty).measures();
                let series = Series { start: Nanos(start), measures };
                start = start.saturating_add(self.step);
                series
            })
            .collect()
    }
}

fn sum<'c>(cells: impl Iterator<Item = &'c Cell>) -> Cell {
    cells.fold(Cell::default(), |mut sum, cell| {
        sum.add(cell);
        sum
    })
}
