//! Durations and dates as people write them.

use exhibit_model::Nanos;
use jiff::{Span, SpanRelativeTo, Timestamp, Unit};

const SHAPE: &str = "write a duration such as 30s, 15m or 90d";

/// Milliseconds of a duration such as `30s`, `1h 30m` or `90d` (a day has 24 hours).
pub(crate) fn parse_duration_ms(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{}` is not a duration; {SHAPE}", text.trim());
    let span: Span = text.trim().parse().map_err(|_| wrong())?;
    let ms = span
        .total((Unit::Millisecond, SpanRelativeTo::days_are_24_hours()))
        .map_err(|_| wrong())?;
    if (0.0..9.0e15).contains(&ms) { Ok(ms.round() as u64) } else { Err(wrong()) }
}

/// The time a key stops working: a duration from `now`, or a date or stamp.
pub(crate) fn parse_expiry(text: &str, now: Nanos) -> Result<Nanos, String> {
    if let Ok(ms) = parse_duration_ms(text) {
        let ns = i64::try_from(ms).ok().and_then(|ms| ms.checked_mul(1_000_000));
        return ns
            .and_then(|ns| now.0.checked_add(ns))
            .map(Nanos)
            .ok_or_else(|| "the expiry lies too far in the future".to_owned());
    }
    let date = text.trim().parse::<jiff::civil::Date>().ok();
    let stamp = date
        .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok())
        .map(|zoned| zoned.timestamp())
        .or_else(|| text.trim().parse::<Timestamp>().ok());
    stamp
        .and_then(|stamp| i64::try_from(stamp.as_nanosecond()).ok())
        .map(Nanos)
        .ok_or_else(|| format!("`{}` is neither a duration nor a date; {SHAPE}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_days() {
        assert_eq!(parse_duration_ms("15m"), Ok(900_000));
        assert_eq!(parse_duration_ms(" 90d "), Ok(90 * 86_400_000));
        assert_eq!(parse_duration_ms("1h 30m"), Ok(5_400_000));
        assert_eq!(parse_duration_ms("250ms"), Ok(250));
        for wrong in ["", "soon", "-5m", "15", "99999999999d"] {
            assert!(parse_duration_ms(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_expiry_is_a_duration_or_a_date() {
        let now = Nanos(1_000_000_000);
        assert_eq!(parse_expiry("1s", now), Ok(Nanos(2_000_000_000)));
        assert_eq!(parse_expiry("1970-01-02", now), Ok(Nanos(86_400_000_000_000)));
        assert_eq!(parse_expiry("1970-01-01T00:00:05Z", now), Ok(Nanos(5_000_000_000)));
        assert!(parse_expiry("next week", now).is_err());
        assert!(parse_expiry("300000d", now).is_err());
    }
}
