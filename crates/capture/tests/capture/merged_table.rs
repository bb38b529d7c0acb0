//! The merged table of the conventions, key by key: each documented attribute, alone on a span of its
//! convention, becomes the field it stands for.

use exhibit_model::{Span, SpanKind, Status};
use serde_json::{Map, Value, json};

use crate::support::{mapped, mapped_with_events};

/// One documented key: with what it stands beside, and the scope, where a bare name says nothing.
pub(crate) struct Key(&'static str, &'static str, Value);

pub(crate) fn key(name: &'static str) -> Key {
    Key(name, "x", json!({}))
}

pub(crate) fn beside(name: &'static str, beside: Value) -> Key {
    Key(name, "x", beside)
}

pub(crate) fn within(name: &'static str, scope: &'static str, beside: Value) -> Key {
    Key(name, scope, beside)
}

pub(crate) fn span(Key(name, scope, beside): &Key, value: &Value) -> Span {
    let mut attributes: Map<String, Value> = beside.as_object().cloned().unwrap_or_default();
    attributes.insert((*name).to_owned(), value.clone());
    mapped(scope, "call", Value::Object(attributes))
}

/// Asserts that every key brings `value` into the field; names all that do not.
pub(crate) fn every<T: PartialEq + std::fmt::Debug>(
    field: &str,
    keys: &[Key],
    value: &Value,
    read: impl Fn(&Span) -> T,
    expected: &T,
) {
    let faults: Vec<String> = keys
        .iter()
        .filter_map(|key| {
            let got = read(&span(key, value));
            (got != *expected).then(|| format!("  {}: {got:?}", key.0))
        })
        .collect();
    assert!(faults.is_empty(), "{field}: these keys are not read\n{}", faults.join("\n"));
}

fn text(field: &str, keys: &[Key], read: impl Fn(&Span) -> Option<String>) {
    every(field, keys, &json!("a-value"), read, &Some("a-value".to_owned()));
}

pub(crate) fn claude() -> Value {
    json!({"span.type": "llm_request"})
}

#[test]
fn models() {
    let genkit =
        json!({"genkit:metadata:subtype": "model", "genkit:name": "googleai/gemini-2.5-pro"});
    assert_eq!(mapped("x", "call", genkit).model.as_deref(), Some("gemini-2.5-pro"));
    text(
        "model",
        &[
            key("gen_ai.response.model"),
            key("llm.response.model_name"),
            key("ai.response.model"),
            key("langfuse.observation.model.name"),
            key("llm.response.model"),
            key("mlflow.llm.model"),
            key("gen_ai.request.model"),
            key("llm.request.model_name"),
            key("llm.model_name"),
            key("ai.model.id"),
            key("aisdk.model.id"),
            key("embedding.model_name"),
            key("reranker.model_name"),
            key("ls_model_name"),
            beside("model_name", json!({"gen_ai.operation.name": "chat"})),
            beside("model", claude()),
        ],
        |span| span.model.clone(),
    );
}

#[test]
fn providers_have_one_name_each() {
    text(
        "provider",
        &[
            key("gen_ai.provider.name"),
            key("llm.provider"),
            key("mlflow.llm.provider"),
            key("ls_provider"),
            key("gen_ai.system"),
            key("llm.system"),
            key("ai.model.provider"),
            key("aisdk.model.provider"),
            key("provider_name"),
        ],
        |span| span.provider.clone(),
    );
    for names in [
        &["az.ai.openai", "azure_openai", "azure"][..],
        &["vertex_ai", "vertexai", "gcp.vertex_ai"],
        &["gemini", "google", "gcp.gemini", "gcp.gen_ai"],
        &["xai", "x_ai"],
        &["mistral", "mistralai", "mistral_ai"],
        &["bedrock", "aws", "aws.bedrock"],
        &["openai", "openai.chat", "openai.responses"],
        &["anthropic", "anthropic.messages"],
    ] {
        let canonical: Vec<_> = names
            .iter()
            .map(|name| span(&key("gen_ai.provider.name"), &json!(name)).provider)
            .collect();
        assert!(canonical.iter().all(|one| *one == canonical[0]), "{names:?}: {canonical:?}");
    }
}

