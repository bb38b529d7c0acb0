//! Values: times, durations, amounts, counts. All exact; what does not fit is refused.

use exhibit_model::{NanoUsd, Nanos};

const SECOND: i128 = 1_000_000_000;
const DAY: i64 = 86_400_000_000_000;
/// Integers from here on are taken for nanoseconds since the epoch: anything smaller would be a
/// time in the first weeks of 1970, and is rather a mistaken unit.
const NANOS_MIN: i64 = 1_000_000_000_000_000;

/// A time, or the whole day that a date stands for.
pub(super) enum Moment {
    At(Nanos),
    Day(Nanos, Nanos),
}

/// RFC 3339, a date, `now`, an offset from now such as `-7d` or `now-90m`, or nanoseconds since the
/// epoch.
pub(super) fn moment(text: &str, now: Nanos) -> Option<Moment> {
    let offset = text.strip_prefix("now").unwrap_or(text);
    if offset.is_empty() {
        return (!text.is_empty()).then_some(Moment::At(now));
    }
    if offset.starts_with(['-', '+']) {
        let nanos = duration(offset, true)?;
        return Some(Moment::At(Nanos(now.0.checked_add(nanos)?)));
    }
    if let Ok(date) = text.parse::<jiff::civil::Date>()
        && text.len() == 10
    {
        let start = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_nanosecond();
        let start = i64::try_from(start).ok()?;
        return Some(Moment::Day(Nanos(start), Nanos(start.checked_add(DAY)?)));
    }
    if let Ok(nanos) = text.parse::<i64>() {
        return (nanos >= NANOS_MIN).then_some(Moment::At(Nanos(nanos)));
    }
    Nanos::parse_rfc3339(text).map(Moment::At)
}

/// A duration such as `1.5s`, `200ms`, `2m`; without a unit nanoseconds.
pub(super) fn latency(text: &str) -> Option<Nanos> {
    duration(text, false).map(Nanos)
}

fn duration(text: &str, unit_needed: bool) -> Option<i64> {
    let split = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = match unit {
        "" if !unit_needed => 1,
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" | "sec" => SECOND,
        "m" | "min" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        "d" => 86_400 * SECOND,
        "w" => 7 * 86_400 * SECOND,
        _ => return None,
    };
    scaled(number, unit)
}

/// US dollars, with or without the sign, to nine decimals.
pub(super) fn cost(text: &str) -> Option<NanoUsd> {
    scaled(text.strip_prefix('$').unwrap_or(text), SECOND).map(NanoUsd)
}

/// A whole number, with `_` allowed between digits.
pub(super) fn count(text: &str) -> Option<u64> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) || text.ends_with('_') {
        return None;
    }
    text.replace('_', "").parse().ok()
}

/// A decimal number times `unit`; none unless that is a whole number that fits.
fn scaled(number: &str, unit: i128) -> Option<i64> {
    let (negative, digits) = match number.as_bytes().first()? {
        b'-' => (true, &number[1..]),
        b'+' => (false, &number[1..]),
        _ => (false, number),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let numeric = |t: &str| t.len() <= 19 && t.bytes().all(|b| b.is_ascii_digit());
    if !numeric(whole) || !numeric(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let read = |t: &str| if t.is_empty() { Some(0) } else { t.parse::<i128>().ok() };
    let part = read(fraction)?.checked_mul(unit)?;
    let power = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    if part % power != 0 {
        return None;
    }
    let value = read(whole)?.checked_mul(unit)?.checked_add(part / power)?;
    i64::try_from(if negative { -value } else { value }).ok()
}
