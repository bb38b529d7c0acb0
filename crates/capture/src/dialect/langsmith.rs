//! LangSmith: its OpenTelemetry exporter, and in [`run`] its own protocol.

pub mod run;

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
        "evaluator" => SpanKind::Evaluator,
        other => return openinference::kind_of(other).or_else(|| genai::operation(other)),
    })
}

const IN: &str = "gen_ai.usage.input_token_details";
const OUT: &str = "gen_ai.usage.output_token_details";
const META: &str = "usage_metadata";

/// Fields of a native run.
const EXTRA: &str = "langsmith.run.extra";
const OUTPUTS: &str = "langsmith.run.outputs";
/// Where a chat model of LangChain leaves its message.
const MESSAGE: [&str; 5] = ["generations", "0", "0", "message", "kwargs"];

const RULES: &[Rule] = &[
    kind(49, "langsmith.run.run_type", kind_of),
    on(Field::Service, 29, "langsmith.run.session_name"),
    on(Field::Tags, 49, "langsmith.run.tags"),
    on(Field::Metadata, 54, EXTRA).at(&["metadata"]),
    on(Field::Session, 63, EXTRA).at(&["metadata", "session_id"]),
    on(Field::Session, 64, EXTRA).at(&["metadata", "thread_id"]),
    on(Field::Session, 65, EXTRA).at(&["metadata", "conversation_id"]),
    on(Field::User, 63, EXTRA).at(&["metadata", "user_id"]),
    on(Field::Version, 63, EXTRA).at(&["metadata", "revision_id"]),
    on(Field::Provider, 43, EXTRA).at(&["metadata", "ls_provider"]),
    on(Field::Model, 75, OUTPUTS).at(&["model"]),
    on(Field::Model, 76, OUTPUTS).at(&["llm_output", "model_name"]),
    on(Field::ModelRequested, 82, EXTRA).at(&["metadata", "ls_model_name"]),
    on(Field::ModelRequested, 83, EXTRA).at(&["invocation_params", "model"]),
    on(Field::ModelRequested, 84, EXTRA).at(&["invocation_params", "model_name"]),
    on(Field::Param, 55, EXTRA).at(&["invocation_params"]),
    on(Field::ErrorMessage, 65, "langsmith.run.error"),
    on(Field::Input, 35, "langsmith.run.inputs"),
    on(Field::Output, 35, OUTPUTS),
    on(Field::TokensIn, 81, OUTPUTS).at(&["usage_metadata", "input_tokens"]),
    on(Field::TokensIn, 82, EXTRA).at(&["metadata", "usage_metadata", "input_tokens"]),
    on(Field::TokensIn, 83, OUTPUTS).at(&[
        MESSAGE[0],
        MESSAGE[1],
        MESSAGE[2],
        MESSAGE[3],
        MESSAGE[4],
        "usage_metadata",
        "input_tokens",
    ]),
    on(Field::TokensIn, 84, OUTPUTS).at(&["llm_output", "token_usage", "prompt_tokens"]),
    on(Field::TokensIn, 85, OUTPUTS).at(&["usage", "prompt_tokens"]),
    on(Field::TokensOut, 81, OUTPUTS).at(&["usage_metadata", "output_tokens"]),
    on(Field::TokensOut, 82, EXTRA).at(&["metadata", "usage_metadata", "output_tokens"]),
    on(Field::TokensOut, 83, OUTPUTS).at(&[
        MESSAGE[0],
        MESSAGE[1],
        MESSAGE[2],
        MESSAGE[3],
        MESSAGE[4],
        "usage_metadata",
        "output_tokens",
    ]),
    on(Field::TokensOut, 84, OUTPUTS).at(&["llm_output", "token_usage", "completion_tokens"]),
    on(Field::TokensOut, 85, OUTPUTS).at(&["usage", "completion_tokens"]),
    on(Field::TokensTotal, 46, OUTPUTS).at(&["usage_metadata", "total_tokens"]),
    on(Field::TokensTotal, 47, EXTRA).at(&["metadata", "usage_metadata", "total_tokens"]),
    on(Field::CacheRead, 137, OUTPUTS).at(&["usage_metadata", "input_token_details", "cache_read"]),
    on(Field::CacheRead, 138, EXTRA).at(&[
        "metadata",
        "usage_metadata",
        "input_token_details",
        "cache_read",
    ]),
    on(Field::CacheRead, 139, OUTPUTS).at(&[
        MESSAGE[0],
        MESSAGE[1],
        MESSAGE[2],
        MESSAGE[3],
        MESSAGE[4],
        "usage_metadata",
        "input_token_details",
        "cache_read",
    ]),
    on(Field::CacheWrite, 132, OUTPUTS).at(&[
        "usage_metadata",
        "input_token_details",
        "cache_creation",
    ]),
    on(Field::CacheWrite, 133, EXTRA).at(&[
        "metadata",
        "usage_metadata",
        "input_token_details",
        "cache_creation",
    ]),
    on(Field::CacheWrite5m, 22, OUTPUTS).at(&[
        "usage_metadata",
        "input_token_details",
        "ephemeral_5m_input_tokens",
    ]),
    on(Field::CacheWrite1h, 22, OUTPUTS).at(&[
        "usage_metadata",
        "input_token_details",
        "ephemeral_1h_input_tokens",
    ]),
    on(Field::CacheWrite1h, 23, OUTPUTS).at(&[
        "usage_metadata",
        "input_token_details",
        "ephemeral_1hr_input_tokens",
    ]),
    on(Field::AudioIn, 41, OUTPUTS).at(&["usage_metadata", "input_token_details", "audio"]),
    on(Field::Reasoning, 102, OUTPUTS).at(&["usage_metadata", "output_token_details", "reasoning"]),
    on(Field::Reasoning, 103, EXTRA).at(&[
        "metadata",
        "usage_metadata",
        "output_token_details",
        "reasoning",
    ]),
    on(Field::AudioOut, 51, OUTPUTS).at(&["usage_metadata", "output_token_details", "audio"]),
    on(Field::Cost, 101, OUTPUTS).at(&["usage_metadata", "total_cost"]),
    on(Field::Cost, 102, EXTRA).at(&["metadata", "usage_metadata", "total_cost"]),
    on(Field::Marker, 11, "langsmith.run.dotted_order"),
    on(Field::InputAside, 50, "langsmith.run.attachments"),
    on(Field::InputAside, 50, "langsmith.run.serialized"),
    on(Field::OutputAside, 50, "langsmith.run.events"),
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
