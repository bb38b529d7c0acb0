//! Structure of credentials.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exhibit_model::Json;

use super::{Check, entropy};

/// RFC 7519: the first of three parts is a JSON object with `alg`.
pub(super) fn jwt(value: &str) -> Check {
    let Some(head) = value.split('.').next() else { return Check::Refuted };
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(head.trim_end_matches('=')) else {
        return Check::Possible;
    };
    match serde_json::from_slice::<Json>(&bytes) {
        Ok(header) if header.get("alg").is_some() => Check::Confirmed,
        Ok(_) | Err(_) => Check::Possible,
    }
}

/// The last six characters are the CRC-32 of what stands between prefix and them, in base 62. A token
/// whose checksum does not hold may still be one of another make.
pub(super) fn github(value: &str) -> Check {
    let Some((_, body)) = value.split_once('_') else { return Check::Possible };
    let Some(at) = body.len().checked_sub(6).filter(|at| body.is_char_boundary(*at)) else {
        return Check::Possible;
    };
    let (random, sum) = body.split_at(at);
    if base62(crc32(random.as_bytes())) == sum { Check::Confirmed } else { Check::Possible }
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut state = !0_u32;
    for byte in bytes {
        state ^= u32::from(*byte);
        for _ in 0..8 {
            state = (state >> 1) ^ (0xedb8_8320 & (state & 1).wrapping_neg());
        }
    }
    !state
}

fn base62(mut number: u32) -> String {
    const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut out = [b'0'; 6];
    for digit in out.iter_mut().rev() {
        *digit = ALPHABET[(number % 62) as usize];
        number /= 62;
    }
    out.iter().map(|b| char::from(*b)).collect()
}

/// `user:password@`: the password is not a variable or a mask.
pub(super) fn url_password(value: &str) -> Check {
    let masked = value.bytes().all(|b| matches!(b, b'*' | b'x' | b'X' | b'.' | b'-' | b'_'));
    let variable = value.starts_with(['$', '{', '<', '%', '[']);
    let words = ["password", "passwd", "pass", "secret", "pwd", "token", "key"];
    let word = words.iter().any(|w| value.eq_ignore_ascii_case(w));
    Check::possible_if(!masked && !variable && !word)
}

/// Enough disorder for its length and alphabet, and not a path, a call, a number, a date or plain words.
pub(super) fn randomness(value: &str) -> Check {
    let bytes = value.as_bytes();
    let has = |class: fn(&u8) -> bool| bytes.iter().any(class);
    let (digit, letter) = (has(u8::is_ascii_digit), has(u8::is_ascii_alphabetic));
    let (lower, upper) = (has(u8::is_ascii_lowercase), has(u8::is_ascii_uppercase));
    let punctuated = has(u8::is_ascii_punctuation);
    if !letter || value.contains("://") || value.contains("${") || value.contains("{{") {
        return Check::Refuted;
    }
    if value.starts_with(['$', '<', '%', '/', '.', '(', '['])
        || value.contains(['(', ')', '<', '>'])
    {
        return Check::Refuted;
    }
    let hex = bytes.iter().all(u8::is_ascii_hexdigit);
    let floor = if hex { 2.6 } else { 3.0 };
    let mixed = digit || (lower && upper && bytes.len() >= 16) || (punctuated && bytes.len() >= 20);
    let words = value.split(['-', '_', '.', '/', ' ']).filter(|w| !w.is_empty());
    let plain = words.clone().count() > 1
        && words.clone().all(|w| {
            w.bytes().all(|b| b.is_ascii_lowercase()) || w.bytes().all(|b| b.is_ascii_digit())
        });
    Check::possible_if(mixed && !plain && entropy(bytes) >= floor)
}

/// Letters and digits mixed as no word is, or a long run of digits; no words, version, path or file.
pub(super) fn tokenlike(value: &str) -> Check {
    let bytes = value.as_bytes();
    let count = |class: fn(&u8) -> bool| bytes.iter().filter(|b| class(b)).count();
    let (digits, letters) = (count(u8::is_ascii_digit), count(u8::is_ascii_alphabetic));
    let uppers = count(u8::is_ascii_uppercase);
    if entropy(bytes) < if bytes.len() < 24 { 2.6 } else { 2.5 } {
        return Check::Refuted;
    }
    if letters < 2 {
        return Check::possible_if(digits >= 24);
    }
    let parts = || value.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    let one_kind = |w: &str| {
        w.bytes().all(|b| b.is_ascii_digit())
            || w.bytes().skip(1).all(|b| b.is_ascii_lowercase())
            || w.bytes().all(|b| b.is_ascii_uppercase())
    };
    let words = parts().count() > 1 && parts().all(|w| one_kind(w) && w.len() < 20);
    let mixed = digits >= 2
        || (digits >= 1 && uppers >= 2)
        || (uppers >= 4 && letters - uppers >= 4)
        || (bytes.len() >= 24 && parts().count() == 1);
    Check::possible_if(mixed && !words)
}

/// Four characters or more that are no mask, variable, call or the name of the thing itself.
pub(super) fn password(value: &str) -> Check {
    let lower = value.to_ascii_lowercase();
    let masked = lower.bytes().all(|b| matches!(b, b'*' | b'x' | b'.' | b'-' | b'_' | b'0'));
    let variable = lower.starts_with(['$', '{', '<', '%', '[', '('])
        || ["${", "{{", "#{", "()", "](", "->", "os.", "env.", "process.", "getenv", "self."]
            .iter()
            .any(|mark| lower.contains(mark));
    let words = [
        "password",
        "passwd",
        "pass",
        "secret",
        "pwd",
        "token",
        "key",
        "null",
        "none",
        "nil",
        "true",
        "false",
        "undefined",
        "string",
        "required",
        "optional",
        "your_password",
        "changeme",
        "example",
        "placeholder",
        "str",
        "text",
        "value",
        "username",
        "user",
        "and",
        "the",
        "for",
        "not",
        "field",
        "hash",
        "reset",
        "must",
    ];
    Check::possible_if(!masked && !variable && !words.contains(&lower.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_a_token_is_recognised() {
        // CRC-32 of "123456789" is cbf43926 (the check value of the catalogue of CRCs).
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let random = "A".repeat(30);
        let token = format!("ghp_{random}{}", base62(crc32(random.as_bytes())));
        assert_eq!(github(&token), Check::Confirmed);
        assert_eq!(github("ghp_short"), Check::Possible);
        assert_eq!(github("ghp_é1234"), Check::Possible);
    }

    #[test]
    fn code_and_words_are_not_random() {
        for text in
            ["get_secret()", "${TOKEN}", "correct-horse-battery", "/etc/ssl/key.pem", "12345678"]
        {
            assert_eq!(randomness(text), Check::Refuted, "{text}");
        }
        assert_eq!(randomness("f3Gq9ZpL0xTr"), Check::Possible);
    }
}