#[test]
fn sessions_users_and_agents() {
    text(
        "session",
        &[
            key("langfuse.session.id"),
            key("session.id"),
            key("gen_ai.conversation.id"),
            key("lmnr.association.properties.session_id"),
            key("traceloop.association.properties.session_id"),
            key("traceloop.association.properties.thread_id"),
            key("traceloop.association.properties.conversation_id"),
            key("traceloop.association.properties.chat_id"),
            key("langsmith.metadata.session_id"),
            key("langsmith.metadata.thread_id"),
            key("langsmith.metadata.conversation_id"),
            key("ai.telemetry.metadata.sessionId"),
            key("ai.telemetry.metadata.session_id"),
            key("ai.settings.context.sessionId"),
            key("mlflow.trace.session"),
            key("thread_id"),
            key("wandb.thread_id"),
            key("conversation.id"),
            key("voltagent.conversation_id"),
            key("gcp.vertex.agent.session_id"),
            key("workflow.session_id"),
            key("lk.room_name"),
            key("gen_ai.agent.session_id"),
            beside("mcp.session.id", json!({"mcp.method.name": "tools/call"})),
        ],
        |span| span.session.clone(),
    );
    text(
        "user",
        &[
            key("langfuse.user.id"),
            key("user.id"),
            key("enduser.id"),
            key("lmnr.association.properties.user_id"),
            key("traceloop.association.properties.user_id"),
            key("langsmith.metadata.user_id"),
            key("ai.telemetry.metadata.userId"),
            key("ai.telemetry.metadata.user_id"),
            key("ai.settings.context.userId"),
            key("mlflow.trace.user"),
            key("gen_ai.user"),
            key("llm.user"),
            key("workflow.user_id"),
            key("litellm.end_user.id"),
            key("metadata.user_api_key_user_id"),
            key("user.account_uuid"),
            key("user.account_id"),
            key("user.email"),
        ],
        |span| span.user.clone(),
    );
    let agent =
        [key("gen_ai.agent.name"), key("agent.name"), key("agent_name"), key("lk.agent_name")];
    text("agent", &agent, |span| span.agent.clone());
    let id = [key("gen_ai.agent.id"), key("agent.id"), key("agent_id")];
    text("agent id", &id, |span| span.agent_id.clone());
}

#[test]
fn tools_and_what_they_were_given() {
    text(
        "tool",
        &[
            key("gen_ai.tool.name"),
            key("tool.name"),
            key("ai.toolCall.name"),
            beside("tool_name", json!({"span.type": "tool"})),
            beside("traceloop.entity.name", json!({"traceloop.span.kind": "tool"})),
            key("flue.tool.name"),
        ],
        |span| span.tool.clone(),
    );
    let named = json!({"gen_ai.operation.name": "execute_tool"});
    assert_eq!(mapped("x", "execute_tool find", named).tool.as_deref(), Some("find"));
    text(
        "tool call id",
        &[
            key("gen_ai.tool.call.id"),
            key("gen_ai.tool.call_id"),
            key("ai.toolCall.id"),
            key("tool.id"),
            key("tool_call.id"),
            key("flue.tool.call_id"),
        ],
        |span| span.tool_call_id.clone(),
    );
    let tool = || json!({"gen_ai.tool.name": "find"});
    let holds = |value: Option<Value>| value.is_some_and(|v| v.to_string().contains("a-value"));
    every(
        "tool arguments",
        &[
            beside("gen_ai.tool.call.arguments", tool()),
            beside("tool.parameters", tool()),
            beside("ai.toolCall.args", tool()),
            beside("tool_arguments", tool()),
            beside("gen_ai.tool.input", tool()),
            beside("gen_ai.tool.args", tool()),
            beside("gen_ai.tool.parameters", tool()),
            within("gcp.vertex.agent.tool_call_args", "gcp.vertex.agent", tool()),
            beside("mcp.request.argument", json!({"mcp.method.name": "tools/call"})),
            beside("tool_input", json!({"span.type": "tool", "tool_name": "find"})),
            beside("input.value", tool()),
        ],
        &json!("{\"q\":\"a-value\"}"),
        |span| holds(exhibit_capture::content(span).input),
        &true,
    );
    every(
        "tool result",
        &[
            beside("gen_ai.tool.call.result", tool()),
            beside("tool.result", tool()),
            beside("ai.toolCall.result", tool()),
            beside("tool_response", tool()),
            beside("gen_ai.tool.output", tool()),
            beside("gen_ai.tool.result", tool()),
            within("gcp.vertex.agent.tool_response", "gcp.vertex.agent", tool()),
            beside("mcp.response.value", json!({"mcp.method.name": "tools/call"})),
            beside("output.value", tool()),
        ],
        &json!("{\"q\":\"a-value\"}"),
        |span| holds(exhibit_capture::content(span).output),
        &true,
    );
}

