//! The OpenTelemetry GenAI semantic conventions, all generations that coexist: content in span
//! attributes (up to 1.27), in message events (1.28 to 1.36), in JSON message attributes or one
//! details event (1.37 on), and the renames of the conventions' own repository.

use exhibit_model::{Json, Span, SpanKind};

use super::rule::{Dialect, Draft, EventRead, EventRule, Field, Read, Rule, kind, on, param};

pub(super) static DIALECT: Dialect =
    Dialect { events: EVENTS, refine: Some(refine), ..Dialect::new("otel-genai", RULES) };

/// The kind an operation name tells; vendors' own operations included.
pub(super) fn operation(word: &str) -> Option<SpanKind> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "chat" | "generate_content" | "text_completion" | "completion" | "completions"
        | "generate" | "response" | "responses" | "llm_call" | "llm_request" | "image"
        | "image_generation" | "audio" | "speech" | "transcription" | "model_request" => {
            SpanKind::Llm
        }
        "embeddings" | "embedding" => SpanKind::Embedding,
        "rerank" => SpanKind::Reranker,
        "retrieval" | "vector_db_retrieve" | "vectordb" => SpanKind::Retriever,
        "create_agent" | "invoke_agent" | "agent_call" | "agent" | "agent_step" => SpanKind::Agent,
        "invoke_workflow" | "workflow" | "chain" => SpanKind::Chain,
        "execute_task" | "task" => SpanKind::Task,
        "execute_tool" | "tool_call" | "tool" | "schedule_tool_calls" => SpanKind::Tool,
        "plan" => SpanKind::Plan,
        "guardrail.run" | "guard" | "guardrail" => SpanKind::Guardrail,
        "evaluate" | "evaluation" => SpanKind::Evaluator,
        "create_memory_store"
        | "delete_memory_store"
        | "create_memory"
        | "update_memory"
        | "upsert_memory"
        | "delete_memory"
        | "search_memory"
        | "memory" => SpanKind::Memory,
        "user_prompt" | "system_prompt" | "user_prompt_processing" => SpanKind::Prompt,
        _ => return None,
    })
}

/// Names alone do not make a span a model call: usage does, or the model that gave it.
fn refine(span: &Span, draft: &mut Draft) {
    if draft.tool.is_none()
        && draft.kind == Some(SpanKind::Tool)
        && let Some(name) = span.name.as_deref()
    {
        draft.tool = ["execute_tool ", "running tool: ", "anthropic.tool_use "]
            .iter()
            .find_map(|start| name.strip_prefix(start))
            .filter(|rest| !rest.trim().is_empty())
            .map(|rest| rest.trim().to_owned());
    }
    // The wrapper of this scope repeats the sum of the calls below it.
    if span.scope.name == "gen_ai" && draft.kind == Some(SpanKind::Agent) {
        draft.aggregate = true;
    }
}

fn is_failure(value: &Json) -> bool {
    value.as_str().is_some_and(|s| s == "failure")
}

const EVENTS: &[EventRule] = &[
    EventRule { name: "gen_ai.client.inference.operation.details", read: EventRead::Attributes },
    EventRule { name: "gen_ai.content.prompt", read: EventRead::Attributes },
    EventRule { name: "gen_ai.content.completion", read: EventRead::Attributes },
    EventRule { name: "gen_ai.system.message", read: EventRead::InputMessage("system") },
    EventRule { name: "gen_ai.user.message", read: EventRead::InputMessage("user") },
    EventRule { name: "gen_ai.assistant.message", read: EventRead::InputMessage("assistant") },
    EventRule { name: "gen_ai.tool.message", read: EventRead::InputMessage("tool") },
    EventRule { name: "gen_ai.choice", read: EventRead::OutputMessage },
    EventRule { name: "gen_ai.evaluation.result", read: EventRead::Kept },
    EventRule { name: "gen_ai.client.operation.exception", read: EventRead::Exception },
];

