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

/// Mod 11,10 over eleven digits; among the first ten one digit stands twice or three times.
pub(super) fn de_tax_id(value: &str) -> Check {
    let digits = digits(value);
    if digits.len() != 11 || digits[0] == 0 {
        return Check::Refuted;
    }
    let mut counts = [0_u32; 10];
    for digit in &digits[..10] {
        counts[*digit as usize] += 1;
    }
    let most = counts.iter().max().copied().unwrap_or(0);
    let repeated = counts.iter().filter(|count| **count > 1).count();
    let mut product = 10;
    for digit in &digits[..10] {
        let sum = match (digit + product) % 10 {
            0 => 10,
            sum => sum,
        };
        product = sum * 2 % 11;
    }
    let check = (11 - product) % 10;
    Check::confirmed_if((2..=3).contains(&most) && repeated == 1 && check == digits[10])
}

/// Country calling codes (ITU-T E.164) of one and two digits; all other codes have three.
const SHORT_CODES: [u32; 45] = [
    1, 7, 20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54,
    55, 56, 57, 58, 60, 61, 62, 63, 64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95,
];

/// With `+` or `00` a calling code that exists and 8 to 15 digits; else a national number of 10 or 11.
pub(super) fn phone(value: &str) -> Check {
    let digits = digits(value);
    let distinct = (0..10).filter(|d| digits.contains(d)).count();
    if distinct < 3 {
        return Check::Refuted;
    }
    if value.starts_with('+') || value.starts_with("00") {
        let digits = if value.starts_with('+') { &digits[..] } else { &digits[2..] };
        let code = |n: usize| digits.iter().take(n).fold(0, |sum, d| sum * 10 + d);
        let short =
            SHORT_CODES.contains(&code(1)) || SHORT_CODES.contains(&code(2)) || code(2) == 98;
        let long = matches!(code(3), 210..=299 | 350..=389 | 420..=423 | 500..=509 | 590..=599 | 670..=692 | 800 | 808 | 850..=856 | 870 | 880 | 886 | 960..=979 | 992..=998);
        return Check::possible_if((short || long) && (8..=15).contains(&digits.len()));
    }
    Check::possible_if((7..=12).contains(&digits.len()))
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

    #[test]
    fn phone_numbers_need_a_calling_code_that_exists() {
        assert_eq!(phone("+49 30 901820"), Check::Possible);
        assert_eq!(phone("+999 1234567"), Check::Refuted);
        assert_eq!(phone("+1 111 111 1111"), Check::Refuted);
    }
}
