//! AgentOps.

use exhibit_model::SpanKind;

use super::rule::{Dialect, Field, Rule, kind, on};

pub(super) static DIALECT: Dialect =
    Dialect { scopes: &["agentops"], ..Dialect::new("agentops", RULES) };

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
