//! Numbers of northern and eastern Europe.

use super::{
    Check,
    checksum::{
        compact, exactly, is_date, luhn, mod_11_10, number, one_digit, rank, short_date, weighted,
    },
    digits,
};

/// Polish population number: date with the century in the month, weights 1, 3, 7, 9.
pub(super) fn pl_pesel(value: &str) -> Check {
    let Some(d) = exactly::<11>(value) else { return Check::Refuted };
    let sum = weighted(&d, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]);
    let month = (d[2] * 10 + d[3]) % 20;
    let date = is_date(2000 + d[0] * 10 + d[1], month, d[4] * 10 + d[5]);
    Check::confirmed_if(date && (10 - sum % 10) % 10 == d[10])
}

/// Polish tax number: mod 11.
pub(super) fn pl_nip(value: &str) -> Check {
    let Some(d) = exactly::<10>(value) else { return Check::Refuted };
    let sum = weighted(&d, &[6, 5, 7, 2, 3, 4, 5, 6, 7]);
    Check::confirmed_if(sum % 11 == d[9] && d[0] != 0 && !one_digit(&d))
}

/// Swedish personal number: date (60 more on the day for coordination numbers), Luhn.
pub(super) fn se_personnummer(value: &str) -> Check {
    let d = digits(value);
    let Some(at) = d.len().checked_sub(10).filter(|at| matches!(at, 0 | 2)) else {
        return Check::Refuted;
    };
    let century = if at == 2 { d[0] * 10 + d[1] } else { 20 };
    let d = &d[at..];
    let day = match d[4] * 10 + d[5] {
        day @ 61.. => day - 60,
        day => day,
    };
    let date = is_date(century * 100 + d[0] * 10 + d[1], d[2] * 10 + d[3], day);
    Check::confirmed_if(date && (18..=21).contains(&century) && luhn(d))
}

/// Swedish organisation: the third digit is at least two, Luhn.
pub(super) fn se_organisation(value: &str) -> Check {
    let Some(d) = exactly::<10>(value) else { return Check::Refuted };
    Check::confirmed_if(d[2] >= 2 && d[0] != 0 && luhn(&d))
}

/// Finnish personal code: date, century sign, remainder by 31 as a character.
pub(super) fn fi_hetu(value: &str) -> Check {
    let d = digits(value.get(..6).unwrap_or_default());
    let serial = digits(value.get(7..10).unwrap_or_default());
    let Some(check) = value.bytes().last().filter(|_| d.len() == 6 && serial.len() == 3) else {
        return Check::Refuted;
    };
    let century = match value.as_bytes()[6].to_ascii_uppercase() {
        b'+' => 1800,
        b'-' | b'U'..=b'Y' => 1900,
        _ => 2000,
    };
    let date = is_date(century + d[4] * 10 + d[5], d[2] * 10 + d[3], d[0] * 10 + d[1]);
    let at = ((number(&d) * 1000 + number(&serial)) % 31) as usize;
    let expected = b"0123456789ABCDEFHJKLMNPRSTUVWXY"[at];
    Check::confirmed_if(date && number(&serial) >= 2 && expected == check.to_ascii_uppercase())
}

/// Danish personal number: a date; the old check mod 11 confirms, newer numbers may break it.
pub(super) fn dk_cpr(value: &str) -> Check {
    let Some(d) = exactly::<10>(value) else { return Check::Refuted };
    let date = is_date(2000 + d[4] * 10 + d[5], d[2] * 10 + d[3], d[0] * 10 + d[1]);
    let sum = weighted(&d, &[4, 3, 2, 7, 6, 5, 4, 3, 2, 1]);
    match (date, sum % 11) {
        (false, _) => Check::Refuted,
        (true, 0) => Check::Confirmed,
        (true, _) => Check::Possible,
    }
}

/// Norwegian birth number: two check digits mod 11.
pub(super) fn no_fodselsnummer(value: &str) -> Check {
    let Some(d) = exactly::<11>(value) else { return Check::Refuted };
    let check = |weights: &[u32]| (11 - weighted(&d, weights) % 11) % 11;
    let first = check(&[3, 7, 6, 1, 8, 9, 4, 5, 2]);
    let second = check(&[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]);
    let day = (d[0] * 10 + d[1]) % 40;
    let month = (d[2] * 10 + d[3]) % 40;
    let date = is_date(2000 + d[4] * 10 + d[5], month, day);
    Check::confirmed_if(date && first == d[9] && second == d[10])
}

