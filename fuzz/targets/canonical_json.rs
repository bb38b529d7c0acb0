//! Canonical JSON: writing it again gives the same bytes.
#![no_main]

use exhibit_ledger::{canonicalize, parse_strict};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = parse_strict(bytes, 127) else { return };
    let Ok(canonical) = canonicalize(&value) else { return };
    let again = parse_strict(&canonical, 127).expect("canonical JSON is strict JSON");
    assert_eq!(canonicalize(&again).expect("and canonical again"), canonical);
});
