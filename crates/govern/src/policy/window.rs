//! Lengths of time in rule files: `4h`, `1d`, `90m`, and the calendar's own.

use exhibit_model::Nanos;
use jiff::{Unit, tz::TimeZone};

/// Reads `30s`, `15m`, `4h`, `1d`, `2w`, `1.5h`, also joined (`1h30m`); nanoseconds.
pub(crate) fn duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.trim().strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.trim()),
    };
    if rest.is_empty() {
        return None;
    }
    let mut total = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ns" => 1.0,
            "us" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" | "min" => 60e9,
            "h" => 3_600e9,
            "d" => 86_400e9,
            "w" => 604_800e9,
            _ => return None,
        };
        total += number * unit;
        rest = &rest[letters..];
    }
    let total = if negative { -total } else { total };
    (total.abs() < 9.2e18).then_some(total.round() as i64)
}

/// The span of time over which a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The last so many nanoseconds.
    Sliding(i64),
    /// Since the hour began, UTC.
    Hour,
    /// Since midnight, UTC.
    Day,
    /// Since Monday, UTC.
    Week,
    /// Since the first of the month, UTC.
    Month,
}

impl Window {
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        Ok(match text {
            "hour" => Self::Hour,
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            text => match duration(text) {
                Some(n) if (30_000_000_000..=8_035_200_000_000_000).contains(&n) => {
                    Self::Sliding(n)
                }
                _ => {
                    return Err(format!(
                        "`{text}` is neither a time from 30s to 93d, such as 1d, nor hour, day, week, month"
                    ));
                }
            },
        })
    }

    /// When the window that ends at `now` begins.
    pub fn begin(self, now: Nanos) -> Nanos {
        if let Self::Sliding(length) = self {
            return Nanos(now.0.saturating_sub(length));
        }
        let Ok(stamp) = jiff::Timestamp::from_nanosecond(i128::from(now.0)) else { return now };
        let zoned = stamp.to_zoned(TimeZone::UTC);
        let begin = match self {
            Self::Hour => zoned
                .round(jiff::ZonedRound::new().smallest(Unit::Hour).mode(jiff::RoundMode::Trunc)),
            Self::Day => zoned.start_of_day(),
            Self::Week => {
                let back = i64::from(zoned.weekday().to_monday_zero_offset());
                zoned.start_of_day().and_then(|day| day.checked_sub(jiff::Span::new().days(back)))
            }
            _ => zoned.first_of_month().and_then(|day| day.start_of_day()),
        };
        let nanos = begin.map_or(i128::from(now.0), |z| z.timestamp().as_nanosecond());
        Nanos(i64::try_from(nanos).unwrap_or(now.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_nonsense_does_not() {
        assert_eq!(duration("4h"), Some(14_400_000_000_000));
        assert_eq!(duration("1h30m"), duration("1.5h"));
        assert_eq!(duration("-90d"), Some(-7_776_000_000_000_000));
        for wrong in ["", "h", "4", "4x", "1e9s", "999999999w", "4h!"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn calendar_windows_begin_where_the_calendar_says() {
        let now = Nanos::parse_rfc3339("2026-11-19T14:35:10Z").unwrap();
        let begins = |window: Window| window.begin(now).to_rfc3339();
        assert!(begins(Window::Hour).starts_with("2026-11-19T14:00:00"));
        assert!(begins(Window::Day).starts_with("2026-11-19T00:00:00"));
        assert!(begins(Window::Week).starts_with("2026-11-16T00:00:00"));
        assert!(begins(Window::Month).starts_with("2026-11-01T00:00:00"));
        assert_eq!(Window::Sliding(5).begin(now), Nanos(now.0 - 5));
    }
}
