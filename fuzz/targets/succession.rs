//! Successions of signing keys and chains of them: whatever is opened writes what it read.
#![no_main]

use exhibit_ledger::{Note, Succession, succession};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(one) = Succession::open(text) {
        let note = Note::parse(bytes).expect("it was a note");
        assert_eq!(one.to_string(), note.text());
        assert!(succession::chain([text], &one.new).is_ok());
    }
    let (base, epoch) = succession::epoch_of(text);
    assert!(epoch == 1 || format!("{base}@{epoch}") == text);
});
