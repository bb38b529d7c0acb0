//! Payment cards and bank accounts.

use super::{Check, checksum::luhn, digits};

/// Known issuer ranges and lengths, then the Luhn digit (ISO/IEC 7812).
pub(super) fn card(value: &str) -> Check {
    let digits = digits(value);
    let prefix = |n: usize| digits.iter().take(n).fold(0, |sum, d| sum * 10 + d);
    let known = match digits.len() {
        13 | 16 | 18 | 19 if prefix(1) == 4 => true,
        15 => matches!(prefix(2), 34 | 37) || matches!(prefix(4), 2014 | 2149 | 1800 | 2131),
        14 => matches!(prefix(3), 300..=305 | 309) || matches!(prefix(2), 36 | 38 | 39),
        16..=19 => {
            matches!(prefix(2), 51..=55 | 62 | 64 | 65 | 50 | 56..=58 | 60 | 63 | 67 | 35 | 36 | 38 | 39 | 81 | 82)
                || matches!(prefix(4), 2221..=2720 | 6011 | 2200..=2204 | 9792)
        }
        12 | 13 => matches!(prefix(2), 50 | 56..=58 | 60 | 63 | 67),
        _ => false,
    };
    let one_digit = digits.windows(2).all(|pair| pair[0] == pair[1]);
    Check::confirmed_if(known && !one_digit && luhn(&digits))
}

/// Length of an IBAN by country (SWIFT IBAN registry).
const IBAN_LENGTHS: &[(&str, usize)] = &[
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BI", 27),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DJ", 27),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FK", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MN", 20),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NI", 28),
    ("NL", 18),
    ("NO", 15),
    ("OM", 23),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("RU", 33),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("SO", 23),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("VG", 24),
    ("XK", 20),
    ("YE", 30),
];

/// IBAN: the length of its country, and mod 97.
pub(super) fn iban(value: &str) -> Check {
    if value.bytes().any(|b| b.is_ascii_lowercase())
        && value.bytes().any(|b| b.is_ascii_uppercase())
    {
        return Check::Refuted;
    }
    let compact: Vec<u8> =
        value.bytes().filter(u8::is_ascii_alphanumeric).map(|b| b.to_ascii_uppercase()).collect();
    let country = compact.get(..2).unwrap_or_default();
    let known = IBAN_LENGTHS.iter().find(|(code, _)| code.as_bytes() == country);
    if known.is_none_or(|(_, length)| *length != compact.len()) {
        return Check::Refuted;
    }
    // Country and check digits move to the end; letters count from 10; the remainder is 1.
    let (head, tail) = compact.split_at(4);
    let remainder = tail.iter().chain(head).fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    Check::confirmed_if(remainder == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_need_an_issuer_and_a_check_digit() {
        assert_eq!(card("4111 1111 1111 1111"), Check::Confirmed);
        assert_eq!(card("4111 1111 1111 1112"), Check::Refuted);
        assert_eq!(card("0000 0000 0000 0000"), Check::Refuted);
        assert_eq!(card("378282246310005"), Check::Confirmed);
    }

    #[test]
    fn ibans_need_their_countrys_length_and_remainder_one() {
        assert_eq!(iban("DE89 3704 0044 0532 0130 00"), Check::Confirmed);
        assert_eq!(iban("DE88 3704 0044 0532 0130 00"), Check::Refuted);
        assert_eq!(iban("GB82WEST12345698765432"), Check::Confirmed);
        assert_eq!(iban("D"), Check::Refuted);
    }
}
