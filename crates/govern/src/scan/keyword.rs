//! One sweep for all keywords, whatever their case.
//!
//! Four bytes at a time, and the first three of them, are looked up in a table that fits the processor's
//! first cache, without a branch until a block of text is through; almost all of clean text ends there. An
//! automaton over so many words answers the same question at a third of the speed.

/// Slots of the table.
const SLOTS: usize = 1 << 15;
/// Places looked at together.
const BLOCK: usize = 64;
/// Capitals and small letters differ in this bit of each byte.
const CASE: u32 = 0x2020_2020;
/// Marks a slot that has words of two or three bytes.
const SHORT: u8 = 1;
/// Marks a slot that has longer words.
const LONG: u8 = 2;

/// All keywords, compiled.
pub(super) struct Keywords {
    /// By slot: [`SHORT`] and [`LONG`].
    table: Box<[u8; SLOTS]>,
    /// Words of two or three bytes.
    short: Words,
    /// The others, by their first four bytes.
    long: Words,
}

/// Words by the slot of their first bytes.
struct Words {
    /// By slot: where its words begin in `all`, as far as the slot has any.
    first: Vec<u16>,
    /// Sorted by slot.
    all: Vec<Word>,
}

struct Word {
    slot: u16,
    /// Lower case.
    text: Vec<u8>,
    /// The first eight bytes as [`head`] reads them, and which of its bits count.
    head: u64,
    head_mask: u64,
    detectors: Vec<usize>,
}

impl Keywords {
    /// Compiles words with the detectors they wake. Words have at least two bytes.
    #[allow(clippy::large_stack_arrays, reason = "32 KB once per load, to know the table's length")]
    pub(super) fn new(words: Vec<(String, Vec<usize>)>) -> Self {
        let (mut short, mut long) = (Vec::new(), Vec::new());
        for (word, detectors) in words {
            let text = word.to_ascii_lowercase().into_bytes();
            let head = head(&text);
            let counting = 8 * text.len().min(8) as u32;
            let head_mask = u64::MAX >> (64 - counting.max(1));
            let into = |slot: u16| Word {
                slot,
                text: text.clone(),
                head: head & head_mask,
                head_mask,
                detectors: detectors.clone(),
            };
            match *text.as_slice() {
                [a, b, c, d, ..] => long.push(into(slot(u32::from_le_bytes([a, b, c, d])))),
                [a, b, c] => short.push(into(slot(u32::from_le_bytes([a, b, c, 0])))),
                // Of two bytes any third may follow.
                [a, b] => {
                    let third = |c: u8| slot(u32::from_le_bytes([a, b, c, 0]));
                    let mut slots: Vec<u16> = (0..=u8::MAX).map(third).collect();
                    slots.sort_unstable();
                    slots.dedup();
                    short.extend(slots.into_iter().map(into));
                }
                _ => {}
            }
        }
        let mut table = Box::new([0; SLOTS]);
        short.iter().for_each(|word| table[usize::from(word.slot)] |= SHORT);
        long.iter().for_each(|word| table[usize::from(word.slot)] |= LONG);
        Self { table, short: Words::of(short), long: Words::of(long) }
    }

    /// Calls back with detector and range for every keyword.
    pub(super) fn sweep(&self, text: &[u8], mut wake: impl FnMut(usize, usize, usize)) {
        let mut at = 0;
        while let Some(block) = text[at..].first_chunk::<{ BLOCK + 3 }>() {
            self.sweep_block(block, text, at, &mut wake);
            at += BLOCK;
        }
        // What is left, with nothing behind it.
        while at < text.len() {
            let mut block = [0; BLOCK + 3];
            let rest = &text[at..(at + BLOCK + 3).min(text.len())];
            block[..rest.len()].copy_from_slice(rest);
            self.sweep_block(&block, text, at, &mut wake);
            at += BLOCK;
        }
    }

