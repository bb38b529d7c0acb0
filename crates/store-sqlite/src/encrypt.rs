//! Encrypting what lies in plain: the contract's [`EncryptStore`].
//!
//! What is replaced is overwritten (`secure_delete`), but SQLite moves cells about and leaves copies between
//! them; only a database that is written anew holds none.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use exhibit_model::WorkspaceId;
use exhibit_store::{EncryptStore, Resealed, StoreError};
use rusqlite::{Connection, params};

use crate::{
    SqliteStore,
    archive::IS_ARCHIVED,
    erase::empty_log,
    failure::{Result, SqlContext},
    row::{
        Columns,
        context::Contexts,
        span::{COLUMNS, Packed, Revision, Stated},
    },
    writer::step::Step,
};

#[async_trait]
impl EncryptStore for SqliteStore {
    async fn reseal(&self, workspace: WorkspaceId, traces: Vec<Resealed>) -> Result<bool> {
        self.queue()?.run(move |step| reseal(step, workspace, &traces).map(Ok)).await
    }

    async fn blank_letters(&self) -> Result<u64> {
        let sql = "UPDATE dead_letters SET body = NULL, cut = 1 WHERE body IS NOT NULL";
        self.queue()?
            .run(move |step| {
                let blanked = step.db.execute(sql, []).when("blanking dead letters")?;
                Ok(Ok(blanked as u64))
            })
            .await
    }

    async fn rewrite(&self) -> Result<bool> {
        self.queue()?;
        let path = self.database.clone();
        let done = tokio::task::spawn_blocking(move || rewrite(&path)).await;
        done.unwrap_or_else(|error| Err(StoreError::Failed(error.to_string())))
    }
}

fn reseal(step: &mut Step<'_>, workspace: WorkspaceId, traces: &[Resealed]) -> Result<bool> {
    for one in traces {
        let Some(trace) = step.trace(workspace, &one.trace_id)? else { return Ok(false) };
        let (id, same) = (trace.state.id, trace.state.key == one.was);
        let given: Vec<i64> = one.blocks.iter().map(|(block, _)| *block).collect();
        if !same || blocks(step.db, id)? != given {
            return Ok(false);
        }
    }
    for one in traces {
        let Some(mut trace) = step.take(workspace, &one.trace_id) else { continue };
        let id = trace.state.id;
        for (block, data) in &one.blocks {
            step.db
                .prepare_cached("UPDATE blocks SET data = ?2 WHERE id = ?1")
                .and_then(|mut s| s.execute((block, data)))
                .when("sealing a block")?;
        }
        step.db
            .prepare_cached("UPDATE traces SET key = ?2 WHERE id = ?1")
            .and_then(|mut s| s.execute((id, &one.key.0)))
            .when("wrapping a key anew")?;
        conceal_previews(step, id, &one.trace_id)?;
        trace.state.key = one.key.clone();
        let summary = Arc::make_mut(&mut trace.state.summary);
        (summary.input_preview, summary.output_preview) = (None, None);
        trace.touch();
        step.put(workspace, one.trace_id.clone(), trace);
    }
    Ok(true)
}

/// The blocks of a trace that are not archived, in order.
fn blocks(db: &Connection, trace: i64) -> Result<Vec<i64>> {
    let sql = format!("SELECT id FROM blocks WHERE trace = ?1 AND NOT ({IS_ARCHIVED}) ORDER BY id");
    db.prepare_cached(&sql)
        .and_then(|mut s| s.query_map([trace], |row| row.get(0))?.collect())
        .when("reading blocks to seal")
}

/// Takes the previews out of the rows of a trace's spans.
fn conceal_previews(
    step: &mut Step<'_>,
    trace: i64,
    trace_id: &exhibit_model::TraceId,
) -> Result<()> {
    let doing = "reading spans to encrypt";
    let contexts = Contexts::load(step.db, trace)?;
    let mut changed = Vec::new();
    let sql = format!("SELECT {COLUMNS} FROM spans WHERE trace = ?1");
    let mut statement = step.db.prepare_cached(&sql).when(doing)?;
    let mut rows = statement.query([trace]).when(doing)?;
    while let Some(row) = rows.next().when(doing)? {
        let Revision { mut head, record, digest, place, leaf, counted } =
            Revision::read(row, trace_id, &contexts)?;
        if head.input_preview.is_none() && head.output_preview.is_none() {
            continue;
        }
        (head.input_preview, head.output_preview) = (None, None);
        let context = Packed::read(Columns::from(row, 3).bytes()?)?.facts()?.context;
        let stated = Stated { record, digest: &digest, place, leaf, counted, context };
        let mut packed = Vec::new();
        Packed::write(&mut packed, &head, &stated);
        changed.push((head.span_id, packed));
    }
    for (span, packed) in changed {
        step.db
            .prepare_cached("UPDATE spans SET packed = ?3 WHERE trace = ?1 AND span_id = ?2")
            .and_then(|mut s| s.execute(params![trace, span.as_str(), packed]))
            .when("taking previews out of a span")?;
    }
    Ok(())
}

/// Writes the database anew, and cuts the write-ahead log. On a connection of its own: the writer's keeps
/// temporary tables in memory, and this makes one as large as the database.
fn rewrite(path: &Path) -> Result<bool> {
    let doing = "writing the database anew";
    let db = Connection::open(path).when(doing)?;
    db.busy_timeout(crate::erase::LOG_WAIT).when(doing)?;
    db.pragma_update(None, "synchronous", "FULL").when(doing)?;
    db.pragma_update(None, "secure_delete", true).when(doing)?;
    db.execute_batch("VACUUM").when(doing)?;
    drop(db);
    empty_log(path)
}
