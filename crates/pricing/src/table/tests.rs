use super::*;
use exhibit_model::Usage as Buckets;

/// What the crate itself says, given totals that include their parts as it wants them.
fn asked_directly(model: &TableModel, usage: &Buckets, at: i64) -> Option<f64> {
    let mut inclusive = Usage::from([
        (UsageKey::INPUT_TOKENS, usage.input_tokens() as f64),
        (UsageKey::OUTPUT_TOKENS, usage.output_tokens() as f64),
    ]);
    for (keys, count) in KEYS.iter().zip(usage.buckets()) {
        for key in *keys {
            let so_far = inclusive.get(key).unwrap_or(0.0);
            inclusive.insert(key.clone(), so_far + count as f64);
        }
    }
    // Buckets do not overlap: nothing is both cached and audio.
    for key in [
        UsageKey::CACHE_AUDIO_READ_TOKENS,
        UsageKey::CACHE_IMAGE_READ_TOKENS,
        UsageKey::CACHE_AUDIO_WRITE_TOKENS,
        UsageKey::CACHE_IMAGE_WRITE_TOKENS,
        UsageKey::OUTPUT_AUDIO_REASONING_TOKENS,
        UsageKey::OUTPUT_IMAGE_REASONING_TOKENS,
    ] {
        inclusive.insert(key, 0.0);
    }
    inclusive.insert(UsageKey::WEB_SEARCHES, usage.web_searches as f64);
    model.ask(&inclusive, at)
}

#[test]
fn models_of_the_table_cost_what_the_table_says() {
    const DAY: i64 = 48 * SLOT_NANOS;
    let (mut checked, mut seed) = (0, 7_u64);
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for provider in Calculator::bundled().providers() {
        for info in provider.models() {
            // A fifth of the models is enough to notice a change of the crate, and quick.
            if random(5) != 0 {
                continue;
            }
            let tier = ["default", "batch", "flex", "priority"][random(4) as usize];
            let Some(model) = find(Some(provider.id()), info.id(), Some(tier)) else { continue };
            // Some day of 2026, so that dated prices of different models differ.
            let midnight = (20_454 + random(330) as i64) * DAY;
            let at = midnight + random(48) as i64 * SLOT_NANOS;
            let intraday = model.changes_within_day(at);
            let Some(card) = model.card(if intraday { at } else { midnight }) else {
                panic!("{}/{} has no card", provider.id(), info.id())
            };
            for total in [
                0, 900, 31_999, 32_001, 100_000, 128_001, 199_999, 200_000, 200_001, 272_001,
                600_000,
            ] {
                let parts: [u64; 6] = std::array::from_fn(|_| random(total / 6 + 1));
                let usage = Buckets {
                    input_uncached: total - parts.iter().take(5).sum::<u64>(),
                    cache_read: parts[0],
                    cache_write_5m: parts[1],
                    cache_write_1h: parts[2],
                    input_audio: parts[3],
                    input_image: parts[4],
                    output_text: random(9_000),
                    output_reasoning: random(3_000),
                    output_audio: random(300),
                    output_image: random(300),
                    requests: 0,
                    web_searches: random(4),
                };
                let at = at + random(SLOT_NANOS as u64) as i64;
                let Some(direct) = asked_directly(&model, &usage, at) else { continue };
                let ours = card.price(&usage).unwrap().to_usd();
                // Half a nano-dollar of rounding, and the noise of their floats.
                let close = (ours - direct).abs() <= 1e-9 + direct.abs() * 1e-9;
                assert!(close, "{}/{} {tier} {usage:?}: {ours} {direct}", provider.id(), info.id());
                checked += 1;
            }
        }
    }
    assert!(checked > 1_500, "only {checked} prices compared");
}

#[test]
fn the_stated_version_is_the_one_in_the_lock_file() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock"));
    let wanted = format!("name = \"genai-prices\"\nversion = \"{VERSION}\"");
    assert!(lock.unwrap().contains(&wanted), "Cargo.lock has another version than {VERSION}");
}

#[test]
fn names_of_semantic_conventions_find_their_provider() {
    for (provider, model, expected) in [
        ("openai", "gpt-4o-mini-2024-07-18", "openai"),
        ("azure.ai.openai", "gpt-4o", "azure"),
        ("gcp.vertex_ai", "gemini-2.0-flash", "google"),
        ("aws.bedrock", "us.anthropic.claude-3-5-sonnet-20241022-v2:0", "aws"),
        ("openai", "anthropic/claude-3-5-sonnet-20241022", "anthropic"),
        ("some-gateway", "gpt-4o", "openai"),
    ] {
        let found = find(Some(provider), model, None);
        assert_eq!(found.map(|f| f.provider).as_deref(), Some(expected), "{provider} {model}");
    }
    assert_eq!(find(Some("ollama"), "gpt-4o", None), None);
    assert_eq!(find(None, "no-such-model-anywhere", None), None);
    assert_eq!(
        find(None, "ft:gpt-4o-mini-2024-07-18:acme::x1", None).unwrap().model,
        "ft:gpt-4o-mini"
    );
}
