//! The body of a record: its parts, each salted, under one small tree.
//!
//! [`body_root`] is what a leaf commits to. The tree is that of RFC 9162 section 2.1.1, its leaves are
//! `salt || part bytes`, and each salt comes from the key of the trace, so that a part can be shown
//! ([`disclose_part`], [`verify_part`]), withheld, or made unprovable for ever by destroying the key,
//! while the others still prove. Which parts a record has, and in which order, is the caller's matter.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::digest::prepared;
use crate::proof::{InvalidProof, Prover, verify_inclusion};
use crate::tree::{Hash, HashError, LeafHasher, root_of};

/// Most parts a record may have: the salt names a part by one byte.
pub const PARTS_MAX: usize = 256;

/// The random 16-byte name of a record in the ledger; 32 lower-case hex digits as text. It says
/// nothing about what is recorded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub [u8; 16]);

impl RecordId {
    /// The id as bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordId({self})")
    }
}

impl From<[u8; 16]> for RecordId {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl FromStr for RecordId {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let error = Hash::expected("32 lower-case hex digits");
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(error);
        }
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| error)?;
        Ok(Self(bytes))
    }
}

/// More parts than [`PARTS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} parts are more than a record can have (256)")]
pub struct TooManyParts(pub usize);

/// The key of a trace, prepared for making salts. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct PartKey(Hmac<Sha256>);

impl PartKey {
    /// Prepares the 32-byte key of a trace; keep the result while records of the trace arrive.
    pub fn new(trace_key: &[u8; 32]) -> Self {
        Self(prepared(trace_key))
    }

    /// The salt of part `part` of `record`: `HMAC-SHA256(trace key, record id || part)`.
    pub fn salt(&self, record: &RecordId, part: u8) -> Salt {
        let mut mac = self.0.clone();
        let mut message = [0; 17];
        message[..16].copy_from_slice(&record.0);
        message[16] = part;
        mac.update(&message);
        Salt(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for PartKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PartKey(…)")
    }
}

/// The salt of one part. Whoever has it can test guesses at that part, so it goes out only together
/// with the part; `Debug` shows nothing of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; 32]);

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(…)")
    }
}

/// Root over the salted parts of a record, in their order.
///
/// # Errors
/// More than 256 parts.
pub fn body_root(key: &PartKey, record: &RecordId, parts: &[&[u8]]) -> Result<Hash, TooManyParts> {
    Ok(root_of(&part_hashes(key, record, parts)?))
}

/// The salted leaf hash of each part: what stays when a part is withheld.
///
/// # Errors
/// More than 256 parts.
pub fn part_hashes(
    key: &PartKey,
    record: &RecordId,
    parts: &[&[u8]],
) -> Result<Vec<Hash>, TooManyParts> {
    if parts.len() > PARTS_MAX {
        return Err(TooManyParts(parts.len()));
    }
    let hash = |(part, bytes): (u8, &&[u8])| part_hash(&key.salt(record, part), bytes);
    Ok((0..=u8::MAX).zip(parts).map(hash).collect())
}

/// The leaf hash of one salted part: `SHA-256(0x00 || salt || bytes)`.
pub fn part_hash(salt: &Salt, bytes: &[u8]) -> Hash {
    LeafHasher::new().chain(&salt.0).chain(bytes).finish()
}

/// What proves one part under a body root without showing the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartProof {
    /// Place of the part in the record's order, from 0.
    pub part: u8,
    /// Number of parts of the record.
    pub parts: u16,
    /// Salt of the part.
    pub salt: Salt,
    /// Inclusion proof of the salted leaf.
    pub path: Vec<Hash>,
}

/// Proves part `part`, given the salted leaf hashes of all parts ([`part_hashes`]) and its salt.
/// `None` where there is no such part.
pub fn disclose_part(hashes: &[Hash], part: u8, salt: Salt) -> Option<PartProof> {
    let parts = u16::try_from(hashes.len()).ok().filter(|n| usize::from(*n) <= PARTS_MAX)?;
    let path = Prover::new(hashes, u64::from(parts)).ok()?.inclusion(u64::from(part)).ok()?;
    Some(PartProof { part, parts, salt, path })
}

/// Checks that `bytes` are the part that `proof` names under `body_root`.
///
/// # Errors
/// Says what does not hold.
pub fn verify_part(proof: &PartProof, bytes: &[u8], body_root: &Hash) -> Result<(), InvalidProof> {
    let leaf = part_hash(&proof.salt, bytes);
    let (index, size) = (u64::from(proof.part), u64::from(proof.parts));
    verify_inclusion(index, size, &leaf, &proof.path, body_root)
}