/// Icelandic personal number: date, mod 11 in the ninth digit.
pub(super) fn is_kennitala(value: &str) -> Check {
    let Some(d) = exactly::<10>(value) else { return Check::Refuted };
    let sum = weighted(&d, &[3, 2, 7, 6, 5, 4, 3, 2]);
    let date = is_date(2000 + d[4] * 10 + d[5], d[2] * 10 + d[3], (d[0] * 10 + d[1]) % 40);
    Check::confirmed_if(date && (11 - sum % 11) % 11 == d[8] && matches!(d[9], 0 | 8 | 9))
}

/// Czech or Slovak birth number: date with 50 (or 20) added to the month, a multiple of 11.
pub(super) fn cz_rodne_cislo(value: &str) -> Check {
    let Some(d) = exactly::<10>(value) else { return Check::Refuted };
    let month = match d[2] * 10 + d[3] {
        month @ 71..=82 => month - 70,
        month @ 51..=62 => month - 50,
        month @ 21..=32 => month - 20,
        month => month,
    };
    let date = is_date(2000 + d[0] * 10 + d[1], month, d[4] * 10 + d[5]);
    let holds = number(&d).is_multiple_of(11) || (number(&d[..9]) % 11 == 10 && d[9] == 0);
    Check::confirmed_if(date && holds)
}

/// Romanian personal number: century and sex, date, county, mod 11.
pub(super) fn ro_cnp(value: &str) -> Check {
    let Some(d) = exactly::<13>(value) else { return Check::Refuted };
    let sum = weighted(&d, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]);
    let check = if sum % 11 == 10 { 1 } else { sum % 11 };
    let county = d[7] * 10 + d[8];
    let known = matches!(county, 1..=48 | 51 | 52 | 70 | 80..=83);
    Check::confirmed_if(d[0] != 0 && short_date(&d[1..]) && known && check == d[12])
}

/// Bulgarian civil number: date with 20 or 40 added to the month, mod 11.
pub(super) fn bg_egn(value: &str) -> Check {
    let Some(d) = exactly::<10>(value) else { return Check::Refuted };
    let month = (d[2] * 10 + d[3]) % 20;
    let date = is_date(2000 + d[0] * 10 + d[1], month, d[4] * 10 + d[5]);
    let sum = weighted(&d, &[2, 4, 8, 5, 10, 9, 7, 3, 6]);
    Check::confirmed_if(date && sum % 11 % 10 == d[9])
}

/// Croatian personal number: mod 11,10.
pub(super) fn hr_oib(value: &str) -> Check {
    let Some(d) = exactly::<11>(value) else { return Check::Refuted };
    Check::confirmed_if(mod_11_10(&d) && !one_digit(&d))
}

/// Citizen number of the states of former Yugoslavia: date, mod 11.
pub(super) fn jmbg(value: &str) -> Check {
    let Some(d) = exactly::<13>(value) else { return Check::Refuted };
    let sum = weighted(&d, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]);
    let check = match 11 - sum % 11 {
        10 | 11 => 0,
        check => check,
    };
    let year = 1000 + d[4] * 100 + d[5] * 10 + d[6];
    let year = if year < 1800 { year + 1000 } else { year };
    Check::confirmed_if(is_date(year, d[2] * 10 + d[3], d[0] * 10 + d[1]) && check == d[12])
}

/// Slovenian tax number: mod 11.
pub(super) fn si_tax(value: &str) -> Check {
    let Some(d) = exactly::<8>(value) else { return Check::Refuted };
    let sum = weighted(&d, &[8, 7, 6, 5, 4, 3, 2]);
    Check::confirmed_if(d[0] != 0 && (11 - sum % 11) % 11 % 10 == d[7] && !sum.is_multiple_of(11))
}

