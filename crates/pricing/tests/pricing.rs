//! Prices through the public door, with amounts computed by hand.

#![allow(clippy::unwrap_used, reason = "a test stops where its set-up fails")]

use exhibit_model::{Cost, CostSource, Door, Flag, NanoUsd, Nanos, Span, SpanKind, Usage};
use exhibit_pricing::{PriceBook, SHIPPED};
use proptest::prelude::*;

const DAY: i64 = 86_400_000_000_000;
const NOV_2026: i64 = 20_776 * DAY;

fn book(text: &str) -> PriceBook {
    PriceBook::from_yaml(text, "rules/pricing.yaml").unwrap()
}

fn call(model: &str, usage: Usage) -> Span {
    let mut span = Span::new("t".parse().unwrap(), "s".parse().unwrap(), Door::Native);
    span.kind = Some(SpanKind::Llm);
    span.model = Some(model.to_owned());
    span.start = Some(Nanos(NOV_2026));
    span.usage = Some(usage);
    span
}

fn tokens(input: u64, output: u64) -> Usage {
    Usage { input_uncached: input, output_text: output, ..Usage::default() }
}

fn nano(cost: &Cost) -> i64 {
    cost.amount.unwrap().0
}

#[test]
fn a_reported_cost_wins_even_when_it_is_zero() {
    let mut span = call("gpt-4o-mini", tokens(1_000, 100));
    span.cost_reported = Some(NanoUsd(0));
    let cost = book(SHIPPED).price(&span);
    assert_eq!((cost.amount, cost.source), (Some(NanoUsd(0)), CostSource::Agent));
}

#[test]
fn the_quick_start_call_is_priced_from_the_table() {
    let mut span = call("gpt-4o-mini", tokens(100, 50));
    span.provider = Some("openai".into());
    // 100 × 0.15 + 50 × 0.60 = 45 millionths of a dollar.
    let cost = book(SHIPPED).price(&span);
    assert_eq!((nano(&cost), cost.source), (45_000, CostSource::Table));
    assert_eq!(cost.rule.as_deref(), Some("genai-prices 0.2.1 openai/gpt-4o-mini"));
}

#[test]
fn buckets_are_charged_once_each() {
    let mut span = call("gpt-4o-mini", tokens(60, 30));
    span.provider = Some("openai".into());
    if let Some(usage) = &mut span.usage {
        usage.cache_read = 40;
        usage.output_reasoning = 20;
    }
    // 60 × 0.15 + 40 × 0.075 + (30 + 20) × 0.60 = 9 + 3 + 30.
    assert_eq!(nano(&book("").price(&span)), 42_000);
}

#[test]
fn the_operators_price_stands_before_the_table() {
    let book = book("models: {gpt-4o-mini: {input: 1, output: 2, aliases: [\"gpt-4o-mini-*\"]}}");
    for model in ["gpt-4o-mini", "GPT-4o-mini", "gpt-4o-mini-2024-07-18"] {
        let cost = book.price(&call(model, tokens(1_000_000, 500_000)));
        assert_eq!((nano(&cost), cost.source), (2_000_000_000, CostSource::Table), "{model}");
        assert_eq!(cost.rule.as_deref(), Some("rules/pricing.yaml gpt-4o-mini"));
    }
}

#[test]
fn a_model_without_a_price_gets_the_default_or_stays_unknown() {
    let span = call("in-house-7b", tokens(1_000, 1_000));
    let cost = book("default: {input: 1, output: 3}").price(&span);
    assert_eq!((nano(&cost), cost.source), (4_000_000, CostSource::Default));
    assert_eq!(book("").price(&span), Cost::UNKNOWN);
}

#[test]
fn nothing_is_priced_without_usage_or_twice() {
    let book = book("default: {input: 1, output: 3}");
    let mut span = call("gpt-4o", tokens(10, 10));
    span.usage = None;
    assert_eq!(book.price(&span), Cost::UNKNOWN);
    let mut agent = call("gpt-4o", tokens(10, 10));
    agent.kind = Some(SpanKind::Agent);
    assert_eq!(book.price(&agent), Cost::UNKNOWN);
    let mut sum = call("gpt-4o", tokens(10, 10));
    sum.flag(Flag::AggregateUsage);
    assert_eq!(book.price(&sum), Cost::UNKNOWN);
    let mut tool = call("gpt-4o", tokens(10, 10));
    (tool.kind, tool.model) = (Some(SpanKind::Tool), None);
    assert_eq!(book.price(&tool), Cost::UNKNOWN);
}

