//! Sums over time from rollups.

use std::collections::HashMap;

use exhibit_model::WorkspaceId;
use exhibit_store::{
    Analytics, AnalyticsQuery,
    rollup::{Cell, Grain, Key, Plan, Read, dimension_code},
};
use rusqlite::Connection;

use crate::{
    failure::{Result, SqlContext},
    rollup::{add_encoded, place_dimension, read_key, split_key, take_cell},
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
    let reads = plan.reads();
    let mut cells = Vec::new();
    for dimension in plan.dimensions() {
        let mut sums = Sums::new(dimension_code(dimension), query.step_s);
        for read in &reads {
            sums.read_chunks(db, workspace, read)?;
        }
        visit_deltas(db, workspace.0, |key, cell| {
            let (grain, bucket, place) = split_key(key)?;
            let wanted = reads.iter().any(|r| r.grain == grain && r.starts.contains(&bucket));
            if wanted { sums.add(bucket, place, cell) } else { Ok(()) }
        })?;
        cells.extend(sums.into_cells()?);
    }
    Ok(plan.assemble(cells))
}

/// Cells of one dimension, added up by step before the plan sees them: thirty days that begin and
/// end within a day have 1,440 minutes at their ends, each with dozens of cells.
struct Sums {
    dimension: i64,
    /// Width of what is added up: steps stand on its multiples.
    width: i64,
    by_bucket: HashMap<i64, HashMap<Box<[u8]>, Cell>>,
}

impl Sums {
    fn new(dimension: i64, step_s: u64) -> Self {
        let minute = Grain::Minute.width_ns();
        let day = Grain::Day.width_ns();
        let step = i64::try_from(step_s).unwrap_or(0).saturating_mul(1_000_000_000);
        // The plan cuts longer steps to whole days.
        let width = if step >= day { day } else { step.max(minute) };
        Self { dimension, width, by_bucket: HashMap::new() }
    }

    fn read_chunks(&mut self, db: &Connection, workspace: WorkspaceId, read: &Read) -> Result<()> {
        let doing = "reading rollups";
        // A chunk starts with its first key, whose first byte is the dimension.
        let beyond = [u8::try_from(self.dimension + 1).unwrap_or(u8::MAX)];
        let mut statement = db
            .prepare_cached(
                "SELECT bucket, cells FROM rollups WHERE workspace = ?1 AND grain = ?2 \
                 AND bucket >= ?3 AND bucket < ?4 AND first < ?5 AND last_dimension >= ?6",
            )
            .when(doing)?;
        let mut rows = statement
            .query((
                workspace.0,
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
                if place_dimension(place) > self.dimension {
                    break;
                }
                self.add(bucket, place, cell)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, bucket: i64, place: &[u8], cell: &[u8]) -> Result<()> {
        if place_dimension(place) != self.dimension {
            return Ok(());
        }
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
