//! Rule files over HTTP: listed, checked, written, simulated.

use std::path::Path;

use axum::http::Method;
use exhibit_recorder::{
    RuleSource,
    verify::{Depth, Progress, Verdict},
};
use serde_json::{Value, json};

use crate::bench::{Bench, batch, span};

const POLICY: &str = "version: 1
policy: desk
rules:
  - id: no-iban
    title: An account number
    severity: high
    when: {finding: {entity: IBAN_CODE}}
    then: [flag]
    tests:
      - given: {span: {input: \"Pay to DE89370400440532013000\"}}
        expect: [flag]
";
const BROKEN: &str = "version: 1
policy: desk
rules:
  - id: no-iban
    title: An account number
    severity: high
    when: {finding: {entity: IBAN_CODE}}
    thne: [flag]
";

struct Silent;

impl Progress for Silent {
    fn total(&self, _: u64) {}
    fn records(&self, _: u64) {}
    fn leaves(&self, _: u64) {}
}

async fn bench(dir: &Path) -> Bench {
    Bench::with_rules(RuleSource { dir: Some(dir.to_owned()) }).await
}

async fn put(bench: &Bench, key: &str, name: &str, body: Value, status: u16) -> Value {
    let path = format!("/api/v1/govern/files/{name}");
    bench.call(Method::PUT, &path).key(key).json(&body).send().await.expect(status)
}

#[tokio::test]
async fn a_rule_file_is_checked_written_and_in_force_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let bench = bench(dir.path()).await;
    let admin = bench.key("admin,read").await;
    let before = bench.get("/api/v1/settings/rules").key(&admin).send().await.expect(200);

    let proposed = json!({ "name": "policies/desk.yaml", "text": POLICY });
    let said = bench.post("/api/v1/govern/check").key(&admin).json(&proposed).send().await;
    let said = said.expect(200);
    assert_eq!(said["data"]["ok"], true, "{said}");
    assert_eq!(said["data"]["policies"][0]["rules"][0]["tests"], 1);
    assert!(!dir.path().join("policies/desk.yaml").exists());

    put(&bench, &admin, "policies/desk.yaml", json!({ "text": POLICY }), 200).await;
    let after = bench.get("/api/v1/settings/rules").key(&admin).send().await.expect(200);
    assert_ne!(before["data"]["hash"], after["data"]["hash"]);
    let listed = bench.get("/api/v1/govern/policies").key(&admin).send().await.expect(200);
    let names: Vec<&str> = listed["data"]["policies"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|policy| policy["name"].as_str())
        .collect();
    assert!(names.contains(&"desk"), "{names:?}");
    assert_eq!(std::fs::read_to_string(dir.path().join("policies/desk.yaml")).unwrap(), POLICY);

    let one = bench.get("/api/v1/govern/files/policies/desk.yaml").key(&admin).send().await;
    let one = one.expect(200);
    assert_eq!((&one["data"]["origin"], &one["data"]["text"]), (&json!("own"), &json!(POLICY)));
    // Somebody who has read another text is too late.
    let late = json!({ "text": POLICY, "sha256": "0".repeat(64) });
    put(&bench, &admin, "policies/desk.yaml", late, 409).await;
    put(&bench, &admin, "policies/desk.yaml", json!({ "text": null }), 200).await;
    assert!(!dir.path().join("policies/desk.yaml").exists());
    let again = bench.get("/api/v1/settings/rules").key(&admin).send().await.expect(200);
    assert_eq!(before["data"]["hash"], again["data"]["hash"]);
    bench.settled().await;
    let depth = Depth { bodies: true, search: true };
    let report = bench.recorder.verify_all(depth, &Silent).await.unwrap();
    assert_eq!(report.verdict, Verdict::Valid, "{:?}", report.faults);
}

#[tokio::test]
async fn a_broken_file_is_refused_with_file_line_and_reason_and_the_rules_stay() {
    let dir = tempfile::tempdir().unwrap();
    let bench = bench(dir.path()).await;
    let admin = bench.key("admin,read").await;
    put(&bench, &admin, "policies/desk.yaml", json!({ "text": POLICY }), 200).await;
    let held = bench.get("/api/v1/settings/rules").key(&admin).send().await.expect(200);
    let refused = put(&bench, &admin, "policies/desk.yaml", json!({ "text": BROKEN }), 422).await;
    assert_eq!(refused["code"], "rules");
    let problem = &refused["problems"][0];
    assert_eq!(problem["file"], "policies/desk.yaml");
    assert!(problem["line"].as_u64().is_some(), "{problem}");
    assert!(problem["message"].as_str().unwrap().contains("thne"), "{problem}");
    let failing = POLICY.replace("expect: [flag]", "expect: [block]");
    put(&bench, &admin, "policies/desk.yaml", json!({ "text": failing }), 422).await;
    put(&bench, &admin, "pricing.yaml", json!({ "text": "models: 7" }), 422).await;
    put(&bench, &admin, "notifications.yaml", json!({ "text": "version: 9" }), 422).await;
    put(&bench, &admin, "policies/..%2f..%2fx.yaml", json!({ "text": POLICY }), 422).await;
    let still = bench.get("/api/v1/settings/rules").key(&admin).send().await.expect(200);
    assert_eq!(held["data"]["hash"], still["data"]["hash"]);
    assert_eq!(std::fs::read_to_string(dir.path().join("policies/desk.yaml")).unwrap(), POLICY);
    let packs = bench.get("/api/v1/govern/files").key(&admin).send().await.expect(200);
    assert_eq!(packs["data"]["may_write"], true);
    let mut gdpr = packs["data"]["files"].as_array().unwrap().iter();
    let gdpr = gdpr.find(|file| file["name"] == "policies/gdpr.yaml").unwrap();
    assert_eq!((&gdpr["origin"], &gdpr["in_force"]), (&json!("pack"), &json!(false)));
}

#[tokio::test]
async fn only_admins_of_the_installation_write_rule_files() {
    let dir = tempfile::tempdir().unwrap();
    let bench = bench(dir.path()).await;
    let reader = bench.key("read").await;
    put(&bench, &reader, "policies/desk.yaml", json!({ "text": POLICY }), 403).await;
    let proposed = json!({ "name": "policies/desk.yaml", "text": POLICY });
    bench.post("/api/v1/govern/check").key(&reader).json(&proposed).send().await.expect(403);
    let files = bench.get("/api/v1/govern/files").key(&reader).send().await.expect(200);
    assert_eq!(files["data"]["may_write"], false);
}

#[tokio::test]
async fn a_proposed_file_is_simulated_over_what_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let bench = bench(dir.path()).await;
    let admin = bench.key("admin,read,ingest").await;
    let mut sent = span("t", "s", None);
    sent["input"] = json!({ "prompt": "Pay to DE89370400440532013000" });
    bench.post("/api/v1/ingest/spans").key(&admin).json(&batch(&[sent])).send().await.expect(201);
    let asked = json!({
        "name": "policies/desk.yaml", "text": POLICY.replace("[flag]", "[flag, block]"),
        "from": "2000-01-01T00:00:00Z",
    });
    let started = bench.post("/api/v1/govern/simulations").key(&admin).json(&asked).send().await;
    let id = started.expect(202)["data"]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/govern/simulations/{id}");
    let mut said = Value::Null;
    for _ in 0..200 {
        said = bench.get(&path).key(&admin).send().await.expect(200);
        if said["data"]["state"] != "running" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(said["data"]["state"], "done", "{said}");
    let mut rule = said["data"]["result"]["rules"].as_array().unwrap().iter();
    let rule = rule.find(|rule| rule["rule"] == "no-iban").unwrap();
    assert_eq!((&rule["now"], &rule["newly"]), (&json!(0), &json!(1)));
    assert_eq!(rule["samples"][0]["trace_id"], "t");
    bench.call(Method::DELETE, &path).key(&admin).send().await.expect(204);
    bench.get("/api/v1/govern/simulations/sim_x").key(&admin).send().await.expect(404);
}

#[tokio::test]
async fn what_was_spent_of_a_budget_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let bench = bench(dir.path()).await;
    let admin = bench.key("admin,read,ingest").await;
    let text = "version: 1
policy: money
rules:
  - id: by-model
    title: What a model may cost
    severity: low
    budget: {key: [model], limit_usd: 1, window: 30d}
    then: {soft: [tag: near], hard: [flag]}
";
    put(&bench, &admin, "policies/money.yaml", json!({ "text": text }), 200).await;
    let none = bench.get("/api/v1/govern/budgets").key(&admin).send().await.expect(200);
    assert_eq!(none["data"][0]["spent_nano_usd"], "0");
    let mut sent = span("t", "s", None);
    sent["span_type"] = json!("llm");
    sent["model"] = json!("gpt-4o");
    sent["cost"] = json!(0.25);
    bench.post("/api/v1/ingest/spans").key(&admin).json(&batch(&[sent])).send().await.expect(201);
    let said = bench.get("/api/v1/govern/budgets").key(&admin).send().await.expect(200);
    let line = &said["data"][0];
    assert_eq!((&line["rule"], &line["key"][0]), (&json!("by-model"), &json!("gpt-4o")));
    assert_eq!((&line["spent_nano_usd"], &line["used"]), (&json!("250000000"), &json!(0.25)));
}
