//! Which entries of the index a text has, and which a term asks for.
//!
//! Words are cut by [`exhibit_store::search::tokens`]; ASCII, which is most of it, takes a shorter way
//! to the same result. Characters of scripts without spaces are entries of their own and in pairs,
//! so that a run of them is looked for by its pairs. Every entry starts with its workspace, so one
//! workspace's words say nothing about another's and cost it nothing.

use std::{
    collections::HashSet,
    hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState},
};

use exhibit_store::search::{Token, tokens};
use sha2::{Digest, Sha256};

/// Longer words are stored as their beginning and a digest.
const WORD_BYTES_MAX: usize = 64;
const WORD_BEGINNING: usize = 32;

/// ASCII letters and digits in lower case; zero for everything that stands between words.
const LOWER: [u8; 256] = {
    let mut lower = [0; 256];
    let mut b = 0;
    while b < 128 {
        if (b as u8).is_ascii_alphanumeric() {
            lower[b] = (b as u8).to_ascii_lowercase();
        }
        b += 1;
    }
    lower
};

/// Appends a workspace's prefix: a letter for each hexadecimal digit, then a mark that no word has.
fn put_prefix(out: &mut String, workspace: i64) {
    use std::fmt::Write;
    // Writing to a string cannot fail.
    let _ = write!(out, "{workspace:x}");
    out.push(' ');
}

/// The entries of one document, each once, one a line.
#[derive(Debug)]
pub(crate) struct Words {
    lines: String,
    prefix: String,
    seen: HashSet<u64, BuildHasherDefault<Ready>>,
    seeds: (u64, u64),
}

impl Default for Words {
    fn default() -> Self {
        // Random, so that nobody can make two words look like one.
        let random = RandomState::new();
        Self {
            lines: String::new(),
            prefix: String::new(),
            seen: HashSet::default(),
            seeds: (random.hash_one(1), random.hash_one(2) | 1),
        }
    }
}

impl Words {
    /// Begins a document of a workspace.
    pub(crate) fn begin(&mut self, workspace: i64) {
        self.lines.clear();
        self.seen.clear();
        self.prefix.clear();
        put_prefix(&mut self.prefix, workspace);
    }

    /// Adds the words of a text.
    pub(crate) fn push(&mut self, text: &str) {
        if text.is_ascii() {
            self.push_ascii(text.as_bytes());
            return;
        }
        // Words never reach over white space, so the pieces between can be cut apart one by one.
        for line in text.split('\n') {
            if line.is_ascii() {
                self.push_ascii(line.as_bytes());
                continue;
            }
            for piece in line.split_ascii_whitespace() {
                if piece.is_ascii() {
                    self.push_ascii(piece.as_bytes());
                } else {
                    self.push_tokens(&tokens(piece));
                }
            }
        }
    }

    /// The document.
    pub(crate) fn lines(&self) -> &str {
        &self.lines
    }

    /// Most of what indexing costs is here: a pass over the letters into a buffer of known size, a
    /// hash of that, and nothing more for a word that was seen before.
    fn push_ascii(&mut self, text: &[u8]) {
        let mut rest = text;
        while let Some(start) = rest.iter().position(|b| LOWER[usize::from(*b)] != 0) {
            rest = &rest[start..];
            let mut short = Padded::default();
            let mut length = 0;
            for b in rest {
                let lower = LOWER[usize::from(*b)];
                if lower == 0 {
                    break;
                }
                if let Some(place) = short.0.get_mut(length) {
                    *place = lower;
                }
                length += 1;
            }
            let (word, after) = rest.split_at(length);
            rest = after;
            if length > WORD_BYTES_MAX {
                self.add(&String::from_utf8_lossy(word).to_ascii_lowercase());
            } else if self.seen.insert(short.hash(self.seeds, length)) {
                // Letters and digits only: always text.
                self.add_line(&String::from_utf8_lossy(&short.0[..length]));
            }
        }
    }

    fn push_tokens(&mut self, tokens: &[Token]) {
        let mut before: Option<&Token> = None;
        for token in tokens {
            self.add(&token.text);
            if let Some(before) = before.filter(|b| b.unspaced && token.unspaced && token.joined) {
                self.add(&format!("{}{}", before.text, token.text));
            }
            before = Some(token);
        }
    }

