//! Acts of administration: what is sealed about them, and from which accounts can be derived again.

use exhibit_ledger::{Leaf, LeafKind, record::part_hash};
use exhibit_model::{
    ApiKey, ApiKeyId, Nanos, RecordId, Review, ReviewDeed, Role, Scopes, User, UserId, Workspace,
};
use exhibit_store::AdminAct;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    Error, Recorder,
    accept::finish,
    gap::GapOfSource,
    retention::{Erased, Hold, RetentionRule},
};

/// The body of an act. The leaf commits to it under a salt, so that names stay out of the log and
/// can be erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub(crate) enum Act {
    /// A workspace came to be; the first act of its log.
    WorkspaceCreated { workspace: Workspace },
    /// An account came to be with a workspace of its own; the first act of that log.
    AccountCreated { user: SealedUser, workspace: Workspace },
    /// Somebody became a member, or got another role.
    MemberSet { user: SealedUser, role: Role },
    /// A key was made.
    KeyCreated { key: SealedKey },
    /// A key was revoked.
    KeyRevoked { key: ApiKeyId, at: Nanos },
    /// The rules of retention were set.
    RetentionSet { rules: Vec<RetentionRule> },
    /// A legal hold was placed.
    HoldPlaced { hold: Hold },
    /// A legal hold was released.
    HoldReleased { id: String, release: String, at: Nanos },
    /// Records were taken away.
    Erased { erased: Erased },
    /// Somebody, or a rule, did something to a review; as it stands since.
    Reviewed { review: Review },
    /// A rule file was written or removed by somebody, through the API.
    RuleFileSet {
        file: String,
        /// SHA-256 of its text, hexadecimal; none when it was removed.
        sha256: Option<String>,
        by: String,
    },
    /// The provider of a workspace's replays and ablations was set, or taken away; never its key.
    ProviderSet { provider: Option<String>, model: Option<String>, by: String },
    /// Numbered records of clients never arrived.
    GapFound { gaps: Vec<GapOfSource>, at: Nanos },
    /// Such records arrived after all.
    GapFilled { gaps: Vec<GapOfSource>, at: Nanos },
}

/// What is sealed of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SealedUser {
    pub(crate) id: UserId,
    pub(crate) email: String,
    pub(crate) display_name: Option<String>,
    pub(crate) created: Nanos,
    /// SHA-256 of the stored password hash, hexadecimal.
    pub(crate) password: String,
}

impl From<&User> for SealedUser {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.clone(),
            email: user.email.clone(),
            display_name: user.display_name.clone(),
            created: user.created,
            password: hex::encode(Sha256::digest(&user.password_hash)),
        }
    }
}

/// What is sealed of a key: all but its last use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SealedKey {
    pub(crate) id: ApiKeyId,
    pub(crate) owner: Option<UserId>,
    pub(crate) name: String,
    pub(crate) prefix: String,
    /// SHA-256 of the key, hexadecimal.
    pub(crate) hash: String,
    pub(crate) scopes: Scopes,
    pub(crate) created: Nanos,
    pub(crate) expires: Option<Nanos>,
    /// Set by [`Act::KeyRevoked`].
    #[serde(skip)]
    pub(crate) revoked: Option<Nanos>,
}

impl From<&ApiKey> for SealedKey {
    fn from(key: &ApiKey) -> Self {
        Self {
            id: key.id.clone(),
            owner: key.owner.clone(),
            name: key.name.clone(),
            prefix: key.prefix.clone(),
            hash: hex::encode(key.hash),
            scopes: key.scopes,
            created: key.created,
            expires: key.expires,
            revoked: key.revoked,
        }
    }
}

impl Act {
    fn leaf_kind(&self) -> LeafKind {
        match self {
            Self::KeyCreated { .. } | Self::KeyRevoked { .. } => LeafKind::KeyChange,
            Self::HoldPlaced { .. } | Self::HoldReleased { .. } => LeafKind::Hold,
            Self::RetentionSet { .. } => LeafKind::Retention,
            Self::Erased { erased } if erased.cause == "retention" => LeafKind::Retention,
            Self::Erased { .. } => LeafKind::Erasure,
            Self::Reviewed { .. } => LeafKind::Review,
            Self::GapFound { .. } | Self::GapFilled { .. } => LeafKind::Gap,
            // `RuleFileSet` too: that other rules are in force is an entry of the installation's log.
            _ => LeafKind::Admin,
        }
    }

    fn in_words(&self) -> &'static str {
        match self {
            Self::WorkspaceCreated { .. } => "workspace created",
            Self::AccountCreated { .. } => "account created",
            Self::MemberSet { .. } => "member set",
            Self::KeyCreated { .. } => "key created",
            Self::KeyRevoked { .. } => "key revoked",
            Self::RetentionSet { .. } => "retention rules set",
            Self::HoldPlaced { .. } => "hold placed",
            Self::HoldReleased { .. } => "hold released",
            Self::Erased { .. } => "records erased",
            Self::Reviewed { review } => match review.acts.last().map(|act| act.deed) {
                Some(ReviewDeed::Opened) => "review opened",
                Some(ReviewDeed::Approved) => "review approved",
                Some(ReviewDeed::Rejected) => "review rejected",
                Some(ReviewDeed::Escalated) => "review escalated",
                Some(ReviewDeed::Expired) => "review expired",
                Some(ReviewDeed::Closed) => "review closed",
                _ => "review changed",
            },
            Self::RuleFileSet { .. } => "rule file set",
            Self::ProviderSet { .. } => "provider set",
            Self::GapFound { .. } => "gap found",
            Self::GapFilled { .. } => "gap filled",
        }
    }
}

impl Recorder {
    /// An act and its leaf, which says in words what kind of act it is and names nobody.
    pub(crate) fn sealed_act(&self, act: &Act) -> Result<AdminAct, Error> {
        let body = serde_json::to_vec(act).map_err(|error| Error::Internal(error.to_string()))?;
        let received = u64::try_from(self.now().0).unwrap_or(0);
        let id = RecordId::mint(&*self.entropy).0.into();
        let mut leaf = Leaf::new(act.leaf_kind(), id, "server", received);
        leaf.facts.insert("act".into(), act.in_words().to_owned());
        leaf.body_root = Some(self.act_root(&leaf, &body));
        leaf.lengths = vec![body.len() as u64];
        Ok(AdminAct { leaf: finish(&leaf)?, body })
    }

    /// What a leaf of administration commits to.
    pub(crate) fn act_root(&self, leaf: &Leaf, body: &[u8]) -> exhibit_ledger::Hash {
        part_hash(&self.vault.acts().salt(&leaf.id, 0), body)
    }
}
