//! Numbers of western and southern Europe, and of Türkiye.

use super::{
    Check,
    checksum::{
        compact, exactly, is_date, luhn, mod_11_10, number, one_digit, rank, verhoeff, weighted,
    },
    digits,
};

/// UK health service number: mod 11.
pub(super) fn uk_nhs(value: &str) -> Check {
    let Some(d) = exactly::<10>(value) else { return Check::Refuted };
    let sum = weighted(&d, &[10, 9, 8, 7, 6, 5, 4, 3, 2]);
    let check = (11 - sum % 11) % 11;
    Check::confirmed_if(check == d[9] && !one_digit(&d))
}

/// UK driving licence: five characters of the name, decade, month (50 more for women), day, year.
pub(super) fn uk_driving_licence(value: &str) -> Check {
    let text = compact(value);
    if text.len() != 16 || !text[0].is_ascii_uppercase() {
        return Check::Refuted;
    }
    let d: Vec<u32> = text[5..11].iter().map(|b| rank(*b)).collect();
    let month = (d[1] * 10 + d[2]) % 50;
    let day = d[3] * 10 + d[4];
    Check::possible_if(d.iter().all(|d| *d < 10) && is_date(2000, month, day) && d[1] % 5 < 2)
}

/// UK number plate of the kind used since 2001: the year mark is confirmed, one never issued refuted.
pub(super) fn uk_plate(value: &str) -> Check {
    let text = compact(value);
    let current = text.len() == 7
        && text[..2].iter().all(u8::is_ascii_uppercase)
        && text[2..4].iter().all(u8::is_ascii_digit);
    if !current {
        return Check::Possible;
    }
    let age = rank(text[2]) * 10 + rank(text[3]);
    Check::confirmed_if(matches!(age, 2..=29 | 51..=79))
}

/// Irish personal public service number: mod 23 with a letter for the check.
pub(super) fn ie_pps(value: &str) -> Check {
    let text = compact(value);
    let Some(d) = exactly::<7>(value).filter(|_| matches!(text.len(), 8 | 9)) else {
        return Check::Refuted;
    };
    let second = text.get(8).map_or(0, |b| if *b == b'W' { 0 } else { rank(*b) - 9 });
    let sum = weighted(&d, &[8, 7, 6, 5, 4, 3, 2]) + second * 9;
    Check::confirmed_if(b"WABCDEFGHIJKLMNOPQRSTUV"[(sum % 23) as usize] == text[7])
}

/// German identity card or passport: weights 7, 3, 1 over digits and letters.
pub(super) fn de_document(value: &str) -> Check {
    let text = compact(value);
    let Some((check, body)) = text.split_last() else { return Check::Refuted };
    let sum: u32 = body.iter().zip([7, 3, 1].iter().cycle()).map(|(b, w)| rank(*b) * w).sum();
    Check::confirmed_if(rank(*check) == sum % 10 && check.is_ascii_digit())
}

/// As [`de_document`], where older cards of `T` and eight digits carry no check digit.
pub(super) fn de_id_card(value: &str) -> Check {
    match de_document(value) {
        Check::Refuted => {
            let text = compact(value);
            let old = text[0] == b'T' && text[1..].iter().all(u8::is_ascii_digit);
            Check::possible_if(old && text.len() == 9)
        }
        check => check,
    }
}

/// German pension insurance number: area, date of birth, letter, serial, check digit.
pub(super) fn de_pension(value: &str) -> Check {
    let text = compact(value);
    if text.len() != 12 || !text[8].is_ascii_uppercase() {
        return Check::Refuted;
    }
    let letter = rank(text[8]) - 9;
    let mut d: Vec<u32> = text[..8].iter().map(|b| rank(*b)).collect();
    d.extend([letter / 10, letter % 10]);
    d.extend(text[9..11].iter().map(|b| rank(*b)));
    let cross = |n: u32| n / 10 + n % 10;
    let weights = [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1];
    let sum: u32 = d.iter().zip(weights).map(|(d, w)| cross(d * w)).sum();
    let day = d[2] * 10 + d[3];
    let date = is_date(2000, d[4] * 10 + d[5], day) || (51..=81).contains(&day);
    Check::confirmed_if(date && sum % 10 == rank(text[11]))
}

