//! Writes text of a wished length from the vocabulary: sentences, paragraphs, numbers, ids, paths
//! and now and then a Chinese or Japanese sentence.

use std::fmt::Write as _;

use super::{rng::Rng, words::Vocabulary};

/// Share of tokens that are numbers, and of those that are ids nobody ever saw before.
const NUMBER_SHARE: f64 = 0.035;
const ID_SHARE: f64 = 0.006;
/// Share of texts that carry Chinese or Japanese.
const EAST_ASIAN_SHARE: f64 = 0.04;

/// Writes text with a vocabulary.
#[derive(Debug)]
pub struct Prose {
    words: Vocabulary,
}

impl Prose {
    /// Builds the vocabulary it writes with.
    pub fn new() -> Self {
        Self { words: Vocabulary::build() }
    }

    /// The vocabulary, for queries by frequency.
    pub fn words(&self) -> &Vocabulary {
        &self.words
    }

    /// Appends about `bytes` bytes of prose: never less, at most one token more.
    pub fn push(&self, rng: &mut Rng, out: &mut String, bytes: usize) {
        let end = out.len() + bytes;
        if bytes > 80 && rng.chance(EAST_ASIAN_SHARE) {
            for _ in 0..=bytes / 1_500 {
                self.words.push_east_asian(rng, out);
            }
        }
        let mut sentence_left = 0;
        let mut sentences = 0;
        while out.len() < end {
            let starts = sentence_left == 0;
            if starts {
                sentence_left = rng.between(5, 20);
                sentences += 1;
            }
            sentence_left -= 1;
            self.push_token(rng, out, starts);
            match sentence_left {
                0 if sentences % 6 == 0 => out.push_str(".\n\n"),
                0 => out.push_str(". "),
                4 if rng.chance(0.3) => out.push_str(", "),
                _ => out.push(' '),
            }
        }
    }

    /// A text of about `bytes` bytes.
    pub fn text(&self, rng: &mut Rng, bytes: usize) -> String {
        let mut out = String::with_capacity(bytes + 96);
        self.push(rng, &mut out, bytes);
        out
    }

    fn push_token(&self, rng: &mut Rng, out: &mut String, capital: bool) {
        let odd = rng.unit();
        if odd < ID_SHARE {
            push_id(rng, out);
        } else if odd < ID_SHARE + NUMBER_SHARE {
            push_number(rng, out);
        } else {
            let word = self.words.draw(rng);
            if capital {
                let first = word.as_bytes().first().copied().unwrap_or(b'x');
                out.push(char::from(first.to_ascii_uppercase()));
                out.push_str(word.get(1..).unwrap_or_default());
            } else {
                out.push_str(word);
            }
        }
    }
}

impl Default for Prose {
    fn default() -> Self {
        Self::new()
    }
}

fn push_number(rng: &mut Rng, out: &mut String) {
    let value = rng.log_normal(120.0, 2.0);
    // Writing to a string cannot fail.
    let _ = match rng.below(4) {
        0 => write!(out, "{value:.2}"),
        1 => write!(out, "{}%", rng.below(101)),
        2 => write!(
            out,
            "20{:02}-{:02}-{:02}",
            rng.between(15, 26),
            rng.between(1, 12),
            rng.between(1, 28)
        ),
        _ => write!(out, "{}", value as u64),
    };
}

fn push_id(rng: &mut Rng, out: &mut String) {
    let bits = rng.bits();
    let _ = match rng.below(4) {
        0 => write!(out, "{bits:016x}"),
        1 => write!(out, "ORD-{}", bits % 10_000_000),
        2 => write!(out, "https://docs.example.com/{:05x}/{:x}", bits & 0xf_ffff, bits >> 44),
        _ => write!(
            out,
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            bits as u32,
            (bits >> 32) & 0xffff,
            (bits >> 48) & 0xfff,
            rng.below(0x1000),
            rng.bits() >> 16
        ),
    };
}
