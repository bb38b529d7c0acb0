//! Proof files, tile paths and tiles.
#![no_main]

use exhibit_ledger::{TilePath, TlogProof, tiles};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(proof) = TlogProof::parse(bytes) {
        let written = proof.to_string();
        assert_eq!(TlogProof::parse(written.as_bytes()).as_ref(), Ok(&proof));
    }
    if let Ok(path) = std::str::from_utf8(bytes).unwrap_or_default().parse::<TilePath>() {
        assert_eq!(path.to_string().as_bytes(), bytes);
    }
    for width in [1, 2, 256] {
        let _ = tiles::parse_hashes(bytes, width);
        if let Ok(entries) = tiles::parse_entries(bytes, width) {
            assert_eq!(tiles::encode_entries(&entries).expect("what was read"), bytes);
        }
    }
});
