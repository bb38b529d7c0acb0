//! When the traces of a corpus happened.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use clap::Args;

use super::law::Period;

/// End of a corpus file when none is given, so that files are reproducible:
/// 2026-11-01T00:00:00Z.
const FILE_END_SECONDS: u64 = 1_793_491_200;
/// Traces start this long before the end, so that none ends in the future.
const MARGIN: Duration = Duration::from_mins(3);
/// Width of the period with `--now`.
const NOW_WIDTH: Duration = Duration::from_mins(5);

/// Options for the period.
#[derive(Debug, Clone, Args)]
pub struct PeriodArgs {
    /// Days over which the traces are spread, oldest first.
    #[arg(long, default_value_t = 30)]
    pub days: u32,
    /// Put all traces within the last minutes.
    #[arg(long)]
    pub now: bool,
    /// End of the period, RFC 3339. Default: a fixed instant for files, the present for `load`.
    #[arg(long, value_name = "TIME")]
    pub end: Option<String>,
}

impl PeriodArgs {
    /// The period of a corpus file: the same on every run unless `--now` is given.
    pub fn reproducible(&self) -> Result<Period> {
        let end = if self.now { unix_time() } else { Duration::from_secs(FILE_END_SECONDS) };
        self.ending(end)
    }

    /// The period of live traffic, which ends now unless `--end` is given.
    pub fn live(&self) -> Result<Period> {
        self.ending(unix_time())
    }

    fn ending(&self, default_end: Duration) -> Result<Period> {
        let end = match &self.end {
            Some(text) => {
                let time: jiff::Timestamp =
                    text.parse().with_context(|| format!("--end {text} is not RFC 3339"))?;
                Duration::from_nanos(
                    u64::try_from(time.as_nanosecond()).context("--end is before 1970")?,
                )
            }
            None => default_end,
        };
        let end = end.saturating_sub(MARGIN);
        let width =
            if self.now { NOW_WIDTH } else { Duration::from_secs(u64::from(self.days) * 86_400) };
        Ok(Period {
            start_ns: end.saturating_sub(width).as_nanos() as u64,
            end_ns: end.as_nanos() as u64,
        })
    }
}

/// Time since 1970.
pub fn unix_time() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// `seconds` since 1970 as RFC 3339 in UTC.
pub fn rfc3339(seconds: u64) -> String {
    jiff::Timestamp::from_second(seconds as i64)
        .map_or_else(|_| "1970-01-01T00:00:00Z".to_owned(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::{PeriodArgs, rfc3339, unix_time};

    #[test]
    fn thirty_days_end_shortly_before_the_given_end() {
        let args = PeriodArgs { days: 30, now: false, end: Some("2026-01-31T00:00:00Z".into()) };
        let period = args.live().unwrap();
        assert_eq!(period.end_ns - period.start_ns, 30 * 86_400 * 1_000_000_000);
        assert_eq!(rfc3339(period.end_ns / 1_000_000_000), "2026-01-30T23:57:00Z");
    }

    #[test]
    fn now_means_the_last_minutes_and_never_the_future() {
        let args = PeriodArgs { days: 30, now: true, end: None };
        let period = args.reproducible().unwrap();
        let now = unix_time().as_nanos() as u64;
        assert!(period.end_ns < now && now - period.start_ns < 10 * 60 * 1_000_000_000);
    }
}
