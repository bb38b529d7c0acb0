//! Microseconds per span of decoding, mapping and reading content, on one core.
//!
//! `cargo run --release -p exhibit-capture --example decode_speed`

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use exhibit_capture::{Context, Encoding, content, map, otlp};
use exhibit_model::{Limits, Nanos};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;

/// The allocator of the server.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SPANS: u64 = 100;
const ROUNDS: u32 = 200;

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), key_strindex: 0 }
}

fn text(key: &str, value: &str) -> KeyValue {
    pair(key, Value::StringValue(value.into()))
}

/// A model call of about 2.8 KB.
fn span(n: u64) -> Span {
    let words = "the quick brown fox jumps over the lazy dog and asks why ".repeat(13);
    let messages = |role: &str| {
        format!(r#"[{{"role":"{role}","parts":[{{"type":"text","content":"{words}"}}]}}]"#)
    };
    let mut attributes = vec![
        text("gen_ai.operation.name", "chat"),
        text("gen_ai.provider.name", "openai"),
        text("gen_ai.request.model", "gpt-4o-mini"),
        text("gen_ai.response.model", "gpt-4o-mini-2024-07-18"),
        text("gen_ai.response.id", &format!("chatcmpl-{n:020}")),
        text("gen_ai.conversation.id", "conversation-1234"),
        text("gen_ai.agent.name", "planner"),
        text("gen_ai.input.messages", &messages("user")),
        text("gen_ai.output.messages", &messages("assistant")),
        pair("gen_ai.usage.input_tokens", Value::IntValue(812)),
        pair("gen_ai.usage.output_tokens", Value::IntValue(214)),
        pair("gen_ai.usage.cache_read.input_tokens", Value::IntValue(512)),
        pair("gen_ai.request.temperature", Value::DoubleValue(0.2)),
        pair("gen_ai.request.max_tokens", Value::IntValue(1024)),
        text("server.address", "api.openai.com"),
        text("user.id", "user-42"),
    ];
    for n in 0..8 {
        attributes.push(text(&format!("app.label.{n}"), "some application value"));
    }
    Span {
        trace_id: vec![7; 16],
        span_id: n.to_be_bytes().map(|b| b | 1).to_vec(),
        parent_span_id: vec![9; 8],
        name: "chat gpt-4o-mini".into(),
        kind: 3,
        start_time_unix_nano: 1_800_000_000_000_000_000,
        end_time_unix_nano: 1_800_000_001_500_000_000,
        attributes,
        ..Span::default()
    }
}

fn main() {
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: (0..SPANS).map(span).collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    };
    let body = request.encode_to_vec();
    let limits = Limits::default();
    let context =
        Context { received: Nanos(1_800_000_002_000_000_000), limits: &limits, labels: &[] };
    // The fastest round: what the code takes when nothing else disturbs it.
    let mut best = [Duration::MAX; 4];
    for _ in 0..ROUNDS {
        let start = Instant::now();
        black_box(ExportTraceServiceRequest::decode(body.as_slice()).is_ok());
        best[0] = best[0].min(start.elapsed());

        let start = Instant::now();
        let Ok(mut decoded) = otlp::traces(&body, Encoding::Protobuf, &context) else { return };
        best[1] = best[1].min(start.elapsed());

        let start = Instant::now();
        decoded.spans.iter_mut().for_each(map);
        best[2] = best[2].min(start.elapsed());

        let start = Instant::now();
        decoded.spans.iter().for_each(|span| drop(black_box(content(span))));
        best[3] = best[3].min(start.elapsed());
    }
    println!("{} bytes per span", body.len() as u64 / SPANS);
    for (what, best) in ["prost alone", "decode and build", "map", "content"].into_iter().zip(best)
    {
        println!("{what:>18}: {:6.2} µs per span", best.as_secs_f64() * 1e6 / SPANS as f64);
    }
}
