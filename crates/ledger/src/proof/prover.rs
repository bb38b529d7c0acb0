//! Making proofs from stored tiles.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;

use super::HashReader;
use crate::tree::{Hash, SIZE_MAX, empty_root, node_hash, parents};

/// Tiles that a [`Prover`] keeps; at 16 KiB each that bounds it to 1 MiB.
const TILES_KEPT_MAX: usize = 64;

/// Why a proof could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError<E> {
    /// There is no leaf of this index in a tree of this size.
    #[error("no leaf {index} in a tree of size {size}")]
    NoSuchLeaf {
        /// Leaf asked for.
        index: u64,
        /// Tree size asked for.
        size: u64,
    },
    /// The older tree is larger than the newer one.
    #[error("a tree of size {old} is not a prefix of one of size {new}")]
    NotAPrefix {
        /// Older size.
        old: u64,
        /// Newer size.
        new: u64,
    },
    /// Tree sizes beyond 2^56 are not served.
    #[error("tree size {0} is beyond 2^56")]
    Size(u64),
    /// The reader gave another number of hashes than asked for.
    #[error("level {level}, hashes {start}..{end}: the store has {found} of them")]
    Missing {
        /// Tile level.
        level: u8,
        /// First hash asked for.
        start: u64,
        /// One past the last hash asked for.
        end: u64,
        /// Hashes that came back.
        found: usize,
    },
    /// The reader failed.
    #[error("hashes could not be read: {0}")]
    Read(E),
}

