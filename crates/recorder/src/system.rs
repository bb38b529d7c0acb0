//! The real clock and the real randomness.

use exhibit_model::{Clock, Entropy, Nanos};

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Nanos {
        let nanos = jiff::Timestamp::now().as_nanosecond();
        Nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    #[allow(
        clippy::expect_used,
        reason = "without randomness nothing can be kept safe; stopping is right"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives randomness");
    }
}
