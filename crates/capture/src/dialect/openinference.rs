//! OpenInference: flattened message lists, and one kind attribute on every span.

use exhibit_model::{Json, JsonMap, SpanKind};

use super::rule::{Dialect, Field, Read, Rule, kind, on};

pub(super) static DIALECT: Dialect =
    Dialect { scopes: &["openinference.instrumentation"], ..Dialect::new("openinference", RULES) };

/// The kind a word of this dialect names; shared by those that borrow its words.
pub(super) fn kind_of(word: &str) -> Option<SpanKind> {
    Some(match word.trim().to_ascii_uppercase().as_str() {
        "LLM" => SpanKind::Llm,
        "EMBEDDING" => SpanKind::Embedding,
        "CHAIN" => SpanKind::Chain,
        "RETRIEVER" => SpanKind::Retriever,
        "RERANKER" => SpanKind::Reranker,
        "TOOL" => SpanKind::Tool,
        "AGENT" => SpanKind::Agent,
        "GUARDRAIL" => SpanKind::Guardrail,
        "EVALUATOR" => SpanKind::Evaluator,
        "PROMPT" => SpanKind::Prompt,
        _ => return None,
    })
}

const RULES: &[Rule] = &[
    kind(20, "openinference.span.kind", kind_of),
    on(Field::Kind, 162, "tool.name").as_(Read::Means(SpanKind::Tool)),
    on(Field::Kind, 181, "retrieval.documents.").indexed().as_(Read::Means(SpanKind::Retriever)),
    on(Field::Kind, 191, "embedding.embeddings.").indexed().as_(Read::Means(SpanKind::Embedding)),
    on(Field::Kind, 192, "embedding.model_name").as_(Read::Means(SpanKind::Embedding)),
    on(Field::Kind, 193, "reranker.model_name").as_(Read::Means(SpanKind::Reranker)),
    on(Field::Kind, 208, "llm.model_name").as_(Read::Means(SpanKind::Llm)),
    on(Field::Kind, 209, "llm.input_messages.").indexed().as_(Read::Means(SpanKind::Llm)),
    on(Field::Model, 20, "llm.response.model_name"),
    on(Field::ModelRequested, 20, "llm.request.model_name"),
    on(Field::ModelRequested, 30, "llm.model_name"),
    on(Field::ModelRequested, 60, "embedding.model_name"),
    on(Field::ModelRequested, 70, "reranker.model_name"),
    on(Field::Provider, 20, "llm.provider"),
    on(Field::Provider, 60, "llm.system"),
    on(Field::Agent, 20, "agent.name"),
    on(Field::Tool, 20, "tool.name"),
    on(Field::ToolCallId, 40, "tool.id"),
    on(Field::ToolCallId, 41, "tool_call.id"),
    on(Field::FinishReasons, 20, "llm.finish_reason"),
    on(Field::PromptName, 30, "prompt.id"),
    on(Field::PromptVersion, 30, "llm.prompt_template.version"),
    on(Field::Service, 20, "openinference.project.name"),
    on(Field::Tags, 30, "tag.tags"),
    on(Field::Metadata, 30, "metadata"),
    on(Field::Param, 20, "llm.invocation_parameters"),
    on(Field::Param, 21, "embedding.invocation_parameters"),
    on(Field::TokensIn, 30, "llm.token_count.prompt"),
    on(Field::TokensOut, 30, "llm.token_count.completion"),
    on(Field::TokensTotal, 30, "llm.token_count.total"),
    on(Field::CacheRead, 80, "llm.token_count.prompt_details.cache_read"),
    on(Field::CacheRead, 90, "llm.token_count.prompt_details.cache_input"),
    on(Field::CacheWrite, 90, "llm.token_count.prompt_details.cache_write"),
    on(Field::Reasoning, 70, "llm.token_count.completion_details.reasoning"),
    on(Field::AudioIn, 30, "llm.token_count.prompt_details.audio"),
    on(Field::AudioOut, 40, "llm.token_count.completion_details.audio"),
    on(Field::Cost, 30, "llm.cost.total"),
    on(Field::CostIn, 30, "llm.cost.prompt"),
    on(Field::CostOut, 30, "llm.cost.completion"),
    // Content.
    on(Field::Input, 60, "llm.input_messages.").indexed().as_(Read::Folded(messages)),
    on(Field::Input, 61, "llm.prompts.").indexed().as_(Read::Folded(prompts)),
    on(Field::Input, 280, "reranker.query"),
    on(Field::Input, 320, "input.value"),
    on(Field::InputAside, 10, "reranker.input_documents.").indexed(),
    on(Field::InputAside, 10, "embedding.embeddings.").indexed(),
    on(Field::InputAside, 10, "llm.prompt_template.template"),
    on(Field::InputAside, 10, "llm.prompt_template.variables"),
    on(Field::InputAside, 10, "llm.function_call"),
    on(Field::ToolDefinitions, 30, "llm.tools.").indexed().as_(Read::Folded(tools)),
    // May be the tool's schema, so that the generic input goes before it.
    on(Field::ToolArguments, 310, "tool.parameters"),
    on(Field::Output, 60, "llm.output_messages.").indexed().as_(Read::Folded(messages)),
    on(Field::Output, 61, "llm.choices.").indexed().as_(Read::Folded(choices)),
    on(Field::Output, 320, "output.value"),
    on(Field::ToolResult, 20, "tool.result"),
    on(Field::Documents, 20, "retrieval.documents.").indexed().as_(Read::Folded(documents)),
    on(Field::Documents, 30, "reranker.output_documents.").indexed().as_(Read::Folded(documents)),
    on(Field::Marker, 10, "input.mime_type"),
    on(Field::Marker, 10, "output.mime_type"),
    on(Field::Marker, 10, "graph.node.").below(),
];

