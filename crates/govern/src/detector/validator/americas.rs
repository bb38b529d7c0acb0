//! Numbers of the Americas.

use super::{
    Check,
    checksum::{compact, exactly, is_date, luhn, one_digit, rank, weighted},
    digits,
};

/// ABA routing number: federal reserve district, then weights 3, 7, 1.
pub(super) fn aba(value: &str) -> Check {
    let Some(d) = exactly::<9>(value) else { return Check::Refuted };
    let district = d[0] * 10 + d[1];
    let known = matches!(district, 0..=12 | 21..=32 | 61..=72 | 80);
    let sum = weighted(&d, &[3, 7, 1, 3, 7, 1, 3, 7, 1]);
    Check::confirmed_if(known && sum.is_multiple_of(10) && !one_digit(&d))
}

/// US individual taxpayer number: 9xx, and the groups that are issued.
pub(super) fn us_itin(value: &str) -> Check {
    let Some(d) = exactly::<9>(value) else { return Check::Refuted };
    let group = d[3] * 10 + d[4];
    Check::possible_if(d[0] == 9 && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99))
}

/// US national provider identifier: Luhn over the number with the prefix 80840 (45 CFR 162.406).
pub(super) fn us_npi(value: &str) -> Check {
    let Some(d) = exactly::<10>(value) else { return Check::Refuted };
    let full: Vec<u32> = [8, 0, 8, 4, 0].into_iter().chain(d).collect();
    Check::confirmed_if(matches!(d[0], 1 | 2) && luhn(&full) && !one_digit(&d[1..]))
}

/// DEA registration of a prescriber: the last digit of a weighted sum.
pub(super) fn us_dea(value: &str) -> Check {
    let Some(d) = exactly::<7>(value) else { return Check::Refuted };
    let sum = weighted(&d, &[1, 2, 1, 2, 1, 2]);
    Check::confirmed_if(sum % 10 == d[6])
}

/// Canadian social insurance number: Luhn; 0 and 8 are not given to people.
pub(super) fn ca_sin(value: &str) -> Check {
    let Some(d) = exactly::<9>(value) else { return Check::Refuted };
    Check::confirmed_if(!matches!(d[0], 0 | 8) && luhn(&d) && !one_digit(&d) && alike(value))
}

/// Whether all separators are the same character.
pub(super) fn alike(value: &str) -> bool {
    let mut separators = value.bytes().filter(|b| !b.is_ascii_alphanumeric());
    let first = separators.next();
    separators.all(|b| Some(b) == first)
}

/// Brazilian natural person: two digits mod 11.
pub(super) fn br_cpf(value: &str) -> Check {
    let Some(d) = exactly::<11>(value) else { return Check::Refuted };
    let check = |n: usize| {
        let sum: u32 = (0..n).map(|i| d[i] * (n as u32 + 1 - i as u32)).sum();
        sum * 10 % 11 % 10
    };
    Check::confirmed_if(!one_digit(&d) && check(9) == d[9] && check(10) == d[10])
}

/// Brazilian company, of digits or of letters and digits (from 2026): two digits mod 11.
pub(super) fn br_cnpj(value: &str) -> Check {
    let text = compact(value);
    if text.len() != 14 {
        return Check::Refuted;
    }
    let d: Vec<u32> = text.iter().map(|b| u32::from(b - b'0')).collect();
    let weights = [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2];
    let check = |n: usize| match weighted(&d[..n], &weights[13 - n..]) % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    };
    Check::confirmed_if(!one_digit(&d) && check(12) == d[12] && check(13) == d[13])
}

/// Argentine tax and labour number: kind, then mod 11.
pub(super) fn ar_cuit(value: &str) -> Check {
    let Some(d) = exactly::<11>(value) else { return Check::Refuted };
    let kind = d[0] * 10 + d[1];
    let sum = weighted(&d, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]);
    let check = match 11 - sum % 11 {
        11 => 0,
        10 => 9,
        check => check,
    };
    Check::confirmed_if(matches!(kind, 20 | 23 | 24 | 27 | 30 | 33 | 34) && check == d[10])
}

/// Chilean number: mod 11 with K for ten.
pub(super) fn cl_rut(value: &str) -> Check {
    let text = compact(value);
    let Some((check, body)) = text.split_last() else { return Check::Refuted };
    if !(7..=8).contains(&body.len()) || !body.iter().all(u8::is_ascii_digit) {
        return Check::Refuted;
    }
    let sum: u32 = body.iter().rev().zip([2, 3, 4, 5, 6, 7, 2, 3]).map(|(b, w)| rank(*b) * w).sum();
    let expected = match 11 - sum % 11 {
        11 => b'0',
        10 => b'K',
        digit => b'0' + digit as u8,
    };
    Check::confirmed_if(*check == expected)
}

