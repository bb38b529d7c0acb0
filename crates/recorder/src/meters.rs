//! What this process has done since it started, in numbers for operators.
//!
//! Counters only: nothing here decides anything, and nothing of what was recorded is in it.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use exhibit_store::{CommitError, StoreError};

/// Upper bounds of the buckets of commit times, milliseconds; one more bucket has no bound.
pub const COMMIT_MS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000];

/// Numbers that grow, and two that go up and down.
#[derive(Debug, Default)]
pub struct Meters {
    /// Spans that were made durable, identical re-deliveries included.
    pub accepted: AtomicU64,
    /// Spans that were refused.
    pub rejected: AtomicU64,
    /// Batches that were refused because of overload, or because a database did not answer.
    pub busy: AtomicU64,
    /// Batches that were built anew, since another delivery of the same spans came first.
    pub stale: AtomicU64,
    /// Batches whose commit is under way.
    pub committing: AtomicI64,
    /// Rules that could not be evaluated.
    pub rule_faults: AtomicU64,
    /// Traces that were due to be sealed when last looked.
    pub seals_due: AtomicU64,
    /// Commits by how long they took.
    commits: [AtomicU64; COMMIT_MS.len() + 1],
    /// How long all of them took, microseconds.
    commit_us: AtomicU64,
}

/// A commit under way; counts when it ends, however it ends.
pub(crate) struct Timing<'m> {
    meters: &'m Meters,
    begun: Instant,
}

impl Drop for Timing<'_> {
    fn drop(&mut self) {
        self.meters.committing.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Timing<'_> {
    /// Notes how a commit ended.
    pub(crate) fn ended<T>(&self, result: &Result<T, CommitError>) {
        match result {
            Ok(_) => self.meters.took(self.begun.elapsed()),
            Err(CommitError::Stale) => add(&self.meters.stale, 1),
            Err(CommitError::Store(StoreError::Busy { .. })) => add(&self.meters.busy, 1),
            Err(CommitError::Store(_)) => {}
        }
    }
}

impl Meters {
    /// A commit begins.
    pub(crate) fn commit(&self) -> Timing<'_> {
        self.committing.fetch_add(1, Ordering::Relaxed);
        Timing { meters: self, begun: Instant::now() }
    }

    fn took(&self, time: Duration) {
        let ms = time.as_micros().div_ceil(1_000);
        let place = COMMIT_MS.iter().position(|bound| ms <= u128::from(*bound));
        add(&self.commits[place.unwrap_or(COMMIT_MS.len())], 1);
        add(&self.commit_us, u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// Commits up to each bound of [`COMMIT_MS`] and in all, each with those before it, and the seconds
    /// that all of them took.
    pub fn commit_times(&self) -> (Vec<u64>, f64) {
        let mut sum = 0;
        let counts = self.commits.iter().map(|count| {
            sum += count.load(Ordering::Relaxed);
            sum
        });
        let counts = counts.collect();
        (counts, self.commit_us.load(Ordering::Relaxed) as f64 / 1e6)
    }
}

pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
