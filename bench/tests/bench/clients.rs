//! The clients against a scripted server: what they count, repeat, refuse to count and report.

use std::{
    io::Read,
    sync::atomic::{AtomicUsize, Ordering},
};

use clap::Parser;
use exhibit_bench::{
    corpus::{Format, file, stream::BatchStream},
    freshness::{self, FreshnessArgs},
    load::{self, LoadArgs, LoadReport},
    query::{self, QueryArgs},
    single::{self, SingleArgs},
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use serde_json::json;

use crate::{
    corpus_law::plan,
    mock::{Kept, Seen, answer, chunked, serve},
};

#[derive(Parser)]
struct Line<T: clap::Args> {
    #[command(flatten)]
    args: T,
}

fn args<T: clap::Args>(line: &[&str]) -> T {
    Line::<T>::parse_from(std::iter::once(&"bench").chain(line)).args
}

fn keep(kept: &Kept, body: &[u8]) -> usize {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let spans = request.resource_spans.iter().flat_map(|r| &r.scope_spans).flat_map(|s| &s.spans);
    let mut kept = kept.0.lock().unwrap();
    spans.map(|span| kept.insert(span.span_id.clone())).count()
}

fn count_answer(kept: &Kept) -> Option<Vec<u8>> {
    let body = json!({"data": {"totals": {"spans": kept.len()}}}).to_string();
    chunked(body.as_bytes())
}

async fn load(address: &str, extra: &[&str]) -> LoadReport {
    let url = format!("http://{address}/v1/traces");
    let base = format!("http://{address}");
    let mut line = vec!["--url", &url, "--check-url", &base, "--key", "k1"];
    line.extend_from_slice(extra);
    load::measure(&args::<LoadArgs>(&line)).await.unwrap()
}

fn storing(kept: &Kept) -> impl Fn(&Seen) -> Option<Vec<u8>> + Send + Sync + use<> {
    let kept = kept.clone();
    move |seen| {
        assert!(seen.headers.contains("authorization: bearer k1"), "{}", seen.headers);
        if seen.method == "GET" {
            return count_answer(&kept);
        }
        keep(&kept, &seen.body);
        answer(200, "", b"")
    }
}

#[tokio::test]
async fn every_span_is_sent_once_and_waited_for() {
    let kept = Kept::default();
    let address = serve(storing(&kept));
    let pid = std::process::id().to_string();
    let report = load(
        &address,
        &["--spans", "2000", "--connections", "4", "--server-pid", &pid, "--settle", "0"],
    )
    .await;
    assert_eq!((report.spans_acked, report.spans_failed), (2_000, 0));
    assert_eq!(kept.len(), 2_000);
    let queryable = report.queryable.unwrap();
    assert!(queryable.complete && queryable.spans == 2_000);
    assert_eq!(report.ack.n as u64, report.requests);
    assert_eq!(report.body_bytes, report.wire_bytes);
    assert!(report.server.unwrap().cpu_us_per_span > 0.0);
}

#[tokio::test]
async fn compressed_bodies_decompress_to_the_corpus() {
    let kept = Kept::default();
    let inner = kept.clone();
    let address = serve(move |seen| {
        if seen.method == "GET" {
            return count_answer(&inner);
        }
        assert!(seen.headers.contains("content-encoding: gzip"));
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(seen.body.as_slice()).read_to_end(&mut plain).unwrap();
        keep(&inner, &plain);
        answer(200, "", b"")
    });
    let report = load(&address, &["--spans", "500", "--gzip"]).await;
    assert_eq!((report.spans_acked, kept.len()), (500, 500));
    assert!(report.wire_bytes < report.body_bytes * 2 / 3);
}

#[tokio::test]
async fn overload_and_broken_connections_are_retried_and_nothing_counts_twice() {
    let kept = Kept::default();
    let inner = kept.clone();
    let calls = AtomicUsize::new(0);
    let address = serve(move |seen| {
        if seen.method == "GET" {
            return count_answer(&inner);
        }
        match calls.fetch_add(1, Ordering::Relaxed) % 5 {
            0 => answer(429, "Retry-After: 0\r\n", b"slow down"),
            1 => answer(503, "Retry-After: 0\r\n", b""),
            2 => None,
            3 => {
                // Stored, but the answer is lost: the client must ask again.
                keep(&inner, &seen.body);
                None
            }
            _ => {
                keep(&inner, &seen.body);
                answer(200, "", b"")
            }
        }
    });
    let report = load(&address, &["--spans", "600", "--connections", "3"]).await;
    assert_eq!((report.spans_acked, report.spans_failed, kept.len()), (600, 0, 600));
    assert!(report.retries_overload >= 2 && report.retries_connection >= 2, "{report:?}");
    assert!(report.queryable.unwrap().complete);
}

#[tokio::test]
async fn rejected_and_refused_spans_do_not_count() {
    let kept = Kept::default();
    let inner = kept.clone();
    let calls = AtomicUsize::new(0);
    let address = serve(move |seen| {
        if seen.method == "GET" {
            return count_answer(&inner);
        }
        if calls.fetch_add(1, Ordering::Relaxed) == 0 {
            return answer(400, "", b"no such thing");
        }
        let partial = ExportTracePartialSuccess { rejected_spans: 3, error_message: "3".into() };
        let response = ExportTraceServiceResponse { partial_success: Some(partial) };
        answer(200, "", &response.encode_to_vec())
    });
    let line = ["--spans", "1000", "--connections", "1", "--check-timeout", "0"];
    let report = load(&address, &line).await;
    assert!((1..=100).contains(&report.spans_failed));
    assert_eq!(report.spans_rejected, 3 * report.requests);
    assert_eq!(report.spans_acked, 1_000 - report.spans_failed - report.spans_rejected);
    assert!(report.first_failure.unwrap().contains("no such thing"));
    assert!(!report.queryable.unwrap().complete, "nothing was stored");
}

#[tokio::test]
async fn a_paced_load_keeps_its_rate() {
    let kept = Kept::default();
    let address = serve(storing(&kept));
    let report = load(&address, &["--spans", "1000", "--rate", "2000", "--connections", "2"]).await;
    assert_eq!(report.spans_acked, 1_000);
    assert!((0.4..1.5).contains(&report.wall_seconds), "{} s", report.wall_seconds);
}

#[tokio::test]
async fn a_corpus_file_is_sent_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let prefix = directory.path().join("c");
    let mut stream = BatchStream::new(plan(5, 700, Format::Otlp));
    let mut writer = file::CorpusWriter::create(&prefix, Format::Otlp).unwrap();
    for batch in &mut stream {
        writer.write(&batch).unwrap();
    }
    writer.finish(&stream).unwrap();
    let kept = Kept::default();
    let address = serve(storing(&kept));
    let report = load(&address, &["--corpus", prefix.to_str().unwrap(), "--ahead", "1"]).await;
    assert_eq!((report.spans_acked, kept.len()), (700, 700));
}

