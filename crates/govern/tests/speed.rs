//! How long an evaluation takes. Not run by default: `cargo test --release -p exhibit-govern -- --ignored`.

#![allow(clippy::unwrap_used, reason = "a test stops where its set-up fails")]

use std::time::Instant;

use exhibit_govern::{FingerprintKey, RuleSet, overlay};
use exhibit_model::{Attribute, Door, Span};

const PROSE: &str = "The transformer reads the whole sentence at once and weighs each word against all the \
    others, so that a pronoun can look back to its noun. Training shows it many examples, and the \
    weights move a little after each of them. What comes out is a distribution over the next token. ";

/// Prints what an evaluation takes; `SPEED=prose` measures only what has that word in its name.
fn measure(name: &str, rules: &RuleSet, attributes: Vec<Attribute>) -> u128 {
    if std::env::var("SPEED").is_ok_and(|only| !name.contains(&only)) {
        return 0;
    }
    let bytes: usize = attributes.iter().map(|a| a.value.to_string().len()).sum();
    let mut span = Span::new("t".parse().unwrap(), "s".parse().unwrap(), Door::Otlp);
    span.name = Some("chat gpt-4o-mini".into());
    span.attributes = attributes;
    let rounds = 20_000_000 / u32::try_from(bytes).unwrap().max(500)
        * std::env::var("TIMES").map_or(1, |n| n.parse().unwrap());
    let begin = Instant::now();
    // A text that comes again is known by its hash: every round says something new, but in `again`.
    for round in 0..rounds {
        if !name.contains("again") {
            renew(&mut span.attributes, round);
        }
        std::hint::black_box(rules.evaluate(std::hint::black_box(&mut span)));
    }
    let each = begin.elapsed() / rounds;
    let rate = bytes as f64 / each.as_secs_f64() / 1e6;
    println!(
        "{name}: {each:?} for {bytes} bytes, {rate:.0} MB/s, {} findings",
        span.findings.len()
    );
    each.as_nanos()
}

/// Appends a word to every text, in place of that of the round before.
fn renew(attributes: &mut [Attribute], round: u32) {
    for attribute in attributes {
        if let serde_json::Value::String(text) = &mut attribute.value {
            text.truncate(text.rfind('~').unwrap_or(text.len()));
            text.push('~');
            text.push_str(&round.to_string());
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn a_clean_span_is_passed_in_microseconds() {
    let begin = Instant::now();
    let rules = RuleSet::load(&overlay(Vec::new()), FingerprintKey::new([7; 32])).unwrap();
    println!("loaded {} rules in {:?}", rules.rules_loaded(), begin.elapsed());
    let attribute = |key: &str, text: &str| Attribute::new(key, text);
    let clean =
        measure("2 KB of prose", &rules, vec![attribute("input", &PROSE.repeat(12)[..2048])]);
    measure("2 KB of prose again", &rules, vec![attribute("input", &PROSE.repeat(12)[..2048])]);
    measure("100 KB of prose", &rules, vec![attribute("input", &PROSE.repeat(350))]);
    let small = (0..30).map(|n| attribute(&format!("gen_ai.request.attribute.{n}"), "gpt-4o-mini"));
    let small = small.collect::<Vec<_>>();
    measure("30 small attributes", &rules, small.clone());
    measure("30 small attributes again", &rules, small);
    measure("nothing", &rules, vec![]);
    let clean_words =
        (0..30).map(|n| attribute(&format!("gen_ai.request.attribute.{n}"), "assistant"));
    measure("30 words", &rules, clean_words.collect());
    let chat = serde_json::json!([
        {"role": "system", "content": "You are a helpful assistant.\nAnswer briefly."},
        {"role": "user", "content": PROSE},
        {"role": "assistant", "content": PROSE, "tool_calls": [{"id": "call_abc123", "function": {"name": "search", "arguments": "{\"query\": \"climate 2026\", \"max_tokens\": 4096}"}}]},
    ]);
    measure("chat as JSON text", &rules, vec![attribute("input.value", &chat.to_string())]);
    let numbers = "2026-11-21T10:00:00.123Z id=0af7651916cd43dd8448eb211c80319c took 1234567890 ns from 10.0.0.7; ";
    measure("log lines", &rules, vec![attribute("log", &numbers.repeat(20))]);
    for piece in [
        "a",
        "1",
        "@",
        "key=",
        "password: ",
        "\\",
        "://a:",
        "1.",
        "aa:",
        "secret=\"",
        "GB82 ",
        "ａ",
    ] {
        let text = piece.repeat((1 << 20) / piece.len());
        measure(&format!("1 MB of {piece:?}"), &rules, vec![attribute("hostile", &text)]);
    }
    assert!(clean < 25_000, "{clean} ns");
}
