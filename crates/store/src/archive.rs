//! Payloads that were moved to cold storage: what stands in their place, and where they went.
//!
//! Rows, leaves, sums and the search index stay; only the bytes of blocks go. A block in the archive is
//! always sealed ([`crate::sealed`]), since an archive may be one from which nothing can be deleted.

use std::fmt;

use async_trait::async_trait;
use exhibit_model::{Nanos, TraceId, WorkspaceId};

use crate::{StoreError, TraceKey};

/// First byte of what stands in the place of an archived block.
pub const ARCHIVED_BLOCK: u8 = 2;

/// Names an object of the archive; random, says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub [u8; 16]);

impl ObjectId {
    /// The path below the archive's root: two digits, then all, so that no directory gets too full.
    pub fn path(&self) -> String {
        format!("payloads/{:02x}/{self}", self.0[0])
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Where the bytes of an archived block are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchivedBlock {
    /// The object.
    pub object: ObjectId,
    /// Where it starts in the object.
    pub offset: u64,
    /// Its length.
    pub bytes: u32,
    /// SHA-256 of it.
    pub digest: [u8; 32],
}

impl ArchivedBlock {
    /// What stands in the place of the block.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![ARCHIVED_BLOCK];
        out.extend_from_slice(&self.object.0);
        out.extend_from_slice(&self.offset.to_be_bytes());
        out.extend_from_slice(&self.bytes.to_be_bytes());
        out.extend_from_slice(&self.digest);
        out
    }

    /// Reads it; none when it is no such thing.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let (object, rest) = data.strip_prefix(&[ARCHIVED_BLOCK])?.split_first_chunk::<16>()?;
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        let (bytes, rest) = rest.split_first_chunk::<4>()?;
        Some(Self {
            object: ObjectId(*object),
            offset: u64::from_be_bytes(*offset),
            bytes: u32::from_be_bytes(*bytes),
            digest: rest.try_into().ok()?,
        })
    }
}

/// Cold storage. Calls block for as long as it takes.
pub trait Archive: Send + Sync + fmt::Debug + 'static {
    /// Keeps an object for good: it is durable when this returns.
    fn put(&self, object: ObjectId, bytes: Vec<u8>) -> Result<(), StoreError>;

    /// Bytes of an object; none when it is not there, or shorter.
    fn get(&self, object: ObjectId, offset: u64, bytes: u32)
    -> Result<Option<Vec<u8>>, StoreError>;

    /// Removes an object; one that is not there is removed.
    fn remove(&self, object: ObjectId) -> Result<(), StoreError>;
}

/// A trace's payloads that are not archived yet.
#[derive(Debug, Clone)]
pub struct TracePayloads {
    /// Its wrapped key.
    pub key: TraceKey,
    /// Number and bytes of each block, as stored, by number.
    pub blocks: Vec<(i64, Vec<u8>)>,
}

/// How much is archived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Archived {
    /// Traces with archived blocks.
    pub traces: u64,
    /// Those blocks.
    pub blocks: u64,
    /// Their bytes in the archive.
    pub bytes: u64,
}

/// Moving payloads to an archive and finding them there. A store without it answers `Unsupported`.
#[async_trait]
pub trait ArchiveStore: Send + Sync + 'static {
    /// Sealed traces that were last added to before `before` and have blocks that are not archived, and
    /// from which number to go on; none at the end. May give few at a time.
    async fn archivable(
        &self,
        _workspace: WorkspaceId,
        _before: Nanos,
        _after: i64,
    ) -> Result<(Vec<TraceId>, Option<i64>), StoreError> {
        Err(StoreError::Unsupported("move payloads to an archive"))
    }

    /// The blocks of a trace that are not archived.
    async fn payloads(
        &self,
        _workspace: WorkspaceId,
        _trace: &TraceId,
    ) -> Result<Option<TracePayloads>, StoreError> {
        Err(StoreError::Unsupported("move payloads to an archive"))
    }

    /// Puts references in the places of blocks, all or none; their space is free afterwards. False when
    /// one of them is not there any more: the trace was erased.
    async fn archive(
        &self,
        _workspace: WorkspaceId,
        _trace: &TraceId,
        _moved: Vec<(i64, ArchivedBlock)>,
    ) -> Result<bool, StoreError> {
        Err(StoreError::Unsupported("move payloads to an archive"))
    }

    /// How much of a workspace is archived.
    async fn archived(&self, _workspace: WorkspaceId) -> Result<Archived, StoreError> {
        Ok(Archived::default())
    }

    /// The objects that hold blocks of these traces.
    async fn archived_objects(
        &self,
        _workspace: WorkspaceId,
        _traces: &[TraceId],
    ) -> Result<Vec<ObjectId>, StoreError> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_reads_back_and_nothing_else_does() {
        let one = ArchivedBlock {
            object: ObjectId([7; 16]),
            offset: 1 << 40,
            bytes: 77,
            digest: [9; 32],
        };
        let bytes = one.to_bytes();
        assert_eq!(ArchivedBlock::parse(&bytes), Some(one));
        assert_eq!(one.object.path(), format!("payloads/07/{}", "07".repeat(16)));
        for cut in 0..bytes.len() {
            assert_eq!(ArchivedBlock::parse(&bytes[..cut]), None);
        }
        assert_eq!(ArchivedBlock::parse(&[&bytes[..], &[0]].concat()), None);
        assert_eq!(ArchivedBlock::parse(&[&[1], &bytes[1..]].concat()), None);
    }
}