/// Mexican population key: date, sex, state, and a digit mod 10 over an alphabet with Ñ.
pub(super) fn mx_curp(value: &str) -> Check {
    let text = compact(value);
    if text.len() != 18 {
        return Check::Refuted;
    }
    let number = |at: usize| rank(text[at]) * 10 + rank(text[at + 1]);
    // Ñ stands between N and O, so that what follows counts for one more.
    let value = |b: u8| rank(b) + u32::from(b > b'N');
    let sum: u32 = text[..17].iter().zip((2..=18).rev()).map(|(b, w)| value(*b) * w).sum();
    let check = (10 - sum % 10) % 10;
    let date = is_date(2000 + number(4), number(6), number(8));
    Check::confirmed_if(date && u32::from(text[17].wrapping_sub(b'0')) == check)
}

/// Mexican tax number: date, and a character mod 11.
pub(super) fn mx_rfc(value: &str) -> Check {
    let text = compact(value);
    let Some(at) = text.len().checked_sub(9).filter(|at| matches!(at, 3 | 4)) else {
        return Check::Refuted;
    };
    let number = |at: usize| rank(text[at]) * 10 + rank(text[at + 1]);
    if !is_date(2000 + number(at), number(at + 2), number(at + 4)) {
        return Check::Refuted;
    }
    let value = |b: u8| rank(b) + u32::from(b > b'N');
    // Companies have three letters: a blank, which counts for 37, stands before them.
    let blank = if at == 3 { 37 * 13 } else { 0 };
    let last = text.len() - 1;
    let body = text[..last].iter().rev().zip(2..);
    let sum: u32 = blank + body.map(|(b, w)| value(*b) * w).sum::<u32>();
    let check = match 11 - sum % 11 {
        11 => b'0',
        10 => b'A',
        digit => b'0' + digit as u8,
    };
    if text[last] == check { Check::Confirmed } else { Check::Possible }
}

/// Colombian tax number: mod 11 over primes.
pub(super) fn co_nit(value: &str) -> Check {
    let d = digits(value);
    let Some((check, body)) = d.split_last() else { return Check::Refuted };
    let weights = [3, 7, 13, 17, 19, 23, 29, 37, 41, 43, 47, 53, 59, 67, 71];
    let sum: u32 = body.iter().rev().zip(weights).map(|(d, w)| d * w).sum();
    let expected = match sum % 11 {
        rest @ (0 | 1) => rest,
        rest => 11 - rest,
    };
    Check::confirmed_if((9..=10).contains(&d.len()) && *check == expected)
}

/// Ecuadorian identity card: province, then Luhn.
pub(super) fn ec_cedula(value: &str) -> Check {
    let Some(d) = exactly::<10>(value) else { return Check::Refuted };
    let province = d[0] * 10 + d[1];
    Check::confirmed_if(matches!(province, 1..=24 | 30) && d[2] < 6 && luhn(&d))
}

/// Peruvian tax number: kind, then mod 11.
pub(super) fn pe_ruc(value: &str) -> Check {
    let Some(d) = exactly::<11>(value) else { return Check::Refuted };
    let sum = weighted(&d, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]);
    let kind = matches!(d[0] * 10 + d[1], 10 | 15 | 17 | 20);
    Check::confirmed_if(kind && (11 - sum % 11) % 10 == d[10])
}

/// Uruguayan identity card: weights 2, 9, 8, 7, 6, 3, 4.
pub(super) fn uy_ci(value: &str) -> Check {
    let Some(d) = exactly::<8>(value) else { return Check::Refuted };
    let sum = weighted(&d, &[2, 9, 8, 7, 6, 3, 4]);
    Check::confirmed_if((10 - sum % 10) % 10 == d[7] && !one_digit(&d))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A check, a number that passes it, and one that does not.
    type Case = (fn(&str) -> Check, &'static str, &'static str);

    #[test]
    fn check_digits_of_the_americas_hold_and_neighbours_fail() {
        let cases: [Case; 9] = [
            (aba, "021000021", "021000022"),
            (us_npi, "1234567893", "1234567894"),
            (us_dea, "AB1234563", "AB1234564"),
            (ca_sin, "130 692 544", "130 692 545"),
            (br_cpf, "529.982.247-25", "529.982.247-26"),
            (br_cnpj, "11.222.333/0001-81", "11.222.333/0001-82"),
            (ar_cuit, "20-05536168-2", "20-05536168-3"),
            (cl_rut, "12.531.909-2", "12.531.909-3"),
            (mx_curp, "BOXW310820HNERXN09", "BOXW310820HNERXN08"),
        ];
        for (check, good, bad) in cases {
            assert_eq!((check(good), check(bad)), (Check::Confirmed, Check::Refuted), "{good}");
        }
    }
}
