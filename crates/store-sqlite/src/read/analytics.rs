//! Sums over time from rollups.

use exhibit_model::WorkspaceId;
use exhibit_store::{
    Analytics, AnalyticsQuery,
    rollup::{Cell, Key, Plan, dimension_code},
};
use rusqlite::Connection;

use crate::{
    failure::{Result, SqlContext},
    rollup::{decode, place_dimension, read_key, split_key, take_cell},
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
    let dimension = dimension_code(plan.dimension());
    let mut cells = Vec::new();
    for read in plan.reads() {
        read_chunks(db, workspace, &read, dimension, &mut cells)?;
    }
    let reads = plan.reads();
    visit_deltas(db, workspace.0, |key, cell| {
        let (grain, bucket, place) = split_key(key)?;
        if place_dimension(place) == dimension
            && reads.iter().any(|r| r.grain == grain && r.starts.contains(&bucket))
        {
            cells.push((read_key(grain, bucket, place)?, decode(cell)?));
        }
        Ok(())
    })?;
    Ok(plan.assemble(cells))
}

fn read_chunks(
    db: &Connection,
    workspace: WorkspaceId,
    read: &exhibit_store::rollup::Read,
    dimension: i64,
    cells: &mut Vec<(Key, Cell)>,
) -> Result<()> {
    let doing = "reading rollups";
    // A chunk starts with its first key, whose first byte is the dimension.
    let beyond = [u8::try_from(dimension + 1).unwrap_or(u8::MAX)];
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
            dimension,
        ))
        .when(doing)?;
    while let Some(row) = rows.next().when(doing)? {
        let mut columns = Columns::of(row);
        let bucket = columns.int()?;
        let mut rest = columns.bytes()?;
        while let Some((place, cell)) = take_cell(&mut rest)? {
            match place_dimension(place).cmp(&dimension) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => {
                    cells.push((read_key(read.grain, bucket, place)?, decode(cell)?));
                }
                std::cmp::Ordering::Greater => break,
            }
        }
    }
    Ok(())
}
