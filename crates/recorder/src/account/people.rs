//! People: accounts, logins, sessions, memberships.

use exhibit_model::{
    Member, Nanos, Role, Session, User, UserId, Workspace, WorkspaceId, id::sortable,
};
use exhibit_store::Login;

use super::{Caller, SessionToken, Who, act::Act, base32, sha256};
use crate::{Error, Recorder};

/// Longest name of a workspace, characters.
const NAME_CHARS_MAX: usize = 100;
/// Workspaces that one user may be in by making them.
const WORKSPACES_MAX: usize = 100;
/// How long a login lasts, nanoseconds: fourteen days.
const SESSION_NS: i64 = 14 * 86_400 * 1_000_000_000;

impl Recorder {
    /// Makes an account with a personal workspace.
    pub async fn register(
        &self,
        email: &str,
        password: &str,
        display_name: Option<&str>,
    ) -> Result<Login, Error> {
        let email = checked_email(email)?;
        let password_hash = self.hash_password(password).await?;
        let now = self.now();
        let user = User {
            id: UserId(format!("us_{}", sortable(now.0, &*self.entropy))),
            display_name: display_name
                .map(str::trim)
                .filter(|n| !n.is_empty())
                .map(ToOwned::to_owned),
            email,
            password_hash,
            created: now,
        };
        let name = user.display_name.clone().unwrap_or_else(|| user.email.clone());
        let public_id = format!("ws_{}", sortable(now.0, &*self.entropy));
        let workspace = self.new_workspace(public_id, &name);
        let sealed = Act::AccountCreated { user: (&user).into(), workspace: workspace.clone() };
        let act = self.sealed_act(&sealed)?;
        let id = user.id.clone();
        self.store.create_user(user, workspace, act).await?;
        self.store.user(&id).await?.ok_or(Error::NotFound)
    }

    /// Opens a session.
    pub async fn login(&self, email: &str, password: &str) -> Result<(SessionToken, Login), Error> {
        let login = self.store.user_by_email(&email.trim().to_lowercase()).await?;
        // An unknown address takes as long as a wrong password, so that addresses cannot be probed.
        let hash = login.as_ref().map(|l| l.user.password_hash.clone());
        let right = self.check_password(password, hash).await?;
        let login = login.filter(|_| right).ok_or(Error::Unauthorized)?;
        let token = self.open_session(&login.user.id).await?;
        Ok((token, login))
    }

    pub(super) async fn open_session(&self, user: &UserId) -> Result<SessionToken, Error> {
        let mut random = [0; 32];
        self.entropy.fill(&mut random);
        let token = base32(&random);
        let expires = Nanos(self.now().0.saturating_add(SESSION_NS));
        let session = Session { hash: sha256(&token), user: user.clone(), expires };
        self.store.create_session(session).await?;
        Ok(SessionToken(token))
    }

    /// Ends a session.
    pub async fn logout(&self, token: &str) -> Result<(), Error> {
        Ok(self.store.delete_session(&sha256(token)).await?)
    }

    /// Who a session belongs to, in one of their workspaces (the personal one unless named).
    pub async fn session_caller(
        &self,
        token: &str,
        workspace: Option<&str>,
    ) -> Result<Option<Caller>, Error> {
        let Some((_, login)) = self.store.session(&sha256(token), self.now()).await? else {
            return Ok(None);
        };
        let member = match workspace {
            Some(public_id) => login.members.iter().find(|m| m.workspace.public_id == public_id),
            None => login.members.first(),
        };
        let Some(member) = member else { return Ok(None) };
        Ok(Some(Caller {
            workspace: member.workspace.id,
            workspace_public: member.workspace.public_id.clone(),
            scopes: member.role.scopes(),
            who: Who::User {
                id: login.user.id.clone(),
                email: login.user.email.clone(),
                display_name: login.user.display_name.clone(),
                role: member.role,
            },
        }))
    }

    /// A user's places.
    pub async fn memberships(&self, user: &UserId) -> Result<Vec<Member>, Error> {
        Ok(self.store.user(user).await?.map(|l| l.members).unwrap_or_default())
    }

    /// The members of a workspace.
    pub async fn members(&self, workspace: WorkspaceId) -> Result<Vec<(User, Role)>, Error> {
        Ok(self.store.members(workspace).await?)
    }

    /// Makes a workspace whose admin is the user: a project beside their own.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that is none, [`Error::Unauthorized`] for a user who is an admin
    /// nowhere (a visitor of the demo), [`Error::Conflict`] for one with too many workspaces.
    pub async fn found_workspace(&self, founder: &UserId, name: &str) -> Result<Workspace, Error> {
        let name = name.trim();
        let length = name.chars().count();
        if length == 0 || length > NAME_CHARS_MAX || name.chars().any(char::is_control) {
            let message = format!("give it a name of 1 to {NAME_CHARS_MAX} characters on one line");
            return Err(Error::Invalid { field: "name", message });
        }
        let login = self.store.user(founder).await?.ok_or(Error::NotFound)?;
        if !login.members.iter().any(|member| member.role == Role::Admin) {
            return Err(Error::Unauthorized);
        }
        if login.members.len() >= WORKSPACES_MAX {
            let message = format!("one account is in at most {WORKSPACES_MAX} workspaces");
            return Err(Error::Conflict(message));
        }
        let public_id = format!("ws_{}", sortable(self.now().0, &*self.entropy));
        let workspace = self.new_workspace(public_id, name);
        let act = self.sealed_act(&Act::WorkspaceCreated { workspace: workspace.clone() })?;
        let workspace = self.store.create_workspace(workspace, act).await?;
        let seat = Act::MemberSet { user: (&login.user).into(), role: Role::Admin };
        let act = self.sealed_act(&seat)?;
        self.store.put_member(workspace.id, founder, Role::Admin, act).await?;
        self.grown.notify_one();
        Ok(workspace)
    }

    /// Adds somebody with an account to a workspace, or changes their role.
    pub async fn put_member(
        &self,
        workspace: WorkspaceId,
        email: &str,
        role: Role,
    ) -> Result<(), Error> {
        let login = self.store.user_by_email(&email.trim().to_lowercase()).await?;
        let user = login.ok_or(Error::NotFound)?.user;
        let act = self.sealed_act(&Act::MemberSet { user: (&user).into(), role })?;
        Ok(self.store.put_member(workspace, &user.id, role, act).await?)
    }
}

/// The address in lower case, if it has the form of one.
pub(super) fn checked_email(email: &str) -> Result<String, Error> {
    let email = email.trim().to_lowercase();
    let well_formed = email.len() <= 254
        && !email.chars().any(|c| c.is_whitespace() || c.is_control())
        && email.split_once('@').is_some_and(|(local, host)| {
            !local.is_empty() && !host.is_empty() && !host.contains('@')
        });
    if well_formed {
        Ok(email)
    } else {
        Err(Error::Invalid { field: "email", message: "this is not an e-mail address".to_owned() })
    }
}
