//! Adding up the contributions of many spans before they are written.

use std::collections::{BTreeMap, HashMap};

use exhibit_model::SpanHead;

use super::{Cell, Grain, Inherited, Key, Sample, dimension_value, set_values};
use crate::Dimension;

/// The sum of many contributions, by cell. Copies a value's text once per cell and not once per
/// span, splits a dimension only when a second value comes, and derives the days from the minutes
/// at the end.
#[derive(Debug, Default)]
pub struct Accumulator {
    minutes: HashMap<i64, Minute>,
}

/// The cells of one minute.
#[derive(Debug, Default)]
struct Minute {
    total: Cell,
    dimensions: [Values; Dimension::ALL.len()],
    /// The cells of [sets](Dimension::is_set), of which clean spans have none.
    sets: BTreeMap<Dimension, Cells>,
}

/// The cells of one dimension of one minute.
#[derive(Debug, Default)]
enum Values {
    /// No span yet.
    #[default]
    Empty,
    /// Every span so far has this value, so its cell is the total.
    Same(Option<Box<str>>),
    /// There are several values.
    Many(Cells),
}

impl Values {
    /// Takes in a sample that `before` does not hold yet.
    fn apply(&mut self, value: Option<&str>, sample: &Sample, before: &Cell) {
        match self {
            Self::Empty => *self = Self::Same(value.map(Box::from)),
            Self::Same(same) if same.as_deref() == value => {}
            Self::Same(same) => {
                let mut cells = Cells::default();
                cells.put(same.take(), before.clone());
                cells.apply(value, sample);
                *self = Self::Many(cells);
            }
            Self::Many(cells) => cells.apply(value, sample),
        }
    }

    /// Takes what a sample adds out of one cell and puts it into another; `before` is the total.
    fn shift(&mut self, from: (Option<&str>, &Sample), to: (Option<&str>, &Sample), before: &Cell) {
        let mut cells = match std::mem::take(self) {
            Self::Many(cells) => cells,
            Self::Empty => Cells::default(),
            Self::Same(same) => {
                let mut cells = Cells::default();
                cells.put(same, before.clone());
                cells
            }
        };
        cells.apply(from.0, from.1);
        cells.apply(to.0, to.1);
        *self = Self::Many(cells);
    }
}

/// Cells by value.
#[derive(Debug, Default)]
struct Cells {
    rows: Vec<(Option<Box<str>>, Cell)>,
    /// Where the cell of spans without a value stands.
    none: Option<usize>,
    /// Where the cells of values stand; those of the first few are not in it.
    places: HashMap<Box<str>, usize>,
    /// The cell that was used last: spans of one trace come together.
    last: usize,
}

/// Up to so many values, looking at each is cheaper than hashing.
const FEW: usize = 8;

impl Cells {
    fn put(&mut self, value: Option<Box<str>>, cell: Cell) {
        let place = self.rows.len();
        match &value {
            None => self.none = Some(place),
            Some(value) if place >= FEW => {
                self.places.insert(value.clone(), place);
            }
            Some(_) => {}
        }
        self.rows.push((value, cell));
        self.last = place;
    }

    fn apply(&mut self, value: Option<&str>, sample: &Sample) {
        let is_last = self.rows.get(self.last).is_some_and(|(v, _)| v.as_deref() == value);
        if !is_last {
            match self.place(value) {
                Some(place) => self.last = place,
                None => self.put(value.map(Box::from), Cell::default()),
            }
        }
        if let Some((_, cell)) = self.rows.get_mut(self.last) {
            cell.apply(sample);
        }
    }

    fn place(&self, value: Option<&str>) -> Option<usize> {
        let Some(value) = value else { return self.none };
        let few = self.rows.iter().take(FEW).position(|(v, _)| v.as_deref() == Some(value));
        few.or_else(|| self.places.get(value).copied())
    }
}

impl Accumulator {
    /// An empty sum.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what a revision contributes.
    pub fn add(
        &mut self,
        head: &SpanHead,
        counted: bool,
        first_of_trace: bool,
        inherited: Inherited<'_>,
    ) {
        if let Some(sample) = Sample::of(head, counted, first_of_trace) {
            self.apply(head, inherited, &sample);
        } else if let Some(sample) = Sample::of_ruling(head, 1) {
            self.apply_to_sets(head, &sample);
        }
    }

