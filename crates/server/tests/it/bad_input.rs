//! Bad input, each with an answer of its own; afterwards the server is up and nothing is half kept.

use std::io::Write;

use serde_json::json;

use crate::bench::{Answer, Bench, batch, span};

async fn send(bench: &Bench, key: &str, path: &str, body: impl Into<axum::body::Body>) -> Answer {
    bench.post(path).key(key).body("application/json", body).send().await
}

#[tokio::test]
async fn text_that_is_not_json_or_not_one_json_is_named() {
    let bench = Bench::start().await;
    let key = bench.key("ingest,read").await;
    let deep = format!("{{\"batch\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    for (body, status, code) in [
        (&b""[..], 400, "empty-body"),
        (b"{\"batch\":[", 400, "malformed-json"),
        (b"not json", 400, "malformed-json"),
        (b"{\"batch\":[]} trailing", 400, "malformed-json"),
        (b"{\"batch\":[],\"batch\":[]}", 400, "duplicate-key"),
        (b"{\"batch\":[{\"name\":\"\\ud800\"}]}", 400, "lone-surrogate"),
        (b"{\"batch\":[{\"name\":\"\xff\"}]}", 400, "invalid-utf8"),
        (b"{\"batch\":[{\"tokens_in\":NaN}]}", 400, "malformed-json"),
        (deep.as_bytes(), 400, "too-deep"),
        (b"[]", 422, "wrong-shape"),
        (b"{\"batch\":{}}", 422, "wrong-shape"),
        (b"{}", 422, "wrong-shape"),
    ] {
        let answer = send(&bench, &key, "/api/v1/ingest/spans", body.to_vec()).await;
        answer.problem(status, code);
    }
    let list = bench.get("/api/v1/traces").key(&key).send().await.expect(200);
    assert_eq!(list["data"], json!([]));
}

