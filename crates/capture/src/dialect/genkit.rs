//! Genkit.

use exhibit_model::{Span, SpanKind};

use super::rule::{Dialect, Draft, Field, Rule, kind, on};

pub(super) static DIALECT: Dialect =
    Dialect { scopes: &["genkit-tracer"], refine: Some(refine), ..Dialect::new("genkit", RULES) };

fn subtype(word: &str) -> Option<SpanKind> {
    Some(match word.trim() {
        "model" | "background-model" => SpanKind::Llm,
        "embedder" => SpanKind::Embedding,
        "tool" | "tool.v2" => SpanKind::Tool,
        "retriever" => SpanKind::Retriever,
        "evaluator" => SpanKind::Evaluator,
        "flow" => SpanKind::Chain,
        _ => return None,
    })
}

/// What is no action is a step around actions: `generate` stands about every call, with its output and usage.
fn around(word: &str) -> Option<SpanKind> {
    (word.trim() == "util").then_some(SpanKind::Chain)
}

/// The name of a tool's action is the tool; usage outside a call of a model repeats that of calls below.
fn refine(span: &Span, draft: &mut Draft) {
    let calls = |kind| matches!(kind, SpanKind::Llm | SpanKind::Embedding);
    if span.attribute("genkit:name").is_some() && draft.kind.is_some_and(|kind| !calls(kind)) {
        draft.aggregate = true;
    }
    if draft.kind == Some(SpanKind::Tool) && draft.tool.is_none() {
        draft.tool = span.attribute("genkit:name").and_then(|v| v.as_str()).map(str::to_owned);
    }
}

const OUTPUT: &str = "genkit:output";

const RULES: &[Rule] = &[
    kind(120, "genkit:metadata:subtype", subtype),
    kind(121, "genkit:type", around),
    on(Field::ModelRequested, 110, "genkit:name").as_(super::rule::Read::Word(model)),
    on(Field::TokensIn, 96, OUTPUT).at(&["usage", "inputTokens"]),
    on(Field::TokensOut, 96, OUTPUT).at(&["usage", "outputTokens"]),
    on(Field::TokensTotal, 96, OUTPUT).at(&["usage", "totalTokens"]),
    on(Field::CacheRead, 150, OUTPUT).at(&["usage", "cachedContentTokens"]),
    on(Field::Reasoning, 150, OUTPUT).at(&["usage", "thoughtsTokens"]),
    on(Field::Input, 160, "genkit:input"),
    on(Field::Output, 160, OUTPUT),
    on(Field::Marker, 10, "genkit:state"),
    on(Field::Marker, 10, "genkit:path"),
];

/// Names of models carry their plugin: `googleai/gemini-2.0-flash`. Other actions' names do not.
fn model(name: &str) -> Option<String> {
    name.split_once('/').map(|(_, model)| model.to_owned())
}
