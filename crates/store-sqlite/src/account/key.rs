//! API keys. The tables hold hashes only.

use exhibit_model::{ApiKey, ApiKeyId, Nanos, Scopes, UserId, WorkspaceId};
use exhibit_store::{AdminAct, StoreError};
use rusqlite::{Connection, OptionalExtension, params};

use super::{exists, record};
use crate::{
    failure::{Result, SqlContext, corrupt},
    row::Columns,
    writer::step::Step,
};

const COLUMNS: &str = "id, workspace, owner, name, prefix, hash, scopes, created, expires, \
     revoked, last_used";

pub(super) fn create(step: &mut Step<'_>, key: &ApiKey, act: &AdminAct) -> Result<Result<()>> {
    if !exists(step.db, "SELECT 1 FROM workspaces WHERE id = ?1", key.workspace.0)? {
        return Ok(Err(StoreError::Failed("no such workspace".to_owned())));
    }
    if exists(step.db, "SELECT 1 FROM api_keys WHERE hash = ?1", &key.hash[..])?
        || exists(step.db, "SELECT 1 FROM api_keys WHERE id = ?1", &key.id.0)?
    {
        return Ok(Err(StoreError::Taken("key")));
    }
    let sql = format!(
        "INSERT INTO api_keys ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
    );
    step.db
        .prepare_cached(&sql)
        .and_then(|mut s| {
            s.execute(params![
                key.id.0,
                key.workspace.0,
                key.owner.as_ref().map(|owner| &owner.0),
                key.name,
                key.prefix,
                &key.hash[..],
                key.scopes.to_string(),
                key.created.0,
                key.expires.map(|t| t.0),
                key.revoked.map(|t| t.0),
                key.last_used.map(|t| t.0),
            ])
        })
        .when("creating a key")?;
    record(step, key.workspace, act)?;
    Ok(Ok(()))
}

pub(super) fn by_hash(db: &Connection, hash: &[u8; 32]) -> Result<Option<ApiKey>> {
    let sql = format!("SELECT {COLUMNS} FROM api_keys WHERE hash = ?1");
    db.prepare_cached(&sql)
        .and_then(|mut s| s.query_row([&hash[..]], |row| Ok(read(row))).optional())
        .when("reading a key")?
        .transpose()
}

pub(super) fn of_workspace(db: &Connection, workspace: WorkspaceId) -> Result<Vec<ApiKey>> {
    let doing = "listing keys";
    let sql = format!(
        "SELECT {COLUMNS} FROM api_keys WHERE workspace = ?1 ORDER BY created DESC, number DESC"
    );
    let mut statement = db.prepare_cached(&sql).when(doing)?;
    let mut rows = statement.query([workspace.0]).when(doing)?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next().when(doing)? {
        keys.push(read(row)?);
    }
    Ok(keys)
}

/// Revokes a key that works at the time; whether there was one.
pub(super) fn revoke(
    step: &mut Step<'_>,
    workspace: WorkspaceId,
    id: &ApiKeyId,
    at: Nanos,
    act: &AdminAct,
) -> Result<Result<bool>> {
    let changed = step
        .db
        .prepare_cached(
            "UPDATE api_keys SET revoked = ?3 WHERE workspace = ?1 AND id = ?2 \
             AND revoked IS NULL AND (expires IS NULL OR expires > ?3)",
        )
        .and_then(|mut s| s.execute((workspace.0, &id.0, at.0)))
        .when("revoking a key")?;
    if changed > 0 {
        record(step, workspace, act)?;
    }
    Ok(Ok(changed > 0))
}

pub(super) fn touch(step: &mut Step<'_>, used: &[(ApiKeyId, Nanos)]) -> Result<Result<()>> {
    let doing = "noting the use of keys";
    let mut statement = step
        .db
        .prepare_cached(
            "UPDATE api_keys SET last_used = ?2 WHERE id = ?1 \
             AND (last_used IS NULL OR last_used < ?2)",
        )
        .when(doing)?;
    for (id, at) in used {
        statement.execute((&id.0, at.0)).when(doing)?;
    }
    Ok(Ok(()))
}

fn read(row: &rusqlite::Row<'_>) -> Result<ApiKey> {
    let mut c = Columns::of(row);
    Ok(ApiKey {
        id: ApiKeyId(c.text()?.to_owned()),
        workspace: WorkspaceId(c.int()?),
        owner: c.string_or_null()?.map(UserId),
        name: c.text()?.to_owned(),
        prefix: c.text()?.to_owned(),
        hash: c.array()?,
        scopes: Scopes::parse(c.text()?).map_err(|_| corrupt("a scope of a key"))?,
        created: c.time()?,
        expires: c.time_or_null()?,
        revoked: c.time_or_null()?,
        last_used: c.time_or_null()?,
    })
}
