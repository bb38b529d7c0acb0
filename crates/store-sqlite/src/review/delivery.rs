//! Deliveries: what was told to whom, and what is still to be told.

use exhibit_model::{Nanos, WorkspaceId};
use exhibit_store::{Delivery, Page};
use rusqlite::{Connection, Row};

use super::most;
use crate::failure::{Result, SqlContext};

const COLUMNS: &str =
    "number, workspace, id, channel, event, body, created, next, attempts, delivered, last";

pub(super) fn put(
    db: &Connection,
    workspace: WorkspaceId,
    deliveries: &[Delivery],
    keep: u64,
) -> Result<Result<()>> {
    let doing = "keeping a delivery";
    for d in deliveries {
        db.prepare_cached(
            "INSERT INTO deliveries (workspace, id, channel, event, body, created, next, attempts, \
             delivered, last) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
             ON CONFLICT (workspace, id) DO UPDATE SET next = excluded.next, \
             attempts = excluded.attempts, delivered = excluded.delivered, last = excluded.last",
        )
        .and_then(|mut s| {
            s.execute((
                workspace.0,
                &d.id,
                &d.channel,
                &d.event,
                &d.body,
                d.created.0,
                d.next.map(|t| t.0),
                d.attempts,
                d.delivered.map(|t| t.0),
                &d.last,
            ))
        })
        .when(doing)?;
    }
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    db.prepare_cached(
        "DELETE FROM deliveries WHERE workspace = ?1 AND next IS NULL AND number <= \
         (SELECT number FROM deliveries WHERE workspace = ?1 AND next IS NULL \
         ORDER BY number DESC LIMIT 1 OFFSET ?2)",
    )
    .and_then(|mut s| s.execute((workspace.0, keep)))
    .when("removing old deliveries")?;
    Ok(Ok(()))
}

pub(super) fn page(
    db: &Connection,
    workspace: WorkspaceId,
    after: i64,
    limit: usize,
) -> Result<Page<Delivery>> {
    let doing = "listing deliveries";
    let sql = format!(
        "SELECT {COLUMNS} FROM deliveries WHERE workspace = ?1 AND number < ?2 \
         ORDER BY number DESC LIMIT ?3"
    );
    let mut statement = db.prepare_cached(&sql).when(doing)?;
    let rows = statement
        .query_map((workspace.0, after, most(limit.saturating_add(1))), read)
        .when(doing)?;
    let mut rows: Vec<_> = rows.collect::<rusqlite::Result<_>>().when(doing)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(number, _, _)| i64::to_string(number));
    Ok(Page { rows: rows.into_iter().map(|(_, _, delivery)| delivery).collect(), next })
}

pub(super) fn due(
    db: &Connection,
    now: Nanos,
    limit: usize,
) -> Result<Vec<(WorkspaceId, Delivery)>> {
    let doing = "reading deliveries that are due";
    let sql = format!(
        "SELECT {COLUMNS} FROM deliveries WHERE next IS NOT NULL AND next <= ?1 \
         ORDER BY next LIMIT ?2"
    );
    let mut statement = db.prepare_cached(&sql).when(doing)?;
    let rows = statement.query_map((now.0, most(limit)), read).when(doing)?;
    let rows: Vec<_> = rows.collect::<rusqlite::Result<_>>().when(doing)?;
    Ok(rows.into_iter().map(|(_, workspace, delivery)| (workspace, delivery)).collect())
}

fn read(row: &Row<'_>) -> rusqlite::Result<(i64, WorkspaceId, Delivery)> {
    let delivery = Delivery {
        id: row.get(2)?,
        channel: row.get(3)?,
        event: row.get(4)?,
        body: row.get(5)?,
        created: Nanos(row.get(6)?),
        next: row.get::<_, Option<i64>>(7)?.map(Nanos),
        attempts: row.get(8)?,
        delivered: row.get::<_, Option<i64>>(9)?.map(Nanos),
        last: row.get(10)?,
    };
    Ok((row.get(0)?, WorkspaceId(row.get(1)?), delivery))
}
