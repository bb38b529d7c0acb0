//! Traces and spans: how they are written, found and read.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use exhibit_model::{
    Nanos, RecordId, ReviewState, SpanHead, SpanId, TraceId, TraceSummary, WorkspaceId,
    merge::Digest,
};

use crate::{
    Analytics, AnalyticsQuery, Filter, HistoryQuery, LogId, StoreError, TraceHistory,
    filter::{Compare, Test, TimeField},
};

/// What belongs together and becomes visible together.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Whose.
    pub workspace: WorkspaceId,
    /// When it was received.
    pub received: Nanos,
    /// The traces it touches, each once.
    pub traces: Vec<TraceWrite>,
    /// Trace seals.
    pub seals: Vec<SealWrite>,
    /// Ledger leaves that belong to no span: acts of administration, decisions.
    pub acts: Vec<Leaf>,
}

/// A finished ledger leaf.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// Its canonical bytes, at most 65,535.
    pub bytes: Vec<u8>,
    /// Its RFC 6962 leaf hash.
    pub hash: [u8; 32],
}

/// What a batch says about one trace.
#[derive(Debug, Clone)]
pub struct TraceWrite {
    /// The trace.
    pub trace_id: TraceId,
    /// Its wrapped key. When the store already holds another key for the trace, the batch is stale.
    pub key: TraceKey,
    /// The compressed payload of all its spans in this batch.
    pub block: Block,
    /// Its spans, each identity once.
    pub spans: Vec<SpanWrite>,
    /// The words that full-text search shall find; empty when nothing is to be indexed.
    pub text: String,
    /// What an erasure of the trace leaves behind. Where the store has it and not the trace, the trace
    /// was erased after the batch was begun, and the batch is stale. None: nobody asks.
    pub tombstone: Option<[u8; 16]>,
}

/// A trace's random key, wrapped by the installation's. Opaque to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceKey(pub Vec<u8>);

/// Payloads of spans of one trace, compressed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Length before compression, bytes; at most 256 KiB unless a single span is larger.
    pub raw_bytes: u32,
    /// A zstd frame: the parts of each span, one after the other.
    pub data: Vec<u8>,
}

/// One revision of one span.
#[derive(Debug, Clone)]
pub struct SpanWrite {
    /// Its hot columns.
    pub head: SpanHead,
    /// The record's id.
    pub record: RecordId,
    /// The revision it was built upon; none when it is the first. It is stale unless exactly this is
    /// the current revision at the moment of the commit.
    pub supersedes: Option<RecordId>,
    /// Keyed digest of the delivery.
    pub digest: Digest,
    /// Where its parts start in the raw block.
    pub offset: u32,
    /// Length of each part, in the order of [`exhibit_model::Part::ALL`].
    pub lengths: [u32; 5],
    /// Its leaf, when it is terminal or incomplete; running revisions have none.
    pub leaf: Option<Leaf>,
}

/// A seal over the leaves of a trace so far.
#[derive(Debug, Clone)]
pub struct SealWrite {
    /// The trace.
    pub trace_id: TraceId,
    /// The seal's record id.
    pub record: RecordId,
    /// Its leaf.
    pub leaf: Leaf,
    /// The seal's private part (it names the trace), verbatim.
    pub body: Vec<u8>,
    /// How many span leaves it covers.
    pub covered: u64,
    /// Root of the tree over them.
    pub root: [u8; 32],
    /// The trace is not over.
    pub partial: bool,
    /// It follows an earlier final seal.
    pub late: bool,
}

/// What a commit did.
#[derive(Debug, Clone, Default)]
pub struct Committed {
    /// The summaries of the touched traces after the commit, in the order of the batch.
    pub traces: Vec<Arc<TraceSummary>>,
    /// Log index of each leaf, in the order spans (trace by trace), seals, acts.
    pub indexes: Vec<u64>,
    /// A number that grows with every commit of the installation; live views resume from it.
    pub sequence: u64,
}

/// Why a batch was not committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Something it was built upon has changed. Load it again and build anew.
    #[error("the batch was built on a stale revision")]
    Stale,
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A revision as stored.
#[derive(Debug, Clone)]
pub struct StoredSpan {
    /// Its record id.
    pub record: RecordId,
    /// Digest of the last delivery that changed it.
    pub digest: Digest,
    /// Its parts, as stored, in the order of [`exhibit_model::Part::ALL`].
    pub parts: [Vec<u8>; 5],
    /// Index of its leaf in the workspace's log; none while it runs.
    pub index: Option<u64>,
    /// Its leaf hash.
    pub leaf_hash: Option<[u8; 32]>,
    /// Whether its usage counts: false for the second span with a response id already counted, and
    /// for a superseded revision.
    pub counted: bool,
}

