//! `exhibit replay` and `exhibit ablate`.

use crate::{home::Home, provider::Provider};

fn home(provider: &Provider) -> Home {
    let key = ["sk", "test", "0000"].join("-");
    Home::new().with("OPENAI_API_KEY", &key).with("OPENAI_BASE_URL", &provider.base_url)
}

fn recorded(home: &Home) -> String {
    let told = home.run(&["trace", "What is an oak?", "--model", "gpt-4o-mini", "--json"]).ended(0);
    told.json()["trace_id"].as_str().expect("a trace id").to_owned()
}

#[test]
fn a_trace_is_run_again_and_the_original_stays() {
    let provider = Provider::that_answers("It is a tree.");
    let home = home(&provider);
    let id = recorded(&home);
    let before = home.run(&["traces", "show", &id, "--json"]).ended(0).json();
    let told = home
        .run(&["replay", &id, "--model", "gpt-4o", "--repeat", "2", "--yes", "--json"])
        .ended(0)
        .json();
    let asked = provider.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[1]["messages"], asked[0]["messages"]);
    assert_eq!(asked[2]["model"], "gpt-4o");
    assert_eq!(told["determinism"], 1.0);
    let replay = &told["replays"][0];
    assert_eq!(replay["replay_of"], id.as_str());
    assert_eq!(replay["steps"][0]["same"], true, "{replay}");
    let new = replay["trace_id"].as_str().unwrap();
    assert_ne!(new, id);
    home.run(&["traces", "show", new]).ended(0);
    let after = home.run(&["traces", "show", &id, "--json"]).ended(0).json();
    let fingerprint = |shown: &serde_json::Value| {
        let spans = shown.get("spans").or_else(|| shown["data"].get("spans")).cloned().unwrap();
        assert!(spans[0]["fingerprint"].is_string(), "{spans}");
        spans
    };
    assert_eq!(fingerprint(&after), fingerprint(&before));
    home.run(&["verify"]).ended(0);
}

#[test]
fn nothing_is_spent_unasked_and_what_cannot_be_run_is_named() {
    let provider = Provider::that_answers("It is a tree.");
    let home = home(&provider);
    let id = recorded(&home);
    let refused = home.run(&["replay", &id]).ended(2);
    assert!(refused.err.contains("--yes"), "{}", refused.err);
    home.run(&["replay", &id, "--estimate"]).ended(0);
    let stopped = home.run(&["replay", &id, "--yes", "--budget", "0.0000001"]).ended(1);
    assert!(stopped.err.contains("budget"), "{}", stopped.err);
    let unknown = home.run(&["replay", "tr_nobody", "--yes"]).ended(2);
    assert!(unknown.err.contains("tr_nobody"), "{}", unknown.err);
    home.run(&["replay", &id, "--tools", "live"]).ended(2);
    let shown = home.run(&["replay", &id, "--render", "--speed", "10"]).ended(0);
    assert!(shown.out.contains("What is an oak?"), "{}", shown.out);
    assert_eq!(provider.asked.lock().unwrap().len(), 1);
}

#[test]
fn traces_are_compared_in_one_report_and_causes_are_looked_for() {
    let provider = Provider::that_answers("It is a tree.");
    let home = home(&provider);
    let id = recorded(&home);
    let report = home
        .run(&[
            "replay",
            "--filter",
            "environment:development",
            "--model",
            "gpt-4o",
            "--yes",
            "--json",
        ])
        .ended(0)
        .json();
    assert_eq!(report["total"]["traces"], 1, "{report}");
    assert_eq!(report["traces"][0]["similarity"], 1.0);
    let found = home.run(&["ablate", &id, "--repeats", "2", "--yes", "--json"]).ended(0).json();
    assert_eq!(found["ablation_of"], id.as_str());
    assert_eq!(found["effects"][0]["cause"]["kind"], "user");
    assert_eq!(found["effects"][0]["significant"], false, "a fixed answer depends on nothing");
    assert_eq!(found["calls"], 4);
    home.run(&["traces", "show", found["trace_id"].as_str().unwrap()]).ended(0);
}
