//! Langfuse's OpenTelemetry attributes: types, content, usage and cost as JSON, trace-wide fields.

pub mod ingestion;

use exhibit_model::{Json, Span, SpanKind};

use super::rule::{DISJOINT, Dialect, Draft, Field, INCLUSIVE, Read, Rule, kind, on};

pub(super) static DIALECT: Dialect = Dialect {
    scopes: &["langfuse-sdk"],
    semantics: DISJOINT,
    refine: Some(refine),
    ..Dialect::new("langfuse", RULES)
};

fn kind_of(word: &str) -> Option<SpanKind> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "generation" => SpanKind::Llm,
        "embedding" => SpanKind::Embedding,
        "agent" => SpanKind::Agent,
        "tool" => SpanKind::Tool,
        "chain" => SpanKind::Chain,
        "retriever" => SpanKind::Retriever,
        "guardrail" => SpanKind::Guardrail,
        "evaluator" => SpanKind::Evaluator,
        "event" => SpanKind::Event,
        "span" => SpanKind::Span,
        _ => return None,
    })
}

/// Early versions of the Python client wrote `span` where a generation was meant.
fn refine(span: &Span, draft: &mut Draft) {
    let has = |key: &str| span.attribute(key).is_some();
    if draft.kind == Some(SpanKind::Span)
        && (has("langfuse.observation.model.name")
            || has(USAGE)
            || has(COST)
            || has("langfuse.observation.prompt.name"))
    {
        draft.kind = Some(SpanKind::Llm);
    }
    if draft.kind == Some(SpanKind::Agent) && draft.agent.is_none() {
        draft.agent.clone_from(&span.name);
    }
}

fn is_error(value: &Json) -> bool {
    value.as_str().is_some_and(|s| s.trim_matches('"').eq_ignore_ascii_case("error"))
}

const USAGE: &str = "langfuse.observation.usage_details";
const COST: &str = "langfuse.observation.cost_details";

const RULES: &[Rule] = &[
    kind(10, "langfuse.observation.type", kind_of),
    on(Field::Model, 40, "langfuse.observation.model.name"),
    on(Field::Session, 10, "langfuse.session.id"),
    on(Field::Session, 190, "langfuse.observation.metadata.langfuse_session_id"),
    on(Field::Session, 191, "langfuse.trace.metadata.langfuse_session_id"),
    on(Field::User, 10, "langfuse.user.id"),
    on(Field::User, 190, "langfuse.observation.metadata.langfuse_user_id"),
    on(Field::User, 191, "langfuse.trace.metadata.langfuse_user_id"),
    on(Field::TraceName, 10, "langfuse.trace.name"),
    on(Field::Environment, 10, "langfuse.environment"),
    on(Field::Version, 10, "langfuse.release"),
    on(Field::Version, 30, "langfuse.version"),
    on(Field::Tags, 10, "langfuse.trace.tags"),
    on(Field::Tags, 20, "langfuse.tags"),
    on(Field::Metadata, 10, "langfuse.trace.metadata"),
    on(Field::Metadata, 10, "langfuse.trace.metadata.").below(),
    on(Field::Metadata, 11, "langfuse.observation.metadata"),
    on(Field::Metadata, 11, "langfuse.observation.metadata.").below(),
    on(Field::Metadata, 12, "langfuse.metadata"),
    on(Field::Metadata, 12, "langfuse.metadata.").below(),
    on(Field::PromptName, 20, "langfuse.observation.prompt.name"),
    on(Field::PromptVersion, 20, "langfuse.observation.prompt.version"),
    on(Field::PromptName, 21, "langfuse.prompt.name"),
    on(Field::PromptVersion, 21, "langfuse.prompt.version"),
    on(Field::Param, 30, "langfuse.observation.model.parameters"),
    on(Field::Failure, 10, "langfuse.observation.level").as_(Read::When(is_error)),
    on(Field::ErrorMessage, 10, "langfuse.observation.status_message"),
    on(Field::Ttft, 40, "langfuse.observation.completion_start_time").as_(Read::Since),
    on(Field::TokensIn, 90, USAGE).at(&["input"]),
    on(Field::TokensIn, 91, USAGE).at(&["prompt_tokens"]).holds(INCLUSIVE),
    on(Field::TokensIn, 92, USAGE).at(&["input_tokens"]).holds(INCLUSIVE),
    on(Field::TokensOut, 90, USAGE).at(&["output"]),
    on(Field::TokensOut, 91, USAGE).at(&["completion_tokens"]).holds(INCLUSIVE),
    on(Field::TokensOut, 92, USAGE).at(&["output_tokens"]).holds(INCLUSIVE),
    on(Field::TokensTotal, 50, USAGE).at(&["total"]),
    on(Field::TokensTotal, 51, USAGE).at(&["total_tokens"]),
    on(Field::CacheRead, 140, USAGE).at(&["input_cached_tokens"]),
    on(Field::CacheRead, 141, USAGE).at(&["cache_read_input_tokens"]),
    on(Field::CacheRead, 142, USAGE).at(&["input_cache_read"]),
    on(Field::CacheRead, 143, USAGE).at(&["prompt_tokens_details", "cached_tokens"]),
    on(Field::CacheRead, 144, USAGE).at(&["input_tokens_details", "cached_tokens"]),
    on(Field::CacheWrite, 140, USAGE).at(&["input_cache_creation"]),
    on(Field::CacheWrite, 141, USAGE).at(&["cache_creation_input_tokens"]),
    on(Field::CacheWrite, 142, USAGE).at(&["input_cache_write"]),
    on(Field::CacheWrite5m, 50, USAGE).at(&["input_cache_creation_5m"]),
    on(Field::CacheWrite1h, 50, USAGE).at(&["input_cache_creation_1h"]),
    on(Field::Reasoning, 110, USAGE).at(&["output_reasoning_tokens"]),
    on(Field::Reasoning, 111, USAGE).at(&["output_reasoning"]),
    on(Field::Reasoning, 112, USAGE).at(&["completion_tokens_details", "reasoning_tokens"]),
    on(Field::AudioIn, 60, USAGE).at(&["input_audio"]),
    on(Field::AudioIn, 61, USAGE).at(&["input_audio_tokens"]),
    on(Field::AudioOut, 60, USAGE).at(&["output_audio"]),
    on(Field::AudioOut, 61, USAGE).at(&["output_audio_tokens"]),
    on(Field::Cost, 10, COST).at(&["total"]),
    on(Field::CostIn, 5, COST).at(&["input"]),
    on(Field::CostOut, 5, COST).at(&["output"]),
    on(Field::Input, 10, "langfuse.observation.input"),
    on(Field::Output, 10, "langfuse.observation.output"),
    on(Field::InputAside, 5, "langfuse.trace.input"),
    on(Field::OutputAside, 5, "langfuse.trace.output"),
    on(Field::Marker, 1, "langfuse.trace.public"),
    on(Field::Marker, 1, "langfuse.experiment.").below(),
];
