//! Arithmetic that many schemes share.

use super::digits;

/// Exactly so many digits of a text, else none.
pub(super) fn exactly<const N: usize>(value: &str) -> Option<[u32; N]> {
    digits(value).try_into().ok()
}

/// The digits times their weights, summed; what is longer than the other is left out.
pub(super) fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

/// Luhn (ISO/IEC 7812-1 annex B): the last digit is the check digit.
pub(super) fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(n, d)| match (n % 2, d * 2) {
            (0, _) => *d,
            (_, doubled) if doubled > 9 => doubled - 9,
            (_, doubled) => doubled,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Verhoeff's dihedral check: the last digit is the check digit.
pub(super) fn verhoeff(digits: &[u32]) -> bool {
    const PERMUTATION: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    // Multiplication in the dihedral group of order ten: 0–4 turn, 5–9 mirror.
    let product = |a: u32, b: u32| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b) % 5 + 5,
        (false, true) => (a + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let check = digits.iter().rev().enumerate().fold(0, |check, (n, digit)| {
        let turned = (0..n % 8).fold(*digit, |d, _| PERMUTATION[d as usize % 10]);
        product(check, turned)
    });
    check == 0
}

/// ISO 7064 mod 11,10: the last digit is the check digit.
pub(super) fn mod_11_10(digits: &[u32]) -> bool {
    let Some((check, body)) = digits.split_last() else { return false };
    let product = body.iter().fold(10, |product, digit| match (digit + product) % 10 {
        0 => 20 % 11,
        sum => sum * 2 % 11,
    });
    (11 - product) % 10 == *check
}

/// Whether all digits are the same.
pub(super) fn one_digit(digits: &[u32]) -> bool {
    digits.windows(2).all(|pair| pair[0] == pair[1])
}

/// The number that digits write.
pub(super) fn number(digits: &[u32]) -> u64 {
    digits.iter().fold(0, |sum, digit| sum.wrapping_mul(10).wrapping_add(u64::from(*digit)))
}

/// Whether such a day exists. A year of two digits counts as a leap year where one of its centuries has
/// one, so pass the full year where it is known.
pub(super) fn is_date(year: u32, month: u32, day: u32) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=last).contains(&day)
}

/// `yymmdd` at the front: a day that exists in some century.
pub(super) fn short_date(digits: &[u32]) -> bool {
    let two = |at: usize| digits.get(at).zip(digits.get(at + 1)).map_or(0, |(a, b)| a * 10 + b);
    is_date(2000 + two(0), two(2), two(4))
}

/// The letters and digits of a text in capitals.
pub(super) fn compact(value: &str) -> Vec<u8> {
    let kept = value.bytes().filter(u8::is_ascii_alphanumeric);
    kept.map(|byte| byte.to_ascii_uppercase()).collect()
}

/// What a letter or digit counts for where A is 10 and Z is 35.
pub(super) fn rank(byte: u8) -> u32 {
    char::from(byte).to_digit(36).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_examples_of_the_checks_hold_and_neighbours_fail() {
        assert!(luhn(&digits("79927398713")) && !luhn(&digits("79927398710")));
        assert!(verhoeff(&digits("2363")) && !verhoeff(&digits("2364")));
        assert!(mod_11_10(&digits("86095742719")) && !mod_11_10(&digits("86095742718")));
    }

    #[test]
    fn dates_know_leap_years() {
        assert!(is_date(2000, 2, 29) && !is_date(1900, 2, 29) && !is_date(2001, 4, 31));
        assert!(!is_date(2001, 13, 1) && !is_date(2001, 0, 1) && !is_date(2001, 1, 0));
    }
}
