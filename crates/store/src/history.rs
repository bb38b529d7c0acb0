//! All of a workspace's past, for those who go over it as a whole: what rules would have said of it.

use std::sync::Arc;

use exhibit_model::{Nanos, SpanHead, TraceId, TraceSummary};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct HistoryQuery {
    /// Traces that started then or later.
    pub from: Nanos,
    /// Continue after this cursor, as a [`Page`](crate::Page) gave it.
    pub after: Option<String>,
    /// Most traces.
    pub limit: usize,
    /// The heads shall hold names: of the span, its model, its provider, its tool, its parent.
    pub names: bool,
    /// The heads shall hold what siblings share: agent, session, user, environment, version, service,
    /// tags, metadata.
    pub context: bool,
    /// Summaries shall be there.
    pub summaries: bool,
}

/// A trace with what lists know of its spans.
#[derive(Debug, Clone)]
pub struct TraceHistory {
    /// Which.
    pub trace_id: TraceId,
    /// Its summary, where it was asked for or costs nothing.
    pub summary: Option<Arc<TraceSummary>>,
    /// The heads of its spans in order of (start, span id), the registration record left out; what was
    /// not asked for may be empty. None where the store cannot say more of them than whole records do, or
    /// where there are more than [`HEADS_MAX`].
    pub heads: Option<Vec<SpanHead>>,
}

/// Most heads of one trace.
pub const HEADS_MAX: usize = 10_000;