/// German health insurance number: a letter that counts as two digits, then 1, 2, 1, 2.
pub(super) fn de_health(value: &str) -> Check {
    let text = compact(value);
    if text.len() != 10 || !text[0].is_ascii_uppercase() {
        return Check::Refuted;
    }
    let letter = rank(text[0]) - 9;
    let mut d = vec![letter / 10, letter % 10];
    d.extend(text[1..9].iter().map(|b| rank(*b)));
    let cross = |n: u32| n / 10 + n % 10;
    let sum: u32 = d.iter().zip([1, 2].iter().cycle()).map(|(d, w)| cross(d * w)).sum();
    Check::confirmed_if(sum % 10 == rank(text[9]))
}

/// German physician: weights 4, 9 over six digits; two more name the field.
pub(super) fn de_lanr(value: &str) -> Check {
    let Some(d) = exactly::<9>(value) else { return Check::Refuted };
    let sum = weighted(&d, &[4, 9, 4, 9, 4, 9]);
    Check::confirmed_if((10 - sum % 10) % 10 == d[6])
}

/// German value-added tax number: mod 11,10.
pub(super) fn de_vat(value: &str) -> Check {
    let d = digits(value);
    Check::confirmed_if(d.len() == 9 && d[0] != 0 && mod_11_10(&d))
}

/// Number by the unified scheme of the German states: their keys are 1 to 16.
pub(super) fn de_tax_number(value: &str) -> Check {
    let d = digits(value);
    Check::possible_if(d.len() == 13 && (1..=16).contains(&(d[0] * 10 + d[1])) && !one_digit(&d))
}

/// French social insurance number: 97 minus the remainder; Corsica counts as 19 and 18.
pub(super) fn fr_nir(value: &str) -> Check {
    let text = compact(value);
    if text.len() != 15 {
        return Check::Refuted;
    }
    let d: Vec<u32> = text.iter().map(|b| if b.is_ascii_digit() { rank(*b) } else { 0 }).collect();
    let corsica = match text[6] {
        b'A' => 1_000_000,
        b'B' => 2_000_000,
        _ => 0,
    };
    let key = number(&d[13..]);
    let month = d[3] * 10 + d[4];
    let known = matches!(d[0], 1..=4 | 7 | 8) && matches!(month, 1..=12 | 20..=42 | 50..=99);
    Check::confirmed_if(known && 97 - (number(&d[..13]).wrapping_sub(corsica)) % 97 == key)
}

/// French establishment or company: Luhn.
pub(super) fn fr_siret(value: &str) -> Check {
    let d = digits(value);
    Check::confirmed_if(matches!(d.len(), 9 | 14) && luhn(&d) && !one_digit(&d))
}

/// French tax reference: the last three digits are the remainder by 511.
pub(super) fn fr_spi(value: &str) -> Check {
    let Some(d) = exactly::<13>(value) else { return Check::Refuted };
    Check::confirmed_if(d[0] <= 3 && number(&d[..10]) % 511 == number(&d[10..]))
}

/// Spanish tax number of a citizen (digits) or a foreigner (X, Y, Z): the remainder by 23 is a letter.
pub(super) fn es_nif(value: &str) -> Check {
    let text = compact(value);
    let Some((check, body)) = text.split_last() else { return Check::Refuted };
    let body = body.iter().enumerate().map(|(n, b)| match (n, b) {
        (0, b'X') => Some(0),
        (0, b'Y') => Some(1),
        (0, b'Z') => Some(2),
        (_, b) => char::from(*b).to_digit(10),
    });
    let Some(d) = body.collect::<Option<Vec<u32>>>() else { return Check::Refuted };
    let at = (number(&d) % 23) as usize;
    Check::confirmed_if((7..=8).contains(&d.len()) && b"TRWAGMYFPDXBNJZSQVHLCKE"[at] == *check)
}

