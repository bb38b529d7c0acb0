//! Writing a leaf in canonical form: members in name order, no white space (RFC 8785 section 3.2).

use super::{FACTS_MAX, LEAF_BYTES_MAX, LENGTH_MAX, LENGTHS_MAX, Leaf, LeafError};
use crate::canonical::write_string;

pub(super) fn encode(leaf: &Leaf, out: &mut Vec<u8>) -> Result<(), LeafError> {
    check(leaf)?;
    let start = out.len();
    write(leaf, out);
    let length = out.len() - start;
    if length > LEAF_BYTES_MAX {
        out.truncate(start);
        return Err(LeafError::TooLong(length));
    }
    Ok(())
}

/// Refuses what [`super::read`] would not read back.
pub(super) fn check(leaf: &Leaf) -> Result<(), LeafError> {
    let source = leaf.source.as_bytes();
    let ok = |b: &u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    if source.is_empty() || source.len() > 32 || !source.iter().all(ok) {
        return Err(field("source", "1 to 32 of a-z, 0-9, '-', '_' and '.'"));
    }
    if leaf.lengths.len() > LENGTHS_MAX {
        return Err(field("lengths", "at most 256 parts"));
    }
    if leaf.lengths.iter().any(|length| *length > LENGTH_MAX) {
        return Err(field("lengths", "below 2^53"));
    }
    if leaf.facts.len() > FACTS_MAX {
        return Err(field("facts", "at most 64"));
    }
    let ok = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_');
    let named = |name: &str| (1..=64).contains(&name.len()) && name.bytes().all(ok);
    if !leaf.facts.keys().all(|name| named(name)) {
        return Err(field("facts", "names are 1 to 64 of a-z, 0-9 and '_'"));
    }
    if leaf.facts.values().any(|value| value.len() > LEAF_BYTES_MAX) {
        return Err(field("facts", "values below 65,536 bytes"));
    }
    Ok(())
}

fn field(field: &'static str, reason: &'static str) -> LeafError {
    LeafError::Field { field, reason }
}

fn write(leaf: &Leaf, out: &mut Vec<u8>) {
    out.push(b'{');
    if let Some(root) = &leaf.body_root {
        out.extend_from_slice(b"\"body_root\":");
        hex(&root.0, out);
        out.push(b',');
    }
    if let Some(epoch) = leaf.epoch {
        out.extend_from_slice(b"\"epoch\":");
        decimal(u64::from(epoch), out);
        out.push(b',');
    }
    if !leaf.facts.is_empty() {
        facts(leaf, out);
    }
    out.extend_from_slice(b"\"id\":");
    hex(&leaf.id.0, out);
    if !leaf.lengths.is_empty() {
        out.extend_from_slice(b",\"lengths\":");
        let mut separator = b'[';
        for length in &leaf.lengths {
            out.push(separator);
            decimal(*length, out);
            separator = b',';
        }
        out.push(b']');
    }
    out.extend_from_slice(b",\"received\":\"");
    decimal(leaf.received_ns, out);
    out.push(b'"');
    if let Some(rules) = &leaf.rules {
        out.extend_from_slice(b",\"rules\":");
        hex(&rules.0, out);
    }
    if let Some(seq) = leaf.seq {
        out.extend_from_slice(b",\"seq\":\"");
        decimal(seq, out);
        out.push(b'"');
    }
    out.extend_from_slice(b",\"source\":\"");
    out.extend_from_slice(leaf.source.as_bytes());
    out.push(b'"');
    if let Some(supersedes) = &leaf.supersedes {
        out.extend_from_slice(b",\"supersedes\":");
        hex(&supersedes.0, out);
    }
    out.extend_from_slice(b",\"type\":\"");
    out.extend_from_slice(leaf.kind.as_str().as_bytes());
    out.extend_from_slice(b"\",\"v\":1}");
}

/// Names are ASCII, so the map's order is that of RFC 8785.
fn facts(leaf: &Leaf, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"facts\":");
    let mut separator = b'{';
    for (name, value) in &leaf.facts {
        out.push(separator);
        write_string(name, out);
        out.push(b':');
        write_string(value, out);
        separator = b',';
    }
    out.extend_from_slice(b"},");
}

fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
    out.push(b'"');
}

fn decimal(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}
