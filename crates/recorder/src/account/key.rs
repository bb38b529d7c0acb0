//! API keys: made, found, revoked. The secret is shown once and kept only as a hash.

use exhibit_model::{ApiKey, ApiKeyId, Entropy, Nanos, Scopes, WorkspaceId, id::sortable};
use sha2::{Digest, Sha256};

use super::{Caller, Who, act::Act, base32, sha256};
use crate::{Error, Recorder};

/// Nanoseconds for which a key that was looked up is trusted without asking the store again. A
/// revocation takes effect at once on this process, which forgets the key.
const KEY_TRUST_NS: i64 = 10_000_000_000;
/// Keys remembered at most.
const KEYS_REMEMBERED: usize = 10_000;

/// Why a key does not open.
#[derive(Debug, thiserror::Error)]
pub enum KeyRefusal {
    /// It does not have a key's form, or its checksum is wrong: probably cut or mistyped.
    #[error("this is not an Exhibit key (or it was cut off); keys start with exk_, akt_ or sk-at-")]
    Malformed,
    /// There is no such key.
    #[error(
        "there is no such key; create one with `exhibit keys create` or under Profile → API Keys"
    )]
    Unknown,
    /// Its time is over.
    #[error("the key has expired; create a new one")]
    Expired,
    /// It was revoked.
    #[error("the key was revoked; create a new one")]
    Revoked,
    /// The store failed.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// The prefix of a key. Every key works on every door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyPrefix {
    /// Exhibit's own.
    #[default]
    Exk,
    /// For clients that look for it.
    Akt,
    /// For clients that look for it.
    SkAt,
}

impl KeyPrefix {
    const ALL: [Self; 3] = [Self::Exk, Self::Akt, Self::SkAt];

    /// The prefix as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exk => "exk_",
            Self::Akt => "akt_",
            Self::SkAt => "sk-at-",
        }
    }

    /// The prefix of that text, with or without its separator.
    pub fn parse(text: &str) -> Option<Self> {
        let bare = |s: &str| s.trim_end_matches(['_', '-']).to_owned();
        Self::ALL.into_iter().find(|p| bare(p.as_str()) == bare(text))
    }
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The workspace it opens.
    pub workspace: WorkspaceId,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it stops working.
    pub expires: Option<Nanos>,
    /// How it starts.
    pub prefix: KeyPrefix,
}

/// `<prefix><32 characters of base 32: 160 random bits><6 characters: checksum>`. The checksum tells
/// a mistyped key from an unknown one, and lets scanners recognise leaked ones.
fn mint_key(prefix: KeyPrefix, entropy: &dyn Entropy) -> String {
    let mut random = [0; 20];
    entropy.fill(&mut random);
    let body = base32(&random);
    let check = checksum(prefix.as_str(), &body);
    format!("{}{body}{check}", prefix.as_str())
}

fn checksum(prefix: &str, body: &str) -> String {
    let digest = Sha256::digest(format!("{prefix}{body}").as_bytes());
    base32(&digest[..5])[..6].to_owned()
}

fn is_well_formed(secret: &str) -> bool {
    KeyPrefix::ALL.into_iter().any(|prefix| {
        secret.strip_prefix(prefix.as_str()).is_some_and(|rest| {
            rest.len() == 38
                && rest.is_ascii()
                && checksum(prefix.as_str(), &rest[..32]) == rest[32..]
        })
    })
}

impl Recorder {
    /// Makes a key. The secret is in the answer and nowhere else.
    pub async fn create_key(&self, by: &Caller, new: NewKey) -> Result<(String, ApiKey), Error> {
        let name = new.name.trim();
        if name.is_empty() || name.chars().count() > 100 {
            let message = "a key needs a name of 1 to 100 characters".to_owned();
            return Err(Error::Invalid { field: "name", message });
        }
        if new.scopes == Scopes::NONE {
            let message =
                "name at least one of ingest, read, review, export, replay, admin".to_owned();
            return Err(Error::Invalid { field: "scopes", message });
        }
        if let Some(scope) = new.scopes.iter().find(|s| !by.scopes.has(*s)) {
            let message = format!("you cannot give `{scope}`, which you do not have yourself");
            return Err(Error::Invalid { field: "scopes", message });
        }
        if new.expires.is_some_and(|end| end <= self.now()) {
            let message = "the expiry lies in the past".to_owned();
            return Err(Error::Invalid { field: "expires", message });
        }
        let secret = mint_key(new.prefix, &*self.entropy);
        let key = ApiKey {
            id: ApiKeyId(format!("key_{}", sortable(self.now().0, &*self.entropy))),
            workspace: new.workspace,
            owner: match &by.who {
                Who::User { id, .. } => Some(id.clone()),
                Who::Key { owner, .. } => owner.clone(),
                Who::Local => None,
            },
            name: name.to_owned(),
            prefix: secret[..new.prefix.as_str().len() + 6].to_owned(),
            hash: sha256(&secret),
            scopes: new.scopes,
            created: self.now(),
            expires: new.expires,
            revoked: None,
            last_used: None,
        };
        let act = self.sealed_act(&Act::KeyCreated { key: (&key).into() })?;
        self.store.create_key(key.clone(), act).await?;
        Ok((secret, key))
    }

