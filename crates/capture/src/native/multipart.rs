//! `multipart/form-data` (RFC 7578) over a body that is already in memory.

use memchr::memmem;

use crate::DecodeError;

/// Longest boundary (RFC 2046, section 5.1.1).
const BOUNDARY_CHARS_MAX: usize = 70;
/// Most parts for each entry that a request may hold: a run comes in about eight.
const PARTS_PER_ENTRY: usize = 16;

/// One part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    /// The field's name.
    pub(crate) name: String,
    /// What it is.
    pub(crate) content_type: String,
    /// Its bytes.
    pub(crate) body: &'a [u8],
}

/// Takes a body apart. Parts without a name are passed over.
pub(crate) fn parts<'a>(
    body: &'a [u8],
    content_type: &str,
    entries_max: usize,
) -> Result<Vec<Part<'a>>, DecodeError> {
    let wrong = || DecodeError::Shape {
        pointer: String::new(),
        expected: "multipart/form-data whose boundary is named in Content-Type",
    };
    let boundary = parameter(content_type, "boundary").ok_or_else(wrong)?;
    if boundary.is_empty() || boundary.len() > BOUNDARY_CHARS_MAX {
        return Err(wrong());
    }
    let delimiter = format!("--{boundary}");
    let mut rest = match memmem::find(body, delimiter.as_bytes()) {
        Some(at) => &body[at + delimiter.len()..],
        None => return Err(wrong()),
    };
    let next = format!("\r\n{delimiter}");
    let finder = memmem::Finder::new(next.as_bytes());
    let mut parts = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        let max = entries_max.saturating_mul(PARTS_PER_ENTRY);
        if parts.len() >= max {
            return Err(DecodeError::TooMany { what: "parts", max });
        }
        let inside = rest.strip_prefix(b"\r\n").ok_or_else(wrong)?;
        let end = finder.find(inside).ok_or_else(wrong)?;
        let (part, after) = inside.split_at(end);
        rest = after.get(next.len()..).unwrap_or_default();
        let (head, body) = match memmem::find(part, b"\r\n\r\n") {
            Some(at) => (&part[..at], &part[at + 4..]),
            None => return Err(wrong()),
        };
        let head = String::from_utf8_lossy(head);
        let header = |name: &str| {
            head.split("\r\n").find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let disposition = header("content-disposition").unwrap_or_default();
        if let Some(name) = parameter(&disposition, "name") {
            let content_type = header("content-type").unwrap_or_default();
            parts.push(Part { name, content_type, body });
        }
    }
}

/// A parameter of a header value, quoted or not.
fn parameter(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let value = value.trim().trim_matches('"');
        key.trim().eq_ignore_ascii_case(name).then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=abc";

    #[test]
    fn parts_are_told_apart_and_their_bytes_kept() {
        let body = b"--abc\r\nContent-Disposition: form-data; name=\"post.1\"\r\n\
                     Content-Type: application/json\r\n\r\n{\"a\":1}\r\n--abc\r\n\
                     content-disposition: form-data; name=\"attachment.1.x\"\r\n\r\n\0\r\n\xff\
                     \r\n--abc--\r\n";
        let parts = parts(body, TYPE, 10).unwrap();
        assert_eq!(parts[0].name, "post.1");
        assert_eq!(
            (parts[0].body, parts[0].content_type.as_str()),
            (&b"{\"a\":1}"[..], "application/json")
        );
        assert_eq!((parts[1].name.as_str(), parts[1].body), ("attachment.1.x", &b"\0\r\n\xff"[..]));
    }

    #[test]
    fn broken_bodies_are_refused_and_never_panic() {
        for body in
            [&b""[..], b"--abc", b"--abc\r\n", b"--abc\r\nx", b"--abcx", b"--abc\r\n\r\n--abc--"]
        {
            assert!(parts(body, TYPE, 10).is_err() || parts(body, TYPE, 10).unwrap().is_empty());
        }
        assert!(parts(b"--abc--", "multipart/form-data", 10).is_err());
        assert_eq!(parts(b"--abc--", TYPE, 10).unwrap(), []);
    }
}
