use std::{fs, time::Duration};

use exhibit_model::CostSource;
use exhibit_recorder::RuleSource;
use serde_json::json;

use crate::house::{House, call};

#[tokio::test]
async fn changed_rules_take_effect_and_broken_ones_keep_the_old() {
    let dir = tempfile::tempdir().unwrap();
    let pricing = dir.path().join("pricing.yaml");
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../../rules/pricing.yaml"), &pricing).unwrap();
    let house = House::with_rules(RuleSource { dir: Some(dir.path().to_owned()) }).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let running = tokio::spawn(house.recorder.clone().run(stopped));
    let before = house.recorder.rules().hash;

    fs::write(&pricing, "models: [not: {a price file").unwrap();
    wait_for(|| house.recorder.rules().last_error.is_some()).await;
    assert_eq!(house.recorder.rules().hash, before);
    house.send(json!([call("t", "s1")])).await;
    assert_eq!(house.span("t", "s1").await.unwrap().cost.source, CostSource::Table);

    fs::remove_file(&pricing).unwrap();
    wait_for(|| house.recorder.rules().last_error.is_none()).await;
    stop.send(true).unwrap();
    running.await.unwrap();
}

async fn wait_for(condition: impl Fn() -> bool) {
    for _ in 0..100 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the condition did not come to hold within ten seconds");
}
