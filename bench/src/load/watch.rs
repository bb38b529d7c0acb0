//! Watches a server while a load runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::task::JoinHandle;

use crate::process::{Sample, Usage};

const PERIOD: Duration = Duration::from_millis(100);
/// A server has settled when it uses less than this share of a core for this long.
const IDLE_CORE_SHARE: f64 = 0.03;
const IDLE_WINDOW: Duration = Duration::from_secs(1);

/// A running observation of one process.
pub struct Watch {
    pid: u32,
    first: Sample,
    started: Instant,
    rss_max: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Watch {
    /// Takes the first reading and goes on reading the memory.
    pub fn start(pid: u32) -> Result<Self> {
        let first = Sample::read(pid)?;
        let rss_max = Arc::new(AtomicU64::new(first.rss_bytes));
        let seen = Arc::clone(&rss_max);
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(PERIOD).await;
                let Ok(sample) = Sample::read(pid) else { break };
                seen.fetch_max(sample.rss_bytes, Ordering::Relaxed);
            }
        });
        Ok(Self { pid, first, started: Instant::now(), rss_max, task })
    }

    /// Waits until work that goes on after the acknowledgement (indexing, sealing, checkpoints) has
    /// come to rest, at most for `limit`.
    pub async fn settle(&self, limit: Duration) -> Result<()> {
        let started = Instant::now();
        let mut before = Sample::read(self.pid)?.cpu_seconds;
        while started.elapsed() < limit {
            tokio::time::sleep(IDLE_WINDOW).await;
            let now = Sample::read(self.pid)?.cpu_seconds;
            if now - before <= IDLE_CORE_SHARE * IDLE_WINDOW.as_secs_f64() {
                break;
            }
            before = now;
        }
        Ok(())
    }

    /// Takes the last reading.
    pub fn finish(self) -> Result<Usage> {
        self.task.abort();
        let last = Sample::read(self.pid)?;
        let rss_max = self.rss_max.load(Ordering::Relaxed);
        Ok(Usage::between(&self.first, &last, self.started.elapsed().as_secs_f64(), rss_max))
    }
}