#[test]
fn a_tier_begins_strictly_above_its_threshold_and_takes_the_whole_call() {
    let book = book(
        "models:\n  m:\n    input: 1\n    output: 2\n    tiers:\n      - {above_input_tokens: 1000, input: 10}\n",
    );
    assert_eq!(nano(&book.price(&call("m", tokens(1_000, 1)))), 1_000 * 1_000 + 2_000);
    assert_eq!(nano(&book.price(&call("m", tokens(1_001, 1)))), 1_001 * 10_000 + 2_000);
    let cached = Usage { cache_read: 1, ..tokens(1_000, 0) };
    assert_eq!(nano(&book.price(&call("m", cached))), 1_001 * 10_000, "caches count as input");
}

#[test]
fn dated_prices_hold_from_their_first_to_their_last_day() {
    let book = book(
        "models:\n  m:\n    - {input: 1, output: 1, until: 2026-11-19}\n    - {input: 5, output: 5, from: 2026-11-20}\n",
    );
    let priced = |at: i64| {
        let mut span = call("m", tokens(1, 0));
        span.start = Some(Nanos(at));
        nano(&book.price(&span))
    };
    // 2026-11-20 is day 20 777.
    assert_eq!((priced(20_777 * DAY - 1), priced(20_777 * DAY)), (1_000, 5_000));
}

#[test]
fn the_tables_off_peak_hours_and_dates_are_kept() {
    let priced = |at: i64| {
        let mut span = call("deepseek-chat", tokens(1_000_000, 0));
        (span.provider, span.start) = (Some("deepseek".into()), Some(Nanos(at)));
        nano(&book("").price(&span))
    };
    let noon_and_night = |day: i64| (priced(day * DAY + DAY / 2), priced(day * DAY + 5 * DAY / 6));
    // 1 June 2025: the night was cheaper.
    let (noon, night) = noon_and_night(20_240);
    assert!(night < noon, "{night} {noon}");
}

#[test]
fn service_tiers_requests_and_searches_are_charged() {
    let book = book(
        "models:\n  m: {input: 2, output: 4, requests: 5, web_searches: 10, service_tiers: {batch: {input: 1, output: 2}}}\n",
    );
    let mut span = call("m", Usage { web_searches: 2, requests: 1, ..tokens(10, 10) });
    // 60 000 tokens' nano-dollars, two requests of 0.005, two searches of 0.01.
    assert_eq!(nano(&book.price(&span)), 60_000 + 10_000_000 + 20_000_000);
    span.service_tier = Some("Batch".into());
    assert_eq!(nano(&book.price(&span)), 30_000 + 10_000_000 + 20_000_000);
}

#[test]
fn exact_names_stand_before_patterns_and_a_provider_before_none() {
    let book = book(
        "models:\n  \"*\": {input: 1, output: 1}\n  \"gpt-*\": {input: 2, output: 2}\n  gpt-x: {input: 3, output: 3}\n  \"azure/gpt-x\": {input: 4, output: 4}\n",
    );
    let priced = |provider: Option<&str>, model: &str| {
        let mut span = call(model, tokens(1, 0));
        span.provider = provider.map(str::to_owned);
        nano(&book.price(&span))
    };
    assert_eq!(priced(None, "other"), 1_000);
    assert_eq!(priced(None, "gpt-y"), 2_000);
    assert_eq!(priced(Some("openai"), "gpt-x"), 3_000);
    assert_eq!(priced(Some("azure"), "gpt-x"), 4_000);
}

#[test]
fn absurd_numbers_are_unknown_and_never_panic() {
    let book = book("models: {m: {input: 1000000, output: 1000000}}");
    let all = Usage::from_buckets([u64::MAX; 12]);
    assert_eq!(book.price(&call("m", all)), Cost::UNKNOWN);
    let mut span = call(&"x".repeat(1 << 20), tokens(1, 1));
    assert_eq!(book.price(&span), Cost::UNKNOWN);
    for at in [i64::MIN, i64::MAX, -1, 0] {
        span.model = Some("gpt-4o".into());
        span.start = Some(Nanos(at));
        assert!(book.price(&span).amount.is_some());
    }
}

