//! Trees, frontiers and proofs against the published cases and three other implementations.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use exhibit_ledger::proof::{
    HashReader, InvalidProof, ProofError, Prover, consistency_proof, inclusion_proof, tree_root,
    verify_consistency, verify_inclusion, verify_subtree_consistency, verify_subtree_inclusion,
};
use exhibit_ledger::tree::{Frontier, Hash, empty_root, leaf_hash, node_hash};
use proptest::prelude::*;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::vectors;

/// A log as a store keeps it: leaf hashes, one hash per full tile, and nothing else.
#[derive(Default)]
struct StoredLog {
    frontier: Frontier,
    leaves: Vec<Hash>,
    upper: BTreeMap<(u8, u64), Hash>,
    reads: RefCell<Vec<(u8, Range<u64>)>>,
}

impl StoredLog {
    fn append(&mut self, leaves: &[Hash]) {
        self.leaves.extend_from_slice(leaves);
        for tile_hash in self.frontier.append_many(leaves) {
            let earlier = self.upper.insert((tile_hash.level, tile_hash.index), tile_hash.hash);
            assert_eq!(earlier, None, "a subtree is completed once");
        }
    }

    fn of(size: u64) -> Self {
        let mut log = Self::default();
        log.append(&leaves(size));
        log
    }
}

impl HashReader for StoredLog {
    type Error = String;

    fn hashes(&self, level: u8, range: Range<u64>) -> Result<Vec<Hash>, String> {
        self.reads.borrow_mut().push((level, range.clone()));
        let get = |index: u64| match level {
            0 => self.leaves.get(index as usize).copied(),
            _ => self.upper.get(&(level, index)).copied(),
        };
        range.map(|index| get(index).ok_or(format!("no hash {index} at level {level}"))).collect()
    }
}

fn leaves(size: u64) -> Vec<Hash> {
    (0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

/// RFC 9162 section 2.1.1, word for word.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

/// RFC 9162 section 2.1.3.1, word for word.
fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let split = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(split);
    let (mut path, sibling) = if index < split {
        (naive_path(index, left), right)
    } else {
        (naive_path(index - split, right), left)
    };
    path.push(naive_root(sibling));
    path
}

/// RFC 9162 section 2.1.4.1, word for word.
fn naive_consistency(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if whole { Vec::new() } else { vec![naive_root(leaves)] };
    }
    let split = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(split);
    let (mut proof, sibling) = if old <= split {
        (naive_consistency(old, left, whole), right)
    } else {
        (naive_consistency(old - split, right, false), left)
    };
    proof.push(naive_root(sibling));
    proof
}

/// A hash of the vectors. Some negative cases put other lengths where a hash belongs, and some
/// positive ones use short stand-ins for equal roots: those are padded, which keeps equal ones equal.
fn hash_of(value: &Value) -> Hash {
    let mut bytes = STANDARD.decode(value.as_str().unwrap_or_default()).unwrap();
    assert!(bytes.len() <= 32);
    bytes.resize(32, 0);
    Hash::from_slice(&bytes).unwrap()
}

fn verify_case(case: &Value) -> Result<(), String> {
    for name in ["root", "root1", "root2", "leafHash"] {
        if case[name] == "" {
            Hash::from_slice(&[]).map_err(|error| format!("{name}: {error}"))?;
        }
    }
    verify_hashes(case).map_err(|error| error.to_string())
}

fn verify_hashes(case: &Value) -> Result<(), InvalidProof> {
    let hash = |name: &str| hash_of(&case[name]);
    let number = |name: &str| case[name].as_u64().unwrap_or_else(|| panic!("{name} in {case}"));
    let proof: Vec<Hash> = case["proof"].as_array().into_iter().flatten().map(hash_of).collect();
    match vectors::str_of(case, "kind") {
        "inclusion" => verify_inclusion(
            number("leafIdx"),
            number("treeSize"),
            &hash("leafHash"),
            &proof,
            &hash("root"),
        ),
        "consistency" => verify_consistency(
            number("size1"),
            number("size2"),
            &hash("root1"),
            &hash("root2"),
            &proof,
        ),
        "subtreeinclusion" => verify_subtree_inclusion(
            number("start"),
            number("end"),
            number("leafIdx"),
            &hash("leafHash"),
            &proof,
            &hash("root"),
        ),
        "subtreeconsistency" => verify_subtree_consistency(
            number("start"),
            number("end"),
            number("size"),
            &hash("root1"),
            &hash("root2"),
            &proof,
        ),
        other => panic!("unknown kind {other}"),
    }
}

