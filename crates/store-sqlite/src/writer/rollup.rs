//! Rollups on their way into the tables.
//!
//! A commit adds one row of deltas for each workspace it touches; after [`DELTA_ROWS_MAX`] of them,
//! or when they are many cells, they are folded into the chunks. Readers add both up. Folding at
//! every commit would rewrite two dozen pages for a single span.

use std::collections::{BTreeMap, HashMap};

use exhibit_store::rollup::{Accumulator, Cell, Key};
use rusqlite::Connection;

use crate::{
    failure::{Result, SqlContext},
    rollup::{decode, key_bytes, place_dimension, put_cell, same_bucket, split_key, take_cell},
};

/// Commits whose deltas wait.
const DELTA_ROWS_MAX: u32 = 64;
/// Cells that wait: what a reader looks through on top of the chunks. Traces of many days touch thousands of cells; eight such
/// commits rewrite the cells of days once instead of eight times.
const DELTA_CELLS_MAX: usize = 24_000;
/// A chunk beyond this is split in two. Below a quarter of a page, so that it never overflows.
const CHUNK_BYTES_MAX: usize = 2_400;

/// Deltas of one workspace that wait.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Waiting {
    rows: u32,
    cells: usize,
}

/// How much waits, by workspace.
pub(crate) type WaitingDeltas = HashMap<i64, Waiting>;

/// Writes what a transaction adds to the rollups of a workspace; what waits afterwards. With `at_once`
/// nothing waits: what was erased must not stay in deltas that name it.
pub(crate) fn flush(
    db: &Connection,
    workspace: i64,
    waiting: Option<Waiting>,
    sum: Accumulator,
    at_once: bool,
) -> Result<Waiting> {
    let doing = "writing rollups";
    let mut waiting = match waiting {
        Some(known) => known,
        None => count_waiting(db, workspace)?,
    };
    let cells = sum.into_cells();
    if cells.is_empty() {
        return Ok(waiting);
    }
    let mut blob = Vec::with_capacity(cells.len() * 48);
    cells.iter().for_each(|(key, cell)| put_cell(&mut blob, &key_bytes(key), cell));
    let few = waiting.rows + 1 < DELTA_ROWS_MAX && waiting.cells + cells.len() < DELTA_CELLS_MAX;
    if few && !at_once {
        db.prepare_cached("INSERT INTO rollup_deltas (workspace, cells) VALUES (?1, ?2)")
            .and_then(|mut s| s.execute((workspace, blob)))
            .when(doing)?;
        waiting.rows += 1;
        waiting.cells += cells.len();
        return Ok(waiting);
    }
    let mut blobs = if waiting.rows > 0 { read_blobs(db, workspace)? } else { Vec::new() };
    blobs.push(blob);
    fold(db, workspace, &sorted(&blobs)?)?;
    if waiting.rows > 0 {
        db.prepare_cached("DELETE FROM rollup_deltas WHERE workspace = ?1")
            .and_then(|mut s| s.execute([workspace]))
            .when(doing)?;
    }
    Ok(Waiting::default())
}

/// Adds cells to the rollups of a workspace at once.
pub(crate) fn add(db: &Connection, workspace: i64, cells: &[(Key, Cell)]) -> Result<()> {
    let mut blob = Vec::with_capacity(cells.len() * 48);
    cells.iter().for_each(|(key, cell)| put_cell(&mut blob, &key_bytes(key), cell));
    fold(db, workspace, &sorted(&[blob])?)
}

/// A key and the bytes of a cell, as they stand in a delta.
type Delta<'b> = (&'b [u8], &'b [u8]);

fn read_blobs(db: &Connection, workspace: i64) -> Result<Vec<Vec<u8>>> {
    db.prepare_cached("SELECT cells FROM rollup_deltas WHERE workspace = ?1 ORDER BY id")
        .and_then(|mut s| s.query_map([workspace], |row| row.get(0))?.collect())
        .when("reading rollup deltas")
}

/// The cells of all blobs in key order. Each blob is sorted already, which the sort makes use of.
fn sorted(blobs: &[Vec<u8>]) -> Result<Vec<Delta<'_>>> {
    let mut all = Vec::new();
    for blob in blobs {
        let mut rest = blob.as_slice();
        while let Some(cell) = take_cell(&mut rest)? {
            all.push(cell);
        }
    }
    all.sort_by_key(|(key, _)| *key);
    Ok(all)
}

fn count_waiting(db: &Connection, workspace: i64) -> Result<Waiting> {
    let rows: i64 = db
        .prepare_cached("SELECT count(*) FROM rollup_deltas WHERE workspace = ?1")
        .and_then(|mut s| s.query_row([workspace], |row| row.get(0)))
        .when("counting rollup deltas")?;
    Ok(Waiting { rows: rows as u32, cells: 0 })
}

