//! When to try again: waits of our own choosing and the ones a provider asks for. Pure functions;
//! the clock and the dice are arguments.

use crate::options::RetryPolicy;
use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use std::time::Duration;

/// The wait before the attempt after `attempt` (1 is the first). Doubles each time up to the
/// policy's maximum; `dice` takes up to a half off, so that many clients do not come back at once.
pub(crate) fn backoff(policy: &RetryPolicy, attempt: u32, dice: u32) -> Duration {
    let doubled = policy.delay_base.saturating_mul(1_u32 << (attempt - 1).min(16));
    let full = doubled.min(policy.delay_max);
    full.mul_f64(1.0 - f64::from(dice) / f64::from(u32::MAX) / 2.0)
}

/// How long a provider asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date
/// (RFC 9110 section 10.2.3). A date is measured against the response's own `Date`, so that a
/// wrong local clock does no harm; `now` stands in where there is none.
pub(crate) fn asked_wait(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(millis) = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok()) {
        return duration(millis / 1000.0);
    }
    let asked = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = asked.parse::<f64>() {
        return duration(seconds);
    }
    let until = http_date(asked)?;
    let sent = text(DATE.as_str()).and_then(http_date).unwrap_or(now);
    let seconds = until.as_second().saturating_sub(sent.as_second());
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

fn duration(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn asked(pairs: &[(&'static str, &'static str)]) -> Option<Duration> {
        let headers = pairs.iter().map(|(name, value)| {
            (reqwest::header::HeaderName::from_static(name), HeaderValue::from_static(value))
        });
        asked_wait(&headers.collect(), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn retry_after_is_read_as_seconds_milliseconds_or_date() {
        assert_eq!(asked(&[("retry-after", "2")]), Some(Duration::from_secs(2)));
        assert_eq!(asked(&[("retry-after", "0.5")]), Some(Duration::from_millis(500)));
        assert_eq!(
            asked(&[("retry-after-ms", "1500"), ("retry-after", "9")]),
            Some(Duration::from_millis(1500))
        );
        let dates = [
            ("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT"),
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ];
        assert_eq!(asked(&dates), Some(Duration::from_secs(10)));
    }

    #[test]
    fn a_senseless_retry_after_is_no_wait_at_all() {
        for text in ["-1", "NaN", "inf", "soon", "1e400", ""] {
            assert_eq!(asked(&[("retry-after", text)]), None, "{text}");
        }
        let past = [
            ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("date", "Sun, 06 Nov 1994 08:49:47 GMT"),
        ];
        assert_eq!(asked(&past), Some(Duration::ZERO));
    }

    #[test]
    fn waits_double_up_to_the_maximum_and_lose_at_most_a_half() {
        let policy = RetryPolicy {
            delay_base: Duration::from_millis(100),
            delay_max: Duration::from_millis(300),
            ..RetryPolicy::default()
        };
        let waits: Vec<_> =
            [1, 2, 3, 90].map(|attempt| backoff(&policy, attempt, 0).as_millis()).to_vec();
        assert_eq!(waits, [100, 200, 300, 300]);
        assert_eq!(backoff(&policy, 1, u32::MAX).as_millis(), 50);
    }
}
