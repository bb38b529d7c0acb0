//! Payloads that were stored in plain and are to lie encrypted.

use async_trait::async_trait;
use exhibit_model::{TraceId, WorkspaceId};

use crate::{StoreError, TraceKey};

/// A trace as it is to lie from now on.
#[derive(Debug, Clone)]
pub struct Resealed {
    /// The trace.
    pub trace_id: TraceId,
    /// Its key, as it was wrapped when this was made.
    pub was: TraceKey,
    /// The same key, as it is to be wrapped.
    pub key: TraceKey,
    /// Number and sealed bytes of each of its blocks that is not archived.
    pub blocks: Vec<(i64, Vec<u8>)>,
}

/// Encrypting what lies in plain. A store without it answers `Unsupported`.
#[async_trait]
pub trait EncryptStore: Send + Sync + 'static {
    /// Puts sealed blocks in the places of plain ones and wrapped keys in the places of keys, and takes
    /// previews of payloads out of what is listed, all in one step. Leaves, seals and sums stay. False, and
    /// nothing done, when one of the traces is not there any more, has another key or other blocks.
    async fn reseal(
        &self,
        _workspace: WorkspaceId,
        _traces: Vec<Resealed>,
    ) -> Result<bool, StoreError> {
        Err(StoreError::Unsupported("encrypt what it holds"))
    }

    /// Removes the texts of the refused entries of every workspace; how many had one.
    async fn blank_letters(&self) -> Result<u64, StoreError> {
        Err(StoreError::Unsupported("encrypt what it holds"))
    }

    /// Writes every page anew, so that no byte is left of what was replaced, and gives free space back.
    /// False while a reader keeps an older state in use: ask again.
    async fn rewrite(&self) -> Result<bool, StoreError> {
        Err(StoreError::Unsupported("encrypt what it holds"))
    }
}
