//! The ledger as a store keeps it: leaves, hashes, heads, checkpoints.

use async_trait::async_trait;
use exhibit_model::{Nanos, WorkspaceId};

use crate::{StoreError, span::Leaf};

/// Which log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogId {
    /// The installation's log: heads of the others, and acts that belong to no workspace.
    Installation,
    /// A workspace's log.
    Workspace(WorkspaceId),
}

/// The head of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHead {
    /// Which log.
    pub log: LogId,
    /// How many leaves.
    pub size: u64,
    /// RFC 6962 root over them.
    pub root: [u8; 32],
}

/// A signed checkpoint as published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// Which log.
    pub log: LogId,
    /// The size it covers.
    pub size: u64,
    /// The root it states.
    pub root: [u8; 32],
    /// The signed note, as C2SP tlog-checkpoint.
    pub note: String,
    /// When it was signed.
    pub signed: Nanos,
}

/// Leaves, hashes, heads and checkpoints.
#[async_trait]
pub trait LedgerStore: Send + Sync + 'static {
    /// The head of a log; size 0 for one without leaves.
    async fn head(&self, log: LogId) -> Result<LogHead, StoreError>;

    /// Heads of workspace logs that have grown since they were last [`publish`](Self::publish)ed.
    async fn unpublished(&self) -> Result<Vec<LogHead>, StoreError>;

    /// Appends leaves to the installation's log and marks the given heads as published, in one step.
    /// Returns the installation's head after it.
    async fn publish(&self, heads: &[LogHead], leaves: Vec<Leaf>) -> Result<LogHead, StoreError>;

    /// Keeps a signed checkpoint. The latest of each log MUST be kept; older ones MAY be thinned.
    async fn put_checkpoint(&self, checkpoint: StoredCheckpoint) -> Result<(), StoreError>;

    /// The latest checkpoint of a log.
    async fn checkpoint(&self, log: LogId) -> Result<Option<StoredCheckpoint>, StoreError>;

    /// The leaves `from..to` of a log, in order. Fewer when the log is shorter.
    async fn leaves(&self, log: LogId, from: u64, to: u64) -> Result<Vec<Vec<u8>>, StoreError>;

    /// Hashes for proofs: at tile level 0 the leaf hashes `from..to`; at level L ≥ 1 the roots of the
    /// full subtrees of 256^L leaves numbered `from..to`. Fewer when there are fewer.
    async fn hashes(
        &self,
        log: LogId,
        level: u8,
        from: u64,
        to: u64,
    ) -> Result<Vec<[u8; 32]>, StoreError>;
}
