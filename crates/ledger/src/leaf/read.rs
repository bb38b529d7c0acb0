//! Reading a leaf in canonical form, member by member in the order that the writer uses.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use super::write::check;
use super::{FACTS_MAX, LEAF_BYTES_MAX, LENGTHS_MAX, Leaf, LeafError, LeafKind};
use crate::record::RecordId;
use crate::tree::Hash;

pub(super) fn parse(bytes: &[u8]) -> Result<Leaf, LeafError> {
    if bytes.len() > LEAF_BYTES_MAX {
        return Err(LeafError::TooLong(bytes.len()));
    }
    let mut cursor = Cursor { bytes, offset: 0, escaped: false };
    let leaf = cursor.leaf()?;
    check(&leaf)?;
    // The cursor leaves one freedom: how characters are escaped.
    if cursor.escaped {
        let mut again = Vec::with_capacity(bytes.len());
        leaf.encode(&mut again)?;
        if again != bytes {
            return Err(LeafError::NotCanonical);
        }
    }
    Ok(leaf)
}

struct Cursor<'b> {
    bytes: &'b [u8],
    offset: usize,
    /// Whether a string had an escape.
    escaped: bool,
}

impl<'b> Cursor<'b> {
    fn leaf(&mut self) -> Result<Leaf, LeafError> {
        self.expect("{", "'{'")?;
        let mut body_root = None;
        if self.eat("\"body_root\":") {
            body_root = Some(Hash(self.hex()?));
            self.expect(",", "','")?;
        }
        let mut epoch = None;
        if self.eat("\"epoch\":") {
            let value = self.decimal()?;
            epoch = Some(u32::try_from(value).map_err(|_| self.error("an epoch below 2^32"))?);
            self.expect(",", "','")?;
        }
        let facts = self.facts()?;
        self.expect("\"id\":", "\"id\"")?;
        let id = RecordId(self.hex()?);
        let lengths = self.lengths()?;
        self.expect(",\"received\":", "\"received\"")?;
        let received_ns = self.quoted_decimal()?;
        let rules = if self.eat(",\"rules\":") { Some(Hash(self.hex()?)) } else { None };
        let seq = if self.eat(",\"seq\":") { Some(self.quoted_decimal()?) } else { None };
        self.expect(",\"source\":", "\"source\"")?;
        let source = self.string()?;
        let supersedes =
            if self.eat(",\"supersedes\":") { Some(RecordId(self.hex()?)) } else { None };
        self.expect(",\"type\":", "\"type\"")?;
        let kind = LeafKind::from_str(&self.string()?)?;
        self.expect(",\"v\":1}", "\"v\":1")?;
        if self.offset != self.bytes.len() {
            return Err(self.error("the end"));
        }
        Ok(Leaf {
            kind,
            id,
            supersedes,
            source: known_source(&source),
            seq,
            received_ns,
            body_root,
            lengths,
            rules,
            epoch,
            facts,
        })
    }

    fn facts(&mut self) -> Result<BTreeMap<Cow<'static, str>, String>, LeafError> {
        let mut facts = BTreeMap::new();
        if !self.eat("\"facts\":{") {
            return Ok(facts);
        }
        loop {
            let name = self.string()?.into_owned();
            self.expect(":", "':'")?;
            let value = self.string()?.into_owned();
            if facts.last_key_value().is_some_and(|(last, _)| **last >= *name) {
                return Err(LeafError::NotCanonical);
            }
            facts.insert(Cow::Owned(name), value);
            if facts.len() > FACTS_MAX {
                return Err(self.error("at most 64 facts"));
            }
            if self.eat("},") {
                return Ok(facts);
            }
            self.expect(",", "',' or '}'")?;
        }
    }

    fn lengths(&mut self) -> Result<Vec<u64>, LeafError> {
        let mut lengths = Vec::new();
        if !self.eat(",\"lengths\":[") {
            return Ok(lengths);
        }
        loop {
            lengths.push(self.decimal()?);
            if lengths.len() > LENGTHS_MAX {
                return Err(self.error("at most 256 lengths"));
            }
            if self.eat("]") {
                return Ok(lengths);
            }
            self.expect(",", "',' or ']'")?;
        }
    }

    fn error(&self, expected: &'static str) -> LeafError {
        LeafError::Malformed { offset: self.offset, expected }
    }

    fn rest(&self) -> &'b [u8] {
        self.bytes.get(self.offset..).unwrap_or_default()
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text.as_bytes());
        if found {
            self.offset += text.len();
        }
        found
    }

    fn expect(&mut self, text: &str, expected: &'static str) -> Result<(), LeafError> {
        if self.eat(text) { Ok(()) } else { Err(self.error(expected)) }
    }

    fn hex<const N: usize>(&mut self) -> Result<[u8; N], LeafError> {
        const EXPECTED: &str = "lower-case hex digits";
        self.expect("\"", EXPECTED)?;
        let digits = self.rest().get(..2 * N).ok_or_else(|| self.error(EXPECTED))?;
        let mut bytes = [0; N];
        let (pairs, _) = digits.as_chunks::<2>();
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let (Some(high), Some(low)) = (nibble(*high), nibble(*low)) else {
                return Err(self.error(EXPECTED));
            };
            *byte = high << 4 | low;
        }
        self.offset += 2 * N;
        self.expect("\"", "the end of a hex string")?;
        Ok(bytes)
    }

    fn quoted_decimal(&mut self) -> Result<u64, LeafError> {
        self.expect("\"", "a decimal string")?;
        let value = self.decimal()?;
        self.expect("\"", "the end of a decimal string")?;
        Ok(value)
    }

    fn decimal(&mut self) -> Result<u64, LeafError> {
        const EXPECTED: &str = "a decimal number";
        let digits = self.rest().iter().take_while(|b| b.is_ascii_digit()).count();
        let text = &self.rest()[..digits];
        if text.is_empty() || (text[0] == b'0' && digits > 1) {
            return Err(self.error(EXPECTED));
        }
        let value = text.iter().try_fold(0_u64, |value, digit| {
            value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        });
        let value = value.ok_or_else(|| self.error("a number below 2^64"))?;
        self.offset += digits;
        Ok(value)
    }

    fn string(&mut self) -> Result<Cow<'b, str>, LeafError> {
        const EXPECTED: &str = "a string";
        self.expect("\"", EXPECTED)?;
        let rest = self.rest();
        let mut end = 0;
        let mut escaped = false;
        loop {
            match rest.get(end) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    end += 2;
                }
                Some(0..=0x1f) | None => return Err(self.error(EXPECTED)),
                Some(_) => end += 1,
            }
        }
        self.escaped |= escaped;
        let text = if escaped {
            // With the quotes around it, for the JSON reader.
            let literal = &self.bytes[self.offset - 1..=self.offset + end];
            serde_json::from_slice(literal).map(Cow::Owned).map_err(|_| self.error(EXPECTED))?
        } else {
            let text = std::str::from_utf8(&rest[..end]).map_err(|_| self.error(EXPECTED))?;
            Cow::Borrowed(text)
        };
        self.offset += end + 1;
        Ok(text)
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Spares an allocation for the sources that nearly every leaf has.
fn known_source(source: &str) -> Cow<'static, str> {
    match source {
        "otlp" => Cow::Borrowed("otlp"),
        "native" => Cow::Borrowed("native"),
        "server" => Cow::Borrowed("server"),
        _ => Cow::Owned(source.to_owned()),
    }
}
