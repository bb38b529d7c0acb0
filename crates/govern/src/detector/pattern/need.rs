//! What must stand in a text before it is worth running a pattern over it: bytes of a kind in a row.
//!
//! A key of forty characters needs forty characters in a row that may be a key's. Prose around the word
//! `token` has none, and that is seen by looking at every fortieth byte.

use regex_syntax::{
    ParserBuilder,
    hir::{Class, Hir, HirKind},
};

/// Shorter rows stand everywhere, and say nothing.
const ROW_MIN: usize = 8;

/// Bytes of a kind, so many in a row.
pub(crate) struct Need {
    bytes: Box<[bool; 256]>,
    row: usize,
}

impl Need {
    /// What the value of a pattern needs; none where it may be short or hold spaces.
    pub(super) fn of(source: &str) -> Option<Self> {
        let mut parser = ParserBuilder::new().unicode(false).utf8(false).build();
        let whole = parser.parse(source).ok()?;
        let value = named(&whole, "value").unwrap_or(&whole);
        let mut bytes = Box::new([false; 256]);
        collect(value, &mut bytes)?;
        let row = value.properties().minimum_len()?;
        (row >= ROW_MIN && !bytes[usize::from(b' ')]).then_some(Self { bytes, row })
    }

    /// Whether such a row stands in the text.
    pub(crate) fn stands_in(&self, text: &[u8]) -> bool {
        let is = |at: usize| text.get(at).is_some_and(|b| self.bytes[usize::from(*b)]);
        // Whatever row there is covers one of the bytes looked at first.
        let (mut from, mut at) = (0, self.row - 1);
        while at < text.len() {
            if !is(at) {
                from = at + 1;
                at += self.row;
                continue;
            }
            let before = text[from..at].iter().rev().take_while(|b| self.bytes[usize::from(**b)]);
            let start = at - before.count();
            let end = (at + 1..start + self.row).find(|n| !is(*n));
            let Some(end) = end else { return true };
            from = end + 1;
            at = end + self.row;
        }
        false
    }
}

/// The group of a name.
fn named<'a>(hir: &'a Hir, name: &str) -> Option<&'a Hir> {
    match hir.kind() {
        HirKind::Capture(group) if group.name.as_deref() == Some(name) => Some(&group.sub),
        HirKind::Capture(group) => self::named(&group.sub, name),
        HirKind::Repetition(repeated) => self::named(&repeated.sub, name),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().find_map(|part| self::named(part, name))
        }
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => None,
    }
}

/// Notes every byte that a match may hold; none where that is not known.
fn collect(hir: &Hir, bytes: &mut [bool; 256]) -> Option<()> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => {
            literal.0.iter().for_each(|byte| bytes[usize::from(*byte)] = true);
        }
        HirKind::Class(Class::Bytes(class)) => {
            let all = class.ranges().iter().flat_map(|range| range.start()..=range.end());
            all.for_each(|byte| bytes[usize::from(byte)] = true);
        }
        HirKind::Class(Class::Unicode(_)) => return None,
        HirKind::Repetition(repeated) => collect(&repeated.sub, bytes)?,
        HirKind::Capture(group) => collect(&group.sub, bytes)?,
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().try_for_each(|part| collect(part, bytes))?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_found_wherever_it_stands() {
        let need = Need::of("key=(?P<value>[a-z0-9]{8,40})").unwrap();
        assert_eq!(need.row, 8);
        for before in 0..20 {
            let text = format!("{}{}", "- ".repeat(before), "abcdefg1");
            assert!(need.stands_in(text.as_bytes()), "{text}");
            assert!(need.stands_in(format!("abc{text}-").as_bytes()), "{text}");
            assert!(!need.stands_in(&text.as_bytes()[..text.len() - 1]), "{text}");
        }
        assert!(!need.stands_in(b""));
    }

    #[test]
    fn a_value_that_may_be_short_or_hold_spaces_needs_nothing() {
        for source in ["key=(?P<value>.{8,40})", "[a-z]{3}", r"\d{4} \d{4} \d{4}", "(?:"] {
            assert!(Need::of(source).is_none(), "{source}");
        }
    }
}
