//! Trace keys: random, wrapped, cached.
//!
//! Every trace has a key of its own, from which the salts of its records derive. The store holds it
//! wrapped; destroying the wrapped key makes every record of the trace unprovable for ever, which is
//! what erasure and retention are.

use std::{
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit,
    aead::{Aead, Payload},
};
use exhibit_ledger::{DigestKey, PartKey};
use exhibit_model::{Entropy, RecordId, TraceId, WorkspaceId};
use exhibit_store::TraceKey;
use lru::LruCache;
use parking_lot::Mutex;
use siphasher::sip128::SipHasher13;
use zeroize::Zeroizing;

use crate::{Error, Keys};

/// Traces whose keys are held ready: about 300 bytes each.
const CACHED: usize = 16_384;
/// Version byte of the wrapping: ChaCha20-Poly1305 under the installation's wrapping key.
const WRAPPED_BY_INSTALLATION: u8 = 1;
const NONCE: usize = 12;

/// A trace key, ready for use.
#[derive(Debug)]
pub(crate) struct OpenKey {
    pub(crate) wrapped: TraceKey,
    pub(crate) part_key: PartKey,
}

type Name = (WorkspaceId, TraceId);

pub(crate) struct Vault {
    cipher: ChaCha20Poly1305,
    /// Digests of deliveries, by which a re-delivery is recognised. SipHash: a keyed hash that is
    /// fast on long inputs; nothing is proved by it.
    deliveries: SipHasher13,
    cache: Mutex<LruCache<Name, Arc<OpenKey>>>,
    /// Salts of acts of administration, which belong to no trace.
    acts: PartKey,
    /// Digests of erased traces.
    tombstones: DigestKey,
    /// Whether anything was ever erased: asking costs.
    has_tombstones: AtomicBool,
}

impl Vault {
    pub(crate) fn new(keys: &Keys) -> Self {
        Self {
            cipher: ChaCha20Poly1305::new(keys.wrapping().into()),
            deliveries: SipHasher13::new_with_key(&half(keys.derive("deliveries"))),
            acts: PartKey::new(&keys.derive("acts")),
            tombstones: DigestKey::new(&keys.derive("tombstones")),
            has_tombstones: AtomicBool::new(false),
            cache: Mutex::new(LruCache::new(NonZero::<usize>::MIN.saturating_add(CACHED))),
        }
    }

    /// Salts of acts of administration.
    pub(crate) fn acts(&self) -> &PartKey {
        &self.acts
    }

    /// A fresh hasher for the digest of a delivery.
    pub(crate) fn deliveries(&self) -> SipHasher13 {
        self.deliveries
    }

    /// What is kept of an erased trace.
    pub(crate) fn tombstone(&self, workspace: WorkspaceId, trace: &TraceId) -> [u8; 16] {
        self.tombstones.digest("trace", &[&workspace.0.to_be_bytes(), trace.as_str().as_bytes()]).0
    }

    /// Something was erased.
    pub(crate) fn note_tombstones(&self) {
        self.has_tombstones.store(true, Ordering::Release);
    }

    /// Whether anything was ever erased.
    pub(crate) fn has_tombstones(&self) -> bool {
        self.has_tombstones.load(Ordering::Acquire)
    }

    /// Forgets the key of an erased trace.
    pub(crate) fn forget(&self, workspace: WorkspaceId, trace: &TraceId) {
        self.cache.lock().pop(&(workspace, trace.clone()));
    }

    /// Forgets all keys: one of their traces may have been erased elsewhere.
    pub(crate) fn forget_all(&self) {
        self.cache.lock().clear();
    }

    /// The key in the cache.
    pub(crate) fn cached(&self, workspace: WorkspaceId, trace: &TraceId) -> Option<Arc<OpenKey>> {
        self.cache.lock().get(&(workspace, trace.clone())).cloned()
    }

