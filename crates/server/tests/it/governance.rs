//! Asking before acting, what rules said, and the review queue over HTTP.

use exhibit_recorder::RuleSource;
use serde_json::json;

use crate::bench::{Bench, batch, span};

#[tokio::test]
async fn a_call_is_decided_before_it_is_made() {
    let bench = Bench::start().await;
    let key = bench.key("ingest").await;
    let token = format!("ghp_{}", "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7cF0hJ3kL6");
    let asked =
        json!({ "input": format!("push with {token}"), "model": "gpt-4o", "provider": "openai" });
    let answer =
        bench.post("/api/v1/govern/decide").key(&key).json(&asked).send().await.expect(200);
    let said = &answer["data"];
    assert_eq!(said["allowed"], true, "{said}");
    let sent = said["input"].as_str().unwrap();
    if said["redacted"] == true {
        assert!(!sent.contains(&token));
    }
    assert!(said["rules"].as_str().unwrap().len() == 64);
    let wrong = json!({ "input": "x", "modle": "gpt-4o" });
    bench.post("/api/v1/govern/decide").key(&key).json(&wrong).send().await.expect(422);
    bench.post("/api/v1/govern/decide").json(&asked).send().await.expect(401);
}

const POLICY: &str = "version: 1
policy: desk
rules:
  - id: no-iban
    title: An account number
    severity: high
    when: {finding: {entity: IBAN_CODE}}
    then: [block]
";

#[tokio::test]
async fn a_blocked_span_is_shown_as_such_and_released_by_a_reviewer() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("policies")).unwrap();
    std::fs::write(dir.path().join("policies/desk.yaml"), POLICY).unwrap();
    let bench = Bench::with_rules(RuleSource { dir: Some(dir.path().to_owned()) }).await;
    let key = bench.key("ingest,read").await;
    let reviewer = bench.key("read,review").await;
    let mut sent = span("t", "s", None);
    sent["input"] = json!({ "prompt": "Pay to DE89370400440532013000" });
    bench.post("/api/v1/ingest/spans").key(&key).json(&batch(&[sent])).send().await.expect(201);
    let said = bench.get("/api/v1/traces/t/evaluations").key(&key).send().await.expect(200);
    assert_eq!(said["data"]["verdict"], "quarantined");
    assert_eq!(said["data"]["spans"][0]["decision"][0], "block");
    let rules: Vec<&str> = said["data"]["spans"][0]["evaluations"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|e| e["rule"].as_str())
        .collect();
    assert!(rules.contains(&"no-iban"), "{rules:?}");

    let mut id = None;
    for _ in 0..100 {
        let listed =
            bench.get("/api/v1/reviews?state=waiting").key(&reviewer).send().await.expect(200);
        id = listed["data"][0]["review_id"].as_str().map(str::to_owned);
        if id.is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let listed = "/api/v1/traces?rule=no-iban&category=pii&review=waiting";
    let found = bench.get(listed).key(&reviewer).send().await.expect(200);
    assert_eq!(found["data"][0]["trace_id"], "t");
    assert_eq!(found["data"][0]["reviews"], json!(["open"]));
    assert!(found["data"][0]["rules"].to_string().contains("desk/no-iban"));
    for (by, value) in [("rule", "desk/no-iban"), ("category", "pii")] {
        let asked =
            format!("/api/v1/analytics?group_by={by}&from=2026-01-01&to=2028-01-01&step=1d");
        let sums = bench.get(&asked).key(&reviewer).send().await.expect(200);
        let groups = sums["data"]["groups"].as_array().unwrap();
        let group = groups.iter().find(|group| group["value"] == value).unwrap();
        assert_eq!((&group["spans"], &group["series"][0]["spans"]), (&json!(1), &json!(1)));
        assert_eq!(sums["data"]["totals"]["spans"], 1);
    }
    let path = format!("/api/v1/reviews/{}/acts", id.unwrap());
    let approve = json!({ "deed": "approved", "reason": "false_positive", "comment": "a sample" });
    bench.post(&path).key(&key).json(&approve).send().await.expect(403);
    let wrong = json!({ "deed": "approved", "raeson": "other" });
    bench.post(&path).key(&reviewer).json(&wrong).send().await.expect(422);
    let done = bench.post(&path).key(&reviewer).json(&approve).send().await.expect(200);
    assert_eq!(done["data"]["state"], "approved");
    let found = bench.get(listed).key(&reviewer).send().await.expect(200);
    assert_eq!(found["data"], json!([]));
    let found = bench.get("/api/v1/traces?review=approved").key(&reviewer).send().await.expect(200);
    assert_eq!(found["data"][0]["trace_id"], "t");
    bench.post(&path).key(&reviewer).json(&approve).send().await.expect(409);
    let precision = bench.get("/api/v1/reviews/precision").key(&reviewer).send().await.expect(200);
    assert_eq!(precision["data"][0]["wrong"], 1);
    let said = bench.get("/api/v1/traces/t/spans/s/evaluations").key(&key).send().await.expect(200);
    assert_eq!(said["data"]["decision"], json!(["flag"]));
}
