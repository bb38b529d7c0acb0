//! Requests to a witness and policies: what they write, they read as the same.
#![no_main]

use exhibit_ledger::{AddCheckpoint, Policy};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = AddCheckpoint::parse(bytes) {
        let again = AddCheckpoint::parse(request.to_string().as_bytes());
        assert_eq!(again.expect("what we write, we read").to_string(), request.to_string());
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Policy::parse(text);
    }
});