/// The inclusion proof of leaf `index` in the tree of `size` leaves (RFC 9162 section 2.1.3.1).
///
/// Reads at most two tiles (512 hashes) per level.
///
/// # Errors
/// An index outside the tree, hashes that the store does not have, a failing read.
pub fn inclusion_proof<R: HashReader + ?Sized>(
    reader: &R,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, ProofError<R::Error>> {
    Prover::new(reader, size)?.inclusion(index)
}

/// The consistency proof between the trees of `old` and `new` leaves (RFC 9162 section 2.1.4.1).
/// It is empty where `old` is 0 or equals `new`.
///
/// Reads at most two tiles (512 hashes) per level.
///
/// # Errors
/// `old` above `new`, hashes that the store does not have, a failing read.
pub fn consistency_proof<R: HashReader + ?Sized>(
    reader: &R,
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, ProofError<R::Error>> {
    Prover::new(reader, new)?.consistency(old)
}

/// Root of the tree over the first `size` leaves.
///
/// # Errors
/// Hashes that the store does not have, a failing read.
pub fn tree_root<R: HashReader + ?Sized>(
    reader: &R,
    size: u64,
) -> Result<Hash, ProofError<R::Error>> {
    Prover::new(reader, size)?.root()
}

/// Answers questions about one tree size and keeps the last tiles it has read: the way to make
/// many proofs, cheapest in index order.
pub struct Prover<'r, R: HashReader + ?Sized> {
    reader: &'r R,
    size: u64,
    tiles: RefCell<HashMap<(u8, u64), Tile>>,
}

/// A tile and the complete binary subtrees above its hashes: row `r` holds those of `2^r` hashes.
struct Tile {
    rows: Vec<Vec<Hash>>,
}

impl Tile {
    fn new(hashes: Vec<Hash>) -> Self {
        let mut rows = vec![hashes];
        while let Some(row) = rows.last().filter(|row| row.len() > 1 && rows.len() < 8) {
            let above = parents(row);
            rows.push(above);
        }
        Self { rows }
    }
}

impl<'r, R: HashReader + ?Sized> Prover<'r, R> {
    /// A prover for the tree over the first `size` leaves of the log.
    ///
    /// # Errors
    /// A size beyond 2^56.
    pub fn new(reader: &'r R, size: u64) -> Result<Self, ProofError<R::Error>> {
        if size > SIZE_MAX {
            return Err(ProofError::Size(size));
        }
        Ok(Self { reader, size, tiles: RefCell::default() })
    }

    /// Root of the tree.
    ///
    /// # Errors
    /// Hashes that the store does not have, a failing read.
    pub fn root(&self) -> Result<Hash, ProofError<R::Error>> {
        if self.size == 0 {
            return Ok(empty_root());
        }
        self.subtree(0..self.size)
    }

    /// `PATH(index, D[size])` of RFC 9162 section 2.1.3.1.
    ///
    /// # Errors
    /// An index outside the tree, hashes that the store does not have, a failing read.
    pub fn inclusion(&self, index: u64) -> Result<Vec<Hash>, ProofError<R::Error>> {
        if index >= self.size {
            return Err(ProofError::NoSuchLeaf { index, size: self.size });
        }
        let mut proof = Vec::new();
        let (mut start, mut end) = (0, self.size);
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                proof.push(self.subtree(middle..end)?);
                end = middle;
            } else {
                proof.push(self.subtree(start..middle)?);
                start = middle;
            }
        }
        proof.reverse();
        Ok(proof)
    }

    /// `PROOF(old, D[size])` of RFC 9162 section 2.1.4.1; empty where `old` is 0 or the size.
    ///
    /// # Errors
    /// `old` above the size, hashes that the store does not have, a failing read.
    pub fn consistency(&self, old: u64) -> Result<Vec<Hash>, ProofError<R::Error>> {
        if old > self.size {
            return Err(ProofError::NotAPrefix { old, new: self.size });
        }
        let mut proof = Vec::new();
        if old == 0 {
            return Ok(proof);
        }
        let (mut start, mut end) = (0, self.size);
        while old != end {
            let middle = start + split(end - start);
            if old <= middle {
                proof.push(self.subtree(middle..end)?);
                end = middle;
            } else {
                proof.push(self.subtree(start..middle)?);
                start = middle;
            }
        }
        // The old tree's own root is known to the verifier; any other subtree it ends in is not.
        if start != 0 {
            proof.push(self.subtree(start..end)?);
        }
        proof.reverse();
        Ok(proof)
    }

    /// Root of the complete subtree of `2^height` leaves that starts at leaf `start`; `None` where no
    /// such subtree lies within the tree.
    ///
    /// # Errors
    /// Hashes that the store does not have, a failing read.
    pub fn complete_subtree(
        &self,
        height: u32,
        start: u64,
    ) -> Result<Option<Hash>, ProofError<R::Error>> {
        let Some(width) = 1_u64.checked_shl(height) else { return Ok(None) };
        let end = start.checked_add(width).filter(|end| *end <= self.size);
        if end.is_none() || !start.is_multiple_of(width) {
            return Ok(None);
        }
        self.node(height, start >> height).map(Some)
    }

    /// `MTH(D[range])` for a range as the recursion of RFC 9162 makes them: its start is a multiple
    /// of the smallest power of two that covers it.
    fn subtree(&self, range: Range<u64>) -> Result<Hash, ProofError<R::Error>> {
        let mut complete = Vec::new();
        let Range { mut start, end } = range;
        while start < end {
            let height = (end - start).ilog2();
            complete.push(self.node(height, start >> height)?);
            start += 1 << height;
        }
        let mut from_right = complete.into_iter().rev();
        let Some(last) = from_right.next() else { return Ok(empty_root()) };
        Ok(from_right.fold(last, |right, left| node_hash(&left, &right)))
    }

    /// Root of the complete subtree number `index` among those of `2^height` leaves.
    fn node(&self, height: u32, index: u64) -> Result<Hash, ProofError<R::Error>> {
        let (level, row) = ((height / 8) as u8, height % 8);
        let tile_index = (index << row) / 256;
        let position = (index - ((tile_index * 256) >> row)) as usize;
        let find = |tile: &Tile| tile.rows.get(row as usize)?.get(position).copied();
        if let Some(hash) = self.tiles.borrow().get(&(level, tile_index)).and_then(find) {
            return Ok(hash);
        }
        let start = tile_index * 256;
        let end = (start + 256).min(self.size >> (8 * u32::from(level)));
        let hashes = self.reader.hashes(level, start..end).map_err(ProofError::Read)?;
        let missing = ProofError::Missing { level, start, end, found: hashes.len() };
        if hashes.len() as u64 != end.saturating_sub(start) {
            return Err(missing);
        }
        let tile = Tile::new(hashes);
        let hash = find(&tile).ok_or(missing)?;
        self.keep((level, tile_index), tile);
        Ok(hash)
    }

    fn keep(&self, key: (u8, u64), tile: Tile) {
        let mut tiles = self.tiles.borrow_mut();
        if tiles.len() >= TILES_KEPT_MAX {
            // Upper tiles serve many leaves, so the lowest level goes first.
            tiles.retain(|(level, _), _| *level > 0);
        }
        if tiles.len() >= TILES_KEPT_MAX {
            tiles.clear();
        }
        tiles.insert(key, tile);
    }
}

/// The largest power of two below `width` (`k` in RFC 9162 section 2.1.1); `width` is at least 2.
fn split(width: u64) -> u64 {
    1 << (width - 1).ilog2()
}
