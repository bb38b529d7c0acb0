//! What an operator may set.

use std::sync::Arc;

use exhibit_model::Limits;
use exhibit_store::{Archive, Unsealer};

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether text is indexed. Without it, filters with text are `Unsupported`.
    pub search: bool,
    /// Spans that may wait for the writer; a commit beyond it is `Busy`.
    pub queue_spans_max: usize,
    /// Size of the write-ahead log above which commits are `Busy`, bytes.
    pub wal_bytes_max: u64,
    /// Text that may wait for the indexer, bytes. What does not fit is read again from the store.
    pub index_queue_bytes_max: usize,
    /// Memory of the text indexer, bytes; at least 15 MB.
    pub index_heap_bytes: usize,
    /// Connections that read at once.
    pub readers_max: usize,
    /// A trace is due for a seal this long after its root has ended, milliseconds.
    pub seal_after_root_ms: u64,
    /// A trace is due for a seal after this much silence, milliseconds.
    pub seal_after_silence_ms: u64,
    /// A trace is due for a seal beyond this many unsealed leaves.
    pub seal_partial_spans: u64,
    /// A running span is due to be marked after this much silence, milliseconds.
    pub stale_after_ms: u64,
    /// Where payloads are that do not lie open in the database.
    pub payloads: PayloadSources,
}

/// What opens payloads that are sealed, and fetches those that are archived. Without it they do not read.
#[derive(Debug, Clone, Default)]
pub struct PayloadSources {
    /// Opens sealed blocks.
    pub unsealer: Option<Arc<dyn Unsealer>>,
    /// Has archived blocks.
    pub archive: Option<Arc<dyn Archive>>,
}

impl Options {
    /// The options that a configuration's limits state, with search on.
    pub fn of(limits: &Limits) -> Self {
        Self {
            search: true,
            queue_spans_max: limits.writer_queue_spans_max,
            wal_bytes_max: limits.wal_bytes_max,
            index_queue_bytes_max: 12 << 20,
            index_heap_bytes: 16 << 20,
            readers_max: 4,
            seal_after_root_ms: limits.seal_after_root_ms,
            seal_after_silence_ms: limits.seal_after_silence_ms,
            seal_partial_spans: limits.seal_partial_spans,
            stale_after_ms: limits.stale_after_ms,
            payloads: PayloadSources::default(),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::of(&Limits::default())
    }
}
