//! Trace keys: random, wrapped, cached.
//!
//! Every trace has a key of its own, from which the salts of its records derive. The store holds it
//! wrapped; destroying the wrapped key makes every record of the trace unprovable for ever, which is
//! what erasure and retention are. Where payloads are encrypted ([`crate::sealing`]) it is wrapped by a
//! slot, and another key derives from it that seals the trace's blocks.

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
use exhibit_store::{Block, Resealed, SEALED_BLOCK, SlotId, TraceKey, TracePayloads};
use lru::LruCache;
use parking_lot::Mutex;
use siphasher::sip128::SipHasher13;
use zeroize::Zeroizing;

use crate::{Error, Keys, sealing::SealingError};

mod ring;

pub(crate) use ring::Ring;

/// Traces whose keys are held ready: about 300 bytes each.
const CACHED: usize = 16_384;
/// Version byte of a lock: ChaCha20-Poly1305 under the installation's wrapping key.
const WRAPPED_BY_INSTALLATION: u8 = 1;
const NONCE: usize = 12;

/// A trace key, ready for use.
pub(crate) struct OpenKey {
    pub(crate) wrapped: TraceKey,
    pub(crate) part_key: PartKey,
    /// What seals its blocks, where they are sealed.
    block_key: Option<Zeroizing<[u8; 32]>>,
}

type Name = (WorkspaceId, TraceId);

pub(crate) struct Vault {
    cipher: ChaCha20Poly1305,
    ring: Arc<Ring>,
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
            ring: keys.ring(),
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
        let wrapped = self.ring.wrap(workspace, trace, &raw, entropy)?;
        let key = Arc::new(OpenKey::new(&raw, wrapped));
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
        let raw = self.ring.unwrap(workspace, trace, &wrapped)?;
        let key = Arc::new(OpenKey::new(&raw, wrapped));
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
        Ok(PartKey::new(&*self.ring.unwrap(workspace, trace, wrapped)?))
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

    /// A block as an archive takes it: sealed, whether or not it is here.
    pub(crate) fn seal_block(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        wrapped: &TraceKey,
        data: Vec<u8>,
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, Error> {
        if data.first() == Some(&SEALED_BLOCK) {
            return Ok(data);
        }
        let raw = self.ring.unwrap(workspace, trace, wrapped)?;
        ring::seal_block(&ring::block_key(&raw), workspace, trace, &data, entropy)
    }

    /// A trace of before payloads were encrypted, as it is to lie: its key wrapped by a slot of its own,
    /// which is to be [kept](Self::keep_slots) first, and its blocks sealed. The key itself stays, and with
    /// it salts, leaves and what an archive has.
    pub(crate) fn reseal(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        stored: TracePayloads,
        entropy: &dyn Entropy,
    ) -> Result<Resealed, Error> {
        let raw = self.ring.unwrap(workspace, trace, &stored.key)?;
        let block_key = ring::block_key(&raw);
        let mut blocks = stored.blocks;
        for (_, data) in &mut blocks {
            if data.first() != Some(&SEALED_BLOCK) {
                *data = ring::seal_block(&block_key, workspace, trace, data, entropy)?;
            }
        }
        let key = self.ring.wrap(workspace, trace, &raw, entropy)?;
        Ok(Resealed { trace_id: trace.clone(), was: stored.key, key, blocks })
    }

    /// Keeps the slots of new keys; before anything that they seal is kept.
    pub(crate) async fn keep_slots(&self) -> Result<(), Error> {
        let Some(sealing) = self.ring.sealing().filter(|sealing| sealing.has_pending()) else {
            return Ok(());
        };
        let sealing = Arc::clone(sealing);
        let kept = tokio::task::spawn_blocking(move || sealing.flush()).await;
        kept.map_err(|error| Error::Internal(error.to_string()))?.map_err(Error::from)
    }
}

impl OpenKey {
    fn new(raw: &[u8; 32], wrapped: TraceKey) -> Self {
        let block_key = ring::slot_of(&wrapped).map(|_| ring::block_key(raw));
        Self { part_key: PartKey::new(raw), block_key, wrapped }
    }

    /// Whether payloads of the trace are sealed, and its row holds no previews of them.
    pub(crate) fn seals(&self) -> bool {
        self.block_key.is_some()
    }

    /// The block as it is to be kept.
    pub(crate) fn seal(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        block: Block,
        entropy: &dyn Entropy,
    ) -> Result<Block, Error> {
        let Some(key) = &self.block_key else { return Ok(block) };
        let data = ring::seal_block(key, workspace, trace, &block.data, entropy)?;
        Ok(Block { data, ..block })
    }
}

/// Whether payloads of a trace with this key are sealed.
pub(crate) fn is_sealed(key: &TraceKey) -> bool {
    ring::slot_of(key).is_some()
}

/// The slot that wraps a key, where one does.
pub(crate) fn slot(key: &TraceKey) -> Option<SlotId> {
    ring::slot_of(key)
}

impl From<SealingError> for Error {
    fn from(error: SealingError) -> Self {
        match error {
            SealingError::Store(error) => error.into(),
            error => Self::Internal(error.to_string()),
        }
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
