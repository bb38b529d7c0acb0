//! Makes request bodies ready ahead of the connections, on a thread of its own, within a bounded
//! amount of memory.

use std::{
    collections::VecDeque,
    io::Write,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Result, anyhow};
use flate2::{Compression, write::GzEncoder};
use tokio::sync::Notify;

use crate::corpus::{
    Format,
    file::CorpusReader,
    stream::{Batch, BatchStream, StreamPlan},
};

/// A request that is ready to be sent.
#[derive(Debug)]
pub struct Parcel {
    /// Place in the corpus, from 0.
    pub index: u64,
    /// Spans in it.
    pub spans: u32,
    /// Bytes before compression.
    pub plain_bytes: usize,
    /// Body as it goes over the wire.
    pub body: Vec<u8>,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Parcel>,
    bytes: usize,
    done: bool,
    full: bool,
    abandoned: bool,
    failure: Option<String>,
}

struct Shared {
    state: Mutex<State>,
    room: Condvar,
    arrived: Notify,
    bytes_max: usize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands one parcel over, waiting while memory is full; false when nobody wants more.
    fn put(&self, parcel: Parcel) -> bool {
        let mut state = self.lock();
        while state.bytes >= self.bytes_max && !state.abandoned {
            state.full = true;
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.bytes += parcel.body.len();
        state.ready.push_back(parcel);
        let wanted = !state.abandoned;
        drop(state);
        self.arrived.notify_one();
        wanted
    }

    fn close(&self, failure: Option<String>) {
        let mut state = self.lock();
        state.done = true;
        state.failure = failure;
        drop(state);
        self.arrived.notify_waiters();
        // One more for a taker that is just about to wait.
        self.arrived.notify_one();
    }
}

/// A queue of parcels, filled by a thread; clones share it.
#[derive(Clone)]
pub struct Feed {
    shared: Arc<Shared>,
    /// Tells the thread to stop when the last clone is gone.
    _guard: Arc<Guard>,
}

struct Guard(Arc<Shared>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.lock().abandoned = true;
        self.0.room.notify_all();
    }
}

impl Feed {
    /// Draws a corpus.
    pub fn from_seed(plan: StreamPlan, gzip: bool, bytes_max: usize) -> Self {
        // The vocabulary is built on the thread, too: it takes a moment.
        Self::start(gzip, bytes_max, move || BatchStream::new(plan).map(Ok))
    }

    /// Reads a corpus file.
    pub fn from_file(prefix: &Path, format: Format, gzip: bool, bytes_max: usize) -> Result<Self> {
        let reader = CorpusReader::open(prefix, format)?;
        Ok(Self::start(gzip, bytes_max, move || reader))
    }

    fn start<I>(gzip: bool, bytes_max: usize, open: impl FnOnce() -> I + Send + 'static) -> Self
    where
        I: Iterator<Item = Result<Batch>>,
    {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            room: Condvar::new(),
            arrived: Notify::new(),
            bytes_max,
        });
        let for_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            let failure = fill(&for_thread, open(), gzip).err().map(|error| format!("{error:#}"));
            for_thread.close(failure);
        });
        let guard = Arc::new(Guard(Arc::clone(&shared)));
        Self { shared, _guard: guard }
    }

    /// Waits until everything is ready or the memory is full.
    pub async fn wait_until_ready(&self) {
        loop {
            {
                let state = self.shared.lock();
                if state.done || state.full {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The next parcel; none at the end.
    pub async fn take(&self) -> Option<Parcel> {
        loop {
            let arrived = self.shared.arrived.notified();
            tokio::pin!(arrived);
            // From here on a wake-up is not missed.
            arrived.as_mut().enable();
            {
                let mut state = self.shared.lock();
                if let Some(parcel) = state.ready.pop_front() {
                    state.bytes -= parcel.body.len();
                    drop(state);
                    self.shared.room.notify_one();
                    return Some(parcel);
                }
                if state.done {
                    return None;
                }
            }
            arrived.await;
        }
    }

    /// Why the corpus ended early, if it did.
    pub fn failure(&self) -> Option<anyhow::Error> {
        self.shared.lock().failure.clone().map(|text| anyhow!(text))
    }
}

fn fill(shared: &Shared, batches: impl Iterator<Item = Result<Batch>>, gzip: bool) -> Result<()> {
    for (index, batch) in batches.enumerate() {
        let Batch { spans, body } = batch?;
        let plain_bytes = body.len();
        let body = if gzip { compress(&body)? } else { body };
        if !shared.put(Parcel { index: index as u64, spans, plain_bytes, body }) {
            break;
        }
    }
    Ok(())
}

fn compress(body: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::new(6));
    encoder.write_all(body)?;
    Ok(encoder.finish()?)
}
