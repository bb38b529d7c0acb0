//! The API as a whole: its description, its pages, its headers.

use axum::http::Method;
use serde_json::{Value, json};

use crate::bench::{Bench, batch, span};

#[tokio::test]
async fn health_answers_bare_with_exactly_the_missions_fields() {
    let bench = Bench::start().await;
    for path in ["/api/v1/health", "/health"] {
        let body = bench.get(path).send().await.expect(200);
        let names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["status", "version", "db_connected", "rules_loaded", "uptime_seconds"]);
        assert_eq!((&body["status"], &body["db_connected"]), (&"ok".into(), &true.into()));
    }
    let on_otlp = bench.get("/health").to(bench.otlp).send().await;
    on_otlp.expect(200);
}

#[tokio::test]
async fn the_description_names_every_route_and_is_the_one_exported() {
    let bench = Bench::start().await;
    let answer = bench.get("/api/openapi.json").send().await;
    let api = answer.expect(200);
    assert_eq!(answer.text(), exhibit_server::openapi());
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    for path in [
        "/api/v1/health",
        "/health",
        "/api/v1/auth/register",
        "/api/v1/auth/login",
        "/api/v1/auth/logout",
        "/api/v1/auth/me",
        "/api/v1/auth/setup",
        "/api/v1/ingest/traces",
        "/api/v1/ingest/spans",
        "/api/traces",
        "/api/v1/traces",
        "/api/v1/traces/{trace_id}",
        "/api/v1/traces/{trace_id}/spans",
        "/api/v1/traces/{trace_id}/spans/{span_id}",
        "/api/v1/traces/{trace_id}/verification",
        "/api/v1/sessions",
        "/api/v1/analytics",
        "/api/v1/settings/pricing",
        "/api/v1/settings/rules",
        "/api/v1/keys",
        "/api/v1/keys/{id}",
        "/api/v1/members",
        "/api/v1/workspaces",
        "/api/v1/ledger/checkpoint",
        "/api/v1/ledger/key",
        "/api/v1/ledger/proof/{index}",
        "/api/v1/ledger/consistency",
        "/api/v1/ledger/installation/checkpoint",
        "/api/v1/live",
        "/v1/traces",
        "/v1/logs",
        "/v1/metrics",
        "/api/public/otel/v1/traces",
        "/ws",
    ] {
        assert!(api["paths"].get(path).is_some(), "{path} is not described");
    }
}

/// The committed description is that of the code. `EXHIBIT_BLESS=1` writes it anew.
#[test]
fn the_committed_description_has_not_drifted() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let current = exhibit_server::openapi() + "\n";
    if std::env::var_os("EXHIBIT_BLESS").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == current, "openapi.json has drifted; run the test with EXHIBIT_BLESS=1");
}

#[tokio::test]
async fn every_described_operation_has_a_summary_an_id_of_its_own_and_resolving_references() {
    let api: Value = serde_json::from_str(&exhibit_server::openapi()).unwrap();
    let mut ids = std::collections::HashSet::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path}"));
            assert!(ids.insert(id.to_owned()), "{id} stands twice");
            let summary = operation["summary"].as_str().or(operation["description"].as_str());
            assert!(summary.is_some_and(|s| !s.is_empty()), "{method} {path} has no summary");
        }
    }
    let text = api.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(api.pointer(pointer).is_some(), "{pointer} leads nowhere");
    }
}

#[tokio::test]
async fn every_described_path_without_a_key_answers_and_never_by_accident() {
    let bench = Bench::start().await;
    let api: Value = serde_json::from_str(&exhibit_server::openapi()).unwrap();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let path = path.replace("{index}", "0").replace("{*path}", "0/000");
            let path =
                path.replace("{trace_id}", "t").replace("{span_id}", "s").replace("{id}", "k");
            let mut call = bench.call(method.clone(), &path);
            if method != Method::GET {
                call = call.body("application/json", "{}");
            }
            let status = call.send().await.status.as_u16();
            let open = operation["security"] == serde_json::json!([{}]) || path == "/ws";
            let expected: &[u16] = if open { &[200, 204, 400, 422] } else { &[401] };
            assert!(expected.contains(&status), "{method} {path}: {status}");
        }
    }
}

#[tokio::test]
async fn the_reference_page_works_offline() {
    let bench = Bench::start().await;
    assert_eq!(bench.get("/docs").send().await.header("location"), "/docs/");
    let page = bench.get("/docs/").send().await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("swagger"));
    let script = bench.get("/docs/swagger-initializer.js").send().await.text();
    assert!(script.contains("/api/openapi.json") && script.contains("validatorUrl"), "{script}");
    for file in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js"] {
        assert_eq!(bench.get(&format!("/docs/{file}")).send().await.status, 200, "{file}");
    }
    let text = page.text();
    let foreign: Vec<_> = text.split(['"', '\'']).filter(|a| a.starts_with("http")).collect();
    assert!(foreign.is_empty(), "the page names {foreign:?}");
    bench.get("/docs/nothing.here").send().await.problem(404, "not-found");
}

