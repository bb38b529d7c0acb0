//! Refused entries: the contract's [`DeadLetterStore`].

use async_trait::async_trait;
use exhibit_model::{Nanos, WorkspaceId};
use exhibit_store::{DeadLetter, DeadLetterStore, Page, dead_letter::cursor};
use rusqlite::{Connection, Row};

use crate::{
    SqliteStore,
    failure::{Result, SqlContext},
};

const COLUMNS: &str =
    "number, received, door, place, pointer, reason, trace_id, span_id, body, cut, bytes, digest";

#[async_trait]
impl DeadLetterStore for SqliteStore {
    async fn bury(
        &self,
        workspace: WorkspaceId,
        letters: Vec<DeadLetter>,
        keep: u64,
    ) -> Result<()> {
        self.queue()?
            .run(move |step| {
                for letter in &letters {
                    insert(step.db, workspace, letter)?;
                }
                give_way(step.db, workspace, keep)?;
                Ok(Ok(()))
            })
            .await
    }

    async fn dead_letters(
        &self,
        workspace: WorkspaceId,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<DeadLetter>> {
        let after = cursor(after.as_deref())?.unwrap_or(i64::MAX);
        self.pool.read(move |db| page(db, workspace, after, limit)).await
    }

    async fn clear_dead_letters(&self, workspace: WorkspaceId) -> Result<u64> {
        self.queue()?
            .run(move |step| {
                let removed = step
                    .db
                    .prepare_cached("DELETE FROM dead_letters WHERE workspace = ?1")
                    .and_then(|mut s| s.execute([workspace.0]))
                    .when("clearing dead letters")?;
                Ok(Ok(removed as u64))
            })
            .await
    }
}

fn insert(db: &Connection, workspace: WorkspaceId, letter: &DeadLetter) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO dead_letters (workspace, received, door, place, pointer, reason, trace_id, \
         span_id, body, cut, bytes, digest) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )
    .and_then(|mut s| {
        s.execute((
            workspace.0,
            letter.received.0,
            &letter.door,
            letter.index.and_then(|n| i64::try_from(n).ok()),
            &letter.pointer,
            &letter.reason,
            &letter.trace_id,
            &letter.span_id,
            &letter.body,
            letter.cut,
            i64::try_from(letter.bytes).unwrap_or(i64::MAX),
            &letter.digest[..],
        ))
    })
    .when("keeping a dead letter")
    .map(|_| ())
}

/// The oldest beyond `keep` go.
fn give_way(db: &Connection, workspace: WorkspaceId, keep: u64) -> Result<()> {
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    db.prepare_cached(
        "DELETE FROM dead_letters WHERE workspace = ?1 AND number <= (SELECT number FROM \
         dead_letters WHERE workspace = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
    )
    .and_then(|mut s| s.execute((workspace.0, keep)))
    .when("removing old dead letters")
    .map(|_| ())
}

fn page(
    db: &Connection,
    workspace: WorkspaceId,
    after: i64,
    limit: usize,
) -> Result<Page<DeadLetter>> {
    let doing = "reading dead letters";
    let sql = format!(
        "SELECT {COLUMNS} FROM dead_letters WHERE workspace = ?1 AND number < ?2 \
         ORDER BY number DESC LIMIT ?3"
    );
    let most = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let mut statement = db.prepare_cached(&sql).when(doing)?;
    let rows = statement.query_map((workspace.0, after, most), read).when(doing)?;
    let mut rows: Vec<DeadLetter> = rows.collect::<rusqlite::Result<_>>().when(doing)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|letter| letter.id.clone());
    Ok(Page { rows, next })
}

fn read(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    let digest: Vec<u8> = row.get(11)?;
    Ok(DeadLetter {
        id: row.get::<_, i64>(0)?.to_string(),
        received: Nanos(row.get(1)?),
        door: row.get(2)?,
        index: row.get::<_, Option<i64>>(3)?.and_then(|n| u64::try_from(n).ok()),
        pointer: row.get(4)?,
        reason: row.get(5)?,
        trace_id: row.get(6)?,
        span_id: row.get(7)?,
        body: row.get(8)?,
        cut: row.get(9)?,
        bytes: u64::try_from(row.get::<_, i64>(10)?).unwrap_or(0),
        digest: digest.try_into().unwrap_or_default(),
    })
}
