//! One realistic span of each dialect and generation, as it is mapped and read.

use serde_json::json;

use crate::support::{mapped, mapped_with_events, otlp_span, request, shown, traces};

macro_rules! snapshot {
    ($span:expr) => {
        insta::assert_json_snapshot!(shown(&$span))
    };
}

#[test]
fn genai_generation_a_keeps_content_in_span_attributes() {
    snapshot!(mapped(
        "opentelemetry.instrumentation.openai",
        "chat gpt-4",
        json!({
            "gen_ai.system": "openai", "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4", "gen_ai.response.model": "gpt-4-0613",
            "gen_ai.request.temperature": 0.2, "gen_ai.request.max_tokens": 100,
            "gen_ai.prompt": "[{\"role\":\"user\",\"content\":\"Hello\"}]",
            "gen_ai.completion": "[{\"role\":\"assistant\",\"content\":\"Hi there\"}]",
            "gen_ai.usage.prompt_tokens": 9, "gen_ai.usage.completion_tokens": 12,
            "gen_ai.response.id": "chatcmpl-1", "gen_ai.response.finish_reasons": ["stop"],
        })
    ));
}

#[test]
fn genai_generation_b_sends_messages_as_events() {
    snapshot!(mapped_with_events(
        "opentelemetry.instrumentation.openai_v2",
        json!({
            "gen_ai.system": "openai", "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o", "gen_ai.response.model": "gpt-4o-2024-08-06",
            "gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 5,
        }),
        &[
            ("gen_ai.system.message", json!({"content": "Be brief."})),
            ("gen_ai.user.message", json!({"content": "Weather in Paris?"})),
            (
                "gen_ai.assistant.message",
                json!({"tool_calls": [{"id": "c1", "type": "function",
            "function": {"name": "weather", "arguments": "{\"city\":\"Paris\"}"}}]})
            ),
            ("gen_ai.tool.message", json!({"id": "c1", "content": "sunny"})),
            (
                "gen_ai.choice",
                json!({"index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": "It is sunny."}})
            ),
        ]
    ));
}

#[test]
fn genai_generation_c_has_json_message_attributes() {
    snapshot!(mapped(
        "some.library",
        "chat claude",
        json!({
            "gen_ai.provider.name": "anthropic", "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "claude-sonnet-4-5", "gen_ai.response.model": "claude-sonnet-4-5",
            "gen_ai.conversation.id": "conv-1", "gen_ai.agent.name": "Travel",
            "gen_ai.system_instructions": "[{\"type\":\"text\",\"content\":\"You plan trips.\"}]",
            "gen_ai.input.messages": "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"Plan it\"}]}]",
            "gen_ai.output.messages": "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"reasoning\",\"content\":\"hm\"},{\"type\":\"tool_call\",\"id\":\"t1\",\"name\":\"search\",\"arguments\":{\"q\":\"Rome\"}}],\"finish_reason\":\"tool_call\"}]",
            "gen_ai.tool.definitions": "[{\"type\":\"function\",\"name\":\"search\"}]",
            "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 50,
            "gen_ai.usage.cache_read.input_tokens": 60, "gen_ai.usage.cache_creation.input_tokens": 10,
            "gen_ai.usage.reasoning.output_tokens": 20,
            "gen_ai.response.time_to_first_chunk": 0.25,
        })
    ));
}

#[test]
fn genai_generation_c_may_put_everything_into_one_details_event() {
    snapshot!(mapped_with_events(
        "some.library",
        json!({
            "gen_ai.provider.name": "openai", "gen_ai.operation.name": "chat",
        }),
        &[(
            "gen_ai.client.inference.operation.details",
            json!({
                "gen_ai.request.model": "gpt-5", "gen_ai.usage.input_tokens": 7,
                "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "Q"}]}],
                "gen_ai.output.messages": [{"role": "assistant", "parts": [{"type": "text", "content": "A"}]}],
            })
        )]
    ));
}

