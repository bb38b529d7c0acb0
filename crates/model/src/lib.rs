//! The vocabulary of Exhibit.
//!
//! Every other room speaks in these words: a [`Trace`](TraceSummary) is made of [`Span`]s, a span has
//! [`Usage`] and a [`Cost`], rules leave [`Finding`]s and [`Evaluation`]s, and a [`Workspace`] owns it
//! all. This crate does no I/O, knows no clock and no randomness of its own (see [`Clock`] and
//! [`Entropy`]), and contains no vendor's attribute name.
//!
//! Start at [`Span`]; [`record`] says how a span becomes the bytes that are sealed and stored.

pub mod account;
pub mod content;
pub mod cost;
pub mod finding;
pub mod id;
pub mod kind;
pub mod limits;
pub mod merge;
pub mod record;
pub mod review;
pub mod span;
pub mod text;
pub mod time;
pub mod trace;
pub mod usage;

pub use account::{
    ApiKey, ApiKeyId, Member, Role, Scope, Scopes, Session, User, UserId, Workspace,
};
pub use content::{Content, Message, MessagePart, ToolCall};
pub use cost::{Cost, CostSource, NanoUsd};
pub use finding::{
    Action, Decision, Evaluation, Finding, FindingCategory, Outcome, Severity, Verdict,
};
pub use id::{IdError, RecordId, SpanId, TraceId, WorkspaceId};
pub use kind::{SpanKind, Status};
pub use limits::Limits;
pub use review::{Review, ReviewAct, ReviewDeed, ReviewReason, ReviewState};
pub use span::{
    Attribute, Door, Event, Flag, Link, Part, PromptTemplate, Resource,
    Scope as InstrumentationScope, Span,
};
pub use time::{Clock, Entropy, Nanos};
pub use trace::{SpanHead, TraceSummary, UsageRole};
pub use usage::{ReportedUsage, TokenSemantics, Usage};

/// Any JSON value. Object keys keep the order in which the client sent them.
pub type Json = serde_json::Value;
/// A JSON object.
pub type JsonMap = serde_json::Map<String, Json>;
