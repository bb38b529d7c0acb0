//! Words of others about the log: the contract's [`AnchorStore`].

use async_trait::async_trait;
use exhibit_model::Nanos;
use exhibit_store::{Anchor, AnchorKind, AnchorStore};
use rusqlite::{Connection, Row, params};

use crate::{
    SqliteStore,
    failure::{Result, SqlContext},
};

/// Anchors of a kind that are kept; older ones are thinned.
const ANCHORS_KEPT: i64 = 10_000;
const COLUMNS: &str = "kind, size, name, note, token, kept";

fn code(kind: AnchorKind) -> i64 {
    match kind {
        AnchorKind::Witnessed => 1,
        AnchorKind::Stamped => 2,
    }
}

#[async_trait]
impl AnchorStore for SqliteStore {
    async fn put_anchor(&self, anchor: Anchor) -> Result<()> {
        self.queue()?
            .run(move |step| {
                let size = i64::try_from(anchor.size).unwrap_or(i64::MAX);
                step.db
                    .prepare_cached(
                        "INSERT OR REPLACE INTO anchors (kind, size, name, note, token, kept) \
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    )
                    .and_then(|mut s| {
                        s.execute(params![
                            code(anchor.kind),
                            size,
                            anchor.name,
                            anchor.note,
                            anchor.token,
                            anchor.kept.0
                        ])
                    })
                    .when("keeping an anchor")?;
                step.db
                    .prepare_cached(
                        "DELETE FROM anchors WHERE kind = ?1 AND size < (SELECT size FROM anchors \
                         WHERE kind = ?1 ORDER BY size DESC LIMIT 1 OFFSET ?2)",
                    )
                    .and_then(|mut s| s.execute((code(anchor.kind), ANCHORS_KEPT)))
                    .when("thinning anchors")?;
                Ok(Ok(()))
            })
            .await
    }

    async fn anchors(&self, kind: AnchorKind, from: u64, limit: usize) -> Result<Vec<Anchor>> {
        self.pool
            .read(move |db| {
                let from = i64::try_from(from).unwrap_or(i64::MAX);
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                let sql = format!(
                    "SELECT {COLUMNS} FROM anchors WHERE kind = ?1 AND size >= ?2 \
                     ORDER BY size, name LIMIT ?3"
                );
                list(db, &sql, kind, params![code(kind), from, limit])
            })
            .await
    }

    async fn latest_anchor(&self, kind: AnchorKind) -> Result<Option<Anchor>> {
        self.pool
            .read(move |db| {
                let sql = format!(
                    "SELECT {COLUMNS} FROM anchors WHERE kind = ?1 \
                     ORDER BY size DESC, name DESC LIMIT 1"
                );
                Ok(list(db, &sql, kind, params![code(kind)])?.pop())
            })
            .await
    }
}

fn list(
    db: &Connection,
    sql: &str,
    kind: AnchorKind,
    parameters: &[&dyn rusqlite::ToSql],
) -> Result<Vec<Anchor>> {
    let doing = "reading anchors";
    let mut statement = db.prepare_cached(sql).when(doing)?;
    let rows = statement.query_map(parameters, |row| read(kind, row)).when(doing)?;
    rows.collect::<rusqlite::Result<_>>().when(doing)
}

fn read(kind: AnchorKind, row: &Row<'_>) -> rusqlite::Result<Anchor> {
    Ok(Anchor {
        kind,
        size: u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0),
        name: row.get(2)?,
        note: row.get(3)?,
        token: row.get(4)?,
        kept: Nanos(row.get(5)?),
    })
}
