//! The cover of a log: leaves that are shown and subtrees that are not, which together make up the
//! whole tree. Its root is the checkpoint's, or something is not what was signed.
//!
//! One cover proves any number of leaves at the cost of about one hash each, and shows at a glance
//! where a range is complete.

use exhibit_ledger::{Hash, empty_root, leaf_hash, node_hash};

/// Adds up a cover from the left (RFC 9162 section 2.1.1).
#[derive(Debug, Default)]
pub struct Cover {
    size: u64,
    /// Complete subtrees, largest first: width and root.
    subtrees: Vec<(u64, Hash)>,
}

impl Cover {
    /// Leaves covered so far: the index that must come next.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf.
    pub fn leaf(&mut self, bytes: &[u8]) -> Hash {
        let hash = leaf_hash(bytes);
        self.push(1, hash);
        hash
    }

    /// Adds the root of a complete subtree of `width` leaves; false where none of that width can
    /// stand here.
    pub fn subtree(&mut self, width: u64, root: Hash) -> bool {
        let fits = width.is_power_of_two()
            && self.size.is_multiple_of(width)
            && self.size.checked_add(width).is_some_and(|end| end <= 1 << 56);
        if fits {
            self.push(width, root);
        }
        fits
    }

    fn push(&mut self, mut width: u64, mut root: Hash) {
        self.size += width;
        while let Some((_, left)) = self.subtrees.pop_if(|(left, _)| *left == width) {
            root = node_hash(&left, &root);
            width *= 2;
        }
        self.subtrees.push((width, root));
    }

    /// Root of the tree covered so far.
    pub fn root(&self) -> Hash {
        let mut from_right = self.subtrees.iter().rev();
        let Some((_, last)) = from_right.next() else { return empty_root() };
        from_right.fold(*last, |right, (_, left)| node_hash(left, &right))
    }
}

/// The complete subtrees that make up the leaves `from..to`: `(first leaf, height)`, left to right.
pub fn subtrees(from: u64, to: u64) -> Vec<(u64, u32)> {
    let mut out = Vec::new();
    let mut at = from;
    while at < to {
        // The widest subtree that starts here and does not reach beyond the end.
        let height = at.trailing_zeros().min((to - at).ilog2());
        out.push((at, height));
        at += 1 << height;
    }
    out
}

#[cfg(test)]
mod tests {
    use exhibit_ledger::tree::root_of;

    use super::*;

    #[test]
    fn every_cover_of_a_log_has_its_root() {
        let leaves: Vec<Vec<u8>> = (0..70_u8).map(|n| vec![n]).collect();
        let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        for size in 0..70_usize {
            for shown in [0..0, 0..size, 3..size.min(9), size / 2..size] {
                let mut cover = Cover::default();
                let hide = |cover: &mut Cover, from: usize, to: usize| {
                    for (first, height) in subtrees(from as u64, to as u64) {
                        let range = first as usize..first as usize + (1 << height);
                        assert!(cover.subtree(1 << height, root_of(&hashes[range])));
                    }
                };
                let shown = shown.start.min(size)..shown.end.max(shown.start.min(size));
                hide(&mut cover, 0, shown.start);
                leaves[shown.clone()].iter().for_each(|leaf| {
                    cover.leaf(leaf);
                });
                hide(&mut cover, shown.end, size);
                assert_eq!(cover.size(), size as u64);
                assert_eq!(cover.root(), root_of(&hashes[..size]), "{size} {shown:?}");
            }
        }
    }

    #[test]
    fn a_subtree_that_cannot_stand_here_is_refused() {
        let mut cover = Cover::default();
        cover.leaf(b"a");
        assert!(!cover.subtree(2, empty_root()), "at 1 no pair starts");
        assert!(!cover.subtree(3, empty_root()));
        assert!(!cover.subtree(0, empty_root()));
        assert!(cover.subtree(1, empty_root()));
        assert!(!cover.subtree(1 << 60, empty_root()));
    }
}
