//! The one writer: a thread that turns waiting jobs into durable transactions.
//!
//! It takes what waits (at most [`GROUP_SPANS_MAX`] spans or [`GROUP_BYTES_MAX`] bytes), runs all of
//! it in one transaction and answers after the commit: one fsync serves everyone who waited. The
//! queue is bounded by spans; a full one answers `Busy` at once. When nothing waits, it sleeps.

pub(crate) mod batch;
mod checkpointing;
pub(crate) mod derive;
mod facets;
mod kin;
pub(crate) mod ledger;
pub(crate) mod rollup;
pub(crate) mod span;
pub(crate) mod step;
pub(crate) mod trace;

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use crossbeam_channel::{Receiver, Sender};
use exhibit_model::TraceId;
use exhibit_store::StoreError;
use lru::LruCache;
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::{
    Options,
    backup::BackupRequest,
    failure::{Result, SqlContext},
    search::IndexFeed,
};
use checkpointing::Checkpointing;
use facets::FacetFlow;
use ledger::LogState;
use step::{Counters, Finished, Step};
use trace::OpenTrace;

/// Spans of one transaction. More gain nothing and make the first wait for the last.
const GROUP_SPANS_MAX: usize = 4_000;
/// Payload and text of one transaction, bytes.
const GROUP_BYTES_MAX: usize = 8 << 20;
/// Weight of the traces that are kept in memory between transactions, bytes.
const KEPT_TRACES_BYTES_MAX: usize = 12 << 20;
/// Log heads kept in memory.
const KEPT_LOGS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);
/// Statements kept prepared: every one of the writer's, with room.
const STATEMENTS: usize = 128;

/// Something to be done in a transaction.
pub(crate) trait Job: Send {
    /// What it weighs in the queue; administrative acts weigh as much as a span.
    fn spans(&self) -> usize {
        1
    }

    /// Bytes it will write, roughly.
    fn bytes(&self) -> usize {
        0
    }