    /// Takes away what a revision contributed. The arguments MUST be those with which it was added.
    pub fn subtract(
        &mut self,
        head: &SpanHead,
        counted: bool,
        first_of_trace: bool,
        inherited: Inherited<'_>,
    ) {
        if let Some(sample) = Sample::taking_out(head, counted, first_of_trace) {
            self.apply(head, inherited, &sample);
        } else if let Some(sample) = Sample::of_ruling(head, -1) {
            self.apply_to_sets(head, &sample);
        }
    }

    /// Takes what a revision contributes from one value of a dimension to another; it names none of
    /// its own. The other dimensions and the totals stay what they are.
    pub fn shift(
        &mut self,
        head: &SpanHead,
        counted: bool,
        first_of_trace: bool,
        dimension: Dimension,
        [from, to]: [Option<&str>; 2],
    ) {
        let samples = (
            Sample::taking_out(head, counted, first_of_trace),
            Sample::of(head, counted, first_of_trace),
        );
        let (Some(less), Some(more)) = samples else { return };
        let minute = self.minutes.entry(Grain::Minute.floor(head.start)).or_default();
        if let Some(values) = minute.dimensions.get_mut(dimension as usize) {
            values.shift((from, &less), (to, &more), &minute.total);
        }
    }

    fn apply(&mut self, head: &SpanHead, inherited: Inherited<'_>, sample: &Sample) {
        let minute = self.minutes.entry(Grain::Minute.floor(head.start)).or_default();
        for (dimension, values) in Dimension::ALL.into_iter().zip(&mut minute.dimensions) {
            if !dimension.is_set() {
                values.apply(dimension_value(head, inherited, dimension), sample, &minute.total);
            }
        }
        minute.total.apply(sample);
        if !head.rules.is_empty() || !head.categories.is_empty() {
            self.apply_to_sets(head, sample);
        }
    }

    fn apply_to_sets(&mut self, head: &SpanHead, sample: &Sample) {
        for dimension in Dimension::ALL.into_iter().filter(|d| d.is_set()) {
            for value in set_values(head, dimension) {
                let minute = self.minutes.entry(Grain::Minute.floor(head.start)).or_default();
                minute.sets.entry(dimension).or_default().apply(Some(value), sample);
            }
        }
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.minutes.is_empty()
    }

    /// The sums that are not zero, of every grain, in key order.
    pub fn into_cells(self) -> Vec<(Key, Cell)> {
        let mut cells = Vec::new();
        for (start, minute) in self.minutes {
            let mut put = |dimension, value: Option<Box<str>>, cell: Cell| {
                if cell.is_zero() {
                    return;
                }
                let value = value.map(String::from);
                let key = Key { grain: Grain::Minute, bucket_start: start, dimension, value };
                cells.push((key, cell));
            };
            for (dimension, values) in Dimension::ALL.into_iter().zip(minute.dimensions) {
                match values {
                    Values::Empty => {}
                    Values::Same(value) => put(Some(dimension), value, minute.total.clone()),
                    Values::Many(many) => {
                        for (value, cell) in many.rows {
                            put(Some(dimension), value, cell);
                        }
                    }
                }
            }
            for (dimension, many) in minute.sets {
                for (value, cell) in many.rows {
                    put(Some(dimension), value, cell);
                }
            }
            put(None, None, minute.total);
        }
        cells.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let hours = coarser(&cells, Grain::Hour);
        let days = coarser(&hours, Grain::Day);
        cells.extend(hours);
        cells.extend(days);
        cells
    }
}

/// Cells added up to those of a wider grain, in key order, without those that are zero.
fn coarser(cells: &[(Key, Cell)], grain: Grain) -> Vec<(Key, Cell)> {
    let mut sums: BTreeMap<Key, Cell> = BTreeMap::new();
    for (key, cell) in cells {
        let bucket_start = grain.floor(exhibit_model::Nanos(key.bucket_start));
        sums.entry(Key { grain, bucket_start, ..key.clone() }).or_default().add(cell);
    }
    sums.into_iter().filter(|(_, cell)| !cell.is_zero()).collect()
}
