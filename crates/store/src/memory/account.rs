//! Accounts in memory.

use std::collections::HashMap;

use async_trait::async_trait;
use exhibit_model::{
    ApiKey, ApiKeyId, Member, Nanos, Role, Session, User, UserId, Workspace, WorkspaceId,
};

use super::{MemoryStore, State};
use crate::{AccountStore, AdminAct, Login, StoreError};

/// Rows in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    users: Vec<User>,
    workspaces: Vec<Workspace>,
    members: Vec<(WorkspaceId, UserId, Role)>,
    keys: Vec<ApiKey>,
    sessions: HashMap<[u8; 32], Session>,
    settings: HashMap<String, Vec<u8>>,
}

impl Accounts {
    fn login(&self, is_wanted: impl Fn(&User) -> bool) -> Option<Login> {
        let user = self.users.iter().find(|user| is_wanted(user))?;
        let theirs = self.members.iter().filter(|(_, id, _)| *id == user.id);
        let member = |(id, _, role): &(WorkspaceId, UserId, Role)| {
            let workspace = self.workspaces.iter().find(|w| w.id == *id)?.clone();
            Some(Member { workspace, role: *role })
        };
        Some(Login { user: user.clone(), members: theirs.filter_map(member).collect() })
    }

    fn expect(&self, workspace: WorkspaceId) -> Result<(), StoreError> {
        let known = self.workspaces.iter().any(|w| w.id == workspace);
        if known { Ok(()) } else { Err(StoreError::Failed("no such workspace".to_owned())) }
    }
}

impl State {
    fn create_workspace(
        &mut self,
        mut workspace: Workspace,
        act: AdminAct,
    ) -> Result<Workspace, StoreError> {
        let accounts = &mut self.accounts;
        if accounts.workspaces.iter().any(|w| w.public_id == workspace.public_id) {
            return Err(StoreError::Taken("workspace"));
        }
        workspace.id = WorkspaceId(accounts.workspaces.len() as i64 + 1);
        accounts.workspaces.push(workspace.clone());
        self.record(workspace.id, act);
        Ok(workspace)
    }
}

#[async_trait]
impl AccountStore for MemoryStore {
    async fn create_user(
        &self,
        user: User,
        workspace: Workspace,
        act: AdminAct,
    ) -> Result<Workspace, StoreError> {
        let mut state = self.state.lock();
        if state.accounts.users.iter().any(|u| u.email == user.email) {
            return Err(StoreError::Taken("e-mail"));
        }
        let workspace = state.create_workspace(workspace, act)?;
        state.accounts.members.push((workspace.id, user.id.clone(), Role::Admin));
        state.accounts.users.push(user);
        Ok(workspace)
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<Login>, StoreError> {
        Ok(self.state.lock().accounts.login(|user| user.email == email))
    }

    async fn user(&self, id: &UserId) -> Result<Option<Login>, StoreError> {
        Ok(self.state.lock().accounts.login(|user| user.id == *id))
    }

    async fn user_count(&self) -> Result<u64, StoreError> {
        Ok(self.state.lock().accounts.users.len() as u64)
    }

    async fn create_workspace(
        &self,
        workspace: Workspace,
        act: AdminAct,
    ) -> Result<Workspace, StoreError> {
        self.state.lock().create_workspace(workspace, act)
    }

    async fn workspace(&self, public_id: &str) -> Result<Option<Workspace>, StoreError> {
        let state = self.state.lock();
        Ok(state.accounts.workspaces.iter().find(|w| w.public_id == public_id).cloned())
    }

    async fn workspace_by_id(&self, id: WorkspaceId) -> Result<Option<Workspace>, StoreError> {
        Ok(self.state.lock().accounts.workspaces.iter().find(|w| w.id == id).cloned())
    }

    async fn workspaces(&self) -> Result<Vec<Workspace>, StoreError> {
        Ok(self.state.lock().accounts.workspaces.clone())
    }

    async fn put_member(
        &self,
        workspace: WorkspaceId,
        user: &UserId,
        role: Role,
        act: AdminAct,
    ) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        state.accounts.expect(workspace)?;
        if !state.accounts.users.iter().any(|u| u.id == *user) {
            return Err(StoreError::Failed("no such user".to_owned()));
        }
        let members = &mut state.accounts.members;
        match members.iter_mut().find(|(w, u, _)| *w == workspace && u == user) {
            Some(member) => member.2 = role,
            None => members.push((workspace, user.clone(), role)),
        }
        state.record(workspace, act);
        Ok(())
    }

