//! The first start: a one-time link makes its user the owner of the default workspace.

use exhibit_model::Role;
use exhibit_store::Login;

use super::{act::Act, base32, password::check_password_form, people::checked_email, sha256};
use crate::{Error, Recorder};

/// Name of the stored hash of the one-time token.
const SETUP: &str = "setup.token";

impl Recorder {
    /// A fresh one-time token for the set-up link; earlier ones stop working. `None` once somebody
    /// owns the default workspace.
    pub async fn setup_token(&self) -> Result<Option<String>, Error> {
        let workspace = self.default_workspace().await?;
        if !self.store.members(workspace.id).await?.is_empty() {
            return Ok(None);
        }
        let mut random = [0; 20];
        self.entropy.fill(&mut random);
        let token = base32(&random);
        let held = self.store.setting(SETUP).await?;
        self.store.swap_setting(SETUP, held.as_deref(), Some(&sha256(&token))).await?;
        Ok(Some(token))
    }

    /// Makes the account that owns the default workspace. Works once.
    pub async fn claim_setup(
        &self,
        token: &str,
        email: &str,
        password: &str,
        display_name: Option<&str>,
    ) -> Result<Login, Error> {
        let held = self.store.setting(SETUP).await?;
        if held.as_deref() != Some(&sha256(token)) {
            return Err(Error::Unauthorized);
        }
        checked_email(email)?;
        check_password_form(password)?;
        if self.store.user_by_email(&email.trim().to_lowercase()).await?.is_some() {
            return Err(Error::Taken("e-mail"));
        }
        // Spend the token first: of two who hold it, one wins.
        if !self.store.swap_setting(SETUP, held.as_deref(), None).await? {
            return Err(Error::Unauthorized);
        }
        let login = self.register(email, password, display_name).await?;
        let workspace = self.default_workspace().await?;
        let claimed = Act::MemberSet { user: (&login.user).into(), role: Role::Admin };
        let act = self.sealed_act(&claimed)?;
        self.store.put_member(workspace.id, &login.user.id, Role::Admin, act).await?;
        self.store.user(&login.user.id).await?.ok_or(Error::NotFound)
    }

    /// Whether this is the token of the command line on this machine.
    pub fn local_token_matches(&self, token: &str) -> bool {
        use subtle::ConstantTimeEq as _;
        self.keys.local_token().as_bytes().ct_eq(token.as_bytes()).into()
    }
}
