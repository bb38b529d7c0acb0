//! Anthropic's messages: request shape, blocks, thinking, tools, usage.

use crate::protocols::{Protocol, test_key};
use crate::scripted_server::{Reply, ScriptedServer};
use exhibit_provider::{
    ChatAnswer, ChatRequest, FinishReason, Message, ProviderError, ToolCall, ToolDefinition,
};
use serde_json::{Value, json};

async fn answer_to(body: impl AsRef<[u8]>) -> Result<ChatAnswer, ProviderError> {
    let server = ScriptedServer::start([Reply::stream("text/event-stream", body)]).await;
    let request = ChatRequest::prompt("m", "x");
    Protocol::Anthropic.client(&server).chat(request).await?.collect_answer().await
}

fn delta(index: u64, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn start(index: u64, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn stop(index: u64) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

fn end(reason: &str) -> [Value; 2] {
    [
        json!({"type": "message_delta", "delta": {"stop_reason": reason}}),
        json!({"type": "message_stop"}),
    ]
}

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
    ToolCall { id, name, arguments, signature: None }
}

#[tokio::test]
async fn a_whole_conversation_is_sent_in_anthropic_words() {
    let server = ScriptedServer::start([Protocol::Anthropic.answer()]).await;
    let calls = vec![call("t1", "weather", r#"{"city":"SF"}"#), call("t2", "time", "")];
    let result = |id: &str, text: &str| Message::Tool {
        call_id: id.into(),
        name: "n".into(),
        text: text.into(),
    };
    let request = ChatRequest {
        model: "m".into(),
        messages: vec![
            Message::System { text: "be brief".into() },
            Message::User { text: "weather?".into() },
            Message::Assistant { text: "let me see".into(), tool_calls: calls },
            result("t1", "fog"),
            result("t2", "noon"),
            Message::System { text: "be kind".into() },
            Message::User { text: "and?".into() },
        ],
        tools: vec![ToolDefinition {
            name: "weather".into(),
            description: String::new(),
            parameters: json!({"type": "object"}),
        }],
        temperature: Some(0.5),
        stop: vec!["END".into()],
        ..ChatRequest::default()
    };
    let stream = Protocol::Anthropic.client(&server).chat(request).await.unwrap();
    stream.collect_answer().await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!(seen.target, "/v1/messages");
    assert_eq!(seen.header("x-api-key"), Some(test_key().as_str()));
    assert_eq!(seen.header("anthropic-version"), Some("2023-06-01"));
    let expected = json!({
        "model": "m", "max_tokens": 4096, "stream": true, "system": "be brief\n\nbe kind",
        "messages": [
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": [
                {"type": "text", "text": "let me see"},
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "SF"}},
                {"type": "tool_use", "id": "t2", "name": "time", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "fog"},
                {"type": "tool_result", "tool_use_id": "t2", "content": "noon"},
            ]},
            {"role": "user", "content": "and?"},
        ],
        "tools": [{"name": "weather", "input_schema": {"type": "object"}}],
        "temperature": 0.5, "stop_sequences": ["END"],
    });
    assert_eq!(seen.body, expected);
}

