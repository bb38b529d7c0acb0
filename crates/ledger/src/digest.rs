//! Keyed digests: short names for things that must not be recognisable without the key.
//!
//! Used for identities (workspace, trace, span) and for what was received in a delivery: equal
//! inputs give equal digests, and nobody without the key can test a guess. Not a commitment: what
//! the ledger commits to is in [`crate::record`].

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::tree::{Hash, HashError};

/// The first 16 bytes of an HMAC-SHA256. Compared in plain time: digests are looked up in indexes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyedDigest(pub [u8; 16]);

impl KeyedDigest {
    /// Length in bytes.
    pub const LEN: usize = 16;

    /// The digest as bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for KeyedDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyedDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyedDigest({self})")
    }
}

/// A key for [`KeyedDigest`]s, prepared once. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct DigestKey(Hmac<Sha256>);

impl DigestKey {
    /// Prepares a 32-byte key.
    pub fn new(key: &[u8; 32]) -> Self {
        // RFC 2104 pads a key shorter than the block with zeros; with a whole block nothing can fail.
        let mut block = Zeroizing::new([0_u8; 64]);
        block[..32].copy_from_slice(key);
        Self(<Hmac<Sha256> as KeyInit>::new((&*block).into()))
    }

    /// Digest of `parts` for the purpose `label`.
    ///
    /// Label and parts go in with their lengths, so that neither moving a byte from one part to the
    /// next nor using another purpose gives the same digest.
    pub fn digest(&self, label: &str, parts: &[&[u8]]) -> KeyedDigest {
        let mut mac = self.0.clone();
        for part in std::iter::once(label.as_bytes()).chain(parts.iter().copied()) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let full: [u8; 32] = mac.finalize().into_bytes().into();
        let mut short = [0; 16];
        short.copy_from_slice(&full[..16]);
        KeyedDigest(short)
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(…)")
    }
}

impl From<[u8; 16]> for KeyedDigest {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl TryFrom<&[u8]> for KeyedDigest {
    type Error = HashError;

    fn try_from(bytes: &[u8]) -> Result<Self, HashError> {
        bytes.try_into().map(Self).map_err(|_| Hash::expected("16 bytes"))
    }
}
