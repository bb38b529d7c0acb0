//! Gemini: request shape, thoughts, function calls, blocked prompts, usage.

use crate::protocols::{Protocol, test_key};
use crate::scripted_server::{Reply, ScriptedServer};
use exhibit_provider::{
    ChatAnswer, ChatRequest, FinishReason, Message, ProviderError, ToolCall, ToolDefinition,
};
use serde_json::{Value, json};

async fn answer_to(chunks: &[Value]) -> Result<ChatAnswer, ProviderError> {
    let body = Protocol::Gemini.frames(chunks);
    let server = ScriptedServer::start([Reply::stream("text/event-stream", body)]).await;
    let request = ChatRequest::prompt("m", "x");
    Protocol::Gemini.client(&server).chat(request).await?.collect_answer().await
}

#[tokio::test]
async fn a_whole_conversation_is_sent_in_gemini_words() {
    let server = ScriptedServer::start([Protocol::Gemini.answer()]).await;
    let request = ChatRequest {
        model: "models/g-1.5".into(),
        messages: vec![
            Message::System { text: "be brief".into() },
            Message::User { text: "weather?".into() },
            Message::Assistant {
                text: String::new(),
                tool_calls: vec![ToolCall {
                    id: "call_0".into(),
                    name: "weather".into(),
                    arguments: r#"{"city":"SF"}"#.into(),
                    signature: Some("sig".into()),
                }],
            },
            Message::Tool { call_id: "call_0".into(), name: "weather".into(), text: "fog".into() },
        ],
        tools: vec![ToolDefinition {
            name: "weather".into(),
            description: "d".into(),
            parameters: json!({"type": "object"}),
        }],
        temperature: Some(0.5),
        top_p: Some(0.25),
        output_tokens_max: Some(9),
        stop: vec!["END".into()],
        seed: Some(3),
        ..ChatRequest::default()
    };
    let stream = Protocol::Gemini.client(&server).chat(request).await.unwrap();
    stream.collect_answer().await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!(seen.target, "/v1beta/models/g-1.5:streamGenerateContent?alt=sse");
    assert_eq!(seen.header("x-goog-api-key"), Some(test_key().as_str()));
    let expected = json!({
        "systemInstruction": {"parts": [{"text": "be brief"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "weather?"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "weather",
                "args": {"city": "SF"}}, "thoughtSignature": "sig"}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "weather",
                "response": {"result": "fog"}}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "weather", "description": "d",
            "parametersJsonSchema": {"type": "object"}}]}],
        "generationConfig": {"temperature": 0.5, "topP": 0.25, "maxOutputTokens": 9,
            "stopSequences": ["END"], "seed": 3},
    });
    assert_eq!(seen.body, expected);
}

#[tokio::test]
async fn a_model_name_cannot_leave_its_place_in_the_path() {
    let server = ScriptedServer::start([]).await;
    let client = Protocol::Gemini.client(&server);
    for model in ["../x", "a/../b", "m?key=1", "m#", "a/b/c", "/m", "m:countTokens", "m%2f", "a/"] {
        let error = client.chat(ChatRequest::prompt(model, "x")).await.unwrap_err();
        assert_eq!(error.code(), "invalid_request", "{model}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn thoughts_and_function_calls_are_told_apart_from_text() {
    let parts = json!([
        {"text": "hm", "thought": true},
        {"text": "yes"},
        {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "sig"},
        {"functionCall": {"id": "own", "name": "g"}},
    ]);
    let chunk = json!({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]});
    let answer = answer_to(&[chunk]).await.unwrap();
    assert_eq!((answer.reasoning.as_str(), answer.text.as_str()), ("hm", "yes"));
    let [first, second] = answer.tool_calls.as_slice() else { panic!("{answer:?}") };
    assert_eq!((first.id.as_str(), first.arguments.as_str()), ("call_0", "{\"a\":1}"));
    assert_eq!(first.signature.as_deref(), Some("sig"));
    assert_eq!((second.id.as_str(), second.arguments.as_str()), ("own", "{}"));
    assert_eq!(answer.finish.reason, FinishReason::ToolCalls);
}

#[tokio::test]
async fn usage_says_that_thoughts_stand_beside_the_answer() {
    let usage = json!({"promptTokenCount": 100, "candidatesTokenCount": 20,
        "thoughtsTokenCount": 300, "cachedContentTokenCount": 64, "toolUsePromptTokenCount": 5,
        "totalTokenCount": 425,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 90},
            {"modality": "AUDIO", "tokenCount": 10}]});
    let early = json!({"candidates": [], "usageMetadata": {"promptTokenCount": 1}});
    let last = json!({"candidates": [{"finishReason": "MAX_TOKENS"}], "usageMetadata": usage});
    let finish = answer_to(&[early, last]).await.unwrap().finish;
    assert_eq!(finish.reason, FinishReason::Length);
    let found = finish.usage.unwrap();
    assert!(found.semantics.input_includes_cache && !found.semantics.output_includes_reasoning);
    assert_eq!((found.input_tokens, found.output_tokens), (Some(100), Some(20)));
    assert_eq!((found.cache_read_tokens, found.reasoning_tokens), (Some(64), Some(300)));
    assert_eq!((found.input_audio_tokens, found.tool_use_input_tokens), (Some(10), Some(5)));
    assert_eq!(found.raw, usage);
}

#[tokio::test]
async fn a_blocked_prompt_and_a_blocked_answer_are_content_filters() {
    let prompt = json!({"promptFeedback": {"blockReason": "SAFETY"},
        "usageMetadata": {"promptTokenCount": 7}});
    let finish = answer_to(&[prompt]).await.unwrap().finish;
    assert_eq!(finish.reason, FinishReason::ContentFilter);
    assert_eq!(finish.usage.unwrap().input_tokens, Some(7));
    let answer = json!({"candidates": [{"finishReason": "RECITATION"}]});
    let finish = answer_to(&[answer]).await.unwrap().finish;
    assert_eq!(finish.reason, FinishReason::ContentFilter);
    assert_eq!(finish.raw_reason.as_deref(), Some("RECITATION"));
}
