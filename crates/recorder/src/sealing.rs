//! Payloads encrypted at rest: a master key, a key that wraps, a slot per trace.
//!
//! The master key comes from outside and is never written. It wraps one random key, which wraps the slots:
//! one random key per trace, kept in a [`SlotStore`] beside the other keys and in no backup of the
//! database. A slot wraps its trace's key in the database. Whoever destroys a slot destroys the trace's
//! key in every copy of the database there is, and with it payloads and the link from leaves to a person.
//!
//! Slots are per trace and not per end user: a user may be named by a trace's last span only, or two by
//! one trace, and retention takes away traces, not people. Erasing a person destroys the slots of all of
//! the person's traces.
//!
//! What is encrypted, and what is not, is in the user's guide (`encryption`). This file has the keys;
//! the vault has the blocks.

mod master;
mod settle;
mod stored;

use std::{num::NonZero, sync::Arc};

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use exhibit_model::Entropy;
use exhibit_store::{DoomedSlot, SlotHeader, SlotId, SlotStore, StoreError};
use lru::LruCache;
use parking_lot::Mutex;
use zeroize::Zeroizing;

pub use settle::PAYLOAD_KEYS;
pub use stored::Encrypted;

pub use master::{MasterKey, MasterKeyError};

/// Opened slots that are held ready.
const CACHED: usize = 16_384;
const NONCE: usize = 24;

type Key = Zeroizing<[u8; 32]>;

/// Why sealed payloads cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SealingError {
    /// Another master key is needed.
    #[error(
        "the master key {given} is not the one that payloads are encrypted under, {needed}; give that \
         one (a rotation that was broken off leaves the old one in force)"
    )]
    WrongMaster {
        /// Fingerprint of the one that was given.
        given: String,
        /// Fingerprint of the one in force.
        needed: String,
    },
    /// The slots failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Encrypting failed.
    #[error("a key could not be wrapped")]
    Wrap,
}

/// The keys of sealed payloads.
pub struct Sealing {
    slots: Arc<dyn SlotStore>,
    id: [u8; 16],
    wrapping: Key,
    /// New slots that are not kept yet.
    pending: Mutex<Vec<(SlotId, Vec<u8>)>>,
    /// Held while pending slots are written, so that nobody overtakes them.
    writing: Mutex<()>,
    opened: Mutex<LruCache<SlotId, Key>>,
}

impl Sealing {
    /// Opens the slots under a master key; the first time, makes the key that wraps them.
    ///
    /// # Errors
    /// Another master key is in force; the slots do not read.
    pub fn open(
        slots: Arc<dyn SlotStore>,
        master: &MasterKey,
        entropy: &dyn Entropy,
    ) -> Result<Self, SealingError> {
        let (id, wrapping) = match slots.header()? {
            Some(header) => (header.id, open_header(&header, master)?),
            None => {
                let mut id = [0; 16];
                entropy.fill(&mut id);
                let wrapping = random(entropy);
                slots.begin(&make_header(id, &wrapping, master, entropy)?)?;
                (id, wrapping)
            }
        };
        let opened = Mutex::new(LruCache::new(NonZero::<usize>::MIN.saturating_add(CACHED)));
        let (pending, writing) = (Mutex::default(), Mutex::default());
        Ok(Self { slots, id, wrapping, pending, writing, opened })
    }

    /// Puts another master key, and another wrapping key under it, in the place of the present ones. Every
    /// slot is wrapped anew in one step: a crash leaves the old state or the new. How many slots there are.
    ///
    /// # Errors
    /// `old` is not the key in force; the slots fail.
    pub fn rotate(
        slots: &dyn SlotStore,
        old: &MasterKey,
        new: &MasterKey,
        entropy: &dyn Entropy,
    ) -> Result<u64, SealingError> {
        let nothing = || StoreError::Failed("no payload was ever encrypted".to_owned());
        let header = slots.header()?.ok_or_else(nothing)?;
        let before = open_header(&header, old)?;
        let after = random(entropy);
        let header = make_header(header.id, &after, new, entropy)?;
        let count = slots.rewrap(&header, &mut |slot, wrapped| {
            let raw = open(&before, &slot_aad(slot), wrapped)?;
            seal(&after, &slot_aad(slot), &raw, entropy)
        })?;
        Ok(count)
    }

    /// Tells these slots from others.
    pub(crate) fn id(&self) -> [u8; 16] {
        self.id
    }

    /// A new slot; to be kept by [`flush`](Self::flush) before anything that was sealed by it is.
    pub(crate) fn make(&self, entropy: &dyn Entropy) -> Result<(SlotId, Key), SealingError> {
        let mut id = [0; 16];
        entropy.fill(&mut id);
        let (slot, key) = (SlotId(id), random(entropy));
        let wrapped = seal(&self.wrapping, &slot_aad(slot), &*key, entropy);
        self.pending.lock().push((slot, wrapped.ok_or(SealingError::Wrap)?));
        self.opened.lock().put(slot, key.clone());
        Ok((slot, key))
    }

