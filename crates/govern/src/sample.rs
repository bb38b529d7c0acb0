//! Sample texts in rule files, written so that nothing in a file looks like a live credential.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

/// A text, or how to make one.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Sample {
    /// The text itself.
    Text(String),
    /// Made of parts.
    Concat {
        /// In order.
        concat: Vec<Sample>,
    },
    /// Decoded.
    Base64 {
        /// Standard alphabet, padded.
        base64: String,
    },
    /// Characters without meaning, always the same: `alphabet:length`.
    Random {
        /// Such as `base62:36`.
        random: String,
    },
}

impl Sample {
    /// The text, or what is wrong with the recipe.
    pub(crate) fn text(&self) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Concat { concat } => concat.iter().map(Self::text).collect(),
            Self::Base64 { base64 } => {
                let bytes = STANDARD.decode(base64).map_err(|e| format!("`base64`: {e}"))?;
                String::from_utf8(bytes).map_err(|e| format!("`base64`: {e}"))
            }
            Self::Random { random } => {
                let wrong = || format!("`random: {random}` is not `alphabet:length`");
                let (alphabet, length) = random.split_once(':').ok_or_else(wrong)?;
                let alphabet = alphabet_of(alphabet).ok_or_else(wrong)?;
                let length = length.parse().ok().filter(|n| *n <= 4_096).ok_or_else(wrong)?;
                Ok(characters(alphabet.as_bytes(), length))
            }
        }
    }
}

fn alphabet_of(name: &str) -> Option<&'static str> {
    Some(match name {
        "base62" => "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        "base64" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        "base64url" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-",
        "base32" => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        "hex" => "0123456789abcdef",
        "digits" => "0123456789",
        "upper" => "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "lower" => "abcdefghijklmnopqrstuvwxyz",
        "alnum" => "0123456789abcdefghijklmnopqrstuvwxyz",
        "upalnum" => "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        _ => return None,
    })
}

/// A fixed pseudo-random text; begins with a letter where the alphabet has one.
fn characters(alphabet: &[u8], length: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let letters: Vec<u8> = alphabet.iter().copied().filter(u8::is_ascii_alphabetic).collect();
    let mut next = |from: &[u8]| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = (state >> 33) as usize % from.len().max(1);
        from.get(at).copied().map_or('x', char::from)
    };
    (0..length)
        .map(|n| next(if n == 0 && !letters.is_empty() { &letters } else { alphabet }))
        .collect()
}
