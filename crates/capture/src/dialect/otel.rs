//! The general OpenTelemetry semantic conventions, as far as they say something here.

use exhibit_model::{Json, SpanKind};

use super::rule::{Dialect, EventRead, EventRule, Field, Read, Rule, on, param};

pub(super) static DIALECT: Dialect = Dialect { events: EVENTS, ..Dialect::new("otel", RULES) };

const EVENTS: &[EventRule] = &[EventRule { name: "exception", read: EventRead::Exception }];

const RULES: &[Rule] = &[
    on(Field::Session, 20, "session.id"),
    on(Field::Session, 100, "thread_id"),
    on(Field::Session, 120, "conversation.id"),
    on(Field::User, 20, "user.id"),
    on(Field::User, 30, "enduser.id"),
    on(Field::User, 150, "user.account_uuid"),
    on(Field::User, 160, "user.account_id"),
    on(Field::User, 170, "user.email"),
    on(Field::Agent, 30, "agent_name"),
    on(Field::AgentId, 20, "agent.id"),
    on(Field::AgentId, 30, "agent_id"),
    on(Field::Environment, 20, "deployment.environment.name"),
    on(Field::Environment, 30, "deployment.environment"),
    on(Field::Environment, 60, "env"),
    on(Field::Version, 20, "service.version"),
    on(Field::Service, 90, "service.name"),
    on(Field::ErrorType, 10, "error.type"),
    on(Field::ErrorType, 20, "exception.type"),
    on(Field::ErrorMessage, 20, "error.message"),
    on(Field::ErrorMessage, 30, "exception.message"),
    on(Field::ErrorMessage, 60, "error_information"),
    on(Field::Failure, 20, "error.type"),
    on(Field::Failure, 25, "error.message"),
    on(Field::Failure, 30, "http.response.status_code").as_(Read::When(is_http_error)),
    on(Field::Failure, 31, "http.status_code").as_(Read::When(is_http_error)),
    on(Field::Failure, 35, "success").as_(Read::When(is_false)),
    // Databases of vectors.
    on(Field::Kind, 182, "db.vector.").below().as_(Read::Means(SpanKind::Retriever)),
    param("retrieval_top_k", 20, "db.vector.query.top_k"),
    // Names that many hand-written instrumentations use.
    on(Field::ModelRequested, 90, "model_name"),
    on(Field::ModelRequested, 100, "model"),
    on(Field::Provider, 90, "provider_name"),
    on(Field::Tool, 40, "tool_name"),
    on(Field::Tool, 50, "function_name"),
    on(Field::ToolCallId, 60, "call_id"),
    on(Field::FinishReasons, 80, "stop_reason"),
    on(Field::FinishReasons, 90, "finish_reasons"),
    on(Field::TokensIn, 100, "usage.prompt_tokens"),
    on(Field::TokensOut, 100, "usage.completion_tokens"),
    on(Field::TokensTotal, 100, "usage.total_tokens"),
    on(Field::TokensIn, 110, "llm.usage.prompt_tokens"),
    on(Field::TokensOut, 110, "llm.usage.completion_tokens"),
    on(Field::Ttft, 60, "ttft_ms").as_(Read::Millis),
    on(Field::ToolArguments, 40, "tool_arguments"),
    on(Field::ToolArguments, 80, "tool_parameters"),
    on(Field::ToolArguments, 90, "function_args"),
    on(Field::ToolArguments, 100, "arguments"),
    on(Field::ToolArguments, 110, "tool_input"),
    on(Field::ToolResult, 40, "tool_response"),
    on(Field::Input, 330, "input"),
    on(Field::Output, 330, "output"),
    on(Field::Tags, 90, "tags"),
];

fn is_http_error(value: &Json) -> bool {
    crate::read::count(value).ok().flatten().is_some_and(|code| (400..600).contains(&code))
}

fn is_false(value: &Json) -> bool {
    value == &Json::Bool(false) || value.as_str().is_some_and(|s| s.eq_ignore_ascii_case("false"))
}
