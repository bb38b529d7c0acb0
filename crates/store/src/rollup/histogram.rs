//! Counts of durations in logarithmic buckets.

use crate::analytics::Percentiles;

/// Buckets per power of two. A bucket's middle is at most 1.6 % from any value in it.
const SUB: u64 = 32;
const SUB_BITS: u32 = SUB.trailing_zeros();
/// The bucket of the largest value.
pub(super) const BUCKET_MAX: u16 = ((63 - SUB_BITS as u64) * SUB + SUB - 1) as u16;

/// Counts of nanoseconds per bucket: exact below 64 ns, else 32 buckets per power of two. Sparse,
/// sorted, without zero counts, so that equal contents are equal values. Counts may be negative in
/// a difference.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Histogram {
    pub(super) counts: Vec<(u16, i64)>,
}

impl Histogram {
    /// The bucket of a value; negative ones count as zero.
    pub fn bucket(nanos: i64) -> u16 {
        let value = nanos.max(0) as u64;
        if value < SUB {
            return value as u16;
        }
        let shift = value.ilog2() - SUB_BITS;
        (u64::from(shift) * SUB + (value >> shift)) as u16
    }

    /// The smallest and largest value of a bucket, nanoseconds.
    pub fn bounds(bucket: u16) -> (i64, i64) {
        let bucket = u64::from(bucket.min(BUCKET_MAX));
        if bucket < 2 * SUB {
            return (bucket as i64, bucket as i64);
        }
        let shift = bucket / SUB - 1;
        let low = (SUB + bucket % SUB) << shift;
        (low as i64, (low + ((1 << shift) - 1)) as i64)
    }

    /// Adds `n` (which may be negative) to a bucket.
    pub fn record(&mut self, bucket: u16, n: i64) {
        let bucket = bucket.min(BUCKET_MAX);
        match self.counts.binary_search_by_key(&bucket, |(b, _)| *b) {
            Ok(at) => {
                let sum = self.counts[at].1.wrapping_add(n);
                if sum == 0 {
                    self.counts.remove(at);
                } else {
                    self.counts[at].1 = sum;
                }
            }
            Err(at) if n != 0 => self.counts.insert(at, (bucket, n)),
            Err(_) => {}
        }
    }

    /// Adds another histogram.
    pub fn add(&mut self, other: &Self) {
        self.merge(other, 1);
    }

    /// Subtracts another histogram.
    pub fn subtract(&mut self, other: &Self) {
        self.merge(other, -1);
    }

    fn merge(&mut self, other: &Self, sign: i64) {
        // A few into many, as most are: looked up one by one, nothing is moved.
        if other.counts.len() <= 2 + self.counts.len() / 8 {
            for (bucket, n) in &other.counts {
                self.record(*bucket, n.wrapping_mul(sign));
            }
            return;
        }
        let mine = std::mem::take(&mut self.counts);
        let mut merged = Vec::with_capacity(mine.len() + other.counts.len());
        let mut theirs = other.counts.iter().map(|(b, n)| (*b, n.wrapping_mul(sign))).peekable();
        for (bucket, n) in mine {
            while let Some(next) = theirs.next_if(|(b, _)| *b < bucket) {
                merged.push(next);
            }
            let more = theirs.next_if(|(b, _)| *b == bucket).map_or(0, |(_, n)| n);
            merged.push((bucket, n.wrapping_add(more)));
        }
        merged.extend(theirs);
        merged.retain(|(_, n)| *n != 0);
        self.counts = merged;
    }

    /// The buckets that hold something, in order, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (u16, i64)> + '_ {
        self.counts.iter().copied()
    }

    /// Count and percentiles by nearest rank. A value is told as the middle of its bucket, at most
    /// 1.6 % off; so is the largest, since a maximum that was subtracted could not be found again.
    pub fn percentiles(&self) -> Percentiles {
        let filled = || self.counts.iter().filter(|(_, n)| *n > 0);
        let count = filled().fold(0_u64, |sum, (_, n)| sum.saturating_add(*n as u64));
        let at = |percent: u64| {
            let rank = (u128::from(count) * u128::from(percent)).div_ceil(100).max(1);
            let mut seen = 0_u128;
            filled()
                .find(|(_, n)| {
                    seen += *n as u128;
                    seen >= rank
                })
                .map_or(0, |(bucket, _)| Self::middle(*bucket))
        };
        Percentiles { count, p50: at(50), p90: at(90), p95: at(95), p99: at(99), max: at(100) }
    }

    fn middle(bucket: u16) -> i64 {
        let (low, high) = Self::bounds(bucket);
        low + (high - low) / 2
    }
}
