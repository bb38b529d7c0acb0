//! Every bound of the system, once, with its reason. All can be configured; none is infinite.

use serde::{Deserialize, Serialize};

/// Longest trace or span id a client may send. Long enough for every known client (UUIDs, 32 hex
/// digits, URNs), short enough for an index key.
pub const ID_CHARS_MAX: usize = 256;
/// Longest name of a span, trace, model, agent, user, session, tag; longer ones are cut and flagged.
pub const NAME_CHARS_MAX: usize = 512;
/// Longest preview of an input or output in lists, in characters.
pub const PREVIEW_CHARS: usize = 240;

/// The bounds that an operator may change.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Largest request body as received, bytes. OTLP exporters batch 512 spans by default; at 40 KB
    /// each that is 20 MB.
    pub body_bytes_max: usize,
    /// Largest body after decompression, bytes: bounds a decompression bomb.
    pub body_inflated_bytes_max: usize,
    /// Most spans in one request.
    pub spans_per_request_max: usize,
    /// Largest single span (all its texts), bytes. Larger ones are rejected by name, never cut.
    pub span_bytes_max: usize,
    /// Most attributes of one span; flattened message lists need many.
    pub attributes_per_span_max: usize,
    /// Most events plus links of one span.
    pub events_per_span_max: usize,
    /// Deepest nesting of JSON or protobuf values. Below the recursion limits of the decoders.
    pub depth_max: usize,
    /// Bytes of request bodies being worked on at once, over all connections; beyond it 503.
    pub inflight_bytes_max: usize,
    /// Spans waiting for the writer; beyond it 503.
    pub writer_queue_spans_max: usize,
    /// Events a WebSocket client may lag behind before it must resume from a cursor.
    pub live_backlog_max: usize,
    /// WebSocket connections at once.
    pub live_connections_max: usize,
    /// Most rows of one page of a list.
    pub page_rows_max: usize,
    /// Most spans of one window of a trace.
    pub window_spans_max: usize,
    /// Most bytes of whole spans in one answer; the first span comes however large it is.
    pub answer_bytes_max: usize,
    /// A running span with no update for this long is marked incomplete, milliseconds.
    pub stale_after_ms: u64,
    /// A trace is sealed this long after its root has ended, milliseconds.
    pub seal_after_root_ms: u64,
    /// A trace without a root, or with running spans, is sealed after this much silence, milliseconds.
    pub seal_after_silence_ms: u64,
    /// Spans after which an endless trace gets a partial seal.
    pub seal_partial_spans: u64,
    /// Shortest time between two signed checkpoints, milliseconds.
    pub checkpoint_interval_ms: u64,
    /// Time between two runs of retention in workspaces that have rules, milliseconds.
    pub retention_interval_ms: u64,
    /// A sequence number that a client passed over and that does not come within this time is entered into
    /// the log as missing, milliseconds. Longer than clients try again.
    pub gap_after_ms: u64,
    /// Requests a key may make per second, sustained.
    pub key_requests_per_s: u32,
    /// Failed logins an address or account may make per minute.
    pub login_attempts_per_min: u32,
    /// Seconds a client has to send its request head; defends against slow connections.
    pub header_timeout_s: u64,
    /// Seconds a client has to send its whole body.
    pub body_timeout_s: u64,
    /// Refused entries kept per workspace for people to read; the oldest give way.
    pub dead_letters_max: usize,
    /// Longest body kept of a refused entry, bytes of JSON text; longer ones are cut.
    pub dead_letter_bytes_max: usize,
    /// Write-ahead log size above which writes answer 503, bytes: a stuck reader must not fill the disk.
    pub wal_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 64 << 20,
            body_inflated_bytes_max: 128 << 20,
            spans_per_request_max: 50_000,
            span_bytes_max: 32 << 20,
            attributes_per_span_max: 16_384,
            events_per_span_max: 16_384,
            depth_max: 64,
            inflight_bytes_max: 96 << 20,
            writer_queue_spans_max: 20_000,
            live_backlog_max: 1_024,
            live_connections_max: 1_000,
            page_rows_max: 1_000,
            window_spans_max: 2_000,
            // A browser shows no more at once, and four such answers fit into the peak.
            answer_bytes_max: 16 << 20,
            stale_after_ms: 15 * 60 * 1_000,
            seal_after_root_ms: 30 * 1_000,
            seal_after_silence_ms: 15 * 60 * 1_000,
            seal_partial_spans: 10_000,
            checkpoint_interval_ms: 250,
            retention_interval_ms: 24 * 60 * 60 * 1_000,
            gap_after_ms: 5 * 60 * 1_000,
            key_requests_per_s: 2_000,
            login_attempts_per_min: 10,
            header_timeout_s: 15,
            body_timeout_s: 60,
            dead_letters_max: 10_000,
            dead_letter_bytes_max: 32 << 10,
            wal_bytes_max: 2 << 30,
        }
    }
}