const RULES: &[Rule] = &[
    kind(80, "gen_ai.operation.name", operation),
    on(Field::Kind, 160, "gen_ai.tool.name").as_(Read::Means(SpanKind::Tool)),
    on(Field::Kind, 161, "gen_ai.tool.call.id").as_(Read::Means(SpanKind::Tool)),
    on(Field::Kind, 180, "gen_ai.retrieval.documents").as_(Read::Means(SpanKind::Retriever)),
    on(Field::Kind, 190, "gen_ai.embeddings.dimension.count").as_(Read::Means(SpanKind::Embedding)),
    on(Field::Kind, 200, "gen_ai.response.model").as_(Read::Means(SpanKind::Llm)),
    on(Field::Kind, 201, "gen_ai.request.model").as_(Read::Means(SpanKind::Llm)),
    on(Field::Kind, 202, "gen_ai.usage.").below().as_(Read::Means(SpanKind::Llm)),
    on(Field::Kind, 202, "gen_ai.usage.input_tokens").as_(Read::Means(SpanKind::Llm)),
    on(Field::Kind, 202, "gen_ai.usage.output_tokens").as_(Read::Means(SpanKind::Llm)),
    on(Field::Kind, 202, "gen_ai.usage.prompt_tokens").as_(Read::Means(SpanKind::Llm)),
    on(Field::Kind, 203, "gen_ai.input.messages").as_(Read::Means(SpanKind::Llm)),
    on(Field::Kind, 204, "gen_ai.output.messages").as_(Read::Means(SpanKind::Llm)),
    on(Field::Kind, 205, "gen_ai.prompt").as_(Read::Means(SpanKind::Llm)),
    on(Field::Kind, 206, "gen_ai.completion").as_(Read::Means(SpanKind::Llm)),
    on(Field::Kind, 207, "gen_ai.prompt.").indexed().as_(Read::Means(SpanKind::Llm)),
    on(Field::Model, 10, "gen_ai.response.model"),
    on(Field::ModelRequested, 10, "gen_ai.request.model"),
    on(Field::Provider, 10, "gen_ai.provider.name"),
    on(Field::Provider, 50, "gen_ai.system"),
    on(Field::ServiceTier, 10, "openai.response.service_tier"),
    on(Field::ServiceTier, 20, "gen_ai.openai.response.service_tier"),
    on(Field::ServiceTier, 30, "gen_ai.response.service_tier"),
    on(Field::ServiceTier, 40, "anthropic.response.service_tier"),
    on(Field::ServiceTier, 50, "openai.request.service_tier").as_(Read::Word(stated_tier)),
    on(Field::ServiceTier, 60, "gen_ai.openai.request.service_tier").as_(Read::Word(stated_tier)),
    on(Field::ServiceTier, 70, "gen_ai.request.service_tier").as_(Read::Word(stated_tier)),
    on(Field::ServiceTier, 80, "anthropic.request.service_tier").as_(Read::Word(stated_tier)),
    on(Field::ServiceTier, 100, "gen_ai.request.batch").as_(Read::Word(batch)),
    on(Field::Session, 30, "gen_ai.conversation.id"),
    on(Field::Session, 170, "gen_ai.agent.session_id"),
    on(Field::User, 100, "gen_ai.user"),
    on(Field::Agent, 10, "gen_ai.agent.name"),
    on(Field::AgentId, 10, "gen_ai.agent.id"),
    on(Field::Environment, 40, "gen_ai.environment"),
    on(Field::TraceName, 60, "gen_ai.workflow.name"),
    on(Field::Tool, 10, "gen_ai.tool.name"),
    on(Field::ToolCallId, 10, "gen_ai.tool.call.id"),
    on(Field::ToolCallId, 20, "gen_ai.tool.call_id"),
    on(Field::ResponseId, 10, "gen_ai.response.id"),
    on(Field::FinishReasons, 10, "gen_ai.response.finish_reasons"),
    on(Field::FinishReasons, 40, "gen_ai.response.finish_reason"),
    on(Field::FinishReasons, 41, "gen_ai.response.stop_reason"),
    on(Field::Ttft, 10, "gen_ai.response.time_to_first_chunk"),
    on(Field::Ttft, 20, "gen_ai.client.operation.time_to_first_chunk"),
    on(Field::Ttft, 30, "gen_ai.server.time_to_first_token"),
    on(Field::Ttft, 70, "gen_ai.streaming.time_to_first_token"),
    on(Field::PromptName, 10, "gen_ai.prompt.name"),
    on(Field::PromptVersion, 10, "gen_ai.prompt.version"),
    on(Field::Failure, 40, "gen_ai.task.status").as_(Read::When(is_failure)),
    // Parameters.
    param("temperature", 10, "gen_ai.request.temperature"),
    param("top_p", 10, "gen_ai.request.top_p"),
    param("top_k", 10, "gen_ai.request.top_k"),
    param("max_tokens", 10, "gen_ai.request.max_tokens"),
    param("stop_sequences", 10, "gen_ai.request.stop_sequences"),
    param("seed", 10, "gen_ai.request.seed"),
    param("frequency_penalty", 10, "gen_ai.request.frequency_penalty"),
    param("presence_penalty", 10, "gen_ai.request.presence_penalty"),
    param("n", 10, "gen_ai.request.choice.count"),
    param("stream", 10, "gen_ai.request.stream"),
    param("encoding_formats", 10, "gen_ai.request.encoding_formats"),
    param("reasoning_level", 10, "gen_ai.request.reasoning.level"),
    param("reasoning_effort", 10, "gen_ai.request.reasoning_effort"),
    param("previous_response_id", 10, "gen_ai.request.previous_response.id"),
    param("response_format", 10, "gen_ai.openai.request.response_format"),
    param("seed", 20, "gen_ai.openai.request.seed"),
    param("output_type", 10, "gen_ai.output.type"),
    param("dimensions", 10, "gen_ai.embeddings.dimension.count"),
    param("retrieval_top_k", 10, "gen_ai.retrieval.top_k"),
    // Tokens. The spellings of vendors that use this namespace stand here too.
    on(Field::TokensIn, 10, "gen_ai.usage.input_tokens"),
    on(Field::TokensIn, 20, "gen_ai.usage.prompt_tokens"),
    on(Field::TokensOut, 10, "gen_ai.usage.output_tokens"),
    on(Field::TokensOut, 20, "gen_ai.usage.completion_tokens"),
    on(Field::TokensTotal, 10, "gen_ai.usage.total_tokens"),
    on(Field::CacheRead, 10, "gen_ai.usage.cache_read.input_tokens"),
    on(Field::CacheRead, 20, "gen_ai.usage.cache_read_input_tokens"),
    on(Field::CacheRead, 30, "gen_ai.usage.cache_read_tokens"),
    on(Field::CacheRead, 40, "gen_ai.usage.details.cache_read_tokens"),
    on(Field::CacheRead, 50, "gen_ai.usage.details.cache_read_input_tokens"),
    on(Field::CacheRead, 60, "gen_ai.usage.input_tokens.cached"),
    on(Field::CacheRead, 70, "gen_ai.usage.prompt_tokens_details.cached_tokens"),
    on(Field::CacheWrite, 10, "gen_ai.usage.cache_write.input_tokens"),
    on(Field::CacheWrite, 20, "gen_ai.usage.cache_creation.input_tokens"),
    on(Field::CacheWrite, 30, "gen_ai.usage.cache_creation_input_tokens"),
    on(Field::CacheWrite, 40, "gen_ai.usage.cache_write_tokens"),
    on(Field::CacheWrite, 50, "gen_ai.usage.details.cache_write_tokens"),
    on(Field::CacheWrite, 60, "gen_ai.usage.details.cache_creation_input_tokens"),
    on(Field::CacheWrite, 70, "gen_ai.usage.input_tokens.cache_write"),
    on(Field::CacheWrite, 80, "gen_ai.usage.prompt_tokens_details.cache_creation_tokens"),
    on(Field::CacheWrite5m, 10, "gen_ai.usage.cache_creation.input_tokens.ephemeral_5m"),
    on(Field::CacheWrite1h, 10, "gen_ai.usage.cache_creation.input_tokens.ephemeral_1h"),
    on(Field::Reasoning, 10, "gen_ai.usage.reasoning.output_tokens"),
    on(Field::Reasoning, 20, "gen_ai.usage.reasoning_tokens"),
    on(Field::Reasoning, 30, "gen_ai.usage.details.reasoning_tokens"),
    on(Field::Reasoning, 40, "gen_ai.usage.output_tokens.reasoning"),
    on(Field::Reasoning, 50, "gen_ai.usage.completion_tokens_details.reasoning_tokens"),
    on(Field::AudioIn, 10, "gen_ai.usage.audio.input_tokens"),
    on(Field::AudioIn, 20, "gen_ai.usage.audio_input_tokens"),
    on(Field::AudioOut, 10, "gen_ai.usage.audio.output_tokens"),
    on(Field::AudioOut, 20, "gen_ai.usage.audio_output_tokens"),
    on(Field::AudioOut, 30, "gen_ai.usage.completion_tokens_details.audio_tokens"),
    on(Field::ImageIn, 10, "gen_ai.usage.image.input_tokens"),
    on(Field::ImageOut, 10, "gen_ai.usage.image.output_tokens"),
    on(Field::AggregateIn, 10, "gen_ai.aggregated_usage.input_tokens"),
    on(Field::AggregateOut, 10, "gen_ai.aggregated_usage.output_tokens"),
    on(Field::Cost, 20, "gen_ai.usage.cost"),
    on(Field::Cost, 40, "gen_ai.usage.total_cost"),
    on(Field::Cost, 50, "gen_ai.cost.total_cost"),
    on(Field::CostIn, 10, "gen_ai.usage.input_cost"),
    on(Field::CostOut, 10, "gen_ai.usage.output_cost"),
    on(Field::CostIn, 20, "gen_ai.cost.input_cost"),
    on(Field::CostOut, 20, "gen_ai.cost.output_cost"),
    // Content.
    on(Field::Input, 40, "gen_ai.input.messages"),
    on(Field::Input, 41, "gen_ai.request.messages"),
    on(Field::Input, 70, "gen_ai.prompt.").indexed(),
    on(Field::Input, 120, "gen_ai.prompt"),
    on(Field::Input, 270, "gen_ai.retrieval.query.text"),
    on(Field::Input, 271, "gen_ai.memory.query.text"),
    on(Field::Input, 310, "gen_ai.workflow.input"),
    on(Field::Input, 311, "gen_ai.task.input"),
    on(Field::System, 10, "gen_ai.system_instructions"),
    on(Field::ToolDefinitions, 10, "gen_ai.tool.definitions"),
    on(Field::ToolDefinitions, 20, "gen_ai.request.available_tools"),
    on(Field::ToolArguments, 10, "gen_ai.tool.call.arguments"),
    on(Field::ToolArguments, 50, "gen_ai.tool.input"),
    on(Field::ToolArguments, 51, "gen_ai.tool.args"),
    on(Field::ToolArguments, 52, "gen_ai.tool.parameters"),
    on(Field::Output, 40, "gen_ai.output.messages"),
    on(Field::Output, 41, "gen_ai.response.text"),
    on(Field::Output, 70, "gen_ai.completion.").indexed(),
    on(Field::Output, 120, "gen_ai.completion"),
    on(Field::Output, 271, "gen_ai.memory.records"),
    on(Field::Output, 310, "gen_ai.workflow.output"),
    on(Field::Output, 311, "gen_ai.task.output"),
    on(Field::OutputCalls, 20, "gen_ai.response.tool_calls"),
    on(Field::OutputReasoning, 20, "gen_ai.content.reasoning"),
    on(Field::ToolResult, 10, "gen_ai.tool.call.result"),
    on(Field::ToolResult, 50, "gen_ai.tool.output"),
    on(Field::ToolResult, 51, "gen_ai.tool.result"),
    on(Field::Documents, 10, "gen_ai.retrieval.documents"),
    on(Field::OutputAside, 10, "gen_ai.content.revised_prompt"),
];

/// A requested tier that leaves the choice to the provider says nothing.
fn stated_tier(word: &str) -> Option<String> {
    (!word.eq_ignore_ascii_case("auto")).then(|| word.to_owned())
}

fn batch(word: &str) -> Option<String> {
    (word == "true").then(|| "batch".to_owned())
}
