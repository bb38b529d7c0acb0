//! Every wire shape becomes the model's.
//!
//! Two steps, both pure functions without clock, network or storage:
//!
//! 1. A *door* ([`otlp`], [`native`]) decodes bytes into spans that hold only **raw** fields: identity,
//!    times, status, attributes, events, links. A bad span is rejected by index and pointer; the good
//!    ones beside it go on.
//! 2. [`map`] reads the raw fields by the tables of every known [`dialect`] and fills the **mapped**
//!    fields: kind, model, usage and so on. It can be run again at any time, after a merge or a
//!    redaction, and gives the same answer for the same raw fields. [`content`] reads what was asked
//!    and what came back, in one shape, and is never stored.
//!
//! A vendor's attribute name stands only under `dialect/`. A new dialect is one new file there and its
//! line in the registry.

pub mod dialect;
mod error;
mod ids;
mod json;
mod map;
pub mod native;
pub mod otlp;
mod read;
mod stamp;

mod content;

pub use content::{Previews, content, previews};
pub use error::DecodeError;
pub use map::{MAPPING_VERSION, map};
pub use native::numbered;

use exhibit_model::{Json, Limits, Nanos, Span};

/// What a decoder needs to know beside the bytes.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// When the request was received, by our clock.
    pub received: Nanos,
    /// The bounds in force.
    pub limits: &'a Limits,
    /// Tenant, project and experiment headers of the request. They never route; they become metadata
    /// of every span.
    pub labels: &'a [(String, String)],
}

/// How an OTLP request is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-protobuf`.
    Protobuf,
    /// `application/json`, as the OTLP specification maps it.
    Json,
}

/// What a request held.
#[derive(Debug, Default)]
pub struct Decoded {
    /// The good spans, not yet mapped.
    pub spans: Vec<Span>,
    /// Log records that were accepted without becoming spans.
    pub accepted_other: u64,
    /// Metric data points that were accepted.
    pub metric_points: u64,
    /// The bad ones.
    pub rejected: Vec<Rejected>,
    /// The protocol they came by, for the dead-letter list; empty for OTLP and the native API, which
    /// a span's own door tells.
    pub protocol: &'static str,
}

/// One entry of a request that was refused while the others went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its position among all entries of the request, from 0.
    pub index: usize,
    /// JSON pointer (RFC 6901) into the request.
    pub pointer: String,
    /// What is wrong and what to do about it.
    pub reason: String,
    /// Its span id, where it could be read.
    pub span_id: Option<String>,
    /// Its trace id, where it could be read.
    pub trace_id: Option<String>,
    /// The entry itself, where it could be read at all: for the dead-letter list.
    pub body: Option<Json>,
}
