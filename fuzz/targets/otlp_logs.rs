//! OTLP logs in both encodings: the first byte chooses.
#![no_main]

use exhibit_capture::{Encoding, otlp};
use exhibit_fuzz::{context, limits, settle};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let encoding = if choice % 2 == 0 { Encoding::Protobuf } else { Encoding::Json };
    let limits = limits();
    if let Ok(decoded) = otlp::logs(body, encoding, &context(&limits)) {
        settle(decoded);
    }
});