    /// Whether [`flush`](Self::flush) may have something to do, also for somebody else.
    pub(crate) fn has_pending(&self) -> bool {
        self.writing.is_locked() || !self.pending.lock().is_empty()
    }

    /// Keeps every slot made so far. Blocks for as long as the disk takes.
    pub(crate) fn flush(&self) -> Result<(), SealingError> {
        let _turn = self.writing.lock();
        let pending = self.pending.lock().clone();
        if pending.is_empty() {
            return Ok(());
        }
        self.slots.put(&pending)?;
        // What was made since comes after it.
        self.pending.lock().drain(..pending.len());
        Ok(())
    }

    /// A slot's key; none when it was destroyed or does not open.
    pub(crate) fn key(&self, slot: SlotId) -> Result<Option<Key>, StoreError> {
        if let Some(key) = self.opened.lock().get(&slot) {
            return Ok(Some(key.clone()));
        }
        let Some(wrapped) = self.slots.get(slot)? else { return Ok(None) };
        let Some(raw) = open(&self.wrapping, &slot_aad(slot), &wrapped) else { return Ok(None) };
        let Some(key) = as_key(&raw) else { return Ok(None) };
        self.opened.lock().put(slot, key.clone());
        Ok(Some(key))
    }

    /// Notes slots that are about to be destroyed.
    pub(crate) fn doom(&self, slots: &[DoomedSlot]) -> Result<(), SealingError> {
        self.flush()?;
        Ok(self.slots.doom(slots)?)
    }

    /// Slots that a crash left between note and destruction.
    pub(crate) fn doomed(&self) -> Result<Vec<DoomedSlot>, SealingError> {
        Ok(self.slots.doomed()?)
    }

    /// Takes the note back.
    pub(crate) fn spare(&self, slots: &[SlotId]) -> Result<(), SealingError> {
        Ok(self.slots.spare(slots)?)
    }

    /// Destroys slots for ever.
    pub(crate) fn destroy(&self, slots: &[SlotId]) -> Result<(), SealingError> {
        {
            let mut opened = self.opened.lock();
            slots.iter().for_each(|slot| drop(opened.pop(slot)));
        }
        Ok(self.slots.destroy(slots)?)
    }
}

impl std::fmt::Debug for Sealing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealing").field("id", &hex::encode(self.id)).finish_non_exhaustive()
    }
}

/// Nonce and ciphertext. Nonces are random: with 24 bytes no two meet.
pub(crate) fn seal(
    key: &[u8; 32],
    aad: &[u8],
    plain: &[u8],
    entropy: &dyn Entropy,
) -> Option<Vec<u8>> {
    let mut nonce = [0; NONCE];
    entropy.fill(&mut nonce);
    let cipher = XChaCha20Poly1305::new(key.into());
    let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad }).ok()?;
    let mut out = Vec::with_capacity(NONCE + sealed.len());
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&sealed);
    Some(out)
}

/// What [`seal`] has sealed; none when it does not open.
pub(crate) fn open(key: &[u8; 32], aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
    let nonce: [u8; NONCE] = nonce.try_into().ok()?;
    let cipher = XChaCha20Poly1305::new(key.into());
    let plain = cipher.decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad }).ok()?;
    Some(Zeroizing::new(plain))
}

/// Thirty-two bytes as a key.
pub(crate) fn as_key(bytes: &[u8]) -> Option<Key> {
    let mut key = Zeroizing::new([0; 32]);
    (bytes.len() == key.len()).then(|| key.copy_from_slice(bytes))?;
    Some(key)
}

fn make_header(
    id: [u8; 16],
    wrapping: &Key,
    master: &MasterKey,
    entropy: &dyn Entropy,
) -> Result<SlotHeader, SealingError> {
    let key = seal(master.bytes(), &header_aad(id), &**wrapping, entropy);
    Ok(SlotHeader { id, key: key.ok_or(SealingError::Wrap)?, master: master.fingerprint() })
}

fn open_header(header: &SlotHeader, master: &MasterKey) -> Result<Key, SealingError> {
    let raw = open(master.bytes(), &header_aad(header.id), &header.key);
    raw.and_then(|raw| as_key(&raw)).ok_or_else(|| SealingError::WrongMaster {
        given: master.fingerprint(),
        needed: header.master.clone(),
    })
}

fn header_aad(id: [u8; 16]) -> Vec<u8> {
    [b"exhibit/payload-wrapping-key/".as_slice(), &id].concat()
}

fn slot_aad(slot: SlotId) -> Vec<u8> {
    [b"exhibit/payload-slot/".as_slice(), &slot.0].concat()
}

fn random(entropy: &dyn Entropy) -> Key {
    let mut key = Zeroizing::new([0; 32]);
    entropy.fill(&mut *key);
    key
}