#[test]
fn inputs_and_outputs() {
    let shown = |span: &Span| {
        let content = exhibit_capture::content(span);
        let told = json!([content.input, content.input_messages]).to_string();
        told.contains("a-value")
    };
    let messages = || json!("[{\"role\":\"user\",\"content\":\"a-value\"}]");
    every(
        "input",
        &[
            key("langfuse.observation.input"),
            key("lmnr.span.input"),
            key("mlflow.spanInputs"),
            key("gen_ai.input.messages"),
            key("llm.input_messages.0.message.content"),
            key("gen_ai.prompt.0.content"),
            key("ai.prompt.messages"),
            key("ai.prompt"),
            key("ai.value"),
            key("gen_ai.prompt"),
            within("gcp.vertex.agent.llm_request", "gcp.vertex.agent", json!({})),
            key("genkit:input"),
            key("braintrust.input_json"),
            key("braintrust.input"),
            within("pydantic_ai.all_messages", "pydantic-ai", json!({})),
            within("request_data", "logfire", json!({})),
            key("agent.messages"),
            key("llm.messages"),
            within("lk.user_input", "livekit-agents", json!({})),
            beside("user_prompt", json!({"span.type": "interaction"})),
            key("gen_ai.retrieval.query.text"),
            key("reranker.query"),
            key("traceloop.entity.input"),
            key("agentops.entity.input"),
            key("workflow.input"),
            key("gen_ai.workflow.input"),
            key("gen_ai.task.input"),
            key("input.value"),
            key("input"),
        ],
        &messages(),
        shown,
        &true,
    );
    let said = |span: &Span| {
        let content = exhibit_capture::content(span);
        json!([content.output, content.output_messages]).to_string().contains("a-value")
    };
    every(
        "output",
        &[
            key("langfuse.observation.output"),
            key("lmnr.span.output"),
            key("mlflow.spanOutputs"),
            key("gen_ai.output.messages"),
            key("llm.output_messages.0.message.content"),
            key("gen_ai.completion.0.content"),
            key("ai.response.text"),
            key("ai.response.object"),
            key("ai.result.text"),
            key("gen_ai.completion"),
            within("gcp.vertex.agent.llm_response", "gcp.vertex.agent", json!({})),
            key("genkit:output"),
            key("braintrust.output_json"),
            key("braintrust.output"),
            within("final_result", "pydantic-ai", json!({})),
            within("response_data", "logfire", json!({})),
            within("lk.response.text", "livekit-agents", json!({})),
            beside("response.model_output", claude()),
            key("traceloop.entity.output"),
            key("agentops.entity.output"),
            key("workflow.output"),
            key("workflow.final_output"),
            key("gen_ai.workflow.output"),
            key("gen_ai.task.output"),
            key("output.value"),
            key("output"),
        ],
        &messages(),
        said,
        &true,
    );
    let events = [
        ("gen_ai.content.prompt", json!({"gen_ai.prompt": "a-value"})),
        ("gen_ai.content.completion", json!({"gen_ai.completion": "a-value"})),
    ];
    let span = mapped_with_events("spring", json!({"gen_ai.operation.name": "chat"}), &events);
    assert!(shown(&span) && said(&span), "content in events");
}

