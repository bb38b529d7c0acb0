//! Writing canonical JSON.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

use super::number::write_finite;

/// Largest magnitude of an integer: every integer up to 2^53 is a double, 2^53 + 1 is not.
pub const INTEGER_MAX: u64 = 1 << 53;
/// Deepest nesting that is written.
pub const DEPTH_MAX: usize = 512;

/// Why a value has no canonical form here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// An integer beyond ±2^53, which JSON readers change silently. Write it as a string.
    #[error("integer {0} is beyond 2^53; write it as a string")]
    Integer(String),
    /// NaN or an infinity.
    #[error("a number is not finite")]
    NotFinite,
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("nested deeper than 512")]
    TooDeep,
}

/// The canonical bytes of a value (RFC 8785).
///
/// # Errors
/// An integer beyond ±2^53 (also a double whose canonical form would be such an integer), a number
/// that is not finite, nesting beyond [`DEPTH_MAX`].
pub fn canonicalize(value: &Value) -> Result<Vec<u8>, CanonicalError> {
    let mut out = Vec::with_capacity(256);
    canonicalize_into(value, &mut out)?;
    Ok(out)
}

/// Appends the canonical bytes of a value to `out`; on error `out` ends in an unfinished value.
///
/// # Errors
/// As [`canonicalize`].
pub fn canonicalize_into(value: &Value, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    write_value(value, out, DEPTH_MAX)
}

fn write_value(value: &Value, out: &mut Vec<u8>, depth: usize) -> Result<(), CanonicalError> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => write_number(number, out)?,
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            let depth = depth.checked_sub(1).ok_or(CanonicalError::TooDeep)?;
            out.push(b'[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write_value(item, out, depth)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let depth = depth.checked_sub(1).ok_or(CanonicalError::TooDeep)?;
            write_object(members, out, depth)?;
        }
    }
    Ok(())
}

fn write_object(
    members: &Map<String, Value>,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), CanonicalError> {
    let in_order = members.keys().is_sorted_by(|a, b| utf16_order(a, b).is_lt());
    if in_order {
        return write_members(members.iter(), out, depth);
    }
    let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
    sorted.sort_unstable_by(|(a, _), (b, _)| utf16_order(a, b));
    write_members(sorted.into_iter(), out, depth)
}

fn write_members<'v>(
    members: impl Iterator<Item = (&'v String, &'v Value)>,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), CanonicalError> {
    out.push(b'{');
    for (n, (name, value)) in members.enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write_string(name, out);
        out.push(b':');
        write_value(value, out, depth)?;
    }
    out.push(b'}');
    Ok(())
}

/// Order of two strings by their UTF-16 code units (RFC 8785 section 3.2.3), found in their UTF-8.
///
/// The two orders differ in one place: characters above U+FFFF are surrogates D800..DFFF in UTF-16 and
/// so come before U+E000..U+FFFF, whose UTF-8 starts with EE or EF against F0 and above.
fn utf16_order(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    match a.iter().zip(b).find(|(a, b)| a != b) {
        None => a.len().cmp(&b.len()),
        Some((0xf0.., 0xee | 0xef)) => Ordering::Less,
        Some((0xee | 0xef, 0xf0..)) => Ordering::Greater,
        Some((a, b)) => a.cmp(b),
    }
}

fn write_number(number: &Number, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    let exact = || CanonicalError::Integer(number.to_string());
    if let Some(value) = number.as_u64() {
        if value > INTEGER_MAX {
            return Err(exact());
        }
        write_integer(value, out);
    } else if let Some(value) = number.as_i64() {
        if value.unsigned_abs() > INTEGER_MAX {
            return Err(exact());
        }
        out.push(b'-');
        write_integer(value.unsigned_abs(), out);
    } else {
        let value = number.as_f64().filter(|v| v.is_finite()).ok_or(CanonicalError::NotFinite)?;
        // From 2^53 to 10^21 a double is written without exponent, as an integer that we would refuse.
        if value.abs() > INTEGER_MAX as f64 && value.abs() < 1e21 {
            return Err(exact());
        }
        write_finite(value, out);
    }
    Ok(())
}

fn write_integer(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// What stands for a byte in a string: 0 for itself, `u` for a `\u00xx` escape, else the letter after
/// the backslash (RFC 8785 section 3.2.2.2).
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = b'u';
        byte += 1;
    }
    table[0x08] = b'b';
    table[0x09] = b't';
    table[0x0a] = b'n';
    table[0x0c] = b'f';
    table[0x0d] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

/// Writes a string with its quotes.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut written = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape = ESCAPES[usize::from(*byte)];
        if escape == 0 {
            continue;
        }
        out.extend_from_slice(&bytes[written..at]);
        written = at + 1;
        out.extend_from_slice(&[b'\\', escape]);
        if escape == b'u' {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.extend_from_slice(&[b'0', b'0', DIGITS[high], DIGITS[low]]);
        }
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}
