//! Numbers of people.

use super::{Check, digits};

/// Areas 000, 666 and 9xx, group 00 and serial 0000 were never issued; some numbers were published.
pub(super) fn us_ssn(value: &str) -> Check {
    let digits = digits(value);
    let number = |from: usize, to: usize| digits[from..to].iter().fold(0, |sum, d| sum * 10 + d);
    if digits.len() != 9 {
        return Check::Refuted;
    }
    let (area, group, serial) = (number(0, 3), number(3, 5), number(5, 9));
    let never = area == 0 || area == 666 || area >= 900 || group == 0 || serial == 0;
    let published = matches!(number(0, 9), 78_051_120 | 219_099_999 | 123_456_789);
    let separators: Vec<char> = value.chars().filter(|c| !c.is_ascii_digit()).collect();
    let mixed = separators.windows(2).any(|pair| pair[0] != pair[1]);
    Check::possible_if(!never && !published && !mixed && digits.iter().any(|d| *d != digits[0]))
}

/// Prefixes that are not issued (HMRC manual NIM39110).
pub(super) fn uk_nino(value: &str) -> Check {
    let letters: String = value.chars().filter(char::is_ascii_alphabetic).collect();
    let letters = letters.to_ascii_uppercase();
    let Some(prefix) = letters.get(..2) else { return Check::Refuted };
    let (first, second) = (&prefix[..1], &prefix[1..]);
    let unused = "DFIQUV".contains(first)
        || "DFIOQUV".contains(second)
        || ["BG", "GB", "KN", "NK", "NT", "TN", "ZZ"].contains(&prefix);
    Check::possible_if(!unused && digits(value).len() == 6)
}

/// Mod 11,10 over eleven digits; among the first ten no digit stands more than three times.
pub(super) fn de_tax_id(value: &str) -> Check {
    let digits = digits(value);
    if digits.len() != 11 || digits[0] == 0 {
        return Check::Refuted;
    }
    let count = |digit: u32| digits[..10].iter().filter(|d| **d == digit).count();
    let most = (0..10).map(count).max().unwrap_or(0);
    Check::confirmed_if(most <= 3 && super::checksum::mod_11_10(&digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_were_never_issued_are_refuted() {
        assert_eq!(us_ssn("536-22-1234"), Check::Possible);
        for bad in ["000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567", "123-45-0000", "12"]
        {
            assert_eq!(us_ssn(bad), Check::Refuted, "{bad}");
        }
        assert_eq!(uk_nino("AB 12 34 56 C"), Check::Possible);
        assert_eq!(uk_nino("QQ 12 34 56 C"), Check::Refuted);
    }

    #[test]
    fn the_german_tax_number_has_a_check_digit() {
        // The example of the tax authority.
        assert_eq!(de_tax_id("86095742719"), Check::Confirmed);
        assert_eq!(de_tax_id("86095742710"), Check::Refuted);
    }
}