#[tokio::test]
async fn pages_are_served_for_every_address_and_apis_never_answer_with_one() {
    let bench = Bench::start().await;
    for path in
        ["/", "/login", "/register", "/setup?token=x", "/keys", "/traces/tr_1", "/traces/a.b"]
    {
        let page = bench.get(path).header("accept", "text/html").send().await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.header("content-type").starts_with("text/html"), "{path}");
        let csp = page.header("content-security-policy");
        assert!(csp.contains("default-src 'self'") && !csp.contains("unsafe"), "{csp}");
    }
    for path in ["/api/v1/nothing", "/api", "/v1/nothing", "/nothing.js"] {
        bench.get(path).header("accept", "application/json").send().await.problem(404, "not-found");
    }
    bench.post("/").send().await.problem(404, "not-found");
    bench.call(Method::DELETE, "/api/v1/traces").send().await.problem(405, "method-not-allowed");
}

#[tokio::test]
async fn every_answer_carries_ids_and_security_headers() {
    let bench = Bench::start().await;
    let own = bench.get("/api/v1/traces").header("x-request-id", "mine-1").send().await;
    assert_eq!((own.header("x-request-id"), own.header("x-correlation-id")), ("mine-1", "mine-1"));
    assert_eq!(own.header("cache-control"), "no-store");
    let first = bench.get("/").send().await.header("x-request-id").to_owned();
    let second = bench.get("/none.js").header("x-correlation-id", "c").send().await;
    assert!(first.starts_with("req_") && first != second.header("x-request-id"));
    assert_eq!(second.header("x-correlation-id"), "c");
    for (name, value) in [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY")] {
        assert_eq!(second.header(name), value);
    }
    let strange = bench.get("/health").header("x-request-id", "a b").send().await;
    assert!(strange.header("x-request-id").starts_with("req_"));
}

#[tokio::test]
async fn long_answers_are_compressed_for_clients_that_take_it() {
    let bench = Bench::start().await;
    let key = bench.key("ingest,read").await;
    let sent: Vec<Value> = (0..30).map(|n| span(&format!("run-{n}"), "s", None)).collect();
    bench.post("/api/v1/ingest/spans").key(&key).json(&batch(&sent)).send().await.expect(201);
    let list = || bench.get("/api/v1/traces").key(&key);
    let plain = list().send().await;
    assert_eq!(plain.header("content-encoding"), "");
    let packed = list().header("accept-encoding", "br, gzip").send().await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.header("vary").contains("accept-encoding"), "{:?}", packed.headers);
    assert!(packed.body.len() * 3 < plain.body.len());
    let mut text = String::new();
    let mut reader = flate2::read::GzDecoder::new(&packed.body[..]);
    std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), plain.json());
    let short = bench.get("/health").header("accept-encoding", "gzip").send().await;
    assert_eq!(short.header("content-encoding"), "");
}

#[tokio::test]
async fn prometheus_reads_what_was_done_so_far() {
    let bench = Bench::start().await;
    let key = bench.key("ingest").await;
    let mut bad = span("run-1", "s-2", None);
    bad["start_time"] = json!("not a time");
    let sent = batch(&[span("run-1", "s-1", None), bad]);
    bench.post("/api/v1/ingest/spans").key(&key).json(&sent).send().await;
    let page = bench.get("/metrics").send().await.expect_text(200);
    let value = |name: &str| -> f64 {
        let line = page.lines().find(|line| line.starts_with(&format!("{name} ")));
        line.and_then(|line| line.split(' ').nth(1))
            .unwrap_or_else(|| panic!("{name}: {page}"))
            .parse()
            .unwrap()
    };
    assert!((value("exhibit_spans_accepted_total") - 1.0).abs() < 0.1);
    assert!((value("exhibit_spans_rejected_total") - 1.0).abs() < 0.1);
    assert!(
        value("exhibit_commit_seconds_count") >= 1.0 && value("exhibit_commit_seconds_sum") > 0.0
    );
    assert!(value("exhibit_commit_seconds_bucket{le=\"+Inf\"}") >= 1.0);
    assert!(value("exhibit_commit_queue_batches").abs() < 0.1);
    // Every sample stands behind its help and its type, and no name stands twice.
    let mut types = Vec::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            types.push(rest.split(' ').next().unwrap().to_owned());
        } else if !line.starts_with('#') {
            let name = line.split([' ', '{']).next().unwrap();
            assert!(types.last().is_some_and(|of| name.starts_with(of.as_str())), "{line}");
        }
    }
    let count = types.len();
    types.sort_unstable();
    types.dedup();
    assert_eq!(types.len(), count);
}
