//! How long a price takes: `cargo bench -p exhibit-pricing`. One that was seen before is to take less than a
//! microsecond.

#![allow(clippy::unwrap_used, reason = "a tool for the desk")]

use std::time::Instant;

use exhibit_model::{Door, Nanos, Span, SpanKind, Usage};
use exhibit_pricing::{PriceBook, SHIPPED};

const ROUNDS: u32 = 200_000;

fn span(model: &str, provider: &str) -> Span {
    let mut span = Span::new("t".parse().unwrap(), "s".parse().unwrap(), Door::Native);
    span.kind = Some(SpanKind::Llm);
    span.model = Some(model.to_owned());
    span.provider = Some(provider.to_owned());
    span.start = Some(Nanos(1_795_000_000_000_000_000));
    span.usage = Some(Usage { input_uncached: 1_200, output_text: 80, ..Usage::default() });
    span
}

fn main() {
    let book = PriceBook::from_yaml(SHIPPED, "rules/pricing.yaml").unwrap();
    let begin = Instant::now();
    let _ = book.listing();
    println!("table loaded in {:?}", begin.elapsed());
    for (model, provider) in [
        ("gpt-4o-mini", "openai"),
        ("claude-sonnet-4-5", "anthropic"),
        ("deepseek-chat", "deepseek"),
        ("gemini-2.5-pro", "gcp.vertex_ai"),
        ("gpt-4o-by-another-name", "openai"),
        ("unheard-of", "nobody"),
    ] {
        let span = span(model, provider);
        let begin = Instant::now();
        let cost = book.price(&span);
        let cold = begin.elapsed();
        let begin = Instant::now();
        for _ in 0..ROUNDS {
            std::hint::black_box(book.price(std::hint::black_box(&span)));
        }
        let hot = begin.elapsed() / ROUNDS;
        println!("{model}: first {cold:?}, then {hot:?}, {:?}", cost.amount);
        assert!(hot.as_nanos() < 1_000, "{model} takes {hot:?}");
    }
}
