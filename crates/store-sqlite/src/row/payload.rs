//! Blocks of payload, and the parts of records in them.

use std::{cell::RefCell, collections::HashMap};

use exhibit_model::WorkspaceId;
use exhibit_store::{ARCHIVED_BLOCK, Archive, ArchivedBlock, SEALED_BLOCK, StoreError, TraceKey};
use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest as _, Sha256};
use zstd::bulk::Decompressor;

use super::span::Place;
use crate::{
    PayloadSources,
    failure::{Result, SqlContext, corrupt},
};

/// Largest raw block. Well above any span that is let in; a stated length beyond it is a lie.
pub(crate) const RAW_BYTES_MAX: u32 = 512 << 20;
/// Raw bytes of blocks that one read keeps.
const KEPT_BYTES_MAX: usize = 8 << 20;

/// Reads parts of records; keeps the blocks it has just read, since neighbours share them.
pub(crate) struct Payloads<'c> {
    connection: &'c Connection,
    sources: &'c PayloadSources,
    blocks: HashMap<i64, Vec<u8>>,
    kept_bytes: usize,
}

impl<'c> Payloads<'c> {
    pub(crate) fn new(connection: &'c Connection, sources: &'c PayloadSources) -> Self {
        Self { connection, sources, blocks: HashMap::new(), kept_bytes: 0 }
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
        let (connection, sources) = (self.connection, self.sources);
        statement
            .query_row([id], |row| {
                let mut columns = super::Columns::of(row);
                Ok((|| {
                    let raw_bytes = u32::try_from(columns.int()?).unwrap_or(u32::MAX);
                    let data = columns.bytes()?;
                    let opened = match data.first() {
                        Some(&SEALED_BLOCK) => Some(open(connection, sources, id, data)?),
                        Some(&ARCHIVED_BLOCK) => {
                            let fetched = fetch(sources, id, data)?;
                            Some(open(connection, sources, id, &fetched)?)
                        }
                        _ => None,
                    };
                    inflate(raw_bytes, opened.as_deref().unwrap_or(data))
                        .ok_or_else(|| corrupt(format!("block {id}")))
                })())
            })
            .optional()
            .when(doing)?
            .ok_or_else(|| corrupt(format!("block {id} is missing")))?
    }
}

/// What an archive has of a block.
fn fetch(sources: &PayloadSources, id: i64, data: &[u8]) -> Result<Vec<u8>> {
    let place = ArchivedBlock::parse(data).ok_or_else(|| corrupt(format!("block {id}")))?;
    let archive: &dyn Archive = sources.archive.as_deref().ok_or(StoreError::Unsupported(
        "read archived payloads: no archive is configured (archive.to)",
    ))?;
    let object = place.object.path();
    match archive.get(place.object, place.offset, place.bytes)? {
        None => Err(StoreError::Lost { object, missing: true }),
        Some(bytes) if <[u8; 32]>::from(Sha256::digest(&bytes)) == place.digest => Ok(bytes),
        Some(_) => Err(StoreError::Lost { object, missing: false }),
    }
}

/// The zstd frame in a sealed block.
fn open(db: &Connection, sources: &PayloadSources, id: i64, data: &[u8]) -> Result<Vec<u8>> {
    let doing = "reading the key of a block";
    let unsealer = sources.unsealer.as_ref();
    let unsealer =
        unsealer.ok_or(StoreError::Unsupported("open encrypted payloads: it has no keys"))?;
    let (workspace, trace, key): (i64, String, Vec<u8>) = db
        .prepare_cached(
            "SELECT t.workspace, t.trace_id, t.key \
             FROM blocks b JOIN traces t ON t.id = b.trace WHERE b.id = ?1",
        )
        .and_then(|mut s| s.query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))))
        .optional()
        .when(doing)?
        .ok_or_else(|| corrupt(format!("block {id} belongs to no trace")))?;
    let trace = super::trace_id(&trace)?;
    unsealer.unseal(WorkspaceId(workspace), &trace, &TraceKey(key), data)
}

thread_local! {
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The raw bytes of a compressed block; none when they are not as many as stated. The context is kept per
/// thread, since making one costs more than most blocks.
pub(crate) fn inflate(raw_bytes: u32, data: &[u8]) -> Option<Vec<u8>> {
    if raw_bytes == 0 {
        return Some(Vec::new());
    }
    if raw_bytes > RAW_BYTES_MAX {
        return None;
    }
    let raw = DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(Decompressor::new().ok()?),
        };
        decompressor.decompress(data, raw_bytes as usize).ok()
    })?;
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
