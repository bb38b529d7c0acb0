//! Numbers of Asia, Africa and Oceania.

use super::{
    Check,
    checksum::{compact, exactly, is_date, luhn, one_digit, rank, short_date, verhoeff, weighted},
};

/// Indian Aadhaar: Verhoeff; never begins with 0 or 1, never reads the same from behind.
pub(super) fn in_aadhaar(value: &str) -> Check {
    let Some(d) = exactly::<12>(value) else { return Check::Refuted };
    let mirrored = (0..6).all(|n| d[n] == d[11 - n]);
    Check::confirmed_if(d[0] >= 2 && !mirrored && verhoeff(&d))
}

/// Indian goods and services tax number: state, tax number of the holder, entity, Z, check character.
pub(super) fn in_gstin(value: &str) -> Check {
    let text = compact(value);
    if text.len() != 15 {
        return Check::Refuted;
    }
    let state = rank(text[0]) * 10 + rank(text[1]);
    Check::confirmed_if((1..=37).contains(&state) && text[13] == b'Z')
}

/// Codes of Indian states and territories on number plates.
pub(super) fn in_vehicle(value: &str) -> Check {
    const STATES: &str = "AN AP AR AS BH BR CH CG DD DL DN GA GJ HP HR JH JK KA KL LA LD MH ML MN MP MZ NL OD OR PB PY RJ SK TN TR TS TG UA UK UP WB";
    let text = compact(value);
    let state = text.get(..2).and_then(|code| std::str::from_utf8(code).ok()).unwrap_or("-");
    let known = STATES.split(' ').any(|s| s == state);
    let parts = text.len() >= 8 && text[2].is_ascii_digit();
    if known && parts { Check::Confirmed } else { Check::Possible }
}