/// The deltas of a workspace, added up, by key.
pub(crate) fn read_deltas(db: &Connection, workspace: i64) -> Result<BTreeMap<Vec<u8>, Cell>> {
    let mut all: BTreeMap<Vec<u8>, Cell> = BTreeMap::new();
    visit_deltas(db, workspace, |key, cell| {
        let cell = decode(cell)?;
        match all.get_mut(key) {
            Some(sum) => sum.add(&cell),
            None => {
                all.insert(key.to_vec(), cell);
            }
        }
        Ok(())
    })?;
    Ok(all)
}

/// Visits the deltas of a workspace, each with its key and its bytes.
pub(crate) fn visit_deltas(
    db: &Connection,
    workspace: i64,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<()>,
) -> Result<()> {
    let doing = "reading rollup deltas";
    let mut statement =
        db.prepare_cached("SELECT cells FROM rollup_deltas WHERE workspace = ?1").when(doing)?;
    let mut rows = statement.query([workspace]).when(doing)?;
    while let Some(row) = rows.next().when(doing)? {
        let mut rest = crate::row::Columns::of(row).bytes()?;
        while let Some((key, cell)) = take_cell(&mut rest)? {
            visit(key, cell)?;
        }
    }
    Ok(())
}

/// Adds cells, in key order, to the chunks.
fn fold(db: &Connection, workspace: i64, cells: &[Delta<'_>]) -> Result<()> {
    for bucket in cells.chunk_by(|(a, _), (b, _)| same_bucket(a, b)) {
        let mut rest = bucket;
        while let Some((key, _)) = rest.first() {
            rest = fold_chunk(db, workspace, key, rest)?;
        }
    }
    Ok(())
}

/// Adds those cells that belong into the chunk of the first; the others of the bucket.
fn fold_chunk<'c, 'b>(
    db: &Connection,
    workspace: i64,
    first: &[u8],
    cells: &'c [Delta<'b>],
) -> Result<&'c [Delta<'b>]> {
    let doing = "folding rollups";
    let (grain, bucket, place) = split_key(first)?;
    let id = (workspace, grain.code(), bucket);
    // The chunk that reaches over the place, the last that starts at or before it or else the first,
    // and after it the one that bounds it.
    let mut statement = db
        .prepare_cached(
            "SELECT first, cells FROM rollups WHERE workspace = ?1 AND grain = ?2 AND bucket = ?3 \
             AND first >= ifnull((SELECT max(first) FROM rollups WHERE workspace = ?1 \
             AND grain = ?2 AND bucket = ?3 AND first <= ?4), x'') ORDER BY first LIMIT 2",
        )
        .when(doing)?;
    let mut rows = statement.query((id.0, id.1, id.2, place)).when(doing)?;
    let mut chunk = None;
    if let Some(row) = rows.next().when(doing)? {
        let mut c = crate::row::Columns::of(row);
        chunk = Some((c.bytes()?.to_vec(), c.bytes()?.to_vec()));
    }
    let mut next = None;
    if let Some(row) = rows.next().when(doing)? {
        next = Some(crate::row::Columns::of(row).bytes()?.to_vec());
    }
    drop(rows);
    let mut mine = cells.len();
    if let Some(next) = &next {
        mine = 0;
        for (key, _) in cells {
            if split_key(key)?.2 >= next.as_slice() {
                break;
            }
            mine += 1;
        }
    }
    let (cells, others) = cells.split_at(mine);
    let (old_first, old) = chunk.map_or((None, Vec::new()), |(first, blob)| (Some(first), blob));
    let merged = merge(&old, cells)?;
    write_chunks(db, id, old_first.as_deref(), &merged)?;
    Ok(others)
}

/// A place and its encoded cell, as they stand in a chunk.
struct Merged {
    blob: Vec<u8>,
    /// Where each cell starts.
    starts: Vec<usize>,
}

