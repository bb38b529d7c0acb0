//! Outlines: texts and patterns in which one digit stands for all, and one letter of each case.
//!
//! Where a pattern matches a text, its outline matches the text's outline; not the other way round. Other
//! characters stay as they are, so that word boundaries and separators are where they were.

use regex_syntax::{
    ParserBuilder,
    hir::{Class, ClassBytes, ClassBytesRange, Hir, HirKind, Repetition},
};

/// What stands for bytes that are not ASCII.
const OTHER: u8 = 0x80;

/// The outline of a byte.
#[inline]
pub(crate) fn outline(byte: u8) -> u8 {
    OUTLINES[usize::from(byte)]
}

const OUTLINES: [u8; 256] = {
    let mut table = [OTHER; 256];
    let mut byte = 0_u8;
    while byte < OTHER {
        table[byte as usize] = match byte {
            b'0'..=b'9' => b'0',
            b'a'..=b'z' => b'a',
            b'A'..=b'Z' => b'A',
            other => other,
        };
        byte += 1;
    }
    table
};

/// The outline of a pattern; none where it does not read as one of bytes.
pub(super) fn of_pattern(source: &str) -> Option<String> {
    let hir = ParserBuilder::new().unicode(false).utf8(false).build().parse(source).ok()?;
    Some(of(&hir)?.to_string())
}

fn of(hir: &Hir) -> Option<Hir> {
    let all = |parts: &[Hir]| parts.iter().map(of).collect::<Option<Vec<_>>>();
    Some(match hir.kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Look(look) => Hir::look(*look),
        HirKind::Literal(literal) => {
            Hir::literal(literal.0.iter().map(|byte| outline(*byte)).collect::<Vec<_>>())
        }
        HirKind::Class(Class::Bytes(class)) => {
            let bytes = class.ranges().iter().flat_map(|range| range.start()..=range.end());
            let ranges = bytes.map(outline).map(|byte| ClassBytesRange::new(byte, byte));
            Hir::class(Class::Bytes(ClassBytes::new(ranges)))
        }
        HirKind::Class(Class::Unicode(_)) => return None,
        HirKind::Repetition(repeated) => {
            Hir::repetition(Repetition { sub: Box::new(of(&repeated.sub)?), ..*repeated })
        }
        HirKind::Capture(group) => of(&group.sub)?,
        HirKind::Concat(parts) => Hir::concat(all(parts)?),
        HirKind::Alternation(parts) => Hir::alternation(all(parts)?),
    })
}

#[cfg(test)]
mod tests {
    use regex::bytes::RegexBuilder;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        let outlined: Vec<u8> = text.bytes().map(outline).collect();
        let outline = of_pattern(pattern).unwrap();
        RegexBuilder::new(&outline).unicode(false).build().unwrap().is_match(&outlined)
    }

    #[test]
    fn what_a_pattern_matches_its_outline_matches() {
        for (pattern, text) in [
            (r"\b(?P<value>[0-3]\d[01]\d{3}-?\d{4})\b", "born 010190-1234."),
            (
                r"(?i)(?:^|[^\w-])(?P<value>(?:[A-Z]|Ä|Ö|Ü){1,3}[- ][A-Z]{1,2}[- ]?\d{1,4}[EH]?)\b",
                "Ü-ab 123",
            ),
            (r"(?:^|[^\w+-])(?P<value>(?:\+?63[ -]?|0)9\d{2})\b", "+63 917"),
            (r"\b(?P<value>CHE[- ]?\d{3}\.?\d{3}\.?\d{3})\b", "CHE-123.456.789"),
        ] {
            assert!(matches(pattern, text), "{pattern}");
        }
    }

    #[test]
    fn another_shape_is_not_matched() {
        assert!(!matches(r"\b\d{3}-\d{4}\b", "1234-567"));
        assert!(!matches(r"\b\d{9}\b", "1234567890"));
        assert!(!matches(r"\b[A-Z]{2}\d{6}\b", "ab123456"));
    }
}