/// A span in a list.
#[derive(Debug, Clone)]
pub struct SpanRow {
    /// Its hot columns. Fields a list does not show (tags, metadata, session, …) may be empty.
    pub head: SpanHead,
    /// Its record id.
    pub record: RecordId,
    /// Index of its leaf.
    pub index: Option<u64>,
    /// Its leaf hash.
    pub leaf_hash: Option<[u8; 32]>,
    /// Whether its usage counts.
    pub counted: bool,
}

/// A trace in a list.
#[derive(Debug, Clone)]
pub struct TraceRow {
    /// Its summary.
    pub summary: Arc<TraceSummary>,
    /// When it was first heard of.
    pub first_received: Nanos,
    /// When it last changed.
    pub last_received: Nanos,
    /// Its latest seal.
    pub seal: Option<StoredSeal>,
    /// How its reviews stand, each state once.
    pub reviews: BTreeSet<ReviewState>,
    /// Its wrapped key.
    pub key: TraceKey,
}

/// A seal as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSeal {
    /// Its record id.
    pub record: RecordId,
    /// Index of its leaf in the workspace's log.
    pub index: u64,
    /// Its private part.
    pub body: Vec<u8>,
    /// Span leaves covered.
    pub covered: u64,
    /// Root over them.
    pub root: [u8; 32],
    /// The trace was not over.
    pub partial: bool,
    /// It followed an earlier final seal.
    pub late: bool,
}

/// Which traces, in which order.
#[derive(Debug, Clone)]
pub struct TraceQuery {
    /// What must hold; see [`Filter`].
    pub filter: Filter,
    /// Order.
    pub order: Order,
    /// Continue after this cursor, as a [`Page`] gave it.
    pub after: Option<String>,
    /// Most rows.
    pub limit: usize,
}

/// Order of a list of traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Newest start first.
    #[default]
    Newest,
    /// Oldest start first.
    Oldest,
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the next page starts; none at the end. Opaque.
    pub next: Option<String>,
}

/// Which spans of a trace.
#[derive(Debug, Clone, Default)]
pub struct SpanWindow {
    /// Continue after this cursor.
    pub after: Option<String>,
    /// Most rows.
    pub limit: usize,
    /// Only children of this span.
    pub parent: Option<SpanId>,
}

/// A session in a list.
#[derive(Debug, Clone)]
pub struct SessionSummary {
    /// Its id.
    pub session: String,
    /// Its traces.
    pub trace_count: u64,
    /// Its spans.
    pub span_count: u64,
    /// Traces that failed.
    pub error_count: u64,
    /// Earliest start.
    pub start: Nanos,
    /// Latest end.
    pub end: Option<Nanos>,
    /// Input tokens.
    pub tokens_in: u64,
    /// Output tokens.
    pub tokens_out: u64,
    /// Known cost, nano-USD.
    pub cost_nano_usd: i64,
    /// End users seen.
    pub users: Vec<String>,
}

/// Traces in the order of their seals.
#[derive(Debug, Clone, Default)]
pub struct Sealed {
    /// The traces, each with its latest seal.
    pub rows: Vec<TraceRow>,
    /// Every trace whose latest seal stands before this index of the log was given: go on from here.
    pub next: u64,
}

/// What the clocks have come to.
#[derive(Debug, Clone, Default)]
pub struct Due {
    /// Traces to be sealed.
    pub seals: Vec<(WorkspaceId, TraceId)>,
    /// Running spans without an update for too long.
    pub stale: Vec<DueSpan>,
}

/// A running span whose time is up.
#[derive(Debug, Clone)]
pub struct DueSpan {
    /// Whose.
    pub workspace: WorkspaceId,
    /// Trace.
    pub trace_id: TraceId,
    /// Span.
    pub span_id: SpanId,
}

