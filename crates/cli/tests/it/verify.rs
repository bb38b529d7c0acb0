//! `exhibit verify` on data that holds, and on keys that do not.

use serde_json::json;

use crate::home::{Home, span};

/// A home with sealed traces and a correction.
pub(crate) fn sealed() -> Home {
    let home = Home::new().with_few_rules();
    let server = home.serve(&["--seal-after", "0s"]);
    let key = server.key();
    for trace in ["alpha", "beta"] {
        let mut root = span(trace, "root");
        root["session_id"] = "session".into();
        root["user_id"] = "user".into();
        root["tags"] = json!(["tag"]);
        root["metadata"] = json!({"team": "blue"});
        root["response_id"] = format!("resp-{trace}").into();
        root["ttft_ms"] = 120.into();
        let mut tool = span(trace, "tool");
        tool["parent_span_id"] = "root".into();
        tool["span_type"] = "tool".into();
        tool["tool_name"] = "search".into();
        // A finding: a well-known test number of a payment card.
        tool["input"] =
            json!({"query": format!("card {} please", ["4111"; 1].join("") + "111111111111")});
        let body = json!({"batch": [root, tool]});
        assert_eq!(server.post("/api/v1/ingest/spans", &key, &body).0, 201);
    }
    let mut correction = span("alpha", "tool");
    correction["end_time"] = "2026-03-01T10:00:03Z".into();
    correction["output"] = json!({"response": "a corrected answer"});
    let body = json!({"batch": [correction]});
    assert_eq!(server.post("/api/v1/ingest/spans", &key, &body).0, 201);
    // The clocks that seal look once a second.
    let started = std::time::Instant::now();
    let sealed =
        |id: &str| !server.get(&format!("/api/v1/traces/{id}"), &key).1["data"]["seal"].is_null();
    while !(sealed("alpha") && sealed("beta")) {
        assert!(started.elapsed().as_secs() < 30, "the traces were never sealed");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(server.stop(), 0);
    home.run(&["verify"]).ended(0);
    home
}

#[test]
fn what_was_recorded_is_valid_as_a_whole_and_trace_by_trace() {
    let home = sealed();
    let report = home.run(&["verify", "--json"]).ended(0).json();
    assert_eq!(report["verdict"], "valid");
    assert_eq!((report["traces"].as_u64(), report["records"].as_u64()), (Some(2), Some(4)));
    assert_eq!(report["faults"], json!([]));
    home.run(&["verify", "--no-bodies"]).ended(0);
    let one = home.run(&["verify", "--trace", "alpha", "--json"]).ended(0).json();
    assert_eq!(one["records"].as_array().unwrap().len(), 2);
    assert!(!one["seals"].as_array().unwrap().is_empty());
    home.run(&["verify", "--trace", "gamma"]).ended(1);
    home.run(&["verify", "--trace", "no/id"]).ended(2);
}

#[test]
fn a_corrected_root_is_still_where_its_trace_counts() {
    let home = Home::new().with_few_rules();
    let server = home.serve(&[]);
    let key = server.key();
    let mut tool = span("t", "tool");
    tool["parent_span_id"] = "root".into();
    tool["span_type"] = "tool".into();
    let mut corrected = span("t", "root");
    corrected["output"] = json!({"response": "another answer"});
    for batch in [vec![span("t", "root"), tool], vec![corrected]] {
        let body = json!({"batch": batch});
        assert_eq!(server.post("/api/v1/ingest/spans", &key, &body).0, 201);
    }
    assert_eq!(server.stop(), 0);
    home.run(&["verify"]).ended(0);
}

#[test]
fn a_running_server_does_not_stand_in_the_way() {
    let home = Home::new();
    let server = home.serve(&[]);
    let body = json!({"batch": [span("t", "s")]});
    assert_eq!(server.post("/api/v1/ingest/spans", &server.key(), &body).0, 201);
    home.run(&["verify"]).ended(0);
    home.run(&["verify", "--trace", "t"]).ended(0);
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_log_that_grows_meanwhile_is_verified_as_far_as_it_was_at_the_beginning() {
    let home = Home::new().with_few_rules();
    let served = home.serve(&["--seal-after", "0s"]);
    let key = served.key();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0.. {
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                let batch: Vec<_> =
                    (0..20).map(|s| span(&format!("t{n}"), &format!("s{s}"))).collect();
                assert_eq!(
                    served.post("/api/v1/ingest/spans", &key, &json!({"batch": batch})).0,
                    201
                );
            }
        });
        for _ in 0..4 {
            let report = home.run(&["verify", "--json"]).json();
            let verdict = report["verdict"].as_str().unwrap().to_owned();
            assert!(verdict == "valid" || verdict == "pending", "{report}");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(served.stop(), 0);
    home.run(&["verify"]).ended(0);
}

#[test]
fn a_pinned_key_is_held_against_the_log() {
    let home = sealed();
    let report = home.run(&["verify", "--json"]).ended(0).json();
    let key = report["key"].as_str().unwrap();
    let pinned = home.run(&["verify", "--key", key, "--json"]).ended(0).json();
    assert_eq!(pinned["qualifiers"], json!(["unwitnessed"]));
    home.run(&["verify", "--trace", "beta", "--key", key]).ended(0);

    let other = Home::new();
    other.run(&["keys", "create", "--name", "x"]).ended(0);
    let foreign = other.run(&["verify", "--json"]).ended(0).json();
    let foreign = foreign["key"].as_str().unwrap();
    let wrong = home.run(&["verify", "--key", foreign, "--json"]).ended(1).json();
    assert_eq!(wrong["verdict"], "wrong-key");
    home.run(&["verify", "--key", "nonsense"]).ended(2);
}

#[test]
fn a_log_signed_anew_with_another_key_is_found() {
    let home = sealed();
    let other = Home::new();
    other.run(&["keys", "create", "--name", "x"]).ended(0);
    let signing = other.data().join("keys/signing.key");
    std::fs::copy(signing, home.data().join("keys/signing.key")).unwrap();
    let ran = home.run(&["verify"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
}

#[test]
fn a_trace_of_a_server_elsewhere_is_checked_here() {
    let home = Home::new();
    let server = home.serve(&[]);
    let (url, key) = (server.url(), server.key());
    let body = json!({"batch": [span("t", "s")]});
    assert_eq!(server.post("/api/v1/ingest/spans", &key, &body).0, 201);
    home.run(&["verify"]).ended(0);
    let far = Home::new();
    let ask = ["verify", "--server", &url, "--trace", "t", "--api-key", &key];
    let finding = far.run(&[&ask[..], &["--json"]].concat()).ended(0).json();
    assert_eq!(
        (finding["verdict"].as_str(), finding["records"].as_u64()),
        (Some("valid"), Some(1))
    );
    let log_key = finding["key"].as_str().unwrap();
    far.run(&[&ask[..], &["--key", log_key]].concat()).ended(0);
    let installation = home.run(&["verify", "--json"]).ended(0).json();
    let installation = installation["key"].as_str().unwrap();
    far.run(&[&ask[..], &["--key", installation]].concat()).ended(0);
    far.run(&["verify", "--server", &url, "--trace", "t"]).ended(2);
    far.run(&["verify", "--server", &url, "--trace", "unknown", "--api-key", &key]).ended(1);
}

#[test]
fn a_database_that_was_rolled_back_alone_is_found() {
    let home = sealed();
    let old = home.path().join("old.db");
    std::fs::copy(home.data().join("exhibit.db"), &old).unwrap();
    let server = home.serve(&[]);
    let key = home.run(&["keys", "create", "--name", "n", "--json"]).ended(0).json();
    let body = json!({"batch": [span("later", "s")]});
    assert_eq!(server.post("/api/v1/ingest/spans", key["key"].as_str().unwrap(), &body).0, 201);
    assert_eq!(server.stop(), 0);
    std::fs::copy(&old, home.data().join("exhibit.db")).unwrap();
    let _ = std::fs::remove_file(home.data().join("exhibit.db-wal"));
    let found = home.run(&["verify", "--json"]).ended(1).json();
    assert_eq!(found["verdict"], "truncated");
    home.run(&["serve", "--listen", ":0"]).ended(1);
}

#[test]
fn a_whole_log_of_a_server_elsewhere_is_read_and_checked_here() {
    let home = Home::new().with_few_rules();
    let server = home.serve(&["--seal-after", "0s"]);
    let (url, key) = (server.url(), server.key());
    // More than one entry bundle.
    for n in 0..3 {
        let batch: Vec<_> = (0..100).map(|s| span(&format!("t{n}"), &format!("s{s}"))).collect();
        let sent = server.post("/api/v1/ingest/spans", &key, &json!({ "batch": batch }));
        assert_eq!(sent.0, 201, "{}", sent.1);
    }
    let far = Home::new();
    let ask = ["verify", "--server", &url, "--api-key", &key, "--json"];
    let started = std::time::Instant::now();
    let mut report = far.run(&ask);
    while report.code != 0 || report.json()["tree_size"].as_u64().unwrap() < 300 {
        assert!(started.elapsed().as_secs() < 30, "{report:?}");
        report = far.run(&ask);
    }
    let report = report.json();
    assert!(report["heads"].as_u64().unwrap() > 0, "{report}");
    let pinned = report["key"].as_str().unwrap().to_owned();
    far.run(&[&ask[..], &["--key", &pinned]].concat()).ended(0);

    let (status, one) = server.get("/api/v1/traces/t1/spans/s7/verification", &key);
    assert_eq!(status, 200, "{one}");
    assert_eq!(one["data"]["verdict"], "valid", "{one}");
    assert_eq!(one["data"]["record"]["span_id"], "s7");
    assert_eq!(server.get("/api/v1/traces/t1/spans/none/verification", &key).0, 404);
    assert_eq!(server.stop(), 0);

    // With another key in its place the log is somebody else's.
    home.run(&["keys", "rotate-signing", "--compromised"]).ended(0);
    let server = home.serve(&[]);
    let url = server.url();
    let ask = ["verify", "--server", &url, "--api-key", &key, "--key", &pinned];
    far.run(&ask).ended(1);
}
