//! MLflow: every value is JSON text of its own.

use exhibit_model::SpanKind;

use super::rule::{Dialect, Field, Rule, kind, on};

pub(super) static DIALECT: Dialect =
    Dialect { scopes: &["mlflow"], ..Dialect::new("mlflow", RULES) };

fn kind_of(word: &str) -> Option<SpanKind> {
    Some(match word.trim().to_ascii_uppercase().as_str() {
        "LLM" | "CHAT_MODEL" => SpanKind::Llm,
        "CHAIN" | "WORKFLOW" => SpanKind::Chain,
        "AGENT" => SpanKind::Agent,
        "TOOL" => SpanKind::Tool,
        "RETRIEVER" => SpanKind::Retriever,
        "PARSER" | "TASK" => SpanKind::Task,
        "EMBEDDING" => SpanKind::Embedding,
        "RERANKER" => SpanKind::Reranker,
        "MEMORY" => SpanKind::Memory,
        "GUARDRAIL" => SpanKind::Guardrail,
        "EVALUATOR" => SpanKind::Evaluator,
        _ => return None,
    })
}

const USAGE: &str = "mlflow.chat.tokenUsage";
const COST: &str = "mlflow.llm.cost";

const RULES: &[Rule] = &[
    kind(40, "mlflow.spanType", kind_of),
    on(Field::Model, 60, "mlflow.llm.model"),
    on(Field::Provider, 30, "mlflow.llm.provider"),
    on(Field::Session, 90, "mlflow.trace.session"),
    on(Field::User, 90, "mlflow.trace.user"),
    on(Field::PromptName, 70, "mlflow.linkedPrompts").at(&["0", "name"]),
    on(Field::PromptVersion, 70, "mlflow.linkedPrompts").at(&["0", "version"]),
    on(Field::Metadata, 70, "mlflow.traceTag.").below(),
    on(Field::TokensIn, 70, USAGE).at(&["input_tokens"]),
    on(Field::TokensOut, 70, USAGE).at(&["output_tokens"]),
    on(Field::TokensTotal, 35, USAGE).at(&["total_tokens"]),
    on(Field::CacheRead, 130, USAGE).at(&["cache_read_input_tokens"]),
    on(Field::CacheWrite, 125, USAGE).at(&["cache_creation_input_tokens"]),
    on(Field::CacheWrite1h, 40, USAGE).at(&["cache_creation_input_tokens_above_1hr"]),
    on(Field::Cost, 90, COST).at(&["total_cost"]),
    on(Field::CostIn, 50, COST).at(&["input_cost"]),
    on(Field::CostOut, 50, COST).at(&["output_cost"]),
    on(Field::Input, 30, "mlflow.spanInputs"),
    on(Field::Output, 30, "mlflow.spanOutputs"),
    on(Field::ToolDefinitions, 60, "mlflow.chat.tools"),
    on(Field::Marker, 10, "mlflow.traceRequestId"),
    on(Field::Marker, 10, "mlflow.experimentId"),
];
