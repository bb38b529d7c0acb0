//! OpenAI's Responses API: request shape, tool calls, endings, refusals of what it cannot carry.

use crate::protocols::Protocol;
use crate::scripted_server::{Reply, ScriptedServer};
use exhibit_provider::{
    ChatAnswer, ChatRequest, FinishReason, Message, ProviderError, ToolCall, ToolDefinition,
};
use serde_json::{Value, json};

async fn answer_to(events: &[Value]) -> Result<ChatAnswer, ProviderError> {
    let body = Protocol::Responses.frames(events);
    let server = ScriptedServer::start([Reply::stream("text/event-stream", body)]).await;
    let request = ChatRequest::prompt("m", "x");
    Protocol::Responses.client(&server).chat(request).await?.collect_answer().await
}

fn call() -> ToolCall {
    ToolCall {
        id: "call_1".into(),
        name: "weather".into(),
        arguments: r#"{"city":"SF"}"#.into(),
        signature: None,
    }
}

fn end(kind: &str, more: Value) -> Value {
    let mut response = json!({"id": "r", "model": "m", "error": null});
    response.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"type": kind, "response": response})
}

#[tokio::test]
async fn a_whole_conversation_is_sent_as_items_and_nothing_is_kept_there() {
    let server = ScriptedServer::start([Protocol::Responses.answer()]).await;
    let request = ChatRequest {
        model: "m".into(),
        messages: vec![
            Message::System { text: "be brief".into() },
            Message::User { text: "weather?".into() },
            Message::Assistant { text: String::new(), tool_calls: vec![call()] },
            Message::Tool { call_id: "call_1".into(), name: "weather".into(), text: "fog".into() },
        ],
        tools: vec![ToolDefinition {
            name: "weather".into(),
            description: "tells the weather".into(),
            parameters: json!({"type": "object"}),
        }],
        temperature: Some(0.5),
        output_tokens_max: Some(100),
        ..ChatRequest::default()
    };
    let answer = Protocol::Responses.client(&server).chat(request).await.unwrap();
    answer.collect_answer().await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!(seen.target, "/v1/responses");
    let expected = json!({
        "model": "m",
        "input": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "weather?"},
            {"type": "function_call", "call_id": "call_1", "name": "weather",
                "arguments": "{\"city\":\"SF\"}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "fog"},
        ],
        "stream": true, "store": false,
        "tools": [{"type": "function", "name": "weather", "description": "tells the weather",
            "parameters": {"type": "object"}, "strict": false}],
        "max_output_tokens": 100, "temperature": 0.5,
    });
    assert_eq!(seen.body, expected);
}

#[tokio::test]
async fn what_the_protocol_cannot_carry_is_refused_before_it_is_sent() {
    let server = ScriptedServer::start([]).await;
    let client = Protocol::Responses.client(&server);
    let seeded = ChatRequest { seed: Some(1), ..ChatRequest::prompt("m", "x") };
    let stopped = ChatRequest { stop: vec!["END".into()], ..ChatRequest::prompt("m", "x") };
    for request in [seeded, stopped] {
        assert_eq!(client.chat(request).await.unwrap_err().code(), "invalid_request");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn tool_calls_reasoning_and_usage_are_read() {
    let item = json!({"type": "function_call", "id": "fc_1", "call_id": "call_1",
        "name": "weather", "arguments": "{\"city\":\"SF\"}"});
    let usage = json!({"usage": {"input_tokens": 10, "output_tokens": 20, "total_tokens": 30,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens_details": {"reasoning_tokens": 15}}, "status": "completed"});
    let events = [
        json!({"type": "response.reasoning_summary_text.delta", "delta": "hm"}),
        json!({"type": "response.function_call_arguments.delta", "delta": "{\"city\""}),
        json!({"type": "response.output_item.done", "item": {"type": "web_search_call"}}),
        json!({"type": "response.output_item.done", "item": item}),
        end("response.completed", usage),
    ];
    let answer = answer_to(&events).await.unwrap();
    assert_eq!((answer.reasoning.as_str(), answer.tool_calls), ("hm", vec![call()]));
    assert_eq!(answer.finish.reason, FinishReason::ToolCalls);
    let usage = answer.finish.usage.unwrap();
    assert_eq!(
        (usage.input_tokens, usage.cache_read_tokens, usage.reasoning_tokens),
        (Some(10), Some(4), Some(15))
    );
}

#[tokio::test]
async fn every_ending_has_its_name() {
    let text = json!({"type": "response.output_text.delta", "delta": "so"});
    let cut = end(
        "response.incomplete",
        json!({"status": "incomplete",
        "incomplete_details": {"reason": "max_output_tokens"}}),
    );
    let answer = answer_to(&[text.clone(), cut]).await.unwrap();
    assert_eq!((answer.text.as_str(), answer.finish.reason), ("so", FinishReason::Length));

    let refusal = json!({"type": "response.refusal.delta", "delta": "no"});
    let done = end("response.completed", json!({"status": "completed"}));
    let answer = answer_to(&[refusal, done]).await.unwrap();
    assert_eq!(answer.finish.reason, FinishReason::ContentFilter);

    let failed = end(
        "response.failed",
        json!({"status": "failed",
        "error": {"code": "server_error", "message": "it broke"}}),
    );
    let error = answer_to(&[text.clone(), failed]).await.unwrap_err();
    assert_eq!(error.code(), "provider_error");
    assert!(error.to_string().contains("it broke"), "{error}");

    let error = answer_to(&[text]).await.unwrap_err();
    assert_eq!(error.code(), "truncated");
}