#[test]
fn genai_generation_d_renames_cache_writes_and_adds_memory() {
    snapshot!(mapped(
        "some.library",
        "search_memory",
        json!({
            "gen_ai.operation.name": "search_memory", "gen_ai.provider.name": "openai",
            "gen_ai.memory.query.text": "what does she like?",
            "gen_ai.memory.records": [{"id": "m1", "text": "tea"}],
            "gen_ai.usage.input_tokens": 30, "gen_ai.usage.cache_write.input_tokens": 4,
        })
    ));
}

#[test]
fn a_genai_tool_span_tells_its_tool_call() {
    snapshot!(mapped(
        "some.library",
        "execute_tool get_weather",
        json!({
            "gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.id": "call_7",
            "gen_ai.tool.call.arguments": "{\"city\":\"Oslo\"}", "gen_ai.tool.call.result": "rain",
        })
    ));
}

#[test]
fn an_mcp_tool_call_is_a_tool() {
    snapshot!(mapped(
        "mcp",
        "tools/call search",
        json!({
            "mcp.method.name": "tools/call", "mcp.session.id": "s-9", "network.transport": "pipe",
            "error.type": "tool_error",
        })
    ));
}

#[test]
fn openinference_flattens_messages_under_numbered_keys() {
    snapshot!(mapped(
        "openinference.instrumentation.openai",
        "ChatCompletion",
        json!({
            "openinference.span.kind": "LLM", "llm.provider": "openai", "llm.system": "openai",
            "llm.model_name": "gpt-4o-mini",
            "llm.invocation_parameters": "{\"temperature\": 0.1, \"messages\": [\"no\"]}",
            "input.value": "{\"messages\": []}", "input.mime_type": "application/json",
            "llm.input_messages.0.message.role": "system",
            "llm.input_messages.0.message.content": "Be kind.",
            "llm.input_messages.1.message.role": "user",
            "llm.input_messages.1.message.contents.0.message_content.type": "text",
            "llm.input_messages.1.message.contents.0.message_content.text": "What is this?",
            "llm.input_messages.1.message.contents.1.message_content.type": "image",
            "llm.input_messages.1.message.contents.1.message_content.image.image.url": "https://example.com/a.png",
            "output.value": "{}", "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.tool_calls.0.tool_call.id": "call_1",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "lookup",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": "{\"id\": 3}",
            "llm.tools.0.tool.json_schema": "{\"type\":\"function\"}",
            "llm.token_count.prompt": 50, "llm.token_count.completion": 10,
            "llm.token_count.total": 60, "llm.token_count.prompt_details.cache_read": 20,
            "llm.cost.total": 0.0012, "session.id": 42, "user.id": "u1",
            "tag.tags": ["a", "b"], "metadata": "{\"tier\":\"gold\"}",
        })
    ));
}

#[test]
fn openinference_retriever_and_tool_spans_read_input_and_output_values() {
    snapshot!(mapped(
        "openinference.instrumentation.langchain",
        "retrieve",
        json!({
            "openinference.span.kind": "RETRIEVER", "input.value": "cats",
            "retrieval.documents.0.document.id": "d0", "retrieval.documents.0.document.content": "Cats purr",
            "retrieval.documents.0.document.score": 0.9,
        })
    ));
    snapshot!(mapped(
        "openinference.instrumentation.langchain",
        "calc",
        json!({
            "openinference.span.kind": "TOOL", "tool.name": "calculator",
            "tool.parameters": "{\"type\":\"object\"}",
            "input.value": "{\"a\": 1}", "input.mime_type": "application/json", "output.value": "2",
        })
    ));
}

#[test]
fn traceloop_names_entities_and_flattens_prompts() {
    snapshot!(mapped(
        "opentelemetry.instrumentation.anthropic",
        "anthropic.chat",
        json!({
            "gen_ai.system": "Anthropic", "llm.request.type": "chat",
            "gen_ai.request.model": "claude-3-5-sonnet", "gen_ai.response.model": "claude-3-5-sonnet-20241022",
            "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "Add 1 and 1",
            "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.finish_reason": "tool_calls",
            "gen_ai.completion.0.tool_calls.0.id": "t", "gen_ai.completion.0.tool_calls.0.name": "add",
            "gen_ai.completion.0.tool_calls.0.arguments": "{\"a\":1,\"b\":1}",
            "gen_ai.usage.prompt_tokens": 40, "gen_ai.usage.completion_tokens": 8,
            "llm.usage.total_tokens": 48, "gen_ai.usage.cache_read_input_tokens": 30,
            "traceloop.workflow.name": "math", "traceloop.association.properties.session_id": "s1",
            "traceloop.association.properties.plan": "pro",
        })
    ));
    snapshot!(mapped(
        "traceloop.tracer",
        "search.tool",
        json!({
            "traceloop.span.kind": "tool", "traceloop.entity.name": "search",
            "traceloop.entity.input": "{\"args\":[\"x\"]}", "traceloop.entity.output": "\"found\"",
        })
    ));
}

#[test]
fn vercel_wrappers_repeat_the_usage_of_their_calls() {
    snapshot!(mapped(
        "ai",
        "ai.generateText",
        json!({
            "operation.name": "ai.generateText my-function", "ai.operationId": "ai.generateText",
            "ai.model.id": "gpt-4o", "ai.model.provider": "openai.chat",
            "ai.prompt": "{\"system\":\"s\",\"prompt\":\"hello\"}", "ai.response.text": "hi",
            "ai.usage.promptTokens": 10, "ai.usage.completionTokens": 3,
            "ai.telemetry.functionId": "my-function", "ai.telemetry.metadata.userId": "u9",
            "ai.telemetry.metadata.plan": "free", "ai.settings.maxRetries": 2,
        })
    ));
    snapshot!(mapped(
        "ai",
        "ai.generateText.doGenerate",
        json!({
            "ai.operationId": "ai.generateText.doGenerate", "ai.model.id": "claude-x",
            "ai.model.provider": "anthropic.messages",
            "ai.prompt.messages": "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hello\"}]}]",
            "ai.prompt.tools": ["{\"name\":\"t\"}"],
            "ai.response.text": "let me see",
            "ai.response.toolCalls": "[{\"toolCallId\":\"a\",\"toolName\":\"t\",\"input\":{\"q\":1}}]",
            "ai.response.finishReason": "tool-calls", "ai.response.msToFirstChunk": 120.5,
            "ai.usage.inputTokens": 110, "ai.usage.outputTokens": 30,
            "ai.usage.inputTokenDetails.noCacheTokens": 10,
            "ai.response.providerMetadata": "{\"anthropic\":{\"usage\":{\"cache_read_input_tokens\":100}}}",
        })
    ));
}

#[test]
fn langfuse_sends_disjoint_usage_and_trace_wide_fields() {
    snapshot!(mapped(
        "langfuse-sdk",
        "answer",
        json!({
            "langfuse.observation.type": "generation", "langfuse.observation.model.name": "gpt-4o",
            "langfuse.observation.input": "[{\"role\":\"user\",\"content\":\"q\"}]",
            "langfuse.observation.output": "{\"role\":\"assistant\",\"content\":\"a\"}",
            "langfuse.observation.usage_details": "{\"input\":10,\"input_cached_tokens\":90,\"output\":5,\"output_reasoning_tokens\":7}",
            "langfuse.observation.cost_details": "{\"input\":0.001,\"output\":0.002}",
            "langfuse.observation.model.parameters": "{\"temperature\":1}",
            "langfuse.observation.completion_start_time": "\"2027-01-15T08:00:00.500Z\"",
            "langfuse.observation.level": "ERROR", "langfuse.observation.status_message": "boom",
            "langfuse.session.id": "ls", "langfuse.user.id": "lu", "langfuse.trace.name": "Trace!",
            "langfuse.trace.tags": ["x"], "langfuse.trace.metadata.team": "blue",
            "langfuse.environment": "staging", "langfuse.release": "v9",
            "session.id": "weaker",
        })
    ));
}

#[test]
fn pydantic_ai_agents_report_aggregates_and_old_events() {
    snapshot!(mapped(
        "pydantic-ai",
        "agent run",
        json!({
            "agent_name": "helper", "model_name": "gpt-4o", "gen_ai.operation.name": "invoke_agent",
            "gen_ai.aggregated_usage.input_tokens": 99, "gen_ai.aggregated_usage.output_tokens": 1,
            "pydantic_ai.all_messages": "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"hey\"}]}]",
            "final_result": "done", "logfire.msg": "helper run",
        })
    ));
    snapshot!(mapped(
        "pydantic-ai",
        "chat gpt-4o",
        json!({
            "gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o",
            "operation.cost": 0.003, "gen_ai.usage.input_tokens": 3, "gen_ai.usage.output_tokens": 4,
            "events": "[{\"event.name\":\"gen_ai.user.message\",\"role\":\"user\",\"content\":\"hey\"},{\"event.name\":\"gen_ai.choice\",\"message\":{\"role\":\"assistant\",\"content\":\"ho\"}}]",
        })
    ));
}

#[test]
fn mlflow_encodes_every_value_as_json_text() {
    snapshot!(mapped(
        "mlflow",
        "predict",
        json!({
            "mlflow.spanType": "\"CHAT_MODEL\"", "mlflow.spanInputs": "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]}",
            "mlflow.spanOutputs": "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"finish_reason\":\"stop\"}]}",
            "mlflow.llm.model": "\"gpt-4o\"", "mlflow.llm.provider": "\"openai\"",
            "mlflow.chat.tokenUsage": "{\"input_tokens\":10,\"output_tokens\":2,\"total_tokens\":12,\"cache_read_input_tokens\":4}",
            "mlflow.llm.cost": "{\"input_cost\":0.1,\"output_cost\":0.2,\"total_cost\":0.3}",
            "mlflow.trace.session": "\"ms\"",
        })
    ));
}

#[test]
fn langsmith_names_projects_sessions_and_details_usage() {
    snapshot!(mapped(
        "langsmith",
        "ChatOpenAI",
        json!({
            "langsmith.span.kind": "LLM", "langsmith.trace.name": "run", "langsmith.trace.session_name": "proj",
            "langsmith.metadata.thread_id": "t1", "langsmith.metadata.ls_provider": "openai",
            "langsmith.span.tags": "a, b", "gen_ai.request.model": "gpt-4o",
            "gen_ai.prompt": "{\"messages\":[[{\"lc\":1,\"type\":\"constructor\",\"id\":[\"langchain\",\"HumanMessage\"],\"kwargs\":{\"content\":\"hi\"}}]]}",
            "gen_ai.completion": "{\"generations\":[[{\"text\":\"yo\",\"message\":{\"id\":[\"AIMessage\"],\"kwargs\":{\"content\":\"yo\"}}}]]}",
            "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5,
            "gen_ai.usage.input_token_details": "{\"cache_read\": 4}",
            "gen_ai.usage.output_token_details": "{\"reasoning\": 2}",
        })
    ));
}

#[test]
fn laminar_litellm_adk_and_the_rest_are_recognised() {
    snapshot!(mapped(
        "lmnr",
        "openai.chat",
        json!({
            "lmnr.span.type": "LLM", "lmnr.span.input": "[{\"role\":\"user\",\"content\":\"l\"}]",
            "lmnr.span.output": "out", "lmnr.association.properties.session_id": "lm",
            "lmnr.association.properties.metadata.k": "v",
        })
    ));
    snapshot!(mapped(
        "litellm",
        "raw_gen_ai_request",
        json!({
            "llm.openai.messages": "[]", "gen_ai.usage.input_tokens": 5, "gen_ai.usage.cost": 0.5,
        })
    ));
    snapshot!(mapped(
        "gcp.vertex.agent",
        "call_llm",
        json!({
            "gen_ai.system": "gcp.vertex.agent", "gcp.vertex.agent.session_id": "as",
            "gcp.vertex.agent.tool_call_args": "{}", "gcp.vertex.agent.tool_response": "{}",
            "gcp.vertex.agent.llm_request": "{\"model\":\"gemini\",\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"g\"}]}]}",
            "gcp.vertex.agent.llm_response": "{\"content\":{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{\"x\":1}}}]},\"usage_metadata\":{\"prompt_token_count\":8,\"candidates_token_count\":2,\"thoughts_token_count\":3}}",
        })
    ));
    snapshot!(mapped(
        "genkit-tracer",
        "generate",
        json!({
            "genkit:metadata:subtype": "model", "genkit:name": "googleai/gemini-2.0-flash",
            "genkit:input": "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"k\"}]}]}",
            "genkit:output": "{\"message\":{\"role\":\"model\",\"content\":[{\"text\":\"out\"}]},\"usage\":{\"inputTokens\":4,\"outputTokens\":6}}",
        })
    ));
    snapshot!(mapped(
        "agentops",
        "agent",
        json!({
            "agentops.span.kind": "agent", "agentops.entity.input": "in", "agentops.entity.output": "out",
            "workflow.session_id": "ws",
        })
    ));
    snapshot!(mapped(
        "@voltagent/core",
        "llm",
        json!({
            "span.type": "llm", "llm.messages": "[{\"role\":\"user\",\"content\":\"v\"}]", "output": "w",
            "usage.prompt_tokens": 3, "usage.completion_tokens": 4, "voltagent.conversation_id": "vc",
        })
    ));
    snapshot!(mapped(
        "braintrust",
        "call",
        json!({
            "braintrust.span_attributes": "{\"type\":\"llm\"}", "braintrust.input_json": "[{\"role\":\"user\",\"content\":\"b\"}]",
            "braintrust.output_json": "{\"role\":\"assistant\",\"content\":\"c\"}",
            "braintrust.metrics": "{\"prompt_tokens\":5,\"completion_tokens\":6}",
        })
    ));
    snapshot!(mapped(
        "livekit-agents",
        "function_tool",
        json!({
            "lk.function_tool.name": "dial", "lk.function_tool.output": "ok", "lk.room_name": "room",
        })
    ));
}

#[test]
fn a_claude_code_span_counts_input_without_cache() {
    snapshot!(mapped(
        "com.anthropic.claude_code.tracing",
        "claude_code.llm_request",
        json!({
            "span.type": "llm_request", "model": "claude-opus-4-5", "input_tokens": 3, "output_tokens": 200,
            "cache_read_tokens": 5000, "cache_creation_tokens": 100, "ttft_ms": 800, "success": true,
            "user_prompt": "<REDACTED>", "session.id": "cc",
        })
    ));
}

#[test]
fn what_the_resource_says_is_weaker_than_what_the_span_says() {
    let resource = json!({
        "service.name": "shop", "service.version": "3", "deployment.environment.name": "prod",
        "session.id": "of the resource",
    });
    let attributes = json!({"session.id": "of the span", "gen_ai.request.model": "m"});
    let mut span = traces(&request("x", resource, otlp_span("n", attributes))).spans.remove(0);
    exhibit_capture::map(&mut span);
    assert_eq!(span.service.as_deref(), Some("shop"));
    assert_eq!(span.version.as_deref(), Some("3"));
    assert_eq!(span.environment.as_deref(), Some("prod"));
    assert_eq!(span.session.as_deref(), Some("of the span"));
}
