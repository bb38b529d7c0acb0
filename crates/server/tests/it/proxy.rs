//! The provider proxy, against a provider that follows a script.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Response},
    routing::any,
};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio_stream::StreamExt as _;

use crate::bench::{Bench, Call};

/// What the provider saw of a request.
#[derive(Clone)]
struct Seen {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

#[derive(Clone)]
struct Script {
    seen: Arc<Mutex<Vec<Seen>>>,
    status: u16,
    content_type: &'static str,
    pieces: Vec<&'static str>,
    breaks: bool,
}

struct Provider {
    at: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Provider {
    async fn answering(status: u16, content_type: &'static str, pieces: &[&'static str]) -> Self {
        Self::start(status, content_type, pieces, false).await
    }

    async fn start(
        status: u16,
        content_type: &'static str,
        pieces: &[&'static str],
        breaks: bool,
    ) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script = Script {
            seen: Arc::clone(&seen),
            status,
            content_type,
            pieces: pieces.to_vec(),
            breaks,
        };
        let router = Router::new().fallback(any(answer)).with_state(script);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { at, seen }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    async fn bench(&self) -> Bench {
        let at = self.at;
        Bench::with(move |config, _| {
            config.proxy.openai = format!("http://{at}/v1");
            config.proxy.anthropic = format!("http://{at}");
            config.proxy.gemini = format!("http://{at}");
        })
        .await
    }
}

async fn answer(State(script): State<Script>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let path = parts.uri.to_string();
    script.seen.lock().unwrap().push(Seen { path, headers: parts.headers, body });
    let pieces: Vec<Result<Bytes, std::io::Error>> = script
        .pieces
        .iter()
        .map(|piece| Ok(Bytes::from_static(piece.as_bytes())))
        .chain(script.breaks.then(|| Err(std::io::Error::other("cut"))))
        .collect();
    let stream = tokio_stream::iter(pieces).then(|piece| async {
        tokio::task::yield_now().await;
        piece
    });
    Response::builder()
        .status(script.status)
        .header("content-type", script.content_type)
        .header("x-request-id", "req_of_provider")
        .header("retry-after", "7")
        .body(Body::from_stream(stream))
        .unwrap()
}

/// The one span of the only trace, when it has ended.
async fn recorded(bench: &Bench, key: &str) -> Value {
    for _ in 0..500 {
        let list = bench.get("/api/v1/traces").key(key).send().await.expect(200);
        let rows = list["data"]["items"].as_array().or(list["data"].as_array()).cloned();
        if let Some(row) = rows.unwrap_or_default().first() {
            let id = row["trace_id"].as_str().or(row["id"].as_str()).unwrap().to_owned();
            let spans = bench.get(&format!("/api/v1/traces/{id}")).key(key).send().await;
            let trace = spans.expect(200);
            let span = trace["data"]["spans"][0].clone();
            if span["status"] != "running" && !span.is_null() {
                return span;
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the call was not recorded");
}

const STREAM: [&str; 4] = [
    "data: {\"id\":\"c1\",\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hel\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":2}}\n\n",
    "data: [DONE]\n\n",
];

fn chat() -> Value {
    json!({"model": "gpt-4o-mini", "stream": true, "temperature": 0.5,
        "messages": [{"role": "user", "content": "greet"}]})
}

fn call(bench: &Bench, path: &str, key: &str) -> Call {
    bench.post(path).header("x-exhibit-key", key).key("provider-key-of-the-caller").json(&chat())
}

#[tokio::test]
async fn a_streamed_call_passes_byte_for_byte_and_is_recorded() {
    let provider = Provider::answering(200, "text/event-stream", &STREAM).await;
    let bench = provider.bench().await;
    let key = bench.key("ingest,read").await;
    let answer = call(&bench, "/proxy/openai/v1/chat/completions?x=1", &key)
        .header("x-exhibit-session", "s1")
        .header("x-exhibit-tags", "a, b")
        .send()
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text(), STREAM.concat());
    assert_eq!(answer.header("x-request-id"), "req_of_provider");
    assert!(!answer.headers.contains_key("content-security-policy"));
    let seen = provider.seen();
    assert_eq!(seen[0].path, "/v1/chat/completions?x=1");
    assert_eq!(seen[0].body, chat().to_string().as_bytes());
    assert_eq!(seen[0].headers["authorization"], "Bearer provider-key-of-the-caller");
    assert!(seen[0].headers.keys().all(|name| !name.as_str().starts_with("x-exhibit-")));

    let span = recorded(&bench, &key).await;
    assert_eq!(span["status"], "ok", "{span}");
    assert_eq!(span["trace_id"], answer.header("x-exhibit-trace-id"));
    assert_eq!(span["span_type"], "llm");
    assert_eq!(span["provider"], "openai");
    assert_eq!(span["model"], "gpt-4o-mini-2024-07-18");
    assert_eq!((&span["tokens_in"], &span["tokens_out"]), (&json!(12), &json!(2)));
    assert_eq!(span["session_id"], "s1");
    assert!(span["cost"].as_f64().unwrap() > 0.0, "{span}");
    let text = span.to_string();
    assert!(text.contains("Hello"), "{text}");
    assert!(!text.contains("provider-key-of-the-caller"), "{text}");
    assert!(!text.contains(&key), "{text}");
}

#[tokio::test]
async fn the_key_may_stand_in_the_path_and_must_stand_somewhere() {
    let provider = Provider::answering(200, "application/json", &["{\"ok\": true}"]).await;
    let bench = provider.bench().await;
    let key = bench.key("ingest,read").await;
    for path in ["/proxy/openai/v1/chat/completions", "/api/proxy/openai/responses"] {
        let refused = bench.post(path).key("provider-key").json(&chat()).send().await;
        assert_eq!(refused.expect(401)["error"]["code"], "no-key");
    }
    let refused = bench.post("/proxy/anthropic/v1/messages").json(&chat()).send().await;
    assert_eq!(refused.expect(401)["error"]["type"], "exhibit_error");
    // Ours in the place of the provider's is not sent to the provider.
    let ours = bench.post("/proxy/openai/v1/chat/completions").header("x-exhibit-key", &key);
    assert_eq!(
        ours.key(&key).json(&chat()).send().await.expect(400)["error"]["code"],
        "own-key-as-provider-key"
    );
    let read = bench.key("read").await;
    call(&bench, "/proxy/openai/v1/chat/completions", &read).send().await.expect(403);
    assert!(provider.seen().is_empty());

    let path = format!("/proxy/{key}/openai/v1/chat/completions");
    bench.post(&path).key("provider-key").json(&chat()).send().await.expect(200);
    call(&bench, "/api/proxy/openai/responses", &key).send().await.expect(200);
    let paths: Vec<_> = provider.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/v1/chat/completions", "/v1/responses"]);
}

#[tokio::test]
async fn refusals_of_the_provider_pass_through_and_are_recorded() {
    let body = r#"{"error":{"type":"rate_limit_error","message":"slow down"}}"#;
    let provider = Provider::answering(429, "application/json", &[body]).await;
    let bench = provider.bench().await;
    let key = bench.key("ingest,read").await;
    let answer = call(&bench, "/proxy/openai/v1/chat/completions", &key).send().await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.header("retry-after"), "7");
    assert_eq!(answer.text(), body);
    let span = recorded(&bench, &key).await;
    assert_eq!(span["status"], "error");
    assert_eq!(span["error_type"], "rate_limit_error", "{span}");
}

#[tokio::test]
async fn a_provider_that_is_down_is_a_bad_gateway_in_its_own_words() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = free.local_addr().unwrap();
    drop(free);
    let bench = Bench::with(|config, _| config.proxy.anthropic = format!("http://{at}")).await;
    let key = bench.key("ingest,read").await;
    let answer = call(&bench, "/proxy/anthropic/v1/messages", &key).send().await.expect(502);
    assert_eq!(answer["type"], "error");
    let span = recorded(&bench, &key).await;
    assert_eq!((&span["status"], &span["error_type"]), (&json!("error"), &json!("connect")));
}

