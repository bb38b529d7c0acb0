//! Gemini CLI: steps as log events; thoughts counted beside the output.

use exhibit_model::{Span, SpanKind};

use super::{
    log::{Record, Step, millis, unsuccessful},
    rule::{Dialect, Draft, EventRead, EventRule, Field, REASONING_APART, Rule, kind, on},
};
use crate::Context;

pub(super) static DIALECT: Dialect = Dialect {
    scopes: &["gemini-cli"],
    services: &["gemini-cli"],
    events: EVENTS,
    semantics: REASONING_APART,
    refine: Some(refine),
    log: Some(log),
    ..Dialect::new("gemini-cli", RULES)
};

const PREFIX: &str = "gemini_cli.";

fn event(name: &str) -> Option<SpanKind> {
    Some(match name.strip_prefix(PREFIX)? {
        "user_prompt" | "api_request" => SpanKind::Prompt,
        "api_response" | "api_error" => SpanKind::Llm,
        "tool_call" => SpanKind::Tool,
        "agent.finish" => SpanKind::Agent,
        _ => return None,
    })
}

fn refine(span: &Span, draft: &mut Draft) {
    if draft.kind == Some(SpanKind::Llm) {
        if draft.provider.is_none() {
            draft.provider = super::vendor::canonical("gemini");
        }
        // Its spans use the standard keys and still count thoughts apart.
        if span.attribute("gen_ai.agent.name").and_then(|v| v.as_str()) == Some("gemini-cli") {
            draft.semantics = Some(REASONING_APART);
        }
    }
}

fn log(record: &Record, context: &Context) -> Option<Vec<Span>> {
    let step = record.name.strip_prefix(PREFIX)?;
    if event(&record.name).is_none() || record.span_id.is_some() {
        return None;
    }
    let session = record.text("session.id")?;
    let turn = record.text("prompt_id").unwrap_or_default();
    Step {
        dialect: "gemini-cli",
        session: &session,
        turn: &turn,
        name: match record.text("function_name") {
            Some(tool) if step == "tool_call" => format!("execute_tool {tool}"),
            _ => record.name.clone(),
        },
        duration_ms: millis(record, "duration_ms"),
        failed: step == "api_error" || unsuccessful(record),
        message: record.text("error"),
    }
    .spans(record, context)
}

const EVENTS: &[EventRule] = &[
    EventRule { name: "gemini_cli.user_prompt", read: EventRead::Attributes },
    EventRule { name: "gemini_cli.api_request", read: EventRead::Attributes },
    EventRule { name: "gemini_cli.api_response", read: EventRead::Attributes },
    EventRule { name: "gemini_cli.api_error", read: EventRead::Attributes },
    EventRule { name: "gemini_cli.tool_call", read: EventRead::Attributes },
];

const RULES: &[Rule] = &[
    kind(74, "event.name", event),
    on(Field::TokensTotal, 60, "total_token_count").common(),
    on(Field::CacheRead, 170, "cached_content_token_count").common(),
    on(Field::Reasoning, 140, "thoughts_token_count").common().holds(REASONING_APART),
    on(Field::ErrorType, 40, "error_type").common(),
    on(Field::Input, 253, "request_text").common(),
    on(Field::Output, 251, "response_text").common(),
];
