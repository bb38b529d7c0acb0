//! Blocks of payload, and the parts of records in them.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};
use zstd::bulk::Decompressor;

use super::span::Place;
use crate::failure::{Result, SqlContext, corrupt};

/// Largest raw block. Well above any span that is let in; a stated length beyond it is a lie.
pub(crate) const RAW_BYTES_MAX: u32 = 512 << 20;
/// Raw bytes of blocks that one read keeps.
const KEPT_BYTES_MAX: usize = 8 << 20;

/// Reads parts of records; keeps the blocks it has just read, since neighbours share them.
pub(crate) struct Payloads<'c> {
    connection: &'c Connection,
    blocks: HashMap<i64, Vec<u8>>,
    kept_bytes: usize,
    decompressor: Decompressor<'static>,
}

impl<'c> Payloads<'c> {
    pub(crate) fn new(connection: &'c Connection) -> Result<Self> {
        let decompressor = Decompressor::new().map_err(|e| corrupt(format!("zstd: {e}")))?;
        Ok(Self { connection, blocks: HashMap::new(), kept_bytes: 0, decompressor })
    }

    /// The parts at a place.
    pub(crate) fn parts(&mut self, place: &Place) -> Result<[Vec<u8>; 5]> {
        let raw = self.block(place.block)?;
        slices(raw, place).map(|parts| parts.map(<[u8]>::to_vec))
    }

    /// The raw bytes of a block.
    pub(crate) fn block(&mut self, id: i64) -> Result<&[u8]> {
        if !self.blocks.contains_key(&id) {
            let raw = self.load(id)?;
            if self.kept_bytes + raw.len() > KEPT_BYTES_MAX {
                self.blocks.clear();
                self.kept_bytes = 0;
            }
            self.kept_bytes += raw.len();
            self.blocks.insert(id, raw);
        }
        self.blocks.get(&id).map(Vec::as_slice).ok_or_else(|| corrupt("a block vanished"))
    }

    fn load(&mut self, id: i64) -> Result<Vec<u8>> {
        let doing = "reading a block";
        let mut statement = self
            .connection
            .prepare_cached("SELECT raw_bytes, data FROM blocks WHERE id = ?1")
            .when(doing)?;
        let decompressor = &mut self.decompressor;
        statement
            .query_row([id], |row| {
                let mut columns = super::Columns::of(row);
                Ok((|| {
                    let raw_bytes = u32::try_from(columns.int()?).unwrap_or(u32::MAX);
                    inflate(decompressor, raw_bytes, columns.bytes()?)
                        .ok_or_else(|| corrupt(format!("block {id}")))
                })())
            })
            .optional()
            .when(doing)?
            .ok_or_else(|| corrupt(format!("block {id} is missing")))?
    }
}

/// The raw bytes of a compressed block; none when they are not as many as stated.
pub(crate) fn inflate(
    decompressor: &mut Decompressor<'_>,
    raw_bytes: u32,
    data: &[u8],
) -> Option<Vec<u8>> {
    if raw_bytes == 0 {
        return Some(Vec::new());
    }
    if raw_bytes > RAW_BYTES_MAX {
        return None;
    }
    let raw = decompressor.decompress(data, raw_bytes as usize).ok()?;
    (raw.len() == raw_bytes as usize).then_some(raw)
}

/// The parts at a place of a raw block.
pub(crate) fn slices<'b>(raw: &'b [u8], place: &Place) -> Result<[&'b [u8]; 5]> {
    let mut at = place.offset as usize;
    let mut parts: [&[u8]; 5] = Default::default();
    for (part, length) in parts.iter_mut().zip(place.lengths) {
        let end = at.saturating_add(length as usize);
        *part = raw
            .get(at..end)
            .ok_or_else(|| corrupt(format!("block {} is too short", place.block)))?;
        at = end;
    }
    Ok(parts)
}
