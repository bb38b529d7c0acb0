//! API keys. The tables hold hashes only.

use exhibit_model::{ApiKey, ApiKeyId, Nanos, Scopes, UserId, WorkspaceId};
use exhibit_store::StoreError;
use tokio_postgres::{Row, Transaction, types::ToSql};

use crate::{
    ClusterStore,
    failure::{Result, When, corrupt},
    row::Columns,
};

const COLUMNS: &str = "id, workspace, owner, name, prefix, hash, scopes, created, expires, \
     revoked, last_used";

pub(super) async fn create(db: &Transaction<'_>, key: &ApiKey) -> Result<()> {
    if !super::exists(db, "SELECT 1 FROM workspaces WHERE id = $1", &key.workspace.0).await? {
        return Err(StoreError::Failed("no such workspace".to_owned()));
    }
    let sql = format!(
        "INSERT INTO api_keys ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
         ON CONFLICT DO NOTHING"
    );
    let added = db
        .execute(
            &sql,
            &[
                &key.id.0,
                &key.workspace.0,
                &key.owner.as_ref().map(|owner| &owner.0),
                &key.name.as_bytes(),
                &key.prefix,
                &&key.hash[..],
                &key.scopes.to_string(),
                &key.created.0,
                &key.expires.map(|t| t.0),
                &key.revoked.map(|t| t.0),
                &key.last_used.map(|t| t.0),
            ],
        )
        .await
        .when("creating a key")?;
    if added == 0 { Err(StoreError::Taken("key")) } else { Ok(()) }
}

impl ClusterStore {
    pub(super) async fn keys_where(
        &self,
        rest: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<ApiKey>> {
        let sql = format!("SELECT {COLUMNS} FROM api_keys {rest}");
        let rows = self.client().await?.query(&sql, values).await.when("reading keys")?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &Row) -> Result<ApiKey> {
    let mut c = Columns::of(row);
    let time = |at: Option<i64>| at.map(Nanos);
    Ok(ApiKey {
        id: ApiKeyId(c.next()?),
        workspace: WorkspaceId(c.next()?),
        owner: c.next::<Option<String>>()?.map(UserId),
        name: c.text()?,
        prefix: c.next()?,
        hash: c.array()?,
        scopes: Scopes::parse(c.next()?).map_err(|_| corrupt("a scope of a key"))?,
        created: Nanos(c.next()?),
        expires: time(c.next()?),
        revoked: time(c.next()?),
        last_used: time(c.next()?),
    })
}
