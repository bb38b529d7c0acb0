//! Images, recordings and films that stand in a text as `data:` URLs (RFC 2397): megabytes of letters in which
//! something looks like a key now and then, and nothing is one.
//!
//! Only bodies that are what they say are passed over: of a type that is not text, and bytes that are not
//! text either.

use std::ops::Range;

use memchr::memmem;

use super::decoded;

/// What stands before a body.
const MARK: &str = ";base64,";
/// Bytes before the mark in which the type stands.
const TYPE_BYTES_MAX: usize = 128;
/// Shorter bodies are no image.
const BODY_BYTES_MIN: usize = 24;

/// The bodies in a text, in order.
pub(super) fn bodies(text: &str) -> impl Iterator<Item = Range<usize>> {
    memmem::find_iter(text.as_bytes(), MARK).filter_map(|at| {
        if !is_media(text.get(..at)?) {
            return None;
        }
        let start = at + MARK.len();
        let body = body(&text.as_bytes()[start..]);
        let head = text.get(start..start + body.min(2 * BODY_BYTES_MIN))?.replace('\\', "");
        let is_image = body >= BODY_BYTES_MIN && !decoded::begins_as_text(&head);
        is_image.then(|| start..start + body)
    })
}

/// Whether a text ends with `data:` and a type that is heard or seen and not read.
fn is_media(before: &str) -> bool {
    let from = before.floor_char_boundary(before.len().saturating_sub(TYPE_BYTES_MAX));
    let tail = before[from..].to_ascii_lowercase().replace('\\', "");
    let Some((_, kind)) = tail.rsplit_once("data:") else { return false };
    let media = ["image/", "audio/", "video/"].iter().any(|family| kind.starts_with(family));
    let plain = |c: char| c.is_ascii_alphanumeric() || "/+.-;=_\" ".contains(c);
    media && !kind.contains("xml") && !kind.contains("text") && kind.chars().all(plain)
}

/// How many bytes from the start on are base64; slashes may be escaped, as in JSON.
fn body(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let run = rest.iter().take_while(|b| decoded::is_base64(**b) || **b == b'=').count();
        at += run;
        if !bytes.get(at..).is_some_and(|rest| rest.starts_with(b"\\/")) {
            return at;
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    fn passed_over(text: &str) -> Vec<&str> {
        bodies(text).map(|range| &text[range]).collect()
    }

    #[test]
    fn bodies_of_images_are_passed_over_and_nothing_beside_them() {
        let png = STANDARD.encode([b"\x89PNG\r\n\x1a\n", &[0xfb; 60][..]].concat());
        let text = format!("see data:image/png;base64,{png} and \"data:Audio/mpeg;base64,{png}\"!");
        assert_eq!(passed_over(&text), [&png, &png]);
        let escaped = png.replace('/', "\\/");
        let text = format!("{{\"url\":\"data:image\\/png;base64,{escaped}\",\"key\":1}}");
        assert_eq!(passed_over(&text), [&escaped]);
    }

    #[test]
    fn texts_are_read_whatever_they_are_called() {
        let note = STANDARD.encode("the password is correct horse battery staple");
        for kind in ["text/plain", "image/svg+xml", "image/png", "application/json"] {
            let text = format!("data:{kind};base64,{note}");
            assert_eq!(passed_over(&text), [""; 0], "{kind}");
        }
        let png = STANDARD.encode([b"\x89PNG\r\n\x1a\n", &[0xfb; 60][..]].concat());
        for text in [format!("image/png;base64,{png}"), format!("data:text/html;base64,{png}")] {
            assert_eq!(passed_over(&text), [""; 0], "{text}");
        }
    }
}
