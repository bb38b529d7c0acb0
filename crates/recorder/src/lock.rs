//! Locks: what is quarantined lies encrypted at rest, each record under a key of its own.
//!
//! Leaves commit to the plain bytes, so proofs stay what they are; the store, its write-ahead log and its
//! backups hold the encrypted ones. ChaCha20 keeps the lengths that leaves state; that nobody has changed a
//! byte is what the leaf proves. A key is used for one record only, so the nonce may be fixed. When a
//! reviewer redacts or erases, the key of the revision before is destroyed: then nobody can read it again.

use std::collections::HashSet;

use chacha20::{
    ChaCha20,
    cipher::{KeyIvInit as _, StreamCipher as _},
};
use exhibit_model::{Entropy, RecordId, SpanId, TraceId, WorkspaceId};
use exhibit_store::{AuditTrace, StoredSpan};
use zeroize::Zeroizing;

use crate::{Error, Recorder, vault::Vault};

/// How the header of every record begins; what does not is locked.
const HEADER_START: &[u8] = b"{\"trace_id\":\"";

/// Whether stored bytes are locked.
pub(crate) fn is_locked(stored: &StoredSpan) -> bool {
    let [header, ..] = &stored.parts;
    !header.is_empty() && !header.starts_with(HEADER_START)
}

/// Locks or opens parts, one after the other as one stream.
fn turn(key: &[u8; 32], parts: &mut [Vec<u8>; 5]) {
    let mut stream = ChaCha20::new(key.into(), &[0; 12].into());
    parts.iter_mut().for_each(|part| stream.apply_keystream(part));
}

/// Locks parts under a fresh key; the key comes back wrapped.
pub(crate) fn lock(
    vault: &Vault,
    workspace: WorkspaceId,
    record: RecordId,
    entropy: &dyn Entropy,
    parts: &mut [Vec<u8>; 5],
) -> Result<Vec<u8>, Error> {
    let mut key = Zeroizing::new([0; 32]);
    entropy.fill(&mut *key);
    turn(&key, parts);
    vault.wrap_lock(workspace, record, &key, entropy)
}

impl Recorder {
    /// Loads stored spans and opens those that are locked.
    pub(crate) async fn load(
        &self,
        workspace: WorkspaceId,
        ids: &[(TraceId, SpanId)],
    ) -> Result<Vec<Option<StoredSpan>>, Error> {
        let mut found = self.store.load(workspace, ids).await?;
        self.unlock(workspace, found.iter_mut().flatten()).await?;
        Ok(found)
    }

    /// Opens all records of a trace whose keys are there; says which were locked.
    pub(crate) async fn unlock_trace(
        &self,
        workspace: WorkspaceId,
        trace: &mut AuditTrace,
    ) -> Result<HashSet<RecordId>, Error> {
        let current = trace.spans.iter_mut().map(|(_, stored)| stored);
        let all = current.chain(trace.superseded.iter_mut().map(|(_, stored)| stored));
        self.unlock(workspace, all).await
    }

    async fn unlock(
        &self,
        workspace: WorkspaceId,
        all: impl Iterator<Item = &mut StoredSpan>,
    ) -> Result<HashSet<RecordId>, Error> {
        let mut locked: Vec<&mut StoredSpan> = all.filter(|stored| is_locked(stored)).collect();
        if locked.is_empty() {
            return Ok(HashSet::new());
        }
        let records: Vec<RecordId> = locked.iter().map(|stored| stored.record).collect();
        let keys = self.store.locks(workspace, &records).await?;
        for (stored, wrapped) in locked.iter_mut().zip(keys) {
            let Some(wrapped) = wrapped else { continue };
            // A lock that was tampered with stays closed, and verification says so.
            if let Some(key) = self.vault.unwrap_lock(workspace, stored.record, &wrapped) {
                turn(&key, &mut stored.parts);
            }
        }
        Ok(records.into_iter().collect())
    }
}
