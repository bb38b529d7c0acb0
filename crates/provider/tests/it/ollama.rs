//! Ollama: request shape, thinking, tool calls, errors, usage.

use crate::protocols::Protocol;
use crate::scripted_server::{Reply, ScriptedServer};
use exhibit_provider::{
    ChatAnswer, ChatRequest, FinishReason, Message, ProviderError, ToolCall, ToolDefinition,
};
use serde_json::{Value, json};

async fn answer_to(lines: &[Value]) -> Result<ChatAnswer, ProviderError> {
    let body = Protocol::Ollama.frames(lines);
    let server = ScriptedServer::start([Reply::stream("application/x-ndjson", body)]).await;
    let request = ChatRequest::prompt("m", "x");
    Protocol::Ollama.client(&server).chat(request).await?.collect_answer().await
}

#[tokio::test]
async fn a_whole_conversation_is_sent_in_ollama_words() {
    let server = ScriptedServer::start([Protocol::Ollama.answer()]).await;
    let call = ToolCall {
        id: "call_0".into(),
        name: "weather".into(),
        arguments: r#"{"city":"SF"}"#.into(),
        signature: None,
    };
    let request = ChatRequest {
        model: "m".into(),
        messages: vec![
            Message::System { text: "be brief".into() },
            Message::User { text: "weather?".into() },
            Message::Assistant { text: String::new(), tool_calls: vec![call] },
            Message::Tool { call_id: "call_0".into(), name: "weather".into(), text: "fog".into() },
        ],
        tools: vec![ToolDefinition {
            name: "weather".into(),
            description: "d".into(),
            parameters: json!({"type": "object"}),
        }],
        temperature: Some(0.5),
        output_tokens_max: Some(9),
        stop: vec!["END".into()],
        seed: Some(3),
        extra: json!({"keep_alive": "1m"}).as_object().unwrap().clone(),
        ..ChatRequest::default()
    };
    let stream = Protocol::Ollama.client(&server).chat(request).await.unwrap();
    stream.collect_answer().await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!(seen.target, "/api/chat");
    let expected = json!({
        "model": "m",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": "", "tool_calls": [{"function":
                {"name": "weather", "arguments": {"city": "SF"}}}]},
            {"role": "tool", "tool_name": "weather", "content": "fog"},
        ],
        "stream": true,
        "tools": [{"type": "function", "function": {"name": "weather", "description": "d",
            "parameters": {"type": "object"}}}],
        "options": {"temperature": 0.5, "num_predict": 9, "stop": ["END"], "seed": 3},
        "keep_alive": "1m",
    });
    assert_eq!(seen.body, expected);
}

#[tokio::test]
async fn thinking_and_tool_calls_are_told_apart_from_text() {
    let calls = json!([{"function": {"name": "f", "arguments": {"a": 1}}},
        {"function": {"name": "g"}}]);
    let answer = answer_to(&[
        json!({"message": {"content": "", "thinking": "hm"}, "done": false}),
        json!({"message": {"content": "yes", "tool_calls": calls}, "done": false}),
        json!({"model": "m", "done": true, "done_reason": "stop"}),
    ])
    .await
    .unwrap();
    assert_eq!((answer.reasoning.as_str(), answer.text.as_str()), ("hm", "yes"));
    let ids: Vec<_> = answer.tool_calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["call_0", "call_1"]);
    assert_eq!(answer.tool_calls[0].arguments, "{\"a\":1}");
    assert_eq!(answer.finish.reason, FinishReason::ToolCalls);
    assert_eq!(answer.finish.usage, None);
}

#[tokio::test]
async fn usage_and_durations_are_passed_on() {
    let last = json!({"model": "m", "done": true, "done_reason": "length",
        "prompt_eval_count": 26, "eval_count": 298, "eval_duration": 4_799_921_000_u64});
    let finish = answer_to(&[last]).await.unwrap().finish;
    assert_eq!(finish.reason, FinishReason::Length);
    let usage = finish.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (Some(26), Some(298)));
    assert_eq!(usage.raw["eval_duration"], 4_799_921_000_u64);
}

#[tokio::test]
async fn a_missing_model_is_named_as_such() {
    let refusal = Reply::refusal(404, &[], r#"{"error":"model 'm' not found"}"#);
    let server = ScriptedServer::start([refusal]).await;
    let client = Protocol::Ollama.client(&server);
    let error = client.chat(ChatRequest::prompt("m", "x")).await.unwrap_err();
    assert_eq!(error.code(), "not_found");
    assert!(error.to_string().contains("model 'm' not found"), "{error}");
}

#[tokio::test]
async fn an_error_line_ends_the_answer() {
    let lines =
        [json!({"message": {"content": "a"}, "done": false}), json!({"error": "out of memory"})];
    let error = answer_to(&lines).await.unwrap_err();
    let expected =
        ProviderError::InStream { error_type: None, message: Some("out of memory".into()) };
    assert_eq!(error, expected);
}
