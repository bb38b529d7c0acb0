//! Threads for work that keeps a core busy: reading a body, preparing a batch.
//!
//! As many as there are cores. The runtime's threads for blocking work take turns, so each of dozens
//! would come to hold the memory that one batch needs; here it is held once per core.

use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::oneshot;

use crate::Error;

/// One thread per core, and a queue in the order of arrival. The queue has no bound of its own: what
/// waits in it holds a share of the budget for bodies.
#[derive(Debug)]
pub struct Cores {
    threads: ThreadPool,
}

impl Cores {
    pub(crate) fn start(count: usize) -> Result<Self, Error> {
        let threads = ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(|_| "exhibit-core".to_owned())
            // The hook for panics has reported it; whoever waits gets an error.
            .panic_handler(|_| ())
            .build()
            .map_err(|error| Error::Internal(format!("starting threads: {error}")))?;
        Ok(Self { threads })
    }

    /// Runs work on one of the threads, to its end even if nobody waits any more. An error when it
    /// panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (done, answer) = oneshot::channel();
        self.threads.spawn(move || {
            // Nobody may be waiting any more.
            let _ = done.send(work());
        });
        answer.await.map_err(|_| Error::Internal("work was broken off".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_for_its_caller_and_nobody_else() {
        let cores = Cores::start(1).unwrap();
        let broken = cores.run(|| -> u8 { panic!("on purpose") }).await;
        assert!(matches!(broken, Err(Error::Internal(_))));
        assert_eq!(cores.run(|| 7).await.unwrap(), 7);
    }
}
