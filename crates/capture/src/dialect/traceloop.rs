//! Traceloop and OpenLLMetry: entities of workflows, flattened prompts, vector databases.

use exhibit_model::{Span, SpanKind};

use super::rule::{Dialect, Draft, EventRead, EventRule, Field, Read, Rule, kind, on, param};

pub(super) static DIALECT: Dialect = Dialect {
    scopes: &["@traceloop/"],
    events: EVENTS,
    refine: Some(refine),
    ..Dialect::new("traceloop", RULES)
};

fn kind_of(word: &str) -> Option<SpanKind> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "workflow" | "session" => SpanKind::Chain,
        "task" => SpanKind::Task,
        "agent" => SpanKind::Agent,
        "tool" => SpanKind::Tool,
        _ => return None,
    })
}

pub(super) fn request_type(word: &str) -> Option<SpanKind> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "chat" | "completion" => SpanKind::Llm,
        "embedding" => SpanKind::Embedding,
        "rerank" => SpanKind::Reranker,
        _ => return None,
    })
}

/// The entity of a tool span is the tool, that of an agent span the agent.
fn refine(span: &Span, draft: &mut Draft) {
    let entity =
        || span.attribute("traceloop.entity.name").and_then(|v| v.as_str()).map(str::to_owned);
    match draft.kind {
        Some(SpanKind::Tool) if draft.tool.is_none() => draft.tool = entity(),
        Some(SpanKind::Agent) if draft.agent.is_none() => draft.agent = entity(),
        _ => {}
    }
}

const EVENTS: &[EventRule] = &[
    EventRule { name: "db.query.result", read: EventRead::Document },
    EventRule { name: "db.search.result", read: EventRead::Document },
    EventRule { name: "db.query.embeddings", read: EventRead::Kept },
    EventRule { name: "gen_ai.content.completion.chunk", read: EventRead::Kept },
];

const RULES: &[Rule] = &[
    kind(90, "traceloop.span.kind", kind_of),
    kind(100, "llm.request.type", request_type),
    on(Field::TraceName, 40, "traceloop.workflow.name"),
    on(Field::Session, 50, "traceloop.association.properties.session_id"),
    on(Field::Session, 51, "traceloop.association.properties.thread_id"),
    on(Field::Session, 52, "traceloop.association.properties.conversation_id"),
    on(Field::Session, 53, "traceloop.association.properties.chat_id"),
    on(Field::User, 50, "traceloop.association.properties.user_id"),
    on(Field::User, 110, "llm.user"),
    on(Field::Metadata, 50, "traceloop.association.properties.").below(),
    on(Field::FinishReasons, 50, "llm.response.finish_reason"),
    on(Field::FinishReasons, 51, "llm.response.stop_reason"),
    on(Field::Model, 50, "llm.response.model"),
    on(Field::ModelRequested, 25, "llm.request.model"),
    on(Field::TokensTotal, 20, "llm.usage.total_tokens"),
    on(Field::Reasoning, 60, "llm.usage.reasoning_tokens"),
    on(Field::PromptName, 50, "traceloop.prompt.key"),
    on(Field::PromptVersion, 50, "traceloop.prompt.version"),
    on(Field::PromptVersion, 51, "traceloop.prompt.version_name"),
    param("top_k", 30, "llm.top_k"),
    param("frequency_penalty", 30, "llm.frequency_penalty"),
    param("presence_penalty", 30, "llm.presence_penalty"),
    param("stop_sequences", 30, "llm.chat.stop_sequences"),
    param("stream", 30, "llm.is_streaming"),
    on(Field::Input, 290, "traceloop.entity.input"),
    on(Field::Output, 290, "traceloop.entity.output"),
    on(Field::InputAside, 20, "traceloop.prompt.template"),
    on(Field::InputAside, 20, "traceloop.prompt.template_variables"),
    on(Field::ToolDefinitions, 40, "llm.request.functions.").indexed(),
    on(Field::ToolArguments, 70, "mcp.request.argument"),
    on(Field::ToolResult, 70, "mcp.response.value"),
    on(Field::Marker, 10, "traceloop.entity.").below(),
    on(Field::Marker, 10, "traceloop.correlation.id"),
    // Vendors of vector databases that say nothing else.
    on(Field::Kind, 183, "pinecone.").below().as_(Read::Means(SpanKind::Retriever)),
    on(Field::Kind, 183, "qdrant.").below().as_(Read::Means(SpanKind::Retriever)),
    on(Field::Kind, 183, "db.chroma.").below().as_(Read::Means(SpanKind::Retriever)),
    on(Field::Kind, 183, "db.milvus.").below().as_(Read::Means(SpanKind::Retriever)),
    on(Field::Kind, 183, "db.marqo.").below().as_(Read::Means(SpanKind::Retriever)),
    on(Field::Kind, 183, "db.weaviate.").below().as_(Read::Means(SpanKind::Retriever)),
];