    /// Does it. An error fails the whole transaction; a refusal of its own is kept for the answer
    /// and MUST have changed nothing. May run a second time, after a failed transaction.
    fn run(&mut self, step: &mut Step<'_>) -> Result<()>;

    /// Tells whoever waits, after the commit or instead of it.
    fn answer(self: Box<Self>, committed: Result<()>);
}

enum Request {
    Job(Box<dyn Job>),
    Backup(BackupRequest),
    /// The write-ahead log is too large: try to empty it, although nothing is to be written.
    Relieve,
    Stop,
}

/// Where jobs are handed in.
#[derive(Debug)]
pub(crate) struct Queue {
    requests: Sender<Request>,
    load: Arc<Load>,
    options: Options,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

/// What the queue and the writer know of each other.
#[derive(Debug, Default)]
struct Load {
    spans: AtomicUsize,
    wal_bytes: AtomicU64,
}

impl Queue {
    /// Starts the writer on its connection.
    pub(crate) fn start(mut db: Connection, options: Options, feed: IndexFeed) -> Result<Self> {
        let (requests, waiting) = crossbeam_channel::unbounded();
        let load = Arc::new(Load::default());
        let checkpointing = Checkpointing::start(&mut db, Arc::clone(&load))?;
        let kept = Kept::new(Counters::load(&db)?)?;
        db.set_prepared_statement_cache_capacity(STATEMENTS);
        let writer = Writer {
            db,
            work: Work { options: options.clone(), kept, feed, checkpointing },
            waiting: Waiting { requests: waiting, load: Arc::clone(&load), stopping: false },
        };
        let thread = std::thread::Builder::new()
            .name("exhibit-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|e| crate::failure::io("starting the writer", &e))?;
        Ok(Self { requests, load, options, thread: Mutex::new(Some(thread)) })
    }

    /// Hands in a job.
    pub(crate) fn submit(&self, job: Box<dyn Job>) -> Result<()> {
        let spans = job.spans().max(1);
        if self.load.wal_bytes.load(Ordering::Relaxed) > self.options.wal_bytes_max {
            // Without a commit nobody would look at the log again.
            let _ = self.requests.send(Request::Relieve);
            return Err(StoreError::Busy { retry_after_ms: 1_000 });
        }
        let waiting = self.load.spans.fetch_add(spans, Ordering::AcqRel);
        // A batch larger than the whole queue is taken when nothing else waits.
        if waiting > 0 && waiting + spans > self.options.queue_spans_max {
            self.load.spans.fetch_sub(spans, Ordering::AcqRel);
            // At 20,000 spans a second, this is when half the queue is written.
            let retry_after_ms = (waiting as u64 / 40).clamp(50, 2_000);
            return Err(StoreError::Busy { retry_after_ms });
        }
        self.requests.send(Request::Job(job)).map_err(|_| StoreError::Closed)
    }

    /// Asks for an online backup.
    pub(crate) fn backup(&self, request: BackupRequest) -> Result<()> {
        self.requests.send(Request::Backup(request)).map_err(|_| StoreError::Closed)
    }

    /// Runs a closure in a transaction and waits for its commit. The outer error is the store's,
    /// the closure's own refusal is part of its answer.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        run: impl FnMut(&mut Step<'_>) -> Result<Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.submit(Box::new(Act { run, answer: None, reply }))?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Stops the writer after everything that waits; waits for it.
    pub(crate) fn stop(&self) {
        // A writer that has stopped already cannot be told again.
        let _ = self.requests.send(Request::Stop);
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the writer thread panicked");
        }
    }
}

/// A closure as a job.
struct Act<T, F> {
    run: F,
    answer: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: FnMut(&mut Step<'_>) -> Result<Result<T>> + Send> Job for Act<T, F> {
    fn run(&mut self, step: &mut Step<'_>) -> Result<()> {
        self.answer = Some((self.run)(step)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<()>) {
        let answer = match committed {
            Ok(()) => self.answer.unwrap_or(Err(StoreError::Closed)),
            Err(error) => Err(error),
        };
        // Nobody may be waiting any more.
        let _ = self.reply.send(answer);
    }
}

/// What the writer keeps between transactions. Everything in it can be read again.
pub(crate) struct Kept {
    pub(crate) counters: Counters,
    pub(crate) traces: LruCache<(i64, TraceId), OpenTrace>,
    traces_bytes: usize,
    pub(crate) logs: LruCache<i64, LogState>,
    pub(crate) waiting: rollup::WaitingDeltas,
    pub(crate) facets: FacetFlow,
    pub(crate) compressor: zstd::bulk::Compressor<'static>,
}

impl Kept {
    fn new(counters: Counters) -> Result<Self> {
        let compressor = zstd::bulk::Compressor::new(1)
            .map_err(|e| StoreError::Failed(format!("starting zstd: {e}")))?;
        Ok(Self {
            counters,
            traces: LruCache::unbounded(),
            traces_bytes: 0,
            logs: LruCache::new(KEPT_LOGS),
            waiting: rollup::WaitingDeltas::new(),
            facets: FacetFlow::default(),
            compressor,
        })
    }

    /// Takes over what a committed transaction learnt.
    fn absorb(&mut self, finished: Finished) {
        self.counters = finished.counters;
        self.facets = finished.facets;
        for (key, trace) in finished.traces {
            self.traces_bytes += trace.weight();
            if let Some(older) = self.traces.push(key, trace) {
                self.traces_bytes = self.traces_bytes.saturating_sub(older.1.weight());
            }
        }
        while self.traces_bytes > KEPT_TRACES_BYTES_MAX
            && let Some((_, oldest)) = self.traces.pop_lru()
        {
            self.traces_bytes = self.traces_bytes.saturating_sub(oldest.weight());
        }
        for (log, state) in finished.logs.into_states() {
            self.logs.push(log, state);
        }
        self.waiting.extend(finished.waiting);
    }

    /// Takes a trace for a transaction.
    pub(crate) fn take_trace(&mut self, key: &(i64, TraceId)) -> Option<OpenTrace> {
        let trace = self.traces.pop(key)?;
        self.traces_bytes = self.traces_bytes.saturating_sub(trace.weight());
        Some(trace)
    }

    /// Forgets everything, after a failed transaction.
    fn forget(&mut self, db: &Connection) -> Result<()> {
        self.traces.clear();
        self.traces_bytes = 0;
        self.logs.clear();
        self.waiting.clear();
        self.facets = FacetFlow::default();
        self.counters = Counters::load(db)?;
        Ok(())
    }
}

struct Writer {
    db: Connection,
    work: Work,
    waiting: Waiting,
}

/// Requests that wait.
struct Waiting {
    requests: Receiver<Request>,
    load: Arc<Load>,
    stopping: bool,
}

/// What is to be done next.
struct Next {
    jobs: Vec<Box<dyn Job>>,
    backup: Option<BackupRequest>,
    relieve: bool,
}

impl Waiting {
    /// What waits, as much as fits into a group. `first` is part of it.
    fn group(&mut self, first: Option<Request>) -> Next {
        let mut next = Next { jobs: Vec::new(), backup: None, relieve: false };
        let (mut spans, mut bytes) = (0, 0);
        let mut request = first.or_else(|| self.requests.try_recv().ok());
        while let Some(found) = request {
            match found {
                Request::Job(job) => {
                    let weight = job.spans().max(1);
                    self.load.spans.fetch_sub(weight, Ordering::AcqRel);
                    spans += weight;
                    bytes += job.bytes();
                    next.jobs.push(job);
                }
                Request::Backup(backup) => next.backup = Some(backup),
                Request::Relieve => next.relieve = true,
                Request::Stop => self.stopping = true,
            }
            let full = spans >= GROUP_SPANS_MAX || bytes >= GROUP_BYTES_MAX;
            if full || next.backup.is_some() || self.stopping {
                break;
            }
            request = self.requests.try_recv().ok();
        }
        next
    }
}

impl Writer {
    fn run(mut self) {
        while !self.waiting.stopping {
            let Ok(first) = self.waiting.requests.recv() else { break };
            let next = self.waiting.group(Some(first));
            self.work.write(&self.db, next.jobs);
            if next.relieve {
                self.work.checkpointing.relieve(&self.db);
            }
            if let Some(backup) = next.backup {
                self.back_up(backup);
            }
        }
        self.work.checkpointing.stop(&self.db);
    }

    /// Copies the database step by step; what waits is written between the steps.
    fn back_up(&mut self, request: BackupRequest) {
        let Self { db, work, waiting } = self;
        request.run(db, || {
            let next = waiting.group(None);
            work.write(db, next.jobs);
            if let Some(second) = next.backup {
                second.refuse();
            }
        });
    }
}

struct Work {
    options: Options,
    kept: Kept,
    feed: IndexFeed,
    checkpointing: Checkpointing,
}

impl Work {
    /// Runs jobs in one transaction and answers them.
    fn write(&mut self, db: &Connection, mut jobs: Vec<Box<dyn Job>>) {
        if jobs.is_empty() {
            return;
        }
        match self.transact(db, &mut jobs) {
            Ok(()) => jobs.into_iter().for_each(|job| job.answer(Ok(()))),
            Err(error) if jobs.len() == 1 => {
                tracing::error!(%error, "a transaction failed");
                jobs.into_iter().for_each(|job| job.answer(Err(again(&error))));
            }
            Err(error) => {
                // One of them may be to blame: each gets its own chance.
                tracing::warn!(%error, jobs = jobs.len(), "a group failed; trying one by one");
                for job in jobs {
                    self.write(db, vec![job]);
                }
            }
        }
        self.checkpointing.after_commit(db);
    }

    fn transact(&mut self, db: &Connection, jobs: &mut [Box<dyn Job>]) -> Result<()> {
        let done = self.try_transact(db, jobs);
        if done.is_err() {
            // Whatever failed may have left the transaction open or closed; both are fine here.
            if !db.is_autocommit() {
                let _ = db.execute_batch("ROLLBACK");
            }
            self.kept.forget(db)?;
        }
        done
    }

    fn try_transact(&mut self, db: &Connection, jobs: &mut [Box<dyn Job>]) -> Result<()> {
        let mut statement = db.prepare_cached("BEGIN IMMEDIATE").when("beginning")?;
        statement.execute([]).when("beginning a transaction")?;
        let mut step = Step::new(db, &self.options, &mut self.kept);
        for job in jobs {
            job.run(&mut step)?;
        }
        let mut finished = step.finish()?;
        db.prepare_cached("COMMIT").and_then(|mut s| s.execute([])).when("committing")?;
        self.feed.send(std::mem::take(&mut finished.indexed));
        self.feed.forget(std::mem::take(&mut finished.erased));
        self.kept.absorb(finished);
        Ok(())
    }
}

/// The same failure for one more.
fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Corrupt(what) => StoreError::Corrupt(what.clone()),
        StoreError::Unsupported(what) => StoreError::Unsupported(what),
        StoreError::Closed => StoreError::Closed,
        other => StoreError::Failed(other.to_string()),
    }
}
