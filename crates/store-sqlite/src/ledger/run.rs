//! A run: consecutive leaves of one log in one row.

use exhibit_ledger::Hash;
use exhibit_store::StoreError;

use crate::{
    failure::{Result, corrupt},
    row::{Columns, payload},
};

/// Leaves that stand next to one another.
#[derive(Debug)]
pub(crate) struct Run {
    /// Index of the first.
    pub(crate) first: u64,
    pub(crate) hashes: Vec<Hash>,
    raw: Vec<u8>,
}

impl Run {
    /// Reads `first, count, raw_bytes, hashes, entries`, `skip` columns from the left.
    pub(crate) fn read(row: &rusqlite::Row<'_>, skip: usize) -> Result<Self> {
        let mut c = Columns::from(row, skip);
        let first = c.count()?;
        let count = c.count()?;
        let raw_bytes = u32::try_from(c.int()?).unwrap_or(u32::MAX);
        let hashes = split_hashes(c.bytes()?)?;
        let wrong = || corrupt(format!("the run of leaves from {first}"));
        if hashes.len() as u64 != count {
            return Err(wrong());
        }
        let raw = payload::inflate(raw_bytes, c.bytes()?).ok_or_else(wrong)?;
        let run = Self { first, hashes, raw };
        if run.entries().count() as u64 == count { Ok(run) } else { Err(wrong()) }
    }

    /// The bytes of each leaf, in order; ends early where the bundle is damaged.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.raw.as_slice();
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk::<2>()?;
            let (entry, after) = after.split_at_checked(u16::from_be_bytes(*length).into())?;
            rest = after;
            Some(entry)
        })
    }
}

/// Hashes that stand one after the other.
pub(crate) fn split_hashes(bytes: &[u8]) -> Result<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(corrupt("hashes of the wrong length"));
    }
    Ok(hashes.iter().copied().map(Hash).collect())
}

/// Appends a leaf to a bundle: its length in two bytes, then itself (as in tlog-tiles).
pub(crate) fn push_entry(bundle: &mut Vec<u8>, leaf: &[u8]) -> Result<()> {
    let length = u16::try_from(leaf.len()).map_err(|_| {
        StoreError::Failed("malformed batch: a leaf beyond 65,535 bytes".to_owned())
    })?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(leaf);
    Ok(())
}
