//! The Vercel AI SDK's own exporter (scope `ai`). Its newer one speaks the GenAI conventions.

use exhibit_model::{Json, Span, SpanKind};

use super::rule::{Dialect, Draft, EventRead, EventRule, Field, Read, Rule, kind, on};

pub(super) static DIALECT: Dialect =
    Dialect { events: EVENTS, refine: Some(refine), ..Dialect::new("vercel-ai", RULES) };

/// The kind an operation tells: `ai.generateText` wraps the calls `ai.generateText.doGenerate`.
fn operation(word: &str) -> Option<SpanKind> {
    let word = word.split_whitespace().next().unwrap_or_default();
    let at = word.find("ai.")?;
    let (name, call) = match word[at + 3..].split_once('.') {
        Some((name, call)) => (name, call),
        None => (&word[at + 3..], ""),
    };
    let wraps = call.is_empty();
    Some(match name {
        "generateText" | "streamText" | "generateObject" | "streamObject" | "embed"
        | "embedMany"
            if wraps =>
        {
            SpanKind::Chain
        }
        "generateText" | "streamText" | "generateObject" | "streamObject" => SpanKind::Llm,
        "embed" | "embedMany" => SpanKind::Embedding,
        "rerank" => SpanKind::Reranker,
        "toolCall" => SpanKind::Tool,
        _ => return None,
    })
}

/// The wrappers repeat the sum of their calls.
fn refine(span: &Span, draft: &mut Draft) {
    if draft.kind.is_some_and(SpanKind::is_container) && span.attribute("ai.operationId").is_some()
    {
        draft.aggregate = true;
    }
}

/// `openai.responses` names the provider and the kind of its interface.
fn provider(word: &str) -> Option<String> {
    word.split('.').next().filter(|w| !w.is_empty()).map(str::to_owned)
}

/// A list of JSON texts as a list of values.
fn each_unfolded(list: Json) -> Json {
    match list {
        Json::Array(items) => {
            items.iter().map(|item| crate::read::unfolded(item).into_owned()).collect()
        }
        other => other,
    }
}

const EVENTS: &[EventRule] = &[
    EventRule { name: "ai.stream.firstChunk", read: EventRead::Attributes },
    EventRule { name: "ai.stream.finish", read: EventRead::Attributes },
];

const META: &str = "ai.response.providerMetadata";

