//! OpenAI-compatible servers: request shape, tool calls, usage, and the quirks of look-alikes.

use crate::protocols::{Protocol, quick, test_key};
use crate::scripted_server::{Reply, ScriptedServer};
use exhibit_provider::{
    AuthHeader, ChatAnswer, ChatRequest, Connection, FinishReason, Message, OpenAiCompatible,
    Provider, ProviderError, Secret, ToolCall, ToolDefinition,
};
use serde_json::{Value, json};
use std::path::PathBuf;

async fn answer_to(body: impl AsRef<[u8]>) -> Result<ChatAnswer, ProviderError> {
    let server = ScriptedServer::start([Reply::stream("text/event-stream", body)]).await;
    let request = ChatRequest::prompt("m", "x");
    Protocol::OpenAi.client(&server).chat(request).await?.collect_answer().await
}

fn chunk(delta: Value, reason: Option<&str>) -> Value {
    json!({"id": "c", "model": "m", "choices":
        [{"index": 0, "delta": delta, "finish_reason": reason}]})
}

fn stream(chunks: &[Value]) -> String {
    Protocol::OpenAi.frames(chunks) + "data: [DONE]\n\n"
}

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
    ToolCall { id, name, arguments, signature: None }
}

#[tokio::test]
async fn a_whole_conversation_is_sent_in_openai_words() {
    let server = ScriptedServer::start([Protocol::OpenAi.answer()]).await;
    let request = ChatRequest {
        model: "m".into(),
        messages: vec![
            Message::System { text: "be brief".into() },
            Message::User { text: "weather?".into() },
            Message::Assistant {
                text: String::new(),
                tool_calls: vec![call("c1", "weather", r#"{"city":"SF"}"#)],
            },
            Message::Tool { call_id: "c1".into(), name: "weather".into(), text: "fog".into() },
        ],
        tools: vec![ToolDefinition {
            name: "weather".into(),
            description: "tells the weather".into(),
            parameters: json!({"type": "object"}),
        }],
        temperature: Some(0.5),
        top_p: Some(0.9),
        output_tokens_max: Some(100),
        stop: vec!["END".into()],
        seed: Some(7),
        extra: json!({"user": "u", "stream": false}).as_object().unwrap().clone(),
    };
    let answer = Protocol::OpenAi.client(&server).chat(request).await.unwrap();
    answer.collect_answer().await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!(seen.target, "/v1/chat/completions");
    assert_eq!(seen.header("authorization").unwrap(), format!("Bearer {}", test_key()));
    let expected = json!({
        "model": "m",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function",
                "function": {"name": "weather", "arguments": "{\"city\":\"SF\"}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "fog"},
        ],
        "stream": true,
        "stream_options": {"include_usage": true},
        "tools": [{"type": "function", "function": {"name": "weather",
            "description": "tells the weather", "parameters": {"type": "object"}}}],
        "max_tokens": 100, "temperature": 0.5, "top_p": 0.9, "stop": ["END"], "seed": 7,
        "user": "u",
    });
    assert_eq!(seen.body, expected);
}

#[tokio::test]
async fn azure_gets_its_header_and_keeps_its_query() {
    let server = ScriptedServer::start([Protocol::OpenAi.answer()]).await;
    let client = OpenAiCompatible::new(Connection {
        name: "azure.ai.openai".into(),
        base_url: format!("{}/openai/deployments/d?api-version=2024-10-21", server.url),
        key: Some(Secret::new(&test_key()).unwrap()),
        auth: AuthHeader::ApiKey,
        options: quick(),
    })
    .unwrap();
    assert!(!client.endpoint().contains("api-version"));
    assert!(!format!("{client:?}").contains("api-version"));
    let stream = client.chat(ChatRequest::prompt("m", "x")).await.unwrap();
    stream.collect_answer().await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!(seen.target, "/openai/deployments/d/chat/completions?api-version=2024-10-21");
    assert_eq!(seen.header("api-key"), Some(test_key().as_str()));
    assert_eq!(seen.header("authorization"), None);
}

#[tokio::test]
async fn a_server_that_refuses_the_usage_option_is_asked_without_it() {
    let refusal = Reply::refusal(
        400,
        &[],
        r#"{"error":{"message":"Unrecognized argument: stream_options"}}"#,
    );
    let server = ScriptedServer::start([refusal, Protocol::OpenAi.answer()]).await;
    let client = Protocol::OpenAi.client(&server);
    client.chat(ChatRequest::prompt("m", "x")).await.unwrap().collect_answer().await.unwrap();
    let seen = server.seen();
    assert!(seen[0].body.get("stream_options").is_some());
    assert!(seen[1].body.get("stream_options").is_none());
}

#[tokio::test]
async fn interleaved_tool_call_pieces_are_joined_and_given_out_in_index_order() {
    let piece = |index: u64, id: Option<&str>, name: Option<&str>, arguments: &str| {
        chunk(
            json!({"tool_calls": [{"index": index, "id": id,
                "function": {"name": name, "arguments": arguments}}]}),
            None,
        )
    };
    let body = stream(&[
        piece(1, Some("b"), Some("two"), "{\"y\""),
        piece(0, Some("a"), Some("one"), "{"),
        piece(1, None, None, ":2}"),
        piece(0, Some("a"), Some("one"), "}"),
        chunk(json!({}), Some("tool_calls")),
    ]);
    let answer = answer_to(body).await.unwrap();
    assert_eq!(answer.tool_calls, [call("a", "one", "{}"), call("b", "two", "{\"y\":2}")]);
    assert_eq!(answer.finish.reason, FinishReason::ToolCalls);
}

#[tokio::test]
async fn calls_without_index_or_with_one_index_for_all_stay_apart() {
    let whole = |index: Value, id: &str| json!({"index": index, "id": id, "function": {"name": id, "arguments": "{}"}});
    for index in [Value::Null, json!(0)] {
        let calls = json!({"tool_calls": [whole(index.clone(), "a"), whole(index, "b")]});
        let answer = answer_to(stream(&[chunk(calls, Some("stop"))])).await.unwrap();
        assert_eq!(answer.tool_calls, [call("a", "a", "{}"), call("b", "b", "{}")]);
        assert_eq!(answer.finish.reason, FinishReason::ToolCalls);
        assert_eq!(answer.finish.raw_reason.as_deref(), Some("stop"));
    }
}

#[tokio::test]
async fn reasoning_is_kept_apart_under_each_of_its_names() {
    let body = stream(&[
        chunk(json!({"reasoning_content": "a", "reasoning": "a"}), None),
        chunk(json!({"reasoning": "b", "content": null}), None),
        chunk(
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "c"}]},
            {"type": "text", "text": "yes"}]}),
            None,
        ),
        chunk(json!({"refusal": "no"}), Some("length")),
    ]);
    let answer = answer_to(body).await.unwrap();
    assert_eq!((answer.reasoning.as_str(), answer.text.as_str()), ("abc", "yesno"));
    assert_eq!(answer.finish.reason, FinishReason::Length);
}