#[test]
fn every_published_proof_case_gets_its_verdict() {
    let Some(cases) = vectors::cases("merkle_proof_cases.jsonl.gz") else { return };
    assert_eq!(cases.len(), 5418);
    let mut kinds = BTreeSet::new();
    for case in &cases {
        kinds.insert(vectors::str_of(case, "kind"));
        let want_error = case["wantErr"].as_bool().unwrap();
        assert_eq!(verify_case(case).is_err(), want_error, "{:?}: {case}", verify_case(case));
    }
    assert_eq!(kinds.len(), 4);
}

#[test]
fn published_leaves_hash_to_their_leaf_hashes() {
    let Some(cases) = vectors::cases("merkle_proof_cases.jsonl.gz") else { return };
    let with_leaf: Vec<_> = cases.iter().filter(|case| case["leaf"].is_string()).collect();
    assert!(!with_leaf.is_empty());
    for case in with_leaf {
        assert_eq!(leaf_hash(&vectors::base64_of(case, "leaf")), hash_of(&case["leafHash"]));
    }
}

#[test]
fn the_empty_tree_has_the_published_root() {
    let root = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(empty_root().to_hex(), root);
    assert_eq!(Frontier::new().root(), empty_root());
}

#[test]
fn a_frontier_has_the_naive_root_at_every_size() {
    let leaves = leaves(700);
    let mut frontier = Frontier::new();
    for size in 0..leaves.len() {
        assert_eq!(frontier.root(), naive_root(&leaves[..size]), "size {size}");
        assert_eq!(frontier.size(), size as u64);
        let restored = Frontier::from_bytes(&frontier.to_bytes()).unwrap();
        assert_eq!(restored, frontier);
        frontier.append(leaves[size]);
    }
}

#[test]
fn completed_subtrees_are_those_of_the_tiles() {
    let log = StoredLog::of(65_536 + 300);
    assert_eq!(log.upper.iter().filter(|((level, _), _)| *level == 1).count(), 257);
    assert_eq!(log.upper.iter().filter(|((level, _), _)| *level == 2).count(), 1);
    assert_eq!(log.upper[&(1, 3)], naive_root(&log.leaves[768..1024]));
    assert_eq!(log.upper[&(2, 0)], naive_root(&log.leaves[..65_536]));
    assert_eq!(tree_root(&log, 65_836).unwrap(), log.frontier.root());
}

#[test]
fn appending_in_any_batches_gives_the_same_frontier_and_tiles() {
    let all = leaves(1500);
    let mut one_by_one = Frontier::new();
    for leaf in &all {
        one_by_one.append(*leaf);
    }
    let whole = StoredLog::of(1500);
    for batch in [1, 2, 3, 7, 255, 256, 257, 1000] {
        let mut log = StoredLog::default();
        all.chunks(batch).for_each(|chunk| log.append(chunk));
        assert_eq!(log.frontier, one_by_one, "batches of {batch}");
        assert_eq!(log.upper, whole.upper, "batches of {batch}");
    }
    assert_eq!(one_by_one.clone().append_many(&[]), []);
}

