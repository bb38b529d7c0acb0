//! OTLP over HTTP.

use std::io::Write;

use axum::http::Method;
use exhibit_server::Config;
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest,
        metrics::v1::ExportMetricsServiceRequest,
        trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    },
    common::v1::{AnyValue, KeyValue, any_value::Value as Any},
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;
use serde_json::json;

use crate::bench::{Answer, Bench, Call};

const PROTOBUF: &str = "application/x-protobuf";

fn attribute(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

pub(crate) fn request(trace: u8, spans: u8) -> ExportTraceServiceRequest {
    let spans = (1..=spans)
        .map(|n| Span {
            trace_id: vec![trace; 16],
            span_id: vec![n; 8],
            parent_span_id: if n > 1 { vec![1; 8] } else { Vec::new() },
            name: format!("chat {n}"),
            start_time_unix_nano: 1_763_000_000_000_000_000 + u64::from(n),
            end_time_unix_nano: 1_763_000_001_000_000_000,
            attributes: vec![
                attribute("gen_ai.operation.name", Any::StringValue("chat".into())),
                attribute("gen_ai.request.model", Any::StringValue("gpt-4o-mini".into())),
                attribute("gen_ai.usage.input_tokens", Any::IntValue(1_000)),
                attribute("gen_ai.usage.output_tokens", Any::IntValue(100)),
            ],
            ..Span::default()
        })
        .collect();
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }],
    }
}

/// `google.rpc.Status`, without its details.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

fn protobuf(bench: &Bench, key: &str, body: Vec<u8>) -> Call {
    Call::new(bench.otlp, Method::POST, "/v1/traces").key(key).body(PROTOBUF, body)
}

#[track_caller]
fn status_of(answer: &Answer, http: u16) -> i64 {
    assert_eq!(answer.status.as_u16(), http, "{}", answer.text());
    answer.json()["code"].as_i64().unwrap()
}

#[tokio::test]
async fn protobuf_and_json_in_every_encoding_are_recorded() {
    let bench = Bench::start().await;
    let key = bench.key("ingest,read").await;
    let gzip = |bytes: &[u8]| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    };
    let deflate = |bytes: &[u8]| {
        let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    };
    for (n, encoding) in [(1, "identity"), (2, "gzip"), (3, "deflate"), (4, "zstd")] {
        let plain = request(n, 2).encode_to_vec();
        let body = match encoding {
            "gzip" => gzip(&plain),
            "deflate" => deflate(&plain),
            "zstd" => zstd::encode_all(&plain[..], 3).unwrap(),
            _ => plain,
        };
        let answer = protobuf(&bench, &key, body).header("content-encoding", encoding).send().await;
        assert_eq!(answer.status, 200, "{encoding}: {}", answer.text());
        assert_eq!(answer.header("content-type"), PROTOBUF);
        let response = ExportTraceServiceResponse::decode(answer.body.clone()).unwrap();
        assert_eq!(response.partial_success, None);
        let id = format!("{n:02x}").repeat(16);
        let trace = bench.get(&format!("/api/v1/traces/{id}")).key(&key).send().await.expect(200);
        assert_eq!(trace["data"]["span_count"], 2);
        assert_eq!(trace["data"]["tokens_in"], 2_000);
        assert_eq!(trace["data"]["cost_source"], "table");
    }
    let json = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [{
        "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "json",
        "startTimeUnixNano": "1763000000000000000", "endTimeUnixNano": "1763000001000000000",
        "kind": 1, "attributes": [],
    }] }] }] });
    let answer = bench.post("/v1/traces").key(&key).json(&json).send().await;
    assert_eq!(answer.expect(200), json!({}));
    assert_eq!(answer.header("content-type"), "application/json");
}

#[tokio::test]
async fn every_known_prefix_and_signal_is_served_on_both_ports() {
    let bench = Bench::start().await;
    let key = bench.key("ingest").await;
    for prefix in [
        "",
        "/otel",
        "/api/public/otel",
        "/api/v1/otel",
        "/api/v1/private/otel",
        "/opik/api/v1/private/otel",
        "/agents/otel",
        "/api/integrations/otlp",
    ] {
        for (signal, body) in [
            ("traces", ExportTraceServiceRequest::default().encode_to_vec()),
            ("logs", ExportLogsServiceRequest::default().encode_to_vec()),
            ("metrics", ExportMetricsServiceRequest::default().encode_to_vec()),
        ] {
            for port in [bench.main, bench.otlp] {
                let path = format!("{prefix}/v1/{signal}");
                let call =
                    Call::new(port, Method::POST, &path).key(&key).body(PROTOBUF, body.clone());
                let answer = call.send().await;
                assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            }
        }
    }
}

