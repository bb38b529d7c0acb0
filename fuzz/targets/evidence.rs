//! Evidence bundles and time stamps: anything may be refused, nothing may panic or swell.
#![no_main]

use std::io::Cursor;

use exhibit_evidence::{Demands, stamp, verify};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = verify(&|| Ok(Cursor::new(bytes)), &Demands::default(), &|_, _| {});
    if let Ok(token) = stamp::token(bytes) {
        let _ = stamp::read(&token, b"text");
    }
    let _ = stamp::read(bytes, b"text");
    let _ = stamp::verify_signature(bytes, b"text");
});
