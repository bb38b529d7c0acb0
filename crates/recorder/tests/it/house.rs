//! A recorder with a clock that tests turn.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use exhibit_capture::{Context, native};
use exhibit_model::{Clock, Entropy, Limits, Nanos, Span, SpanId, TraceId, WorkspaceId};
use exhibit_recorder::{Accepted, Keys, OsEntropy, Parts, Recorder, RuleSource};
use exhibit_store::memory::MemoryStore;
use serde_json::{Value, json};

/// A clock that stands still until it is turned.
pub(crate) struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Nanos {
        Nanos(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) struct House {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) workspace: WorkspaceId,
    clock: Arc<TestClock>,
    _dir: tempfile::TempDir,
}

/// 2026-11-21T00:00:00Z.
const NOW: i64 = 1_795_219_200_000_000_000;

impl House {
    pub(crate) async fn new() -> Self {
        Self::with_rules(RuleSource::default()).await
    }

    pub(crate) async fn with_rules(rules: RuleSource) -> Self {
        Self::with(rules, Arc::new(OsEntropy)).await
    }

    pub(crate) async fn with(rules: RuleSource, entropy: Arc<dyn Entropy>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(NOW)));
        let recorder = Recorder::open(Parts {
            store: Arc::new(MemoryStore::default()),
            limits: Limits::default(),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            entropy,
            keys: Arc::new(Keys::open(dir.path(), &OsEntropy).unwrap()),
            rules,
            search: true,
        })
        .await
        .unwrap();
        let workspace = recorder.default_workspace().await.unwrap().id;
        Self { recorder, workspace, clock, _dir: dir }
    }

    pub(crate) fn turn(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1_000_000_000, Ordering::SeqCst);
    }

    /// Sends spans by the native API.
    pub(crate) async fn send(&self, spans: Value) -> Accepted {
        let limits = Limits::default();
        let context = Context { received: self.recorder.now(), limits: &limits, labels: &[] };
        let body = json!({ "batch": spans }).to_string();
        let decoded = native::span_batch(body.as_bytes(), &context).unwrap();
        self.recorder.accept(self.workspace, decoded).await.unwrap()
    }

    pub(crate) async fn span(&self, trace: &str, span: &str) -> Option<Span> {
        let (trace, span) = (TraceId::new(trace).unwrap(), SpanId::new(span).unwrap());
        self.recorder.span(self.workspace, &trace, &span).await.unwrap().map(|d| d.span)
    }

    pub(crate) async fn leaves(&self) -> u64 {
        let log = exhibit_store::LogId::Workspace(self.workspace);
        self.recorder.store().head(log).await.unwrap().size
    }
}

/// A finished model call, as the native API takes it.
pub(crate) fn call(trace: &str, span: &str) -> Value {
    json!({
        "trace_id": trace, "span_id": span, "name": "answer", "span_type": "llm", "status": "ok",
        "start_time": "2026-11-20T23:59:00Z", "end_time": "2026-11-20T23:59:01Z",
        "input": {"prompt": "What is a transformer?"}, "output": {"response": "A network."},
        "model": "gpt-4o", "tokens_in": 100, "tokens_out": 50,
    })
}
