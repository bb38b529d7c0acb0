//! The filter language: what it writes, it reads as the same.
#![no_main]

use exhibit_model::Nanos;
use exhibit_store::Filter;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let now = Nanos(1_800_000_000_000_000_000);
    if let Ok(filter) = Filter::parse(text, now) {
        let written = filter.to_string();
        assert_eq!(Filter::parse(&written, now).as_ref(), Ok(&filter), "{written}");
    }
});
