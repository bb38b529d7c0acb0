//! Points in time as JSON clients write them.

use exhibit_model::{Json, Nanos};

/// Reads RFC 3339 text or a number since the Unix epoch, whose unit follows from its magnitude:
/// seconds below 1e11, milliseconds below 1e14, microseconds below 1e17, nanoseconds above.
pub(crate) fn read(value: &Json) -> Result<Nanos, &'static str> {
    const REASON: &str = "must be an RFC 3339 time such as \"2026-11-21T02:00:00Z\" or a number \
                          since the Unix epoch (s, ms, µs or ns)";
    match value {
        Json::String(text) => {
            if let Some(nanos) = Nanos::parse_rfc3339(text) {
                return Ok(nanos);
            }
            if let Ok(whole) = text.trim().parse::<i64>() {
                return whole_number(whole).ok_or(REASON);
            }
            text.trim().parse::<f64>().ok().and_then(fraction).ok_or(REASON)
        }
        Json::Number(number) => match number.as_i64() {
            Some(whole) => whole_number(whole).ok_or(REASON),
            None => number.as_f64().and_then(fraction).ok_or(REASON),
        },
        _ => Err(REASON),
    }
}

fn unit(magnitude: f64) -> i64 {
    if magnitude < 1e11 {
        1_000_000_000
    } else if magnitude < 1e14 {
        1_000_000
    } else if magnitude < 1e17 {
        1_000
    } else {
        1
    }
}

fn whole_number(number: i64) -> Option<Nanos> {
    number.checked_mul(unit((number as f64).abs())).map(Nanos)
}

fn fraction(number: f64) -> Option<Nanos> {
    let nanos = number * unit(number.abs()) as f64;
    (nanos.is_finite() && nanos.abs() < 9.2e18).then_some(Nanos(nanos as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_unit_of_a_number_follows_from_its_magnitude() {
        let expected = Nanos(1_800_000_000_000_000_000);
        for value in [
            json!(1_800_000_000),
            json!(1_800_000_000_000i64),
            json!(1_800_000_000_000_000i64),
            json!(1_800_000_000_000_000_000i64),
            json!("1800000000"),
            json!(1_800_000_000.0),
            json!("2027-01-15T08:00:00Z"),
            json!("2027-01-15T08:00:00"),
        ] {
            assert_eq!(read(&value), Ok(expected), "{value}");
        }
        for value in [json!("soon"), json!(true), json!(1e300), json!("NaN"), json!("inf")] {
            assert!(read(&value).is_err(), "{value}");
        }
    }
}
