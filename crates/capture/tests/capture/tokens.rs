//! Token totals of each source, split into disjoint buckets (the table of token semantics).

use exhibit_model::{Flag, Span};
use serde_json::{Value, json};

use crate::support::{mapped, otlp_span, request, traces};

/// Uncached input, cache reads, cache writes, plain output, reasoning.
fn buckets(span: &Span) -> (u64, u64, u64, u64, u64) {
    let usage = span.usage.expect("usage was reported");
    let writes = usage.cache_write_5m + usage.cache_write_1h;
    (usage.input_uncached, usage.cache_read, writes, usage.output_text, usage.output_reasoning)
}

fn semantics(span: &Span) -> (bool, bool) {
    let semantics = span.usage_semantics.expect("usage was reported");
    (semantics.input_includes_cache, semantics.output_includes_reasoning)
}

fn check(name: &str, scope: &str, attributes: Value, expected: (u64, u64, u64, u64, u64)) {
    let span = mapped(scope, "call", attributes);
    assert_eq!(buckets(&span), expected, "{name}: {:?}", span.usage_semantics);
}

#[test]
fn every_source_is_split_by_its_own_habit() {
    check(
        "GenAI",
        "x",
        json!({
            "gen_ai.provider.name": "anthropic", "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.cache_read.input_tokens": 60, "gen_ai.usage.cache_write.input_tokens": 10,
            "gen_ai.usage.output_tokens": 50, "gen_ai.usage.reasoning.output_tokens": 20,
        }),
        (30, 60, 10, 30, 20),
    );
    check(
        "OpenInference",
        "openinference.instrumentation.anthropic",
        json!({
            "llm.token_count.prompt": 100, "llm.token_count.prompt_details.cache_read": 60,
            "llm.token_count.prompt_details.cache_write": 10, "llm.token_count.completion": 50,
            "llm.token_count.completion_details.reasoning": 20,
        }),
        (30, 60, 10, 30, 20),
    );
    check(
        "OpenLLMetry",
        "opentelemetry.instrumentation.anthropic",
        json!({
            "gen_ai.usage.prompt_tokens": 100, "gen_ai.usage.cache_read_input_tokens": 60,
            "gen_ai.usage.cache_creation_input_tokens": 10, "gen_ai.usage.completion_tokens": 50,
            "gen_ai.usage.reasoning_tokens": 20,
        }),
        (30, 60, 10, 30, 20),
    );
    check(
        "OpenLIT with Anthropic",
        "openlit.instrumentation.anthropic",
        json!({
            "gen_ai.system": "anthropic", "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.cache_read.input_tokens": 60, "gen_ai.usage.output_tokens": 50,
        }),
        (100, 60, 0, 50, 0),
    );
    check(
        "OpenLIT with another provider",
        "openlit.instrumentation.openai",
        json!({
            "gen_ai.system": "openai", "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.cache_read.input_tokens": 60, "gen_ai.usage.output_tokens": 50,
        }),
        (40, 60, 0, 50, 0),
    );
    check(
        "Claude Code",
        "com.anthropic.claude_code.tracing",
        json!({
            "span.type": "llm_request", "input_tokens": 100, "cache_read_tokens": 60,
            "cache_creation_tokens": 10, "output_tokens": 50,
        }),
        (100, 60, 10, 50, 0),
    );
    check(
        "Vercel, new",
        "ai",
        json!({
            "ai.operationId": "ai.generateText.doGenerate", "ai.usage.inputTokens": 100,
            "ai.usage.inputTokenDetails.cacheReadTokens": 60,
            "ai.usage.inputTokenDetails.noCacheTokens": 40, "ai.usage.outputTokens": 50,
            "ai.usage.outputTokenDetails.reasoningTokens": 20,
        }),
        (40, 60, 0, 30, 20),
    );
    check(
        "Vercel, old, Anthropic: the uncached count is the input",
        "ai",
        json!({
            "ai.operationId": "ai.generateText.doGenerate", "ai.usage.inputTokens": 100,
            "ai.usage.inputTokenDetails.noCacheTokens": 100,
            "ai.usage.cachedInputTokens": 60, "ai.usage.outputTokens": 50,
        }),
        (100, 60, 0, 50, 0),
    );
    check(
        "LangSmith",
        "langsmith",
        json!({
            "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 50,
            "gen_ai.usage.input_token_details": "{\"cache_read\":60,\"cache_creation\":10}",
            "gen_ai.usage.output_token_details": "{\"reasoning\":20}",
        }),
        (30, 60, 10, 30, 20),
    );
    check(
        "Langfuse",
        "langfuse-sdk",
        json!({
            "langfuse.observation.usage_details":
                "{\"input\":100,\"input_cached_tokens\":60,\"input_cache_creation\":10,\"output\":50,\"output_reasoning_tokens\":20}",
        }),
        (100, 60, 10, 50, 20),
    );
    check(
        "Langfuse with OpenAI's own names",
        "langfuse-sdk",
        json!({
            "langfuse.observation.usage_details":
                "{\"prompt_tokens\":100,\"prompt_tokens_details\":{\"cached_tokens\":60},\"completion_tokens\":50,\"completion_tokens_details\":{\"reasoning_tokens\":20}}",
        }),
        (40, 60, 0, 30, 20),
    );
    check(
        "MLflow",
        "mlflow",
        json!({
            "mlflow.chat.tokenUsage":
                "{\"input_tokens\":100,\"output_tokens\":50,\"cache_read_input_tokens\":60,\"cache_creation_input_tokens\":10}",
        }),
        (30, 60, 10, 50, 0),
    );
    check(
        "Gemini CLI",
        "gemini-cli",
        json!({
            "event.name": "gemini_cli.api_response", "input_token_count": 100,
            "cached_content_token_count": 60, "output_token_count": 50, "thoughts_token_count": 20,
        }),
        (40, 60, 0, 50, 20),
    );
    check(
        "Codex",
        "codex",
        json!({
            "event.name": "codex.sse_event", "input_token_count": 100, "cached_token_count": 60,
            "output_token_count": 50, "reasoning_token_count": 20,
        }),
        (40, 60, 0, 30, 20),
    );
}

