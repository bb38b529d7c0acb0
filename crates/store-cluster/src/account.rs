//! Users, workspaces, keys and sessions: the contract's [`AccountStore`].

mod key;

use async_trait::async_trait;
use exhibit_model::{
    ApiKey, ApiKeyId, Member, Nanos, Role, Session, User, UserId, Workspace, WorkspaceId,
};
use exhibit_store::{AccountStore, AdminAct, Login, StoreError};
use tokio_postgres::{GenericClient, Row, Transaction, types::ToSql};

use crate::{
    ClusterStore,
    failure::{Result, When, corrupt},
    log::record_act,
    row::Columns,
};

const USER: &str = "u.id, u.email, u.display_name, u.password_hash, u.created";
const WORKSPACE: &str = "w.id, w.public_id, w.name, w.created";

/// Whether a statement finds anything.
pub(super) async fn exists(
    db: &Transaction<'_>,
    sql: &str,
    value: &(dyn ToSql + Sync),
) -> Result<bool> {
    Ok(db.query_opt(sql, &[value]).await.when("looking for a row")?.is_some())
}

fn read_user(c: &mut Columns<'_>) -> Result<User> {
    Ok(User {
        id: UserId(c.next()?),
        email: c.next()?,
        display_name: c.text_or_null()?,
        password_hash: c.next()?,
        created: Nanos(c.next()?),
    })
}

fn read_workspace(c: &mut Columns<'_>) -> Result<Workspace> {
    Ok(Workspace {
        id: WorkspaceId(c.next()?),
        public_id: c.next()?,
        name: c.text()?,
        created: Nanos(c.next()?),
    })
}

fn read_role(c: &mut Columns<'_>) -> Result<Role> {
    Role::from_code(c.next()?).ok_or_else(|| corrupt("a role"))
}

async fn login(db: &impl GenericClient, column: &str, value: &str) -> Result<Option<Login>> {
    let doing = "reading a user";
    let sql = format!("SELECT {USER} FROM users AS u WHERE u.{column} = $1");
    let Some(row) = db.query_opt(&sql, &[&value]).await.when(doing)? else { return Ok(None) };
    let user = read_user(&mut Columns::of(&row))?;
    let sql = format!(
        "SELECT {WORKSPACE}, m.role FROM members AS m JOIN workspaces AS w ON w.id = m.workspace \
         WHERE m.member = $1 ORDER BY m.joined"
    );
    let rows = db.query(&sql, &[&user.id.0]).await.when(doing)?;
    let member = |row: &Row| {
        let mut c = Columns::of(row);
        Ok(Member { workspace: read_workspace(&mut c)?, role: read_role(&mut c)? })
    };
    let members = rows.iter().map(member).collect::<Result<_>>()?;
    Ok(Some(Login { user, members }))
}

async fn make_workspace(
    db: &Transaction<'_>,
    workspace: Workspace,
    act: &AdminAct,
) -> Result<Workspace> {
    let row = db
        .query_opt(
            "INSERT INTO workspaces (public_id, name, created) VALUES ($1, $2, $3) \
             ON CONFLICT (public_id) DO NOTHING RETURNING id",
            &[&workspace.public_id, &workspace.name.as_bytes(), &workspace.created.0],
        )
        .await
        .when("creating a workspace")?;
    let Some(row) = row else { return Err(StoreError::Taken("workspace")) };
    let made = Workspace { id: WorkspaceId(Columns::of(&row).next()?), ..workspace };
    record_act(db, made.id, act).await?;
    Ok(made)
}

async fn join(db: &Transaction<'_>, id: WorkspaceId, user: &UserId, role: Role) -> Result<()> {
    db.execute(
        "INSERT INTO members (member, workspace, role) VALUES ($1, $2, $3) \
         ON CONFLICT (member, workspace) DO UPDATE SET role = excluded.role",
        &[&user.0, &id.0, &role.code()],
    )
    .await
    .when("adding a member")?;
    Ok(())
}

