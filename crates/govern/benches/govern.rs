//! What governing costs on one core: `cargo bench -p exhibit-govern [-- WORD]`.
//!
//! Prints medians and 99th percentiles of many rounds, only of what has WORD in its name; judges nothing.
//! Texts differ in every round, as one that comes again is known by its hash. `INSTRUCTIONS=1` runs every
//! case once, for a profiler that counts.

#![allow(clippy::unwrap_used, reason = "a tool for the desk")]

use std::{fmt::Write as _, hint::black_box, time::Instant};

use exhibit_govern::{FingerprintKey, RuleSet, overlay};
use exhibit_model::{Attribute, Door, NanoUsd, Part, Span};

const PROSE: &str = "The transformer reads the whole sentence at once and weighs each word against all the \
    others, so that a pronoun can look back to its noun. Training shows it many examples, and the \
    weights move a little after each of them. What comes out is a distribution over the next token. ";
const LOG: &str = "2026-11-21T10:00:00.123Z INFO worker-3 id=0af7651916cd43dd8448eb211c80319c took 1234567890 ns \
    path=/api/v1/items/4711 status=200\n";
const LOG_WITH_ADDRESS: &str = "2026-11-21T10:00:00.123Z id=0af7651916cd43dd8448eb211c80319c took 1234567890 ns from 10.0.0.7; ";
const HOSTILE: [&str; 12] =
    ["a", "1", "@", "key=", "password: ", "\\", "://a:", "1.", "aa:", "secret=\"", "GB82 ", "ａ"];

struct Bench {
    only: Option<String>,
    once: bool,
}

impl Bench {
    /// Runs one case; `run` gets the round's number and says how many bytes it looked at.
    fn case(&self, name: &str, rounds: usize, mut run: impl FnMut(usize) -> usize) {
        if self.only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            return;
        }
        let rounds = if self.once { 1 } else { rounds };
        let mut bytes = 0;
        let mut times: Vec<f64> = (0..rounds)
            .map(|round| {
                let begin = Instant::now();
                bytes = black_box(run(round));
                begin.elapsed().as_secs_f64() * 1e6
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let (median, late) = (times[rounds / 2], times[rounds * 99 / 100]);
        let per_kb = if bytes == 0 { 0.0 } else { median * 1024.0 / bytes as f64 };
        let rate = if bytes == 0 { 0.0 } else { bytes as f64 / median };
        println!("{name:<40} {median:>10.2} {late:>10.2} {per_kb:>10.2} {rate:>8.0}");
    }
}

fn main() {
    let bench = Bench {
        only: std::env::args().skip(1).find(|word| !word.starts_with('-')),
        once: std::env::var_os("INSTRUCTIONS").is_some(),
    };
    println!("{:<40} {:>10} {:>10} {:>10} {:>8}", "case", "median µs", "p99 µs", "µs/KB", "MB/s");
    policies(&bench);
    texts(&bench, &load(&[]));
}

fn load(own: &[(String, String)]) -> RuleSet {
    RuleSet::load(&overlay(own.to_vec()), FingerprintKey::new([7; 32])).unwrap()
}

/// A hundred rules of the kinds that people write.
fn hundred_rules() -> String {
    let mut text = "version: 1\npolicy: hundred\nrules:\n".to_owned();
    for n in 0..100 {
        let when = match n % 5 {
            0 => format!("{{model: {{in: [gpt-{n}, claude-{n}]}}}}"),
            1 => format!("{{cost_usd: {{gt: {n}.5}}}}"),
            2 => format!("{{all: [{{kind: llm}}, {{tokens_in: {{gt: {n}00000}}}}]}}"),
            3 => format!("{{expr: \"span.provider == 'acme-{n}' && span.cost_usd > 0.5\"}}"),
            _ => "{finding: {category: secret, count: \">=2\"}}".to_owned(),
        };
        writeln!(
            text,
            "  - {{id: rule-{n}, title: Rule {n}, severity: low, when: {when}, then: [flag]}}"
        )
        .unwrap();
    }
    text
}

fn policies(bench: &Bench) {
    let own = vec![("policies/default.yaml".to_owned(), hundred_rules())];
    let rules = load(&own);
    let mut span = span(Vec::new());
    span.model = Some("gpt-4o-mini".into());
    span.provider = Some("openai".into());
    span.cost.amount = Some(NanoUsd(1_000_000));
    bench.case("100 rules on one span", 20_000, |_| {
        rules.evaluate(black_box(&mut span));
        0
    });
    bench.case("load of 100 rules and all detectors", 20, |_| {
        black_box(load(&own));
        0
    });
    bench.case("reload of 100 rules", 200, |_| {
        let files = overlay(own.clone());
        black_box(rules.load_next(&files, FingerprintKey::new([7; 32])).unwrap());
        0
    });
}

fn span(attributes: Vec<Attribute>) -> Span {
    let mut span = Span::new("t".parse().unwrap(), "s".parse().unwrap(), Door::Otlp);
    span.attributes = attributes;
    span
}

/// Evaluates texts as inputs and as other attributes; each round says something new.
fn texts(bench: &Bench, rules: &RuleSet) {
    let chat = serde_json::json!([
        {"role": "system", "content": "You are a helpful assistant.\nAnswer briefly."},
        {"role": "user", "content": PROSE},
        {"role": "assistant", "content": PROSE, "tool_calls": [{"id": "call_abc123", "function":
            {"name": "search", "arguments": "{\"query\": \"climate 2026\", \"max_tokens\": 4096}"}}]},
    ]);
    let image = format!("data:image/png;base64,iVBORw0KGgo{}", "AbCd0123456789+/".repeat(16_000));
    let texts = [
        ("2 KB of prose", PROSE.repeat(12)[..2048].to_owned(), 4_000),
        ("100 KB of prose", PROSE.repeat(350), 200),
        ("chat as JSON text", chat.to_string(), 8_000),
        ("source code", include_str!("govern.rs").to_owned(), 1_000),
        ("log lines", LOG.repeat(20), 2_000),
        ("log lines with an address", LOG_WITH_ADDRESS.repeat(20), 2_000),
        ("an image", image, 200),
    ];
    for (name, text, rounds) in texts {
        for (place, part) in [("input", Part::Input), ("attribute", Part::Attributes)] {
            bench.case(&format!("{name} as {place}"), rounds, |round| {
                evaluate(rules, part, format!("{text}~{round}"))
            });
        }
    }
    let small = |round: usize| {
        let attribute =
            |n| Attribute::new(format!("gen_ai.request.attribute.{n}"), format!("gpt-{round}"));
        span((0..30).map(attribute).collect())
    };
    bench.case("30 small attributes", 4_000, |round| {
        rules.evaluate(&mut small(round));
        0
    });
    bench.case("30 small attributes again", 4_000, |_| {
        rules.evaluate(&mut small(0));
        0
    });
    for piece in HOSTILE {
        bench.case(&format!("hostile: 1 MB of {piece:?}"), 3, |round| {
            evaluate(
                rules,
                Part::Input,
                format!("{}{round}", piece.repeat((1 << 20) / piece.len())),
            )
        });
    }
}

fn evaluate(rules: &RuleSet, part: Part, text: String) -> usize {
    let bytes = text.len();
    let mut attribute = Attribute::new("text", text);
    attribute.part = part;
    rules.evaluate(black_box(&mut span(vec![attribute])));
    bytes
}
