//! A sink: a place outside, such as somebody's own database, to which every sealed trace of a workspace
//! goes as a document.
//!
//! It follows the workspace's log: traces in the order of their seals, and erasures in theirs. A durable
//! mark says how far it came, so nothing is lost while the place is away or the server is down. What was
//! under way at the end is written once more, under the same name, and so is never there twice. The name of
//! a document is the keyed digest by which the ledger knows an erased trace, so an erasure finds its document
//! though nobody remembers the trace. Only what every reader of the workspace may see goes out.
//!
//! Nothing waits for a sink: it reads what is committed, a bounded piece at a time, and rests as long as
//! it has worked. What a place looks like and how it is spoken to is a [`Sink`]'s business.

mod run;
mod standing;

use std::sync::Arc;

use async_trait::async_trait;
use exhibit_model::{TraceId, WorkspaceId};
use exhibit_store::TraceRow;

use crate::SpanDetail;

pub(crate) use standing::Feed;
pub use standing::SinkStanding;

/// Names a document of a sink: says nothing, and is the same for ever.
pub type SinkName = [u8; 16];

/// Somewhere to put documents of traces.
#[async_trait]
pub trait Sink: Send + Sync + 'static {
    /// Whether it answers and lets us in. Asked once, at the start.
    ///
    /// # Errors
    /// In words, without secrets, why not.
    async fn greet(&self) -> Result<(), String>;

    /// The document of a trace.
    ///
    /// # Errors
    /// In words why there cannot be one; it is not tried again before the trace has changed.
    fn encode(
        &self,
        name: &SinkName,
        row: &TraceRow,
        spans: &[SpanDetail],
    ) -> Result<Vec<u8>, String>;

    /// Writes documents, each in the place of the one that has its name. They are durable over there when
    /// this returns, but for those it names: the place refuses them for good.
    ///
    /// # Errors
    /// In words, without secrets, why it could not be done now; the documents come again.
    async fn write(&self, documents: &[SinkDocument]) -> Result<Vec<Unwritten>, String>;

    /// Removes what stands under these names, durably; what is not there is removed.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    async fn remove(&self, names: &[SinkName]) -> Result<(), String>;
}

/// A document on its way.
#[derive(Debug, Clone)]
pub struct SinkDocument {
    /// Its name.
    pub name: SinkName,
    /// The trace it is of.
    pub trace: TraceId,
    /// As [`Sink::encode`] made it.
    pub bytes: Vec<u8>,
}

/// A document that was refused for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwritten {
    /// Its place among those that were to be written.
    pub index: usize,
    /// Why, in words.
    pub reason: String,
}

/// What goes where.
#[derive(Clone)]
pub struct SinkRule {
    /// The sink.
    pub sink: Arc<dyn Sink>,
    /// Whose traces.
    pub workspace: WorkspaceId,
    /// Where that is, for people, without secrets. Another place is filled from the beginning.
    pub place: String,
}