#[tokio::test]
async fn what_the_protocol_cannot_carry_is_refused_before_sending() {
    let server = ScriptedServer::start([]).await;
    let client = Protocol::Anthropic.client(&server);
    let seeded = ChatRequest { seed: Some(1), ..ChatRequest::prompt("m", "x") };
    let broken = ChatRequest {
        messages: vec![Message::Assistant {
            text: String::new(),
            tool_calls: vec![call("t", "f", "{broken")],
        }],
        ..ChatRequest::prompt("m", "x")
    };
    for request in [seeded, broken] {
        assert_eq!(client.chat(request).await.unwrap_err().code(), "invalid_request");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn thinking_tools_and_unknown_blocks_are_told_apart() {
    let mut events = vec![
        json!({"type": "message_start", "message": {"id": "msg", "model": "m"}}),
        start(0, json!({"type": "thinking", "thinking": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "hm"})),
        delta(0, json!({"type": "signature_delta", "signature": "s"})),
        stop(0),
        json!({"type": "an_event_of_the_future"}),
        start(1, json!({"type": "server_tool_use", "id": "s", "name": "web_search"})),
        delta(1, json!({"type": "input_json_delta", "partial_json": "{}"})),
        stop(1),
        start(2, json!({"type": "tool_use", "id": "t1", "name": "f", "input": {}})),
        delta(2, json!({"type": "input_json_delta", "partial_json": "{\"a\""})),
        delta(2, json!({"type": "input_json_delta", "partial_json": ":1}"})),
        stop(2),
        start(3, json!({"type": "tool_use", "id": "t2", "name": "g", "input": {}})),
        stop(3),
    ];
    events.extend(end("tool_use"));
    let answer = answer_to(Protocol::Anthropic.frames(&events)).await.unwrap();
    assert_eq!((answer.reasoning.as_str(), answer.text.as_str()), ("hm", ""));
    assert_eq!(answer.tool_calls, [call("t1", "f", "{\"a\":1}"), call("t2", "g", "{}")]);
    assert_eq!(answer.finish.reason, FinishReason::ToolCalls);
    assert_eq!(answer.finish.usage, None, "none was reported");
}

#[tokio::test]
async fn usage_is_merged_and_says_that_cached_tokens_stand_beside_the_input() {
    let events = [
        json!({"type": "message_start", "message": {"id": "msg", "model": "m", "usage": {
            "input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 900,
            "cache_creation_input_tokens": 30, "service_tier": "standard",
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20}}}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {
            "output_tokens": 50, "input_tokens": null,
            "server_tool_use": {"web_search_requests": 2}}}),
        json!({"type": "message_stop"}),
    ];
    let finish = answer_to(Protocol::Anthropic.frames(&events)).await.unwrap().finish;
    assert_eq!(finish.reason, FinishReason::Length);
    assert_eq!(finish.response_id.as_deref(), Some("msg"));
    let usage = finish.usage.unwrap();
    assert!(!usage.semantics.input_includes_cache && usage.semantics.output_includes_reasoning);
    assert_eq!((usage.input_tokens, usage.output_tokens), (Some(10), Some(50)));
    assert_eq!((usage.cache_read_tokens, usage.cache_write_tokens), (Some(900), Some(30)));
    assert_eq!(usage.cache_write_5m_tokens, Some(10));
    assert_eq!(usage.cache_write_1h_tokens, Some(20));
    assert_eq!(usage.web_searches, Some(2));
    assert_eq!(usage.raw["service_tier"], "standard");
}

#[tokio::test]
async fn a_stop_inside_a_tool_call_is_a_cut() {
    let mut events = vec![start(0, json!({"type": "tool_use", "id": "t", "name": "f"}))];
    events.extend(end("tool_use"));
    let error = answer_to(Protocol::Anthropic.frames(&events)).await.unwrap_err();
    assert_eq!(error.code(), "truncated");
}

#[tokio::test]
async fn a_whole_message_is_read_from_a_server_that_does_not_stream() {
    let whole = json!({"type": "message", "id": "msg", "model": "m", "stop_reason": "tool_use",
        "content": [{"type": "text", "text": "hi"},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}],
        "usage": {"input_tokens": 1, "output_tokens": 2}});
    let answer = answer_to(whole.to_string()).await.unwrap();
    assert_eq!(answer.text, "hi");
    assert_eq!(answer.tool_calls, [call("t", "f", "{\"a\":1}")]);
    assert_eq!(answer.finish.usage.unwrap().output_tokens, Some(2));
}

#[tokio::test]
async fn a_refusal_of_the_model_is_a_content_filter() {
    let answer = answer_to(Protocol::Anthropic.frames(&end("refusal"))).await.unwrap();
    assert_eq!(answer.finish.reason, FinishReason::ContentFilter);
    assert_eq!(answer.finish.raw_reason.as_deref(), Some("refusal"));
}
