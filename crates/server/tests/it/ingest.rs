//! The native API, as the mission's documents call it.

use serde_json::json;

use crate::bench::{Bench, batch, span};

#[tokio::test]
async fn the_quick_start_works_as_printed() {
    let bench = Bench::start().await;
    let key = bench.key("ingest").await;
    let registration = json!({ "trace": {
        "trace_id": "run-1", "agent_name": "my-agent", "environment": "development",
        "metadata": { "user_prompt": "hello" },
    } });
    let answer = bench.post("/api/v1/ingest/traces").key(&key).json(&registration).send().await;
    let body = answer.expect(201);
    assert_eq!((&body["trace_id"], &body["data"]["status"]), (&json!("run-1"), &json!("running")));

    let mut running = span("run-1", "s-1", None);
    running["status"] = json!("running");
    running["end_time"] = json!(null);
    running["output"] = json!(null);
    bench.post("/api/v1/ingest/spans").key(&key).json(&batch(&[running])).send().await.expect(201);
    let live = bench.get("/api/v1/traces/run-1").key(&key).send().await.expect(200);
    assert_eq!(live["data"]["status"], "running");

    let done = span("run-1", "s-1", None);
    let answer = bench
        .post("/api/v1/ingest/spans")
        .key(&key)
        .json(&batch(std::slice::from_ref(&done)))
        .send()
        .await;
    assert_eq!(answer.expect(201), json!({ "accepted": 1, "rejected": [] }));

    let trace = bench.get("/api/v1/traces/run-1").key(&key).send().await.expect(200);
    let data = &trace["data"];
    assert_eq!(data["status"], "ok");
    assert_eq!(data["agent_name"], "my-agent");
    assert_eq!(data["metadata"]["user_prompt"], "hello");
    assert_eq!((&data["tokens_in"], &data["tokens_out"]), (&json!(100), &json!(50)));
    assert_eq!(data["cost_nano_usd"], "100000");
    assert_eq!(data["cost_source"], "agent");
    assert_eq!(data["span_count"], 1);
    let read = &data["spans"][0];
    for name in [
        "span_id",
        "trace_id",
        "name",
        "span_type",
        "status",
        "input",
        "output",
        "model",
        "tokens_in",
        "tokens_out",
        "cost",
        "attributes",
    ] {
        assert_eq!(read[name], done[name], "{name}");
    }
    assert_eq!(read["duration_ms"], 500.0);
}

#[tokio::test]
async fn a_bad_span_is_named_and_the_good_ones_are_kept() {
    let bench = Bench::start().await;
    let key = bench.key("ingest").await;
    let mut bad = span("t", "bad", None);
    bad["tool_calls"] =
        json!([{ "tool_name": "web_search", "arguments": {}, "result": "a plain string" }]);
    let spans = [span("t", "good-1", None), bad, span("t", "good-2", Some("good-1"))];
    let answer = bench.post("/api/v1/ingest/spans").key(&key).json(&batch(&spans)).send().await;
    let body = answer.problem(422, "spans-rejected");
    assert_eq!(body["accepted"], 2);
    assert_eq!(body["rejected"][0]["index"], 1);
    assert_eq!(body["rejected"][0]["pointer"], "/batch/1/tool_calls/0/result");
    let trace = bench.get("/api/v1/traces/t").key(&key).send().await.expect(200);
    assert_eq!(trace["data"]["span_count"], 2);
    bench.get("/api/v1/traces/t/spans/bad").key(&key).send().await.problem(404, "not-found");
}

#[tokio::test]
async fn a_single_call_is_a_trace_and_a_retry_is_the_same_one() {
    let bench = Bench::start().await;
    let key = bench.key("ingest").await;
    let call = json!({
        "actionName": "finance-review", "model": "gpt-4o", "environment": "dev", "status": "completed",
        "requestId": "0f3a", "prompt": "Summarize", "response": "Done",
        "metrics": { "promptTokens": 10, "completionTokens": 5, "totalTokens": 15, "latencyMs": 120 },
    });
    let send = || bench.post("/api/traces").key(&key).json(&call).send();
    let first = send().await.expect(201);
    let id = first["trace"]["id"].as_str().unwrap().to_owned();
    assert_eq!(first["id"], id);
    let record = &first["trace"]["executionRecords"][0];
    assert_eq!(record["metrics"]["promptTokens"], 10);
    assert_eq!(record["metrics"]["latencyMs"], 120.0);
    // hashlib.sha256(json.dumps(call, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    assert_eq!(
        record["payloadHash"],
        "aba4a8e7d613ca34dbc03b687e5327f71dd6e930b9e376b04b0c88baed60ab8b"
    );
    assert!(first["trace"]["verificationRecords"][0]["fingerprint"].is_string());
    assert_eq!(send().await.expect(201)["trace"]["id"], id);
    let list = bench.get("/api/traces").key(&key).send().await.expect(200);
    assert_eq!(list["total"], 1);
    assert_eq!(list["traces"][0]["id"], id);
    assert_eq!(list["items"][0]["trace_id"], id);
    let failed = bench.get("/api/traces?status=failed").key(&key).send().await.expect(200);
    assert_eq!(failed["total"], 0);
}

#[tokio::test]
async fn the_missions_first_trace_has_an_id() {
    let bench = Bench::start().await;
    let key = bench.key("ingest").await;
    let call = json!({
        "model": "gpt-4o", "input": "Summarize this quarterly report",
        "metadata": { "workflow": "finance-review" },
    });
    let body = bench.post("/api/traces").header("x-api-key", &key).json(&call).send().await;
    let id = body.expect(201)["trace"]["id"].as_str().unwrap().to_owned();
    let trace = bench.get(&format!("/api/v1/traces/{id}")).key(&key).send().await.expect(200);
    assert_eq!(trace["data"]["metadata"]["workflow"], "finance-review");
    assert_eq!(trace["data"]["spans"][0]["input"], "Summarize this quarterly report");
}

#[tokio::test]
async fn the_older_form_at_v1_traces_is_told_from_otlp() {
    let bench = Bench::start().await;
    let key = bench.key("ingest").await;
    let call = json!({ "model": "gpt-4o", "input": "hi", "workflow": "w" });
    let body = bench.post("/v1/traces").key(&key).json(&call).send().await.expect(200);
    assert_eq!(body["status"], "processed");
    assert!(body["trace_id"].as_str().unwrap().starts_with("tr_"));
    let otlp =
        bench.post("/v1/traces").key(&key).json(&json!({ "resourceSpans": [] })).send().await;
    assert_eq!(otlp.expect(200), json!({}));
}

#[tokio::test]
async fn a_batch_may_be_empty_and_may_be_compressed() {
    let bench = Bench::start().await;
    let key = bench.key("ingest").await;
    let answer = bench.post("/api/v1/ingest/spans").key(&key).json(&batch(&[])).send().await;
    assert_eq!(answer.expect(201)["accepted"], 0);
    let body = zstd::encode_all(batch(&[span("z", "1", None)]).to_string().as_bytes(), 3).unwrap();
    let answer = bench
        .post("/api/v1/ingest/spans")
        .key(&key)
        .header("content-encoding", "zstd")
        .body("application/json", body)
        .send()
        .await;
    assert_eq!(answer.expect(201)["accepted"], 1);
}
