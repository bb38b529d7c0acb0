use std::{fs, time::Duration};

use exhibit_model::CostSource;
use exhibit_recorder::{RuleSource, rule_warnings};
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

#[tokio::test]
async fn a_rule_that_tells_a_channel_which_is_not_there_is_in_force_and_warned_of_until_it_is() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("policies")).unwrap();
    let rule = "version: 1\npolicy: desk\nrules:\n  - id: mail\n    when: {tool: mail.send}\n    \
                then: [{notify: {channel: pager}}]\n";
    fs::write(dir.path().join("policies/desk.yaml"), rule).unwrap();
    let source = RuleSource { dir: Some(dir.path().to_owned()) };
    let house = House::with_rules(source.clone()).await;
    let warned = house.recorder.rules().warnings;
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].starts_with("policies/desk.yaml:6: rule `mail`"), "{warned:?}");
    let told = rule_warnings(&source).unwrap();
    assert_eq!(told.iter().map(ToString::to_string).collect::<Vec<_>>(), warned);

    let (stop, stopped) = tokio::sync::watch::channel(false);
    let running = tokio::spawn(house.recorder.clone().run(stopped));
    let channel = "version: 1\nchannels:\n  - {name: pager, kind: webhook, url: 'https://example.com/x', secret_env: S}\n";
    fs::write(dir.path().join("notifications.yaml"), channel).unwrap();
    wait_for(|| house.recorder.rules().warnings.is_empty()).await;
    fs::remove_file(dir.path().join("notifications.yaml")).unwrap();
    wait_for(|| house.recorder.rules().warnings == warned).await;
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
