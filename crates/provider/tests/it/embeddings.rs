//! Vectors of texts from each provider that has them.

use crate::protocols::Protocol;
use crate::scripted_server::{Reply, ScriptedServer};
use exhibit_provider::{Embeddings, ProviderError};
use serde_json::{Value, json};

async fn embed(protocol: Protocol, answer: &Value) -> (Result<Embeddings, ProviderError>, Value) {
    let reply = Reply::stream("application/json", answer.to_string());
    let server = ScriptedServer::start([reply]).await;
    let texts = ["one".to_owned(), "two".to_owned()];
    let found = protocol.client(&server).embed("e-1", &texts).await;
    let seen = server.seen();
    let seen = seen.first().map(|seen| json!([seen.target, seen.body])).unwrap_or_default();
    (found, seen)
}

#[tokio::test]
async fn each_provider_is_asked_in_its_own_words() {
    let item = |at: u32, v: f32| json!({"index": at, "embedding": [v, 0.0]});
    let openai = json!({"data": [item(1, 2.0), item(0, 1.0)], "usage": {"prompt_tokens": 4}});
    for protocol in [Protocol::OpenAi, Protocol::Responses] {
        let (found, seen) = embed(protocol, &openai).await;
        let found = found.unwrap();
        assert_eq!(found.vectors, [[1.0, 0.0], [2.0, 0.0]], "by index, not by place");
        assert_eq!(found.input_tokens, Some(4));
        let body = json!({"model": "e-1", "input": ["one", "two"], "encoding_format": "float"});
        assert_eq!(seen, json!(["/v1/embeddings", body]));
    }

    let gemini = json!({"embeddings": [{"values": [1.0]}, {"values": [2.0]}]});
    let (found, seen) = embed(Protocol::Gemini, &gemini).await;
    assert_eq!(found.unwrap().vectors, [[1.0], [2.0]]);
    assert_eq!(seen[0], "/v1beta/models/e-1:batchEmbedContents");
    assert_eq!(seen[1]["requests"][1]["content"]["parts"][0]["text"], "two");

    let ollama = json!({"embeddings": [[1.0], [2.0]], "prompt_eval_count": 2});
    let (found, seen) = embed(Protocol::Ollama, &ollama).await;
    assert_eq!(found.unwrap().input_tokens, Some(2));
    assert_eq!(seen, json!(["/api/embed", {"model": "e-1", "input": ["one", "two"]}]));
}

#[tokio::test]
async fn vectors_that_do_not_fit_the_texts_are_refused() {
    let item = |v: Value| json!({"embedding": v});
    for data in [
        json!([item(json!([1.0]))]),
        json!([item(json!([1.0])), item(json!([1.0, 2.0]))]),
        json!([item(json!([])), item(json!([]))]),
        json!([item(json!(["x"])), item(json!([1.0]))]),
        json!("none"),
    ] {
        let (found, _) = embed(Protocol::OpenAi, &json!({"data": data})).await;
        assert_eq!(found.unwrap_err().code(), "malformed", "{data}");
    }
}

#[tokio::test]
async fn a_provider_without_embeddings_says_so() {
    let (found, seen) = embed(Protocol::Anthropic, &Value::Null).await;
    assert_eq!(found.unwrap_err().code(), "invalid_request");
    assert_eq!(seen, Value::Null, "nothing was sent");
}
