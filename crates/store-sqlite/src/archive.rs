//! Blocks that went to cold storage: the contract's [`ArchiveStore`].
//!
//! A block's data is replaced by a reference, and the partial index `blocks_archived` knows which. The
//! pages go back to the file system as after an erasure.

use async_trait::async_trait;
use exhibit_model::{Nanos, TraceId, WorkspaceId};
use exhibit_store::{ArchiveStore, Archived, ArchivedBlock, ObjectId, TraceKey, TracePayloads};
use rusqlite::{Connection, OptionalExtension};

use crate::{
    SqliteStore,
    failure::{Result, SqlContext, corrupt},
    row::{Columns, trace_id},
    writer::step::Step,
};

/// Traces looked at in one read.
const LOOKED_AT: i64 = 5_000;
/// Free pages handed back to the file system after a trace.
const PAGES_RETURNED: i64 = 4_096;
/// What tells archived blocks from others: the expression of the index.
pub(crate) const IS_ARCHIVED: &str = "substr(data, 1, 1) = x'02'";

#[async_trait]
impl ArchiveStore for SqliteStore {
    async fn archivable(
        &self,
        workspace: WorkspaceId,
        before: Nanos,
        after: i64,
    ) -> Result<(Vec<TraceId>, Option<i64>)> {
        self.pool.audit(move |db| archivable(db, workspace, before, after)).await
    }

    async fn payloads(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Option<TracePayloads>> {
        let trace = trace.clone();
        self.pool.audit(move |db| payloads(db, workspace, &trace)).await
    }

    async fn archive(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        moved: Vec<(i64, ArchivedBlock)>,
    ) -> Result<bool> {
        let trace = trace.clone();
        self.queue()?.run(move |step| Ok(archive(step, workspace, &trace, &moved))).await
    }

    async fn archived(&self, workspace: WorkspaceId) -> Result<Archived> {
        self.pool
            .audit(move |db| {
                let mut sum = Archived::default();
                each(db, workspace, None, |block| {
                    sum.blocks += 1;
                    sum.bytes += u64::from(block.bytes);
                })?;
                let sql = format!(
                    "SELECT count(DISTINCT b.trace) FROM blocks b JOIN traces t ON t.id = b.trace \
                     WHERE {IS_ARCHIVED} AND t.workspace = ?1"
                );
                let traces: i64 = db
                    .query_row(&sql, [workspace.0], |row| row.get(0))
                    .when("counting archived traces")?;
                sum.traces = u64::try_from(traces).unwrap_or(0);
                Ok(sum)
            })
            .await
    }

    async fn archived_objects(
        &self,
        workspace: WorkspaceId,
        traces: &[TraceId],
    ) -> Result<Vec<ObjectId>> {
        let traces = traces.to_vec();
        self.pool
            .audit(move |db| {
                let mut found = Vec::new();
                for trace in &traces {
                    each(db, workspace, Some(trace), |block| found.push(block.object))?;
                }
                found.sort_unstable();
                found.dedup();
                Ok(found)
            })
            .await
    }
}

fn archivable(
    db: &Connection,
    workspace: WorkspaceId,
    before: Nanos,
    after: i64,
) -> Result<(Vec<TraceId>, Option<i64>)> {
    let doing = "looking for traces to archive";
    let last: Option<i64> = db
        .query_row("SELECT max(id) FROM traces WHERE id > ?1", [after], |row| row.get(0))
        .when(doing)?;
    let Some(last) = last else { return Ok((Vec::new(), None)) };
    let upto = last.min(after.saturating_add(LOOKED_AT));
    let sql = format!(
        "SELECT t.trace_id FROM traces t WHERE t.id > ?1 AND t.id <= ?2 AND t.workspace = ?3 \
         AND t.sealed = 1 AND t.last_received < ?4 \
         AND EXISTS (SELECT 1 FROM blocks b WHERE b.trace = t.id AND NOT ({IS_ARCHIVED})) \
         ORDER BY t.id"
    );
    let mut statement = db.prepare_cached(&sql).when(doing)?;
    let mut rows = statement.query((after, upto, workspace.0, before.0)).when(doing)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().when(doing)? {
        found.push(trace_id(Columns::of(row).text()?)?);
    }
    Ok((found, (upto < last).then_some(upto)))
}

fn number(
    db: &Connection,
    workspace: WorkspaceId,
    trace: &TraceId,
) -> Result<Option<(i64, Vec<u8>)>> {
    db.prepare_cached("SELECT id, key FROM traces WHERE workspace = ?1 AND trace_id = ?2")
        .and_then(|mut s| {
            s.query_row((workspace.0, trace.as_str()), |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        })
        .when("reading a trace to archive")
}

fn payloads(
    db: &Connection,
    workspace: WorkspaceId,
    trace: &TraceId,
) -> Result<Option<TracePayloads>> {
    let Some((id, key)) = number(db, workspace, trace)? else { return Ok(None) };
    let sql =
        format!("SELECT id, data FROM blocks WHERE trace = ?1 AND NOT ({IS_ARCHIVED}) ORDER BY id");
    let blocks = db
        .prepare_cached(&sql)
        .and_then(|mut s| s.query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .when("reading blocks to archive")?;
    Ok(Some(TracePayloads { key: TraceKey(key), blocks }))
}

fn archive(
    step: &mut Step<'_>,
    workspace: WorkspaceId,
    trace: &TraceId,
    moved: &[(i64, ArchivedBlock)],
) -> Result<bool> {
    let doing = "archiving blocks";
    let Some((id, _)) = number(step.db, workspace, trace)? else { return Ok(false) };
    let sql = format!("SELECT 1 FROM blocks WHERE id = ?1 AND trace = ?2 AND NOT ({IS_ARCHIVED})");
    for (block, _) in moved {
        let there = step.db.prepare_cached(&sql).and_then(|mut s| s.exists((block, id)));
        if !there.when(doing)? {
            return Ok(false);
        }
    }
    for (block, place) in moved {
        step.db
            .prepare_cached("UPDATE blocks SET data = ?2 WHERE id = ?1")
            .and_then(|mut s| s.execute((block, place.to_bytes())))
            .when(doing)?;
    }
    let mut vacuum =
        step.db.prepare(&format!("PRAGMA incremental_vacuum({PAGES_RETURNED})")).when(doing)?;
    let mut rows = vacuum.query([]).when(doing)?;
    while rows.next().when(doing)?.is_some() {}
    Ok(true)
}

/// Calls `each` for the archived blocks of a workspace, or of one of its traces.
fn each(
    db: &Connection,
    workspace: WorkspaceId,
    trace: Option<&TraceId>,
    mut each: impl FnMut(ArchivedBlock),
) -> Result<()> {
    let doing = "reading what is archived";
    let of_trace = if trace.is_some() { "AND t.trace_id = ?2" } else { "AND ?2 IS NULL" };
    let sql = format!(
        "SELECT b.id, b.data FROM blocks b JOIN traces t ON t.id = b.trace \
         WHERE {IS_ARCHIVED} AND t.workspace = ?1 {of_trace}"
    );
    let mut statement = db.prepare_cached(&sql).when(doing)?;
    let mut rows = statement.query((workspace.0, trace.map(TraceId::as_str))).when(doing)?;
    while let Some(row) = rows.next().when(doing)? {
        let mut columns = Columns::of(row);
        let id = columns.int()?;
        let block = ArchivedBlock::parse(columns.bytes()?)
            .ok_or_else(|| corrupt(format!("block {id}: where it is archived")))?;
        each(block);
    }
    Ok(())
}
