//! LangSmith's OpenTelemetry exporter.

use exhibit_model::SpanKind;

use super::{
    genai, openinference,
    rule::{Dialect, Field, Rule, kind, on},
    traceloop,
};

pub(super) static DIALECT: Dialect =
    Dialect { scopes: &["langsmith"], ..Dialect::new("langsmith", RULES) };

fn kind_of(word: &str) -> Option<SpanKind> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "llm" => SpanKind::Llm,
        "chain" => SpanKind::Chain,
        "tool" => SpanKind::Tool,
        "retriever" => SpanKind::Retriever,
        "embedding" => SpanKind::Embedding,
        "prompt" => SpanKind::Prompt,
        "parser" => SpanKind::Task,
        other => return openinference::kind_of(other).or_else(|| genai::operation(other)),
    })
}

const IN: &str = "gen_ai.usage.input_token_details";
const OUT: &str = "gen_ai.usage.output_token_details";
const META: &str = "usage_metadata";

const RULES: &[Rule] = &[
    kind(50, "langsmith.span.kind", kind_of),
    kind(101, "traceloop.llm.request.type", traceloop::request_type).common(),
    on(Field::TraceName, 30, "langsmith.trace.name"),
    // In this dialect a session is a project.
    on(Field::Service, 30, "langsmith.trace.session_name"),
    on(Field::Session, 60, "langsmith.metadata.session_id"),
    on(Field::Session, 61, "langsmith.metadata.thread_id"),
    on(Field::Session, 62, "langsmith.metadata.conversation_id"),
    on(Field::User, 60, "langsmith.metadata.user_id"),
    on(Field::Provider, 40, "ls_provider"),
    on(Field::Provider, 41, "metadata.ls_provider"),
    on(Field::Provider, 42, "langsmith.metadata.ls_provider"),
    on(Field::ModelRequested, 80, "ls_model_name"),
    on(Field::ModelRequested, 81, "langsmith.metadata.ls_model_name"),
    on(Field::Tags, 50, "langsmith.span.tags"),
    on(Field::Metadata, 55, "langsmith.metadata.").below(),
    on(Field::CacheRead, 135, IN).at(&["cache_read"]),
    on(Field::CacheWrite, 130, IN).at(&["cache_creation"]),
    on(Field::CacheWrite5m, 20, IN).at(&["ephemeral_5m_input_tokens"]),
    on(Field::CacheWrite1h, 20, IN).at(&["ephemeral_1h_input_tokens"]),
    on(Field::CacheWrite1h, 21, IN).at(&["ephemeral_1hr_input_tokens"]),
    on(Field::AudioIn, 40, IN).at(&["audio"]),
    on(Field::Reasoning, 100, OUT).at(&["reasoning"]),
    on(Field::AudioOut, 50, OUT).at(&["audio"]),
    on(Field::TokensIn, 80, META).at(&["input_tokens"]),
    on(Field::TokensOut, 80, META).at(&["output_tokens"]),
    on(Field::TokensTotal, 45, META).at(&["total_tokens"]),
    on(Field::CacheRead, 136, META).at(&["input_token_details", "cache_read"]),
    on(Field::CacheWrite, 131, META).at(&["input_token_details", "cache_creation"]),
    on(Field::Reasoning, 101, META).at(&["output_token_details", "reasoning"]),
    on(Field::Cost, 100, META).at(&["total_cost"]),
    on(Field::Marker, 10, "langsmith.trace.id"),
    on(Field::Marker, 10, "langsmith.span.id"),
    on(Field::Marker, 10, "langsmith.span.runtime"),
];
