//! What others have said about the installation's log: cosigned checkpoints and time stamps.

use async_trait::async_trait;
use exhibit_model::Nanos;

use crate::StoreError;

/// What kind of word it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnchorKind {
    /// Cosignatures of witnesses, on the note itself.
    Witnessed,
    /// A time-stamp token (RFC 3161) over the text of the note.
    Stamped,
}

/// A checkpoint of the installation's log with somebody else's word on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// What kind of word it is.
    pub kind: AnchorKind,
    /// Size of the checkpoint.
    pub size: u64,
    /// Who gave it: the authority's name; empty for witnesses, whose names stand in the note.
    pub name: String,
    /// The signed note; for witnesses with their cosignatures.
    pub note: String,
    /// The token, DER; empty for witnesses.
    pub token: Vec<u8>,
    /// When it was kept.
    pub kept: Nanos,
}

/// Anchors of the installation's log.
#[async_trait]
pub trait AnchorStore: Send + Sync + 'static {
    /// Keeps an anchor; it replaces one of the same kind, size and name. The newest thousand of each
    /// kind MUST be kept; older ones MAY be thinned.
    async fn put_anchor(&self, anchor: Anchor) -> Result<(), StoreError>;

    /// Anchors of a kind whose size is at least `from`, by rising size, at most `limit`.
    async fn anchors(
        &self,
        kind: AnchorKind,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Anchor>, StoreError>;

    /// The anchor of a kind with the largest size.
    async fn latest_anchor(&self, kind: AnchorKind) -> Result<Option<Anchor>, StoreError>;
}