    fn sweep_block(
        &self,
        block: &[u8; BLOCK + 3],
        text: &[u8],
        at: usize,
        wake: &mut impl FnMut(usize, usize, usize),
    ) {
        let mut mask = 0_u64;
        for n in 0..BLOCK {
            let (short, long) = slots(block, n);
            let marks = self.table[usize::from(short)] | self.table[usize::from(long)] >> 1;
            mask |= u64::from(marks & SHORT) << n;
        }
        while mask != 0 {
            let n = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            let (short, long) = slots(block, n);
            if self.table[usize::from(short)] & SHORT != 0 {
                self.short.check(short, text, at + n, wake);
            }
            if self.table[usize::from(long)] & LONG != 0 {
                self.long.check(long, text, at + n, wake);
            }
        }
    }
}

impl Words {
    fn of(mut all: Vec<Word>) -> Self {
        all.sort_by(|a, b| (a.slot, &a.text).cmp(&(b.slot, &b.text)));
        let mut first = vec![0; SLOTS];
        for (n, word) in all.iter().enumerate().rev() {
            first[usize::from(word.slot)] = n as u16;
        }
        Self { first, all }
    }

    /// Calls back for the words of a slot that stand here.
    fn check(&self, slot: u16, text: &[u8], at: usize, wake: &mut impl FnMut(usize, usize, usize)) {
        let here = head(&text[at..]);
        let words = &self.all[usize::from(self.first[usize::from(slot)])..];
        for word in words.iter().take_while(|word| word.slot == slot) {
            if here & word.head_mask != word.head {
                continue;
            }
            let end = at + word.text.len();
            if text.get(at..end).is_some_and(|t| t.eq_ignore_ascii_case(&word.text)) {
                word.detectors.iter().for_each(|detector| wake(*detector, at, end));
            }
        }
    }
}

/// The first eight bytes without their case; what is missing is zero.
fn head(text: &[u8]) -> u64 {
    let eight = text.first_chunk().copied().unwrap_or_else(|| {
        let mut eight = [0; 8];
        eight[..text.len()].copy_from_slice(text);
        eight
    });
    u64::from_le_bytes(eight) | u64::from(CASE) << 32 | u64::from(CASE)
}

/// The slots of the three and of the four bytes that stand here.
#[inline]
fn slots(block: &[u8; BLOCK + 3], n: usize) -> (u16, u16) {
    let four = u32::from_le_bytes([block[n], block[n + 1], block[n + 2], block[n + 3]]);
    (slot(four & !0xff00_0000), slot(four))
}

/// The slot of bytes; capitals and small letters share one.
#[inline]
fn slot(bytes: u32) -> u16 {
    ((bytes | CASE).wrapping_mul(0x9e37_79b1) >> 17) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(words: &[&str], text: &str) -> Vec<(usize, usize, usize)> {
        let words = words.iter().enumerate().map(|(n, w)| ((*w).to_owned(), vec![n]));
        let mut found = Vec::new();
        Keywords::new(words.collect()).sweep(text.as_bytes(), |n, start, end| {
            found.push((n, start, end));
        });
        found.sort_unstable();
        found
    }

    #[test]
    fn every_word_is_found_wherever_it_stands_and_whatever_its_case() {
        let words = ["secret", "sk-", "0x", "secrets", "key="];
        assert_eq!(
            found(&words, "SECRETS, sk-SK- key= 0X1f 0x"),
            [(0, 0, 6), (1, 9, 12), (1, 12, 15), (2, 21, 23), (2, 26, 28), (3, 0, 7), (4, 16, 20)]
        );
        assert_eq!(found(&words, "x"), []);
        for before in 0..200 {
            let text = format!("{}sk-secret0x", "é".repeat(before));
            let at = 2 * before;
            let expected = [(0, at + 3, at + 9), (1, at, at + 3), (2, at + 9, at + 11)];
            assert_eq!(found(&words, &text), expected, "{before}");
        }
    }
}
