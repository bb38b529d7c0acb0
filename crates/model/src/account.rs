//! Who may do what: users, workspaces, keys, sessions.

use serde::{Deserialize, Serialize};

use crate::{Nanos, WorkspaceId, kind::words};

words! {
    /// What a key or session may do.
    Scope {
        /// Write traces, and read back what it wrote.
        Ingest = "ingest" = 1,
        /// Read the workspace.
        Read = "read" = 2,
        /// Act on reviews.
        Review = "review" = 3,
        /// Export.
        Export = "export" = 4,
        /// Keys, members, settings.
        Admin = "admin" = 5,
        /// Run traces again and look for causes, which calls a provider and costs money.
        Replay = "replay" = 6,
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// No scope.
    pub const NONE: Self = Self(0);

    /// Every scope.
    pub fn all() -> Self {
        Scope::ALL.iter().copied().collect()
    }

    /// Whether it holds a scope.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & (1 << scope.code()) != 0
    }

    /// The scopes in order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.iter().copied().filter(move |s| self.has(*s))
    }

    /// Reads a comma-separated list; the first unknown word is returned as the error.
    pub fn parse(list: &str) -> Result<Self, String> {
        list.split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .map(|word| Scope::parse(word).ok_or_else(|| word.to_owned()))
            .collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, s| bits | (1 << s.code())))
    }
}

impl std::fmt::Display for Scopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<_> = self.iter().map(Scope::as_str).collect();
        f.write_str(&words.join(","))
    }
}

impl Serialize for Scopes {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Vec::<Scope>::deserialize(d)?.into_iter().collect())
    }
}

words! {
    /// What a member of a workspace is.
    Role {
        /// Everything.
        Admin = "admin" = 1,
        /// Reads, writes, exports.
        Member = "member" = 2,
        /// Reads and reviews.
        Reviewer = "reviewer" = 3,
        /// Reads, and sees proofs.
        Auditor = "auditor" = 4,
    }
}

impl Role {
    /// What the role may do.
    pub fn scopes(self) -> Scopes {
        match self {
            Self::Admin => Scopes::all(),
            Self::Member => {
                [Scope::Ingest, Scope::Read, Scope::Export, Scope::Replay].into_iter().collect()
            }
            Self::Reviewer => [Scope::Read, Scope::Review].into_iter().collect(),
            Self::Auditor => [Scope::Read, Scope::Export].into_iter().collect(),
        }
    }
}

/// A tenant: owns traces, keys and rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// Internal number.
    #[serde(skip)]
    pub id: WorkspaceId,
    /// Public id, such as `ws_…`.
    pub public_id: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Nanos,
}

/// A user's id, such as `us_…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub String);

/// A person with an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// E-mail address, lower case; unique.
    pub email: String,
    /// Name to show.
    pub display_name: Option<String>,
    /// Argon2id hash of the password, PHC format.
    pub password_hash: String,
    /// When the account was made.
    pub created: Nanos,
}

/// A user's place in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The workspace.
    pub workspace: Workspace,
    /// The role there.
    pub role: Role,
}

/// A key's public id, such as `key_…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApiKeyId(pub String);

/// An API key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Public id.
    pub id: ApiKeyId,
    /// The workspace it opens.
    pub workspace: WorkspaceId,
    /// The user it belongs to, if any.
    pub owner: Option<UserId>,
    /// Its name.
    pub name: String,
    /// The first characters, to recognise it by.
    pub prefix: String,
    /// SHA-256 of the whole key. The key has 160 random bits, so a slow hash gains nothing.
    pub hash: [u8; 32],
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created: Nanos,
    /// When it stops working.
    pub expires: Option<Nanos>,
    /// When it was revoked.
    pub revoked: Option<Nanos>,
    /// When it was last used, to the minute.
    pub last_used: Option<Nanos>,
}

impl ApiKey {
    /// Whether it works at a time.
    pub fn is_active(&self, now: Nanos) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|end| now < end)
    }
}

/// A logged-in browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the cookie's value.
    pub hash: [u8; 32],
    /// Who.
    pub user: UserId,
    /// Until when.
    pub expires: Nanos,
}
