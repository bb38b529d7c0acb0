//! The current revision of a span as a row.
//!
//! What SQL looks at has columns: identity, start, parent, and the time of the last update while it
//! runs. Everything else is one packed value, since binding thirty columns cost the writer a third
//! of its time. Nothing trusts it: what a leaf commits to are the parts in the blocks.

mod packed;

use exhibit_model::{RecordId, SpanHead, TraceId, merge::Digest};
use exhibit_store::{SpanRow, StoredSpan};

use super::{Columns, context::Contexts};
use crate::{
    failure::{Result, corrupt},
    varint,
};

pub(crate) use packed::{Packed, Stated};

/// The columns that [`Revision::read`] expects, in its order.
pub(crate) const COLUMNS: &str = "span_id, start, parent, packed";

/// The current revision of a span.
#[derive(Debug, Clone)]
pub(crate) struct Revision {
    pub(crate) head: SpanHead,
    pub(crate) record: RecordId,
    pub(crate) digest: Digest,
    pub(crate) place: Place,
    /// Index in the workspace's log, and hash.
    pub(crate) leaf: Option<(u64, [u8; 32])>,
    pub(crate) counted: bool,
}

/// Where the parts of a revision stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) block: i64,
    pub(crate) offset: u32,
    pub(crate) lengths: [u32; 5],
}

impl Revision {
    /// Reads a row of [`COLUMNS`].
    pub(crate) fn read(
        row: &rusqlite::Row<'_>,
        trace_id: &TraceId,
        contexts: &Contexts,
    ) -> Result<Self> {
        Self::read_with(row, trace_id, |number, head| {
            contexts.get(number)?.fill(head);
            Ok(())
        })
    }

    /// The same, where contexts come from elsewhere.
    pub(crate) fn read_with(
        row: &rusqlite::Row<'_>,
        trace_id: &TraceId,
        fill: impl FnOnce(i64, &mut SpanHead) -> Result<()>,
    ) -> Result<Self> {
        let mut c = Columns::of(row);
        let span_id = super::span_id(c.text()?)?;
        let start = c.time()?;
        let parent_id = c.text_or_null()?.map(super::span_id).transpose()?;
        let packed = Packed::read(c.bytes()?)?;
        let facts = packed.facts()?;
        let mut head = facts.head(trace_id, span_id, parent_id, start);
        fill(facts.context, &mut head)?;
        Ok(Self {
            head,
            record: packed.record,
            digest: packed.digest,
            place: packed.place,
            leaf: packed.leaf,
            counted: packed.counted,
        })
    }

    /// As a list shows it.
    pub(crate) fn into_row(self) -> SpanRow {
        SpanRow {
            head: self.head,
            record: self.record,
            index: self.leaf.map(|(index, _)| index),
            leaf_hash: self.leaf.map(|(_, hash)| hash),
            counted: self.counted,
        }
    }

    /// As stored, with its parts.
    pub(crate) fn stored(&self, parts: [Vec<u8>; 5]) -> StoredSpan {
        StoredSpan {
            record: self.record,
            digest: self.digest,
            parts,
            index: self.leaf.map(|(index, _)| index),
            leaf_hash: self.leaf.map(|(_, hash)| hash),
            counted: self.counted,
        }
    }
}

impl Place {
    /// Reads the columns `block, offset, lengths`.
    pub(crate) fn read(c: &mut Columns<'_>) -> Result<Self> {
        let block = c.int()?;
        let offset = u32::try_from(c.int()?).map_err(|_| corrupt("an offset"))?;
        let mut lengths = c.bytes()?;
        let place = Self { block, offset, lengths: take_lengths(&mut lengths)? };
        if lengths.is_empty() { Ok(place) } else { Err(corrupt("packed lengths")) }
    }
}

/// Reads the columns `leaf, leaf_hash`.
pub(crate) fn leaf(c: &mut Columns<'_>) -> Result<Option<(u64, [u8; 32])>> {
    match (c.int_or_null()?, c.array_or_null()?) {
        (Some(index), Some(hash)) => {
            let index = u64::try_from(index).map_err(|_| corrupt("a leaf index below zero"))?;
            Ok(Some((index, hash)))
        }
        (None, None) => Ok(None),
        _ => Err(corrupt("half a leaf")),
    }
}

/// Appends the lengths of the parts.
pub(crate) fn put_lengths(out: &mut Vec<u8>, lengths: [u32; 5]) {
    lengths.iter().for_each(|n| varint::put(out, u64::from(*n)));
}

fn take_lengths(rest: &mut &[u8]) -> Result<[u32; 5]> {
    let mut lengths = [0; 5];
    for length in &mut lengths {
        *length = varint::take(rest)
            .and_then(|n| u32::try_from(n).ok())
            .ok_or_else(|| corrupt("packed lengths"))?;
    }
    Ok(lengths)
}
