//! What was refused at a door, kept for people to read.
//!
//! Not evidence: nothing here is sealed, and the oldest give way to the newest. What stands in a
//! letter has been through governance like everything else that is stored.

use async_trait::async_trait;
use exhibit_model::{Nanos, WorkspaceId};

use crate::{Page, StoreError};

/// One refused entry of a request, or a whole request that could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its number, as text; grows with time. Given by the store.
    pub id: String,
    /// When it came.
    pub received: Nanos,
    /// The door it came to: `otlp`, `native`, or the name of a product's protocol.
    pub door: String,
    /// Position among the entries of its request, from 0; none for a whole request.
    pub index: Option<u64>,
    /// JSON pointer (RFC 6901) into the request.
    pub pointer: String,
    /// What is wrong and what to do about it.
    pub reason: String,
    /// Its trace id, where it could be read.
    pub trace_id: Option<String>,
    /// Its span id, where it could be read.
    pub span_id: Option<String>,
    /// The entry as JSON text after governance, cut to a bound; none when it could not be decoded.
    pub body: Option<String>,
    /// Whether the body was cut.
    pub cut: bool,
    /// Length of the entry (or request) as it came, bytes.
    pub bytes: u64,
    /// Keyed digest of the entry (or request) as it came: tells repeated ones, and nothing else.
    pub digest: [u8; 16],
}

/// The list of refused entries.
#[async_trait]
pub trait DeadLetterStore: Send + Sync + 'static {
    /// Keeps letters; of a workspace's letters the newest `keep` stay. Ids in the argument are
    /// ignored. Need not be durable at once.
    async fn bury(
        &self,
        workspace: WorkspaceId,
        letters: Vec<DeadLetter>,
        keep: u64,
    ) -> Result<(), StoreError>;

    /// A page of letters, newest first.
    async fn dead_letters(
        &self,
        workspace: WorkspaceId,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<DeadLetter>, StoreError>;

    /// Removes all letters of a workspace; how many there were.
    async fn clear_dead_letters(&self, workspace: WorkspaceId) -> Result<u64, StoreError>;
}

/// Reads a cursor: the id of the last letter of the page before.
pub fn cursor(after: Option<&str>) -> Result<Option<i64>, StoreError> {
    after.map(|text| text.parse().map_err(|_| StoreError::Cursor)).transpose()
}
