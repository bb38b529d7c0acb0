//! Users, workspaces, keys and sessions.

use async_trait::async_trait;
use exhibit_model::{
    ApiKey, ApiKeyId, Member, Nanos, Role, Session, User, UserId, Workspace, WorkspaceId,
};

use crate::{StoreError, span::Leaf};

/// Who a session or key belongs to, with all that an authorisation needs.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user.
    pub user: User,
    /// Where the user may go; the personal workspace first.
    pub members: Vec<Member>,
}

/// An act of administration.
#[derive(Debug, Clone)]
pub struct AdminAct {
    /// Its leaf, which commits to the body.
    pub leaf: Leaf,
    /// What was done, in the words of whoever made the leaf. Read back by
    /// [`audit_acts`](crate::AuditStore::audit_acts) only.
    pub body: Vec<u8>,
}

/// Users, workspaces, keys and sessions. Every change carries the act that records it and is
/// committed with it, its leaf in the log of the workspace concerned.
#[async_trait]
pub trait AccountStore: Send + Sync + 'static {
    /// Creates a user, a workspace of the user's own, and the membership (as admin) in one step.
    /// `Taken("e-mail")` when the address exists.
    async fn create_user(
        &self,
        user: User,
        workspace: Workspace,
        act: AdminAct,
    ) -> Result<Workspace, StoreError>;

    /// A user by e-mail address (lower case).
    async fn user_by_email(&self, email: &str) -> Result<Option<Login>, StoreError>;

    /// A user by id.
    async fn user(&self, id: &UserId) -> Result<Option<Login>, StoreError>;

    /// How many users there are.
    async fn user_count(&self) -> Result<u64, StoreError>;

    /// Creates a workspace without members; `Taken("workspace")` when the public id exists. The id
    /// in the argument is ignored; the answer carries the real one.
    async fn create_workspace(
        &self,
        workspace: Workspace,
        act: AdminAct,
    ) -> Result<Workspace, StoreError>;

    /// A workspace by public id.
    async fn workspace(&self, public_id: &str) -> Result<Option<Workspace>, StoreError>;

    /// A workspace by internal number.
    async fn workspace_by_id(&self, id: WorkspaceId) -> Result<Option<Workspace>, StoreError>;

    /// All workspaces.
    async fn workspaces(&self) -> Result<Vec<Workspace>, StoreError>;

    /// Adds a member or changes the role.
    async fn put_member(
        &self,
        workspace: WorkspaceId,
        user: &UserId,
        role: Role,
        act: AdminAct,
    ) -> Result<(), StoreError>;

    /// The members of a workspace.
    async fn members(&self, workspace: WorkspaceId) -> Result<Vec<(User, Role)>, StoreError>;

    /// Keeps a new key.
    async fn create_key(&self, key: ApiKey, act: AdminAct) -> Result<(), StoreError>;

    /// The key with this hash, revoked and expired ones included.
    async fn key_by_hash(&self, hash: &[u8; 32]) -> Result<Option<ApiKey>, StoreError>;

    /// The keys of a workspace, newest first, revoked ones included.
    async fn keys(&self, workspace: WorkspaceId) -> Result<Vec<ApiKey>, StoreError>;

    /// Revokes a key; false when there is no such active key in the workspace.
    async fn revoke_key(
        &self,
        workspace: WorkspaceId,
        id: &ApiKeyId,
        at: Nanos,
        act: AdminAct,
    ) -> Result<bool, StoreError>;

    /// Notes when keys were last used. Best effort; need not be durable at once.
    async fn touch_keys(&self, used: &[(ApiKeyId, Nanos)]) -> Result<(), StoreError>;

    /// Keeps a session.
    async fn create_session(&self, session: Session) -> Result<(), StoreError>;

    /// The session with this hash, if it has not expired at `now`.
    async fn session(
        &self,
        hash: &[u8; 32],
        now: Nanos,
    ) -> Result<Option<(Session, Login)>, StoreError>;

    /// Ends a session.
    async fn delete_session(&self, hash: &[u8; 32]) -> Result<(), StoreError>;

    /// A small named value of the installation (one-time set-up token, cursors, …).
    async fn setting(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Sets a named value, or removes it; only if the present value equals `expected`. Returns
    /// whether it did.
    async fn swap_setting(
        &self,
        name: &str,
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<bool, StoreError>;
}
