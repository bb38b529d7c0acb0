//! Codex CLI: content in log events; counts in events and in internal spans.

use exhibit_model::{Span, SpanKind};

use super::{
    log::{Record, Step, millis, unsuccessful},
    rule::{Dialect, Draft, EventRead, EventRule, Field, Rule, kind, on},
};
use crate::Context;

pub(super) static DIALECT: Dialect = Dialect {
    scopes: &["codex"],
    services: &["codex_cli_rs", "codex-cli", "codex_exec", "codex_tui"],
    events: EVENTS,
    refine: Some(refine),
    log: Some(log),
    ..Dialect::new("codex", RULES)
};

const PREFIX: &str = "codex.";

fn event(name: &str) -> Option<SpanKind> {
    Some(match name.strip_prefix(PREFIX)? {
        "user_prompt" => SpanKind::Prompt,
        "sse_event" | "api_request" => SpanKind::Llm,
        "tool_result" => SpanKind::Tool,
        "tool_decision" | "sandbox_outcome" | "conversation_starts" => SpanKind::Event,
        _ => return None,
    })
}

fn refine(_: &Span, draft: &mut Draft) {
    if draft.provider.is_none() && draft.kind == Some(SpanKind::Llm) {
        draft.provider = Some("openai".to_owned());
    }
}

fn log(record: &Record, context: &Context) -> Option<Vec<Span>> {
    let step = record.name.strip_prefix(PREFIX)?;
    if record.span_id.is_some() {
        return None;
    }
    let status: Option<i64> = record.text("http.response.status_code").and_then(|s| s.parse().ok());
    let message = record.text("error.message");
    let failed = unsuccessful(record) || status.is_some_and(|s| s >= 400) || message.is_some();
    let told = match step {
        "user_prompt"
        | "tool_result"
        | "tool_decision"
        | "sandbox_outcome"
        | "conversation_starts" => true,
        "sse_event" => record.text("event.kind").is_some_and(|k| k == "response.completed"),
        // An answered request is told again, with its counts, by the stream's last event.
        "api_request" => failed,
        _ => false,
    };
    if !told {
        return None;
    }
    let session = record.text("conversation.id")?;
    Step {
        dialect: "codex",
        session: &session,
        turn: "",
        name: match record.text("tool_name") {
            Some(tool) if step == "tool_result" => format!("execute_tool {tool}"),
            _ => record.name.clone(),
        },
        duration_ms: millis(record, "duration_ms"),
        failed,
        message,
    }
    .spans(record, context)
}

const EVENTS: &[EventRule] = &[
    EventRule { name: "codex.user_prompt", read: EventRead::Attributes },
    EventRule { name: "codex.sse_event", read: EventRead::Attributes },
    EventRule { name: "codex.tool_result", read: EventRead::Attributes },
    EventRule { name: "codex.tool_decision", read: EventRead::Kept },
];

const RULES: &[Rule] = &[
    kind(73, "event.name", event),
    on(Field::TokensIn, 130, "input_token_count").common(),
    on(Field::TokensOut, 130, "output_token_count").common(),
    on(Field::TokensTotal, 70, "codex.usage.total_tokens"),
    on(Field::CacheRead, 160, "cached_token_count").common(),
    on(Field::CacheWrite, 160, "cache_write_token_count").common(),
    on(Field::Reasoning, 120, "codex.usage.reasoning_output_tokens"),
    on(Field::Reasoning, 130, "reasoning_token_count").common(),
];
