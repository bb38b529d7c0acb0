//! A rate: exact decimal dollars, held as an integer.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

/// Billionths of a millionth of a dollar, per token or per request: one US dollar per million tokens
/// is 1 000 000 000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, Hash)]
pub(crate) struct FemtoUsd(pub(crate) i64);

/// Femto-dollars per token in one dollar per million tokens.
const PER_MILLION: i64 = 1_000_000_000;
/// Decimal digits after the point that a rate may have.
const DECIMALS: usize = 9;
/// The dearest rate a file may state, in dollars; catches cents, or a rate per token, by mistake.
const RATE_USD_MAX: i64 = 1_000_000;

impl FemtoUsd {
    /// Femto-dollars from dollars as a float; none when negative, not finite or absurd. A value within
    /// rounding noise of nine decimals per million is taken as that decimal.
    pub(crate) fn from_usd(usd: f64) -> Option<Self> {
        let femto = usd * 1e15;
        if !femto.is_finite() || !(-0.5..9.0e18).contains(&femto) {
            return None;
        }
        let whole = femto.round() as i64;
        let nearest = (whole + 500) / 1_000 * 1_000;
        Some(Self(if (whole - nearest).abs() <= 2 { nearest } else { whole.max(0) }))
    }

    /// Reads decimal dollars per million; at most nine decimals, not negative.
    fn parse_per_million(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.starts_with('-') {
            return Err(format!("`{text}` is negative; a rate is zero or more US dollars"));
        }
        let shown = || format!("`{text}` is not a rate; write decimal US dollars such as 0.15");
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return Err(shown());
        }
        if fraction.trim_end_matches('0').len() > DECIMALS {
            return Err(format!("`{text}` has more than {DECIMALS} decimals"));
        }
        let dollars = whole.parse::<i64>().ok().filter(|d| *d <= RATE_USD_MAX);
        let dollars = dollars.ok_or_else(|| {
            format!("`{text}` is above {RATE_USD_MAX}; rates are US dollars per million tokens")
        })?;
        let fraction = fraction.get(..DECIMALS).unwrap_or(fraction);
        let parts = format!("{fraction:0<DECIMALS$}").parse::<i64>().map_err(|_| shown())?;
        Ok(Self(dollars * PER_MILLION + parts))
    }
}

/// Shows dollars per million, without trailing zeros.
impl fmt::Display for FemtoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:09}", self.0 / PER_MILLION, self.0 % PER_MILLION);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A rate as a file states it: dollars per million tokens, as a number or as decimal text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PerMillion(pub(crate) FemtoUsd);

/// A charge as a file states it: dollars per thousand requests or searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PerThousand(pub(crate) FemtoUsd);

impl<'de> Deserialize<'de> for PerMillion {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(RateVisitor).map(Self)
    }
}

impl<'de> Deserialize<'de> for PerThousand {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let per_million = d.deserialize_any(RateVisitor)?;
        let femto = per_million.0.checked_mul(1_000);
        femto.map(|f| Self(FemtoUsd(f))).ok_or_else(|| de::Error::custom("charge is too large"))
    }
}

struct RateVisitor;

impl de::Visitor<'_> for RateVisitor {
    type Value = FemtoUsd;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rate in US dollars, zero or more")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<FemtoUsd, E> {
        if !value.is_finite() {
            return Err(E::custom("a rate must be a finite number"));
        }
        self.visit_str(&value.to_string())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<FemtoUsd, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<FemtoUsd, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<FemtoUsd, E> {
        FemtoUsd::parse_per_million(text).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_rates_are_exact_and_shown_as_written() {
        for text in ["0.15", "2.5", "0.000000001", "1000000", "0"] {
            assert_eq!(FemtoUsd::parse_per_million(text).unwrap().to_string(), text);
        }
        assert_eq!(FemtoUsd::parse_per_million("0.150").unwrap(), FemtoUsd(150_000_000));
    }

    #[test]
    fn what_is_not_a_rate_is_refused() {
        for text in
            ["-1", "NaN", "1e3", "", ".5", "1.0000000001", "1000001", "9999999999999999999999"]
        {
            assert!(FemtoUsd::parse_per_million(text).is_err(), "{text}");
        }
    }

    #[test]
    fn float_noise_is_taken_as_the_decimal_it_stands_for() {
        assert_eq!(FemtoUsd::from_usd(1.039_999_999_999_999_8e-6), Some(FemtoUsd(1_040_000_000)));
        assert_eq!(FemtoUsd::from_usd(f64::NAN), None);
        assert_eq!(FemtoUsd::from_usd(-1.0), None);
    }
}