/// Estonian or Lithuanian personal code: century and sex, date, mod 11 with a second set of weights.
pub(super) fn baltic_code(value: &str) -> Check {
    let Some(d) = exactly::<11>(value) else { return Check::Refuted };
    let check = match weighted(&d, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11 {
        10 => weighted(&d, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11 % 10,
        check => check,
    };
    Check::confirmed_if(matches!(d[0], 1..=8) && short_date(&d[1..]) && check == d[10])
}

/// Latvian personal code: weights mod 11; codes from 32 carry no date.
pub(super) fn lv_code(value: &str) -> Check {
    let Some(d) = exactly::<11>(value) else { return Check::Refuted };
    let sum = weighted(&d, &[10, 5, 8, 4, 2, 1, 6, 3, 7, 9]);
    let date = is_date(2000 + d[4] * 10 + d[5], d[2] * 10 + d[3], d[0] * 10 + d[1]);
    let new = d[0] == 3 && d[1] >= 2;
    Check::confirmed_if((date || new) && (1 + sum) % 11 % 10 == d[10])
}

/// Hungarian tax number of a person: begins with 8, weights 1 to 9 mod 11.
pub(super) fn hu_tax(value: &str) -> Check {
    let Some(d) = exactly::<10>(value) else { return Check::Refuted };
    let sum = weighted(&d, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    Check::confirmed_if(d[0] == 8 && sum % 11 == d[9])
}

/// Hungarian social insurance number: weights 3 and 7.
pub(super) fn hu_taj(value: &str) -> Check {
    let Some(d) = exactly::<9>(value) else { return Check::Refuted };
    let sum = weighted(&d, &[3, 7, 3, 7, 3, 7, 3, 7]);
    Check::confirmed_if(sum % 10 == d[8] && !one_digit(&d))
}

/// Russian tax number: one check digit in ten, or two in twelve.
pub(super) fn ru_inn(value: &str) -> Check {
    const WEIGHTS: [u32; 11] = [3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8];
    let d = digits(value);
    let check = |n: usize| weighted(&d[..n], &WEIGHTS[11 - n..]) % 11 % 10;
    let holds = match d.len() {
        10 => check(9) == d[9],
        12 => check(10) == d[10] && check(11) == d[11],
        _ => false,
    };
    Check::confirmed_if(holds && !one_digit(&d))
}

/// Russian pension insurance number: the weighted sum mod 101 in two digits.
pub(super) fn ru_snils(value: &str) -> Check {
    let Some(d) = exactly::<11>(value) else { return Check::Refuted };
    let sum = weighted(&d, &[9, 8, 7, 6, 5, 4, 3, 2, 1]) % 101 % 100;
    Check::confirmed_if(sum == d[9] * 10 + d[10] && !one_digit(&d))
}

/// Ukrainian tax number: weights with a negative one, mod 11.
pub(super) fn ua_tax(value: &str) -> Check {
    let Some(d) = exactly::<10>(value) else { return Check::Refuted };
    // −1 is 10 modulo 11.
    let sum = weighted(&d, &[10, 5, 7, 9, 4, 6, 10, 5, 7]);
    Check::confirmed_if(sum % 11 % 10 == d[9] && !one_digit(&d))
}

/// Vehicle identification number (ISO 3779): the ninth character checks those of North America;
/// others need not keep it.
pub(super) fn vin(value: &str) -> Check {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let text = compact(value);
    if text.len() != 17 {
        return Check::Refuted;
    }
    let value = |b: u8| match b {
        b'0'..=b'9' => rank(b),
        b'A'..=b'H' => u32::from(b - b'A') + 1,
        b'J'..=b'R' => u32::from(b - b'J') + 1,
        _ => u32::from(b.wrapping_sub(b'S')) + 2,
    };
    let sum: u32 = text.iter().zip(WEIGHTS).map(|(b, w)| value(*b) * w).sum();
    let check = if sum % 11 == 10 { b'X' } else { b'0' + (sum % 11) as u8 };
    let digits = text.iter().filter(|b| b.is_ascii_digit()).count();
    if text[8] == check && digits >= 4 {
        return Check::Confirmed;
    }
    Check::possible_if((5..=14).contains(&digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A check, a number that passes it, and one that does not.
    type Case = (fn(&str) -> Check, &'static str, &'static str);

    #[test]
    fn check_digits_hold_and_neighbours_fail() {
        let cases: [Case; 19] = [
            (pl_pesel, "44051401359", "44051401358"),
            (pl_nip, "123-456-32-18", "123-456-32-19"),
            (se_personnummer, "811228-9874", "811228-9875"),
            (se_organisation, "556703-7485", "556703-7486"),
            (fi_hetu, "131052-308T", "131052-308U"),
            (no_fodselsnummer, "15108695088", "15108695077"),
            (is_kennitala, "120174-3399", "120174-3389"),
            (cz_rodne_cislo, "710319/2745", "710319/2746"),
            (ro_cnp, "1630615123457", "1630615123458"),
            (bg_egn, "7523169263", "7523169264"),
            (hr_oib, "33392005961", "33392005962"),
            (jmbg, "0101006500006", "0101006500007"),
            (baltic_code, "37605030299", "37605030298"),
            (lv_code, "161175-19997", "161175-19998"),
            (hu_tax, "8071592153", "8071592154"),
            (ru_inn, "7707083893", "7707083894"),
            (ru_snils, "112-233-445 95", "112-233-445 96"),
            (ua_tax, "1759013776", "1759013777"),
            (si_tax, "15012557", "15012558"),
        ];
        for (check, good, bad) in cases {
            assert_eq!((check(good), check(bad)), (Check::Confirmed, Check::Refuted), "{good}");
        }
        assert_eq!(vin("1HGCM82633A004352"), Check::Confirmed);
        assert_eq!(dk_cpr("070761-4285"), Check::Confirmed);
    }
}
