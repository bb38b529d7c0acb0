//! The body of a record: its parts, each salted, under one small tree.
//!
//! [`body_root`] is what a leaf commits to. The tree is that of RFC 9162 section 2.1.1, its leaves are
//! `salt || part bytes`, and each salt comes from the key of the trace, so that a part can be shown
//! ([`disclose_part`], [`verify_part`]), withheld, or made unprovable for ever by destroying the key,
//! while the others still prove. Which parts a record has, and in which order, is the caller's matter.

use std::fmt;
use std::str::FromStr;

use sha2::block_api::compress256;
use zeroize::{Zeroize, Zeroizing};

use crate::lanes::{INITIAL, Message, hash_all, hash_one};
use crate::proof::{InvalidProof, Prover, verify_inclusion};
use crate::tree::{Hash, HashError, LeafHasher, empty_root, root_of};

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

/// The key of a trace, prepared for making salts. Leaves memory when dropped; `Debug` shows nothing
/// of it.
#[derive(Clone)]
pub struct PartKey {
    /// State of the inner and the outer hash of HMAC-SHA256 after the block of the key.
    inner: [u32; 8],
    outer: [u32; 8],
}

/// Bytes of the key block that a state has taken in.
const KEY_BLOCK: u64 = 64;

impl PartKey {
    /// Prepares the 32-byte key of a trace; keep the result while records of the trace arrive.
    pub fn new(trace_key: &[u8; 32]) -> Self {
        let state = |pad: u8| {
            let mut block = Zeroizing::new([pad; KEY_BLOCK as usize]);
            block.iter_mut().zip(trace_key).for_each(|(padded, byte)| *padded ^= byte);
            let mut state = INITIAL;
            compress256(&mut state, std::slice::from_ref(&*block));
            state
        };
        Self { inner: state(0x36), outer: state(0x5c) }
    }

    /// The salt of part `part` of `record`: `HMAC-SHA256(trace key, record id || part)`.
    pub fn salt(&self, record: &RecordId, part: u8) -> Salt {
        let inner = hash_one(&self.inner(record, part));
        Salt(hash_one(&self.outer(&inner)).0)
    }

    fn inner(&self, record: &RecordId, part: u8) -> Message<'_> {
        Message::after(&self.inner, KEY_BLOCK, [&record.0, &[part]], &[])
    }

    fn outer(&self, inner: &Hash) -> Message<'_> {
        Message::after(&self.outer, KEY_BLOCK, [&inner.0], &[])
    }
}

impl Drop for PartKey {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
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

/// One record of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Body<'b> {
    /// Key of its trace.
    pub key: &'b PartKey,
    /// Its id.
    pub record: RecordId,
    /// Its parts, in their order.
    pub parts: &'b [&'b [u8]],
}

/// Root over the salted parts of a record, in their order. For more than one record at a time use
/// [`body_roots`].
///
/// # Errors
/// More than 256 parts.
pub fn body_root(key: &PartKey, record: &RecordId, parts: &[&[u8]]) -> Result<Hash, TooManyParts> {
    Ok(root_of(&part_hashes(key, record, parts)?))
}

/// The [`body_root`] of each record of a batch, in order: the parts of all records are hashed side by
/// side, which from about ten records on is several times cheaper on CPUs without SHA instructions.
///
/// # Errors
/// A record with more than 256 parts.
pub fn body_roots(bodies: &[Body<'_>]) -> Result<Vec<Hash>, TooManyParts> {
    let mut hashes = batch_part_hashes(bodies)?.into_iter();
    let mut rows: Vec<Vec<Hash>> =
        bodies.iter().map(|body| hashes.by_ref().take(body.parts.len()).collect()).collect();
    // Row by row, all records together: the parents of pairs, an odd last node goes up as it is.
    while rows.iter().any(|row| row.len() > 1) {
        let pairs = rows.iter().flat_map(|row| row.as_chunks::<2>().0);
        let messages: Vec<_> = pairs.map(|[left, right]| Message::node(left, right)).collect();
        let mut parents = hash_all(&messages).into_iter();
        for row in &mut rows {
            let odd = if row.len() % 2 == 1 { row.pop() } else { None };
            let pairs = row.len() / 2;
            row.clear();
            row.extend(parents.by_ref().take(pairs).chain(odd));
        }
    }
    Ok(rows.into_iter().map(|row| row.first().copied().unwrap_or_else(empty_root)).collect())
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
    batch_part_hashes(&[Body { key, record: *record, parts }])
}

/// The salted leaf hashes of all parts of all records, in order.
fn batch_part_hashes(bodies: &[Body<'_>]) -> Result<Vec<Hash>, TooManyParts> {
    if let Some(body) = bodies.iter().find(|body| body.parts.len() > PARTS_MAX) {
        return Err(TooManyParts(body.parts.len()));
    }
    let parts = || {
        bodies.iter().flat_map(|body| {
            (0..=u8::MAX).zip(body.parts).map(move |(part, bytes)| (body, part, *bytes))
        })
    };
    let inner: Vec<_> = parts().map(|(body, part, _)| body.key.inner(&body.record, part)).collect();
    let inner = hash_all(&inner);
    let outer: Vec<_> =
        parts().zip(&inner).map(|((body, ..), inner)| body.key.outer(inner)).collect();
    let salts = hash_all(&outer);
    let salted = |((_, _, bytes), salt): (_, &Hash)| Message::new([&[0x00], &salt.0], bytes);
    Ok(hash_all(&parts().zip(&salts).map(salted).collect::<Vec<_>>()))
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