    async fn members(&self, workspace: WorkspaceId) -> Result<Vec<(User, Role)>, StoreError> {
        let state = self.state.lock();
        let accounts = &state.accounts;
        let here = accounts.members.iter().filter(|(w, ..)| *w == workspace);
        let user = |id: &UserId| accounts.users.iter().find(|u| u.id == *id).cloned();
        Ok(here.filter_map(|(_, id, role)| Some((user(id)?, *role))).collect())
    }

    async fn create_key(&self, key: ApiKey, act: AdminAct) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        state.accounts.expect(key.workspace)?;
        if state.accounts.keys.iter().any(|k| k.hash == key.hash || k.id == key.id) {
            return Err(StoreError::Taken("key"));
        }
        state.record(key.workspace, act);
        state.accounts.keys.push(key);
        Ok(())
    }

    async fn key_by_hash(&self, hash: &[u8; 32]) -> Result<Option<ApiKey>, StoreError> {
        Ok(self.state.lock().accounts.keys.iter().find(|k| k.hash == *hash).cloned())
    }

    async fn keys(&self, workspace: WorkspaceId) -> Result<Vec<ApiKey>, StoreError> {
        let state = self.state.lock();
        let here = state.accounts.keys.iter().filter(|k| k.workspace == workspace);
        let mut keys: Vec<_> = here.cloned().collect();
        keys.reverse();
        keys.sort_by_key(|k| std::cmp::Reverse(k.created));
        Ok(keys)
    }

    async fn revoke_key(
        &self,
        workspace: WorkspaceId,
        id: &ApiKeyId,
        at: Nanos,
        act: AdminAct,
    ) -> Result<bool, StoreError> {
        let mut state = self.state.lock();
        let mut keys = state.accounts.keys.iter_mut();
        let found = keys.find(|k| k.workspace == workspace && k.id == *id && k.is_active(at));
        let Some(key) = found else { return Ok(false) };
        key.revoked = Some(at);
        state.record(workspace, act);
        Ok(true)
    }

    async fn touch_keys(&self, used: &[(ApiKeyId, Nanos)]) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        for (id, at) in used {
            if let Some(key) = state.accounts.keys.iter_mut().find(|k| k.id == *id) {
                key.last_used = key.last_used.max(Some(*at));
            }
        }
        Ok(())
    }

    async fn create_session(&self, session: Session) -> Result<(), StoreError> {
        self.state.lock().accounts.sessions.insert(session.hash, session);
        Ok(())
    }

    async fn session(
        &self,
        hash: &[u8; 32],
        now: Nanos,
    ) -> Result<Option<(Session, Login)>, StoreError> {
        let state = self.state.lock();
        let session = state.accounts.sessions.get(hash).filter(|s| now < s.expires);
        let login = |s: &Session| state.accounts.login(|user| user.id == s.user);
        Ok(session.and_then(|s| Some((s.clone(), login(s)?))))
    }

    async fn delete_session(&self, hash: &[u8; 32]) -> Result<(), StoreError> {
        self.state.lock().accounts.sessions.remove(hash);
        Ok(())
    }

    async fn setting(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.state.lock().accounts.settings.get(name).cloned())
    }

    async fn swap_setting(
        &self,
        name: &str,
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<bool, StoreError> {
        let settings = &mut self.state.lock().accounts.settings;
        if settings.get(name).map(Vec::as_slice) != expected {
            return Ok(false);
        }
        match value {
            Some(value) => settings.insert(name.to_owned(), value.to_vec()),
            None => settings.remove(name),
        };
        Ok(true)
    }
}
