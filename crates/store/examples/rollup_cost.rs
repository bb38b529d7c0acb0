//! Measures what adding up a group commit costs: `cargo run --release --example rollup_cost`.

use std::{hint::black_box, time::Instant};

use exhibit_model::{
    Cost, CostSource, Door, NanoUsd, Nanos, Span, SpanHead, SpanId, SpanKind, Status, TraceId,
    Usage,
};
use exhibit_store::rollup::{Accumulator, Inherited};

fn main() {
    let heads: Vec<SpanHead> = (0..1_000_i64).filter_map(head).collect();
    let mut best = (u128::MAX, u128::MAX);
    let mut cells = 0;
    for _ in 0..200 {
        let begun = Instant::now();
        let mut sum = Accumulator::new();
        for (n, head) in heads.iter().enumerate() {
            sum.add(black_box(head), true, n % 20 == 0, Inherited::default());
        }
        let added = begun.elapsed().as_micros();
        cells = black_box(sum.into_cells()).len();
        best = best.min((begun.elapsed().as_micros(), added));
    }
    println!("1,000 spans into {cells} cells: {} µs, of which adding {} µs", best.0, best.1);
}

fn head(n: i64) -> Option<SpanHead> {
    let mut span = Span::new(
        TraceId::new(&format!("t{}", n / 20)).ok()?,
        SpanId::new(&format!("s{n}")).ok()?,
        Door::Otlp,
    );
    span.kind = Some(SpanKind::ALL[n as usize % 5]);
    span.status = Status::Ok;
    span.start = Some(Nanos(1_800_000_000_000_000_000 + n * 100_000_000));
    span.end =
        Some(Nanos(1_800_000_000_000_000_000 + n * 100_000_000 + (n * 7_919_333) % 9_000_000_000));
    span.model = Some(["gpt-4o", "claude-sonnet-4", "gemini-2.5-pro"][n as usize % 3].to_owned());
    span.provider = Some("openai".to_owned());
    span.agent = Some(format!("agent-{}", n % 10));
    span.user = Some(format!("user-{}", n / 20));
    span.environment = Some("production".to_owned());
    span.service = Some("assistant-api".to_owned());
    span.usage = Some(Usage { input_uncached: 900, output_text: 120, ..Usage::default() });
    span.cost = Cost { amount: Some(NanoUsd(3_000_000)), source: CostSource::Table, rule: None };
    span.ttft = Some(Nanos((n * 977_333) % 900_000_000));
    Some(SpanHead::of(&span))
}