#[tokio::test]
async fn usage_is_passed_on_as_reported_with_its_semantics() {
    let usage = json!({
        "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150, "cost": 0.00042,
        "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 1},
    });
    let last = json!({"choices": [], "usage": usage});
    let answer = answer_to(stream(&[chunk(json!({}), Some("stop")), last])).await.unwrap();
    let found = answer.finish.usage.unwrap();
    assert!(found.semantics.input_includes_cache && found.semantics.output_includes_reasoning);
    assert_eq!((found.input_tokens, found.output_tokens), (Some(100), Some(50)));
    assert_eq!((found.cache_read_tokens, found.reasoning_tokens), (Some(64), Some(20)));
    assert_eq!((found.input_audio_tokens, found.output_audio_tokens), (Some(3), Some(1)));
    assert_eq!(found.cost_usd, Some(0.00042));
    assert_eq!(found.raw, usage);
}

#[tokio::test]
async fn counts_that_contradict_the_usual_semantics_change_the_mark() {
    let with = |usage: Value| async move {
        let body = stream(&[chunk(json!({}), Some("stop")), json!({"usage": usage})]);
        answer_to(body).await.unwrap().finish.usage.unwrap().semantics
    };
    let apart = json!({"prompt_tokens": 10, "completion_tokens": 30, "total_tokens": 60,
        "completion_tokens_details": {"reasoning_tokens": 20}});
    assert!(!with(apart).await.output_includes_reasoning);
    let cached = json!({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 64}});
    assert!(!with(cached).await.input_includes_cache);
}

