//! AgentOps.

use exhibit_model::{Span, SpanKind};

use super::rule::{Dialect, Draft, Field, Rule, kind, on};

pub(super) static DIALECT: Dialect =
    Dialect { scopes: &["agentops"], refine: Some(refine), ..Dialect::new("agentops", RULES) };

/// What a decorator was told to call an agent or a tool stands in a name that others use otherwise.
fn refine(span: &Span, draft: &mut Draft) {
    let decorated = span.attribute("agentops.span.kind").is_some();
    let named = || span.attribute("operation.name").and_then(|v| v.as_str()).map(str::to_owned);
    match draft.kind {
        Some(SpanKind::Tool) if decorated && draft.tool.is_none() => draft.tool = named(),
        Some(SpanKind::Agent) if decorated && draft.agent.is_none() => draft.agent = named(),
        _ => {}
    }
}

fn kind_of(word: &str) -> Option<SpanKind> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "workflow" | "session" | "chain" | "workflow.step" => SpanKind::Chain,
        "task" | "operation" | "agent.action" => SpanKind::Task,
        "agent" => SpanKind::Agent,
        "agent.thinking" | "agent.decision" => SpanKind::Plan,
        "tool" => SpanKind::Tool,
        "llm" | "llm.call" => SpanKind::Llm,
        "guardrail" => SpanKind::Guardrail,
        _ => return None,
    })
}

const RULES: &[Rule] = &[
    kind(60, "agentops.span.kind", kind_of),
    on(Field::Session, 150, "workflow.session_id"),
    on(Field::Session, 151, "workflow.session.returned_session_id"),
    on(Field::User, 120, "workflow.user_id"),
    on(Field::Environment, 50, "agentops.environment"),
    on(Field::Service, 40, "agentops.project.id"),
    on(Field::Tags, 70, "agentops.tags"),
    on(Field::Input, 300, "agentops.entity.input"),
    on(Field::Input, 301, "agentops.agent.input"),
    on(Field::Input, 301, "agentops.tool.input"),
    on(Field::Input, 301, "agentops.workflow.input"),
    on(Field::Input, 301, "agentops.task.input"),
    on(Field::Input, 302, "workflow.input"),
    on(Field::Output, 300, "agentops.entity.output"),
    on(Field::Output, 301, "agentops.agent.output"),
    on(Field::Output, 301, "agentops.tool.output"),
    on(Field::Output, 301, "agentops.workflow.output"),
    on(Field::Output, 301, "agentops.task.output"),
    on(Field::Output, 302, "workflow.output"),
    on(Field::Output, 303, "workflow.final_output"),
    on(Field::Marker, 10, "agentops.entity.name"),
];
