//! Lists, traces, spans, sums, proofs.

use serde_json::{Value, json};

use crate::bench::{Bench, batch, span};

async fn filled() -> (Bench, String) {
    let bench = Bench::start().await;
    let key = bench.key("ingest,read").await;
    let mut spans = Vec::new();
    for n in 0..5 {
        let mut root = span(&format!("t{n}"), "root", None);
        root["start_time"] = json!(format!("2026-11-20T10:0{n}:00Z"));
        root["end_time"] = json!(format!("2026-11-20T10:0{n}:01Z"));
        root["session_id"] = json!(if n < 2 { "morning" } else { "noon" });
        root["model"] = json!(if n % 2 == 0 { "gpt-4o-mini" } else { "gpt-4o" });
        root["tags"] = json!([format!("tag{n}")]);
        if n == 4 {
            root["status"] = json!("error");
            root["output"] = json!({ "response": "連絡先は銀河の果て" });
        }
        spans.push(root);
    }
    let mut tool = span("t0", "tool", Some("root"));
    tool["span_type"] = json!("tool");
    tool["model"] = json!(null);
    tool["cost"] = json!(null);
    tool["tokens_in"] = json!(null);
    tool["tokens_out"] = json!(null);
    tool["start_time"] = json!("2026-11-20T10:00:00.100Z");
    spans.push(tool);
    bench.post("/api/v1/ingest/spans").key(&key).json(&batch(&spans)).send().await.expect(201);
    (bench, key)
}

fn ids(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|t| t["trace_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn traces_are_listed_newest_first_filtered_and_paged() {
    let (bench, key) = filled().await;
    let list = |query: &str| {
        let path = format!("/api/v1/traces?{query}");
        let call = bench.get(&path).key(&key);
        async move { call.send().await.expect(200) }
    };
    assert_eq!(ids(&list("").await), ["t4", "t3", "t2", "t1", "t0"]);
    assert_eq!(ids(&list("order=oldest&limit=2").await), ["t0", "t1"]);
    assert_eq!(ids(&list("status=error").await), ["t4"]);
    assert_eq!(ids(&list("model=gpt-4o").await), ["t3", "t1"]);
    assert_eq!(ids(&list("session=morning&model=gpt-4o-mini").await), ["t0"]);
    assert_eq!(ids(&list("tag=tag1&tag=tag2").await), ["t2", "t1"]);
    assert_eq!(ids(&list("filter=tag%3Dtag1%20or%20status%3Derror").await), ["t4", "t1"]);
    assert_eq!(ids(&list("from=2026-11-20T10:03:00Z").await), ["t4", "t3"]);
    assert_eq!(ids(&list("to=2026-11-20T10:01:00Z").await), ["t0"]);
    assert_eq!(ids(&list("kind=tool").await), ["t0"]);
    assert_eq!(ids(&list("min_cost=0.0001&limit=1").await), ["t4"]);
    assert_eq!(ids(&list("min_cost=1").await), Vec::<&str>::new());
    assert_eq!(ids(&list("q=%E9%8A%80%E6%B2%B3").await), ["t4"]);

    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = list(&format!("limit=2{cursor}")).await;
        seen.extend(ids(&page).into_iter().map(ToOwned::to_owned));
        assert_eq!(page["has_more"], !page["next_cursor"].is_null());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["t4", "t3", "t2", "t1", "t0"]);
}

#[tokio::test]
async fn a_query_that_does_not_read_is_refused_with_its_place() {
    let (bench, key) = filled().await;
    let get = |query: &str| bench.get(&format!("/api/v1/traces?{query}")).key(&key).send();
    let body = get("filter=status%20%3D%20eror").await.problem(400, "filter");
    assert!(
        body["position"].is_u64() && body["detail"].as_str().unwrap().contains("error"),
        "{body}"
    );
    for query in ["modle=x", "limit=-1", "order=sideways", "min_cost=much"] {
        assert_eq!(get(query).await.expect(400)["status"], 400, "{query}");
    }
    let wrong = bench.get("/api/v1/analytics?form=-1d").key(&key).send().await;
    wrong.problem(400, "parameters");
}

#[tokio::test]
async fn spans_come_in_windows_with_previews_and_one_by_one_with_everything() {
    let (bench, key) = filled().await;
    let window = bench.get("/api/v1/traces/t0/spans?limit=1").key(&key).send().await.expect(200);
    assert_eq!(window["data"][0]["span_id"], "root");
    assert!(window["data"][0]["input_preview"].as_str().unwrap().contains("stays sealed"));
    assert!(window["data"][0].get("input").is_none());
    let next = window["next_cursor"].as_str().unwrap();
    let path = format!("/api/v1/traces/t0/spans?cursor={next}");
    let window = bench.get(&path).key(&key).send().await.expect(200);
    assert_eq!(window["data"][0]["span_id"], "tool");
    assert_eq!(window["has_more"], false);
    let children =
        bench.get("/api/v1/traces/t0/spans?parent=root").key(&key).send().await.expect(200);
    assert_eq!(children["data"].as_array().unwrap().len(), 1);

    let span = bench.get("/api/v1/traces/t0/spans/root").key(&key).send().await.expect(200);
    let data = &span["data"];
    assert_eq!(data["input"]["prompt"], "what is sealed stays sealed");
    assert_eq!((&data["cost_source"], &data["cost_nano_usd"]), (&json!("agent"), &json!("100000")));
    assert_eq!((&data["kind"], &data["door"]), (&json!("llm"), &json!("native")));
    assert_eq!(data["usage"]["input_uncached"], 100);
    assert!(data["fingerprint"].as_str().unwrap().len() == 64);
    assert!(data["raw"].as_array().unwrap().iter().any(|a| a["part"] == "input"));
    assert!(data["provenance"].is_object());
    bench.get("/api/v1/traces/none").key(&key).send().await.problem(404, "not-found");
    bench.get("/api/v1/traces/t0/spans/none").key(&key).send().await.problem(404, "not-found");
    bench.get("/api/v1/traces/a%2Fb").key(&key).send().await.problem(404, "not-found");
    bench.get("/api/v1/traces/~/spans/~").key(&key).send().await.problem(404, "not-found");
}