#[tokio::test]
async fn senseless_counts_are_absent_and_not_zero() {
    let usage = json!({"prompt_tokens": -1, "completion_tokens": 1.5, "total_tokens": 1e300,
        "cost": -2});
    let body = stream(&[chunk(json!({}), Some("stop")), json!({"usage": usage})]);
    let found = answer_to(body).await.unwrap().finish.usage.unwrap();
    assert_eq!((found.input_tokens, found.output_tokens, found.total_tokens), (None, None, None));
    assert_eq!(found.cost_usd, None);
}

#[tokio::test]
async fn a_whole_completion_is_read_from_a_server_that_does_not_stream() {
    let whole = json!({"id": "c", "object": "chat.completion", "model": "m", "choices": [
        {"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant",
            "content": "hi", "tool_calls": [{"id": "a", "type": "function",
                "function": {"name": "f", "arguments": "{}"}}]}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2}});
    let answer = answer_to(serde_json::to_string_pretty(&whole).unwrap()).await.unwrap();
    assert_eq!(answer.text, "hi");
    assert_eq!(answer.tool_calls, [call("a", "f", "{}")]);
    assert_eq!(answer.finish.usage.unwrap().output_tokens, Some(2));
}

#[tokio::test]
async fn a_finish_reason_is_enough_without_the_done_mark() {
    let body = Protocol::OpenAi.frames(&[chunk(json!({"content": "a"}), Some("stop"))]);
    assert_eq!(answer_to(body).await.unwrap().text, "a");
}

/// The published streaming fixtures of another implementation. We read for the record and not as
/// a guard, so what real servers send and what loses nothing is tolerated; the list says which.
#[tokio::test]
async fn the_published_streaming_fixtures_are_read_or_refused() {
    let shared = std::env::var_os("EXHIBIT_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let inputs = shared.join("vectors/agt-acs-conformance/streaming/inputs");
    let Ok(entries) = std::fs::read_dir(&inputs) else {
        eprintln!("skipped: no fixtures at {}", inputs.display());
        return;
    };
    let tolerated = [
        // What follows [DONE] is never read.
        "fail_data_after_done",
        // A call without an index is known by its id.
        "fail_tool_call_no_index",
    ];
    let mut read = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let body = std::fs::read_to_string(&path).unwrap();
        let outcome = answer_to(&body).await;
        read += 1;
        match (name.as_str(), outcome) {
            ("allow_comments_and_keepalive", Ok(answer)) => assert_eq!(answer.text, "hi"),
            ("allow_text_only", Ok(answer)) => assert_eq!(answer.text, "Hello world"),
            ("allow_tool_call_fragments", Ok(answer)) => {
                assert_eq!(answer.tool_calls, [call("call_a", "get_weather", r#"{"city":"SF"}"#)]);
            }
            ("allow_two_tool_calls", Ok(answer)) => {
                assert_eq!(answer.tool_calls, [call("c0", "a", "{}"), call("c1", "b", "{}")]);
            }
            ("synth_text.expected" | "synth_tool_calls.expected", Ok(_)) => {}
            (name, Ok(answer)) => {
                assert!(tolerated.contains(&name), "{name}: {answer:?}");
                assert!(!answer.text.contains('b'), "{name}");
            }
            (name, Err(error)) => {
                assert!(name.starts_with("fail_"), "{name}: {error}");
                assert!(matches!(error.code(), "malformed" | "truncated"), "{name}: {error}");
            }
        }
    }
    assert!(read >= 17, "only {read} fixtures");
}
