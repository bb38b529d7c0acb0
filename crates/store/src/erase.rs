//! Removal of traces, for ever: retention and erasure.

use async_trait::async_trait;
use exhibit_model::{Review, TraceId, WorkspaceId};

use crate::{AdminAct, StoreError};

/// A trace to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doomed {
    /// The trace.
    pub trace_id: TraceId,
    /// How many ledger leaves its spans have, as whoever made the act has counted.
    pub leaves: u64,
    /// How many seals it has.
    pub seals: u64,
    /// What is kept to refuse its re-delivery: a keyed digest of its identity.
    pub tombstone: [u8; 16],
}

/// Removal of traces.
#[async_trait]
pub trait EraseStore: Send + Sync + 'static {
    /// Removes traces with everything that is kept of them, their keys above all; takes them out of
    /// the rollups; keeps their tombstones; keeps `closed`, the next versions of every review of them that
    /// is undecided, with their acts; and appends the act, all in one step. Their leaves stay.
    /// False, and nothing done, when one of the traces is not there or has other counts, or when other
    /// reviews of them, or other versions, are undecided.
    ///
    /// The bytes MUST NOT be readable from the database's file afterwards, and its space MUST be
    /// free for others or returned. Full-text search forgets the traces soon after.
    async fn erase(
        &self,
        workspace: WorkspaceId,
        traces: Vec<Doomed>,
        closed: Vec<(Review, AdminAct)>,
        act: AdminAct,
    ) -> Result<bool, StoreError>;

    /// Rewrites what still holds bytes of erased traces beside the database's pages: the write-ahead log,
    /// segments of the index. False while a reader keeps an older state in use: ask again. A store that
    /// keeps no such thing has nothing to do.
    async fn scrub(&self) -> Result<bool, StoreError> {
        Ok(true)
    }

    /// Which of these tombstones are there, in the order asked. Without any, whether there are none
    /// at all in the installation: an empty answer means none.
    async fn tombstones(
        &self,
        workspace: WorkspaceId,
        wanted: &[[u8; 16]],
    ) -> Result<Vec<bool>, StoreError>;
}
