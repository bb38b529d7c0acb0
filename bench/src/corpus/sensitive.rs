//! Personal data and credential look-alikes for the detectors to find, put together at run time
//! from patterns: none of them belongs to anybody, and none stands in the source.

use std::fmt::Write as _;

use super::rng::Rng;

const FIRST: [&str; 8] = ["Anna", "Ben", "Carla", "David", "Elena", "Farid", "Grace", "Hiro"];
const LAST: [&str; 8] =
    ["Miller", "Okafor", "Tanaka", "Garcia", "Schmidt", "Rossi", "Novak", "Silva"];
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const MIXED: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Appends one sentence that carries one sensitive item.
pub fn push_sensitive(rng: &mut Rng, out: &mut String) {
    let first = *rng.pick(&FIRST);
    let last = *rng.pick(&LAST);
    // Writing to a string cannot fail.
    let _ = match rng.below(9) {
        0 | 1 => write!(
            out,
            " Contact {first} {last} at {}.{}{}@example.com. ",
            first.to_lowercase(),
            last.to_lowercase(),
            rng.below(1_000)
        ),
        2 => write!(out, " Call {first} at +1 (415) 555-{:04}. ", rng.below(10_000)),
        3 => write!(out, " The card number is {}. ", card_number(rng)),
        4 => write!(
            out,
            " {first} {last}, SSN {:03}-{:02}-{:04}. ",
            rng.between(100, 665),
            rng.between(1, 99),
            rng.between(1, 9_999)
        ),
        5 => write!(out, " Pay to IBAN {}. ", iban(rng)),
        6 => {
            let secret = letters(rng, UPPER, 16);
            write!(out, " Access key {}{secret} was in the log. ", concat!("AK", "IA"))
        }
        7 => {
            let secret = letters(rng, MIXED, 36);
            write!(out, " Use the token {}{secret}. ", concat!("gh", "p_"))
        }
        _ => {
            let secret = letters(rng, MIXED, 40);
            write!(out, " password={secret} ")
        }
    };
}

fn letters(rng: &mut Rng, alphabet: &[u8], count: usize) -> String {
    (0..count).map(|_| char::from(*rng.pick(alphabet))).collect()
}

/// A 16-digit number with a valid Luhn check digit.
fn card_number(rng: &mut Rng) -> String {
    let mut digits: Vec<u32> = vec![4];
    digits.extend((0..14).map(|_| rng.below(10) as u32));
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &digit)| match place % 2 {
            0 if digit > 4 => digit * 2 - 9,
            0 => digit * 2,
            _ => digit,
        })
        .sum();
    digits.push((10 - sum % 10) % 10);
    let mut out = String::new();
    for (place, digit) in digits.iter().enumerate() {
        if place > 0 && place % 4 == 0 {
            out.push(' ');
        }
        let _ = write!(out, "{digit}");
    }
    out
}

/// A German IBAN with valid check digits (ISO 13616).
fn iban(rng: &mut Rng) -> String {
    let account: String = (0..18).map(|_| char::from(b'0' + rng.below(10) as u8)).collect();
    // The country letters D and E count as 13 and 14 behind the account, with check digits 00.
    let remainder = format!("{account}131400")
        .bytes()
        .fold(0_u32, |left, digit| (left * 10 + u32::from(digit - b'0')) % 97);
    format!("DE{:02}{account}", 98 - remainder)
}

#[cfg(test)]
mod tests {
    use super::{Rng, card_number, iban};

    #[test]
    fn card_numbers_pass_the_luhn_check() {
        let mut rng = Rng::new(1);
        for _ in 0..100 {
            let sum: u32 = card_number(&mut rng)
                .chars()
                .filter_map(|c| c.to_digit(10))
                .rev()
                .enumerate()
                .map(
                    |(place, digit)| {
                        if place % 2 == 1 { (digit * 2) / 10 + (digit * 2) % 10 } else { digit }
                    },
                )
                .sum();
            assert_eq!(sum % 10, 0);
        }
    }

    #[test]
    fn account_numbers_pass_the_iban_check() {
        let mut rng = Rng::new(2);
        for _ in 0..100 {
            let iban = iban(&mut rng);
            let moved = format!("{}{}", &iban[4..], &iban[..4]);
            let remainder = moved.chars().fold(0_u32, |left, c| {
                let value = c.to_digit(36).unwrap();
                (if value > 9 { left * 100 } else { left * 10 } + value) % 97
            });
            assert_eq!(remainder, 1, "{iban}");
        }
    }
}
