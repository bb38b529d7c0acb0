//! The storage contract: what every back end MUST keep, and the types it speaks in.
//!
//! Narrow traits, [`SpanStore`], [`LedgerStore`], [`AnchorStore`], [`AccountStore`],
//! [`AuditStore`], [`EraseStore`], [`ArchiveStore`], [`EncryptStore`] and [`DeadLetterStore`], together
//! [`Store`].
//! The contract is worded so that a store made of two databases can keep it: it speaks of what is
//! visible and durable, never of one transaction file. [`conformance`] is its executable form; an
//! implementation is right when that suite passes.
//!
//! Start at [`SpanStore::commit`]: it is the only way in which traces come to exist.

pub mod account;
pub mod analytics;
pub mod anchor;
pub mod archive;
pub mod audit;
pub mod carry;
#[cfg(feature = "testing")]
pub mod conformance;
pub mod dead_letter;
pub mod encrypt;
pub mod erase;
pub mod error;
pub mod filter;
pub mod history;
pub mod ledger;
pub mod memory;
pub mod review;
pub mod rollup;
pub mod sealed;
pub mod search;
pub mod span;

pub use account::{AccountStore, AdminAct, Login};
pub use analytics::{Analytics, AnalyticsQuery, Dimension, Group, Measures, Series};
pub use anchor::{Anchor, AnchorKind, AnchorStore};
pub use archive::{
    ARCHIVED_BLOCK, Archive, ArchiveStore, Archived, ArchivedBlock, ObjectId, TracePayloads,
};
pub use audit::{AuditStore, AuditTrace, Findable, Gauge, StoredAct};
pub use dead_letter::{DeadLetter, DeadLetterStore};
pub use encrypt::{EncryptStore, Resealed};
pub use erase::{Doomed, EraseStore};
pub use error::StoreError;
pub use filter::Filter;
pub use history::{HEADS_MAX, HistoryQuery, TraceHistory};
pub use ledger::{LedgerStore, LogHead, LogId, StoredCheckpoint};
pub use review::{Delivery, ReviewQuery, ReviewStore};
pub use sealed::{DoomedSlot, Rewrap, SEALED_BLOCK, SlotHeader, SlotId, SlotStore, Unsealer};
pub use span::{
    Batch, Block, CommitError, Committed, Due, DueSpan, Leaf, Order, Page, SealWrite, Sealed,
    SessionSummary, SpanRow, SpanStore, SpanWindow, SpanWrite, StoredSeal, StoredSpan, TraceKey,
    TraceQuery, TraceRow, TraceWrite,
};

/// A whole back end.
pub trait Store:
    SpanStore
    + LedgerStore
    + AnchorStore
    + AccountStore
    + AuditStore
    + EraseStore
    + ArchiveStore
    + EncryptStore
    + DeadLetterStore
    + ReviewStore
{
}

impl<T> Store for T where
    T: SpanStore
        + LedgerStore
        + AnchorStore
        + AccountStore
        + AuditStore
        + EraseStore
        + ArchiveStore
        + EncryptStore
        + DeadLetterStore
        + ReviewStore
{
}
