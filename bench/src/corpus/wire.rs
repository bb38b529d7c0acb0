//! Writes protobuf and JSON straight into a byte buffer.
//!
//! The load client shares its cores with the server it measures, so encoding must cost next to
//! nothing; the tests decode everything with an independent protobuf implementation. Source: the
//! protobuf encoding guide (wire types 0, 1 and 2).

/// Appends a base-128 varint.
pub fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn varint_bytes(value: usize) -> usize {
    (64 - (value as u64 | 1).leading_zeros() as usize).div_ceil(7)
}

fn length_delimited_bytes(length: usize) -> usize {
    1 + varint_bytes(length) + length
}

/// Appends a length-delimited field: bytes, a string or an encoded message.
pub fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    varint(out, u64::from(field << 3 | 2));
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// Appends a varint field.
pub fn number(out: &mut Vec<u8>, field: u32, value: u64) {
    varint(out, u64::from(field << 3));
    varint(out, value);
}

/// Appends a `fixed64` field.
pub fn fixed64(out: &mut Vec<u8>, field: u32, value: u64) {
    varint(out, u64::from(field << 3 | 1));
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a message field whose content `write` appends.
pub fn message(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    varint(out, u64::from(field << 3 | 2));
    let at = out.len();
    write(out);
    let length = out.len() - at;
    let shift = varint_bytes(length);
    out.resize(at + shift + length, 0);
    out.copy_within(at..at + length, at + shift);
    let mut prefix = Vec::with_capacity(shift);
    varint(&mut prefix, length as u64);
    out[at..at + shift].copy_from_slice(&prefix);
}

/// Appends OTLP `KeyValue`s to one field of a message: `attributes` of a resource, span or event.
pub struct Attributes<'a> {
    out: &'a mut Vec<u8>,
    field: u32,
}

impl<'a> Attributes<'a> {
    /// Attributes in the field of that number.
    pub fn new(out: &'a mut Vec<u8>, field: u32) -> Self {
        Self { out, field }
    }

    /// A string attribute.
    pub fn text(&mut self, key: &str, value: &str) {
        let value_bytes = length_delimited_bytes(value.len());
        self.open(key, value_bytes);
        bytes(self.out, 1, value.as_bytes());
    }

    /// An integer attribute.
    pub fn int(&mut self, key: &str, value: u64) {
        self.open(key, 1 + varint_bytes(value as usize));
        number(self.out, 3, value);
    }

    /// A floating-point attribute.
    pub fn float(&mut self, key: &str, value: f64) {
        self.open(key, 9);
        fixed64(self.out, 4, value.to_bits());
    }

    /// A list of strings.
    pub fn texts(&mut self, key: &str, values: &[&str]) {
        let each = |value: &&str| length_delimited_bytes(length_delimited_bytes(value.len()));
        let list_bytes: usize = values.iter().map(each).sum();
        self.open(key, length_delimited_bytes(list_bytes));
        varint(self.out, 5 << 3 | 2);
        varint(self.out, list_bytes as u64);
        for value in values {
            varint(self.out, 1 << 3 | 2);
            varint(self.out, length_delimited_bytes(value.len()) as u64);
            bytes(self.out, 1, value.as_bytes());
        }
    }

    /// Key and header of an `AnyValue` of `value_bytes` bytes, which the caller appends.
    fn open(&mut self, key: &str, value_bytes: usize) {
        let pair = length_delimited_bytes(key.len()) + length_delimited_bytes(value_bytes);
        varint(self.out, u64::from(self.field << 3 | 2));
        varint(self.out, pair as u64);
        bytes(self.out, 1, key.as_bytes());
        varint(self.out, 2 << 3 | 2);
        varint(self.out, value_bytes as u64);
    }
}

/// Appends a JSON string literal (RFC 8259 section 7).
pub fn json_text(out: &mut String, value: &str) {
    out.push('"');
    let mut plain_from = 0;
    for (at, byte) in value.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..0x20 => "\\ufffd",
            _ => continue,
        };
        out.push_str(&value[plain_from..at]);
        out.push_str(escape);
        plain_from = at + 1;
    }
    out.push_str(&value[plain_from..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::json_text;

    proptest! {
        #[test]
        fn a_json_text_reads_back_as_it_was(value in "[^\\x00-\\x07\\x0b\\x0e-\\x1f]*") {
            let mut out = String::new();
            json_text(&mut out, &value);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), value);
        }
    }
}
