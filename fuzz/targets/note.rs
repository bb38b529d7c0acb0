//! Signed notes, checkpoints and verifier keys: what they write, they read as the same.
#![no_main]

use exhibit_ledger::{Note, SignedCheckpoint, VerifierKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(Note::parse(note.to_string().as_bytes()).as_ref(), Ok(&note));
    }
    if let Ok(checkpoint) = SignedCheckpoint::parse(bytes) {
        let written = checkpoint.to_string();
        let read = SignedCheckpoint::parse(written.as_bytes()).expect("what we write, we read");
        assert_eq!(read.checkpoint(), checkpoint.checkpoint());
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(key) = text.parse::<VerifierKey>() {
            assert_eq!(key.to_string(), text);
        }
    }
});
