//! RFC 6962 / RFC 9162 hashing of append-only trees.
//!
//! [`struct@Hash`] is the one digest type of the crate; [`leaf_hash`] and [`node_hash`] are the only two
//! ways a tree makes one. [`Frontier`] is what a log keeps between appends. Proofs over such a tree
//! are in [`crate::proof`]. Nothing here knows where hashes are stored.

mod frontier;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::lanes::{Message, hash_all};

pub use frontier::{Frontier, FrontierError, SIZE_MAX, TileHash};

/// A SHA-256 digest: a leaf hash, an inner node or a root. Serialises as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

/// A text or byte string is not a digest (or an id) of the right length or form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a digest: {expected} expected")]
pub struct HashError {
    expected: &'static str,
}

impl Hash {
    /// Length of a digest in bytes.
    pub const LEN: usize = 32;

    pub(crate) const fn expected(expected: &'static str) -> HashError {
        HashError { expected }
    }

    /// The digest as bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Takes exactly 32 bytes.
    ///
    /// # Errors
    /// Any other length.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, HashError> {
        bytes.try_into().map(Self).map_err(|_| HashError { expected: "32 bytes" })
    }

    /// 64 lower-case hex digits.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// Reads 64 lower-case hex digits; upper case is refused, so that a text has one form.
    ///
    /// # Errors
    /// Any other text.
    pub fn from_hex(text: &str) -> Result<Self, HashError> {
        let error = HashError { expected: "64 lower-case hex digits" };
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(error);
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| error)?;
        Ok(Self(bytes))
    }

    /// Standard base64 with padding (RFC 4648 section 4), as checkpoints write it.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// Reads standard base64 with padding.
    ///
    /// # Errors
    /// Any text that is not the one encoding of 32 bytes.
    pub fn from_base64(text: &str) -> Result<Self, HashError> {
        let error = HashError { expected: "base64 of 32 bytes" };
        if text.len() != 44 {
            return Err(error);
        }
        let bytes = STANDARD.decode(text).map_err(|_| error)?;
        Self::from_slice(&bytes).map_err(|_| error)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl From<[u8; 32]> for Hash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_hex(&text).map_err(serde::de::Error::custom)
    }
}

/// Hash of a leaf: `SHA-256(0x00 || data)` (RFC 9162 section 2.1.1).
pub fn leaf_hash(data: &[u8]) -> Hash {
    LeafHasher::new().chain(data).finish()
}

/// The hash of each leaf, in order: much cheaper per leaf than [`leaf_hash`] one by one, and the same.
pub fn leaf_hashes<L: AsRef<[u8]>>(leaves: &[L]) -> Vec<Hash> {
    let messages = leaves.iter().map(|leaf| Message::new([&[0x00]], leaf.as_ref()));
    hash_all(&messages.collect::<Vec<_>>())
}

/// The parents of neighbouring nodes, pair by pair; a last odd one is left out.
pub(crate) fn parents(nodes: &[Hash]) -> Vec<Hash> {
    let (pairs, _) = nodes.as_chunks::<2>();
    let messages = pairs.iter().map(|[left, right]| Message::node(left, right));
    hash_all(&messages.collect::<Vec<_>>())
}

/// Hash of an inner node: `SHA-256(0x01 || left || right)` (RFC 9162 section 2.1.1).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut block = [0_u8; 65];
    block[0] = 0x01;
    block[1..33].copy_from_slice(&left.0);
    block[33..].copy_from_slice(&right.0);
    Hash(Sha256::digest(block).into())
}

/// Root of a tree without leaves: `SHA-256()` (RFC 9162 section 2.1.1).
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

/// Root of the tree over these leaf hashes (RFC 9162 section 2.1.1), held in memory at once.
pub fn root_of(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    frontier.append_many(leaves);
    frontier.root()
}

/// A leaf hash over bytes that arrive in pieces, so that callers need not join them first.
#[derive(Clone)]
pub struct LeafHasher(Sha256);

impl LeafHasher {
    /// Starts a leaf.
    pub fn new() -> Self {
        let mut hasher = Sha256::new();
        hasher.update([0x00]);
        Self(hasher)
    }

    /// Adds the next piece.
    #[must_use]
    pub fn chain(mut self, piece: &[u8]) -> Self {
        self.0.update(piece);
        self
    }

    /// The hash of the leaf.
    pub fn finish(self) -> Hash {
        Hash(self.0.finalize().into())
    }
}

impl Default for LeafHasher {
    fn default() -> Self {
        Self::new()
    }
}
