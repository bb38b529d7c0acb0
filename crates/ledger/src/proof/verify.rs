//! Checking proofs, with nothing but the two roots or the root and the leaf.

use subtle::ConstantTimeEq;

use crate::tree::{Hash, empty_root, node_hash};

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProof {
    /// The leaf index lies outside the tree or subtree.
    #[error("leaf {index} lies outside {start}..{end}")]
    Index {
        /// Leaf index claimed.
        index: u64,
        /// First leaf of the (sub)tree.
        start: u64,
        /// One past its last leaf.
        end: u64,
    },
    /// The two sizes cannot stand in a consistency proof, or the range is no subtree.
    #[error("leaves {start}..{end} cannot be proved against a tree of size {size}")]
    Sizes {
        /// First leaf of the older tree or of the subtree (0 for a tree).
        start: u64,
        /// One past its last leaf.
        end: u64,
        /// Size of the newer tree.
        size: u64,
    },
    /// The proof has more or fewer hashes than these sizes need.
    #[error("the proof has the wrong length for these sizes")]
    Length,
    /// The proof leads to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// Checks that `leaf` stands at `index` in the tree of `size` leaves under `root`
/// (RFC 9162 section 2.1.3.2).
///
/// # Errors
/// Says what does not hold.
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), InvalidProof> {
    same(&inclusion_root(index, size, leaf, proof)?, root)
}

/// The root that an inclusion proof leads to (RFC 9162 section 2.1.3.2, before the comparison).
///
/// # Errors
/// An index outside the tree, a proof of the wrong length.
pub fn inclusion_root(
    index: u64,
    size: u64,
    leaf: &Hash,
    proof: &[Hash],
) -> Result<Hash, InvalidProof> {
    if index >= size {
        return Err(InvalidProof::Index { index, start: 0, end: size });
    }
    let (mut fn_, mut sn) = (index, size - 1);
    let mut root = *leaf;
    for sibling in proof {
        if sn == 0 {
            return Err(InvalidProof::Length);
        }
        if fn_ & 1 == 1 || fn_ == sn {
            root = node_hash(sibling, &root);
            // A right edge may skip levels where it has no sibling.
            let skipped = fn_.trailing_zeros().min(63);
            fn_ >>= skipped;
            sn >>= skipped;
        } else {
            root = node_hash(&root, sibling);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    if sn != 0 {
        return Err(InvalidProof::Length);
    }
    Ok(root)
}

/// Checks that the tree of `size1` leaves under `root1` is a prefix of the one of `size2` leaves
/// under `root2` (RFC 9162 section 2.1.4.2).
///
/// Equal sizes need equal roots and an empty proof (two empty trees: the root of the empty tree). Nothing can be proved from an empty tree to a
/// larger one (every log extends it), so `size1 == 0 < size2` is refused: a caller who accepts a first
/// checkpoint on trust does so knowingly and without this function.
///
/// # Errors
/// Says what does not hold.
pub fn verify_consistency(
    size1: u64,
    size2: u64,
    root1: &Hash,
    root2: &Hash,
    proof: &[Hash],
) -> Result<(), InvalidProof> {
    if size1 == size2 {
        if !proof.is_empty() {
            return Err(InvalidProof::Length);
        }
        if size1 == 0 {
            same(root1, &empty_root())?;
        }
        return same(root1, root2);
    }
    if size1 == 0 || size1 > size2 {
        return Err(InvalidProof::Sizes { start: 0, end: size1, size: size2 });
    }
    consistency(0, size1, size2, root1, root2, proof)
}

/// Checks that `leaf` stands at `index` of the log within the subtree over leaves `start..end`
/// (draft-ietf-plants-merkle-tree-certs, "Subtree Inclusion Proofs").
///
/// # Errors
/// Says what does not hold.
pub fn verify_subtree_inclusion(
    start: u64,
    end: u64,
    index: u64,
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), InvalidProof> {
    if start >= end || !is_subtree(start, end) {
        return Err(InvalidProof::Sizes { start, end, size: end });
    }
    if !(start..end).contains(&index) {
        return Err(InvalidProof::Index { index, start, end });
    }
    verify_inclusion(index - start, end - start, leaf, proof, root)
}

/// Checks that the subtree over leaves `start..end` under `subtree_root` is part of the tree of
/// `size` leaves under `root` (draft-ietf-plants-merkle-tree-certs, "Subtree Consistency Proofs").
/// An empty subtree is part of every tree that reaches it: its root is [`empty_root`] and `root` plays
/// no part.
///
/// # Errors
/// Says what does not hold.
pub fn verify_subtree_consistency(
    start: u64,
    end: u64,
    size: u64,
    subtree_root: &Hash,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), InvalidProof> {
    if start > end || end > size || !is_subtree(start, end) {
        return Err(InvalidProof::Sizes { start, end, size });
    }
    if start == end {
        if !proof.is_empty() {
            return Err(InvalidProof::Length);
        }
        return same(subtree_root, &empty_root());
    }
    consistency(start, end, size, subtree_root, root, proof)
}

/// A range is a subtree where its start is a multiple of the smallest power of two that covers it.
fn is_subtree(start: u64, end: u64) -> bool {
    end.checked_sub(start)
        .and_then(u64::checked_next_power_of_two)
        .is_some_and(|covering| start.is_multiple_of(covering))
}

/// The common verification of tree and subtree consistency; `start < end <= size` holds. With
/// `start` at 0 its steps are those of RFC 9162 section 2.1.4.2.
fn consistency(
    start: u64,
    end: u64,
    size: u64,
    old_root: &Hash,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), InvalidProof> {
    let (mut first, mut last, mut edge) = (start, end - 1, size - 1);
    while first != last && (last == edge || last & 1 == 1) {
        // At the right edge of the new tree every level belongs to both trees; elsewhere only
        // those do where the old tree ends in a right child.
        first >>= 1;
        last >>= 1;
        edge >>= 1;
    }
    let (seed, rest) = if first == last {
        (old_root, proof)
    } else {
        proof.split_first().ok_or(InvalidProof::Length)?
    };
    let (mut old, mut new) = (*seed, *seed);
    for sibling in rest {
        if edge == 0 {
            return Err(InvalidProof::Length);
        }
        if last & 1 == 1 || last == edge {
            if first < last {
                old = node_hash(sibling, &old);
            }
            new = node_hash(sibling, &new);
            let skipped = last.trailing_zeros().min(63);
            first >>= skipped;
            last >>= skipped;
            edge >>= skipped;
        } else {
            new = node_hash(&new, sibling);
        }
        first >>= 1;
        last >>= 1;
        edge >>= 1;
    }
    if edge != 0 {
        return Err(InvalidProof::Length);
    }
    same(&old, old_root)?;
    same(&new, new_root)
}

fn same(found: &Hash, expected: &Hash) -> Result<(), InvalidProof> {
    if bool::from(found.0.ct_eq(&expected.0)) { Ok(()) } else { Err(InvalidProof::Root) }
}
