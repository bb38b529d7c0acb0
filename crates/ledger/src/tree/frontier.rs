//! What a log keeps between appends: its size and one hash per set bit of it.

use super::{Hash, empty_root, node_hash, parents};

/// Largest tree size that is read from bytes: far above any real log, far below overflow.
pub const SIZE_MAX: u64 = 1 << 56;

/// A compact range of a log: enough to append leaves and to tell the root, in at most 57 hashes.
///
/// A store persists [`Frontier::to_bytes`] per log and writes the [`TileHash`]es that
/// [`Frontier::append_many`] hands out; together with the leaf hashes that is all a proof needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// Roots of the complete subtrees that make up the tree, largest (leftmost) first.
    roots: Vec<Hash>,
}

/// The root of a subtree of `256^level` leaves that has just been filled.
///
/// In the language of tlog-tiles it is hash number `index` of tile level `level` (1 and above), so it
/// stands in tile `index / 256` at position `index % 256`, and covers the leaves
/// `index * 256^level .. (index + 1) * 256^level`. Level 0 hashes are the leaf hashes themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileHash {
    /// Tile level, 1 to 7: the subtree is `8 * level` binary levels high.
    pub level: u8,
    /// Number of the hash within its level, from 0.
    pub index: u64,
    /// The subtree's root.
    pub hash: Hash,
}

/// Bytes are not a serialised frontier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrontierError {
    /// The size alone needs eight bytes.
    #[error("a frontier starts with its size in eight bytes")]
    Short,
    /// The size is beyond [`SIZE_MAX`].
    #[error("frontier size {0} is beyond 2^56")]
    Size(u64),
    /// The number of hashes does not fit the size.
    #[error("a frontier of size {size} has {expected} bytes of hashes, not {found}")]
    Length {
        /// Tree size found.
        size: u64,
        /// Bytes of hashes that this size needs.
        expected: usize,
        /// Bytes of hashes found.
        found: usize,
    },
}

impl Frontier {
    /// The empty log.
    pub const fn new() -> Self {
        Self { size: 0, roots: Vec::new() }
    }

    /// Number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends one leaf hash. Use [`Frontier::append_many`] where tiles are kept.
    pub fn append(&mut self, leaf: Hash) {
        let mut node = leaf;
        // Every trailing one bit of the size is a complete subtree that the new node closes.
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.roots.pop() else { break };
            node = node_hash(&left, &node);
        }
        self.roots.push(node);
        self.size += 1;
    }

    /// Appends leaf hashes in order and returns the subtree roots that a tile store must keep: those
    /// that became complete, lowest level first.
    pub fn append_many(&mut self, leaves: &[Hash]) -> Vec<TileHash> {
        let mut completed = Vec::new();
        let mut row = leaves.to_vec();
        // Roots of the new tree, smallest first: the odd node that each row leaves over.
        let mut left_over = Vec::new();
        let mut height = 0;
        while !row.is_empty() {
            if self.size >> height & 1 == 1
                && let Some(root) = self.roots.pop()
            {
                row.insert(0, root);
            }
            if row.len() % 2 == 1 {
                left_over.extend(row.pop());
            }
            row = parents(&row);
            height += 1;
            if height % 8 == 0 {
                let (level, first) = ((height / 8) as u8, self.size >> height);
                let numbered = (first..).zip(&row);
                completed.extend(numbered.map(|(index, hash)| TileHash {
                    level,
                    index,
                    hash: *hash,
                }));
            }
        }
        self.roots.extend(left_over.into_iter().rev());
        self.size += leaves.len() as u64;
        completed
    }

    /// Root of the tree over all leaves so far (RFC 9162 section 2.1.1).
    pub fn root(&self) -> Hash {
        let mut from_right = self.roots.iter().rev();
        let Some(last) = from_right.next() else { return empty_root() };
        from_right.fold(*last, |right, left| node_hash(left, &right))
    }

    /// Size in eight big-endian bytes, then the hashes, largest subtree first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + self.roots.len() * Hash::LEN);
        bytes.extend_from_slice(&self.size.to_be_bytes());
        for root in &self.roots {
            bytes.extend_from_slice(&root.0);
        }
        bytes
    }

    /// Reads what [`Frontier::to_bytes`] wrote.
    ///
    /// # Errors
    /// A length that does not fit the size, or a size beyond [`SIZE_MAX`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FrontierError> {
        let (size, hashes) = bytes.split_first_chunk::<8>().ok_or(FrontierError::Short)?;
        let size = u64::from_be_bytes(*size);
        if size > SIZE_MAX {
            return Err(FrontierError::Size(size));
        }
        let expected = size.count_ones() as usize * Hash::LEN;
        if hashes.len() != expected {
            return Err(FrontierError::Length { size, expected, found: hashes.len() });
        }
        let (chunks, _) = hashes.as_chunks::<32>();
        Ok(Self { size, roots: chunks.iter().copied().map(Hash).collect() })
    }
}
