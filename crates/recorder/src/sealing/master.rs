//! The master key: thirty-two random bytes that somebody else keeps.

use base64::Engine as _;
use exhibit_ledger::DigestKey;
use exhibit_model::Entropy;
use zeroize::Zeroizing;

/// A text that is not a master key. The text is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a master key is 32 random bytes, written as 64 hexadecimal digits or as base64; \
     `exhibit keys make-master` makes one"
)]
pub struct MasterKeyError;

/// The key above all keys of payloads. `Debug` shows its fingerprint only.
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// A new one.
    pub fn make(entropy: &dyn Entropy) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        entropy.fill(&mut *key);
        Self(key)
    }

    /// Reads one as hexadecimal digits or base64.
    ///
    /// # Errors
    /// It is neither, or has another length. One byte again and again is no key.
    pub fn parse(text: &str) -> Result<Self, MasterKeyError> {
        let text = text.trim();
        let mut key = Zeroizing::new([0; 32]);
        if hex::decode_to_slice(text, &mut *key).is_err() {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text);
            let bytes = Zeroizing::new(bytes.map_err(|_| MasterKeyError)?);
            if bytes.len() != key.len() {
                return Err(MasterKeyError);
            }
            key.copy_from_slice(&bytes);
        }
        if key.windows(2).all(|pair| pair[0] == pair[1]) {
            return Err(MasterKeyError);
        }
        Ok(Self(key))
    }

    /// As hexadecimal digits.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(*self.0))
    }

    /// What tells it from others without showing it.
    pub fn fingerprint(&self) -> String {
        hex::encode(&DigestKey::new(&self.0).digest("master key", &[b"fingerprint"]).0[..4])
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MasterKey({})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_as_digits_and_as_base64_and_nothing_else_does() {
        let bytes: Vec<u8> = (0..32).collect();
        let digits = MasterKey::parse(&format!("{}\n", hex::encode(&bytes))).unwrap();
        let base64 = base64::engine::general_purpose::STANDARD.encode(&bytes);
        assert_eq!(MasterKey::parse(&base64).unwrap().fingerprint(), digits.fingerprint());
        assert_eq!(*digits.to_text(), hex::encode(&bytes));
        for text in ["", "swordfish", &base64[..40], &"00".repeat(32), &"0f".repeat(31)] {
            assert!(MasterKey::parse(text).is_err(), "{text}");
        }
        assert!(!format!("{digits:?}").contains("0001"));
    }
}
