//! The current revision of a span as a row.

use std::collections::BTreeMap;

use exhibit_model::{
    CostSource, Flag, NanoUsd, Nanos, RecordId, SpanHead, SpanKind, Status, TraceId, Usage,
    UsageRole, Verdict, merge::Digest,
};
use exhibit_store::{SpanRow, StoredSpan};

use super::{Columns, context::Contexts};
use crate::{
    failure::{Result, corrupt},
    varint,
};

/// The columns that [`Revision::read`] expects, in its order.
pub(crate) const COLUMNS: &str = "span_id, start, \"end\", parent, name, kind, status, verdict, \
     context, model, provider, tool, response_id, usage, usage_role, cost, cost_source, ttft, \
     findings, flags, quarantined, counted, input_preview, output_preview, record, digest, block, \
     offset, lengths, leaf, leaf_hash, received";

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
        let mut c = Columns::of(row);
        let span_id = super::span_id(c.text()?)?;
        let start = c.time()?;
        let end = c.time_or_null()?;
        let parent_id = c.text_or_null()?.map(super::span_id).transpose()?;
        let name = c.text()?.to_owned();
        let kind = c.word(SpanKind::from_code)?;
        let status = c.word(Status::from_code)?;
        let verdict = c.word(Verdict::from_code)?;
        let context = contexts.get(c.int()?)?;
        let mut head = SpanHead {
            trace_id: trace_id.clone(),
            span_id,
            parent_id,
            name,
            kind,
            status,
            start,
            end,
            model: c.string_or_null()?,
            provider: c.string_or_null()?,
            agent: None,
            session: None,
            user: None,
            environment: None,
            version: None,
            service: None,
            tool: c.string_or_null()?,
            trace_name: None,
            tags: Vec::new(),
            metadata: BTreeMap::new(),
            response_id: c.string_or_null()?,
            usage: c.bytes_or_null()?.map(unpack_usage).transpose()?,
            usage_role: c.word(usage_role)?,
            cost: c.int_or_null()?.map(NanoUsd),
            cost_source: c.word(CostSource::from_code)?,
            ttft: c.int_or_null()?.map(Nanos),
            verdict,
            findings: u32::try_from(c.int()?).map_err(|_| corrupt("a count of findings"))?,
            flags: c.bytes_or_null()?.map_or_else(|| Ok(Vec::new()), unpack_flags)?,
            quarantined: c.flag()?,
            input_preview: None,
            output_preview: None,
        };
        context.fill(&mut head);
        let counted = c.flag()?;
        head.input_preview = c.string_or_null()?;
        head.output_preview = c.string_or_null()?;
        let record = c.record()?;
        let digest = c.array()?;
        let place = Place::read(&mut c)?;
        let leaf = leaf(&mut c)?;
        Ok(Self { head, record, digest, place, leaf, counted })
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
    /// Reads `block, offset, lengths`.
    pub(crate) fn read(c: &mut Columns<'_>) -> Result<Self> {
        let block = c.int()?;
        let offset = u32::try_from(c.int()?).map_err(|_| corrupt("an offset"))?;
        Ok(Self { block, offset, lengths: unpack_lengths(c.bytes()?)? })
    }
}

/// Reads `leaf, leaf_hash`.
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

/// The code of a usage role.
pub(crate) fn usage_role_code(role: UsageRole) -> i64 {
    match role {
        UsageRole::None => 0,
        UsageRole::Leaf => 1,
        UsageRole::Aggregate => 2,
    }
}

fn usage_role(code: i64) -> Option<UsageRole> {
    match code {
        0 => Some(UsageRole::None),
        1 => Some(UsageRole::Leaf),
        2 => Some(UsageRole::Aggregate),
        _ => None,
    }
}

/// A bit for each bucket that is not zero, in two bytes, then those buckets.
pub(crate) fn pack_usage(usage: &Usage) -> Vec<u8> {
    let buckets = usage.buckets();
    let bits = buckets.iter().rev().fold(0_u16, |bits, n| bits << 1 | u16::from(*n != 0));
    let mut out = Vec::with_capacity(12);
    out.extend_from_slice(&bits.to_le_bytes());
    buckets.iter().filter(|n| **n != 0).for_each(|n| varint::put(&mut out, *n));
    out
}

fn unpack_usage(bytes: &[u8]) -> Result<Usage> {
    let error = || corrupt("a packed usage");
    let (bits, mut rest) = bytes.split_first_chunk().ok_or_else(error)?;
    let bits = u16::from_le_bytes(*bits);
    let mut buckets = [0; 12];
    for (place, bucket) in buckets.iter_mut().enumerate() {
        if bits >> place & 1 == 1 {
            *bucket = varint::take(&mut rest).filter(|n| *n != 0).ok_or_else(error)?;
        }
    }
    if rest.is_empty() && bits >> 12 == 0 { Ok(Usage::from_buckets(buckets)) } else { Err(error()) }
}

/// Codes in the order of the flags; none when there are none.
pub(crate) fn pack_flags(flags: &[Flag]) -> Option<Vec<u8>> {
    (!flags.is_empty()).then(|| flags.iter().map(|flag| flag.code() as u8).collect())
}

fn unpack_flags(bytes: &[u8]) -> Result<Vec<Flag>> {
    bytes
        .iter()
        .map(|code| Flag::from_code(i64::from(*code)).ok_or_else(|| corrupt("a flag")))
        .collect()
}

pub(crate) fn pack_lengths(lengths: [u32; 5]) -> Vec<u8> {
    let mut out = Vec::with_capacity(10);
    lengths.iter().for_each(|n| varint::put(&mut out, u64::from(*n)));
    out
}

fn unpack_lengths(mut bytes: &[u8]) -> Result<[u32; 5]> {
    let error = || corrupt("packed lengths");
    let mut lengths = [0; 5];
    for length in &mut lengths {
        *length =
            varint::take(&mut bytes).and_then(|n| u32::try_from(n).ok()).ok_or_else(error)?;
    }
    if bytes.is_empty() { Ok(lengths) } else { Err(error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_columns_read_back() {
        let usage = Usage { input_uncached: 900, output_text: 70, web_searches: 1, ..Usage::default() };
        assert_eq!(unpack_usage(&pack_usage(&usage)).unwrap(), usage);
        assert_eq!(unpack_usage(&pack_usage(&Usage::default())).unwrap(), Usage::default());
        let lengths = [0, 1, 127, 70_000, u32::MAX];
        assert_eq!(unpack_lengths(&pack_lengths(lengths)).unwrap(), lengths);
        let flags = vec![Flag::Stale, Flag::Correction];
        assert_eq!(unpack_flags(&pack_flags(&flags).unwrap()).unwrap(), flags);
    }

    #[test]
    fn packed_columns_of_another_form_are_refused() {
        for bytes in [&[][..], &[1], &[1, 0], &[1, 0, 5, 5], &[0, 0x80]] {
            assert!(unpack_usage(bytes).is_err(), "{bytes:?}");
        }
        assert!(unpack_lengths(&[1, 2, 3, 4]).is_err());
        assert!(unpack_flags(&[250]).is_err());
    }
}
