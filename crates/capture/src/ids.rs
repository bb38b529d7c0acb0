//! Ids on the wire, and ids derived from content where a client sent none.

use base64::{Engine, engine::general_purpose::STANDARD};
use exhibit_model::{SpanId, TraceId};
use sha2::{Digest, Sha256};

/// An id as bytes; none when absent, all zero, or of the wrong length.
pub(crate) type Bytes<const N: usize> = Option<[u8; N]>;

/// Reads the bytes of a protobuf field.
pub(crate) fn from_bytes<const N: usize>(bytes: &[u8]) -> Bytes<N> {
    let id: [u8; N] = bytes.try_into().ok()?;
    (id != [0; N]).then_some(id)
}

/// Reads the text of a JSON field: hexadecimal, as the OTLP specification asks, or base64, as plain
/// protobuf JSON would have it.
pub(crate) fn from_text<const N: usize>(text: &str) -> Bytes<N> {
    let text = text.trim();
    if let Ok(bytes) = hex::decode(text) {
        return from_bytes(&bytes);
    }
    if let Ok(bytes) = hex::decode(text.replace('-', "")) {
        return from_bytes(&bytes);
    }
    STANDARD.decode(text).ok().and_then(|bytes| from_bytes(&bytes))
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Writes bytes as lower-case hexadecimal without allocation and hands the text on.
fn with_hex<const N: usize, T>(bytes: [u8; N], then: impl FnOnce(&str) -> T) -> T {
    let mut text = [0u8; 64];
    for (at, byte) in bytes.iter().enumerate().take(32) {
        text[at * 2] = DIGITS[usize::from(byte >> 4)];
        text[at * 2 + 1] = DIGITS[usize::from(byte & 15)];
    }
    then(std::str::from_utf8(&text[..N.min(32) * 2]).unwrap_or_default())
}

/// A trace id in its usual text.
pub(crate) fn trace(bytes: [u8; 16]) -> Option<TraceId> {
    with_hex(bytes, |text| TraceId::new(text).ok())
}

/// A span id in its usual text.
pub(crate) fn span(bytes: [u8; 8]) -> Option<SpanId> {
    with_hex(bytes, |text| SpanId::new(text).ok())
}

/// The first bytes of a SHA-256 over texts, each with its length, as hexadecimal.
pub(crate) fn digest_hex(texts: &[&str], bytes: usize) -> String {
    let digest = digest(texts);
    hex::encode(&digest[..bytes.min(32)])
}

/// SHA-256 over texts, each with its length.
pub(crate) fn digest(texts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().into()
}

/// 26 characters of Crockford base 32: the shape of ids that Exhibit mints itself.
pub(crate) fn crockford(digest: &[u8; 32]) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let mut number = 0u128;
    for byte in &digest[..16] {
        number = number << 8 | u128::from(*byte);
    }
    (0..26).rev().map(|i| char::from(ALPHABET[((number >> (i * 5)) & 31) as usize])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_from_hex_and_from_base64_and_nothing_else() {
        let hex = from_text::<8>("00F067AA0BA902B7");
        assert_eq!(hex.and_then(span).map(|s| s.to_string()).as_deref(), Some("00f067aa0ba902b7"));
        assert_eq!(from_text::<8>(&STANDARD.encode(hex.unwrap())), hex);
        assert_eq!(from_text::<8>("0000000000000000"), None);
        assert_eq!(from_text::<8>("00f067aa"), None);
        assert_eq!(from_text::<8>(""), None);
    }

    #[test]
    fn derived_ids_have_the_shape_of_minted_ones() {
        assert_eq!(crockford(&digest(&["x"])).len(), 26);
        assert_ne!(digest_hex(&["ab", "c"], 8), digest_hex(&["a", "bc"], 8));
    }
}
