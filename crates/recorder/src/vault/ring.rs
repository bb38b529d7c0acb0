//! How trace keys are wrapped, and how what lies sealed under them is opened.
//!
//! A wrapped key begins with a version: 1, under the installation's wrapping key; 2, under a slot, whose id
//! follows. The store asks the ring for payloads ([`Unsealer`]); everything else asks the vault.

use std::sync::Arc;

use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit,
    aead::{Aead, Payload},
};
use exhibit_ledger::DigestKey;
use exhibit_model::{Entropy, TraceId, WorkspaceId};
use exhibit_store::{SEALED_BLOCK, SlotId, StoreError, TraceKey, Unsealer};
use zeroize::Zeroizing;

use super::NONCE;
use crate::{
    Error, Sealing,
    sealing::{self, as_key},
};

/// Under the installation's wrapping key, with ChaCha20-Poly1305.
const BY_INSTALLATION: u8 = 1;
/// Under a slot, with XChaCha20-Poly1305.
const BY_SLOT: u8 = 2;

type Key = Zeroizing<[u8; 32]>;

/// The keys that wrap keys of traces.
pub(crate) struct Ring {
    installation: ChaCha20Poly1305,
    sealing: Option<Arc<Sealing>>,
}

impl Ring {
    pub(crate) fn new(wrapping: &[u8; 32], sealing: Option<Arc<Sealing>>) -> Self {
        Self { installation: ChaCha20Poly1305::new(wrapping.into()), sealing }
    }

    /// The slots, where payloads are encrypted.
    pub(crate) fn sealing(&self) -> Option<&Arc<Sealing>> {
        self.sealing.as_ref()
    }

    /// Wraps the key of a new trace; by a slot of its own where payloads are encrypted.
    pub(super) fn wrap(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        raw: &[u8; 32],
        entropy: &dyn Entropy,
    ) -> Result<TraceKey, Error> {
        let failed = || Error::Internal("a trace key could not be wrapped".into());
        let aad = aad(workspace, trace);
        if let Some(sealing) = &self.sealing {
            let (slot, key) = sealing.make(entropy)?;
            let sealed = sealing::seal(&key, &aad, raw, entropy).ok_or_else(failed)?;
            return Ok(TraceKey([&[BY_SLOT][..], &slot.0, &sealed].concat()));
        }
        let mut nonce = [0; NONCE];
        entropy.fill(&mut nonce);
        let sealed = self.installation.encrypt(&nonce.into(), Payload { msg: raw, aad: &aad });
        let sealed = sealed.map_err(|_| failed())?;
        Ok(TraceKey([&[BY_INSTALLATION][..], &nonce, &sealed].concat()))
    }

    /// The key of a trace.
    pub(super) fn unwrap(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        wrapped: &TraceKey,
    ) -> Result<Key, Error> {
        let broken = || Error::Internal("a wrapped trace key does not open".into());
        let aad = aad(workspace, trace);
        if let Some(slot) = slot_of(wrapped) {
            let sealing = self.sealing.as_ref().ok_or_else(broken)?;
            let gone = || Error::Internal("the key of a trace was destroyed".into());
            let key = sealing.key(slot)?.ok_or_else(gone)?;
            let sealed = wrapped.0.get(17..).unwrap_or_default();
            let raw = sealing::open(&key, &aad, sealed);
            return raw.and_then(|raw| as_key(&raw)).ok_or_else(broken);
        }
        let (version, rest) = wrapped.0.split_first().ok_or_else(broken)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE).ok_or_else(broken)?;
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| broken())?;
        if *version != BY_INSTALLATION {
            return Err(broken());
        }
        let raw = self.installation.decrypt(&nonce.into(), Payload { msg: sealed, aad: &aad });
        let raw = Zeroizing::new(raw.map_err(|_| broken())?);
        as_key(&raw).ok_or_else(broken)
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").field("sealing", &self.sealing).finish_non_exhaustive()
    }
}

impl Unsealer for Ring {
    fn unseal(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        key: &TraceKey,
        block: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let corrupt = || StoreError::Corrupt("an encrypted payload does not open".to_owned());
        let raw = self.unwrap(workspace, trace, key).map_err(|error| match error {
            Error::Internal(why) => StoreError::Corrupt(why),
            error => StoreError::Failed(error.to_string()),
        })?;
        let (first, sealed) = block.split_first().ok_or_else(corrupt)?;
        if *first != SEALED_BLOCK {
            return Err(corrupt());
        }
        let plain = sealing::open(&block_key(&raw), &block_aad(workspace, trace), sealed);
        // Moved out, not copied: nobody else has it.
        plain.map(|mut plain| std::mem::take(&mut *plain)).ok_or_else(corrupt)
    }
}

/// The slot that a key is wrapped by; none where the installation's key wraps it.
pub(super) fn slot_of(wrapped: &TraceKey) -> Option<SlotId> {
    let (version, rest) = wrapped.0.split_first()?;
    let id = rest.get(..16).filter(|_| *version == BY_SLOT)?;
    id.try_into().ok().map(SlotId)
}

/// What seals a trace's blocks. The message has another length than those that salts derive from, so the
/// two never meet.
pub(super) fn block_key(raw: &[u8; 32]) -> Key {
    let digests = DigestKey::new(raw);
    let mut key = Zeroizing::new([0; 32]);
    for (n, half) in (0..).zip(key.chunks_mut(16)) {
        half.copy_from_slice(&digests.digest("payload blocks", &[&[n]]).0);
    }
    key
}

/// A sealed block.
pub(super) fn seal_block(
    key: &Key,
    workspace: WorkspaceId,
    trace: &TraceId,
    frame: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, Error> {
    let failed = || Error::Internal("a payload could not be encrypted".into());
    let sealed = sealing::seal(key, &block_aad(workspace, trace), frame, entropy);
    let mut out = sealed.ok_or_else(failed)?;
    out.insert(0, SEALED_BLOCK);
    Ok(out)
}

/// A wrapped key opens only in the place it was made for.
fn aad(workspace: WorkspaceId, trace: &TraceId) -> Vec<u8> {
    let mut aad = workspace.0.to_be_bytes().to_vec();
    aad.extend_from_slice(trace.as_str().as_bytes());
    aad
}

fn block_aad(workspace: WorkspaceId, trace: &TraceId) -> Vec<u8> {
    let mut aad = b"exhibit/payload-block/".to_vec();
    aad.extend_from_slice(&workspace.0.to_be_bytes());
    aad.extend_from_slice(trace.as_str().as_bytes());
    aad
}