#[tokio::test]
async fn single_spans_go_one_per_request() {
    let kept = Kept::default();
    let inner = kept.clone();
    let address = serve(move |seen| {
        assert_eq!(keep(&inner, &seen.body), 1);
        answer(200, "", b"")
    });
    let url = format!("http://{address}/v1/traces");
    let report = single::measure(&args::<SingleArgs>(&["--url", &url, "--n", "50"])).await.unwrap();
    assert_eq!((report.ack.n, kept.len()), (50, 70), "50 measured after 20 to warm up");
}

#[tokio::test]
async fn a_probe_is_asked_for_until_it_is_proved_and_found() {
    let kept = Kept::default();
    let searches = AtomicUsize::new(0);
    let proofs = AtomicUsize::new(0);
    let inner = kept.clone();
    let address = serve(move |seen| {
        if seen.method == "POST" {
            keep(&inner, &seen.body);
            return answer(200, "", b"");
        }
        if seen.path.ends_with("/verification") {
            let proved = proofs.fetch_add(1, Ordering::Relaxed) % 2 == 1;
            let verdict = if proved { "valid" } else { "pending" };
            return answer(200, "", json!({"data": {"verdict": verdict}}).to_string().as_bytes());
        }
        assert!(seen.path.contains("&q="));
        let found = searches.fetch_add(1, Ordering::Relaxed) % 3 == 2;
        let rows = if found { json!([{"trace_id": "a"}]) } else { json!([]) };
        answer(200, "", json!({"data": rows}).to_string().as_bytes())
    });
    let (url, base) = (format!("http://{address}/v1/traces"), format!("http://{address}"));
    let line = ["--url", &url, "--base", &base, "--n", "4", "--pause-ms", "1"];
    let report = freshness::measure(&args::<FreshnessArgs>(&line)).await.unwrap();
    assert_eq!((report.found, report.missed, kept.len()), (4, 0, 4));
    assert!(report.searchable.p50_ms >= 40.0, "two more looks, 20 ms apart");
    assert_eq!(report.checkpointed.n, 4);
    assert!(report.checkpointed.p50_ms >= 20.0, "one more look");
}

#[tokio::test]
async fn queries_filter_by_values_that_the_api_showed() {
    let address = serve(|seen| {
        if seen.path.starts_with("/api/v1/analytics") && seen.path.contains("group_by=user") {
            return answer(500, "", b"broken");
        }
        let trace = json!({
            "trace_id": "0af7", "span_count": 40, "models": ["m-1"], "agent_name": "a",
            "user_id": "u", "session_id": "s", "environment": "production",
        });
        let body = json!({"data": {"items": [trace], "next_cursor": null}}).to_string();
        chunked(body.as_bytes())
    });
    let base = format!("http://{address}");
    let figures = query::measure(&args::<QueryArgs>(&["--base", &base, "--n", "5"])).await.unwrap();
    let find = |name: &str| figures.iter().find(|figure| figure.name == name).unwrap();
    for name in ["newest 50", "status", "model", "agent", "session", "trace", "rare word"] {
        let figure = find(name);
        assert_eq!((figure.latency.n, figure.rows), (5, Some([1, 1])), "{name}");
        assert!(figure.problem.is_none());
    }
    assert!(find("tag").problem.is_some(), "no trace had a tag");
    assert!(find("30 days by user").problem.as_ref().unwrap().contains("500"));
    assert!(find("30 days by model").problem.is_none());
}
