//! The merged table of the conventions: tokens and costs, key by key.

use exhibit_model::ReportedUsage;
use serde_json::json;

use crate::{
    merged_table::{Key, beside, claude, every, key, span, within},
    support::mapped,
};

fn tokens(field: &str, keys: &[Key], read: impl Fn(&ReportedUsage) -> Option<u64>) {
    for value in [json!(7), json!("7"), json!(7.0)] {
        every(field, keys, &value, |span| read(&span.usage_reported), &Some(7));
    }
}

#[test]
fn tokens_in_and_out() {
    tokens(
        "tokens in",
        &[
            key("gen_ai.usage.input_tokens"),
            key("gen_ai.usage.prompt_tokens"),
            key("llm.token_count.prompt"),
            key("ai.usage.inputTokens"),
            key("ai.usage.promptTokens"),
            key("ai.usage.tokens"),
            key("usage.prompt_tokens"),
            key("llm.usage.prompt_tokens"),
            beside("input_tokens", claude()),
        ],
        |usage| usage.input,
    );
    tokens(
        "tokens out",
        &[
            key("gen_ai.usage.output_tokens"),
            key("gen_ai.usage.completion_tokens"),
            key("llm.token_count.completion"),
            key("ai.usage.outputTokens"),
            key("ai.usage.completionTokens"),
            key("usage.completion_tokens"),
            beside("output_tokens", claude()),
        ],
        |usage| usage.output,
    );
    tokens(
        "tokens total",
        &[
            key("gen_ai.usage.total_tokens"),
            key("llm.usage.total_tokens"),
            key("llm.token_count.total"),
            key("ai.usage.totalTokens"),
            key("codex.usage.total_tokens"),
        ],
        |usage| usage.total,
    );
}

#[test]
fn caches_and_reasoning() {
    tokens(
        "cache read",
        &[
            key("gen_ai.usage.cache_read.input_tokens"),
            key("gen_ai.usage.cache_read_input_tokens"),
            key("gen_ai.usage.cache_read_tokens"),
            key("gen_ai.usage.details.cache_read_tokens"),
            key("gen_ai.usage.details.cache_read_input_tokens"),
            key("gen_ai.usage.input_tokens.cached"),
            key("gen_ai.usage.prompt_tokens_details.cached_tokens"),
            key("llm.token_count.prompt_details.cache_read"),
            key("llm.token_count.prompt_details.cache_input"),
            key("ai.usage.inputTokenDetails.cacheReadTokens"),
            key("ai.usage.cachedInputTokens"),
            beside("cache_read_tokens", claude()),
        ],
        |usage| usage.cache_read,
    );
    tokens(
        "cache write",
        &[
            key("gen_ai.usage.cache_write.input_tokens"),
            key("gen_ai.usage.cache_creation.input_tokens"),
            key("gen_ai.usage.cache_creation_input_tokens"),
            key("gen_ai.usage.cache_write_tokens"),
            key("gen_ai.usage.details.cache_write_tokens"),
            key("gen_ai.usage.details.cache_creation_input_tokens"),
            key("gen_ai.usage.input_tokens.cache_write"),
            key("gen_ai.usage.prompt_tokens_details.cache_creation_tokens"),
            key("llm.token_count.prompt_details.cache_write"),
            key("ai.usage.inputTokenDetails.cacheWriteTokens"),
            beside("cache_creation_tokens", claude()),
        ],
        |usage| usage.cache_write,
    );
    tokens(
        "reasoning",
        &[
            key("gen_ai.usage.reasoning.output_tokens"),
            key("gen_ai.usage.reasoning_tokens"),
            key("gen_ai.usage.details.reasoning_tokens"),
            key("gen_ai.usage.output_tokens.reasoning"),
            key("gen_ai.usage.completion_tokens_details.reasoning_tokens"),
            key("llm.usage.reasoning_tokens"),
            key("llm.token_count.completion_details.reasoning"),
            key("ai.usage.outputTokenDetails.reasoningTokens"),
            key("ai.usage.reasoningTokens"),
            key("codex.usage.reasoning_output_tokens"),
        ],
        |usage| usage.reasoning,
    );
    tokens(
        "audio in",
        &[
            key("gen_ai.usage.audio.input_tokens"),
            key("gen_ai.usage.audio_input_tokens"),
            key("llm.token_count.prompt_details.audio"),
        ],
        |usage| usage.input_audio,
    );
    tokens(
        "audio out",
        &[
            key("gen_ai.usage.audio.output_tokens"),
            key("gen_ai.usage.audio_output_tokens"),
            key("gen_ai.usage.completion_tokens_details.audio_tokens"),
            key("llm.token_count.completion_details.audio"),
        ],
        |usage| usage.output_audio,
    );
}

#[test]
fn costs_that_clients_report() {
    every(
        "cost",
        &[
            key("gen_ai.usage.cost"),
            key("llm.cost.total"),
            key("gen_ai.usage.total_cost"),
            key("gen_ai.cost.total_cost"),
            key("litellm.cost.total"),
            within("operation.cost", "pydantic-ai", json!({"gen_ai.operation.name": "chat"})),
        ],
        &json!(0.5),
        |span| span.cost_reported.map(|cost| cost.0),
        &Some(500_000_000),
    );
    let object = span(&key("langfuse.observation.cost_details"), &json!("{\"total\": 0.5}"));
    assert_eq!(object.cost_reported.map(|cost| cost.0), Some(500_000_000));
    let halves = mapped(
        "x",
        "call",
        json!({"gen_ai.usage.input_cost": 0.2, "gen_ai.usage.output_cost": 0.3}),
    );
    assert_eq!(halves.cost_reported.map(|cost| cost.0), Some(500_000_000));
}

#[test]
fn objects_of_usage_under_one_key() {
    let mlflow = json!({
        "input_tokens": 9, "output_tokens": 5, "total_tokens": 14, "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 2,
    });
    let langsmith = json!({
        "input_tokens": 9, "output_tokens": 5, "total_tokens": 14,
        "input_token_details": {"cache_read": 3, "cache_creation": 2},
        "output_token_details": {"reasoning": 1},
    });
    for (name, object) in [("mlflow.chat.tokenUsage", mlflow), ("usage_metadata", langsmith)] {
        // As JSON text, which is what attributes hold, and as a map.
        for value in [json!(object.to_string()), object] {
            let usage = mapped("x", "call", json!({ name: value })).usage_reported;
            assert_eq!(
                (usage.input, usage.output, usage.total),
                (Some(9), Some(5), Some(14)),
                "{name}"
            );
            assert_eq!((usage.cache_read, usage.cache_write), (Some(3), Some(2)), "{name}");
        }
    }
    for (name, object) in [
        ("hidden_params", json!({"response_cost": 0.5})),
        ("mlflow.llm.cost", json!({"total_cost": 0.5})),
        ("usage_metadata", json!({"total_cost": 0.5})),
    ] {
        let span = mapped("x", "call", json!({ name: object.to_string() }));
        assert_eq!(span.cost_reported.map(|cost| cost.0), Some(500_000_000), "{name}");
    }
}