/// Korean resident (sex digit 1–4, 9, 0) or foreigner (5–8) number: a date, and a digit that numbers
/// given since October 2020 no longer carry.
pub(super) fn kr_rrn(value: &str) -> Check {
    let Some(d) = exactly::<13>(value) else { return Check::Refuted };
    if !short_date(&d) {
        return Check::Refuted;
    }
    let sum = weighted(&d, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
    let offset = if matches!(d[6], 5..=8) { 13 } else { 11 };
    if (offset - sum % 11) % 10 == d[12] { Check::Confirmed } else { Check::Possible }
}

/// Korean business registration.
pub(super) fn kr_brn(value: &str) -> Check {
    let Some(d) = exactly::<10>(value) else { return Check::Refuted };
    let sum = weighted(&d, &[1, 3, 7, 1, 3, 7, 1, 3, 5]) + d[8] * 5 / 10;
    Check::confirmed_if((10 - sum % 10) % 10 == d[9] && !one_digit(&d))
}

/// Thai identity card: province of registration, then mod 11.
pub(super) fn th_tnin(value: &str) -> Check {
    let Some(d) = exactly::<13>(value) else { return Check::Refuted };
    let province = d[1] * 10 + d[2];
    let known = matches!(province, 10..=27 | 30..=58 | 60..=67 | 70..=77 | 80..=86 | 90..=96);
    let sum = weighted(&d, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    Check::confirmed_if(matches!(d[0], 1..=8) && known && (11 - sum % 11) % 10 == d[12])
}

/// Singaporean identity or foreigner number; the check letter confirms it.
pub(super) fn sg_nric(value: &str) -> Check {
    let text = compact(value);
    let Some(d) = exactly::<7>(value).filter(|_| text.len() == 9) else { return Check::Refuted };
    let sum = weighted(&d, &[2, 7, 6, 5, 4, 3, 2]);
    let (letters, offset) = match text[0] {
        b'S' => (b"JZIHGFEDCBA", 0),
        b'T' => (b"JZIHGFEDCBA", 4),
        b'F' => (b"XWUTRQPNMLK", 0),
        b'G' => (b"XWUTRQPNMLK", 4),
        b'M' => (b"KLJNPQRTUWX", 3),
        _ => return Check::Refuted,
    };
    let mut at = ((sum + offset) % 11) as usize;
    if text[0] == b'M' {
        at = 10 - at;
    }
    if letters[at] == text[8] { Check::Confirmed } else { Check::Possible }
}

/// Singaporean entity: a business, a local company, or another.
pub(super) fn sg_uen(value: &str) -> Check {
    let text = compact(value);
    let ranks = |alphabet: &[u8]| -> Option<Vec<u32>> {
        let place = |b: &u8| alphabet.iter().position(|a| a == b).map(|n| n as u32);
        text.iter().map(place).collect()
    };
    let expected = match text.len() {
        9 => {
            let Some(d) = exactly::<8>(value) else { return Check::Refuted };
            let sum = weighted(&d, &[10, 4, 9, 3, 8, 2, 7, 1]);
            b"XMKECAWLJDB"[(sum % 11) as usize]
        }
        10 if text[0].is_ascii_digit() => {
            let Some(d) = exactly::<9>(value) else { return Check::Refuted };
            let sum = weighted(&d, &[10, 8, 6, 4, 9, 7, 5, 3, 1]);
            b"ZKCMDNERGWH"[(sum % 11) as usize]
        }
        10 => {
            const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWX0123456789";
            let Some(d) = ranks(ALPHABET) else { return Check::Refuted };
            let sum = weighted(&d[..9], &[4, 3, 5, 3, 10, 2, 2, 5, 7]);
            ALPHABET[((sum + 11 - 5) % 11) as usize]
        }
        _ => return Check::Refuted,
    };
    Check::confirmed_if(text.last() == Some(&expected))
}

/// Chinese resident identity (GB 11643): date, and ISO 7064 mod 11-2 with X for ten.
pub(super) fn cn_ric(value: &str) -> Check {
    let text = compact(value);
    if text.len() != 18 {
        return Check::Refuted;
    }
    let d: Vec<u32> = text.iter().map(|b| rank(*b)).collect();
    let date = is_date(
        d[6] * 1000 + d[7] * 100 + d[8] * 10 + d[9],
        d[10] * 10 + d[11],
        d[12] * 10 + d[13],
    );
    let sum = weighted(&d[..17], &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
    let check = (12 - sum % 11) % 11;
    let last = if text[17] == b'X' { 10 } else { d[17] };
    let area = matches!(d[0] * 10 + d[1], 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83 | 91);
    Check::confirmed_if(area && date && matches!(d[8] + d[6], 0..=18) && check == last)
}

/// Japanese individual number: weights 6 to 2 and 7 to 2, mod 11.
pub(super) fn jp_my_number(value: &str) -> Check {
    let Some(d) = exactly::<12>(value) else { return Check::Refuted };
    let rest = weighted(&d, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    let check = if rest <= 1 { 0 } else { 11 - rest };
    Check::confirmed_if(check == d[11] && !one_digit(&d))
}

/// Taiwanese identity or resident number: a letter that counts as two digits, then mod 10.
pub(super) fn tw_id(value: &str) -> Check {
    let text = compact(value);
    let Some(letter) = text.first().filter(|_| text.len() == 10) else { return Check::Refuted };
    let Some(code) = b"ABCDEFGHJKLMNPQRSTUVXYWZIO".iter().position(|l| l == letter) else {
        return Check::Refuted;
    };
    let code = code as u32 + 10;
    let d: Vec<u32> = text[1..].iter().map(|b| rank(*b)).collect();
    let sum = code / 10 + code % 10 * 9 + weighted(&d, &[8, 7, 6, 5, 4, 3, 2, 1, 1]);
    Check::confirmed_if(matches!(d[0], 1 | 2 | 8 | 9) && sum.is_multiple_of(10))
}

/// Hong Kong identity card: mod 11 over one or two letters and six digits.
pub(super) fn hk_id(value: &str) -> Check {
    let text = compact(value);
    let Some((last, body)) = text.split_last().filter(|(_, body)| matches!(body.len(), 7 | 8))
    else {
        return Check::Refuted;
    };
    let blank = if body.len() == 7 { 36 * 9 } else { 0 };
    let sum: u32 = blank + body.iter().rev().zip(2..).map(|(b, w)| rank(*b) * w).sum::<u32>();
    let check = match (11 - sum % 11) % 11 {
        10 => b'A',
        digit => b'0' + digit as u8,
    };
    Check::confirmed_if(*last == check)
}

/// Nigerian identity number: Verhoeff.
pub(super) fn ng_nin(value: &str) -> Check {
    let Some(d) = exactly::<11>(value) else { return Check::Refuted };
    Check::confirmed_if(verhoeff(&d) && !one_digit(&d))
}

/// South African identity number: date, citizenship, Luhn.
pub(super) fn za_id(value: &str) -> Check {
    let Some(d) = exactly::<13>(value) else { return Check::Refuted };
    Check::confirmed_if(short_date(&d) && d[10] <= 2 && luhn(&d))
}

/// Philippine tax number: its first nine digits carry a digit mod 11.
pub(super) fn ph_tin(value: &str) -> Check {
    let d = super::digits(value);
    if !matches!(d.len(), 9 | 12..=14) {
        return Check::Refuted;
    }
    let sum = weighted(&d[..8], &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    Check::possible_if(sum % 10 == d[8] && !one_digit(&d[..9]))
}

/// Indonesian citizen: date with 40 added to the day of women.
pub(super) fn id_nik(value: &str) -> Check {
    let Some(d) = exactly::<16>(value) else { return Check::Refuted };
    let day = match d[6] * 10 + d[7] {
        day @ 41.. => day - 40,
        day => day,
    };
    let province = d[0] * 10 + d[1];
    let date = is_date(2000 + d[10] * 10 + d[11], d[8] * 10 + d[9], day);
    Check::possible_if(date && (11..=97).contains(&province))
}

/// Malaysian identity card: date and place of birth.
pub(super) fn my_nric(value: &str) -> Check {
    let Some(d) = exactly::<12>(value) else { return Check::Refuted };
    let place = d[6] * 10 + d[7];
    Check::possible_if(
        short_date(&d) && !matches!(place, 0 | 17..=20 | 69 | 70 | 73 | 80 | 81 | 94..=97),
    )
}

/// Israeli identity number: Luhn over nine digits.
pub(super) fn il_id(value: &str) -> Check {
    let Some(d) = exactly::<9>(value) else { return Check::Refuted };
    Check::confirmed_if(luhn(&d) && !one_digit(&d))
}

/// Emirates identity number: begins with 784, Luhn.
pub(super) fn ae_id(value: &str) -> Check {
    let Some(d) = exactly::<15>(value) else { return Check::Refuted };
    Check::confirmed_if(d[..3] == [7, 8, 4] && luhn(&d))
}

/// Saudi identity number: citizens 1, residents 2, Luhn.
pub(super) fn sa_id(value: &str) -> Check {
    let Some(d) = exactly::<10>(value) else { return Check::Refuted };
    Check::confirmed_if(matches!(d[0], 1 | 2) && luhn(&d))
}

/// Australian business number: mod 89 after one is taken from the first digit.
pub(super) fn au_abn(value: &str) -> Check {
    let Some(mut d) = exactly::<11>(value) else { return Check::Refuted };
    if d[0] == 0 {
        return Check::Refuted;
    }
    d[0] -= 1;
    let sum = weighted(&d, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
    Check::confirmed_if(sum.is_multiple_of(89))
}

/// Australian company number.
pub(super) fn au_acn(value: &str) -> Check {
    let Some(d) = exactly::<9>(value) else { return Check::Refuted };
    let sum = weighted(&d, &[8, 7, 6, 5, 4, 3, 2, 1]);
    Check::confirmed_if((10 - sum % 10) % 10 == d[8])
}

/// Australian tax file number: mod 11.
pub(super) fn au_tfn(value: &str) -> Check {
    let Some(d) = exactly::<9>(value) else { return Check::Refuted };
    let sum = weighted(&d, &[1, 4, 3, 7, 5, 8, 6, 9, 10]);
    Check::confirmed_if(sum.is_multiple_of(11) && !one_digit(&d))
}

/// Australian Medicare card: the ninth digit checks the first eight.
pub(super) fn au_medicare(value: &str) -> Check {
    let d = super::digits(value);
    let sum = weighted(&d[..d.len().min(8)], &[1, 3, 7, 9, 1, 3, 7, 9]);
    let length = matches!(d.len(), 10 | 11);
    Check::confirmed_if(length && matches!(d[0], 2..=6) && sum % 10 == d[8])
}

/// New Zealand tax number: mod 11 with a second set of weights.
pub(super) fn nz_ird(value: &str) -> Check {
    let mut d = super::digits(value);
    if !matches!(d.len(), 8 | 9) {
        return Check::Refuted;
    }
    if d.len() == 8 {
        d.insert(0, 0);
    }
    let all = super::checksum::number(&d);
    let check = |weights: &[u32]| (11 - weighted(&d[..8], weights) % 11) % 11;
    let first = check(&[3, 2, 7, 6, 5, 4, 3, 2]);
    let digit = if first == 10 { check(&[7, 4, 3, 2, 5, 2, 7, 6]) } else { first };
    Check::confirmed_if((10_000_000..=150_000_000).contains(&all) && digit == d[8])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A check, a number that passes it, and one that does not.
    type Case = (fn(&str) -> Check, &'static str, &'static str);

    #[test]
    fn check_digits_hold_and_neighbours_fail() {
        let cases: [Case; 14] = [
            (in_aadhaar, "2341 2341 2346", "2341 2341 2347"),
            (cn_ric, "11010519491231002X", "110105194912310021"),
            (tw_id, "A123456789", "A123456788"),
            (hk_id, "G123456(A)", "G123456(B)"),
            (th_tnin, "1234567890121", "1234567890122"),
            (kr_brn, "116-82-00276", "116-82-00277"),
            (za_id, "8001015009087", "8001015009088"),
            (au_abn, "51 824 753 556", "51 824 753 557"),
            (au_acn, "004 085 616", "004 085 617"),
            (au_tfn, "123 456 782", "123 456 783"),
            (au_medicare, "2123 45670 1", "2123 45680 1"),
            (nz_ird, "49-091-850", "49-091-851"),
            (jp_my_number, "123456789018", "123456789019"),
            (sg_uen, "T16RF0037C", "T16RF0037D"),
        ];
        for (check, good, bad) in cases {
            assert_eq!((check(good), check(bad)), (Check::Confirmed, Check::Refuted), "{good}");
        }
        assert_eq!(sg_nric("S1234567D"), Check::Confirmed);
    }
}
