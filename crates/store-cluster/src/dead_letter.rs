//! Refused entries: the contract's [`DeadLetterStore`].

use async_trait::async_trait;
use exhibit_model::{Nanos, WorkspaceId};
use exhibit_store::{DeadLetter, DeadLetterStore, Page, dead_letter::cursor};
use tokio_postgres::Row;

use crate::{
    ClusterStore,
    failure::{Result, When},
    row::{Columns, int, most},
};

fn read(row: &Row) -> Result<DeadLetter> {
    let mut c = Columns::of(row);
    Ok(DeadLetter {
        id: c.next::<i64>()?.to_string(),
        received: Nanos(c.next()?),
        door: c.text()?,
        index: c.next::<Option<i64>>()?.map(|n| n.max(0) as u64),
        pointer: c.text()?,
        reason: c.text()?,
        trace_id: c.text_or_null()?,
        span_id: c.text_or_null()?,
        body: c.text_or_null()?,
        cut: c.next()?,
        bytes: c.count()?,
        digest: c.array()?,
    })
}

fn bytes(text: Option<&String>) -> Option<&[u8]> {
    text.map(String::as_bytes)
}

#[async_trait]
impl DeadLetterStore for ClusterStore {
    async fn bury(
        &self,
        workspace: WorkspaceId,
        letters: Vec<DeadLetter>,
        keep: u64,
    ) -> Result<()> {
        let doing = "keeping refused entries";
        let mut client = self.client().await?;
        let db = client.transaction().await.when(doing)?;
        let insert = db
            .prepare(
                "INSERT INTO dead_letters (workspace, received, door, place, pointer, reason, \
                 trace_id, span_id, body, cut, bytes, digest) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            )
            .await
            .when(doing)?;
        for letter in &letters {
            db.execute(
                &insert,
                &[
                    &workspace.0,
                    &letter.received.0,
                    &letter.door.as_bytes(),
                    &letter.index.map(int),
                    &letter.pointer.as_bytes(),
                    &letter.reason.as_bytes(),
                    &bytes(letter.trace_id.as_ref()),
                    &bytes(letter.span_id.as_ref()),
                    &bytes(letter.body.as_ref()),
                    &letter.cut,
                    &int(letter.bytes),
                    &&letter.digest[..],
                ],
            )
            .await
            .when(doing)?;
        }
        db.execute(
            "DELETE FROM dead_letters WHERE workspace = $1 AND number <= (SELECT number \
             FROM dead_letters WHERE workspace = $1 ORDER BY number DESC LIMIT 1 OFFSET $2)",
            &[&workspace.0, &int(keep)],
        )
        .await
        .when(doing)?;
        db.commit().await.when(doing)
    }

    async fn dead_letters(
        &self,
        workspace: WorkspaceId,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<DeadLetter>> {
        let after = cursor(after.as_deref())?.unwrap_or(i64::MAX);
        let client = self.client().await?;
        let rows = client
            .query(
                "SELECT number, received, door, place, pointer, reason, trace_id, span_id, body, \
                 cut, bytes, digest FROM dead_letters WHERE workspace = $1 AND number < $2 \
                 ORDER BY number DESC LIMIT $3",
                &[&workspace.0, &after, &most(limit.saturating_add(1))],
            )
            .await
            .when("reading refused entries")?;
        let mut rows: Vec<DeadLetter> = rows.iter().map(read).collect::<Result<_>>()?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|letter| letter.id.clone());
        Ok(Page { rows, next })
    }

    async fn clear_dead_letters(&self, workspace: WorkspaceId) -> Result<u64> {
        let client = self.client().await?;
        let sql = "DELETE FROM dead_letters WHERE workspace = $1";
        client.execute(sql, &[&workspace.0]).await.when("removing refused entries")
    }
}
