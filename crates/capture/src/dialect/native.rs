//! Exhibit's own names: what the native JSON API keeps, under a reserved prefix.

use exhibit_model::{Json, Span, SpanKind};

use super::rule::{Dialect, Draft, Field, Read, Rule, kind, on};

/// The prefix of every reserved key.
pub(crate) const PREFIX: &str = "exhibit.";

/// Where a decoder notes that the client itself stated the status, so that evidence cannot overrule it.
pub(crate) const STATED_STATUS: &str = "exhibit.otlp_status";

/// Where decoders keep what OTLP says outside of attributes.
pub(crate) const OTLP_KIND: &str = "exhibit.otlp_kind";
/// The W3C trace state.
pub(crate) const OTLP_TRACE_STATE: &str = "exhibit.otlp_trace_state";
/// How many attributes the client itself dropped.
pub(crate) const OTLP_DROPPED: &str = "exhibit.otlp_dropped_attributes";
/// Labels of the request's headers.
pub(crate) const LABEL_PREFIX: &str = "exhibit.label.";

pub(super) static DIALECT: Dialect =
    Dialect { refine: Some(refine), ..Dialect::new("native", RULES) };

/// A step that a client calls a tool is one by the name of its only call, else by its own name, so that
/// rules about tools see it.
fn refine(span: &Span, draft: &mut Draft) {
    let says_tool = || span.attribute("exhibit.span_type").is_some();
    if draft.kind != Some(SpanKind::Tool) || draft.tool.is_some() || !says_tool() {
        return;
    }
    let calls = span.attribute("exhibit.tool_calls").and_then(Json::as_array);
    let mut called = calls.into_iter().flatten().map(|call| call.get("tool_name")?.as_str());
    let first = called.next().flatten();
    let only = first.filter(|first| called.all(|other| other == Some(*first)));
    draft.tool = only.map(str::to_owned).or_else(|| span.name.clone());
}

/// The kind a client's word names. A word of the client's own is a kind of its own.
pub(crate) fn kind_of(word: &str) -> Option<SpanKind> {
    let word = word.trim();
    if word.is_empty() {
        return None;
    }
    Some(SpanKind::parse(word).unwrap_or(SpanKind::Custom))
}

fn is_error(value: &Json) -> bool {
    value.as_str().is_some_and(|s| s.eq_ignore_ascii_case("error"))
}

const RULES: &[Rule] = &[
    kind(1, "exhibit.span_type", kind_of),
    on(Field::Model, 1, "exhibit.model"),
    on(Field::Provider, 1, "exhibit.provider"),
    on(Field::ServiceTier, 1, "exhibit.service_tier"),
    on(Field::Session, 1, "exhibit.session_id"),
    on(Field::User, 1, "exhibit.user_id"),
    on(Field::Agent, 1, "exhibit.agent_name"),
    on(Field::AgentId, 1, "exhibit.agent_id"),
    on(Field::Environment, 1, "exhibit.environment"),
    on(Field::Version, 1, "exhibit.version"),
    on(Field::Service, 1, "exhibit.service"),
    on(Field::TraceName, 1, "exhibit.trace_name"),
    on(Field::Tool, 1, "exhibit.tool_name"),
    on(Field::ToolCallId, 1, "exhibit.tool_call_id"),
    on(Field::ResponseId, 1, "exhibit.response_id"),
    on(Field::FinishReasons, 1, "exhibit.finish_reason"),
    on(Field::Ttft, 1, "exhibit.ttft_ms").as_(Read::Millis),
    on(Field::PromptName, 1, "exhibit.prompt_name"),
    on(Field::PromptVersion, 1, "exhibit.prompt_version"),
    on(Field::ErrorType, 1, "exhibit.error_type"),
    on(Field::ErrorMessage, 1, "exhibit.error"),
    on(Field::Failure, 1, "exhibit.level").as_(Read::When(is_error)),
    on(Field::Param, 1, "exhibit.parameters"),
    on(Field::Tags, 1, "exhibit.tags"),
    on(Field::Metadata, 1, "exhibit.metadata"),
    on(Field::Metadata, 2, "exhibit.label.").below().common(),
    on(Field::TokensIn, 1, "exhibit.tokens_in"),
    on(Field::TokensOut, 1, "exhibit.tokens_out"),
    on(Field::TokensTotal, 1, "exhibit.tokens_total"),
    on(Field::CacheRead, 1, "exhibit.cache_read_tokens"),
    on(Field::CacheWrite, 1, "exhibit.cache_write_tokens"),
    on(Field::Reasoning, 1, "exhibit.reasoning_tokens"),
    on(Field::Cost, 1, "exhibit.cost"),
    on(Field::Input, 1, "exhibit.input"),
    on(Field::Output, 1, "exhibit.output"),
    on(Field::OutputCalls, 1, "exhibit.tool_calls"),
    on(Field::ToolDefinitions, 1, "exhibit.tools"),
    on(Field::Marker, 1, "exhibit.request_id"),
];