    /// The cached key, or a new one: two batches of a new trace that arrive at once share it.
    pub(crate) fn cached_or_new(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        entropy: &dyn Entropy,
    ) -> Result<Arc<OpenKey>, Error> {
        let name = (workspace, trace.clone());
        let mut cache = self.cache.lock();
        if let Some(key) = cache.get(&name) {
            return Ok(Arc::clone(key));
        }
        let mut raw = Zeroizing::new([0; 32]);
        entropy.fill(&mut *raw);
        let mut nonce = [0; NONCE];
        entropy.fill(&mut nonce);
        let sealed = self
            .cipher
            .encrypt(&nonce.into(), Payload { msg: &*raw, aad: &aad(workspace, trace) })
            .map_err(|_| Error::Internal("a trace key could not be wrapped".into()))?;
        let mut wrapped = Vec::with_capacity(1 + NONCE + sealed.len());
        wrapped.push(WRAPPED_BY_INSTALLATION);
        wrapped.extend_from_slice(&nonce);
        wrapped.extend_from_slice(&sealed);
        let key = Arc::new(OpenKey { wrapped: TraceKey(wrapped), part_key: PartKey::new(&raw) });
        cache.put(name, Arc::clone(&key));
        Ok(key)
    }

    /// Opens a stored key and holds it ready, replacing what the cache had.
    pub(crate) fn open(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        wrapped: TraceKey,
    ) -> Result<Arc<OpenKey>, Error> {
        let raw = self.unwrap(workspace, trace, &wrapped)?;
        let key = Arc::new(OpenKey { part_key: PartKey::new(&raw), wrapped });
        self.cache.lock().put((workspace, trace.clone()), Arc::clone(&key));
        Ok(key)
    }

    /// The part key of a stored trace, without touching the cache's order.
    pub(crate) fn part_key(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        wrapped: &TraceKey,
    ) -> Result<PartKey, Error> {
        Ok(PartKey::new(&*self.unwrap(workspace, trace, wrapped)?))
    }

    /// Wraps the key of a locked record.
    pub(crate) fn wrap_lock(
        &self,
        workspace: WorkspaceId,
        record: RecordId,
        key: &[u8; 32],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, Error> {
        let mut nonce = [0; NONCE];
        entropy.fill(&mut nonce);
        let payload = Payload { msg: key, aad: &lock_aad(workspace, record) };
        let sealed = self.cipher.encrypt(&nonce.into(), payload);
        let sealed = sealed.map_err(|_| Error::Internal("a lock could not be wrapped".into()))?;
        Ok([&[WRAPPED_BY_INSTALLATION][..], &nonce, &sealed].concat())
    }

    /// The key of a locked record; none when it does not open.
    pub(crate) fn unwrap_lock(
        &self,
        workspace: WorkspaceId,
        record: RecordId,
        wrapped: &[u8],
    ) -> Option<Zeroizing<[u8; 32]>> {
        let (version, rest) = wrapped.split_first()?;
        let (nonce, sealed) = rest.split_at_checked(NONCE)?;
        let nonce: [u8; NONCE] = nonce.try_into().ok()?;
        let payload = Payload { msg: sealed, aad: &lock_aad(workspace, record) };
        let raw = Zeroizing::new(self.cipher.decrypt(&nonce.into(), payload).ok()?);
        let key: [u8; 32] = raw.as_slice().try_into().ok()?;
        (*version == WRAPPED_BY_INSTALLATION).then(|| Zeroizing::new(key))
    }

    fn unwrap(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        wrapped: &TraceKey,
    ) -> Result<Zeroizing<[u8; 32]>, Error> {
        let broken = || Error::Internal("a wrapped trace key does not open".into());
        let (version, rest) = wrapped.0.split_first().ok_or_else(broken)?;
        if *version != WRAPPED_BY_INSTALLATION || rest.len() < NONCE {
            return Err(broken());
        }
        let (nonce, sealed) = rest.split_at(NONCE);
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| broken())?;
        let raw = self
            .cipher
            .decrypt(&nonce.into(), Payload { msg: sealed, aad: &aad(workspace, trace) })
            .map_err(|_| broken())?;
        let raw = Zeroizing::new(raw);
        let mut key = Zeroizing::new([0; 32]);
        if raw.len() != key.len() {
            return Err(broken());
        }
        key.copy_from_slice(&raw);
        Ok(key)
    }
}

fn half(key: [u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&key[..16]);
    half
}

/// A lock opens only the record it was made for.
fn lock_aad(workspace: WorkspaceId, record: RecordId) -> Vec<u8> {
    [b"lock".as_slice(), &workspace.0.to_be_bytes(), &record.0].concat()
}

/// A wrapped key opens only in the place it was made for.
fn aad(workspace: WorkspaceId, trace: &TraceId) -> Vec<u8> {
    let mut aad = workspace.0.to_be_bytes().to_vec();
    aad.extend_from_slice(trace.as_str().as_bytes());
    aad
}
