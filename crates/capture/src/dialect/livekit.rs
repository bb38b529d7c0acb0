//! LiveKit agents, and Flue.

use exhibit_model::{Span, SpanKind};

use super::rule::{Dialect, Draft, Field, Rule, on};

pub(super) static DIALECT: Dialect = Dialect {
    scopes: &["livekit-agents", "@flue/opentelemetry"],
    refine: Some(refine),
    ..Dialect::new("livekit", RULES)
};

/// Its spans tell their kind by name alone.
fn refine(span: &Span, draft: &mut Draft) {
    if draft.kind.is_some() && draft.kind_rank < 200 {
        return;
    }
    match span.name.as_deref() {
        Some("agent_turn" | "start_agent_activity" | "agent_session") => {
            draft.kind = Some(SpanKind::Agent);
        }
        Some("function_tool") => draft.kind = Some(SpanKind::Tool),
        Some("llm_node" | "llm_request") => draft.kind = Some(SpanKind::Llm),
        _ => {}
    }
}

const RULES: &[Rule] = &[
    on(Field::Agent, 40, "lk.agent_name"),
    on(Field::Session, 160, "lk.room_name"),
    on(Field::Session, 161, "lk.job_id"),
    on(Field::Tool, 60, "flue.tool.name"),
    on(Field::ToolCallId, 70, "flue.tool.call_id"),
    on(Field::Tool, 61, "lk.function_tool.name"),
    on(Field::Input, 230, "lk.chat_ctx"),
    on(Field::Input, 231, "lk.user_input"),
    on(Field::Input, 232, "lk.user_transcript"),
    on(Field::Input, 233, "lk.input_text"),
    on(Field::Output, 230, "lk.response.text"),
    on(Field::OutputCalls, 60, "lk.response.function_calls"),
    on(Field::ToolArguments, 65, "lk.function_tool.arguments"),
    on(Field::ToolResult, 65, "lk.function_tool.output"),
    on(Field::Input, 240, "flue.turn.input"),
    on(Field::Output, 240, "flue.turn.output"),
    on(Field::ToolArguments, 66, "flue.tool.input"),
    on(Field::ToolResult, 66, "flue.tool.output"),
    on(Field::Marker, 10, "flue.workflow.").below(),
];
