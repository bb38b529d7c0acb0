//! Claude Code: steps as log events, and (in beta) as spans with short attribute names.

use exhibit_model::{Json, Span, SpanKind};

use super::{
    log::{Record, Step, millis, unsuccessful},
    rule::{CACHE_APART, Dialect, Draft, EventRead, EventRule, Field, Read, Rule, kind, on},
};
use crate::Context;

pub(super) static DIALECT: Dialect = Dialect {
    scopes: &["com.anthropic.claude_code"],
    services: &["claude-code", "claude_code"],
    events: EVENTS,
    semantics: CACHE_APART,
    refine: Some(refine),
    log: Some(log),
    ..Dialect::new("claude-code", RULES)
};

const PREFIX: &str = "claude_code.";
const SEQUENCE: &str = "event.sequence";
const STEPS: [&str; 5] =
    ["user_prompt", "api_request", "api_error", "tool_result", "tool_decision"];

fn span_type(word: &str) -> Option<SpanKind> {
    let word = word.trim();
    Some(match word.strip_prefix(PREFIX).unwrap_or(word) {
        "interaction" => SpanKind::Agent,
        "llm_request" => SpanKind::Llm,
        "tool" if word != "tool" => SpanKind::Tool,
        _ => return None,
    })
}

/// The one word of the list that others use as well.
fn tool(word: &str) -> Option<SpanKind> {
    (word == "tool").then_some(SpanKind::Tool)
}

fn event(name: &str) -> Option<SpanKind> {
    Some(match name.strip_prefix(PREFIX)? {
        "user_prompt" => SpanKind::Prompt,
        "api_request" | "api_error" => SpanKind::Llm,
        "tool_result" => SpanKind::Tool,
        // A decision, or an event that is no step of its own.
        _ => SpanKind::Event,
    })
}

fn bare_event(name: &str) -> Option<SpanKind> {
    event(&format!("{PREFIX}{name}"))
}

fn is_agent(service: Option<&str>) -> bool {
    service.is_some_and(|s| s == "claude-code" || s == "claude_code")
}

fn refine(span: &Span, draft: &mut Draft) {
    if draft.kind.is_none()
        && is_agent(span.resource.attributes.get("service.name").and_then(Json::as_str))
    {
        draft.kind = span.attribute("event.name").and_then(Json::as_str).and_then(bare_event);
    }
    if draft.provider.is_none() && draft.kind == Some(SpanKind::Llm) {
        draft.provider = Some("anthropic".to_owned());
    }
}

fn log(record: &Record, context: &Context) -> Option<Vec<Span>> {
    let step = match record.name.strip_prefix(PREFIX) {
        Some(step) => step,
        None if is_agent(record.resource_text("service.name")) => &record.name,
        None => return None,
    };
    // A record inside a real span belongs to that span. Events that are no step are kept all the
    // same, since they count in the session's sequence.
    let counted = STEPS.contains(&step) || record.attribute(SEQUENCE).is_some();
    if !counted || record.span_id.is_some() {
        return None;
    }
    let session = record.text("session.id")?;
    let turn = record.text("prompt.id").unwrap_or_default();
    let message = record.text("error");
    Step {
        dialect: "claude-code",
        session: &session,
        turn: &turn,
        name: match record.text("tool_name") {
            Some(tool) if step == "tool_result" => format!("execute_tool {tool}"),
            _ => format!("{PREFIX}{step}"),
        },
        duration_ms: millis(record, "duration_ms"),
        failed: step == "api_error" || unsuccessful(record),
        message,
    }
    .spans(record, context)
}

const EVENTS: &[EventRule] = &[
    EventRule { name: "tool.output", read: EventRead::OutputMessage },
    EventRule { name: "claude_code.user_prompt", read: EventRead::Attributes },
    EventRule { name: "claude_code.api_request", read: EventRead::Attributes },
    EventRule { name: "claude_code.api_error", read: EventRead::Attributes },
    EventRule { name: "claude_code.tool_result", read: EventRead::Attributes },
    EventRule { name: "claude_code.tool_decision", read: EventRead::Kept },
];

const RULES: &[Rule] = &[
    kind(70, "span.type", span_type),
    kind(71, "span.type", tool).common(),
    kind(72, "event.name", event),
    on(Field::TokensIn, 120, "input_tokens").common(),
    on(Field::TokensOut, 120, "output_tokens").common(),
    on(Field::CacheRead, 150, "cache_read_tokens").common(),
    on(Field::CacheWrite, 150, "cache_creation_tokens").common(),
    on(Field::Cost, 110, "cost_usd").common(),
    on(Field::ServiceTier, 90, "speed").as_(Read::Word(tier)).common(),
    on(Field::ErrorMessage, 70, "error").common(),
    on(Field::Input, 250, "user_prompt").common(),
    on(Field::Input, 251, "new_context").common(),
    on(Field::Input, 252, "prompt").common(),
    on(Field::InputAside, 40, "system_prompt_preview"),
    on(Field::InputAside, 40, "full_command"),
    on(Field::ToolArguments, 110, "tool_input").common(),
    on(Field::Output, 250, "response.model_output"),
    on(Field::Marker, 10, "query_source").common(),
];

fn tier(word: &str) -> Option<String> {
    (!matches!(word, "standard" | "normal")).then(|| word.to_owned())
}
