//! Percentiles of latencies.

use std::time::Duration;

use serde::Serialize;

/// The value below which `share` (0 to 1) of the sorted values lie, by the nearest-rank method; 0
/// when there are none.
pub fn percentile(sorted: &[u64], share: f64) -> u64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0)
}

/// Collected latencies.
#[derive(Debug, Default, Clone)]
pub struct Latencies {
    nanoseconds: Vec<u64>,
}

/// Latencies in milliseconds.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LatencySummary {
    /// Number of measurements.
    pub n: usize,
    /// Arithmetic mean.
    pub mean_ms: f64,
    /// Median.
    pub p50_ms: f64,
    /// 90th percentile.
    pub p90_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// Largest.
    pub max_ms: f64,
}

impl Latencies {
    /// Adds one measurement.
    pub fn push(&mut self, latency: Duration) {
        self.nanoseconds.push(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds all measurements of another collection.
    pub fn merge(&mut self, other: &Self) {
        self.nanoseconds.extend_from_slice(&other.nanoseconds);
    }

    /// Mean and percentiles.
    pub fn summary(&self) -> LatencySummary {
        let mut sorted = self.nanoseconds.clone();
        sorted.sort_unstable();
        let ms = |share| milliseconds(percentile(&sorted, share));
        let sum: f64 = sorted.iter().map(|&value| value as f64).sum();
        LatencySummary {
            n: sorted.len(),
            mean_ms: round3(sum / sorted.len().max(1) as f64 / 1e6),
            p50_ms: ms(0.5),
            p90_ms: ms(0.9),
            p95_ms: ms(0.95),
            p99_ms: ms(0.99),
            max_ms: milliseconds(sorted.last().copied().unwrap_or(0)),
        }
    }
}

fn milliseconds(nanoseconds: u64) -> f64 {
    round3(nanoseconds as f64 / 1e6)
}

/// Rounds to three decimals, for reports.
pub fn round3(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::{Duration, Latencies, percentile};

    #[test]
    fn percentiles_follow_the_nearest_rank() {
        let values: Vec<u64> = (1..=100).collect();
        assert_eq!([0.5, 0.95, 0.99, 1.0].map(|p| percentile(&values, p)), [50, 95, 99, 100]);
        assert_eq!(percentile(&[7], 0.01), 7);
        assert_eq!(percentile(&[], 0.5), 0);
    }

    #[test]
    fn a_summary_is_in_milliseconds() {
        let mut latencies = Latencies::default();
        for ms in [4, 1, 3, 2] {
            latencies.push(Duration::from_millis(ms));
        }
        let summary = latencies.summary();
        assert_eq!(
            (summary.n, summary.p50_ms, summary.max_ms, summary.mean_ms),
            (4, 2.0, 4.0, 2.5)
        );
    }
}
