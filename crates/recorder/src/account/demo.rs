//! The demo: a workspace that anybody may look into, and nobody may write to by its sessions.
//!
//! Its user cannot log in: the name is no e-mail address, so nobody can register it either, and the
//! password is random and told to nobody. What stands in the workspace is the server's business.

use exhibit_model::{Role, User, UserId, Workspace};
use exhibit_store::Login;

use super::{SessionToken, act::Act, base32};
use crate::{Error, Recorder};

/// The user of every demo session.
const USER: &str = "us_demo";
/// The workspace's public id, and the user's name in place of an address.
const DEMO: &str = "demo";
/// May read and take evidence away; may change nothing.
const ROLE: Role = Role::Auditor;

impl Recorder {
    /// The demo workspace, made on first use. One caller at a time.
    pub async fn demo_workspace(&self) -> Result<Workspace, Error> {
        let id = UserId(USER.to_owned());
        let login = match self.store.user(&id).await? {
            Some(login) => login,
            None => self.new_demo(id).await?,
        };
        let here = |m: &&exhibit_model::Member| m.workspace.public_id == DEMO;
        let member = login.members.iter().find(here).ok_or(Error::NotFound)?;
        if member.role != ROLE {
            let sealed = Act::MemberSet { user: (&login.user).into(), role: ROLE };
            let act = self.sealed_act(&sealed)?;
            self.store.put_member(member.workspace.id, &login.user.id, ROLE, act).await?;
        }
        Ok(member.workspace.clone())
    }

    /// Opens a session that may look at the demo workspace. It has to be there.
    pub async fn demo_session(&self) -> Result<(SessionToken, Login), Error> {
        let id = UserId(USER.to_owned());
        let login = self.store.user(&id).await?.ok_or(Error::NotFound)?;
        let safe = login.members.iter().any(|m| m.workspace.public_id == DEMO && m.role == ROLE);
        if !safe {
            return Err(Error::NotFound);
        }
        Ok((self.open_session(&id).await?, login))
    }

    async fn new_demo(&self, id: UserId) -> Result<Login, Error> {
        let mut random = [0; 32];
        self.entropy.fill(&mut random);
        let user = User {
            id: id.clone(),
            email: DEMO.to_owned(),
            display_name: Some("Visitor of the demo".to_owned()),
            password_hash: self.hash_password(&base32(&random)).await?,
            created: self.now(),
        };
        let workspace = self.new_workspace(DEMO.to_owned(), "Demo");
        let sealed = Act::AccountCreated { user: (&user).into(), workspace: workspace.clone() };
        let act = self.sealed_act(&sealed)?;
        self.store.create_user(user, workspace, act).await?;
        self.store.user(&id).await?.ok_or(Error::NotFound)
    }
}
