//! One pass over the bytes before they are parsed: nesting, surrogate escapes and integers, each
//! refused under its own name. It accepts much that is not JSON; the parser decides that.

use super::ParseError;

/// Deepest nesting the parser behind it takes.
pub(super) const DEPTH_LIMIT: usize = 127;

pub(super) fn check(bytes: &[u8], depth_max: usize) -> Result<(), ParseError> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_end(bytes, at + 1)?;
                continue;
            }
            b'{' | b'[' => {
                depth += 1;
                if depth > depth_max {
                    return Err(ParseError::TooDeep { offset: at, max: depth_max });
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'-' | b'0'..=b'9' => {
                at = number_end(bytes, at)?;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// The offset after the closing quote, or the end of the text.
fn string_end(bytes: &[u8], mut at: usize) -> Result<usize, ParseError> {
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return Ok(at + 1),
            b'\\' => at = escape_end(bytes, at)?,
            _ => at += 1,
        }
    }
    Ok(at)
}

fn escape_end(bytes: &[u8], at: usize) -> Result<usize, ParseError> {
    match code_unit(bytes, at) {
        Some(0xd800..=0xdbff) => match code_unit(bytes, at + 6) {
            Some(0xdc00..=0xdfff) => Ok(at + 12),
            _ => Err(ParseError::LoneSurrogate { offset: at }),
        },
        Some(0xdc00..=0xdfff) => Err(ParseError::LoneSurrogate { offset: at }),
        Some(_) => Ok(at + 6),
        None => Ok(at + 2),
    }
}

/// The value of a `\uXXXX` escape that starts at `at`.
fn code_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | digit as u16)
    })
}

fn number_end(bytes: &[u8], start: usize) -> Result<usize, ParseError> {
    let part = |b: &&u8| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    let length = bytes[start..].iter().take_while(part).count();
    let token = &bytes[start..start + length];
    // Eighteen digits always fit; longer tokens are rare enough for a real parse.
    if length > 18 && !token.iter().any(|b| matches!(b, b'.' | b'e' | b'E')) {
        let text = std::str::from_utf8(token).unwrap_or_default();
        if text.parse::<i64>().is_err() && text.parse::<u64>().is_err() {
            return Err(ParseError::Integer { offset: start });
        }
    }
    Ok(start + length)
}
