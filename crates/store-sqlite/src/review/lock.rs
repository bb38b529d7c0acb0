//! Keys of quarantined records.

use exhibit_model::{RecordId, WorkspaceId};
use rusqlite::{Connection, OptionalExtension as _};

use crate::failure::{Result, SqlContext};

pub(super) fn put(
    db: &Connection,
    workspace: WorkspaceId,
    locks: &[(RecordId, Vec<u8>)],
) -> Result<Result<()>> {
    let sql = "INSERT OR REPLACE INTO locks (workspace, record, key) VALUES (?1, ?2, ?3)";
    let mut statement = db.prepare_cached(sql).when("keeping a lock")?;
    for (record, key) in locks {
        statement.execute((workspace.0, record.0, key)).when("keeping a lock")?;
    }
    Ok(Ok(()))
}

pub(super) fn get(
    db: &Connection,
    workspace: WorkspaceId,
    records: &[RecordId],
) -> Result<Vec<Option<Vec<u8>>>> {
    let sql = "SELECT key FROM locks WHERE workspace = ?1 AND record = ?2";
    let mut statement = db.prepare_cached(sql).when("reading locks")?;
    let mut read = |record: &RecordId| {
        statement.query_row((workspace.0, record.0), |row| row.get(0)).optional()
    };
    records.iter().map(|record| read(record).when("reading locks")).collect()
}

/// Overwritten before it is removed, so that the page holds nothing of it.
pub(super) fn destroy(
    db: &Connection,
    workspace: WorkspaceId,
    records: &[RecordId],
) -> Result<Result<()>> {
    let doing = "destroying a lock";
    for record in records {
        for sql in [
            "UPDATE locks SET key = zeroblob(length(key)) WHERE workspace = ?1 AND record = ?2",
            "DELETE FROM locks WHERE workspace = ?1 AND record = ?2",
        ] {
            db.prepare_cached(sql)
                .and_then(|mut s| s.execute((workspace.0, record.0)))
                .when(doing)?;
        }
    }
    Ok(Ok(()))
}
