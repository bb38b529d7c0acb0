//! Cosigned checkpoints and time stamps: the contract's [`AnchorStore`].

use async_trait::async_trait;
use exhibit_model::Nanos;
use exhibit_store::{Anchor, AnchorKind, AnchorStore};
use tokio_postgres::{Row, types::ToSql};

use crate::{
    ClusterStore,
    failure::{Result, When},
    row::{Columns, int, most},
};

/// Anchors of a kind that are kept; older ones are thinned.
const KEPT: i64 = 10_000;

fn code(kind: AnchorKind) -> i64 {
    match kind {
        AnchorKind::Witnessed => 1,
        AnchorKind::Stamped => 2,
    }
}

impl ClusterStore {
    async fn anchors_where(
        &self,
        kind: AnchorKind,
        rest: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Anchor>> {
        let sql = format!("SELECT size, name, note, token, kept FROM anchors {rest}");
        let rows = self.client().await?.query(&sql, values).await.when("reading anchors")?;
        let read = |row: &Row| {
            let mut c = Columns::of(row);
            Ok(Anchor {
                kind,
                size: c.count()?,
                name: c.next()?,
                note: c.next()?,
                token: c.next()?,
                kept: Nanos(c.next()?),
            })
        };
        rows.iter().map(read).collect()
    }
}

#[async_trait]
impl AnchorStore for ClusterStore {
    async fn put_anchor(&self, anchor: Anchor) -> Result<()> {
        let kind = code(anchor.kind);
        let client = self.client().await?;
        client
            .execute(
                "INSERT INTO anchors (kind, size, name, note, token, kept) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (kind, size, name) DO UPDATE \
                 SET note = excluded.note, token = excluded.token, kept = excluded.kept",
                &[
                    &kind,
                    &int(anchor.size),
                    &anchor.name,
                    &anchor.note,
                    &anchor.token,
                    &anchor.kept.0,
                ],
            )
            .await
            .when("keeping an anchor")?;
        client
            .execute(
                "DELETE FROM anchors WHERE kind = $1 AND size < (SELECT size FROM anchors \
                 WHERE kind = $1 ORDER BY size DESC LIMIT 1 OFFSET $2)",
                &[&kind, &KEPT],
            )
            .await
            .when("thinning anchors")?;
        Ok(())
    }

    async fn anchors(&self, kind: AnchorKind, from: u64, limit: usize) -> Result<Vec<Anchor>> {
        let rest = "WHERE kind = $1 AND size >= $2 ORDER BY size, name LIMIT $3";
        self.anchors_where(kind, rest, &[&code(kind), &int(from), &most(limit)]).await
    }

    async fn latest_anchor(&self, kind: AnchorKind) -> Result<Option<Anchor>> {
        let rest = "WHERE kind = $1 ORDER BY size DESC, name DESC LIMIT 1";
        Ok(self.anchors_where(kind, rest, &[&code(kind)]).await?.pop())
    }
}
