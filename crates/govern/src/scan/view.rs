//! A text as a reader sees it: escapes undone, invisible characters gone, full-width ones plain.

use unicode_normalization::UnicodeNormalization;

/// A readable version of a text that knows where each byte came from.
pub(super) struct View {
    pub(super) text: String,
    /// Where view and original drift apart: from this byte of the view on, the original byte it comes
    /// from, and how many original bytes this first character took.
    drifts: Vec<Drift>,
}

#[derive(Debug, Clone, Copy)]
struct Drift {
    view: usize,
    original: usize,
}

/// Bytes looked at together while all of them are plain.
const BLOCK: usize = 32;

/// Whether a text holds characters that hide others: escapes, invisible ones, or look-alikes with a plain form.
pub(super) fn hides_characters(text: &str) -> bool {
    let mut rest = text;
    loop {
        rest = &rest[plain(rest)..];
        match rest.chars().next() {
            None => return false,
            Some(c) if c == '\\' || is_invisible(c) || has_plain_form(c) => return true,
            Some(c) => rest = &rest[c.len_utf8()..],
        }
    }
}

/// How many bytes from the start on are ASCII and no backslash.
fn plain(text: &str) -> usize {
    let special = |b: u8| u8::from(!b.is_ascii()) | u8::from(b == b'\\');
    let (blocks, _) = text.as_bytes().as_chunks::<BLOCK>();
    let whole =
        blocks.iter().take_while(|block| block.iter().fold(0, |any, b| any | special(*b)) == 0);
    let at = BLOCK * whole.count();
    let tail = text.as_bytes()[at..].iter().take_while(|b| special(**b) == 0);
    at + tail.count()
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

fn has_plain_form(c: char) -> bool {
    matches!(c, '\u{ff01}'..='\u{ff5e}' | '\u{1d400}'..='\u{1d7ff}' | '\u{2460}'..='\u{24ff}' | '\u{fe50}'..='\u{fe6b}' | '\u{2070}'..='\u{209c}' | '\u{b2}' | '\u{b3}' | '\u{b9}' | '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{3000}' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

impl View {
    /// Makes the view; never longer than a small multiple of the text.
    pub(super) fn of(original: &str) -> Self {
        let mut view = Self { text: String::with_capacity(original.len()), drifts: Vec::new() };
        let mut at = 0;
        loop {
            let plain = plain(&original[at..]);
            view.text.push_str(&original[at..at + plain]);
            at += plain;
            let Some(c) = original[at..].chars().next() else { break };
            let length = match c {
                '\\' => view.push_escape(original, at),
                c if is_invisible(c) => {
                    view.drift(at + c.len_utf8());
                    c.len_utf8()
                }
                '\u{2010}'..='\u{2015}' | '\u{2212}' => view.push_other(at, c, "-"),
                c if has_plain_form(c) => {
                    let plain: String = std::iter::once(c).nfkc().collect();
                    view.push_other(at, c, &plain)
                }
                c => {
                    view.text.push(c);
                    c.len_utf8()
                }
            };
            at += length;
        }
        view
    }

    /// Writes another text in a character's place; gives the character's length.
    fn push_other(&mut self, at: usize, c: char, plain: &str) -> usize {
        self.drift(at);
        self.text.push_str(plain);
        self.drift(at + c.len_utf8());
        c.len_utf8()
    }

    /// From here on the view's bytes come from this place of the original.
    fn drift(&mut self, original: usize) {
        let view = self.text.len();
        match self.drifts.last_mut() {
            Some(last) if last.view == view => last.original = original,
            _ => self.drifts.push(Drift { view, original }),
        }
    }

    /// Writes what an escape stands for; backslashes in a row, as of JSON within JSON, count as one.
    fn push_escape(&mut self, original: &str, at: usize) -> usize {
        let rest = &original[at..];
        let slashes = rest.bytes().take_while(|b| *b == b'\\').count();
        let Some(escape) = rest[slashes..].chars().next() else {
            self.text.push('\\');
            self.drift(at + slashes);
            return slashes;
        };
        let (stands_for, length) = match escape {
            'n' | 'r' | 't' | 'b' | 'f' => ('\n', 1),
            'u' => match code_point(&rest[slashes + 1..]) {
                Some((c, length)) => (c, 1 + length),
                None => ('u', 1),
            },
            c => (c, c.len_utf8()),
        };
        self.drift(at);
        if is_invisible(stands_for) {
            // Escaped or not, it hides nothing.
        } else if has_plain_form(stands_for) {
            self.text.extend(std::iter::once(stands_for).nfkc());
        } else {
            self.text.push(stands_for);
        }
        self.drift(at + slashes + length);
        slashes + length
    }

    /// Where in the original a match that starts here in the view starts.
    pub(super) fn start(&self, view: usize) -> usize {
        let after = self.drifts.partition_point(|drift| drift.view <= view);
        match after.checked_sub(1).and_then(|n| self.drifts.get(n)) {
            None => view,
            Some(drift) => {
                let here = drift.original + (view - drift.view);
                // Within a character that became several, the start is the character's.
                self.drifts.get(after).map_or(here, |next| here.min(next.original))
            }
        }
    }

    /// Where in the original a match that ends here in the view ends: after the last byte's character.
    pub(super) fn end(&self, view: usize) -> usize {
        let Some(last) = view.checked_sub(1) else { return 0 };
        let after = self.drifts.partition_point(|drift| drift.view <= last);
        let from = match after.checked_sub(1).and_then(|n| self.drifts.get(n)) {
            None => view,
            Some(drift) => drift.original + (view - drift.view),
        };
        match self.drifts.get(after) {
            // The last byte belongs to a replaced character: all of it is matched.
            Some(next) if next.view <= view || from > next.original => next.original,
            _ => from,
        }
    }
}

/// Four hex digits, or two such escapes that make a pair; gives their length after the first `u`.
fn code_point(rest: &str) -> Option<(char, usize)> {
    let unit = |text: &str| u16::from_str_radix(text.get(..4)?, 16).ok();
    let high = unit(rest)?;
    if let Some(c) = char::from_u32(u32::from(high)) {
        return Some((c, 4));
    }
    let tail = &rest[4..];
    let slashes = tail.bytes().take_while(|b| *b == b'\\').count();
    let low = unit(tail.get(slashes..)?.strip_prefix('u')?)?;
    let c = char::decode_utf16([high, low]).next()?.ok()?;
    Some((c, 4 + slashes + 5))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The original text behind a word of the view.
    fn behind<'a>(original: &'a str, word: &str) -> &'a str {
        let view = View::of(original);
        let at = view.text.find(word).unwrap();
        &original[view.start(at)..view.end(at + word.len())]
    }

    #[test]
    fn a_match_maps_back_to_the_characters_it_was_made_of() {
        assert_eq!(behind("say \\\"hello\\\" now", "hello"), "hello");
        assert_eq!(behind("x\\nAKIA1234\\n", "AKIA1234"), "AKIA1234");
        assert_eq!(behind("ａｂｃ＠ｘ．ｄｅ!", "abc@x.de"), "ａｂｃ＠ｘ．ｄｅ");
        assert_eq!(behind("41\u{200b}11 end", "4111"), "41\u{200b}11");
        assert_eq!(behind("\\u0034111 end", "4111"), "\\u0034111");
        assert_eq!(behind("a\\\\\\\"key\\\\\\\":1", "key"), "key");
        assert_eq!(behind("plain words", "words"), "words");
        assert_eq!(behind("\\ud83d\\ude00 smile", "😀"), "\\ud83d\\ude00");
    }

    #[test]
    fn broken_escapes_are_survived() {
        for text in ["\\", "a\\\\", "\\u12", "\\ud83d", "\\ud83d\\u0041", "\\é", "\\u00é0"] {
            let view = View::of(text);
            assert!(view.end(view.text.len()) <= text.len(), "{text}");
        }
    }
}
