//! VoltAgent.

use exhibit_model::SpanKind;

use super::rule::{Dialect, Field, Rule, kind, on};

pub(super) static DIALECT: Dialect =
    Dialect { scopes: &["@voltagent/"], ..Dialect::new("voltagent", RULES) };

fn kind_of(word: &str) -> Option<SpanKind> {
    Some(match word.trim() {
        "agent" => SpanKind::Agent,
        "llm" => SpanKind::Llm,
        "tool" => SpanKind::Tool,
        "memory" => SpanKind::Memory,
        "workflow" => SpanKind::Chain,
        "retriever" => SpanKind::Retriever,
        _ => return None,
    })
}

const RULES: &[Rule] = &[
    kind(140, "span.type", kind_of).common(),
    kind(141, "entity.type", kind_of).common(),
    on(Field::Session, 130, "voltagent.conversation_id"),
    on(Field::Input, 220, "agent.messages"),
    on(Field::Input, 221, "llm.messages"),
    on(Field::TokensTotal, 110, "llm.usage.total_tokens").common(),
    on(Field::Marker, 10, "voltagent.operation_id"),
];
