//! What stands in a text in base64 or percent-encoded, one level deep.

use std::ops::Range;

use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// Shorter runs hold no credential worth decoding for.
const RUN_MIN: usize = 24;
/// Longer runs are files, not values: only so much of one is looked at.
const RUN_MAX: usize = 64 << 10;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const FOR_URLS: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

const ALPHABET: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_');
        byte += 1;
    }
    table
};

/// Calls back with the range of every base64 run that decodes to text, and that text.
pub(super) fn base64_runs(text: &str, mut found: impl FnMut(Range<usize>, &str)) {
    let bytes = text.as_bytes();
    let is = |b: &u8| ALPHABET[usize::from(*b)];
    // Where the next run may begin: after something that is not of the alphabet.
    let mut at = 0;
    while let Some(least) = bytes.get(at..at + RUN_MIN) {
        // Words end soon: what stands before the last of their ends is too short.
        if let Some(stop) = least.iter().rposition(|b| !is(b)) {
            at += stop + 1;
            continue;
        }
        let end = at + RUN_MIN + bytes[at + RUN_MIN..].iter().take_while(|b| is(b)).count();
        let padding = bytes[end..].iter().take(2).take_while(|b| **b == b'=').count();
        if let Some(inner) = decode(&text[at..end.min(at + RUN_MAX)]) {
            found(at..end + padding, &inner);
        }
        at = end;
    }
}

/// Whether a byte may stand in base64, padding left aside.
pub(super) fn is_base64(byte: u8) -> bool {
    ALPHABET[usize::from(byte)]
}

/// Whether the first bytes behind a run are text.
pub(super) fn begins_as_text(run: &str) -> bool {
    let engine = if run.contains(['-', '_']) { &FOR_URLS } else { &PLAIN };
    let head = run.get(..16).and_then(|head| engine.decode(head).ok());
    let printable = |b: &u8| matches!(b, b' '..=b'~' | b'\n' | b'\r' | b'\t');
    head.is_some_and(|head| head.iter().all(printable))
}

/// The text behind a run; none where its first bytes are no text.
fn decode(run: &str) -> Option<String> {
    if !begins_as_text(run) {
        return None;
    }
    let engine = if run.contains(['-', '_']) { &FOR_URLS } else { &PLAIN };
    // Four characters are three bytes; one over is a fault of who cut it.
    let whole = run.len() - usize::from(run.len() % 4 == 1);
    String::from_utf8(engine.decode(run.get(..whole)?).ok()?).ok()
}

/// Whether a text holds `%` and two hex digits.
pub(super) fn has_percent_escapes(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'%', bytes).any(|at| escaped(bytes, at).is_some())
}

fn escaped(bytes: &[u8], at: usize) -> Option<u8> {
    let hex = |n: usize| bytes.get(n).and_then(|b| char::from(*b).to_digit(16));
    (bytes.get(at) == Some(&b'%')).then_some(())?;
    u8::try_from(hex(at + 1)? * 16 + hex(at + 2)?).ok()
}

/// A text with its percent escapes undone (RFC 3986 section 2.1), which knows where each byte came from.
pub(super) struct Percent {
    pub(super) text: String,
    /// Positions in `text` of bytes that were escapes, in order: each took two bytes more before.
    escapes: Vec<usize>,
}

impl Percent {
    /// Escapes that are no printable ASCII stay as they are.
    pub(super) fn of(original: &str) -> Self {
        let bytes = original.as_bytes();
        let mut decoded = Self { text: String::with_capacity(original.len()), escapes: Vec::new() };
        let mut from = 0;
        for (at, _) in original.match_indices('%') {
            if at < from {
                continue;
            }
            let Some(byte @ b' '..=b'~') = escaped(bytes, at) else { continue };
            decoded.text.push_str(&original[from..at]);
            decoded.escapes.push(decoded.text.len());
            decoded.text.push(char::from(byte));
            from = at + 3;
        }
        decoded.text.push_str(&original[from..]);
        decoded
    }

    /// Where in the original what begins here began.
    pub(super) fn start(&self, at: usize) -> usize {
        at + 2 * self.escapes.partition_point(|escape| *escape < at)
    }

    /// Where in the original what ends here ended.
    pub(super) fn end(&self, at: usize) -> usize {
        self.start(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_in_base64_is_found_with_its_range() {
        let inner = "password: correct horse battery staple";
        for encoded in [PLAIN.encode(inner), FOR_URLS.encode(inner).replace('=', "")] {
            for lead in 0..30 {
                let text = format!("{} {encoded} rest", "x".repeat(lead));
                let mut seen = Vec::new();
                base64_runs(&text, |range, decoded| seen.push((range, decoded.to_owned())));
                assert!(
                    seen.iter()
                        .any(|(range, decoded)| text[range.clone()] == encoded && decoded == inner),
                    "{lead}"
                );
            }
        }
    }

    #[test]
    fn words_and_random_characters_are_not_decoded() {
        let text = "internationalization and characteristically 0af7651916cd43dd8448eb211c80319c";
        base64_runs(text, |range, inner| panic!("{range:?} {inner}"));
    }

    #[test]
    fn percent_escapes_map_back_to_what_they_were() {
        let text = "a%20b%40c%ff é %4";
        assert!(has_percent_escapes(text) && !has_percent_escapes("100% sure"));
        let decoded = Percent::of(text);
        assert_eq!(decoded.text, "a b@c%ff é %4");
        let at = decoded.text.find("b@c").unwrap();
        assert_eq!(&text[decoded.start(at)..decoded.end(at + 3)], "b%40c");
    }
}
