//! One look at byte classes: digits, `@`, hex groups. Prose has few of them.

use crate::detector::{Detector, Trigger};

/// Bytes looked at together while nothing is of interest.
const BLOCK: usize = 32;

/// Bytes at which something is decided.
const INTERESTING: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(byte as u8, b'0'..=b'9' | b'@' | b':' | b'-');
        byte += 1;
    }
    table
};

/// Which detectors each shape wakes.
#[derive(Default)]
pub(super) struct Shapes {
    at: Vec<usize>,
    /// Least digits, runs that must be among them, detector.
    digits: Vec<(usize, u32, usize)>,
    plus_digits: Vec<(usize, usize)>,
    dotted: Vec<usize>,
    letters_digits: Vec<usize>,
    letters_space_digits: Vec<usize>,
    token: Vec<(usize, usize)>,
    token_min: usize,
    hex_groups: Vec<usize>,
}

/// Digits with separators between them that are no part of a word.
#[derive(Default)]
struct Group {
    /// Where to go on looking.
    next: usize,
    /// After the last digit.
    end: usize,
    digits: usize,
    dots: usize,
    /// Bit n for a run of n digits; longer ones count as 31.
    runs: u32,
}

impl Shapes {
    pub(super) fn of(detectors: &[Detector]) -> Self {
        let mut shapes = Self::default();
        for (index, detector) in detectors.iter().enumerate() {
            match detector.trigger {
                Trigger::Keywords(_) | Trigger::Run(_) => {}
                Trigger::At => shapes.at.push(index),
                Trigger::Digits { min, runs } => shapes.digits.push((min, runs, index)),
                Trigger::PlusDigits(min) => shapes.plus_digits.push((min, index)),
                Trigger::Dotted => shapes.dotted.push(index),
                Trigger::LettersDigits => shapes.letters_digits.push(index),
                Trigger::LettersSpaceDigits => shapes.letters_space_digits.push(index),
                Trigger::Token(min) => shapes.token.push((min, index)),
                Trigger::HexGroups => shapes.hex_groups.push(index),
            }
        }
        let least = shapes.token.iter().map(|(min, _)| *min).min();
        shapes.token_min = least.unwrap_or(usize::MAX);
        shapes
    }

    /// Calls back with detector and range for everything of interest, and with the range of every run of
    /// digits.
    pub(super) fn sweep(
        &self,
        text: &[u8],
        mut wake: impl FnMut(usize, usize, usize),
        mut run_of_digits: impl FnMut(usize, usize),
    ) {
        let mut at = 0;
        let (mut group_end, mut token_end, mut hex_end, mut run_end) = (0, 0, 0, 0);
        while at < text.len() {
            if let Some(block) = text.get(at..at + BLOCK)
                && block.iter().fold(0, |any, b| any | interest(*b)) == 0
            {
                at += BLOCK;
                continue;
            }
            let block_end = (at + BLOCK).min(text.len());
            while at < block_end {
                let byte = text[at];
                if !INTERESTING[usize::from(byte)] {
                    at += 1;
                    continue;
                }
                if byte.is_ascii_digit() {
                    if at >= run_end {
                        let rest = text[at..].iter();
                        let length = rest.take_while(|b| b.is_ascii_digit()).count();
                        run_end = at + length;
                        run_of_digits(at, run_end);
                    }
                    if at >= group_end {
                        self.wake_letters(text, at, &mut wake);
                        let group = group(text, at);
                        group_end = group.next;
                        self.wake_digits(text, at, &group, &mut wake);
                    }
                    if at >= token_end && self.token_min < usize::MAX {
                        let (start, end) = run(text, at, token_end);
                        token_end = end;
                        if end - start >= self.token_min {
                            let long = self.token.iter().filter(|(min, _)| end - start >= *min);
                            long.for_each(|(_, detector)| wake(*detector, start, end));
                        }
                    }
                } else if byte == b'@' {
                    self.at.iter().for_each(|detector| wake(*detector, at, at + 1));
                } else if matches!(byte, b':' | b'-') && at >= hex_end && hex_groups(text, at) {
                    hex_end = at + 8;
                    self.hex_groups.iter().for_each(|detector| wake(*detector, at, at + 1));
                }
                at += 1;
            }
        }
    }

    fn wake_digits(
        &self,
        text: &[u8],
        start: usize,
        group: &Group,
        wake: &mut impl FnMut(usize, usize, usize),
    ) {
        for (min, runs, detector) in &self.digits {
            if group.digits >= *min && group.runs & runs == *runs {
                wake(*detector, start, group.end);
            }
        }
        let before = start.checked_sub(1).map(|n| text[n]);
        if matches!(before, Some(b'+')) || text[start..].starts_with(b"00") {
            let long = self.plus_digits.iter().filter(|(min, _)| group.digits >= *min);
            long.for_each(|(_, detector)| wake(*detector, start, group.end));
        }
        if group.dots >= 3 {
            self.dotted.iter().for_each(|detector| wake(*detector, start, group.end));
        }
    }

