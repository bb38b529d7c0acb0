//! `exhibit traces`.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use serde_json::json;

use crate::home::{Home, signal, span};

fn filled() -> (Home, String) {
    let home = Home::new().with_few_rules();
    let server = home.serve(&[]);
    let key = server.key();
    for n in 0..5 {
        let mut root = span(&format!("trace-{n}"), "root");
        root["name"] = format!("run {n}").into();
        root["start_time"] = format!("2026-03-01T10:0{n}:00Z").into();
        root["end_time"] = format!("2026-03-01T10:0{n}:02Z").into();
        let mut tool = span(&format!("trace-{n}"), "tool");
        tool["parent_span_id"] = "root".into();
        tool["span_type"] = "tool".into();
        tool["name"] = "search".into();
        if n == 3 {
            root["status"] = "error".into();
        }
        let body = json!({"batch": [root, tool]});
        assert_eq!(server.post("/api/v1/ingest/spans", &key, &body).0, 201);
    }
    assert_eq!(server.stop(), 0);
    (home, key)
}

#[test]
fn lists_are_the_same_with_the_server_up_and_down() {
    let (home, _) = filled();
    let ids = |arguments: &[&str]| -> Vec<String> {
        let mut all = vec!["traces", "list", "--json"];
        all.extend(arguments);
        let rows = home.run(&all).ended(0).json();
        rows["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["trace_id"].as_str().unwrap().to_owned())
            .collect()
    };
    let down = ids(&[]);
    assert_eq!(down, ["trace-4", "trace-3", "trace-2", "trace-1", "trace-0"]);
    assert_eq!(ids(&["--filter", "status = error"]), ["trace-3"]);
    let server = home.serve(&[]);
    assert_eq!(ids(&[]), down);
    assert_eq!(ids(&["--filter", "status = error"]), ["trace-3"]);
    assert_eq!(server.stop(), 0);
}

#[test]
fn pages_follow_each_other() {
    let (home, _) = filled();
    let first = home.run(&["traces", "list", "-n", "2", "--json"]).ended(0).json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let next =
        home.run(&["traces", "list", "-n", "2", "--cursor", cursor, "--json"]).ended(0).json();
    assert_eq!(next["data"][0]["trace_id"], "trace-2");
}

#[test]
fn a_wrong_filter_is_a_usage_error_that_says_where() {
    let (home, _) = filled();
    let wrong = home.run(&["traces", "list", "--filter", "status = = error"]).ended(2);
    assert!(wrong.err.contains("filter"), "{}", wrong.err);
    home.run(&["traces", "show", "no/id"]).ended(2);
    home.run(&["traces", "show", "unknown"]).ended(1);
}

#[test]
fn a_trace_is_shown_as_a_tree() {
    let (home, _) = filled();
    let shown = home.run(&["traces", "show", "trace-1", "--spans"]).ended(0).out;
    assert!(shown.contains("Trace ID:          trace-1"), "{shown}");
    assert!(shown.contains("\nrun 1 [llm] ok"), "{shown}");
    assert!(shown.contains("\n  search [tool] ok"), "{shown}");
}

#[test]
fn tail_prints_what_comes_and_ends_quietly_when_nobody_reads() {
    let home = Home::new().with_few_rules();
    let server = home.serve(&[]);
    let key = server.key();
    let mut child = home
        .command(&["traces", "tail", "--json", "--interval", "0.1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for id in ["one", "two"] {
        let body = json!({"batch": [span(id, "s")]});
        assert_eq!(server.post("/api/v1/ingest/spans", &key, &body).0, 201);
        let row: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(row["trace_id"], id);
    }
    drop(lines);
    let body = json!({"batch": [span("three", "s")]});
    assert_eq!(server.post("/api/v1/ingest/spans", &key, &body).0, 201);
    assert_eq!(child.wait().unwrap().code(), Some(0), "a closed pipe is no failure");
}

#[test]
fn tail_stops_at_an_interrupt() {
    let (home, _) = filled();
    let mut child = home.command(&["traces", "tail"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("trace-0"));
    signal(child.id(), "INT");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
