//! The cold archive: payloads move out of the database, are still shown, found and verified, and what
//! happens to the archive is named.

#[cfg(feature = "s3")]
mod bucket;

use std::path::PathBuf;

use rusqlite::Connection;
use serde_json::json;

use crate::{
    home::{Home, Served, span},
    keep::sealed,
};

fn cold(to: &str) -> Home {
    let home = Home::new().with_few_rules();
    let text = format!("[archive]\nto = \"{to}\"\n");
    std::fs::write(home.path().join("exhibit.toml"), text).unwrap();
    home
}

fn record(served: &Served, key: &str, trace: &str, user: &str) {
    let mut one = span(trace, "s1");
    one["user_id"] = user.into();
    one["input"] = json!({"prompt": format!("archivedword of {trace} {}", "long ".repeat(2_000))});
    let body = json!({"batch": [one]});
    assert_eq!(served.post("/api/v1/ingest/spans", key, &body).0, 201);
    sealed(served, key, trace);
}

/// Objects in the directory.
fn objects(home: &Home) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for dir in std::fs::read_dir(home.path().join("cold/payloads")).into_iter().flatten() {
        for file in std::fs::read_dir(dir.unwrap().path()).unwrap() {
            found.push(file.unwrap().path());
        }
    }
    found.sort();
    found
}

/// Bytes of payload in the database.
fn at_hand(home: &Home) -> i64 {
    let db = Connection::open(home.data().join("exhibit.db")).unwrap();
    db.query_row("SELECT total(length(data)) FROM blocks", [], |row| row.get::<_, f64>(0)).unwrap()
        as i64
}

#[test]
fn archived_payloads_are_still_listed_shown_found_and_verified() {
    let home = cold("cold");
    let served = home.serve(&["--seal-after", "0s"]);
    let key = served.key();
    for (trace, user) in [("t1", "ann"), ("t2", "ann"), ("t3", "bob")] {
        record(&served, &key, trace, user);
    }
    let none = home.run(&["archive", "run", "--older-than", "30", "--json"]).ended(0).json();
    assert_eq!(none["moved"], 0, "{none}");
    let unsaid = home.run(&["archive", "run"]).ended(2);
    assert!(unsaid.err.contains("how many days"), "{}", unsaid.err);
    let dry = ["archive", "run", "--older-than", "0", "--dry-run", "--json"];
    assert_eq!(home.run(&dry).ended(0).json()["moved"], 3);
    assert!(objects(&home).is_empty(), "a dry run does nothing");
    let before = at_hand(&home);
    let done = home.run(&["archive", "run", "--older-than", "0", "--json"]).ended(0).json();
    assert_eq!(done["moved"], 3, "{done}");
    assert_eq!(objects(&home).len(), 3);
    assert!(at_hand(&home) < 3 * 70 && before > at_hand(&home), "{before} {}", at_hand(&home));
    for object in objects(&home) {
        let bytes = std::fs::read(object).unwrap();
        assert!(!bytes.windows(12).any(|w| w == b"archivedword"), "it is encrypted");
        assert_eq!(bytes[0], 1, "and so sealed");
    }
    let status = home.run(&["archive", "status", "--json"]).ended(0).json();
    assert_eq!(status["traces"], 3, "{status}");
    assert!(status["place"].as_str().unwrap().ends_with("cold"), "{status}");

    let (code, shown) = served.get("/api/v1/traces/t2/spans/s1", &key);
    assert!(code == 200 && shown.to_string().contains("archivedword of t2"), "{code} {shown}");
    let (_, listed) = served.get("/api/v1/traces?filter=user%20%3D%20ann", &key);
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(2), "{listed}");
    // What comes later moves with the next run.
    let late = json!({"batch": [span("t1", "s2")]});
    assert_eq!(served.post("/api/v1/ingest/spans", &key, &late).0, 201);
    assert_eq!(served.get("/api/v1/traces/t1/spans/s1", &key).0, 200);
    home.run(&["export", "evidence", "-o", "all.zip"]).ended(0);
    home.run(&["verify", "all.zip"]).ended(0);
    // An erasure takes the object along.
    home.run(&["erase", "--user", "bob", "--reason", "request 3"]).ended(0);
    assert_eq!(objects(&home).len(), 2);
    assert_eq!(served.stop(), 0);
    home.run(&["verify", "--search"]).ended(0);
}

#[test]
fn an_archived_object_that_is_missing_or_changed_is_named() {
    let home = cold("cold");
    let served = home.serve(&["--seal-after", "0s"]);
    let key = served.key();
    record(&served, &key, "t1", "ann");
    home.run(&["archive", "run", "--older-than", "0"]).ended(0);
    let object = objects(&home).pop().unwrap();
    let name = object.file_name().unwrap().to_string_lossy().into_owned();
    let whole = std::fs::read(&object).unwrap();
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    let cases: [(&str, Option<&[u8]>); 3] =
        [("altered", Some(&changed)), ("missing", Some(&whole[..40])), ("missing", None)];
    for (verdict, bytes) in cases {
        match bytes {
            Some(bytes) => std::fs::write(&object, bytes).unwrap(),
            None => std::fs::remove_file(&object).unwrap(),
        }
        let report = home.run(&["verify", "--json"]).ended(1).json();
        let faults = report["faults"].as_array().unwrap();
        let named = faults.iter().any(|fault| {
            fault["verdict"] == verdict && fault["what"].as_str().unwrap().contains(&name)
        });
        assert!(named, "{verdict}: {report}");
        let (code, problem) = served.get("/api/v1/traces/t1/spans/s1", &key);
        assert!(code == 409 && problem.to_string().contains(&name), "{code} {problem}");
        let (_, listed) = served.get("/api/v1/traces", &key);
        assert_eq!(listed["data"].as_array().map(Vec::len), Some(1), "lists need no payload");
    }
    std::fs::write(&object, &whole).unwrap();
    assert_eq!(served.get("/api/v1/traces/t1/spans/s1", &key).0, 200);
    assert_eq!(served.stop(), 0);
    home.run(&["verify"]).ended(0);
    // Without buckets in the binary, and without the archive in the configuration, it says what to do.
    #[cfg(not(feature = "s3"))]
    {
        std::fs::write(home.path().join("exhibit.toml"), "[archive]\nto = \"s3://b\"\n").unwrap();
        let lost = home.run(&["verify"]).ended(2);
        assert!(lost.err.contains("--features s3"), "{}", lost.err);
    }
    std::fs::remove_file(home.path().join("exhibit.toml")).unwrap();
    let lost = home.run(&["verify"]).ended(1);
    assert!(lost.err.contains("archive.to"), "{}", lost.err);
}
