//! A provider's key: wiped from memory when dropped, never shown, and cut out of texts that a
//! provider sends back.

use std::fmt;
use zeroize::Zeroizing;

/// A provider's key. It has no `Display`, and its `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

/// Why a text cannot be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// Nothing but white space.
    #[error("it is empty")]
    Empty,
    /// A character that cannot stand in a header; often a pasted line break or quotation mark.
    #[error("it holds a character that cannot be sent in a header")]
    Unsendable,
}

/// Bytes of a key that, seen together in a text, count as the key.
const WINDOW_BYTES: usize = 8;

impl Secret {
    /// Takes a key, without white space around it.
    ///
    /// # Errors
    /// When nothing is left, or something that is not printable ASCII.
    pub fn new(text: &str) -> Result<Self, InvalidSecret> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidSecret::Empty);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidSecret::Unsendable);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The key itself, for the request header only.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// The text with every word that shows the key, or eight bytes of it in a row, replaced.
    pub(crate) fn scrub(&self, text: &str) -> String {
        let shows = |word: &str| {
            if self.0.len() <= WINDOW_BYTES {
                return word.contains(self.0.as_str());
            }
            self.0
                .as_bytes()
                .windows(WINDOW_BYTES)
                .any(|window| word.as_bytes().windows(WINDOW_BYTES).any(|seen| seen == window))
        };
        let words = text.split(' ').map(|word| if shows(word) { "[key]" } else { word });
        words.collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_cut_out_of_a_text_whole_and_in_part() {
        let text = format!("{}-{}", "abcd", "efghijklmnopqrstuvwxyz");
        let secret = Secret::new(&format!(" {text}\n")).unwrap();
        let part = &text[..9];
        let scrubbed = secret.scrub(&format!("bad key {text}, also {part}****wxyz. Try again"));
        assert_eq!(scrubbed, "bad key [key] also [key] Try again");
        assert!(!format!("{secret:?}").contains("abcd"));
    }

    #[test]
    fn a_key_with_a_line_break_inside_is_refused_without_showing_it() {
        assert_eq!(Secret::new("ab\ncd").unwrap_err(), InvalidSecret::Unsendable);
        assert_eq!(Secret::new(" \n").unwrap_err(), InvalidSecret::Empty);
    }
}
