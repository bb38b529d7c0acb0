use exhibit_model::{CostSource, Status, TraceId};
use exhibit_recorder::verify::Verdict;
use serde_json::json;

use crate::house::{House, call};

#[tokio::test]
async fn a_span_is_priced_sealed_and_proved() {
    let house = House::new().await;
    let accepted = house.send(json!([call("t1", "s1")])).await;
    assert_eq!((accepted.accepted, accepted.rejected.len()), (1, 0));

    let span = house.span("t1", "s1").await.unwrap();
    assert_eq!(span.cost.source, CostSource::Table);
    assert!(span.cost.amount.is_some_and(|c| c.0 > 0));

    house.recorder.publish_checkpoints().await.unwrap();
    let id = TraceId::new("t1").unwrap();
    let proof = house.recorder.verification(house.workspace, &id).await.unwrap().unwrap();
    assert_eq!(proof.answer.verdict, Verdict::Valid, "{:?}", proof.answer.faults);
    assert_eq!(proof.records.len(), 1);
}

#[tokio::test]
async fn an_equal_re_delivery_changes_nothing() {
    let house = House::new().await;
    house.send(json!([call("t1", "s1")])).await;
    let leaves = house.leaves().await;
    house.turn(60);
    let again = house.send(json!([call("t1", "s1")])).await;
    assert_eq!(again.accepted, 1);
    assert_eq!(house.leaves().await, leaves);
}

#[tokio::test]
async fn running_and_ended_give_the_same_span_in_any_order() {
    let running = json!({
        "trace_id": "t", "span_id": "s", "name": "search", "span_type": "tool", "status": "running",
        "start_time": "2026-11-20T23:59:00Z", "end_time": null, "input": {"query": "rust"},
    });
    let ended = json!({
        "trace_id": "t", "span_id": "s", "status": "ok", "span_type": "tool", "name": "search",
        "start_time": "2026-11-20T23:59:00Z", "end_time": "2026-11-20T23:59:09Z",
        "output": {"found": 3},
    });
    let mut seen = Vec::new();
    for order in [[&running, &ended], [&ended, &running]] {
        let house = House::new().await;
        for span in order {
            house.send(json!([span])).await;
        }
        let span = house.span("t", "s").await.unwrap();
        assert_eq!(span.status, Status::Ok);
        let content = exhibit_capture::content(&span);
        seen.push((content.input, content.output, span.start, span.end));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].0, Some(json!({"query": "rust"})));
}

#[tokio::test]
async fn a_differing_terminal_delivery_is_a_correction_that_supersedes() {
    let house = House::new().await;
    house.send(json!([call("t1", "s1")])).await;
    let mut corrected = call("t1", "s1");
    corrected["end_time"] = json!("2026-11-20T23:59:05Z");
    corrected["output"] = json!({"response": "A neural network."});
    house.send(json!([corrected])).await;
    assert_eq!(house.leaves().await - 1, 2, "one leaf for the workspace, two for the span");
    let span = house.span("t1", "s1").await.unwrap();
    assert!(span.flags.contains(&exhibit_model::Flag::Correction));

    let id = TraceId::new("t1").unwrap();
    house.recorder.publish_checkpoints().await.unwrap();
    let proof = house.recorder.verification(house.workspace, &id).await.unwrap().unwrap();
    assert_eq!(proof.answer.verdict, Verdict::Valid, "{:?}", proof.answer.faults);
}

#[tokio::test]
async fn a_credential_is_gone_before_anything_is_stored() {
    let house = House::new().await;
    let secret = format!("ghp_{}", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8");
    let mut span = call("t1", "s1");
    span["input"] = json!({"prompt": format!("my token is {secret}, use it")});
    house.send(json!([span])).await;
    let id = [(TraceId::new("t1").unwrap(), exhibit_model::SpanId::new("s1").unwrap())];
    let stored = house.recorder.store().load(house.workspace, &id).await.unwrap();
    let stored = stored[0].as_ref().unwrap();
    for part in &stored.parts {
        assert!(!String::from_utf8_lossy(part).contains(&secret));
    }
    let found = house.span("t1", "s1").await.unwrap().findings;
    assert!(found.iter().any(|f| f.redacted), "{found:?}");
}

#[tokio::test]
async fn parents_in_a_cycle_are_refused_and_the_others_kept() {
    let house = House::new().await;
    let child = |id: &str, parent: &str| {
        let mut span = call("t", id);
        span["parent_span_id"] = json!(parent);
        span
    };
    let sent = json!([child("a", "b"), child("b", "a"), child("c", "a"), call("t", "root")]);
    let accepted = house.send(sent).await;
    assert_eq!((accepted.accepted, accepted.rejected.len()), (2, 2));
    assert!(accepted.rejected.iter().all(|r| r.reason.contains("cycle")));
    assert!(house.span("t", "c").await.is_some(), "an orphan is tolerated");
}

#[tokio::test]
async fn usage_of_one_response_counts_once() {
    let house = House::new().await;
    let twin = |id: &str| {
        let mut span = call("t", id);
        span["attributes"] = json!({"gen_ai.response.id": "resp-1"});
        span
    };
    let (a, b) = (twin("a"), twin("b"));
    house.send(json!([a, b])).await;
    let id = TraceId::new("t").unwrap();
    let row = house.recorder.trace(house.workspace, &id).await.unwrap().unwrap();
    assert_eq!(row.summary.usage().input_tokens(), 100);
    assert_eq!(row.summary.span_count, 2);
}

#[tokio::test]
async fn a_large_trace_in_one_request_is_split_into_blocks() {
    let house = House::new().await;
    let text = "word ".repeat(4_000);
    let spans: Vec<_> = (0..100)
        .map(|i| {
            let mut span = call("big", &format!("s{i}"));
            span["input"] = json!({"prompt": format!("{i} {text}")});
            span
        })
        .collect();
    let accepted = house.send(json!(spans)).await;
    assert_eq!(accepted.accepted, 100);
    let id = TraceId::new("big").unwrap();
    let row = house.recorder.trace(house.workspace, &id).await.unwrap().unwrap();
    assert_eq!(row.summary.span_count, 100);
}
