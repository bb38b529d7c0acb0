//! Google's Agent Development Kit. Keys that do not apply hold `{}`, which counts as absent.

use exhibit_model::SpanKind;

use super::rule::{Dialect, Field, Read, Rule, on};

pub(super) static DIALECT: Dialect =
    Dialect { scopes: &["gcp.vertex.agent"], ..Dialect::new("google-adk", RULES) };

const RESPONSE: &str = "gcp.vertex.agent.llm_response";

const RULES: &[Rule] = &[
    on(Field::Kind, 163, "gcp.vertex.agent.tool_call_args").as_(Read::Means(SpanKind::Tool)),
    on(Field::Kind, 205, "gcp.vertex.agent.llm_request").as_(Read::Means(SpanKind::Llm)),
    on(Field::Session, 140, "gcp.vertex.agent.session_id"),
    on(Field::TokensIn, 95, RESPONSE).at(&["usage_metadata", "prompt_token_count"]),
    on(Field::TokensOut, 95, RESPONSE).at(&["usage_metadata", "candidates_token_count"]),
    on(Field::CacheRead, 145, RESPONSE).at(&["usage_metadata", "cached_content_token_count"]),
    on(Field::Reasoning, 145, RESPONSE)
        .at(&["usage_metadata", "thoughts_token_count"])
        .holds(super::rule::REASONING_APART),
    on(Field::Input, 140, "gcp.vertex.agent.llm_request"),
    on(Field::ToolArguments, 60, "gcp.vertex.agent.tool_call_args"),
    on(Field::Output, 140, RESPONSE),
    on(Field::ToolResult, 60, "gcp.vertex.agent.tool_response"),
    on(Field::Marker, 10, "gcp.vertex.agent.invocation_id"),
];
