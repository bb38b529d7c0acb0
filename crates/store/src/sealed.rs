//! Payloads that lie encrypted: what opens them, and where their keys are kept.
//!
//! A store keeps blocks as bytes. Some are sealed by whoever made them; to slice a record out of one, the
//! store asks an [`Unsealer`]. The keys under the keys of traces lie in a [`SlotStore`], which is not part
//! of the database and of no backup of it: a key destroyed there is destroyed for every copy.

use std::fmt;

use exhibit_model::{TraceId, WorkspaceId};

use crate::{StoreError, TraceKey};

/// First byte of a sealed block; a plain one is a zstd frame, which starts with 0x28.
pub const SEALED_BLOCK: u8 = 1;

/// Gives a key wrapped anew, of the key as it was wrapped; none when that does not open.
pub type Rewrap<'a> = dyn FnMut(SlotId, &[u8]) -> Option<Vec<u8>> + 'a;

/// Opens sealed blocks.
pub trait Unsealer: Send + Sync + fmt::Debug + 'static {
    /// The zstd frame in a sealed block of a trace.
    ///
    /// # Errors
    /// `Corrupt` when it does not open: it was changed, or its key was destroyed.
    fn unseal(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        key: &TraceKey,
        block: &[u8],
    ) -> Result<Vec<u8>, StoreError>;
}

/// Names the place of one trace's key; random, says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotId(pub [u8; 16]);

/// What a slot store says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotHeader {
    /// Tells it from others.
    pub id: [u8; 16],
    /// The key that wraps all slots, wrapped by the master key.
    pub key: Vec<u8>,
    /// Which master key that was: a fingerprint.
    pub master: String,
}

/// A slot whose trace is being erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoomedSlot {
    /// The slot.
    pub slot: SlotId,
    /// Workspace of the trace.
    pub workspace: WorkspaceId,
    /// The trace's tombstone: where the database has it, the trace is gone and the slot must go.
    pub tombstone: [u8; 16],
}

/// Wrapped keys, one per trace, apart from the database. Calls block for as long as a disk takes.
///
/// * What a change states is durable when it returns, all of it or none.
/// * The bytes of a destroyed key MUST NOT be readable from its files afterwards.
pub trait SlotStore: Send + Sync + fmt::Debug + 'static {
    /// What it says about itself; none before [`begin`](Self::begin).
    fn header(&self) -> Result<Option<SlotHeader>, StoreError>;

    /// The first thing that is written.
    fn begin(&self, header: &SlotHeader) -> Result<(), StoreError>;

    /// Keeps wrapped keys.
    fn put(&self, slots: &[(SlotId, Vec<u8>)]) -> Result<(), StoreError>;

    /// A wrapped key; none when it was destroyed.
    fn get(&self, slot: SlotId) -> Result<Option<Vec<u8>>, StoreError>;

    /// Notes that slots are about to be destroyed.
    fn doom(&self, slots: &[DoomedSlot]) -> Result<(), StoreError>;

    /// Slots that were doomed and neither destroyed nor spared: a crash came between.
    fn doomed(&self) -> Result<Vec<DoomedSlot>, StoreError>;

    /// Takes the note back.
    fn spare(&self, slots: &[SlotId]) -> Result<(), StoreError>;

    /// Destroys keys for ever.
    fn destroy(&self, slots: &[SlotId]) -> Result<(), StoreError>;

    /// Wraps every key anew and changes the header, in one step: a crash leaves the old or the new.
    /// How many keys there were.
    ///
    /// # Errors
    /// `Corrupt` when `rewrap` gives none for a key; then nothing has changed.
    fn rewrap(&self, header: &SlotHeader, rewrap: &mut Rewrap<'_>) -> Result<u64, StoreError>;
}
