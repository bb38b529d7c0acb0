//! What verification reads: everything a store shows, beside everything it was derived from.

use async_trait::async_trait;
use exhibit_model::{SpanId, TraceId, WorkspaceId};

use crate::{
    Page, StoreError,
    rollup::{Cell, Key},
    span::{SpanRow, StoredSeal, StoredSpan, TraceRow},
};

/// One trace with all its records.
#[derive(Debug, Clone)]
pub struct AuditTrace {
    /// The trace as lists show it.
    pub row: TraceRow,
    /// Every current span, the registration record included: as lists show it, and as stored. The
    /// parts are empty when bodies were not asked for.
    pub spans: Vec<(SpanRow, StoredSpan)>,
    /// Part lengths of each span, as the row states them; they stand in the leaf too.
    pub lengths: Vec<[u32; 5]>,
    /// Every superseded terminal revision, with its span. None of them counts any more.
    pub superseded: Vec<(SpanId, StoredSpan)>,
    /// The span in whose rollup cells the trace itself counts: the first that was sealed.
    pub first_span: Option<SpanId>,
    /// Every seal.
    pub seals: Vec<StoredSeal>,
    /// What the store keeps beside the summary for filters and sorting and what does not follow from
    /// it, by name. Always empty in a store that keeps nothing beside.
    pub differing: Vec<String>,
    /// Archived objects with its payloads that are missing (true) or were changed; the parts of records
    /// in them are empty.
    pub lost: Vec<(String, bool)>,
}

/// A trace, and the words by which full-text search should find it.
#[derive(Debug, Clone)]
pub struct Findable {
    /// The trace.
    pub trace: TraceId,
    /// Every word that is to be found in it.
    pub text: String,
    /// It was written so long ago that an index which has not taken it in by now lacks it. A younger
    /// trace is asked only where the index says that it holds it.
    pub settled: bool,
}

impl AuditTrace {
    /// Refuses a trace of which an archive has lost payloads.
    ///
    /// # Errors
    /// `Lost`, with the first object.
    pub fn whole(&self) -> Result<(), StoreError> {
        match self.lost.first() {
            None => Ok(()),
            Some((object, missing)) => {
                Err(StoreError::Lost { object: object.clone(), missing: *missing })
            }
        }
    }
}

/// An act of administration as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAct {
    /// Index of its leaf in the workspace's log.
    pub index: u64,
    /// What was done.
    pub body: Vec<u8>,
}

/// A number that tells operators how a store is.
#[derive(Debug, Clone, PartialEq)]
pub struct Gauge {
    /// Its name for Prometheus, without the program's.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// Its value.
    pub value: f64,
}

/// Reads for verification. Reads see one consistent state per call and never block writers.
#[async_trait]
pub trait AuditStore: Send + Sync + 'static {
    /// A page of traces of a workspace in a stable order, with or without the bytes of their records.
    async fn audit_traces(
        &self,
        workspace: WorkspaceId,
        after: Option<String>,
        limit: usize,
        bodies: bool,
    ) -> Result<Page<AuditTrace>, StoreError>;

    /// How the store itself is, as far as it knows without asking. A store may have nothing to say.
    fn gauges(&self) -> Vec<Gauge> {
        Vec::new()
    }

    /// One trace with all its records and their bytes.
    async fn audit_trace(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Option<AuditTrace>, StoreError>;

    /// How many current spans a workspace has, for progress bars.
    async fn audit_size(&self, workspace: WorkspaceId) -> Result<u64, StoreError>;

    /// Every cell of a workspace's rollups, each page in key order.
    async fn audit_rollups(
        &self,
        workspace: WorkspaceId,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<(Key, Cell)>, StoreError>;

    /// The acts of administration of a workspace whose leaves stand at `from` or later, in the order
    /// of their leaves, at most `limit`.
    async fn audit_acts(
        &self,
        workspace: WorkspaceId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredAct>, StoreError>;

    /// Of these traces, those that full-text search would not find although it should.
    async fn audit_search(
        &self,
        workspace: WorkspaceId,
        traces: &[Findable],
    ) -> Result<Vec<TraceId>, StoreError>;
}
