//! Phone numbers: by the world's numbering plans, or by shape.

use phonenumber::country::Id;

use super::{Check, digits};

/// Plans by which a number without a calling code is tried.
const COUNTRIES: [Id; 12] = [
    Id::US,
    Id::GB,
    Id::DE,
    Id::FR,
    Id::IL,
    Id::IN,
    Id::BR,
    Id::JP,
    Id::ES,
    Id::IT,
    Id::AU,
    Id::CN,
];

/// With `+` or `00` a calling code that exists and 8 to 15 digits, else a national number. Confirmed where
/// a numbering plan knows it.
pub(super) fn phone(value: &str) -> Check {
    let digits = digits(value);
    let distinct = (0..10).filter(|d| digits.contains(d)).count();
    if distinct < 3 || value.len() > 40 {
        return Check::Refuted;
    }
    let known = |country: Option<Id>, text: &str| {
        phonenumber::parse(country, text).is_ok_and(|number| phonenumber::is_valid(&number))
    };
    if let Some(rest) = value.trim_start_matches('(').strip_prefix('+').or(value.strip_prefix("00"))
    {
        if !(8..=17).contains(&digits.len()) {
            return Check::Refuted;
        }
        let text: String = rest.chars().filter(char::is_ascii_digit).collect();
        if known(None, &format!("+{text}")) {
            return Check::Confirmed;
        }
        // Not given out yet, or made up for an example: a calling code that exists is enough to ask.
        return Check::possible_if(calling_code_exists(&text));
    }
    if COUNTRIES.iter().any(|country| known(Some(*country), value)) {
        return Check::Confirmed;
    }
    Check::possible_if((7..=12).contains(&digits.len()))
}

/// Country calling codes (ITU-T E.164) of one and two digits; all other codes have three.
const SHORT_CODES: [u32; 45] = [
    1, 7, 20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54,
    55, 56, 57, 58, 60, 61, 62, 63, 64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95,
];

fn calling_code_exists(digits: &str) -> bool {
    let code = |n: usize| digits.get(..n).and_then(|d| d.parse::<u32>().ok()).unwrap_or(0);
    let short = SHORT_CODES.contains(&code(1)) || SHORT_CODES.contains(&code(2)) || code(2) == 98;
    short
        || matches!(code(3), 210..=299 | 350..=389 | 420..=423 | 500..=509 | 590..=599 | 670..=692 | 800 | 808 | 850..=856 | 870 | 880 | 886 | 960..=979 | 992..=998)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phone_numbers_need_a_calling_code_that_exists() {
        assert_eq!(phone("+49 30 901820"), Check::Confirmed);
        assert_eq!(phone("(415) 555-2671"), Check::Confirmed);
        assert_eq!(phone("+999 1234567"), Check::Refuted);
        assert_eq!(phone("+1 111 111 1111"), Check::Refuted);
    }
}
