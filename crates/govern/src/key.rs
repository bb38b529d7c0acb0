//! The key of fingerprints: findings say "the same value again" without saying the value.

use std::fmt;

use exhibit_model::FindingCategory;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of the digest that a fingerprint keeps.
const KEPT: usize = 16;

/// A secret under which values are fingerprinted. Without it a fingerprint of a guessable value, such
/// as a social security number, could be guessed back.
#[derive(Clone)]
pub struct FingerprintKey(Hmac<Sha256>);

impl FingerprintKey {
    /// Wraps 32 secret bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        // HMAC takes keys of any length; the fallback cannot be reached and is no weaker than its input.
        Self(Hmac::new_from_slice(&bytes).unwrap_or_else(|_| Hmac::new(&[0; 64].into())))
    }

    /// HMAC-SHA256 over entity and normalised value, cut to 16 bytes, hex.
    pub(crate) fn fingerprint(
        &self,
        entity: &str,
        category: FindingCategory,
        value: &str,
    ) -> String {
        let mut mac = self.0.clone();
        mac.update(entity.as_bytes());
        mac.update(&[0]);
        mac.update(normalised(category, value).as_bytes());
        hex::encode(&mac.finalize().into_bytes()[..KEPT])
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintKey(…)")
    }
}

/// Personal data is the same however it is grouped or capitalised; a credential is its exact bytes.
fn normalised(category: FindingCategory, value: &str) -> String {
    match category {
        FindingCategory::Secret => value.to_owned(),
        _ => value
            .chars()
            .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '(' | ')' | '/'))
            .flat_map(char::to_lowercase)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grouping_does_not_change_who_it_is_but_the_key_does() {
        let key = FingerprintKey::new([1; 32]);
        let pii =
            |key: &FingerprintKey, value| key.fingerprint("IBAN_CODE", FindingCategory::Pii, value);
        assert_eq!(pii(&key, "DE89 3704"), pii(&key, "de893704"));
        assert_ne!(pii(&key, "DE893704"), pii(&FingerprintKey::new([2; 32]), "DE893704"));
        assert_eq!(pii(&key, "x").len(), 32);
        assert_eq!(format!("{key:?}"), "FingerprintKey(…)");
    }
}