/// Spanish company: Luhn, with a digit or a letter for the check.
pub(super) fn es_cif(value: &str) -> Check {
    let text = compact(value);
    let Some(d) = text.get(1..8).filter(|_| text.len() == 9) else { return Check::Refuted };
    let sum: u32 = d
        .iter()
        .enumerate()
        .map(|(n, b)| match (n % 2, rank(*b)) {
            (1, digit) => digit,
            (_, digit) => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    let check = ((10 - sum % 10) % 10) as usize;
    Check::confirmed_if(text[8] == b"JABCDEFGHI"[check] || text[8] == b"0123456789"[check])
}

/// Italian tax code: odd characters by table, even ones by rank, mod 26.
pub(super) fn it_fiscal_code(value: &str) -> Check {
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let text = compact(value);
    if text.len() != 16 {
        return Check::Refuted;
    }
    let place = |b: u8| if b.is_ascii_digit() { b - b'0' } else { b - b'A' };
    let sum: u32 = text[..15]
        .iter()
        .enumerate()
        .map(|(n, b)| match n % 2 {
            0 => ODD[usize::from(place(*b))],
            _ => u32::from(place(*b)),
        })
        .sum();
    Check::confirmed_if(u32::from(text[15].wrapping_sub(b'A')) == sum % 26)
}

/// Italian value-added tax number: Luhn.
pub(super) fn it_vat(value: &str) -> Check {
    let Some(d) = exactly::<11>(value) else { return Check::Refuted };
    Check::confirmed_if(luhn(&d) && !one_digit(&d) && number(&d[..7]) > 0)
}

/// Portuguese tax number: kind, then mod 11.
pub(super) fn pt_nif(value: &str) -> Check {
    let Some(d) = exactly::<9>(value) else { return Check::Refuted };
    let rest = weighted(&d, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    let check = if rest < 2 { 0 } else { 11 - rest };
    Check::confirmed_if(matches!(d[0], 1..=3 | 5..=9) && check == d[8])
}

/// Dutch citizen service number: weights 9 to 2 and −1, mod 11.
pub(super) fn nl_bsn(value: &str) -> Check {
    let Some(d) = exactly::<9>(value) else { return Check::Refuted };
    let sum = weighted(&d, &[9, 8, 7, 6, 5, 4, 3, 2]) + 11 - d[8];
    Check::confirmed_if(sum.is_multiple_of(11) && !one_digit(&d))
}

/// Belgian national number: 97 minus the remainder, with a 2 before those born from 2000.
pub(super) fn be_nrn(value: &str) -> Check {
    let Some(d) = exactly::<11>(value) else { return Check::Refuted };
    let (body, check) = (number(&d[..9]), number(&d[9..]));
    let month = d[2] * 10 + d[3];
    let holds = 97 - body % 97 == check || 97 - (2_000_000_000 + body) % 97 == check;
    Check::confirmed_if(holds && matches!(month, 0..=12 | 20..=32 | 40..=52))
}

/// Swiss insurance number: begins with 756, the check digit of EAN-13.
pub(super) fn ch_ahv(value: &str) -> Check {
    let Some(d) = exactly::<13>(value) else { return Check::Refuted };
    let sum = weighted(&d, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3]);
    Check::confirmed_if(d[..3] == [7, 5, 6] && (10 - sum % 10) % 10 == d[12])
}

/// Austrian insurance number: the fourth digit checks the others, which end in a date.
pub(super) fn at_svnr(value: &str) -> Check {
    let Some(d) = exactly::<10>(value) else { return Check::Refuted };
    let sum = weighted(&d, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]);
    let date = is_date(2000 + d[8] * 10 + d[9], (d[6] * 10 + d[7]).min(12), d[4] * 10 + d[5]);
    Check::confirmed_if(d[0] != 0 && date && sum % 11 == d[3])
}

/// Luxembourgish national number: date, then Luhn and Verhoeff.
pub(super) fn lu_nin(value: &str) -> Check {
    let Some(d) = exactly::<13>(value) else { return Check::Refuted };
    let year = number(&d[..4]) as u32;
    let date = is_date(year, d[4] * 10 + d[5], d[6] * 10 + d[7]);
    let mut other = d[..11].to_vec();
    other.push(d[12]);
    let holds = luhn(&d[..12]) && verhoeff(&other);
    Check::confirmed_if((1850..=2100).contains(&year) && date && holds)
}

/// Greek tax number: powers of two, mod 11.
pub(super) fn gr_afm(value: &str) -> Check {
    let Some(d) = exactly::<9>(value) else { return Check::Refuted };
    let sum = weighted(&d, &[256, 128, 64, 32, 16, 8, 4, 2]);
    Check::confirmed_if(sum % 11 % 10 == d[8] && !one_digit(&d))
}

/// Greek social insurance number: date, Luhn.
pub(super) fn gr_amka(value: &str) -> Check {
    let Some(d) = exactly::<11>(value) else { return Check::Refuted };
    let date = is_date(2000 + d[4] * 10 + d[5], d[2] * 10 + d[3], d[0] * 10 + d[1]);
    Check::confirmed_if(date && luhn(&d))
}

/// Turkish identity number: two check digits over odd and even places.
pub(super) fn tr_id(value: &str) -> Check {
    let Some(d) = exactly::<11>(value) else { return Check::Refuted };
    let odd: u32 = d[..9].iter().step_by(2).sum();
    let even: u32 = d[1..8].iter().step_by(2).sum();
    let tenth = (odd * 7 + 100 - even) % 10;
    let last = d[..10].iter().sum::<u32>() % 10;
    Check::confirmed_if(d[0] != 0 && tenth == d[9] && last == d[10])
}

/// Turkish plate: province 01 to 81, one to three letters, two to five digits by their count.
pub(super) fn tr_plate(value: &str) -> Check {
    let text = compact(value);
    let Some(rest) = text.get(2..) else { return Check::Refuted };
    let province = rank(text[0]) * 10 + rank(text[1]);
    let letters = rest.iter().take_while(|b| b.is_ascii_uppercase()).count();
    let fits = match (letters, rest.len() - letters) {
        (1, count) => matches!(count, 3..=5),
        (2, count) => matches!(count, 2..=4),
        (3, count) => matches!(count, 2 | 3),
        _ => false,
    };
    Check::confirmed_if((1..=81).contains(&province) && fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A check, a number that passes it, and one that does not.
    type Case = (fn(&str) -> Check, &'static str, &'static str);

    #[test]
    fn check_digits_hold_and_neighbours_fail() {
        let cases: [Case; 18] = [
            (uk_nhs, "943-476-5919", "943-476-5918"),
            (ie_pps, "6433435F", "6433435E"),
            (de_document, "L01X00T44", "L01X00T47"),
            (de_pension, "15070649C103", "15070649C104"),
            (de_health, "A123456780", "A123456781"),
            (de_vat, "DE136695976", "DE136695977"),
            (fr_nir, "2 95 10 99 126 111 93", "2 95 10 99 126 111 94"),
            (fr_siret, "732 829 320 00074", "732 829 320 00075"),
            (es_nif, "12345678Z", "12345678A"),
            (es_cif, "A58818501", "A58818502"),
            (it_fiscal_code, "RSSMRA85T10A562S", "RSSMRA85T10A562T"),
            (it_vat, "00743110157", "00743110158"),
            (pt_nif, "501 964 843", "501 964 844"),
            (nl_bsn, "111222333", "111222334"),
            (be_nrn, "85.07.30-033.28", "85.07.30-033.29"),
            (ch_ahv, "756.9217.0769.85", "756.9217.0769.84"),
            (at_svnr, "1237 010180", "1238 010180"),
            (tr_id, "10000000146", "10000000147"),
        ];
        for (check, good, bad) in cases {
            assert_eq!((check(good), check(bad)), (Check::Confirmed, Check::Refuted), "{good}");
        }
    }
}