#[test]
fn a_bad_file_is_refused_with_place_and_reason() {
    for (text, wanted) in [
        ("models:\n  m: {input: -1, output: 1}", "negative"),
        ("models:\n  m: {input: .nan, output: 1}", "finite"),
        ("models:\n  m: {input: 1, outptu: 1}", "outptu"),
        ("models:\n  m: {input: 1, output: 1}\n  m: {input: 2, output: 2}", "twice"),
        ("models:\n  m: {aliases: [x]}", "states no price"),
        ("models:\n  m: {input: 1, output: 1, from: 2026-13-01}", "not a day"),
        ("models:\n  m: {input: 1, output: 1, from: 2026-02-01, until: 2026-01-01}", "after"),
        ("model: {}", "unknown field"),
        ("[", "rules/pricing.yaml"),
    ] {
        let error = PriceBook::from_yaml(text, "rules/pricing.yaml").unwrap_err().to_string();
        assert!(error.contains(wanted), "{text}: {error}");
        assert!(error.starts_with("rules/pricing.yaml: "), "{error}");
    }
    let error =
        PriceBook::from_yaml("models:\n  m:\n    input: 1\n    output: x\n", "p").unwrap_err();
    assert!(error.to_string().contains("line 4"), "{error}");
}

#[test]
fn the_listing_shows_rates_as_written() {
    let listing = book(
        "default: {input: 0.10, output: 3}\nmodels: {m: {input: 1.5, output: 2, requests: 5}}",
    )
    .listing();
    let shown = serde_json::to_value(&listing).unwrap();
    assert_eq!(shown["default"], serde_json::json!({"input": "0.1", "output": "3"}));
    assert_eq!(shown["models"][0]["rates"]["requests"], "5");
    assert!(listing.table.models > 500 && listing.table.providers.len() > 20);
    assert_eq!(listing.hash.len(), 64);
}

#[test]
fn the_shipped_file_is_readable_and_prices_self_hosted_models_at_nothing() {
    let mut span = call("llama3.2", tokens(10, 10));
    span.provider = Some("ollama".into());
    let cost = book(SHIPPED).price(&span);
    assert_eq!((nano(&cost), cost.source), (0, CostSource::Table));
}

#[test]
fn two_books_of_one_text_have_one_hash() {
    assert_eq!(book("models: {}").hash(), book("models: {}").hash());
    assert_ne!(book("models: {}").hash(), book("").hash());
}

proptest! {
    #[test]
    fn more_usage_never_costs_less(
        model in prop::sample::select(vec!["gpt-4o", "gpt-4o-mini", "gemini-2.5-pro", "claude-sonnet-4-5", "o3", "own"]),
        buckets in prop::array::uniform12(0_u64..400_000),
        bucket in 0_usize..12,
        more in 0_u64..400_000,
    ) {
        let book = book("models:\n  own: {input: 0.1, output: 0.7, tiers: [{above_input_tokens: 9000, input: 0.2}]}\n");
        let less = book.price(&call(model, Usage::from_buckets(buckets)));
        let mut grown = buckets;
        grown[bucket] += more;
        let grown = book.price(&call(model, Usage::from_buckets(grown)));
        prop_assert!(nano(&less) >= 0);
        prop_assert!(nano(&less) <= nano(&grown), "{:?} {:?}", less, grown);
    }

    #[test]
    fn any_numbers_and_names_are_survived(
        model in ".{0,40}", provider in prop::option::of(".{0,20}"), tier in prop::option::of(".{0,10}"),
        buckets in prop::array::uniform12(any::<u64>()), start in any::<i64>(),
    ) {
        let mut span = call(&model, Usage::from_buckets(buckets));
        (span.provider, span.service_tier, span.start) = (provider, tier, Some(Nanos(start)));
        let cost = book("default: {input: 1, output: 1}").price(&span);
        prop_assert!(cost.amount.is_none_or(|amount| amount.0 >= 0));
    }
}
