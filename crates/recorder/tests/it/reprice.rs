use exhibit_model::NanoUsd;
use exhibit_recorder::Error;
use serde_json::json;

use crate::house::{House, call};

const FILE: &str = "models:\n  in-house-7b: {input: 3.0, output: 2.0}\n";

#[tokio::test]
async fn a_preview_of_prices_counts_every_call_and_writes_nothing() {
    let house = House::new().await;
    for (trace, cost) in [("t1", None), ("t2", Some(7.5))] {
        let mut span = call(trace, "s1");
        span["model"] = json!("in-house-7b");
        span["tokens_in"] = json!(1_000_000);
        span["tokens_out"] = json!(0);
        span["cost"] = json!(cost);
        house.send(json!([span])).await;
    }
    let before = house.span("t1", "s1").await.unwrap().cost.amount.unwrap();
    let leaves = house.leaves().await;

    let idle = house.recorder.preview_prices(house.workspace, None, 100, None).await.unwrap();
    assert_eq!((idle.traces, idle.calls, idle.models[0].changed), (2, 2, 0));

    let (mut cursor, mut sums) = (None, (0, 0, 0));
    loop {
        let recorder = &house.recorder;
        let step = recorder.preview_prices(house.workspace, cursor, 1, Some(FILE)).await.unwrap();
        for model in &step.models {
            assert_eq!(model.model.as_deref(), Some("in-house-7b"));
            sums = (sums.0 + model.changed, sums.1 + model.before, sums.2 + model.after);
        }
        cursor = step.next;
        if cursor.is_none() {
            break;
        }
    }
    let reported = 7_500_000_000;
    assert_eq!(sums, (1, i128::from(before.0) + reported, 3_000_000_000 + reported));
    assert_eq!(house.leaves().await, leaves);
    assert_eq!(house.span("t1", "s1").await.unwrap().cost.amount, Some(NanoUsd(before.0)));

    let wrong = house.recorder.preview_prices(house.workspace, None, 1, Some("models: 3")).await;
    assert!(matches!(wrong, Err(Error::Invalid { field: "file", .. })), "{wrong:?}");
}
