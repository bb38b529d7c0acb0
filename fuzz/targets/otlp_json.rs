//! OTLP traces as JSON.
#![no_main]

use exhibit_capture::{Encoding, otlp};
use exhibit_fuzz::{context, limits, settle};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let limits = limits();
    if let Ok(decoded) = otlp::traces(body, Encoding::Json, &context(&limits)) {
        settle(decoded);
    }
});