#[test]
fn numbers_that_contradict_the_habit_are_read_as_exclusive_and_flagged() {
    let span = mapped(
        "x",
        "call",
        json!({
            "gen_ai.usage.input_tokens": 10, "gen_ai.usage.cache_read.input_tokens": 1000,
            "gen_ai.usage.output_tokens": 5, "gen_ai.usage.reasoning.output_tokens": 80,
        }),
    );
    assert_eq!(buckets(&span), (10, 1000, 0, 5, 80));
    assert_eq!(semantics(&span), (false, false));
    assert!(span.flags.contains(&Flag::UsageExclusive));
}

#[test]
fn numbers_may_come_as_doubles_or_text_and_unreadable_ones_are_left_out() {
    let span = mapped(
        "x",
        "call",
        json!({
            "gen_ai.usage.input_tokens": "12", "gen_ai.usage.output_tokens": 3.0,
            "gen_ai.usage.total_tokens": -15, "gen_ai.usage.reasoning.output_tokens": "NaN",
        }),
    );
    assert_eq!(buckets(&span), (12, 0, 0, 3, 0));
    assert!(span.flags.contains(&Flag::NumberAsText));
    assert!(span.flags.contains(&Flag::UsageUnreadable));
    assert_eq!(span.usage_reported.total, None);
}

#[test]
fn an_unreadable_number_gives_way_to_the_next_key() {
    let span = mapped(
        "x",
        "call",
        json!({
            "gen_ai.usage.input_tokens": "many", "gen_ai.usage.prompt_tokens": 7,
        }),
    );
    assert_eq!(span.usage_reported.input, Some(7));
}

#[test]
fn a_total_alone_gives_the_missing_half() {
    let span = mapped(
        "x",
        "call",
        json!({
            "gen_ai.usage.input_tokens": 7, "gen_ai.usage.total_tokens": 10,
        }),
    );
    assert_eq!(buckets(&span), (7, 0, 0, 3, 0));
}

#[test]
fn cache_writes_are_told_apart_by_lifetime() {
    let span = mapped(
        "x",
        "call",
        json!({
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.cache_creation.input_tokens": 30,
            "gen_ai.usage.cache_creation.input_tokens.ephemeral_5m": 10,
            "gen_ai.usage.cache_creation.input_tokens.ephemeral_1h": 20,
        }),
    );
    let usage = span.usage.unwrap();
    assert_eq!((usage.cache_write_5m, usage.cache_write_1h, usage.input_uncached), (10, 20, 70));
}

#[test]
fn a_cost_is_kept_as_reported_and_its_parts_are_added_where_there_is_no_total() {
    let total = mapped("x", "call", json!({"gen_ai.usage.cost": 0.25, "llm.cost.total": 9}));
    assert_eq!(total.cost_reported.unwrap().0, 250_000_000);
    let parts = json!({"gen_ai.usage.input_cost": 0.1, "gen_ai.usage.output_cost": "0.2"});
    assert_eq!(mapped("x", "call", parts).cost_reported.unwrap().0, 300_000_000);
    let hidden = json!({"litellm.call_id": "1", "hidden_params": "{\"response_cost\": 0.5}"});
    assert_eq!(mapped("x", "call", hidden).cost_reported.unwrap().0, 500_000_000);
    assert_eq!(mapped("x", "call", json!({"gen_ai.usage.cost": -1})).cost_reported, None);
}

#[test]
fn a_span_without_usage_has_none() {
    let span = &mut traces(&request("x", json!({}), otlp_span("n", json!({"a": 1})))).spans[0];
    exhibit_capture::map(span);
    assert_eq!(span.usage, None);
    assert_eq!(span.kind, None);
}