#[tokio::test]
async fn sums_over_time_by_model() {
    let (bench, key) = filled().await;
    let path = "/api/v1/analytics?from=2026-11-20&to=2026-11-21&group_by=model&step=1h";
    let body = bench.get(path).key(&key).send().await.expect(200);
    let totals = &body["data"]["totals"];
    assert_eq!(totals["spans"], 6);
    assert_eq!(totals["traces"], 5);
    assert_eq!(totals["errors"], 1);
    assert_eq!(totals["cost_nano_usd"], "500000");
    assert_eq!((&totals["tokens_in"], &totals["tokens_out"]), (&json!(500), &json!(250)));
    assert!(totals["latency_ms"]["p95"].as_f64().unwrap() > 900.0);
    assert_eq!(body["data"]["series"].as_array().unwrap().len(), 24);
    let groups = body["data"]["groups"].as_array().unwrap();
    let mini = groups.iter().find(|g| g["value"] == "gpt-4o-mini").unwrap();
    assert_eq!(mini["calls"], 3);
    bench.get("/api/v1/analytics").key(&key).send().await.expect(200);
    for wrong in
        ["group_by=colour", "step=7", "from=later", "from=-1d&to=-2d", "from=2020-01-01&step=60"]
    {
        bench
            .get(&format!("/api/v1/analytics?{wrong}"))
            .key(&key)
            .send()
            .await
            .problem(400, "parameters");
    }
}

#[tokio::test]
async fn sessions_gather_their_traces() {
    let (bench, key) = filled().await;
    let body = bench.get("/api/v1/sessions").key(&key).send().await.expect(200);
    let rows = body["data"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    let noon = rows.iter().find(|s| s["session_id"] == "noon").unwrap();
    assert_eq!((&noon["trace_count"], &noon["error_count"]), (&json!(3), &json!(1)));
    assert_eq!(noon["cost_nano_usd"], "300000");
}

#[tokio::test]
async fn a_trace_is_verified_and_its_log_is_public_to_its_readers() {
    let (bench, key) = filled().await;
    bench.settled().await;
    let get = |path: &str| bench.get(path).key(&key).send();
    let body = get("/api/v1/traces/t0/verification").await.expect(200);
    assert_eq!(body["data"]["verdict"], "valid", "{body}");
    assert_eq!(body["data"]["records"].as_array().unwrap().len(), 2);
    let index = body["data"]["records"][0]["index"].as_u64().unwrap();

    let checkpoint = get("/api/v1/ledger/checkpoint").await;
    assert_eq!(checkpoint.status, 200);
    assert!(checkpoint.header("content-type").starts_with("text/plain"));
    assert_eq!(body["data"]["checkpoint"], checkpoint.text());
    let verifier = get("/api/v1/ledger/key").await.text();
    assert_eq!(body["data"]["key"], verifier.trim());
    let proof = get(&format!("/api/v1/ledger/proof/{index}")).await.text();
    assert!(proof.starts_with("c2sp.org/tlog-proof@v1\n"), "{proof}");
    let size: u64 = checkpoint.text().lines().nth(1).unwrap().parse().unwrap();
    let path = format!("/api/v1/ledger/consistency?old=1&new={size}");
    assert!(!get(&path).await.expect(200)["data"]["hashes"].as_array().unwrap().is_empty());
    let tile = get(&format!("/api/v1/ledger/tile/0/000.p/{size}")).await;
    assert_eq!((tile.status.as_u16(), tile.body.len() as u64), (200, size * 32));
    assert_eq!(get(&format!("/api/v1/ledger/tile/entries/000.p/{size}")).await.status, 200);
    for wrong in
        ["tile/0/000.p/99", "tile/../../etc", "proof/99999", "proof/x", "consistency?old=9&new=2"]
    {
        get(&format!("/api/v1/ledger/{wrong}")).await.problem(404, "not-found");
    }
    assert_eq!(get("/api/v1/ledger/installation/checkpoint").await.status, 200);
    assert_eq!(get("/api/v1/ledger/installation/key").await.status, 200);
    assert_eq!(get("/api/v1/ledger/installation/proof/0").await.status, 200);
    assert_eq!(get("/api/v1/ledger/installation/consistency?old=1&new=1").await.status, 200);
    assert_eq!(get("/api/v1/ledger/installation/tile/0/000.p/1").await.status, 200);
    bench.get("/api/v1/ledger/checkpoint").send().await.problem(401, "no-key");
}

#[tokio::test]
async fn prices_and_rules_in_force_are_shown() {
    let (bench, key) = filled().await;
    let prices = bench.get("/api/v1/settings/pricing").key(&key).send().await.expect(200);
    assert_eq!(prices["data"]["unit"], "USD per 1M tokens");
    let rules = bench.get("/api/v1/settings/rules").key(&key).send().await.expect(200);
    assert!(rules["data"]["loaded"].as_u64().unwrap() > 0);
    assert!(rules["data"]["last_error"].is_null());
}
