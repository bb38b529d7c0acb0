//! Stored records: bytes of a damaged database must not bring the verifier down.
#![no_main]

use exhibit_model::record;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(5, |b| *b == 0);
    let parts = [(); 5].map(|()| parts.next().unwrap_or_default());
    if let Ok(span) = record::decode(parts) {
        let written = record::encode(&span);
        let read = record::decode(written.slices()).expect("what we write, we read");
        assert_eq!(record::encode(&read), written);
    }
});
