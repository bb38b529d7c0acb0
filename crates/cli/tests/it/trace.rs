//! `exhibit trace`.

use std::process::Command;

use crate::{
    home::{EXHIBIT, Home, run},
    provider::Provider,
};

fn home(provider: &Provider) -> Home {
    let key = ["sk", "test", "0000"].join("-");
    Home::new().with("OPENAI_API_KEY", &key).with("OPENAI_BASE_URL", &provider.base_url)
}

fn labels(text: &str) -> Vec<&str> {
    text.lines().take_while(|l| !l.is_empty()).filter_map(|l| l.split(':').next()).collect()
}

#[test]
fn it_prints_the_labels_of_the_quick_start_and_then_the_answer() {
    let provider = Provider::that_answers("A transformer is a neural network architecture...");
    let home = home(&provider);
    let ran = home.run(&["trace", "Explain transformers", "--model", "gpt-4o-mini"]).ended(0);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(lines[0].starts_with("Trace ID:     tr_"), "{}", ran.out);
    assert_eq!(lines[1], "Model:        gpt-4o-mini-2024-07-18");
    assert!(lines[2].starts_with("Latency:      0.") && lines[2].ends_with('s'), "{}", lines[2]);
    assert_eq!(lines[3], "Prompt Tokens:  12");
    assert_eq!(lines[4], "Completion Tokens: 184");
    // 12 × 0.15 + 184 × 0.60 millionths of a dollar.
    assert_eq!(lines[5], "Cost:         $0.0001122 (Estimated)");
    assert_eq!(lines[6], "Status:       success");
    assert_eq!(lines[7], "");
    assert_eq!(lines[8], "A transformer is a neural network architecture...");
    let asked = provider.asked.lock().unwrap();
    assert_eq!(asked[0]["messages"][0]["content"], "Explain transformers");
    assert_eq!(asked[0]["model"], "gpt-4o-mini");
}

#[test]
fn what_it_records_is_whole_with_the_server_up_and_down() {
    let provider = Provider::that_answers("It is a tree.");
    let home = home(&provider);
    let call = [
        "trace",
        "What is an oak?",
        "--json",
        "--project",
        "botany",
        "--tag",
        "tree",
        "--metadata",
        "team=green",
        "--environment",
        "production",
    ];
    let down = home.run(&call).ended(0).json();
    let server = home.serve(&[]);
    let up = home.run(&call).ended(0).json();
    for made in [&down, &up] {
        assert_eq!(
            (made["status"].as_str(), made["answer"].as_str()),
            (Some("success"), Some("It is a tree."))
        );
        let id = made["trace_id"].as_str().unwrap();
        let shown = home.run(&["traces", "show", id, "--json"]).ended(0).json();
        let trace = &shown["data"];
        assert_eq!(trace["status"], "ok");
        assert_eq!(trace["environment"], "production");
        assert_eq!(trace["metadata"]["project"], "botany");
        assert_eq!(trace["metadata"]["team"], "green");
        assert_eq!(trace["tags"], serde_json::json!(["tree"]));
        assert_eq!(
            (trace["tokens_in"].as_u64(), trace["tokens_out"].as_u64()),
            (Some(12), Some(184))
        );
        let span = &trace["spans"][0];
        assert_eq!(span["output"]["messages"][0]["content"], "It is a tree.");
        assert_eq!(span["provider"], "openai");
        assert_eq!(span["response_id"], "resp-1");
        assert!(span["ttft_ms"].is_number());
    }
    assert_eq!(server.stop(), 0);
    home.run(&["verify"]).ended(0);
}

#[test]
fn a_failed_call_is_recorded_as_an_error_and_ends_with_one() {
    let provider = Provider::that_refuses();
    let home = home(&provider);
    let ran = home.run(&["trace", "hello"]).ended(1);
    assert!(ran.out.contains("Status:       failed"), "{}", ran.out);
    assert_eq!(labels(&ran.out).len(), 7);
    assert!(ran.err.contains("Incorrect API key"), "{}", ran.err);
    let id = ran.out.lines().next().unwrap().split_whitespace().last().unwrap().to_owned();
    let shown = home.run(&["traces", "show", &id, "--json"]).ended(0).json();
    assert_eq!(shown["data"]["status"], "error");
    assert!(shown["data"]["spans"][0]["status_message"].as_str().unwrap().contains("Incorrect"));
}

#[test]
fn without_a_provider_it_says_what_to_set_and_records_the_attempt() {
    let home = Home::new();
    let ran = home.run(&["trace", "hello", "--json"]).ended(1);
    let first = ran.out.lines().next().unwrap();
    let made: serde_json::Value = serde_json::from_str(first).unwrap();
    assert_eq!(
        (made["status"].as_str(), made["error"]["type"].as_str()),
        (Some("failed"), Some("no_provider"))
    );
    assert!(made["cost_usd"].is_null(), "an unknown cost is not zero");
    assert!(ran.err.contains("OPENAI_API_KEY"), "{}", ran.err);
    let id = made["trace_id"].as_str().unwrap();
    let shown = home.run(&["traces", "show", id, "--json"]).ended(0).json();
    assert_eq!(shown["data"]["status"], "error");
}

#[test]
fn a_server_elsewhere_is_reached_with_a_key() {
    let provider = Provider::that_answers("Hi.");
    let far = Home::new();
    let server = far.serve(&[]);
    let near = home(&provider).with("EXHIBIT_URL", &server.url());
    let refused = near.run(&["trace", "hello"]).ended(2);
    assert!(refused.err.contains("EXHIBIT_API_KEY"), "{}", refused.err);
    let near = near.with("EXHIBIT_API_KEY", &server.key());
    let made = near.run(&["trace", "hello", "--json"]).ended(0).json();
    let path = format!("/api/v1/traces/{}", made["trace_id"].as_str().unwrap());
    assert_eq!(server.get(&path, &server.key()).0, 200);
    assert!(!near.data().exists(), "nothing is kept here");
}

#[test]
fn a_stream_prints_the_answer_first() {
    let provider = Provider::that_answers("one two three");
    let ran = home(&provider).run(&["trace", "count", "--stream"]).ended(0);
    assert!(ran.out.starts_with("one two three\n"), "{}", ran.out);
    assert!(ran.out.contains("Status:       success"));
}

#[test]
fn the_binary_answers_to_its_other_name() {
    let home = Home::new();
    let link = home.path().join("tracellm");
    std::os::unix::fs::symlink(EXHIBIT, &link).unwrap();
    let mut command = Command::new(&link);
    command.arg("--help").env_clear();
    let help = run(command).ended(0);
    assert!(help.out.contains("Usage: tracellm"), "{}", help.out);
}