#[tokio::test]
async fn a_stream_that_breaks_off_breaks_off_and_keeps_what_had_come() {
    let provider = Provider::start(200, "text/event-stream", &STREAM[..1], true).await;
    let bench = provider.bench().await;
    let key = bench.key("ingest,read").await;
    let sent = tokio::spawn(call(&bench, "/proxy/openai/v1/chat/completions", &key).send());
    assert!(sent.await.is_err(), "the client's connection breaks as the provider's did");
    let span = recorded(&bench, &key).await;
    assert_eq!(span["error_type"], "interrupted", "{span}");
    assert!(span.to_string().contains("Hel"));
}

#[tokio::test]
async fn trace_exports_to_the_base_url_are_taken_in() {
    let provider = Provider::answering(200, "application/json", &["{}"]).await;
    let bench = provider.bench().await;
    let key = bench.key("ingest,read").await;
    let export = json!({"data": [
        {"object": "trace", "id": "trace_0123456789abcdef0123456789abcdef", "workflow_name": "w"},
        {"object": "trace.span", "id": "span_0123456789abcdef01234567",
         "trace_id": "trace_0123456789abcdef0123456789abcdef",
         "started_at": "2026-11-20T10:00:00Z", "ended_at": "2026-11-20T10:00:01Z",
         "span_data": {"type": "function", "name": "f", "input": "{}", "output": "1"}}]});
    let answer = bench
        .post("/proxy/openai/v1/traces/ingest")
        .header("x-exhibit-key", &key)
        .key("provider-key")
        .json(&export)
        .send()
        .await;
    assert!(answer.expect(200)["accepted"].as_u64() >= Some(1));
    assert!(provider.seen().is_empty());
}

