//! Tile paths, tiles and bundles, against a published log.

use std::ops::Range;
use std::path::PathBuf;

use exhibit_ledger::checkpoint::SignedCheckpoint;
use exhibit_ledger::note::VerifierKey;
use exhibit_ledger::proof::{HashReader, Prover, verify_consistency, verify_inclusion};
use exhibit_ledger::tiles::{
    TileError, TilePath, encode_entries, encode_hashes, parse_entries, parse_hashes,
};
use exhibit_ledger::tree::{Frontier, Hash, leaf_hash};
use proptest::prelude::*;

use crate::vectors;

const ORIGIN: &str = "example.com/log/testdata";
const KEY: &str = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";

/// A log as its published files.
struct PublishedLog {
    folder: PathBuf,
    size: u64,
}

impl PublishedLog {
    fn read(&self, path: TilePath) -> Vec<u8> {
        std::fs::read(self.folder.join(path.to_string())).unwrap()
    }
}

impl HashReader for PublishedLog {
    type Error = TileError;

    fn hashes(&self, level: u8, range: Range<u64>) -> Result<Vec<Hash>, TileError> {
        let path = TilePath::hashes(level, range.start / 256, self.size).unwrap();
        let tile = parse_hashes(&self.read(path), path.width)?;
        Ok(tile[(range.start % 256) as usize..][..(range.end - range.start) as usize].to_vec())
    }
}

#[test]
fn a_published_log_verifies_from_its_tiles_at_every_checkpoint() {
    let Some(folder) = vectors::path("tessera-log") else { return };
    let key: VerifierKey = KEY.parse().unwrap();
    let mut earlier: Vec<(u64, Hash)> = Vec::new();
    for size in 0..=15_u64 {
        let bytes = std::fs::read(folder.join(format!("checkpoint.{size}"))).unwrap();
        let signed = SignedCheckpoint::parse(&bytes).unwrap();
        signed.verify(ORIGIN, &key).unwrap();
        let head = signed.checkpoint();
        assert_eq!(head.size, size);

        let log = PublishedLog { folder: folder.clone(), size };
        let prover = Prover::new(&log, size).unwrap();
        assert_eq!(prover.root().unwrap(), head.root);
        let mut frontier = Frontier::new();
        if let Some(bundle) = TilePath::entries(0, size) {
            let bytes = log.read(bundle);
            let entries = parse_entries(&bytes, bundle.width).unwrap();
            assert_eq!(encode_entries(&entries).unwrap(), bytes);
            for (index, entry) in (0..).zip(&entries) {
                let leaf = leaf_hash(entry);
                frontier.append(leaf);
                let proof = prover.inclusion(index).unwrap();
                verify_inclusion(index, size, &leaf, &proof, &head.root).unwrap();
            }
        }
        assert_eq!((frontier.size(), frontier.root()), (size, head.root));
        for (old, old_root) in earlier.iter().filter(|(old, _)| *old > 0) {
            let proof = prover.consistency(*old).unwrap();
            verify_consistency(*old, size, old_root, &head.root, &proof).unwrap();
        }
        earlier.push((size, head.root));
    }
}

#[test]
fn the_files_of_a_published_log_are_those_its_size_names() {
    let Some(folder) = vectors::path("tessera-log") else { return };
    for size in 1..=15 {
        let paths: Vec<String> = TilePath::all_of(size).map(|path| path.to_string()).collect();
        let expected = [format!("tile/entries/000.p/{size}"), format!("tile/0/000.p/{size}")];
        assert_eq!(paths, expected);
        assert!(paths.iter().all(|path| folder.join(path).exists()));
    }
}

#[test]
fn paths_are_written_as_the_specification_shows_them() {
    let path = TilePath::hashes(0, 1_234_067, u64::MAX >> 8).unwrap();
    assert_eq!(path.to_string(), "tile/0/x001/x234/067");
    let path = TilePath::entries(273, 70_000).unwrap();
    assert_eq!(path.to_string(), "tile/entries/273.p/112");
    let tiles: Vec<String> = TilePath::all_of(70_000).map(|path| path.to_string()).collect();
    assert_eq!(tiles.iter().filter(|path| path.starts_with("tile/0/")).count(), 274);
    assert_eq!(
        tiles.iter().filter(|p| p.starts_with("tile/1/")).collect::<Vec<_>>(),
        ["tile/1/000", "tile/1/001.p/17"]
    );
    assert_eq!(tiles.last().unwrap(), "tile/2/000.p/1");
    assert_eq!(TilePath::hashes(1, 0, 255), None);
    assert_eq!(TilePath::hashes(1, 0, 256).unwrap().width, 1);
}

#[test]
fn other_spellings_of_a_path_are_refused() {
    for path in [
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/00/001",
        "tile/64/001",
        "tile/0/001/",
        "tile/0/001.p/0",
        "tile/0/001.p/256",
        "tile/0/001.p/01",
        "tile/0/x001",
        "tile/0/001/002",
        "tile/-1/001",
        "tile/entries/",
        "tile//001",
        "/tile/0/001",
        "tile/0/x1/234",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/0/001.p/1/2",
        "",
        "tile",
    ] {
        assert_eq!(path.parse::<TilePath>(), Err(TileError::Path), "{path}");
    }
    let largest = "tile/63/x018/x446/x744/x073/x709/x551/615";
    assert_eq!(largest.parse::<TilePath>().unwrap().index, u64::MAX);
}

#[test]
fn tiles_and_bundles_of_another_width_are_refused() {
    let hashes = vec![leaf_hash(b"x"); 256];
    let bytes = encode_hashes(&hashes).unwrap();
    assert_eq!(bytes.len(), 8192);
    assert_eq!(parse_hashes(&bytes, 256).unwrap(), hashes);
    assert!(parse_hashes(&bytes, 255).is_err());
    assert!(parse_hashes(&bytes[..8191], 256).is_err());
    assert_eq!(encode_hashes(&[]), Err(TileError::Width(0)));
    assert_eq!(encode_hashes(&vec![leaf_hash(b"x"); 257]), Err(TileError::Width(257)));

    let bytes = encode_entries(&[b"one".to_vec(), Vec::new(), vec![0; 65_535]]).unwrap();
    assert_eq!(parse_entries(&bytes, 3).unwrap()[2].len(), 65_535);
    assert!(parse_entries(&bytes, 2).is_err());
    assert!(parse_entries(&bytes, 4).is_err());
    assert!(parse_entries(&bytes, 0).is_err());
    assert!(parse_entries(&bytes[..bytes.len() - 1], 3).is_err());
    assert_eq!(encode_entries(&[vec![0; 65_536]]), Err(TileError::Entry(65_536)));
}

proptest! {
    #[test]
    fn paths_read_back(level in 0_u8..64, index in any::<u64>(), width in 1_u16..=256, entries in any::<bool>()) {
        use exhibit_ledger::tiles::TileKind;
        let kind = if entries { TileKind::Entries } else { TileKind::Hashes { level } };
        let path = TilePath { kind, index, width };
        prop_assert_eq!(path.to_string().parse::<TilePath>(), Ok(path));
    }

    #[test]
    fn bundles_read_back(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..40)) {
        let bytes = encode_entries(&entries).unwrap();
        prop_assert_eq!(parse_entries(&bytes, entries.len() as u16).unwrap(), entries);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), width in any::<u16>()) {
        let _ = parse_entries(&bytes, width);
        let _ = parse_hashes(&bytes, width);
        let _ = String::from_utf8_lossy(&bytes).parse::<TilePath>();
    }
}