#[test]
fn a_mutilated_frontier_is_refused() {
    let mut frontier = Frontier::new();
    frontier.append_many(&leaves(11));
    let bytes = frontier.to_bytes();
    for cut in 0..bytes.len() {
        assert!(Frontier::from_bytes(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    assert!(Frontier::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
    assert!(Frontier::from_bytes(&[0xff; 8 + 64 * 32]).is_err());
}

#[test]
fn every_proof_of_small_trees_is_the_naive_one_and_verifies() {
    let log = StoredLog::of(80);
    for size in 1..=80_usize {
        let tree = &log.leaves[..size];
        let root = naive_root(tree);
        for index in 0..size {
            let proof = inclusion_proof(&log, index as u64, size as u64).unwrap();
            assert_eq!(proof, naive_path(index, tree));
            assert_eq!(inclusion_proof(tree, index as u64, size as u64).unwrap(), proof);
            verify_inclusion(index as u64, size as u64, &tree[index], &proof, &root).unwrap();
        }
        for old in 1..=size {
            let proof = consistency_proof(&log, old as u64, size as u64).unwrap();
            assert_eq!(proof, naive_consistency(old, tree, true));
            let old_root = naive_root(&tree[..old]);
            verify_consistency(old as u64, size as u64, &old_root, &root, &proof).unwrap();
        }
    }
}

#[test]
fn a_proof_reads_at_most_two_tiles_per_level() {
    let log = StoredLog::of(70_000);
    let root = log.frontier.root();
    for index in [0, 255, 256, 30_000, 65_535, 65_536, 69_888, 69_999] {
        log.reads.borrow_mut().clear();
        let proof = inclusion_proof(&log, index, 70_000).unwrap();
        verify_inclusion(index, 70_000, &log.leaves[index as usize], &proof, &root).unwrap();
        for level in 0..3 {
            let reads = log.reads.borrow();
            let tiles = reads.iter().filter(|(l, _)| *l == level).count();
            assert!(tiles <= 2, "index {index}, level {level}: {tiles} tiles");
            assert!(
                reads.iter().all(|(_, range)| range.start % 256 == 0 && range.end > range.start)
            );
        }
    }
    for old in [1, 256, 257, 65_536, 69_999, 70_000] {
        let old_root = tree_root(&log, old).unwrap();
        log.reads.borrow_mut().clear();
        let proof = consistency_proof(&log, old, 70_000).unwrap();
        verify_consistency(old, 70_000, &old_root, &root, &proof).unwrap();
        let reads = log.reads.borrow();
        assert!((0..3).all(|level| reads.iter().filter(|(l, _)| *l == level).count() <= 2));
    }
}

#[test]
fn one_prover_answers_for_every_leaf_of_a_large_tree() {
    let log = StoredLog::of(70_000);
    let prover = Prover::new(&log, 69_000).unwrap();
    let root = prover.root().unwrap();
    for index in (0..69_000).step_by(37) {
        let proof = prover.inclusion(index).unwrap();
        verify_inclusion(index, 69_000, &log.leaves[index as usize], &proof, &root).unwrap();
    }
}

#[test]
fn questions_without_an_answer_are_refused() {
    let log = StoredLog::of(300);
    assert_eq!(inclusion_proof(&log, 7, 7), Err(ProofError::NoSuchLeaf { index: 7, size: 7 }));
    assert_eq!(consistency_proof(&log, 8, 7), Err(ProofError::NotAPrefix { old: 8, new: 7 }));
    assert!(matches!(inclusion_proof(&log, 0, 301), Err(ProofError::Read(_))));
    assert!(matches!(inclusion_proof(&log, 0, u64::MAX), Err(ProofError::Size(_))));
    let missing = inclusion_proof(&log.leaves[..299], 0, 300);
    assert!(matches!(missing, Err(ProofError::Missing { level: 0, found: 43, .. })), "{missing:?}");
    assert_eq!(consistency_proof(&log, 0, 7).unwrap(), []);
    assert_eq!(consistency_proof(&log, 7, 7).unwrap(), []);
}

#[test]
fn extreme_indexes_and_sizes_are_refused_without_panic() {
    let hash = leaf_hash(b"x");
    for a in [0, 1, 2, 63, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
        for b in [0, 1, 2, 63, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
            for length in [0, 1, 63, 64, 65, 200] {
                let proof = vec![hash; length];
                let inclusion = verify_inclusion(a, b, &hash, &proof, &hash);
                assert!(inclusion.is_err() || (a, b, length) == (0, 1, 0));
                let consistency = verify_consistency(a, b, &hash, &hash, &proof);
                assert!(consistency.is_err() || (a == b && a > 0 && length == 0));
                for c in [0, 1, u64::MAX] {
                    let _ = verify_subtree_inclusion(a, b, c, &hash, &proof, &hash);
                    let _ = verify_subtree_consistency(a, b, c, &hash, &hash, &proof);
                }
            }
        }
    }
}

/// The three other implementations: tlog_tiles, ct-merkle, and the naive recursion above.
///
/// `sigstore-merkle` (0.15) would be one more. It is left out: by `sigstore-crypto` it builds `aws-lc-sys`, a
/// C library with CMake, which this workspace does without, for the sake of two functions that the published
/// cases and three implementations check already; `pymerkle` reads whole logs in the end-to-end tests.
fn others_accept_inclusion(log: &StoredLog, index: u64, size: u64, proof: &[Hash]) {
    let root = naive_root(&log.leaves[..size as usize]);
    let theirs: Vec<_> = proof.iter().map(|hash| tlog_tiles::Hash(hash.0)).collect();
    let leaf = tlog_tiles::Hash(log.leaves[index as usize].0);
    tlog_tiles::check_record(&theirs, size, tlog_tiles::Hash(root.0), index, leaf).unwrap();

    let proof = ct_merkle::InclusionProof::<sha2::Sha256>::from_bytes(
        proof.iter().flat_map(|hash| hash.0).collect(),
    );
    let root = ct_merkle::RootHash::<sha2::Sha256>::new(root.0.into(), size);
    root.verify_inclusion(&index.to_be_bytes().to_vec(), index, &proof).unwrap();
}

fn others_accept_consistency(log: &StoredLog, old: u64, size: u64, proof: &[Hash]) {
    let (before, after) =
        (naive_root(&log.leaves[..old as usize]), naive_root(&log.leaves[..size as usize]));
    let theirs: Vec<_> = proof.iter().map(|hash| tlog_tiles::Hash(hash.0)).collect();
    let (before_, after_) = (tlog_tiles::Hash(before.0), tlog_tiles::Hash(after.0));
    tlog_tiles::check_tree(&theirs, size, after_, old, before_).unwrap();

    if old == size {
        return; // ct-merkle has no proof between equal sizes.
    }
    let proof = ct_merkle::ConsistencyProof::<sha2::Sha256>::try_from_bytes(
        proof.iter().flat_map(|hash| hash.0).collect(),
    )
    .unwrap();
    let before = ct_merkle::RootHash::<sha2::Sha256>::new(before.0.into(), old);
    let after = ct_merkle::RootHash::<sha2::Sha256>::new(after.0.into(), size);
    after.verify_consistency(&before, &proof).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn stored_proofs_of_random_trees_are_the_naive_ones_and_others_accept_them(
        size in 1_u64..4000, index in any::<u64>(), old in any::<u64>(), batch in 1_usize..900,
    ) {
        let mut log = StoredLog::default();
        for chunk in leaves(size).chunks(batch) {
            log.append(chunk);
        }
        let (index, old) = (index % size, old % size + 1);
        let root = log.frontier.root();
        prop_assert_eq!(root, naive_root(&log.leaves));
        prop_assert_eq!(tree_root(&log, old).unwrap(), naive_root(&log.leaves[..old as usize]));

        let proof = inclusion_proof(&log, index, size).unwrap();
        prop_assert_eq!(&proof, &naive_path(index as usize, &log.leaves));
        others_accept_inclusion(&log, index, size, &proof);

        let proof = consistency_proof(&log, old, size).unwrap();
        prop_assert_eq!(&proof, &naive_consistency(old as usize, &log.leaves, true));
        others_accept_consistency(&log, old, size, &proof);
    }

    #[test]
    fn every_mutation_of_a_proof_is_caught(
        size in 2_u64..600, index in any::<u64>(), old in any::<u64>(), bit in 0_usize..256,
    ) {
        let log = StoredLog::of(size);
        let root = log.frontier.root();
        let (index, old) = (index % size, old % size + 1);
        let leaf = log.leaves[index as usize];
        let old_root = naive_root(&log.leaves[..old as usize]);
        let flip = |hash: &Hash| {
            let mut hash = *hash;
            hash.0[bit / 8] ^= 1 << (bit % 8);
            hash
        };

        let proof = inclusion_proof(&log, index, size).unwrap();
        let check = |index, leaf: &Hash, proof: &[Hash], root: &Hash| {
            verify_inclusion(index, size, leaf, proof, root)
        };
        prop_assert!(check(index, &leaf, &proof, &root).is_ok());
        prop_assert!(check(index, &flip(&leaf), &proof, &root).is_err());
        prop_assert!(check(index, &leaf, &proof, &flip(&root)).is_err());
        for other in (0..size).filter(|other| *other != index) {
            prop_assert!(check(other, &leaf, &proof, &root).is_err());
        }
        for mutated in mutations(&proof, flip) {
            prop_assert!(check(index, &leaf, &mutated, &root).is_err());
        }

        let proof = consistency_proof(&log, old, size).unwrap();
        let check = |old, before: &Hash, proof: &[Hash], after: &Hash| {
            verify_consistency(old, size, before, after, proof)
        };
        prop_assert!(check(old, &old_root, &proof, &root).is_ok());
        prop_assert!(check(old, &flip(&old_root), &proof, &root).is_err());
        prop_assert!(check(old, &old_root, &proof, &flip(&root)).is_err());
        for other in (0..=size).filter(|other| *other != old) {
            prop_assert!(check(other, &old_root, &proof, &root).is_err());
        }
        for mutated in mutations(&proof, flip) {
            prop_assert!(check(old, &old_root, &mutated, &root).is_err());
        }
    }
}

/// One hash changed, dropped, doubled; two neighbours swapped; one more at either end.
fn mutations(proof: &[Hash], flip: impl Fn(&Hash) -> Hash) -> Vec<Vec<Hash>> {
    let mut mutated = Vec::new();
    for n in 0..proof.len() {
        let (mut changed, mut dropped, mut doubled) =
            (proof.to_vec(), proof.to_vec(), proof.to_vec());
        changed[n] = flip(&proof[n]);
        dropped.remove(n);
        doubled.insert(n, proof[n]);
        mutated.extend([changed, dropped, doubled]);
        if n > 0 {
            let mut swapped = proof.to_vec();
            swapped.swap(n - 1, n);
            mutated.push(swapped);
        }
    }
    mutated.push([proof, &[empty_root()]].concat());
    mutated.push([&[empty_root()], proof].concat());
    mutated
}