    /// Two letters that are a word of their own, right before a digit or one space away.
    fn wake_letters(&self, text: &[u8], at: usize, wake: &mut impl FnMut(usize, usize, usize)) {
        let byte = |back: usize| at.checked_sub(back).map_or(b' ', |n| text[n]);
        let pair = |first: usize| {
            byte(first).is_ascii_alphabetic()
                && byte(first - 1).is_ascii_alphabetic()
                && !byte(first + 1).is_ascii_alphanumeric()
        };
        if !text.get(at + 1).is_some_and(u8::is_ascii_digit) {
            return;
        }
        if pair(2) {
            for detector in &self.letters_digits {
                wake(*detector, at - 2, at + 2);
            }
        } else if byte(1) == b' ' && pair(3) {
            for detector in &self.letters_space_digits {
                wake(*detector, at - 3, at + 2);
            }
        }
    }
}

/// Nonzero for bytes that a shape begins with; written without branches, so that blocks are quick. The
/// byte after `9` is `:`. `-` is left out, since dates and words hold it: groups with dashes and a digit
/// are noticed by their digits.
fn interest(byte: u8) -> u8 {
    u8::from(byte.wrapping_sub(b'0') <= 10) | u8::from(byte == b'@')
}

/// Digits from here on, with up to two separators between their runs. A run that is part of a word does
/// not count: at the start it is passed over, at the end it is left out.
fn group(text: &[u8], start: usize) -> Group {
    let word = |n: Option<usize>| {
        n.and_then(|n| text.get(n)).is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
    };
    let mut group = Group { next: start, end: start, ..Group::default() };
    let mut at = start;
    loop {
        let length = text[at..].iter().take_while(|b| b.is_ascii_digit()).count();
        let end = at + length;
        group.next = end;
        let in_word = word(at.checked_sub(1)) || word(Some(end));
        if in_word {
            return group;
        }
        group.end = end;
        group.digits += length;
        group.runs |= 1 << length.min(31);
        let between = |b: &&u8| matches!(b, b' ' | b'.' | b'-' | b'(' | b')' | b'/');
        let separators = text[end..].iter().take(3).take_while(between).count();
        group.dots += usize::from(separators == 1 && text[end] == b'.');
        at = end + separators;
        if !(1..=2).contains(&separators) || !text.get(at).is_some_and(u8::is_ascii_digit) {
            return group;
        }
    }
}

/// The letters and digits around a place, not before `floor`.
fn run(text: &[u8], at: usize, floor: usize) -> (usize, usize) {
    let letters = |b: &&u8| b.is_ascii_alphanumeric();
    let before = text[floor.min(at)..at].iter().rev().take_while(letters).count();
    let after = text[at..].iter().take_while(letters).count();
    (at - before, at + after)
}

/// Whether hex groups surround a separator: `hh:hh:hh:`, or the colons of an IPv6 address.
fn hex_groups(text: &[u8], at: usize) -> bool {
    let byte = |n: usize| text.get(n).copied().unwrap_or(b' ');
    let hex = |n: usize| byte(n).is_ascii_hexdigit();
    let separator = text[at];
    let around = at >= 2 && hex(at - 1) && hex(at - 2) && hex(at + 1) && hex(at + 2);
    if around
        && byte(at + 3) == separator
        && hex(at + 4)
        && hex(at + 5)
        && byte(at + 6) == separator
    {
        return true;
    }
    if separator != b':' || !(hex(at + 1) || byte(at + 1) == b':') {
        return false;
    }
    let before = at > 0 && (hex(at - 1) || byte(at - 1) == b':');
    // Not a time of day: one of its next groups has letters or more than two digits, or is empty.
    before && (at + 1..at + 6).any(|n| byte(n) == b':') && !is_time(text, at)
}

/// `hh:mm:ss`, looked at from its first colon or its second.
fn is_time(text: &[u8], at: usize) -> bool {
    let digits = |from: Option<usize>, to: usize| {
        from.and_then(|from| text.get(from..to)).is_some_and(|t| t.iter().all(u8::is_ascii_digit))
    };
    digits(at.checked_sub(2), at)
        && digits(Some(at + 1), at + 3)
        && text.get(at + 3) == Some(&b':')
        && digits(Some(at + 4), at + 6)
        && text.get(at + 6) != Some(&b':')
}
