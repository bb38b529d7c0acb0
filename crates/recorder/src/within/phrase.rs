//! A phrase, and the spots of a text where it stands: without regard to case, accents or width, in any
//! script.

use exhibit_model::Part;
use unicode_normalization::UnicodeNormalization as _;

use super::Hit;

/// Code points around a hit that its excerpt shows.
const BEFORE: usize = 60;
const AFTER: usize = 120;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase(Vec<char>);

/// A character as it is compared: without case, accent or width, as full-text search does
/// ([`exhibit_store::search::fold`]); an accent alone is nothing. Upper case comes first, so that what has
/// one upper case (`ß` and `ss`, `ς` and `σ`) is one.
fn folded(c: char) -> impl Iterator<Item = char> {
    let plain = c.is_ascii().then(|| c.to_ascii_lowercase());
    let other = (!c.is_ascii()).then(|| {
        let cased = std::iter::once(c).nfkd().flat_map(char::to_uppercase);
        cased.flat_map(char::to_lowercase).nfkd().filter(|c| !('\u{300}'..='\u{36f}').contains(c))
    });
    plain.into_iter().chain(other.into_iter().flatten())
}

/// Where in a text the phrase stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    /// Byte offsets.
    bytes: (usize, usize),
    /// Code point offsets.
    points: (usize, usize),
}

impl Phrase {
    /// A phrase; none when it says nothing. White space at its ends does not count.
    pub fn new(words: &str) -> Option<Self> {
        let folded: Vec<char> = words.trim().chars().flat_map(folded).collect();
        (!folded.is_empty()).then_some(Self(folded))
    }

    /// The spots of a text, one after the other.
    pub(super) fn spots<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Spot> + 'a {
        let (mut at, mut point) = (0, 0);
        std::iter::from_fn(move || {
            while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
                let begin = (at, point);
                if let Some((bytes, points)) = self.length_at(text, at) {
                    (at, point) = (at + bytes, point + points);
                    return Some(Spot { bytes: (begin.0, at), points: (begin.1, point) });
                }
                (at, point) = (at + c.len_utf8(), point + 1);
            }
            None
        })
    }

    /// Bytes and code points of the phrase, where it starts at a byte of a text.
    fn length_at(&self, text: &str, at: usize) -> Option<(usize, usize)> {
        let mut wanted = self.0.iter();
        let mut next = wanted.next();
        let (mut bytes, mut points) = (0, 0);
        for c in text.get(at..)?.chars() {
            let mut all = folded(c).peekable();
            // It does not begin with an accent, and ends with those of its last letter.
            let accent = all.peek().is_none();
            if (accent && bytes == 0) || (!accent && next.is_none()) {
                break;
            }
            for c in all {
                match next {
                    Some(want) if *want == c => next = wanted.next(),
                    // The phrase may end within a character that stands for several.
                    None => {}
                    Some(_) => return None,
                }
            }
            bytes += c.len_utf8();
            points += 1;
        }
        next.is_none().then_some((bytes, points))
    }
}

impl Spot {
    /// It, with a piece of its text around it.
    pub(super) fn hit(self, part: Part, pointer: &str, text: &str) -> Hit {
        let (before, rest) = text.split_at(self.bytes.0);
        let (matched, after) = rest.split_at(self.bytes.1 - self.bytes.0);
        let from = before.char_indices().rev().nth(BEFORE - 1).map_or(0, |(at, _)| at);
        let to = after.char_indices().nth(AFTER).map_or(after.len(), |(at, _)| at);
        // A long phrase needs no more than its beginning.
        let shown = matched.char_indices().nth(AFTER).map_or(matched.len(), |(at, _)| at);
        let before = &before[from..];
        let excerpt_start = before.chars().count();
        let excerpt_end = excerpt_start + matched[..shown].chars().count();
        let after = if shown == matched.len() { &after[..to] } else { "" };
        Hit {
            part,
            pointer: pointer.to_owned(),
            start: self.points.0,
            end: self.points.1,
            excerpt: [before, &matched[..shown], after].concat(),
            excerpt_start,
            excerpt_end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(text: &str, words: &str) -> Vec<(usize, usize)> {
        Phrase::new(words).unwrap().spots(text).map(|spot| spot.points).collect()
    }

    #[test]
    fn case_accents_and_width_do_not_matter() {
        assert_eq!(points("Un CAFE\u{301} noir, un café", "Cafe"), [(3, 8), (18, 22)]);
        assert_eq!(points("Ｃａｆｅ\u{301}s", "café"), [(0, 5)]);
        assert_eq!(points("ΟΔΥΣΣΕΥΣ οδυσσεύς", "Οδυσσευς"), [(0, 8), (9, 17)]);
        assert_eq!(points("がか\u{3099}", "が"), [(0, 1), (1, 3)]);
        assert_eq!(points("МОСКВА слезам", "москва"), [(0, 6)]);
        assert_eq!(points("東京タワー", "タワー"), [(2, 5)]);
        assert_eq!(points("مرحبا بالعالم", "بالعالم"), [(6, 13)]);
        assert_eq!(points("nothing", "else"), []);
    }
}
