//! Inclusion and consistency proofs.
//!
//! A log offers its stored hashes through [`HashReader`]; [`inclusion_proof`] and
//! [`consistency_proof`] answer one question each, [`Prover`] answers many about one tree size and
//! keeps the tiles it has read. [`verify_inclusion`] and [`verify_consistency`] need no store: they
//! are what an auditor runs. Proof order is that of RFC 9162 sections 2.1.3 and 2.1.4: from the leaf
//! upwards.

mod prover;
mod verify;

use std::convert::Infallible;
use std::ops::Range;

use crate::tree::{Hash, root_of};

pub use prover::{ProofError, Prover, consistency_proof, inclusion_proof, tree_root};
pub use verify::{
    InvalidProof, inclusion_root, verify_consistency, verify_inclusion, verify_subtree_consistency,
    verify_subtree_inclusion,
};

/// Access to the hashes of one log, by the levels of tlog-tiles.
///
/// Level 0 holds the leaf hashes; hash `i` of level `L` above is the root of the full subtree over
/// leaves `i * 256^L .. (i + 1) * 256^L` (what [`crate::tree::Frontier::append_many`] hands out as
/// [`crate::tree::TileHash`]).
pub trait HashReader {
    /// Why a read failed.
    type Error;

    /// Hashes `range` of level `level`, in order.
    ///
    /// A range lies within one tile (`range.start / 256 == (range.end - 1) / 256`), is never empty,
    /// and never reaches beyond the full subtrees of the tree size that a proof is asked for. MUST
    /// return exactly `range.end - range.start` hashes; any other number makes the proof fail with
    /// [`ProofError::Missing`].
    fn hashes(&self, level: u8, range: Range<u64>) -> Result<Vec<Hash>, Self::Error>;
}

/// A small tree held in memory as its leaf hashes; upper levels are hashed on demand.
impl HashReader for [Hash] {
    type Error = Infallible;

    fn hashes(&self, level: u8, range: Range<u64>) -> Result<Vec<Hash>, Infallible> {
        let width = 1_usize.checked_shl(8 * u32::from(level)).unwrap_or(usize::MAX);
        let subtree = |index: u64| {
            let start = usize::try_from(index).ok()?.checked_mul(width)?;
            self.get(start..start.checked_add(width)?).map(root_of)
        };
        Ok(range.map_while(subtree).collect())
    }
}

impl<R: HashReader + ?Sized> HashReader for &R {
    type Error = R::Error;

    fn hashes(&self, level: u8, range: Range<u64>) -> Result<Vec<Hash>, R::Error> {
        (**self).hashes(level, range)
    }
}
