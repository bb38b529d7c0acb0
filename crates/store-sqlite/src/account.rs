//! Users, workspaces, keys and sessions: the contract's [`AccountStore`].

mod key;

use async_trait::async_trait;
use exhibit_model::{
    ApiKey, ApiKeyId, Member, Nanos, Role, Session, User, UserId, Workspace, WorkspaceId,
};
use exhibit_store::{AccountStore, AdminAct, LogId, Login, StoreError};
use rusqlite::{Connection, OptionalExtension};

use crate::{
    SqliteStore,
    failure::{Result, SqlContext},
    row::Columns,
    writer::step::Step,
};

#[async_trait]
impl AccountStore for SqliteStore {
    async fn create_user(
        &self,
        user: User,
        workspace: Workspace,
        act: AdminAct,
    ) -> Result<Workspace> {
        self.queue()?
            .run(move |step| {
                if exists(step.db, "SELECT 1 FROM users WHERE email = ?1", &user.email)? {
                    return Ok(Err(StoreError::Taken("e-mail")));
                }
                let made = match make_workspace(step, &workspace, &act)? {
                    Ok(made) => made,
                    taken => return Ok(taken),
                };
                step.db
                    .prepare_cached(
                        "INSERT INTO users (id, email, display_name, password_hash, created) \
                         VALUES (?1, ?2, ?3, ?4, ?5)",
                    )
                    .and_then(|mut s| {
                        s.execute((
                            &user.id.0,
                            &user.email,
                            &user.display_name,
                            &user.password_hash,
                            user.created.0,
                        ))
                    })
                    .when("creating a user")?;
                join(step.db, made.id, &user.id, Role::Admin)?;
                Ok(Ok(made))
            })
            .await
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<Login>> {
        let email = email.to_owned();
        self.pool.read(move |db| login(db, "email", &email)).await
    }

    async fn user(&self, id: &UserId) -> Result<Option<Login>> {
        let id = id.0.clone();
        self.pool.read(move |db| login(db, "id", &id)).await
    }

    async fn user_count(&self) -> Result<u64> {
        self.pool
            .read(|db| {
                let doing = "counting users";
                db.query_row("SELECT count(*) FROM users", [], |row| row.get::<_, i64>(0))
                    .when(doing)
                    .map(|n| n.max(0) as u64)
            })
            .await
    }

    async fn create_workspace(&self, workspace: Workspace, act: AdminAct) -> Result<Workspace> {
        self.queue()?.run(move |step| make_workspace(step, &workspace, &act)).await
    }

    async fn workspace(&self, public_id: &str) -> Result<Option<Workspace>> {
        let public_id = public_id.to_owned();
        self.pool
            .read(move |db| {
                workspaces(db, "WHERE public_id = ?1", [public_id]).map(|mut w| w.pop())
            })
            .await
    }

    async fn workspace_by_id(&self, id: WorkspaceId) -> Result<Option<Workspace>> {
        self.pool.read(move |db| workspaces(db, "WHERE id = ?1", [id.0]).map(|mut w| w.pop())).await
    }

    async fn workspaces(&self) -> Result<Vec<Workspace>> {
        self.pool.read(|db| workspaces(db, "ORDER BY id", [])).await
    }

    async fn put_member(
        &self,
        workspace: WorkspaceId,
        user: &UserId,
        role: Role,
        act: AdminAct,
    ) -> Result<()> {
        let user = user.clone();
        self.queue()?
            .run(move |step| {
                if !exists(step.db, "SELECT 1 FROM workspaces WHERE id = ?1", workspace.0)? {
                    return Ok(Err(StoreError::Failed("no such workspace".to_owned())));
                }
                if !exists(step.db, "SELECT 1 FROM users WHERE id = ?1", &user.0)? {
                    return Ok(Err(StoreError::Failed("no such user".to_owned())));
                }
                join(step.db, workspace, &user, role)?;
                record(step, workspace, &act)?;
                Ok(Ok(()))
            })
            .await
    }

    async fn members(&self, workspace: WorkspaceId) -> Result<Vec<(User, Role)>> {
        self.pool
            .read(move |db| {
                let doing = "reading members";
                let mut statement = db
                    .prepare_cached(
                        "SELECT m.role, u.id, u.email, u.display_name, u.password_hash, u.created \
                         FROM members AS m JOIN users AS u ON u.id = m.user \
                         WHERE m.workspace = ?1 ORDER BY m.joined",
                    )
                    .when(doing)?;
                let mut rows = statement.query([workspace.0]).when(doing)?;
                let mut members = Vec::new();
                while let Some(row) = rows.next().when(doing)? {
                    let mut c = Columns::of(row);
                    let role = c.word(Role::from_code)?;
                    members.push((read_user(&mut c)?, role));
                }
                Ok(members)
            })
            .await
    }

    async fn create_key(&self, key: ApiKey, act: AdminAct) -> Result<()> {
        self.queue()?.run(move |step| key::create(step, &key, &act)).await
    }

    async fn key_by_hash(&self, hash: &[u8; 32]) -> Result<Option<ApiKey>> {
        let hash = *hash;
        self.pool.read(move |db| key::by_hash(db, &hash)).await
    }

    async fn keys(&self, workspace: WorkspaceId) -> Result<Vec<ApiKey>> {
        self.pool.read(move |db| key::of_workspace(db, workspace)).await
    }

    async fn revoke_key(
        &self,
        workspace: WorkspaceId,
        id: &ApiKeyId,
        at: Nanos,
        act: AdminAct,
    ) -> Result<bool> {
        let id = id.clone();
        self.queue()?.run(move |step| key::revoke(step, workspace, &id, at, &act)).await
    }

    async fn touch_keys(&self, used: &[(ApiKeyId, Nanos)]) -> Result<()> {
        let used = used.to_vec();
        self.queue()?.run(move |step| key::touch(step, &used)).await
    }

    async fn create_session(&self, session: Session) -> Result<()> {
        self.queue()?
            .run(move |step| {
                step.db
                    .prepare_cached(
                        "INSERT OR REPLACE INTO sessions (hash, user, expires) VALUES (?1, ?2, ?3)",
                    )
                    .and_then(|mut s| {
                        s.execute((&session.hash[..], &session.user.0, session.expires.0))
                    })
                    .when("creating a session")?;
                Ok(Ok(()))
            })
            .await
    }

    async fn session(&self, hash: &[u8; 32], now: Nanos) -> Result<Option<(Session, Login)>> {
        let hash = *hash;
        self.pool
            .read(move |db| {
                let found: Option<(String, i64)> = db
                    .prepare_cached(
                        "SELECT user, expires FROM sessions WHERE hash = ?1 AND expires > ?2",
                    )
                    .and_then(|mut s| {
                        s.query_row((&hash[..], now.0), |row| Ok((row.get(0)?, row.get(1)?)))
                            .optional()
                    })
                    .when("reading a session")?;
                let Some((user, expires)) = found else { return Ok(None) };
                let login = login(db, "id", &user)?;
                let session = Session { hash, user: UserId(user), expires: Nanos(expires) };
                Ok(login.map(|login| (session, login)))
            })
            .await
    }

    async fn delete_session(&self, hash: &[u8; 32]) -> Result<()> {
        let hash = *hash;
        self.queue()?
            .run(move |step| {
                step.db
                    .prepare_cached("DELETE FROM sessions WHERE hash = ?1")
                    .and_then(|mut s| s.execute([&hash[..]]))
                    .when("ending a session")?;
                Ok(Ok(()))
            })
            .await
    }

    async fn setting(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let name = name.to_owned();
        self.pool.read(move |db| setting(db, &name)).await
    }

    async fn swap_setting(
        &self,
        name: &str,
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<bool> {
        let name = name.to_owned();
        let (expected, value) = (expected.map(<[u8]>::to_vec), value.map(<[u8]>::to_vec));
        self.queue()?
            .run(move |step| {
                let doing = "changing a setting";
                if setting(step.db, &name)? != expected {
                    return Ok(Ok(false));
                }
                match &value {
                    Some(value) => step
                        .db
                        .prepare_cached(
                            "INSERT OR REPLACE INTO settings (name, value) VALUES (?1, ?2)",
                        )
                        .and_then(|mut s| s.execute((&name, value)))
                        .when(doing)?,
                    None => step
                        .db
                        .prepare_cached("DELETE FROM settings WHERE name = ?1")
                        .and_then(|mut s| s.execute([&name]))
                        .when(doing)?,
                };
                Ok(Ok(true))
            })
            .await
    }
}

/// Whether a query by one value finds anything.
fn exists(db: &Connection, sql: &str, value: impl rusqlite::ToSql) -> Result<bool> {
    db.prepare_cached(sql).and_then(|mut s| s.exists([value])).when("looking for an account")
}

fn make_workspace(
    step: &mut Step<'_>,
    workspace: &Workspace,
    act: &AdminAct,
) -> Result<Result<Workspace>> {
    let public_id = &workspace.public_id;
    if exists(step.db, "SELECT 1 FROM workspaces WHERE public_id = ?1", public_id)? {
        return Ok(Err(StoreError::Taken("workspace")));
    }
    step.db
        .prepare_cached("INSERT INTO workspaces (public_id, name, created) VALUES (?1, ?2, ?3)")
        .and_then(|mut s| s.execute((public_id, &workspace.name, workspace.created.0)))
        .when("creating a workspace")?;
    let id = WorkspaceId(step.db.last_insert_rowid());
    record(step, id, act)?;
    Ok(Ok(Workspace { id, ..workspace.clone() }))
}

/// Keeps an act with its leaf.
pub(crate) fn record(step: &mut Step<'_>, workspace: WorkspaceId, act: &AdminAct) -> Result<()> {
    let index = step.append(LogId::Workspace(workspace), &act.leaf)?;
    step.db
        .prepare_cached("INSERT INTO acts (log, leaf, body) VALUES (?1, ?2, ?3)")
        .and_then(|mut s| s.execute((workspace.0, index as i64, &act.body)))
        .when("keeping an act of administration")?;
    Ok(())
}

/// Makes a user a member, or changes the role.
fn join(db: &Connection, workspace: WorkspaceId, user: &UserId, role: Role) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO members (user, workspace, role, joined) VALUES (?1, ?2, ?3, \
         (SELECT 1 + ifnull(max(joined), 0) FROM members)) \
         ON CONFLICT (user, workspace) DO UPDATE SET role = excluded.role",
    )
    .and_then(|mut s| s.execute((&user.0, workspace.0, role.code())))
    .when("adding a member")?;
    Ok(())
}

