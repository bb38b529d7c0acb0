//! Carrying everything over from one store to another, so that every id, index, proof and checkpoint stays
//! what it is.
//!
//! Nothing is replayed: what one store holds the other is given as it is. [`pass`] compares the two and
//! carries what differs, so it can be interrupted at any instant and run again, and it can run while the
//! source is written to; the last one runs while nobody writes ([`Carry::freeze`]). What a store derives for
//! itself (facets, search indexes, columns beside a summary) is derived again by the target.
//!
//! Tables that both stores have alike are named in [`TABLES`]; traces and rollup cells have types of their own.

mod pass;
mod table;

use async_trait::async_trait;
use exhibit_model::{Nanos, RecordId, SpanHead, SpanId, TraceSummary, WorkspaceId, merge::Digest};

use crate::{
    AccountStore, AuditStore, LedgerStore, StoreError, StoredSeal, TraceKey,
    rollup::{Cell, Key},
};

pub use pass::{Moved, Progress, pass};
pub use table::{Column, Kind, TABLES, Table, Value};

/// The setting of a store that was moved away: where to.
pub const MOVED: &str = "carry.moved";
/// The setting of a store into which another is being moved: whose.
pub const ARRIVING: &str = "carry.arriving";

/// By what a trace is known to have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The trace's number, which both stores use.
    pub number: i64,
    /// When it last changed, nanoseconds.
    pub last_received: i64,
    /// Current records.
    pub records: i64,
    /// Ledger leaves of its spans.
    pub leaves: i64,
    /// Of those, covered by the latest seal.
    pub covered: i64,
    /// Its seals.
    pub seals: i64,
}

/// A trace with everything that is kept of it.
#[derive(Debug, Clone)]
pub struct CarriedTrace {
    /// Its number.
    pub number: i64,
    /// Whose.
    pub workspace: WorkspaceId,
    /// Its summary.
    pub summary: TraceSummary,
    /// When it was first heard of.
    pub first_received: Nanos,
    /// When it last changed.
    pub last_received: Nanos,
    /// When the current revision of its root came.
    pub root_received: Option<Nanos>,
    /// The span in whose rollup cells the trace counts.
    pub first_span: Option<SpanId>,
    /// Its wrapped key.
    pub key: TraceKey,
    /// Current records, as the row counts them.
    pub records: u64,
    /// Ledger leaves of its spans, as the row counts them.
    pub leaves: u64,
    /// Of those, covered by the latest seal.
    pub covered: u64,
    /// Current revisions, the registration included.
    pub spans: Vec<CarriedSpan>,
    /// Replaced terminal revisions.
    pub superseded: Vec<CarriedRevision>,
    /// Its seals, oldest first.
    pub seals: Vec<StoredSeal>,
    /// Its payloads.
    pub blocks: Vec<CarriedBlock>,
}

/// The current revision of a span.
#[derive(Debug, Clone)]
pub struct CarriedSpan {
    /// What lists show.
    pub head: SpanHead,
    /// While it runs: when this revision came.
    pub received: Option<Nanos>,
    /// Whether its usage counts.
    pub counted: bool,
    /// What identifies it and where its parts are.
    pub revision: CarriedRevision,
}

/// What identifies a revision, and where its parts are.
#[derive(Debug, Clone)]
pub struct CarriedRevision {
    /// Its span.
    pub span_id: SpanId,
    /// Its record id.
    pub record: RecordId,
    /// Digest of the delivery.
    pub digest: Digest,
    /// Number of the block that holds its parts.
    pub block: i64,
    /// Where they start in the raw block.
    pub offset: u32,
    /// Length of each.
    pub lengths: [u32; 5],
    /// Index and hash of its leaf.
    pub leaf: Option<(u64, [u8; 32])>,
}

/// A compressed payload.
#[derive(Debug, Clone)]
pub struct CarriedBlock {
    /// Its number.
    pub id: i64,
    /// Length before compression, bytes.
    pub raw_bytes: u32,
    /// A zstd frame.
    pub data: Vec<u8>,
}

/// A store that can be carried over to another, or be what is carried to.
#[async_trait]
pub trait Carry: AccountStore + AuditStore + LedgerStore {
    /// Rows of a table after a key, in the order of the keys, at most `limit`. Values are in the order of
    /// [`Table::columns`]; with `whole` unset those that are not [`Table::compared`] may be left out.
    async fn rows(
        &self,
        table: &'static Table,
        after: Option<Vec<Value>>,
        limit: usize,
        whole: bool,
    ) -> Result<Vec<Vec<Value>>, StoreError>;

    /// Stamps of traces after a number, in the order of their numbers, at most `limit`.
    async fn stamps(&self, after: i64, limit: usize) -> Result<Vec<Stamp>, StoreError>;

    /// These traces, as far as they exist.
    async fn carried(&self, numbers: &[i64]) -> Result<Vec<CarriedTrace>, StoreError>;

    /// The largest number that was given to a commit, a trace or a block.
    async fn last_number(&self) -> Result<i64, StoreError>;

    /// Puts rows in the place of those with the same keys, and removes those with the keys in `gone`.
    async fn put_rows(
        &self,
        table: &'static Table,
        rows: Vec<Vec<Value>>,
        gone: Vec<Vec<Value>>,
    ) -> Result<(), StoreError>;

    /// Puts traces in the place of those with the same numbers, and removes those in `gone`. Rollups are
    /// not touched.
    async fn put_traces(&self, traces: Vec<CarriedTrace>, gone: Vec<i64>)
    -> Result<(), StoreError>;

    /// Adds to rollup cells.
    async fn add_cells(
        &self,
        workspace: WorkspaceId,
        cells: Vec<(Key, Cell)>,
    ) -> Result<(), StoreError>;

    /// Makes sure that numbers which are given from now on are larger than this one, and all that were
    /// carried.
    async fn go_on_after(&self, number: i64) -> Result<(), StoreError>;

    /// Stops every write to this store until [`thaw`](Self::thaw) or the end of this process.
    async fn freeze(&self) -> Result<(), StoreError>;

    /// Ends what [`freeze`](Self::freeze) began: for good where the store was `moved`, which it then says
    /// in [`MOVED`] to whoever opens it and refuses every write, those of nodes that run already included.
    async fn thaw(&self, moved: Option<&str>) -> Result<(), StoreError>;
}
