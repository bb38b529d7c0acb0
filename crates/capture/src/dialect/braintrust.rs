//! Braintrust and Weave: bridges of evaluation platforms.

use exhibit_model::SpanKind;

use super::rule::{Dialect, Field, Rule, kind, on};

pub(super) static DIALECT: Dialect =
    Dialect { scopes: &["braintrust", "weave"], ..Dialect::new("braintrust", RULES) };

fn kind_of(word: &str) -> Option<SpanKind> {
    Some(match word.trim() {
        "llm" => SpanKind::Llm,
        "score" | "eval" => SpanKind::Evaluator,
        "function" => SpanKind::Chain,
        "task" => SpanKind::Task,
        "tool" => SpanKind::Tool,
        _ => return None,
    })
}

const RULES: &[Rule] = &[
    kind(130, "braintrust.span_attributes.type", kind_of),
    kind(131, "braintrust.span_attributes", kind_of).at(&["type"]),
    on(Field::Session, 110, "wandb.thread_id"),
    on(Field::Tags, 80, "braintrust.tags"),
    on(Field::Metadata, 90, "braintrust.metadata"),
    on(Field::TokensIn, 105, "braintrust.metrics").at(&["prompt_tokens"]),
    on(Field::TokensOut, 105, "braintrust.metrics").at(&["completion_tokens"]),
    on(Field::CacheRead, 147, "braintrust.metrics").at(&["prompt_cached_tokens"]),
    on(Field::CacheWrite, 147, "braintrust.metrics").at(&["prompt_cache_creation_tokens"]),
    on(Field::Input, 170, "braintrust.input_json"),
    on(Field::Input, 171, "braintrust.input"),
    on(Field::Output, 170, "braintrust.output_json"),
    on(Field::Output, 171, "braintrust.output"),
    on(Field::OutputReasoning, 40, "weave.reasoning_content"),
    on(Field::Marker, 10, "braintrust.parent"),
];