#[tokio::test]
async fn a_bad_span_is_a_partial_success_and_the_good_ones_are_kept() {
    let bench = Bench::start().await;
    let key = bench.key("ingest,read").await;
    let bad = json!({ "traceId": "00000000000000000000000000000001", "spanId": "0000000000000001",
        "name": "bad", "startTimeUnixNano": "-5" });
    let good = json!({ "traceId": "00000000000000000000000000000001", "spanId": "0000000000000002",
        "name": "good", "startTimeUnixNano": "1763000000000000000", "endTimeUnixNano": "1763000001000000000" });
    let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [bad, good] }] }] });
    let answer = bench.post("/v1/traces").key(&key).json(&body).send().await.expect(200);
    assert_eq!(answer["partialSuccess"]["rejectedSpans"], "1", "{answer}");
    assert!(
        answer["partialSuccess"]["errorMessage"].as_str().unwrap().contains("startTimeUnixNano")
    );
    let trace = bench.get("/api/v1/traces/00000000000000000000000000000001").key(&key).send().await;
    assert_eq!(trace.expect(200)["data"]["span_count"], 1);
}

#[tokio::test]
async fn errors_are_google_rpc_status_in_the_content_type_of_the_request() {
    let bench = Bench::with(|_, limits| limits.body_bytes_max = 10_000).await;
    let key = bench.key("ingest").await;
    let reader = bench.key("read").await;
    let json = |key: &str, body: &'static str| {
        bench.post("/v1/traces").key(key).body("application/json", body).send()
    };
    assert_eq!(status_of(&json("wrong", "{}").await, 401), 16);
    assert_eq!(status_of(&json(&reader, "{}").await, 403), 7);
    assert_eq!(status_of(&json(&key, "{\"resourceSpans\":[").await, 400), 3);
    assert_eq!(status_of(&json(&key, "").await, 400), 3);
    let large = "x".repeat(20_000);
    let answer = bench.post("/v1/traces").key(&key).body("application/json", large).send().await;
    assert_eq!(status_of(&answer, 413), 3);

    let answer = protobuf(&bench, &key, b"\xff\xff\xff".to_vec()).send().await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (400, PROTOBUF));
    let status = RpcStatus::decode(answer.body.clone()).unwrap();
    assert_eq!(status.code, 3);
    assert!(status.message.contains("protobuf"), "{}", status.message);
}

#[tokio::test]
async fn other_content_types_and_encodings_are_named() {
    let bench = Bench::start().await;
    let key = bench.key("ingest").await;
    for content_type in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let answer = bench.post("/v1/traces").key(&key).body(content_type, "{}").send().await;
        assert_eq!(answer.status, 415);
        assert!(answer.text().contains("application/x-protobuf"), "{}", answer.text());
    }
    for encoding in ["br", "gzip, gzip", "zstd,gzip"] {
        let answer =
            protobuf(&bench, &key, Vec::new()).header("content-encoding", encoding).send().await;
        assert_eq!(answer.status, 415, "{encoding}");
    }
}

#[tokio::test]
async fn a_full_house_asks_to_come_again() {
    let bench = Bench::with(|_: &mut Config, limits| limits.inflight_bytes_max = 1 << 20).await;
    let key = bench.key("ingest").await;
    // A client that has sent most of a large body holds the budget. When a probe comes while it still
    // grows, it is the one to be turned away; then another tries.
    let mut refused = None;
    for _ in 0..10 {
        let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(4);
        let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
        let body = axum::body::Body::from_stream(stream);
        let slow = tokio::spawn(bench.post("/v1/traces").key(&key).body(PROTOBUF, body).send());
        sender.send(Ok(vec![0; 2 << 20])).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        let answer = protobuf(&bench, &key, request(1, 1).encode_to_vec()).send().await;
        drop(sender);
        let ended = slow.await.unwrap();
        if answer.status == 503 {
            assert_eq!(ended.status, 400);
            refused = Some(answer);
            break;
        }
    }
    assert!(!refused.expect("the budget runs out").header("retry-after").is_empty());
    let again = protobuf(&bench, &key, request(1, 1).encode_to_vec()).send().await;
    assert_eq!(again.status, 200);
}

#[tokio::test]
async fn tenant_headers_become_metadata_and_never_route() {
    let bench = Bench::start().await;
    let key = bench.key("ingest,read").await;
    let call = protobuf(&bench, &key, request(9, 1).encode_to_vec());
    let answer =
        call.header("x-tenant-id", "acme").header("langsmith-project", "demo").send().await;
    assert_eq!(answer.status, 200);
    let id = "09".repeat(16);
    let trace = bench.get(&format!("/api/v1/traces/{id}")).key(&key).send().await.expect(200);
    let metadata = trace["data"]["metadata"].to_string();
    assert!(metadata.contains("acme") && metadata.contains("demo"), "{metadata}");
}