/// Each entry of a list is one object under a fixed name; takes it out.
fn unwrap_each(list: Json, name: &str, inner: fn(Json) -> Json) -> Json {
    let Json::Array(items) = list else { return list };
    Json::Array(
        items
            .into_iter()
            .map(|item| match item {
                Json::Object(mut map) if map.contains_key(name) => {
                    inner(map.shift_remove(name).unwrap_or_default())
                }
                other => inner(other),
            })
            .collect(),
    )
}

fn messages(list: Json) -> Json {
    unwrap_each(list, "message", message)
}

fn documents(list: Json) -> Json {
    unwrap_each(list, "document", |document| document)
}

fn prompts(list: Json) -> Json {
    unwrap_each(list, "prompt", text_of)
}

fn choices(list: Json) -> Json {
    unwrap_each(list, "completion", text_of)
}

fn tools(list: Json) -> Json {
    unwrap_each(list, "tool", |tool| match tool {
        Json::Object(mut map) => match map.shift_remove("json_schema") {
            Some(Json::String(text)) => {
                crate::json::parse_inner(&text).unwrap_or(Json::String(text))
            }
            Some(schema) => schema,
            None => Json::Object(map),
        },
        other => other,
    })
}

fn text_of(value: Json) -> Json {
    match value {
        Json::Object(mut map) => map.shift_remove("text").unwrap_or(Json::Object(map)),
        other => other,
    }
}

/// One flattened message in the shape of a chat request.
fn message(value: Json) -> Json {
    let Json::Object(mut map) = value else { return value };
    if let Some(contents) = map.shift_remove("contents") {
        let contents = unwrap_each(contents, "message_content", content);
        map.insert("content".into(), contents);
    }
    if let Some(calls) = map.shift_remove("tool_calls") {
        map.insert("tool_calls".into(), unwrap_each(calls, "tool_call", |call| call));
    }
    let name = map.shift_remove("function_call_name");
    let arguments = map.shift_remove("function_call_arguments_json");
    if let Some(name) = name {
        let mut call = JsonMap::new();
        call.insert("name".into(), name);
        call.insert("arguments".into(), arguments.unwrap_or_default());
        map.insert("function_call".into(), Json::Object(call));
    }
    Json::Object(map)
}

fn content(value: Json) -> Json {
    let Json::Object(mut map) = value else { return value };
    // `image.image.url` and `audio.url` fold into objects of their own.
    if let Some(Json::Object(mut image)) = map.shift_remove("image") {
        let inner = image.shift_remove("image").unwrap_or(Json::Object(image));
        map.insert("image_url".into(), inner);
    }
    Json::Object(map)
}
