//! People, workspaces, keys and sessions.
//!
//! A secret is shown once and kept only as a hash. Keys and session cookies have at least 160 random
//! bits, so SHA-256 is enough for them; passwords are Argon2id. Every change is a ledger leaf.

pub(crate) mod act;
mod demo;
mod key;
mod password;
mod people;
mod setup;

use std::collections::HashMap;

use exhibit_ledger::{Leaf, LeafKind};
use exhibit_model::{
    ApiKey, ApiKeyId, Nanos, RecordId, Role, Scopes, UserId, Workspace, WorkspaceId,
};
use exhibit_store::Batch;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::{Error, Recorder, accept::finish};
use act::Act;

pub use key::{KeyPrefix, KeyRefusal, NewKey};

/// The workspace that every installation has.
const DEFAULT_WORKSPACE: &str = "default";

/// Who asks, and what they may do.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The workspace they act in.
    pub workspace: WorkspaceId,
    /// Its public id.
    pub workspace_public: String,
    /// What they may do there.
    pub scopes: Scopes,
    /// Who.
    pub who: Who,
}

/// The kinds of callers.
#[derive(Debug, Clone)]
pub enum Who {
    /// An API key.
    Key {
        /// Its id.
        id: ApiKeyId,
        /// Its name.
        name: String,
        /// Whose it is.
        owner: Option<UserId>,
    },
    /// A person with a session.
    User {
        /// Id.
        id: UserId,
        /// E-mail address.
        email: String,
        /// Name to show.
        display_name: Option<String>,
        /// Role in the workspace.
        role: Role,
    },
    /// The command line on the same machine, or keyless ingest.
    Local,
}

impl Caller {
    /// How they are named in acts: `user:<id>`, `key:<id>` or `local`.
    pub fn name(&self) -> String {
        match &self.who {
            Who::Key { id, .. } => format!("key:{}", id.0),
            Who::User { id, .. } => format!("user:{}", id.0),
            Who::Local => "local".to_owned(),
        }
    }
}

/// The value of a session cookie.
pub struct SessionToken(pub String);

/// Keys looked up lately, and when each was last used.
#[derive(Default)]
pub(crate) struct Recent {
    keys: Mutex<HashMap<[u8; 32], (ApiKey, String, Nanos)>>,
    used: Mutex<HashMap<ApiKeyId, Nanos>>,
}

impl Recent {
    /// Forgets the keys: one of them may have been revoked elsewhere.
    pub(crate) fn forget_keys(&self) {
        self.keys.lock().clear();
    }
}

fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

impl Recorder {
    /// Enters an act into the log of a workspace. `facts` may name nobody.
    pub(crate) async fn record_act(
        &self,
        workspace: WorkspaceId,
        kind: LeafKind,
        facts: &[(&'static str, String)],
    ) -> Result<(), Error> {
        let received = self.now();
        let stamp = u64::try_from(received.0).unwrap_or(0);
        let mut leaf = Leaf::new(kind, RecordId::mint(&*self.entropy).0.into(), "server", stamp);
        leaf.facts.extend(facts.iter().map(|(name, value)| ((*name).into(), value.clone())));
        let acts = vec![finish(&leaf)?];
        let batch = Batch { workspace, received, traces: Vec::new(), seals: Vec::new(), acts };
        self.store.commit(batch).await?;
        self.grown.notify_one();
        Ok(())
    }

    pub(crate) async fn ensure_default_workspace(&self) -> Result<(), Error> {
        if self.store.workspace(DEFAULT_WORKSPACE).await?.is_some() {
            return Ok(());
        }
        let workspace = self.new_workspace(DEFAULT_WORKSPACE.to_owned(), "Default");
        let act = self.sealed_act(&Act::WorkspaceCreated { workspace: workspace.clone() })?;
        match self.store.create_workspace(workspace, act).await {
            // Another node that starts at this moment was first.
            Ok(_) | Err(exhibit_store::StoreError::Taken(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn new_workspace(&self, public_id: String, name: &str) -> Workspace {
        Workspace {
            id: WorkspaceId::default(),
            public_id,
            name: name.to_owned(),
            created: self.now(),
        }
    }

    /// A workspace by public id.
    pub async fn workspace(&self, public_id: &str) -> Result<Option<Workspace>, Error> {
        Ok(self.store.workspace(public_id).await?)
    }

    /// The workspace that keys belong to unless told otherwise.
    pub async fn default_workspace(&self) -> Result<Workspace, Error> {
        let missing = || Error::Internal("the default workspace is missing".into());
        self.store.workspace(DEFAULT_WORKSPACE).await?.ok_or_else(missing)
    }
}

pub(crate) fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let (mut buffer, mut bits, mut out) = (0u32, 0, String::new());
    for byte in bytes {
        buffer = (buffer << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(char::from(ALPHABET[((buffer >> bits) & 31) as usize]));
        }
    }
    out
}