#[tokio::test]
async fn values_out_of_range_are_refused_by_name_and_their_neighbours_kept() {
    let bench = Bench::start().await;
    let key = bench.key("ingest,read").await;
    let cases = [
        ("tokens_in", json!(-1)),
        ("tokens_out", json!(1e300)),
        ("cost", json!(-0.5)),
        ("cost", json!(1e200)),
        ("status", json!("sideways")),
        ("start_time", json!("yesterday")),
        ("span_id", json!("a/b")),
        ("trace_id", json!("x".repeat(300))),
        ("attributes", json!("text")),
    ];
    let mut spans: Vec<_> = cases
        .iter()
        .enumerate()
        .map(|(n, (field, value))| {
            let mut bad = span("t", &format!("bad-{n}"), None);
            bad[*field] = value.clone();
            bad
        })
        .collect();
    spans.push(span("t", "good", None));
    let body = batch(&spans).to_string();
    let answer =
        send(&bench, &key, "/api/v1/ingest/spans", body).await.problem(422, "spans-rejected");
    assert_eq!(answer["accepted"], 1, "{answer}");
    for (n, (field, _)) in cases.iter().enumerate() {
        let refused = &answer["rejected"][n];
        assert_eq!(refused["index"], n, "{answer}");
        assert!(
            refused["pointer"].as_str().unwrap().starts_with(&format!("/batch/{n}/{field}")),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn bodies_beyond_their_bounds_are_too_large() {
    let bench = Bench::with(|_, limits| {
        limits.body_bytes_max = 100_000;
        limits.body_inflated_bytes_max = 1_000_000;
        limits.spans_per_request_max = 10;
    })
    .await;
    let key = bench.key("ingest").await;
    let path = "/api/v1/ingest/spans";
    send(&bench, &key, path, " ".repeat(200_000)).await.problem(413, "too-large");
    // Without a length, it is found out while reading.
    let chunks = (0..20).map(|_| Ok::<_, std::io::Error>(vec![b' '; 10_000]));
    let stream = axum::body::Body::from_stream(futures_util::stream::iter(chunks));
    send(&bench, &key, path, stream).await.problem(413, "too-large");
    let spans: Vec<_> = (0..11).map(|n| span("t", &n.to_string(), None)).collect();
    send(&bench, &key, path, batch(&spans).to_string()).await.problem(413, "too-many");
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![b' '; 20 << 20]).unwrap();
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 100_000);
    let answer = bench
        .post(path)
        .key(&key)
        .header("content-encoding", "gzip")
        .body("application/json", bomb)
        .send()
        .await;
    answer.problem(413, "too-large");
    let damaged = bench
        .post(path)
        .key(&key)
        .header("content-encoding", "gzip")
        .body("application/json", "this is not gzip")
        .send()
        .await;
    damaged.problem(400, "content-encoding-damaged");
}

#[tokio::test]
async fn other_content_types_are_named() {
    let bench = Bench::start().await;
    let key = bench.key("ingest").await;
    for path in
        ["/api/v1/ingest/spans", "/api/v1/ingest/traces", "/api/traces", "/api/v1/auth/login"]
    {
        let answer = bench.post(path).key(&key).body("text/plain", "{}").send().await;
        answer.problem(415, "content-type");
    }
    let coded = bench
        .post("/api/traces")
        .key(&key)
        .header("content-encoding", "br")
        .body("application/json", "{}")
        .send()
        .await;
    coded.problem(415, "content-encoding");
}

#[tokio::test]
async fn what_real_clients_get_wrong_is_taken_and_flagged() {
    let bench = Bench::start().await;
    let key = bench.key("ingest,read").await;
    let orphan = span("t", "orphan", Some("not-yet"));
    let mut backwards = span("t", "backwards", None);
    backwards["start_time"] = json!("2026-11-20T11:00:00Z");
    let mut textual = span("t", "textual", None);
    textual["tokens_in"] = json!("7");
    textual["cost"] = json!("0.25");
    let mut nul = span("t", "nul", None);
    nul["input"] = json!({ "prompt": "a\u{0}b" });
    let mut past = span("t", "past", None);
    past["start_time"] = json!("1999-01-01T00:00:00Z");
    let spans = [orphan, backwards, textual, nul, past];
    let answer = send(&bench, &key, "/api/v1/ingest/spans", batch(&spans).to_string()).await;
    assert_eq!(answer.expect(201)["accepted"], 5);
    let flags = |id: &'static str| {
        let call = bench.get(&format!("/api/v1/traces/t/spans/{id}")).key(&key);
        async move { call.send().await.expect(200)["data"]["flags"].to_string() }
    };
    assert!(flags("backwards").await.contains("end-before-start"));
    assert!(flags("textual").await.contains("number-as-text"));
    assert!(flags("past").await.contains("past-stamp"));
    let trace = bench.get("/api/v1/traces/t").key(&key).send().await.expect(200);
    assert_eq!(trace["data"]["span_count"], 5);
}

#[tokio::test]
async fn parents_that_go_round_in_a_circle_are_refused_by_name() {
    let bench = Bench::start().await;
    let key = bench.key("ingest").await;
    let spans = [span("t", "a", Some("b")), span("t", "b", Some("a")), span("t", "c", None)];
    let answer = send(&bench, &key, "/api/v1/ingest/spans", batch(&spans).to_string()).await;
    let body = answer.problem(422, "spans-rejected");
    assert_eq!(body["accepted"], 1);
    let refused: Vec<_> =
        body["rejected"].as_array().unwrap().iter().map(|r| r["span_id"].clone()).collect();
    assert_eq!(refused, ["a", "b"]);
    assert!(body["detail"].as_str().unwrap().contains("cycle"), "{body}");
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused_and_tells_nothing_of_our_insides() {
    let bench = Bench::start().await;
    let key = bench.key("read").await;
    let answer = bench.get("/api/v1/traces?cursor=not-one-of-ours").key(&key).send().await;
    answer.problem(400, "cursor");
    for word in ["internal", "panicked", "src/", "StoreError"] {
        assert!(!answer.text().contains(word), "{}", answer.text());
    }
}