/// Adds cells to a chunk; cells that become zero are dropped. Only cells that meet another are
/// decoded, the rest are copied as they are.
fn merge(old: &[u8], cells: &[Delta<'_>]) -> Result<Merged> {
    let mut out =
        Merged { blob: Vec::with_capacity(old.len() + cells.len() * 48), starts: Vec::new() };
    let mut rest = old;
    let mut held = take_cell(&mut rest)?;
    for same in cells.chunk_by(|(a, _), (b, _)| a == b) {
        let place = split_key(same[0].0)?.2;
        while let Some((before, bytes)) = held.filter(|(before, _)| *before < place) {
            out.copy(before, bytes);
            held = take_cell(&mut rest)?;
        }
        let met = held.filter(|(at, _)| *at == place);
        match (met, same) {
            (None, [(_, only)]) => out.copy(place, only),
            (met, all) => {
                let mut sum = match met {
                    Some((_, bytes)) => decode(bytes)?,
                    None => Cell::default(),
                };
                for (_, bytes) in all {
                    sum.add(&decode(bytes)?);
                }
                out.put(place, &sum);
            }
        }
        if met.is_some() {
            held = take_cell(&mut rest)?;
        }
    }
    while let Some((place, bytes)) = held {
        out.copy(place, bytes);
        held = take_cell(&mut rest)?;
    }
    Ok(out)
}

impl Merged {
    fn copy(&mut self, place: &[u8], bytes: &[u8]) {
        self.starts.push(self.blob.len());
        crate::varint::put_bytes(&mut self.blob, place);
        crate::varint::put_bytes(&mut self.blob, bytes);
    }

    fn put(&mut self, place: &[u8], cell: &Cell) {
        if !cell.is_zero() {
            self.starts.push(self.blob.len());
            put_cell(&mut self.blob, place, cell);
        }
    }

    /// Cuts it into chunks that are not too large, at least one cell each.
    fn chunks(&self) -> Vec<&[u8]> {
        // Halves rather than full chunks, so that the next cell does not split it again.
        let target =
            if self.blob.len() > CHUNK_BYTES_MAX { CHUNK_BYTES_MAX / 2 } else { usize::MAX };
        let mut chunks = Vec::new();
        let mut start = 0;
        for at in self.starts.iter().copied().skip(1) {
            if at - start >= target {
                chunks.push(&self.blob[start..at]);
                start = at;
            }
        }
        if start < self.blob.len() {
            chunks.push(&self.blob[start..]);
        }
        chunks
    }
}

fn write_chunks(
    db: &Connection,
    (workspace, grain, bucket): (i64, i64, i64),
    old_first: Option<&[u8]>,
    merged: &Merged,
) -> Result<()> {
    let doing = "writing rollup chunks";
    let mut replaced = old_first;
    for chunk in merged.chunks() {
        let (first, last_dimension) = ends(chunk)?;
        if let Some(old) = replaced.take_if(|old| **old != *first) {
            remove(db, (workspace, grain, bucket), old)?;
        }
        replaced = None;
        db.prepare_cached(
            "INSERT INTO rollups (workspace, grain, bucket, first, last_dimension, cells) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET \
             last_dimension = excluded.last_dimension, cells = excluded.cells",
        )
        .and_then(|mut s| s.execute((workspace, grain, bucket, first, last_dimension, chunk)))
        .when(doing)?;
    }
    if let Some(old) = replaced {
        remove(db, (workspace, grain, bucket), old)?;
    }
    Ok(())
}

fn remove(db: &Connection, id: (i64, i64, i64), first: &[u8]) -> Result<()> {
    db.prepare_cached(
        "DELETE FROM rollups WHERE workspace = ?1 AND grain = ?2 AND bucket = ?3 AND first = ?4",
    )
    .and_then(|mut s| s.execute((id.0, id.1, id.2, first)))
    .when("removing a rollup chunk")?;
    Ok(())
}

/// The first place of a chunk and the dimension of its last.
fn ends(chunk: &[u8]) -> Result<(&[u8], i64)> {
    let mut rest = chunk;
    let mut first: Option<&[u8]> = None;
    let mut last = 0;
    while let Some((place, _)) = take_cell(&mut rest)? {
        first.get_or_insert(place);
        last = place_dimension(place);
    }
    Ok((first.unwrap_or_default(), last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use exhibit_store::{
        Dimension,
        rollup::{Grain, Key},
    };

    fn fold_users(db: &Connection, values: std::ops::Range<u32>, spans: i64) {
        let mut blob = Vec::new();
        values
            .map(|n| {
                let key = Key {
                    grain: Grain::Day,
                    bucket_start: 0,
                    dimension: Some(Dimension::User),
                    value: Some(format!("user-{n:05}")),
                };
                (key_bytes(&key), Cell { spans, ..Cell::default() })
            })
            .for_each(|(key, cell)| put_cell(&mut blob, &key, &cell));
        fold(db, 1, &sorted(&[blob]).unwrap()).unwrap();
    }

    fn stored(db: &Connection) -> Vec<(Vec<u8>, i64)> {
        let mut statement = db.prepare("SELECT cells FROM rollups ORDER BY bucket, first").unwrap();
        let blobs = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        let mut all = Vec::new();
        for blob in blobs {
            let blob = blob.unwrap();
            assert!(blob.len() <= CHUNK_BYTES_MAX);
            let mut rest = blob.as_slice();
            while let Some((place, cell)) = take_cell(&mut rest).unwrap() {
                all.push((place.to_vec(), decode(cell).unwrap().spans));
            }
        }
        all
    }

    #[test]
    fn chunks_split_grow_and_vanish_in_key_order() {
        let db = Connection::open_in_memory().unwrap();
        crate::migrate::run(&db).unwrap();
        fold_users(&db, 500..700, 1);
        fold_users(&db, 0..1000, 2);
        let held = stored(&db);
        assert_eq!(held.len(), 1000);
        assert!(held.is_sorted_by_key(|(place, _)| place.clone()));
        assert_eq!(held.iter().map(|(_, spans)| spans).sum::<i64>(), 2200);
        fold_users(&db, 500..700, -1);
        fold_users(&db, 0..1000, -2);
        assert_eq!(stored(&db), []);
        let rows: i64 = db.query_row("SELECT count(*) FROM rollups", [], |r| r.get(0)).unwrap();
        assert_eq!(rows, 0);
    }
}