#[test]
fn kinds() {
    for (name, word, kind) in [
        ("langfuse.observation.type", "generation", SpanKind::Llm),
        ("openinference.span.kind", "RETRIEVER", SpanKind::Retriever),
        ("lmnr.span.type", "LLM", SpanKind::Llm),
        ("mlflow.spanType", "CHAT_MODEL", SpanKind::Llm),
        ("langsmith.span.kind", "TOOL", SpanKind::Tool),
        ("agentops.span.kind", "agent", SpanKind::Agent),
        ("span.type", "llm_request", SpanKind::Llm),
        ("gen_ai.operation.name", "execute_tool", SpanKind::Tool),
        ("gen_ai.operation.name", "invoke_agent", SpanKind::Agent),
        ("gen_ai.operation.name", "llm_call", SpanKind::Llm),
        ("traceloop.span.kind", "tool", SpanKind::Tool),
        ("llm.request.type", "chat", SpanKind::Llm),
        ("ai.operationId", "ai.generateText.doGenerate", SpanKind::Llm),
        ("ai.operationId", "ai.toolCall", SpanKind::Tool),
        ("ai.operationId", "ai.embed.doEmbed", SpanKind::Embedding),
        ("genkit:metadata:subtype", "model", SpanKind::Llm),
        ("braintrust.span_attributes.type", "llm", SpanKind::Llm),
        ("entity.type", "agent", SpanKind::Agent),
        ("gen_ai.tool.name", "find", SpanKind::Tool),
        ("gen_ai.tool.call.id", "c1", SpanKind::Tool),
        ("tool.name", "find", SpanKind::Tool),
        ("gen_ai.retrieval.documents", "[{\"id\":1}]", SpanKind::Retriever),
        ("gen_ai.request.model", "m", SpanKind::Llm),
    ] {
        let span = span(&key(name), &json!(word));
        assert_eq!(span.kind, Some(kind), "{name} = {word}");
    }
}

#[test]
fn why_it_stopped_and_when_it_began_to_answer() {
    every(
        "finish reason",
        &[
            key("gen_ai.response.finish_reasons"),
            key("llm.finish_reason"),
            key("ai.response.finishReason"),
            key("gen_ai.response.finish_reason"),
            key("gen_ai.response.stop_reason"),
            key("llm.response.finish_reason"),
            key("llm.response.stop_reason"),
            key("gen_ai.completion.0.finish_reason"),
        ],
        &json!("length"),
        |span| span.finish_reasons.clone(),
        &vec!["length".to_owned()],
    );
    for (name, value) in [
        ("gen_ai.response.time_to_first_chunk", 0.25),
        ("gen_ai.client.operation.time_to_first_chunk", 0.25),
        ("gen_ai.server.time_to_first_token", 0.25),
        ("ai.response.msToFirstChunk", 250.0),
        ("gen_ai.streaming.time_to_first_token", 0.25),
    ] {
        let span = span(&key(name), &json!(value));
        assert_eq!(span.ttft.map(|ttft| ttft.0), Some(250_000_000), "{name}");
    }
    let claude = span(&beside("ttft_ms", claude()), &json!(250));
    assert_eq!(claude.ttft.map(|ttft| ttft.0), Some(250_000_000), "ttft_ms");
}

#[test]
fn where_it_ran_and_what_it_is_labelled() {
    let environment = [
        key("langfuse.environment"),
        key("deployment.environment.name"),
        key("deployment.environment"),
        key("gen_ai.environment"),
        key("agentops.environment"),
    ];
    text("environment", &environment, |span| span.environment.clone());
    text("version", &[key("langfuse.release"), key("service.version")], |span| {
        span.version.clone()
    });
    every(
        "tags",
        &[
            key("langfuse.trace.tags"),
            key("langfuse.tags"),
            key("tag.tags"),
            key("lmnr.association.properties.tags"),
            key("langsmith.span.tags"),
            key("logfire.tags"),
            key("ai.telemetry.metadata.tags"),
            key("agentops.tags"),
            key("braintrust.tags"),
        ],
        &json!(["a-value"]),
        |span| span.tags.clone(),
        &vec!["a-value".to_owned()],
    );
    every(
        "service tier",
        &[
            key("openai.response.service_tier"),
            key("gen_ai.openai.response.service_tier"),
            key("gen_ai.response.service_tier"),
            key("anthropic.response.service_tier"),
            key("gen_ai.openai.request.service_tier"),
        ],
        &json!("flex"),
        |span| span.service_tier.clone(),
        &Some("flex".to_owned()),
    );
}

#[test]
fn failures() {
    for (name, value, beside) in [
        ("error.type", json!("RateLimitError"), json!({})),
        ("langfuse.observation.level", json!("ERROR"), json!({})),
        ("logfire.level_num", json!(17), json!({})),
        ("http.response.status_code", json!(429), json!({"gen_ai.operation.name": "chat"})),
    ] {
        let span = span(&Key(name, "x", beside), &value);
        assert_eq!(span.status, Status::Error, "{name} = {value}: {:?}", span.status);
    }
    let words = json!({"error.type": "RateLimitError", "error.message": "too many requests"});
    let span = mapped("x", "call", words);
    assert_eq!(span.error_type.as_deref(), Some("RateLimitError"));
    assert_eq!(span.status_message.as_deref(), Some("too many requests"));
}
