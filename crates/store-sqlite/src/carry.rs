//! Carrying over to another store and from one: the contract's [`Carry`].
//!
//! Traces are written through the writer's own step, so that facets, contexts and columns beside the
//! summary come out as if they had been committed here. Open the target with search off: the index is
//! built from the blocks at the next start.

mod rows;
mod trace;

use async_trait::async_trait;
use exhibit_model::WorkspaceId;
use exhibit_store::{
    AccountStore as _, StoreError,
    carry::{CarriedTrace, Carry, MOVED, Stamp, Table, Value},
    rollup::{Cell, Key},
};
use rusqlite::{Connection, OptionalExtension as _};

use crate::{
    SqliteStore,
    failure::{Result, SqlContext},
    row::Columns,
    writer::{rollup, step::Step},
};

#[async_trait]
impl Carry for SqliteStore {
    async fn rows(
        &self,
        table: &'static Table,
        after: Option<Vec<Value>>,
        limit: usize,
        whole: bool,
    ) -> Result<Vec<Vec<Value>>> {
        self.pool.audit(move |db| rows::read(db, table, after.as_deref(), limit, whole)).await
    }

    async fn stamps(&self, after: i64, limit: usize) -> Result<Vec<Stamp>> {
        self.pool.audit(move |db| stamps(db, after, limit)).await
    }

    async fn carried(&self, numbers: &[i64]) -> Result<Vec<CarriedTrace>> {
        let numbers = numbers.to_vec();
        self.pool
            .audit(move |db| {
                let found = numbers.iter().map(|number| trace::read(db, *number));
                found.filter_map(Result::transpose).collect()
            })
            .await
    }

    async fn last_number(&self) -> Result<i64> {
        self.pool.audit(last_number).await
    }

    async fn put_rows(
        &self,
        table: &'static Table,
        rows: Vec<Vec<Value>>,
        gone: Vec<Vec<Value>>,
    ) -> Result<()> {
        let put = move |step: &mut Step<'_>| rows::write(step.db, table, &rows, &gone);
        self.queue()?.run(move |step| put(step).map(Ok)).await
    }

    async fn put_traces(&self, traces: Vec<CarriedTrace>, gone: Vec<i64>) -> Result<()> {
        let mut going = gone;
        going.extend(traces.iter().map(|trace| trace.number));
        // First what stood there: facets of a trace that goes are removed at the end of a transaction.
        self.queue()?.run(move |step| trace::remove(step, &going).map(Ok)).await?;
        self.queue()?.run(move |step| trace::write(step, &traces).map(Ok)).await
    }

    async fn add_cells(&self, workspace: WorkspaceId, cells: Vec<(Key, Cell)>) -> Result<()> {
        let add = move |step: &mut Step<'_>| rollup::add(step.db, workspace.0, &cells);
        self.queue()?.run(move |step| add(step).map(Ok)).await
    }

    async fn go_on_after(&self, number: i64) -> Result<()> {
        self.queue()?
            .run(move |step| {
                let last = number.max(last_number(step.db)?);
                let counters = &mut step.counters;
                for counter in [&mut counters.sequence, &mut counters.trace, &mut counters.block] {
                    *counter = last.max(*counter);
                }
                Ok(Ok(()))
            })
            .await
    }

    /// Nothing to do: who could write holds the directory, and that is this process.
    async fn freeze(&self) -> Result<()> {
        self.queue().map(drop)
    }

    async fn thaw(&self, moved: Option<&str>) -> Result<()> {
        let Some(moved) = moved else { return Ok(()) };
        let before = self.setting(MOVED).await?;
        self.swap_setting(MOVED, before.as_deref(), Some(moved.as_bytes())).await.map(drop)
    }
}

fn stamps(db: &Connection, after: i64, limit: usize) -> Result<Vec<Stamp>> {
    let doing = "reading what has changed";
    let mut statement = db
        .prepare_cached(
            "SELECT id, last_received, records, leaves, covered, seals FROM traces \
             WHERE id > ?1 ORDER BY id LIMIT ?2",
        )
        .when(doing)?;
    let mut rows = statement.query((after, limit as i64)).when(doing)?;
    let mut stamps = Vec::new();
    while let Some(row) = rows.next().when(doing)? {
        let mut c = Columns::of(row);
        stamps.push(Stamp {
            number: c.int()?,
            last_received: c.int()?,
            records: c.int()?,
            leaves: c.int()?,
            covered: c.int()?,
            seals: c.int()?,
        });
    }
    Ok(stamps)
}

fn last_number(db: &Connection) -> Result<i64> {
    let doing = "reading counters";
    let sqls = [
        "SELECT max(value) FROM counters",
        "SELECT max(id) FROM traces",
        "SELECT max(id) FROM blocks",
    ];
    let mut last = 0;
    for sql in sqls {
        let found: Option<Option<i64>> =
            db.query_row(sql, [], |row| row.get(0)).optional().when(doing)?;
        last = last.max(found.flatten().unwrap_or(0));
    }
    if last == i64::MAX {
        return Err(StoreError::Failed("no numbers are left".to_owned()));
    }
    Ok(last)
}
