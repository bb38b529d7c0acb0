//! Sums over time from rollups.

use std::{
    cmp::{Ordering, Reverse},
    collections::{HashMap, HashSet},
};

use exhibit_model::WorkspaceId;
use exhibit_store::{
    Analytics, AnalyticsQuery,
    rollup::{Cell, Grain, Key, Plan, Read, dimension_code},
};
use rusqlite::Connection;

use crate::{
    failure::{Result, SqlContext},
    rollup::{add_encoded, place_dimension, read_key, spans_of, split_key, take_cell},
    row::Columns,
    writer::rollup::visit_deltas,
};

/// Answers a query from chunks and the deltas that wait.
pub(crate) fn analytics(
    db: &Connection,
    workspace: WorkspaceId,
    query: &AnalyticsQuery,
) -> Result<Analytics> {
    let plan = Plan::of(query)?;
    let mut cells = Vec::new();
    for dimension in plan.dimensions() {
        let rollups =
            Rollups { db, workspace, reads: plan.reads(), dimension: dimension_code(dimension) };
        let shown = match (dimension, plan.shown()) {
            (Some(_), Some(most)) => rollups.largest(most)?,
            _ => None,
        };
        let mut sums = Sums::new(query.step_s);
        rollups.visit(|bucket, place, cell| match &shown {
            Some(shown) if !shown.contains(place) => Ok(()),
            _ => sums.add(bucket, place, cell),
        })?;
        cells.extend(sums.into_cells()?);
    }
    Ok(plan.assemble(cells))
}

/// The cells of one dimension that a plan reads.
struct Rollups<'d> {
    db: &'d Connection,
    workspace: WorkspaceId,
    reads: Vec<Read>,
    dimension: i64,
}

impl Rollups<'_> {
    /// The places of most spans; none where there are no more than so many. Thousands of users are added
    /// up by one number each before any of them is read whole.
    fn largest(&self, most: usize) -> Result<Option<HashSet<Box<[u8]>>>> {
        let mut spans: HashMap<Box<[u8]>, i64> = HashMap::new();
        self.visit(|_, place, cell| {
            let more = spans_of(cell)?;
            match spans.get_mut(place) {
                Some(sum) => *sum = sum.wrapping_add(more),
                None => drop(spans.insert(place.into(), more)),
            }
            Ok(())
        })?;
        if spans.len() <= most {
            return Ok(None);
        }
        let mut ranked: Vec<(Reverse<i64>, Box<[u8]>)> =
            spans.into_iter().map(|(place, spans)| (Reverse(spans), place)).collect();
        // Places sort as values do.
        ranked.sort_unstable();
        Ok(Some(ranked.into_iter().take(most).map(|(_, place)| place).collect()))
    }

    /// Shows each cell: start of its bucket, place, bytes.
    fn visit(&self, mut see: impl FnMut(i64, &[u8], &[u8]) -> Result<()>) -> Result<()> {
        for read in &self.reads {
            self.visit_chunks(read, &mut see)?;
        }
        visit_deltas(self.db, self.workspace.0, |key, cell| {
            let (grain, bucket, place) = split_key(key)?;
            let read = |read: &Read| read.grain == grain && read.starts.contains(&bucket);
            let wanted = place_dimension(place) == self.dimension && self.reads.iter().any(read);
            if wanted { see(bucket, place, cell) } else { Ok(()) }
        })
    }

    fn visit_chunks(
        &self,
        read: &Read,
        see: &mut impl FnMut(i64, &[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        let doing = "reading rollups";
        // A chunk starts with its first key, whose first byte is the dimension.
        let beyond = [u8::try_from(self.dimension + 1).unwrap_or(u8::MAX)];
        let mut statement = self
            .db
            .prepare_cached(
                "SELECT bucket, cells FROM rollups WHERE workspace = ?1 AND grain = ?2 \
                 AND bucket >= ?3 AND bucket < ?4 AND first < ?5 AND last_dimension >= ?6",
            )
            .when(doing)?;
        let mut rows = statement
            .query((
                self.workspace.0,
                read.grain.code(),
                read.starts.start,
                read.starts.end,
                &beyond[..],
                self.dimension,
            ))
            .when(doing)?;
        while let Some(row) = rows.next().when(doing)? {
            let mut columns = Columns::of(row);
            let bucket = columns.int()?;
            let mut rest = columns.bytes()?;
            while let Some((place, cell)) = take_cell(&mut rest)? {
                match place_dimension(place).cmp(&self.dimension) {
                    Ordering::Less => {}
                    Ordering::Equal => see(bucket, place, cell)?,
                    Ordering::Greater => break,
                }
            }
        }
        Ok(())
    }
}

/// Cells added up by step before the plan sees them: thirty days that begin and end within a day have
/// 1,440 minutes at their ends, each with dozens of cells.
struct Sums {
    /// Width of what is added up: steps stand on its multiples.
    width: i64,
    by_bucket: HashMap<i64, HashMap<Box<[u8]>, Cell>>,
}

impl Sums {
    fn new(step_s: u64) -> Self {
        let minute = Grain::Minute.width_ns();
        let day = Grain::Day.width_ns();
        let step = i64::try_from(step_s).unwrap_or(0).saturating_mul(1_000_000_000);
        // The plan cuts longer steps to whole days.
        let width = if step >= day { day } else { step.max(minute) };
        Self { width, by_bucket: HashMap::new() }
    }

    fn add(&mut self, bucket: i64, place: &[u8], cell: &[u8]) -> Result<()> {
        let bucket = bucket.div_euclid(self.width).saturating_mul(self.width);
        let sums = self.by_bucket.entry(bucket).or_default();
        match sums.get_mut(place) {
            Some(sum) => add_encoded(sum, cell),
            None => add_encoded(sums.entry(place.into()).or_default(), cell),
        }
    }

    /// The sums under keys of minutes, whatever they were added up from: the plan asks only where
    /// they start.
    fn into_cells(self) -> Result<Vec<(Key, Cell)>> {
        let mut cells = Vec::new();
        for (bucket, sums) in self.by_bucket {
            for (place, cell) in sums {
                cells.push((read_key(Grain::Minute, bucket, &place)?, cell));
            }
        }
        Ok(cells)
    }
}