    fn add(&mut self, word: &str) {
        let hash = if word.len() <= WORD_BYTES_MAX {
            let mut short = Padded::default();
            short.0[..word.len()].copy_from_slice(word.as_bytes());
            short.hash(self.seeds, word.len())
        } else {
            let chunks = word.as_bytes().chunks(WORD_BYTES_MAX);
            chunks.fold(self.seeds.0 ^ word.len() as u64, |state, chunk| {
                let mut short = Padded::default();
                short.0[..chunk.len()].copy_from_slice(chunk);
                short.hash((state, self.seeds.1), chunk.len())
            })
        };
        if self.seen.insert(hash) {
            self.add_line(word);
        }
    }

    fn add_line(&mut self, word: &str) {
        self.lines.push_str(&self.prefix);
        put_entry(&mut self.lines, word);
        self.lines.push('\n');
    }
}

/// The entries that a trace must have for a term to be found in it; empty when it asks for nothing.
pub(crate) fn asked(workspace: i64, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let pairs = |a: &Token, b: &Token| a.unspaced && b.unspaced && b.joined;
    let mut words: Vec<String> = Vec::new();
    for run in tokens.chunk_by(pairs) {
        match run {
            [one] => words.push(one.text.clone()),
            run => {
                let both = run.windows(2).map(|pair| format!("{}{}", pair[0].text, pair[1].text));
                words.extend(both);
            }
        }
    }
    entries(workspace, words)
}

/// The entries of every word of a text, for verification.
pub(crate) fn all_of(workspace: i64, text: &str) -> Vec<String> {
    entries(workspace, tokens(text).into_iter().map(|token| token.text).collect())
}

fn entries(workspace: i64, mut words: Vec<String>) -> Vec<String> {
    words.sort_unstable();
    words.dedup();
    let entry = |word: &String| {
        let mut entry = String::new();
        put_prefix(&mut entry, workspace);
        put_entry(&mut entry, word);
        entry
    };
    words.iter().map(entry).collect()
}

fn put_entry(out: &mut String, word: &str) {
    if word.len() <= WORD_BYTES_MAX {
        out.push_str(word);
        return;
    }
    let mut end = WORD_BEGINNING;
    while !word.is_char_boundary(end) {
        end -= 1;
    }
    out.push_str(&word[..end]);
    // No word has a tilde in it.
    out.push('~');
    for byte in &Sha256::digest(word)[..12] {
        out.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
        out.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
    }
}

/// A word, followed by zeros.
struct Padded([u8; WORD_BYTES_MAX]);

impl Default for Padded {
    fn default() -> Self {
        Self([0; WORD_BYTES_MAX])
    }
}

impl Padded {
    /// A keyed hash: eight bytes and one multiplication at a time.
    fn hash(&self, seeds: (u64, u64), length: usize) -> u64 {
        let fold = |a: u64, b: u64| {
            let wide = u128::from(a) * u128::from(b);
            wide as u64 ^ (wide >> 64) as u64
        };
        let (chunks, _) = self.0.as_chunks::<8>();
        let mut state = seeds.0 ^ length as u64;
        for chunk in chunks.iter().take(length.div_ceil(8)) {
            state = fold(state ^ u64::from_le_bytes(*chunk), seeds.1);
        }
        fold(state, seeds.0 | 1)
    }
}

/// Hands a hash through.
#[derive(Debug, Default)]
struct Ready(u64);

impl Hasher for Ready {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut words = Words::default();
        words.begin(7);
        words.push(text);
        let mut lines: Vec<_> = words.lines().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    #[test]
    fn every_word_stands_once_behind_its_workspace() {
        assert_eq!(words("A cat, a Cat; 42x"), ["7 42x", "7 a", "7 cat"]);
    }

    #[test]
    fn the_short_way_for_ascii_cuts_as_the_long_one_does() {
        let text = "POST /v1/chat HTTP/1.1\ttool_call-id=42;\u{0}don't \"quote\"~{json:[1,2]}";
        let expected: HashSet<String> = all_of(7, text).into_iter().collect();
        assert_eq!(words(text).into_iter().collect::<HashSet<_>>(), expected);
    }

    #[test]
    fn whatever_is_asked_of_a_text_is_among_its_entries() {
        for text in ["Grüße aus 東京都 (Ｔｏｋｙｏ)", "ภาษาไทย v2", "हिन्दी में", "a\u{301}b が"]
        {
            let have: HashSet<String> = words(text).into_iter().collect();
            for word in asked(7, text) {
                assert!(have.contains(&word), "{word} of {text}");
            }
        }
    }

    #[test]
    fn long_words_are_told_apart() {
        let (a, b) = ("x".repeat(5_000), format!("{}y", "x".repeat(4_999)));
        let have = words(&a);
        assert!(have[0].len() < 80);
        assert_eq!(asked(7, &a), have);
        assert_ne!(asked(7, &b), have);
    }
}
