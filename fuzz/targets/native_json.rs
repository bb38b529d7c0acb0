//! The three native JSON doors.
#![no_main]

use exhibit_capture::native;
use exhibit_fuzz::{context, limits, settle};
use exhibit_model::{SpanId, TraceId};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let limits = limits();
    let context = context(&limits);
    for door in [native::span_batch, native::trace_registration] {
        if let Ok(decoded) = door(body, &context) {
            settle(decoded);
        }
    }
    let mut mint = || (TraceId::new("tr_fuzz").unwrap(), SpanId::new("sp_fuzz").unwrap());
    let _ = native::simple_trace(body, &context, &mut mint);
});
