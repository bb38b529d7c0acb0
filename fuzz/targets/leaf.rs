//! Leaves have one byte form: what is accepted is written back byte for byte.
#![no_main]

use exhibit_ledger::Leaf;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(leaf) = Leaf::parse(bytes) {
        assert_eq!(leaf.to_bytes().expect("what was read"), bytes);
    }
});