    /// The keys of a workspace.
    pub async fn keys(&self, workspace: WorkspaceId) -> Result<Vec<ApiKey>, Error> {
        Ok(self.store.keys(workspace).await?)
    }

    /// Revokes a key; false when there is no such active key.
    pub async fn revoke_key(&self, workspace: WorkspaceId, id: &ApiKeyId) -> Result<bool, Error> {
        let at = self.now();
        let act = self.sealed_act(&Act::KeyRevoked { key: id.clone(), at })?;
        let revoked = self.store.revoke_key(workspace, id, at, act).await?;
        self.accounts.keys.lock().retain(|_, (key, _, _)| key.id != *id);
        Ok(revoked)
    }

    /// Who a key belongs to.
    pub async fn key_caller(&self, secret: &str) -> Result<Caller, KeyRefusal> {
        if !is_well_formed(secret) {
            return Err(KeyRefusal::Malformed);
        }
        let (now, hash) = (self.now(), sha256(secret));
        let remembered = self.accounts.keys.lock().get(&hash).cloned();
        let fresh = remembered.filter(|(_, _, at)| now.0.saturating_sub(at.0) < KEY_TRUST_NS);
        let (key, workspace_public) = match fresh {
            Some((key, public_id, _)) => (key, public_id),
            None => self.look_up_key(&hash, now).await?,
        };
        if key.revoked.is_some() {
            return Err(KeyRefusal::Revoked);
        }
        if !key.is_active(now) {
            return Err(KeyRefusal::Expired);
        }
        self.accounts.used.lock().insert(key.id.clone(), now);
        let who = Who::Key { id: key.id, name: key.name, owner: key.owner };
        Ok(Caller { workspace: key.workspace, workspace_public, scopes: key.scopes, who })
    }

    async fn look_up_key(
        &self,
        hash: &[u8; 32],
        now: Nanos,
    ) -> Result<(ApiKey, String), KeyRefusal> {
        let found = self.store.key_by_hash(hash).await.map_err(Error::from)?;
        let key = found.ok_or(KeyRefusal::Unknown)?;
        let workspace = self.store.workspace_by_id(key.workspace).await.map_err(Error::from)?;
        let public_id = workspace.ok_or(KeyRefusal::Unknown)?.public_id;
        let mut keys = self.accounts.keys.lock();
        if keys.len() >= KEYS_REMEMBERED {
            keys.clear();
        }
        keys.insert(*hash, (key.clone(), public_id.clone(), now));
        Ok((key, public_id))
    }

    /// Writes down once a minute which keys were used.
    pub(crate) async fn run_key_touches(&self) {
        loop {
            tokio::time::sleep(std::time::Duration::from_mins(1)).await;
            self.flush_key_touches().await;
        }
    }

    pub(crate) async fn flush_key_touches(&self) {
        let used: Vec<_> = self.accounts.used.lock().drain().collect();
        if used.is_empty() {
            return;
        }
        if let Err(error) = self.store.touch_keys(&used).await {
            tracing::warn!(%error, "the last use of keys could not be noted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting;
    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            (0u8..).zip(bytes).for_each(|(n, b)| *b = n);
        }
    }

    #[test]
    fn a_minted_key_is_well_formed_and_a_mistyped_one_is_not() {
        for prefix in KeyPrefix::ALL {
            let key = mint_key(prefix, &Counting);
            assert!(is_well_formed(&key), "{key}");
            let cut = &key[..key.len() - 1];
            assert!(!is_well_formed(cut));
            let swapped = key.replace('b', "c");
            assert!(!is_well_formed(&swapped));
        }
    }
}
