//! Laminar.

use exhibit_model::SpanKind;

use super::rule::{Dialect, Field, Rule, kind, on};

pub(super) static DIALECT: Dialect =
    Dialect { scopes: &["lmnr"], ..Dialect::new("laminar", RULES) };

fn kind_of(word: &str) -> Option<SpanKind> {
    Some(match word.trim().to_ascii_uppercase().as_str() {
        "LLM" | "CACHED" => SpanKind::Llm,
        "PIPELINE" | "EXECUTOR" | "EVALUATION" => SpanKind::Chain,
        "EVALUATOR" | "HUMAN_EVALUATOR" => SpanKind::Evaluator,
        "TOOL" => SpanKind::Tool,
        _ => return None,
    })
}

const RULES: &[Rule] = &[
    kind(30, "lmnr.span.type", kind_of),
    on(Field::Session, 40, "lmnr.association.properties.session_id"),
    on(Field::User, 40, "lmnr.association.properties.user_id"),
    on(Field::Tags, 40, "lmnr.association.properties.tags"),
    on(Field::Tags, 41, "lmnr.association.properties.labels"),
    on(Field::Provider, 45, "lmnr.association.properties.ls_provider"),
    on(Field::ModelRequested, 85, "lmnr.association.properties.ls_model_name"),
    on(Field::Metadata, 40, "lmnr.association.properties.metadata.").below(),
    on(Field::Metadata, 41, "lmnr.trace.metadata"),
    on(Field::PromptVersion, 80, "lmnr.span.prompt_hash"),
    on(Field::Input, 20, "lmnr.span.input"),
    on(Field::Output, 20, "lmnr.span.output"),
    on(Field::Marker, 10, "lmnr.span.path"),
    on(Field::Marker, 10, "lmnr.span.ids_path"),
];
