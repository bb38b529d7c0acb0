//! `exhibit scan`: files and JSON lines in, findings out.

use std::fs;

use serde_json::{Value, json};

use crate::home::Home;

/// A credential made here, so that none stands in the source.
fn token() -> String {
    format!("ghp_{}", "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zC1eF2".chars().rev().collect::<String>())
}

#[test]
fn every_line_of_json_is_answered_by_one_line_in_order() {
    let home = Home::new();
    let lines = [
        json!({"text": format!("é use {} to push", token())}).to_string(),
        "{not json".to_owned(),
        json!({"text": "How do transformers work?"}).to_string(),
        json!({"other": 1}).to_string(),
        json!({"text": "IBAN DE89370400440532013000", "id": 7}).to_string(),
    ];
    fs::write(home.path().join("in.jsonl"), lines.join("\n")).unwrap();
    let ran = home.run(&["scan", "in.jsonl", "--jsonl"]).ended(1);
    let answers: Vec<Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 5, "{}", ran.out);
    let secret = &answers[0]["findings"][0];
    assert_eq!(
        (&secret["entity"], &secret["category"]),
        (&json!("GITHUB_TOKEN"), &json!("secret"))
    );
    assert_eq!((&secret["start"], &secret["end"]), (&json!(6), &json!(46)));
    assert!(!ran.out.contains(&token()), "a value was printed");
    for bad in [1, 3] {
        assert_eq!(answers[bad]["findings"], json!([]));
        assert!(answers[bad]["error"].as_str().unwrap().contains("`text`"), "{}", ran.out);
    }
    assert_eq!(answers[2], json!({"findings": []}));
    let iban = answers[4]["findings"].as_array().unwrap();
    assert!(iban.iter().any(|f| f["entity"] == "IBAN_CODE" && f["validated"] == true));
}

#[test]
fn the_exit_code_says_whether_something_was_found() {
    let home = Home::new();
    fs::write(home.path().join("clean.txt"), "How do transformers work?\n").unwrap();
    fs::write(home.path().join("found.txt"), format!("one\nkey {}\n", token())).unwrap();
    assert_eq!(home.run(&["scan", "clean.txt"]).ended(0).out, "");
    let found = home.run(&["scan", "clean.txt", "found.txt"]).ended(1);
    assert!(found.out.starts_with("found.txt:2:5: GITHUB_TOKEN"), "{}", found.out);
    assert!(home.run(&["scan", "absent.txt"]).ended(2).err.contains("absent.txt"));
    home.run(&["scan"]).ended(2);
    home.run(&["scan", "clean.txt", "--jsonl"]).ended(2);
    home.run(&["scan", "clean.txt", "--min-score", "2"]).ended(2);
}

#[test]
fn detectors_of_ones_own_are_read_from_a_directory() {
    let home = Home::new();
    let rules = home.path().join("rules");
    fs::create_dir(&rules).unwrap();
    let file = "version: 1\ndetectors:\n  - id: badge\n    entity: STAFF_BADGE\n    category: pii\n    keywords: [badge]\n    pattern: 'badge (?P<value>B-\\d{6})\\b'\n    score: 0.8\n    examples: {match: [badge B-123456], no_match: [badge B-1]}\n";
    fs::write(rules.join("own.yaml"), file).unwrap();
    fs::write(home.path().join("a.txt"), "badge B-654321\n").unwrap();
    let found = home.run(&["scan", "a.txt", "--rules", "rules"]).ended(1);
    assert!(found.out.contains("STAFF_BADGE"), "{}", found.out);
    // The directory may be one of rules, where other files stand too.
    fs::write(rules.join("pricing.yaml"), "models: {}\n").unwrap();
    fs::write(rules.join("notifications.yaml"), "version: 1\nchannels: []\n").unwrap();
    home.run(&["scan", "a.txt", "--rules", "rules"]).ended(1);
    fs::write(rules.join("own.yaml"), file.replace("B-123456]", "B-12]")).unwrap();
    let refused = home.run(&["scan", "a.txt", "--rules", "rules"]).ended(2);
    assert!(
        refused.err.contains("own.yaml") && refused.err.contains("match[0]"),
        "{}",
        refused.err
    );
}