const RULES: &[Rule] = &[
    kind(110, "ai.operationId", operation),
    kind(111, "operation.name", operation),
    on(Field::Model, 30, "ai.response.model"),
    on(Field::ModelRequested, 40, "ai.model.id"),
    on(Field::ModelRequested, 50, "aisdk.model.id"),
    on(Field::Provider, 70, "ai.model.provider").as_(Read::Word(provider)),
    on(Field::Provider, 80, "aisdk.model.provider").as_(Read::Word(provider)),
    on(Field::TraceName, 50, "ai.telemetry.functionId"),
    on(Field::Session, 70, "ai.telemetry.metadata.sessionId"),
    on(Field::Session, 71, "ai.telemetry.metadata.session_id"),
    on(Field::Session, 72, "ai.settings.context.sessionId"),
    on(Field::User, 70, "ai.telemetry.metadata.userId"),
    on(Field::User, 71, "ai.telemetry.metadata.user_id"),
    on(Field::User, 72, "ai.settings.context.userId"),
    on(Field::Tags, 60, "ai.telemetry.metadata.tags"),
    on(Field::Metadata, 60, "ai.telemetry.metadata.").below(),
    on(Field::PromptName, 60, "ai.telemetry.metadata.langfusePrompt").at(&["name"]),
    on(Field::PromptVersion, 60, "ai.telemetry.metadata.langfusePrompt").at(&["version"]),
    on(Field::Tool, 30, "ai.toolCall.name"),
    on(Field::ToolCallId, 30, "ai.toolCall.id"),
    on(Field::ResponseId, 30, "ai.response.id"),
    on(Field::FinishReasons, 30, "ai.response.finishReason"),
    on(Field::Ttft, 50, "ai.response.msToFirstChunk").as_(Read::Millis),
    on(Field::Ttft, 51, "ai.stream.msToFirstChunk").as_(Read::Millis),
    on(Field::Param, 40, "ai.settings.").below(),
    on(Field::TokensIn, 40, "ai.usage.inputTokens"),
    on(Field::TokensIn, 50, "ai.usage.promptTokens"),
    on(Field::TokensIn, 60, "ai.usage.tokens"),
    on(Field::TokensUncached, 10, "ai.usage.inputTokenDetails.noCacheTokens"),
    on(Field::TokensOut, 40, "ai.usage.outputTokens"),
    on(Field::TokensOut, 50, "ai.usage.completionTokens"),
    on(Field::TokensTotal, 40, "ai.usage.totalTokens"),
    on(Field::CacheRead, 100, "ai.usage.inputTokenDetails.cacheReadTokens"),
    on(Field::CacheRead, 110, "ai.usage.cachedInputTokens"),
    on(Field::CacheRead, 120, META).at(&["openai", "cachedPromptTokens"]),
    on(Field::CacheRead, 121, META).at(&["anthropic", "usage", "cache_read_input_tokens"]),
    on(Field::CacheRead, 122, META).at(&["anthropic", "cacheReadInputTokens"]),
    on(Field::CacheRead, 123, META).at(&["bedrock", "usage", "cacheReadInputTokens"]),
    on(Field::CacheWrite, 100, "ai.usage.inputTokenDetails.cacheWriteTokens"),
    on(Field::CacheWrite, 121, META).at(&["anthropic", "usage", "cache_creation_input_tokens"]),
    on(Field::CacheWrite, 122, META).at(&["anthropic", "cacheCreationInputTokens"]),
    on(Field::CacheWrite, 123, META).at(&["bedrock", "usage", "cacheWriteInputTokens"]),
    on(Field::CacheWrite, 124, META).at(&["bedrock", "usage", "cacheCreationInputTokens"]),
    on(Field::CacheWrite5m, 30, META).at(&[
        "anthropic",
        "usage",
        "cache_creation",
        "ephemeral_5m_input_tokens",
    ]),
    on(Field::CacheWrite1h, 30, META).at(&[
        "anthropic",
        "usage",
        "cache_creation",
        "ephemeral_1h_input_tokens",
    ]),
    on(Field::Reasoning, 80, "ai.usage.outputTokenDetails.reasoningTokens"),
    on(Field::Reasoning, 90, "ai.usage.reasoningTokens"),
    on(Field::Reasoning, 95, META).at(&["openai", "reasoningTokens"]),
    on(Field::Cost, 120, META).at(&["gateway", "cost"]),
    on(Field::Input, 90, "ai.prompt.messages"),
    on(Field::Input, 100, "ai.prompt"),
    on(Field::Input, 110, "ai.value"),
    on(Field::Input, 111, "ai.values"),
    on(Field::Input, 112, "ai.documents"),
    on(Field::InputAside, 30, "ai.schema"),
    on(Field::ToolDefinitions, 50, "ai.prompt.tools").as_(Read::Folded(each_unfolded)),
    on(Field::ToolArguments, 30, "ai.toolCall.args"),
    on(Field::Output, 90, "ai.response.text"),
    on(Field::Output, 91, "ai.response.object"),
    on(Field::Output, 92, "ai.result.text"),
    on(Field::Output, 93, "ai.result.object"),
    on(Field::Output, 96, "ai.response.files"),
    on(Field::Output, 110, "ai.embedding"),
    on(Field::Output, 111, "ai.embeddings"),
    on(Field::Output, 112, "ai.ranking"),
    on(Field::OutputCalls, 30, "ai.response.toolCalls"),
    on(Field::OutputCalls, 31, "ai.result.toolCalls"),
    on(Field::OutputReasoning, 30, "ai.response.reasoning"),
    on(Field::ToolResult, 30, "ai.toolCall.result"),
    on(Field::Marker, 10, "ai.response.").below(),
];
