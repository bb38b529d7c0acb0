//! Batches from small descriptions: real records, real zstd blocks, real leaf hashes.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use exhibit_model::{
    Cost, CostSource, Door, Evaluation, NanoUsd, Nanos, Outcome, RecordId, Severity, Span,
    SpanHead, SpanId, SpanKind, Status, TraceId, TraceSummary, Usage, Workspace, WorkspaceId,
    record, text,
};

use super::{Subject, oracle};
use crate::{
    AdminAct, Batch, Block, CommitError, Committed, LogId, Order, Page, SealWrite, SpanRow,
    SpanWindow, SpanWrite, Store, TraceKey, TraceQuery, TraceRow, TraceWrite, filter::Filter,
    span::Leaf,
};

/// The time at which fixtures start: 2027-01-15T08:00:00Z, a whole minute.
pub const START: Nanos = Nanos(1_800_000_000_000_000_000);
/// A second, nanoseconds.
pub const SECOND: i64 = 1_000_000_000;
/// A minute, nanoseconds.
pub const MINUTE: i64 = 60 * SECOND;

/// [`START`] and so many seconds.
pub fn at(seconds: i64) -> Nanos {
    Nanos(START.0 + seconds * SECOND)
}

pub fn trace_id(id: &str) -> TraceId {
    TraceId::new(id).unwrap()
}

pub fn span_id(id: &str) -> SpanId {
    if id == SpanId::REGISTRATION { SpanId::registration() } else { SpanId::new(id).unwrap() }
}

/// A span that ended well a second after it started, `start` seconds after [`START`].
pub fn span(trace: &str, id: &str, start: i64) -> Span {
    let mut span = Span::new(trace_id(trace), span_id(id), Door::Native);
    span.name = Some(format!("step {id}"));
    span.kind = Some(SpanKind::Custom);
    span.status = Status::Ok;
    span.start = Some(at(start));
    span.end = Some(at(start + 1));
    span.received = at(start + 1);
    span
}

/// The same, still running.
pub fn running(trace: &str, id: &str, start: i64) -> Span {
    let mut span = span(trace, id, start);
    span.status = Status::Running;
    span.end = None;
    span
}

/// A model call with usage and cost.
pub fn call(trace: &str, id: &str, start: i64, tokens: u64) -> Span {
    let mut span = span(trace, id, start);
    span.kind = Some(SpanKind::Llm);
    span.model = Some("gpt-4o".into());
    span.provider = Some("openai".into());
    span.usage =
        Some(Usage { input_uncached: tokens, output_text: tokens / 2, ..Usage::default() });
    span.cost = Cost {
        amount: Some(NanoUsd(tokens as i64 * 1_000)),
        source: CostSource::Table,
        rule: None,
    };
    span
}

/// Builder steps for spans.
pub trait Tweak: Sized {
    /// Changes it in place.
    #[must_use]
    fn with(self, change: impl FnOnce(&mut Self)) -> Self;
    /// Gives it a parent.
    #[must_use]
    fn under(self, parent: &str) -> Self;
}

impl Tweak for Span {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn under(self, parent: &str) -> Self {
        self.with(|span| span.parent_id = Some(span_id(parent)))
    }
}

/// A leaf of these bytes, with its real hash.
pub fn leaf(bytes: impl Into<Vec<u8>>) -> Leaf {
    let bytes = bytes.into();
    Leaf { hash: oracle::leaf_hash(&bytes), bytes }
}

/// A workspace in the store under test, with what makes its records unique.
pub struct Tenant {
    pub store: Arc<dyn Store>,
    pub workspace: WorkspaceId,
    counter: AtomicU64,
    name: &'static str,
    /// Keeps what the store needs beside itself.
    guard: Option<Box<dyn std::any::Any + Send + Sync>>,
}

impl Tenant {
    /// The first workspace of a store.
    pub async fn open(subject: Subject) -> Self {
        let mut tenant = Self::beside(&subject.store, "first").await;
        tenant.guard = Some(subject.guard);
        tenant
    }

    /// Another workspace in the same store.
    pub async fn another(&self) -> Self {
        Self::beside(&self.store, "another").await
    }

    async fn beside(store: &Arc<dyn Store>, name: &'static str) -> Self {
        let workspace = Workspace {
            id: WorkspaceId(0),
            public_id: format!("ws_{name}"),
            name: name.to_owned(),
            created: START,
        };
        let made = store
            .create_workspace(workspace, AdminAct { leaf: leaf("workspace"), body: Vec::new() })
            .await
            .unwrap();
        Self {
            store: Arc::clone(store),
            workspace: made.id,
            counter: AtomicU64::new(1),
            name,
            guard: None,
        }
    }

    /// The workspace's log.
    pub fn log(&self) -> LogId {
        LogId::Workspace(self.workspace)
    }

    fn next(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }

    /// A record id that no other record has.
    pub fn record(&self) -> RecordId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.workspace.0.to_be_bytes());
        id[8..].copy_from_slice(&self.next().to_be_bytes());
        RecordId(id)
    }

    /// An act of administration, with a body.
    pub fn admin_act(&self) -> AdminAct {
        let leaf = self.act();
        AdminAct { body: [b"body of ", leaf.bytes.as_slice()].concat(), leaf }
    }

    /// An act: a leaf that no other leaf equals.
    pub fn act(&self) -> Leaf {
        leaf(format!(r#"{{"act":{},"of":"{}"}}"#, self.next(), self.name))
    }

    /// An empty batch.
    pub fn empty(&self, received: Nanos) -> Batch {
        Batch {
            workspace: self.workspace,
            received,
            traces: Vec::new(),
            seals: Vec::new(),
            acts: Vec::new(),
        }
    }

    /// A batch of these spans, built on what the store holds now. It is received at the latest
    /// `received` of its spans; traces stand in the order of their first span.
    pub async fn batch(&self, spans: &[Span]) -> Batch {
        let received = spans.iter().map(|span| span.received).max().unwrap_or(START);
        let mut batch = self.empty(received);
        for span in spans {
            if !batch.traces.iter().any(|write| write.trace_id == span.trace_id) {
                let of_trace: Vec<_> =
                    spans.iter().filter(|s| s.trace_id == span.trace_id).collect();
                batch.traces.push(self.trace_write(&of_trace).await);
            }
        }
        batch
    }

    async fn trace_write(&self, spans: &[&Span]) -> TraceWrite {
        let trace_id = spans[0].trace_id.clone();
        let ids: Vec<_> = spans.iter().map(|s| (trace_id.clone(), s.span_id.clone())).collect();
        let current = self.store.load(self.workspace, &ids).await.unwrap();
        let mut raw = Vec::new();
        let mut words = String::new();
        let mut writes = Vec::new();
        for (span, current) in spans.iter().zip(current) {
            let parts = record::encode(span);
            let record = self.record();
            let sealed = span.status.is_sealed();
            let number = self.next();
            text::searchable(span, &mut words);
            writes.push(SpanWrite {
                head: SpanHead::of(span),
                record,
                supersedes: current.map(|stored| stored.record),
                digest: record.0,
                offset: raw.len() as u32,
                lengths: parts.lengths().map(|n| n as u32),
                leaf: sealed.then(|| leaf(format!(r#"{{"n":{number},"record":"{record}"}}"#))),
            });
            raw.extend(parts.0.concat());
        }
        TraceWrite {
            key: TraceKey(format!("key of {} of {}", trace_id, self.name).into_bytes()),
            trace_id,
            block: Block {
                raw_bytes: raw.len() as u32,
                data: zstd::bulk::compress(&raw, 1).unwrap(),
            },
            spans: writes,
            text: words,
            tombstone: None,
        }
    }

    /// Commits a batch; a full queue is asked again.
    pub async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        for _ in 0..100 {
            match self.store.commit(batch.clone()).await {
                Err(CommitError::Store(crate::StoreError::Busy { .. })) => {
                    tokio_yield().await;
                }
                done => return done,
            }
        }
        panic!("the store stays busy");
    }

    /// Commits these spans in one batch.
    pub async fn put(&self, spans: &[Span]) -> Committed {
        let batch = self.batch(spans).await;
        self.commit(batch).await.unwrap()
    }

    /// Commits so many acts.
    pub async fn put_acts(&self, count: usize) -> Committed {
        let mut batch = self.empty(START);
        batch.acts.extend((0..count).map(|_| self.act()));
        self.commit(batch).await.unwrap()
    }

    /// A seal over the first `covered` leaves of a trace.
    pub fn seal(&self, trace: &str, covered: u64) -> SealWrite {
        let record = self.record();
        SealWrite {
            trace_id: trace_id(trace),
            record,
            leaf: leaf(format!(r#"{{"seal":"{record}"}}"#)),
            body: format!("body of {record}").into_bytes(),
            covered,
            root: [covered as u8; 32],
            partial: false,
            late: false,
        }
    }

    /// Commits seals.
    pub async fn put_seals(&self, received: Nanos, seals: Vec<SealWrite>) -> Committed {
        let batch = Batch { seals, ..self.empty(received) };
        self.commit(batch).await.unwrap()
    }

    pub async fn trace(&self, trace: &str) -> Option<TraceRow> {
        self.store.trace(self.workspace, &trace_id(trace)).await.unwrap()
    }

    pub async fn summary(&self, trace: &str) -> TraceSummary {
        (*self.trace(trace).await.expect("the trace is there").summary).clone()
    }

    /// Size of the workspace's log.
    pub async fn log_size(&self) -> u64 {
        self.store.head(self.log()).await.unwrap().size
    }

    /// All spans of a trace, as lists show them.
    pub async fn rows(&self, trace: &str) -> Vec<SpanRow> {
        let window = SpanWindow { limit: 100_000, ..SpanWindow::default() };
        let page = self.store.spans(self.workspace, &trace_id(trace), &window).await.unwrap();
        assert_eq!(page.next, None);
        page.rows
    }

    /// One page of traces.
    pub async fn page(
        &self,
        filter: &Filter,
        order: Order,
        after: Option<String>,
        limit: usize,
    ) -> Page<TraceRow> {
        let query = TraceQuery { filter: filter.clone(), order, after, limit };
        self.store.traces(self.workspace, &query).await.unwrap()
    }

    /// Ids of the traces a filter finds, newest first.
    pub async fn find(&self, filter: &str) -> Vec<String> {
        let filter = Filter::parse(filter, START).unwrap();
        let page = self.page(&filter, Order::Newest, None, 10_000).await;
        page.rows.iter().map(|row| row.summary.trace_id.to_string()).collect()
    }
}

/// A rule of the policy `p` that speaks against a span.
pub fn against(rule: &str) -> Evaluation {
    Evaluation {
        policy: "p".into(),
        rule: rule.into(),
        outcome: Outcome::Fail,
        severity: Severity::High,
        message: String::new(),
    }
}

/// Lets other tasks run once, on any runtime.
async fn tokio_yield() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if yielded {
            return std::task::Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

/// Numbers that look random and are the same in every run (SplitMix64).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `n`.
    pub fn roll(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len() as u64) as usize]
    }

    /// One of these, or nothing, as often as each.
    pub fn maybe(&mut self, of: &[&str]) -> Option<String> {
        let n = self.roll(of.len() as u64 + 1) as usize;
        of.get(n).map(|text| (*text).to_owned())
    }
}