#[tokio::test]
async fn each_protocol_is_read_and_a_caller_s_trace_is_joined() {
    let body = r#"{"id":"m1","model":"claude-sonnet-4-5","role":"assistant","stop_reason":"end_turn",
        "content":[{"type":"text","text":"salve"}],
        "usage":{"input_tokens":5,"cache_read_input_tokens":7,"output_tokens":3}}"#;
    let provider = Provider::answering(200, "application/json", &[body]).await;
    let bench = provider.bench().await;
    let key = bench.key("ingest,read").await;
    let answer = call(&bench, "/proxy/anthropic/v1/messages", &key)
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .send()
        .await;
    assert_eq!(answer.header("x-exhibit-trace-id"), "4bf92f3577b34da6a3ce929d0e0e4736");
    let span = recorded(&bench, &key).await;
    assert_eq!(span["parent_span_id"], "00f067aa0ba902b7");
    assert_eq!((&span["tokens_in"], &span["tokens_out"]), (&json!(12), &json!(3)), "{span}");

    let body = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"ave"}]},"finishReason":"STOP"}],
        "modelVersion":"gemini-2.5-flash","usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":1,"thoughtsTokenCount":2}}"#;
    let provider = Provider::answering(200, "application/json", &[body]).await;
    let bench = provider.bench().await;
    let key = bench.key("ingest,read").await;
    let path = "/proxy/gemini/v1beta/models/gemini-2.5-flash:generateContent";
    bench
        .post(path)
        .header("x-exhibit-key", &key)
        .header("x-goog-api-key", "provider-key")
        .json(&json!({"contents": [{"role": "user", "parts": [{"text": "greet"}]}]}))
        .send()
        .await
        .expect(200);
    let span = recorded(&bench, &key).await;
    assert_eq!(span["model"], "gemini-2.5-flash");
    assert_eq!((&span["tokens_in"], &span["tokens_out"]), (&json!(4), &json!(3)), "{span}");
}

/// One span of a trace as OTLP's JSON has it.
fn otlp_json() -> Value {
    json!({"resourceSpans": [{"scopeSpans": [{"spans": [{
        "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "step",
        "startTimeUnixNano": "1795168800000000000", "endTimeUnixNano": "1795168801000000000"}]}]}]})
}

#[tokio::test]
async fn otlp_that_an_exporter_sends_to_the_base_url_is_taken_in() {
    use opentelemetry_proto::tonic::{
        collector::trace::v1::ExportTraceServiceRequest,
        trace::v1::{ResourceSpans, ScopeSpans, Span},
    };
    use prost::Message as _;
    let provider = Provider::answering(200, "application/json", &["{}"]).await;
    let bench = provider.bench().await;
    let key = bench.key("ingest,read").await;
    let span = Span {
        trace_id: vec![7; 16],
        span_id: vec![9; 8],
        name: "step".to_owned(),
        start_time_unix_nano: 1_795_168_800_000_000_000,
        end_time_unix_nano: 1_795_168_801_000_000_000,
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    let protobuf = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    for path in [
        "/proxy/openai/v1/traces",
        "/proxy/openai/v1/v1/traces",
        "/proxy/openai/v1/traces/ingest",
        "/proxy/anthropic/v1/traces",
    ] {
        let post = || bench.post(path).header("x-exhibit-key", &key);
        post().json(&otlp_json()).send().await.expect(200);
        let answer = post().body("application/x-protobuf", protobuf.clone()).send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (200, "application/x-protobuf")
        );
        bench.post(path).json(&otlp_json()).send().await.expect(401);
    }
    for id in ["0af7651916cd43dd8448eb211c80319c", "07070707070707070707070707070707"] {
        let trace = bench.get(&format!("/api/v1/traces/{id}")).key(&key).send().await.expect(200);
        assert_eq!(trace["data"]["span_count"], 1, "{trace}");
    }
    assert!(provider.seen().is_empty(), "nothing of it reaches the provider");
}

const SPENDING: &str = "version: 1
policy: spending
rules:
  - id: little
    title: The day's budget is spent
    budget: {limit_usd: 0.000002, window: 1d}
    then: {hard: [block]}
";

#[tokio::test]
async fn a_budget_that_is_spent_stops_the_next_call_before_it_leaves() {
    let provider = Provider::answering(200, "text/event-stream", &STREAM).await;
    let at = provider.at;
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("policies")).unwrap();
    std::fs::write(dir.path().join("policies/spending.yaml"), SPENDING).unwrap();
    let rules = exhibit_recorder::RuleSource { dir: Some(dir.path().to_owned()) };
    let bench =
        Bench::made(rules, |config, _| config.proxy.openai = format!("http://{at}/v1")).await;
    let key = bench.key("ingest,read").await;
    let path = "/proxy/openai/v1/chat/completions";
    call(&bench, path, &key).send().await.expect_text(200);
    let span = recorded(&bench, &key).await;
    assert!(span["cost"].as_f64().unwrap() > 0.000_002, "{span}");
    let refused = call(&bench, path, &key).send().await.expect(403);
    assert_eq!(refused["error"]["code"], "blocked", "{refused}");
    assert_eq!(provider.seen().len(), 1, "the second call was not made");
}