/// Traces and spans.
#[async_trait]
pub trait SpanStore: Send + Sync + 'static {
    /// Makes a batch durable and visible.
    ///
    /// * **Durable**: when it returns `Ok`, the batch survives the death of the process and of the
    ///   machine at any instant.
    /// * **All or nothing**: on any error, and after a crash, either the whole batch is visible or
    ///   none of it.
    /// * **Leaf and data together**: a terminal revision MUST NOT be visible without its leaf in the
    ///   workspace's log, nor the leaf without the revision.
    /// * **Optimistic**: if for any span the current revision is not the one named by `supersedes`,
    ///   or a trace has another key, or is not there and the store has its tombstone, nothing is
    ///   written and [`CommitError::Stale`] is returned: what was erased does not come back by a batch
    ///   that was begun before.
    /// * **Order**: leaves get consecutive indexes in the order of the batch; two batches of one
    ///   workspace never interleave.
    /// * **Summaries and rollups** change in the same step, as [`TraceSummary::absorb`] defines. A
    ///   response id counts once per trace: the first revision committed with it counts, and its
    ///   own later revisions go on counting.
    /// * Rollups count the first terminal revision of a span; a later one is applied as −old +new.
    /// * A replaced terminal revision stays readable by [`superseded`](Self::superseded) until its
    ///   trace is retained or erased away.
    /// * A batch MAY share its group commit with others. A full queue answers
    ///   [`StoreError::Busy`] at once.
    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError>;

    /// The current revisions under these identities, in the order asked.
    async fn load(
        &self,
        workspace: WorkspaceId,
        ids: &[(TraceId, SpanId)],
    ) -> Result<Vec<Option<StoredSpan>>, StoreError>;

    /// The wrapped keys of these traces, in the order asked.
    async fn trace_keys(
        &self,
        workspace: WorkspaceId,
        traces: &[TraceId],
    ) -> Result<Vec<Option<TraceKey>>, StoreError>;

    /// One trace.
    async fn trace(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Option<TraceRow>, StoreError>;

    /// A page of traces.
    async fn traces(
        &self,
        workspace: WorkspaceId,
        query: &TraceQuery,
    ) -> Result<Page<TraceRow>, StoreError>;

    /// A page of a workspace's traces, each once, in an order that only grows while it is read: that of
    /// first receipt where the store knows it, else of the start. What heads hold of what was asked for
    /// MUST be what [`SpanHead::of`] says of the records.
    async fn history(
        &self,
        workspace: WorkspaceId,
        query: &HistoryQuery,
    ) -> Result<Page<TraceHistory>, StoreError> {
        let query = TraceQuery {
            filter: Filter::Test(Test::Time {
                field: TimeField::Start,
                op: Compare::Ge,
                value: query.from,
            }),
            order: Order::Oldest,
            after: query.after.clone(),
            limit: query.limit,
        };
        let page = self.traces(workspace, &query).await?;
        let history = |row: TraceRow| TraceHistory {
            trace_id: row.summary.trace_id.clone(),
            summary: Some(row.summary),
            heads: None,
        };
        Ok(Page { rows: page.rows.into_iter().map(history).collect(), next: page.next })
    }

    /// A window of a trace's spans in order of (start, span id), the registration record left out.
    async fn spans(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        window: &SpanWindow,
    ) -> Result<Page<SpanRow>, StoreError>;

    /// Earlier terminal revisions of a span, oldest first.
    async fn superseded(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        span: &SpanId,
    ) -> Result<Vec<StoredSpan>, StoreError>;

    /// A page of sessions, newest first.
    async fn sessions(
        &self,
        workspace: WorkspaceId,
        query: &TraceQuery,
    ) -> Result<Page<SessionSummary>, StoreError>;

    /// Sums from rollups. MUST NOT scan spans.
    async fn analytics(
        &self,
        workspace: WorkspaceId,
        query: &AnalyticsQuery,
    ) -> Result<Analytics, StoreError>;

    /// Leaf hashes of a trace's terminal revisions (superseded ones included) with their log
    /// indexes, in log order.
    async fn trace_leaves(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Vec<(u64, [u8; 32])>, StoreError>;

    /// All seals of a trace, oldest first.
    async fn seals(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Vec<StoredSeal>, StoreError>;

    /// The traces of a workspace whose latest seal stands in its log at `from` or later, in the order of
    /// these seals, at most `limit`.
    ///
    /// * Once all are given, `next` is the size of the log; a `next` below `from` says that the log is
    ///   shorter than that.
    /// * A store MAY give fewer than `limit`, none even, while there are more; `next` MUST have grown
    ///   then. Of the nodes of a shared store only one gets any: for the others `next` stays `from`.
    async fn sealed_from(
        &self,
        workspace: WorkspaceId,
        from: u64,
        limit: usize,
    ) -> Result<Sealed, StoreError>;

    /// What is due at `now`, at most `limit` of each. A trace is due for a seal when it has unsealed
    /// leaves and its root ended `seal_after_root` ago, or nothing came for `seal_after_silence`, or
    /// more than `seal_partial_spans` leaves are unsealed. Clocks run on receive time.
    async fn due(&self, now: Nanos, limit: usize) -> Result<Due, StoreError>;

    /// Index and log of a record, wherever it stands.
    async fn locate(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        span: &SpanId,
    ) -> Result<Option<(LogId, u64)>, StoreError>;

    /// Waits until everything committed before the call is found by full-text search.
    async fn search_settled(&self) -> Result<(), StoreError>;
}
