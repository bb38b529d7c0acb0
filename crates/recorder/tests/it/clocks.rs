use std::sync::Arc;

use exhibit_model::{Flag, Status, TraceId};
use exhibit_recorder::{
    RetentionRule,
    verify::{Depth, Progress, Verdict},
};
use serde_json::json;

use crate::house::{House, call};

struct Silent;

impl Progress for Silent {
    fn total(&self, _: u64) {}
    fn records(&self, _: u64) {}
    fn leaves(&self, _: u64) {}
}

#[tokio::test]
async fn a_trace_is_sealed_after_its_root_has_ended_and_again_when_something_comes_late() {
    let house = House::new().await;
    let id = TraceId::new("t").unwrap();
    house.send(json!([call("t", "root")])).await;
    house.recorder.complete_due().await.unwrap();
    let sealed = async |house: &House| {
        house.recorder.trace(house.workspace, &id).await.unwrap().unwrap().seal
    };
    assert!(sealed(&house).await.is_none(), "not yet");

    house.turn(31);
    house.recorder.complete_due().await.unwrap();
    let first = sealed(&house).await.unwrap();
    assert_eq!((first.covered, first.partial, first.late), (1, false, false));

    let mut child = call("t", "child");
    child["parent_span_id"] = json!("root");
    house.send(json!([child])).await;
    house.turn(31);
    house.recorder.complete_due().await.unwrap();
    let second = sealed(&house).await.unwrap();
    assert_eq!((second.covered, second.late), (2, true));

    house.recorder.publish_checkpoints().await.unwrap();
    let report =
        house.recorder.verify_all(Depth { bodies: true, search: true }, &Silent).await.unwrap();
    assert_eq!(report.verdict, Verdict::Valid, "{:?}", report.faults);
    assert_eq!((report.records, report.pending), (2, 0));
}

#[tokio::test]
async fn a_running_span_without_news_is_marked_incomplete_with_the_reason() {
    let house = House::new().await;
    let running = json!({"trace_id": "t", "span_id": "s", "status": "running", "name": "x",
        "span_type": "tool", "start_time": "2026-11-20T23:59:00Z"});
    house.send(json!([running])).await;
    house.turn(16 * 60);
    house.recorder.complete_due().await.unwrap();
    let span = house.span("t", "s").await.unwrap();
    assert_eq!(span.status, Status::Incomplete);
    assert!(span.status_message.is_some() && span.flags.contains(&Flag::Stale));

    let ended = json!({"trace_id": "t", "span_id": "s", "status": "ok", "name": "x",
        "span_type": "tool", "start_time": "2026-11-20T23:59:00Z", "end_time": "2026-11-20T23:59:30Z"});
    house.send(json!([ended])).await;
    let span = house.span("t", "s").await.unwrap();
    assert_eq!((span.status, span.status_message), (Status::Ok, None));
}

#[tokio::test]
async fn rules_of_retention_are_followed_without_anybody_asking() {
    let house = House::new().await;
    let keep = |name: &str, filter: &str, keep_days| RetentionRule {
        name: name.to_owned(),
        filter: filter.to_owned(),
        keep_days,
    };
    let rules = vec![keep("kept", "env = production", None), keep("rest", "", Some(1))];
    house.recorder.set_retention_rules(house.workspace, rules).await.unwrap();
    let mut kept = call("kept", "root");
    kept["environment"] = json!("production");
    house.send(json!([call("old", "root"), kept])).await;
    house.recorder.keep_all().await.unwrap();
    assert!(house.span("old", "root").await.is_some(), "it is not a day old");
    house.turn(2 * 86_400);
    house.send(json!([call("new", "root")])).await;
    house.recorder.keep_all().await.unwrap();
    assert!(house.span("old", "root").await.is_none());
    assert!(house.span("new", "root").await.is_some());
    assert!(house.span("kept", "root").await.is_some());
}

#[tokio::test]
async fn a_head_that_was_published_and_not_signed_is_signed_at_the_next_start_and_stop() {
    let house = House::new().await;
    house.recorder.publish_checkpoints().await.unwrap();
    house.send(json!([call("t", "s")])).await;
    // Here the clock is cut off: the installation's log holds the head, and nobody has signed it.
    let store = house.recorder.store();
    let heads = store.unpublished().await.unwrap();
    store.publish(&heads, Vec::new()).await.unwrap();
    let signed = async |log| store.checkpoint(log).await.unwrap().unwrap().size;
    assert!(signed(heads[0].log).await < heads[0].size);

    let (_stop, stopped) = tokio::sync::watch::channel(true);
    Arc::clone(&house.recorder).run(stopped).await;
    assert_eq!(signed(heads[0].log).await, heads[0].size);
}