fn setting(db: &Connection, name: &str) -> Result<Option<Vec<u8>>> {
    db.prepare_cached("SELECT value FROM settings WHERE name = ?1")
        .and_then(|mut s| s.query_row([name], |row| row.get(0)).optional())
        .when("reading a setting")
}

/// A user by id or address, with all memberships; the personal workspace was joined first.
fn login(db: &Connection, column: &str, value: &str) -> Result<Option<Login>> {
    let doing = "reading a user";
    let sql = format!(
        "SELECT id, email, display_name, password_hash, created FROM users WHERE {column} = ?1"
    );
    let user = db
        .prepare_cached(&sql)
        .and_then(|mut s| {
            s.query_row([value], |row| Ok(read_user(&mut Columns::of(row)))).optional()
        })
        .when(doing)?
        .transpose()?;
    let Some(user) = user else { return Ok(None) };
    let mut statement = db
        .prepare_cached(
            "SELECT m.role, w.id, w.public_id, w.name, w.created FROM members AS m \
             JOIN workspaces AS w ON w.id = m.workspace WHERE m.user = ?1 ORDER BY m.joined",
        )
        .when(doing)?;
    let mut rows = statement.query([&user.id.0]).when(doing)?;
    let mut members = Vec::new();
    while let Some(row) = rows.next().when(doing)? {
        let mut c = Columns::of(row);
        let role = c.word(Role::from_code)?;
        members.push(Member { workspace: read_workspace(&mut c)?, role });
    }
    Ok(Some(Login { user, members }))
}

fn workspaces(
    db: &Connection,
    which: &str,
    values: impl rusqlite::Params,
) -> Result<Vec<Workspace>> {
    let doing = "reading workspaces";
    let sql = format!("SELECT id, public_id, name, created FROM workspaces {which}");
    let mut statement = db.prepare_cached(&sql).when(doing)?;
    let mut rows = statement.query(values).when(doing)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().when(doing)? {
        found.push(read_workspace(&mut Columns::of(row))?);
    }
    Ok(found)
}

fn read_workspace(c: &mut Columns<'_>) -> Result<Workspace> {
    Ok(Workspace {
        id: WorkspaceId(c.int()?),
        public_id: c.text()?.to_owned(),
        name: c.text()?.to_owned(),
        created: c.time()?,
    })
}

fn read_user(c: &mut Columns<'_>) -> Result<User> {
    Ok(User {
        id: UserId(c.text()?.to_owned()),
        email: c.text()?.to_owned(),
        display_name: c.string_or_null()?,
        password_hash: c.text()?.to_owned(),
        created: c.time()?,
    })
}
