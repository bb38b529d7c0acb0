//! Removal of traces: the contract's [`EraseStore`].

use std::{collections::BTreeSet, path::Path, time::Duration};

use async_trait::async_trait;
use exhibit_model::{Review, ReviewState, TraceId, WorkspaceId};
use exhibit_store::{AdminAct, Doomed, EraseStore, LogId, StoreError};
use rusqlite::Connection;

// `secure_delete` is on for every connection, so what is deleted is overwritten.
use crate::{
    SqliteStore,
    failure::{Result, SqlContext},
    review,
    row::trace::TraceState,
    writer::{derive::whole_trace, step::Step},
};

/// Free pages handed back to the file system after a removal: 64 MiB of four kilobytes each. The rest
/// is used again by what comes next.
const PAGES_RETURNED: i64 = 16_384;
/// How long emptying the log waits for readers that still look at it.
pub(crate) const LOG_WAIT: Duration = Duration::from_secs(2);

#[async_trait]
impl EraseStore for SqliteStore {
    async fn erase(
        &self,
        workspace: WorkspaceId,
        traces: Vec<Doomed>,
        closed: Vec<(Review, AdminAct)>,
        act: AdminAct,
    ) -> Result<bool> {
        self.queue()?.run(move |step| erase(step, workspace, &traces, &closed, &act).map(Ok)).await
    }

    async fn scrub(&self) -> Result<bool> {
        self.queue()?;
        if let Some(search) = &self.search {
            search.scrub().await?;
        }
        let path = self.database.clone();
        let emptied = tokio::task::spawn_blocking(move || empty_log(&path)).await;
        emptied.unwrap_or_else(|error| Err(StoreError::Failed(error.to_string())))
    }

    async fn tombstones(&self, workspace: WorkspaceId, wanted: &[[u8; 16]]) -> Result<Vec<bool>> {
        let wanted = wanted.to_vec();
        self.pool.read(move |db| tombstones(db, workspace, &wanted)).await
    }
}

/// Copies the write-ahead log into the database and cuts it to nothing; false where readers kept it.
pub(crate) fn empty_log(path: &Path) -> Result<bool> {
    let doing = "emptying the write-ahead log";
    let db = Connection::open(path).when(doing)?;
    db.busy_timeout(LOG_WAIT).when(doing)?;
    db.pragma_update(None, "synchronous", "FULL").when(doing)?;
    let busy: i64 =
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).when(doing)?;
    Ok(busy == 0)
}

fn erase(
    step: &mut Step<'_>,
    workspace: WorkspaceId,
    traces: &[Doomed],
    closed: &[(Review, AdminAct)],
    act: &AdminAct,
) -> Result<bool> {
    let mut undecided = BTreeSet::new();
    for doomed in traces {
        undecided.extend(reviews(step.db, workspace, &doomed.trace_id)?);
        let Some(trace) = step.trace(workspace, &doomed.trace_id)? else { return Ok(false) };
        let seals = u64::try_from(trace.state.seals).unwrap_or(0);
        if (trace.state.leaves, seals) != (doomed.leaves, doomed.seals) {
            return Ok(false);
        }
    }
    let before =
        closed.iter().map(|(review, _)| (review.id.clone(), review.version.cast_signed() - 1));
    if undecided != before.collect() {
        return Ok(false);
    }
    for (review, act) in closed {
        review::put(step, workspace, review, act)?;
    }
    remove(step, workspace, traces, act)?;
    Ok(true)
}

/// Ids and versions of the reviews of a trace that nobody has decided.
fn reviews(db: &Connection, workspace: WorkspaceId, trace: &TraceId) -> Result<Vec<(String, i64)>> {
    let undecided = ReviewState::ALL.iter().filter(|state| state.is_undecided());
    let codes: Vec<String> = undecided.map(|state| state.code().to_string()).collect();
    let sql = format!(
        "SELECT id, version FROM reviews INDEXED BY reviews_of_trace \
         WHERE workspace = ?1 AND trace_id = ?2 AND state IN ({})",
        codes.join(", ")
    );
    db.prepare_cached(&sql)
        .and_then(|mut s| {
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            s.query_map((workspace.0, trace.as_str()), read)?.collect()
        })
        .when("reading reviews of a trace to erase")
}

fn remove(
    step: &mut Step<'_>,
    workspace: WorkspaceId,
    traces: &[Doomed],
    act: &AdminAct,
) -> Result<()> {
    let doing = "erasing a trace";
    for doomed in traces {
        let Some(trace) = step.remove(workspace, &doomed.trace_id) else { continue };
        subtract(step, workspace, &trace.state)?;
        let id = trace.state.id;
        for table in ["contexts", "spans", "superseded", "responses", "blocks", "seals"] {
            step.db
                .prepare_cached(&format!("DELETE FROM {table} WHERE trace = ?1"))
                .and_then(|mut s| s.execute([id]))
                .when(doing)?;
        }
        step.db
            .prepare_cached("DELETE FROM traces WHERE id = ?1")
            .and_then(|mut s| s.execute([id]))
            .when(doing)?;
        step.db
            .prepare_cached("INSERT OR IGNORE INTO tombstones (workspace, digest) VALUES (?1, ?2)")
            .and_then(|mut s| s.execute((workspace.0, &doomed.tombstone[..])))
            .when(doing)?;
        step.erased.push((id, trace.filed()));
    }
    let index = step.append(LogId::Workspace(workspace), &act.leaf)?;
    step.db
        .prepare_cached("INSERT INTO acts (log, leaf, body) VALUES (?1, ?2, ?3)")
        .and_then(|mut s| s.execute((workspace.0, index as i64, &act.body)))
        .when("keeping an act")?;
    let mut vacuum =
        step.db.prepare(&format!("PRAGMA incremental_vacuum({PAGES_RETURNED})")).when(doing)?;
    let mut rows = vacuum.query([]).when(doing)?;
    while rows.next().when(doing)?.is_some() {}
    Ok(())
}

/// Takes a trace's spans out of the rollups.
fn subtract(step: &mut Step<'_>, workspace: WorkspaceId, state: &TraceState) -> Result<()> {
    let mut rollup = step.rollups.remove(&workspace.0).unwrap_or_default();
    whole_trace(step.db, state, |revision, first, inherited| {
        rollup.subtract(&revision.head, revision.counted, first, inherited);
    })?;
    step.rollups.insert(workspace.0, rollup);
    Ok(())
}

fn tombstones(db: &Connection, workspace: WorkspaceId, wanted: &[[u8; 16]]) -> Result<Vec<bool>> {
    let doing = "looking for tombstones";
    if wanted.is_empty() {
        let any = db.prepare_cached("SELECT 1 FROM tombstones LIMIT 1");
        let any = any.and_then(|mut s| s.exists([])).when(doing)?;
        return Ok(any.then_some(true).into_iter().collect());
    }
    wanted.iter().map(|digest| is_erased(db, workspace, digest)).collect()
}

/// Whether a trace was erased.
pub(crate) fn is_erased(
    db: &Connection,
    workspace: WorkspaceId,
    digest: &[u8; 16],
) -> Result<bool> {
    db.prepare_cached("SELECT 1 FROM tombstones WHERE workspace = ?1 AND digest = ?2")
        .and_then(|mut s| s.exists((workspace.0, &digest[..])))
        .when("looking for a tombstone")
}
