//! Rollup cells: as bytes in the outbox, as rows in ClickHouse, and both added up.
//!
//! A row in ClickHouse says which commit was the last in its sum. Whoever reads or folds applies a
//! delta to a cell only when the delta is newer than that, so a delta that is still in the outbox
//! although it was shipped, or is shipped twice, counts once.

use std::collections::BTreeMap;

use clickhouse::Row;
use exhibit_store::{
    StoreError,
    rollup::{Cell, Grain, Key, dimension_code, dimension_from_code},
};
use serde::{Deserialize, Serialize};

use crate::failure::{Result, corrupt};

/// A row of `cells`.
#[derive(Debug, Clone, Row, Serialize, Deserialize)]
pub(crate) struct CellRow {
    pub(crate) workspace: i64,
    pub(crate) grain: u8,
    pub(crate) bucket: i64,
    pub(crate) dimension: u8,
    pub(crate) valued: u8,
    #[serde(with = "serde_bytes")]
    pub(crate) value: Vec<u8>,
    pub(crate) version: u64,
    #[serde(with = "serde_bytes")]
    pub(crate) cell: Vec<u8>,
}

impl CellRow {
    pub(crate) fn of(workspace: i64, key: &Key, version: u64, cell: &Cell) -> Self {
        Self {
            workspace,
            grain: key.grain.code() as u8,
            bucket: key.bucket_start,
            dimension: dimension_code(key.dimension) as u8,
            valued: u8::from(key.value.is_some()),
            value: key.value.clone().unwrap_or_default().into_bytes(),
            version,
            cell: cell.to_bytes(),
        }
    }

    pub(crate) fn read(self) -> Result<(Key, u64, Cell)> {
        let wrong = || corrupt("a rollup cell");
        let value = String::from_utf8(self.value).map_err(|_| wrong())?;
        let key = Key {
            grain: Grain::from_code(i64::from(self.grain)).ok_or_else(wrong)?,
            bucket_start: self.bucket,
            dimension: dimension_from_code(i64::from(self.dimension)).ok_or_else(wrong)?,
            value: (self.valued > 0).then_some(value),
        };
        Ok((key, self.version, Cell::from_bytes(&self.cell).map_err(|_| wrong())?))
    }
}

/// Cells for the outbox.
pub(crate) fn encode(cells: &[(Key, Cell)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 * cells.len());
    for (key, cell) in cells {
        out.push(key.grain.code() as u8);
        out.push(dimension_code(key.dimension) as u8);
        out.push(u8::from(key.value.is_some()));
        out.extend_from_slice(&key.bucket_start.to_be_bytes());
        for bytes in [key.value.clone().unwrap_or_default().into_bytes(), cell.to_bytes()] {
            out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
            out.extend_from_slice(&bytes);
        }
    }
    out
}

/// What [`encode`] wrote.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<(Key, Cell)>> {
    let mut rest = bytes;
    let mut cells = Vec::new();
    while !rest.is_empty() {
        cells.push(take(&mut rest).ok_or_else(|| corrupt("a rollup delta"))?);
    }
    Ok(cells)
}

fn take(rest: &mut &[u8]) -> Option<(Key, Cell)> {
    let (codes, after) = rest.split_first_chunk::<3>()?;
    let (bucket, after) = after.split_first_chunk::<8>()?;
    let (value, after) = take_bytes(after)?;
    let (cell, after) = take_bytes(after)?;
    *rest = after;
    let value = std::str::from_utf8(value).ok()?;
    let key = Key {
        grain: Grain::from_code(i64::from(codes[0]))?,
        bucket_start: i64::from_be_bytes(*bucket),
        dimension: dimension_from_code(i64::from(codes[1]))?,
        value: (codes[2] > 0).then(|| value.to_owned()),
    };
    Some((key, Cell::from_bytes(cell).ok()?))
}

fn take_bytes(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, after) = bytes.split_first_chunk::<4>()?;
    after.split_at_checked(u32::from_be_bytes(*length) as usize)
}

/// Deltas of the outbox by cell, each with its commit.
pub(crate) type Deltas = BTreeMap<Key, Vec<(u64, Cell)>>;

/// Adds the deltas to a cell that the cell does not hold yet.
pub(crate) fn settle(cell: &mut Cell, version: u64, deltas: &[(u64, Cell)]) {
    for (sequence, delta) in deltas {
        if *sequence > version {
            cell.add(delta);
        }
    }
}

/// Rows of ClickHouse and deltas of the outbox as cells, those of zero left out.
pub(crate) fn merge(rows: Vec<CellRow>, mut deltas: Deltas) -> Result<BTreeMap<Key, Cell>> {
    let mut cells = BTreeMap::new();
    for row in rows {
        let (key, version, mut cell) = row.read()?;
        settle(&mut cell, version, &deltas.remove(&key).unwrap_or_default());
        cells.insert(key, cell);
    }
    for (key, added) in deltas {
        let mut cell = Cell::default();
        settle(&mut cell, 0, &added);
        cells.insert(key, cell);
    }
    cells.retain(|_, cell| !cell.is_zero());
    Ok(cells)
}

/// A sequence number from a column.
pub(crate) fn sequence(n: i64) -> Result<u64> {
    u64::try_from(n).map_err(|_| StoreError::Corrupt("a commit below zero".to_owned()))
}