impl ClusterStore {
    async fn workspaces_where(
        &self,
        rest: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Workspace>> {
        let sql = format!("SELECT {WORKSPACE} FROM workspaces AS w {rest}");
        let rows = self.client().await?.query(&sql, values).await.when("reading workspaces")?;
        rows.iter().map(|row| read_workspace(&mut Columns::of(row))).collect()
    }
}

#[async_trait]
impl AccountStore for ClusterStore {
    async fn create_user(
        &self,
        user: User,
        workspace: Workspace,
        act: AdminAct,
    ) -> Result<Workspace> {
        let mut client = self.client().await?;
        let db = client.transaction().await.when("creating a user")?;
        let added = db
            .execute(
                "INSERT INTO users (id, email, display_name, password_hash, created) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (email) DO NOTHING",
                &[
                    &user.id.0,
                    &user.email,
                    &user.display_name.as_deref().map(str::as_bytes),
                    &user.password_hash,
                    &user.created.0,
                ],
            )
            .await
            .when("creating a user")?;
        if added == 0 {
            return Err(StoreError::Taken("e-mail"));
        }
        let made = make_workspace(&db, workspace, &act).await?;
        join(&db, made.id, &user.id, Role::Admin).await?;
        db.commit().await.when("creating a user")?;
        Ok(made)
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<Login>> {
        login(&**self.client().await?, "email", email).await
    }

    async fn user(&self, id: &UserId) -> Result<Option<Login>> {
        login(&**self.client().await?, "id", &id.0).await
    }

    async fn user_count(&self) -> Result<u64> {
        let row = self.client().await?.query_one("SELECT count(*) FROM users", &[]).await;
        Columns::of(&row.when("counting users")?).count()
    }

    async fn create_workspace(&self, workspace: Workspace, act: AdminAct) -> Result<Workspace> {
        let mut client = self.client().await?;
        let db = client.transaction().await.when("creating a workspace")?;
        let made = make_workspace(&db, workspace, &act).await?;
        db.commit().await.when("creating a workspace")?;
        Ok(made)
    }

    async fn workspace(&self, public_id: &str) -> Result<Option<Workspace>> {
        Ok(self.workspaces_where("WHERE w.public_id = $1", &[&public_id]).await?.pop())
    }

    async fn workspace_by_id(&self, id: WorkspaceId) -> Result<Option<Workspace>> {
        Ok(self.workspaces_where("WHERE w.id = $1", &[&id.0]).await?.pop())
    }

    async fn workspaces(&self) -> Result<Vec<Workspace>> {
        self.workspaces_where("ORDER BY w.id", &[]).await
    }

    async fn put_member(
        &self,
        workspace: WorkspaceId,
        user: &UserId,
        role: Role,
        act: AdminAct,
    ) -> Result<()> {
        let mut client = self.client().await?;
        let db = client.transaction().await.when("adding a member")?;
        if !exists(&db, "SELECT 1 FROM workspaces WHERE id = $1", &workspace.0).await? {
            return Err(StoreError::Failed("no such workspace".to_owned()));
        }
        if !exists(&db, "SELECT 1 FROM users WHERE id = $1", &user.0).await? {
            return Err(StoreError::Failed("no such user".to_owned()));
        }
        join(&db, workspace, user, role).await?;
        record_act(&db, workspace, &act).await?;
        db.commit().await.when("adding a member")
    }

    async fn members(&self, workspace: WorkspaceId) -> Result<Vec<(User, Role)>> {
        let sql = format!(
            "SELECT {USER}, m.role FROM members AS m JOIN users AS u ON u.id = m.member \
             WHERE m.workspace = $1 ORDER BY m.joined"
        );
        let rows = self.client().await?.query(&sql, &[&workspace.0]).await;
        let read = |row: &Row| {
            let mut c = Columns::of(row);
            Ok((read_user(&mut c)?, read_role(&mut c)?))
        };
        rows.when("reading members")?.iter().map(read).collect()
    }

    async fn create_key(&self, key: ApiKey, act: AdminAct) -> Result<()> {
        let mut client = self.client().await?;
        let db = client.transaction().await.when("creating a key")?;
        key::create(&db, &key).await?;
        record_act(&db, key.workspace, &act).await?;
        db.commit().await.when("creating a key")
    }

    async fn key_by_hash(&self, hash: &[u8; 32]) -> Result<Option<ApiKey>> {
        Ok(self.keys_where("WHERE hash = $1", &[&&hash[..]]).await?.pop())
    }

    async fn keys(&self, workspace: WorkspaceId) -> Result<Vec<ApiKey>> {
        let rest = "WHERE workspace = $1 ORDER BY created DESC, number DESC";
        self.keys_where(rest, &[&workspace.0]).await
    }

    async fn revoke_key(
        &self,
        workspace: WorkspaceId,
        id: &ApiKeyId,
        at: Nanos,
        act: AdminAct,
    ) -> Result<bool> {
        let doing = "revoking a key";
        let mut client = self.client().await?;
        let db = client.transaction().await.when(doing)?;
        let changed = db
            .execute(
                "UPDATE api_keys SET revoked = $3 WHERE workspace = $1 AND id = $2 \
                 AND revoked IS NULL AND (expires IS NULL OR expires > $3)",
                &[&workspace.0, &id.0, &at.0],
            )
            .await
            .when(doing)?;
        if changed > 0 {
            record_act(&db, workspace, &act).await?;
        }
        db.commit().await.when(doing)?;
        Ok(changed > 0)
    }

    async fn touch_keys(&self, used: &[(ApiKeyId, Nanos)]) -> Result<()> {
        let ids: Vec<&str> = used.iter().map(|(id, _)| id.0.as_str()).collect();
        let times: Vec<i64> = used.iter().map(|(_, at)| at.0).collect();
        let client = self.client().await?;
        client
            .execute(
                "UPDATE api_keys AS k SET last_used = greatest(k.last_used, used.at) FROM \
                 (SELECT id, max(at) AS at FROM unnest($1::text[], $2::bigint[]) AS u (id, at) \
                 GROUP BY id) AS used WHERE k.id = used.id",
                &[&ids, &times],
            )
            .await
            .when("noting the use of keys")?;
        Ok(())
    }

    async fn create_session(&self, session: Session) -> Result<()> {
        let client = self.client().await?;
        client
            .execute(
                "INSERT INTO sessions (hash, member, expires) VALUES ($1, $2, $3) \
                 ON CONFLICT (hash) DO UPDATE SET member = excluded.member, \
                 expires = excluded.expires",
                &[&&session.hash[..], &session.user.0, &session.expires.0],
            )
            .await
            .when("creating a session")?;
        Ok(())
    }

    async fn session(&self, hash: &[u8; 32], now: Nanos) -> Result<Option<(Session, Login)>> {
        let client = self.client().await?;
        let row = client
            .query_opt(
                "SELECT member, expires FROM sessions WHERE hash = $1 AND expires > $2",
                &[&&hash[..], &now.0],
            )
            .await
            .when("reading a session")?;
        let Some(row) = row else { return Ok(None) };
        let mut c = Columns::of(&row);
        let session = Session { hash: *hash, user: UserId(c.next()?), expires: Nanos(c.next()?) };
        let login = login(&**client, "id", &session.user.0).await?;
        Ok(login.map(|login| (session, login)))
    }

    async fn delete_session(&self, hash: &[u8; 32]) -> Result<()> {
        let client = self.client().await?;
        let done = client.execute("DELETE FROM sessions WHERE hash = $1", &[&&hash[..]]).await;
        done.when("ending a session").map(drop)
    }

    async fn setting(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let client = self.client().await?;
        let row = client.query_opt("SELECT value FROM settings WHERE name = $1", &[&name]).await;
        row.when("reading a setting")?.map(|row| Columns::of(&row).next()).transpose()
    }

    async fn swap_setting(
        &self,
        name: &str,
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<bool> {
        let client = self.client().await?;
        let changed = match (expected, value) {
            (None, Some(value)) => {
                let sql = "INSERT INTO settings (name, value) VALUES ($1, $2) \
                           ON CONFLICT (name) DO NOTHING";
                client.execute(sql, &[&name, &value]).await
            }
            (Some(expected), Some(value)) => {
                let sql = "UPDATE settings SET value = $3 WHERE name = $1 AND value = $2";
                client.execute(sql, &[&name, &expected, &value]).await
            }
            (Some(expected), None) => {
                let sql = "DELETE FROM settings WHERE name = $1 AND value = $2";
                client.execute(sql, &[&name, &expected]).await
            }
            (None, None) => {
                let sql = "SELECT 1 FROM settings WHERE name = $1";
                let found = client.query_opt(sql, &[&name]).await;
                return found.when("reading a setting").map(|row| row.is_none());
            }
        };
        changed.when("changing a setting").map(|n| n > 0)
    }
}
