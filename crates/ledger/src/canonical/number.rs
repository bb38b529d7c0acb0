//! Numbers as ECMAScript's `Number::toString` writes them (RFC 8785 section 3.2.2.3).

/// The shortest text that reads back as this double, in the form of ECMAScript. `None` for NaN and
/// the infinities, which JSON does not have. Negative zero is written `0`.
pub fn format_number(value: f64) -> Option<String> {
    if !value.is_finite() {
        return None;
    }
    Some(ryu_js::Buffer::new().format_finite(value).to_owned())
}

pub(super) fn write_finite(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(ryu_js::Buffer::new().format_finite(value).as_bytes());
}
