//! Retention, holds and erasure: what must go goes with a certificate, what is held stays, and the
//! log still proves.

use std::{collections::BTreeSet, path::Path};

use serde_json::json;

use crate::home::{Home, Served, span};

fn send(served: &Served, key: &str, trace: &str, user: &str) -> (u16, serde_json::Value) {
    let mut one = span(trace, "s1");
    one["user_id"] = user.into();
    one["input"] = json!({"prompt": format!("the secret of {user} is swordfish-{trace}")});
    served.post("/api/v1/ingest/spans", key, &json!({"batch": [one]}))
}

/// Waits until a trace is sealed and its seal stands under a signed checkpoint.
pub(crate) fn sealed(served: &Served, key: &str, trace: &str) {
    let started = std::time::Instant::now();
    loop {
        let (_, answer) = served.get(&format!("/api/v1/traces/{trace}/verification"), key);
        let data = &answer["data"];
        if data["verdict"] == "valid" && data["seals"].as_array().is_some_and(|s| !s.is_empty()) {
            return;
        }
        assert!(started.elapsed().as_secs() < 60, "{trace} is not sealed: {answer}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// Every word in the dictionaries of the search index; and every file that belongs to none of its
/// segments, which may be what is left of an older one. Again when a segment went while it was read.
fn indexed(data: &Path) -> (BTreeSet<String>, Vec<String>) {
    loop {
        if let Ok(read) = read_index(&data.join("search")) {
            return read;
        }
    }
}

fn read_index(directory: &Path) -> tantivy::Result<(BTreeSet<String>, Vec<String>)> {
    let index = tantivy::Index::open_in_dir(directory)?;
    let field = index.schema().get_field("words")?;
    let mut words = BTreeSet::new();
    let reader: tantivy::IndexReader = index.reader()?;
    for segment in reader.searcher().segment_readers() {
        let inverted = segment.inverted_index(field)?;
        let mut terms = inverted.terms().stream()?;
        while terms.advance() {
            words.insert(String::from_utf8_lossy(terms.key()).into_owned());
        }
    }
    let metas = index.load_metas()?;
    // Files of a segment begin with its id.
    let known: BTreeSet<String> = metas.segments.iter().map(|s| s.id().uuid_string()).collect();
    let mut strangers = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let text = entry?.file_name().to_string_lossy().into_owned();
        let of_segment = text.split('.').next().is_some_and(|id| known.contains(id));
        let of_index = text.starts_with('.') || text.split('.').next_back() == Some("json");
        if !of_segment && !of_index {
            strangers.push(text);
        }
    }
    Ok((words, strangers))
}

/// Waits until the certificate of an erased trace is under a signed checkpoint.
fn certified(served: &Served, key: &str, trace: &str) -> serde_json::Value {
    let started = std::time::Instant::now();
    loop {
        let (code, answer) = served.get(&format!("/api/v1/traces/{trace}/verification"), key);
        let verdict = &answer["data"]["verdict"];
        if code == 200 && verdict == "erased-with-certificate" {
            return answer;
        }
        assert!(code == 200 && verdict == "pending", "{code} {answer}");
        assert!(started.elapsed().as_secs() < 60, "{trace} stays pending: {answer}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn an_erased_trace_verifies_by_its_certificate_here_and_elsewhere() {
    let home = Home::new().with_few_rules();
    let served = home.serve(&["--seal-after", "1s"]);
    let (url, key) = (served.url(), served.key());
    for trace in ["a1", "b1"] {
        assert_eq!(send(&served, &key, trace, "ann").0, 201);
        sealed(&served, &key, trace);
    }
    let erase = ["erase", "--trace", "a1", "--reason", "request 4711", "--json"];
    let place = &home.run(&erase).ended(0).json()["certificates"][0];
    certified(&served, &key, "a1");

    let here = ["verify", "--trace", "a1"];
    let found = home.run(&[&here[..], &["--json"]].concat()).ended(0).json();
    assert_eq!(found["verdict"], "erased-with-certificate", "{found}");
    assert_eq!((&found["index"], &found["erased"]["why"]), (place, &json!("request 4711")));
    assert!(found["tree_size"].as_u64() > place.as_u64(), "{found}");
    let shown = home.run(&here).ended(0).out;
    let line = format!("Certificate: leaf {place} under a checkpoint of");
    assert!(shown.contains(&line) && shown.contains("request 4711"), "{shown}");
    let pin = found["key"].as_str().unwrap();
    let pinned = home.run(&[&here[..], &["--key", pin, "--json"]].concat()).ended(0).json();
    assert_eq!(pinned["qualifiers"], json!(["unwitnessed"]));
    home.run(&[&here[..], &["--require-witness"]].concat()).ended(3);
    home.run(&["verify", "--trace", "never-there"]).ended(1);

    let far = Home::new();
    let ask = ["verify", "--server", &url, "--trace", "a1", "--api-key", &key];
    let finding = far.run(&[&ask[..], &["--json"]].concat()).ended(0).json();
    assert_eq!(finding["verdict"], "erased-with-certificate", "{finding}");
    assert_eq!((&finding["certificate"], &finding["fingerprint"]), (place, &found["fingerprint"]));
    assert!(far.run(&ask).ended(0).out.contains(&line));
    far.run(&[&ask[..], &["--key", pin]].concat()).ended(0);
    far.run(&["keys", "create", "--name", "x"]).ended(0);
    let other = far.run(&["verify", "--json"]).ended(0).json();
    let stranger = [&ask[..], &["--key", other["key"].as_str().unwrap(), "--json"]].concat();
    assert_eq!(far.run(&stranger).ended(1).json()["verdict"], "wrong-key");
    assert_eq!(served.stop(), 0);

    // A certificate that says something else, and none at all.
    let verdict = |change: &str| {
        let db = rusqlite::Connection::open(home.data().join("exhibit.db")).unwrap();
        assert_eq!(db.execute(change, [place.as_i64()]).unwrap(), 1);
        drop(db);
        let found = home.run(&[&here[..], &["--json"]].concat()).ended(1).json();
        found["verdict"].as_str().unwrap().to_owned()
    };
    let lie = "UPDATE acts SET body = CAST(replace(CAST(body AS TEXT), '4711', '4712') AS BLOB) WHERE leaf = ?1";
    assert_eq!(verdict(lie), "altered");
    assert_eq!(verdict("DELETE FROM acts WHERE leaf = ?1"), "missing");
}

#[test]
fn erased_records_are_gone_from_everywhere_and_the_log_still_proves() {
    let home = Home::new().with_few_rules();
    let served = home.serve(&["--seal-after", "1s"]);
    let key = served.key();
    for (trace, user) in [("a1", "ann"), ("a2", "ann"), ("b1", "bob"), ("c1", "cyd")] {
        assert_eq!(send(&served, &key, trace, user).0, 201);
    }
    for trace in ["a1", "a2", "b1", "c1"] {
        sealed(&served, &key, trace);
    }
    let hold = ["holds", "place", "--trace", "a2", "--reason", "case 17", "--owner", "counsel"];
    let hold = home.run(&hold).ended(0).out.trim().to_owned();
    let user = ["erase", "--user", "ann", "--reason", "request 4711", "--json"];
    let dry = home.run(&[&user[..], &["--dry-run"]].concat()).ended(0).json();
    assert_eq!(dry["traces"], json!(["a1"]), "{dry}");
    assert_eq!(served.get("/api/v1/traces/a1", &key).0, 200, "a dry run does nothing");
    let done = home.run(&user).ended(0).json();
    assert_eq!(
        (&done["gone"]["request 4711"], &done["held"][&hold]),
        (&json!(1), &json!(1)),
        "{done}"
    );

    assert_eq!(served.get("/api/v1/traces/a1", &key).0, 404);
    let answer = certified(&served, &key, "a1");
    let place = done["certificates"][0].as_u64().unwrap();
    assert_eq!(answer["data"]["index"], place, "{answer}");
    let (_, of_span) = served.get("/api/v1/traces/a1/spans/s1/verification", &key);
    assert_eq!(of_span["data"], answer["data"]);
    let again = send(&served, &key, "a1", "ann");
    assert!(again.0 >= 400 || again.1["accepted"] == 0, "it does not come back: {again:?}");
    assert_eq!(served.get("/api/v1/traces/a1", &key).0, 404);
    for (trace, code) in [("a2", 200), ("b1", 200)] {
        assert_eq!(served.get(&format!("/api/v1/traces/{trace}"), &key).0, code);
    }
    let (_, found) = served.get("/api/v1/traces?q=swordfish-a1", &key);
    assert_eq!(found["data"].as_array().map_or(0, Vec::len), 0, "{found}");
    let (_, sums) = served.get("/api/v1/compliance", &key);
    assert_eq!(sums["data"]["duties"].as_array().map(Vec::len), Some(7), "{sums}");

    // A filter, after the hold was released.
    home.run(&["holds", "release", &hold, "--reason", "settled"]).ended(0);
    home.run(&["erase", "--filter", "user = ann", "--reason", "request 4711"]).ended(0);
    assert_eq!(served.get("/api/v1/traces/a2", &key).0, 404);
    assert_eq!(served.stop(), 0);

    let report = home.run(&["verify", "--json", "--search"]).ended(0).json();
    assert_eq!(report["traces"], 2, "{report}");
    let bundle = ["export", "evidence", "-o", "all.zip"];
    home.run(&bundle).ended(0);
    let bytes: Vec<u8> = std::fs::read_dir(home.data())
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("exhibit.db"))
        .flat_map(|entry| std::fs::read(entry.path()).unwrap())
        .collect();
    let holds = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(holds("bob") && !holds("ann\""), "the database still holds the name of the erased");

    // Whoever takes the certificate away turns the erasure into a loss.
    let db = rusqlite::Connection::open(home.data().join("exhibit.db")).unwrap();
    let removed = db.execute("DELETE FROM acts WHERE leaf = (SELECT max(leaf) FROM acts)", []);
    assert_eq!(removed.unwrap(), 1);
    drop(db);
    let report = home.run(&["verify", "--json"]).ended(1).json();
    assert_eq!(report["verdict"], "missing", "{report}");
}

#[test]
fn retention_follows_the_first_rule_that_finds_a_trace_and_yields_to_holds() {
    let home = Home::new().with_few_rules();
    let served = home.serve(&[]);
    let key = served.key();
    assert_eq!(send(&served, &key, "t1", "ann").0, 201);
    assert_eq!(served.stop(), 0);
    home.run(&["retention", "show"]).ended(0);
    home.run(&["retention", "set"]).ended(2);
    home.run(&["retention", "set", "--rule", "bad=1:full text"]).ended(2);
    home.run(&["retention", "set", "--rule", "ann=forever:user = ann", "--preset", "hipaa"])
        .ended(0);
    let shown = home.run(&["retention", "show", "--json"]).ended(0).json();
    assert_eq!(shown["rules"][1], json!({"name": "hipaa", "filter": "", "keep_days": 2192}));
    let run = home.run(&["retention", "run", "--json"]).ended(0).json();
    assert_eq!(run["gone"], json!({}), "nothing is that old");
    home.run(&["verify"]).ended(0);
}

#[test]
fn a_client_of_aitracer_verifies_what_it_sent() {
    let home = Home::new().with_few_rules();
    let served = home.serve(&[]);
    let key = served.key();
    let call = json!({"model": "gpt-4o", "input": "hi", "output": "ho", "requestId": "r-1"});
    let (status, sent) = served.post("/api/traces", &key, &call);
    assert_eq!(status, 201, "{sent}");
    let id = sent["trace"]["id"].as_str().unwrap();
    let records = &sent["trace"]["executionRecords"];
    assert_eq!(records[0]["integrityHash"], records[0]["payloadHash"]);
    let fingerprint = sent["trace"]["verificationRecords"][0]["fingerprint"].clone();
    assert_eq!(fingerprint.as_str().map(str::len), Some(64), "{sent}");
    let verify = |hash: &serde_json::Value| {
        let body = json!({"attestation_id": id, "interaction_hash": hash});
        served.post("/api/verification/verify", &key, &body).1
    };
    // Until the first checkpoint it is pending.
    let start = std::time::Instant::now();
    let mut answer = verify(&fingerprint);
    while answer["verdict"] == "pending" && start.elapsed().as_secs() < 20 {
        std::thread::sleep(std::time::Duration::from_millis(50));
        answer = verify(&fingerprint);
    }
    assert_eq!(
        (&answer["valid"], &answer["hash_matches"]),
        (&json!(true), &json!(true)),
        "{answer}"
    );
    let other = verify(&json!("0".repeat(64)));
    assert_eq!((&other["valid"], &other["verdict"]), (&json!(false), &json!("valid")), "{other}");
    let (status, entry) = served.get(&format!("/api/ledger/{id}"), &key);
    assert_eq!(status, 200, "{entry}");
    assert_eq!(entry["verificationRecords"][0]["fingerprint"], fingerprint);
    assert_eq!(served.get("/api/ledger/unknown", &key).0, 404);
    // Of what was erased it says so, and where the log says so.
    home.run(&["erase", "--trace", id, "--reason", "request 12"]).ended(0);
    let start = std::time::Instant::now();
    let mut gone = json!({"verdict": "pending"});
    while gone["verdict"] == "pending" && start.elapsed().as_secs() < 20 {
        let (status, entry) = served.get(&format!("/api/ledger/{id}"), &key);
        assert_eq!(status, 200, "{entry}");
        gone = entry;
    }
    let (_, told) = served.get(&format!("/api/v1/traces/{id}/verification"), &key);
    assert_eq!(gone["verdict"], "erased-with-certificate", "{gone}");
    assert_eq!((&gone["id"], &gone["integrityHash"]), (&json!(id), &json!(null)), "{gone}");
    assert_eq!(gone["verificationRecords"], json!([]));
    for name in ["index", "fingerprint", "leaf", "body", "log"] {
        assert_eq!(gone["certificate"][name], told["data"][name], "{name}: {gone}");
        assert!(!told["data"][name].is_null(), "{name}: {told}");
    }
    assert_eq!(gone["log"], told["data"]["log"]);
}

/// Whether the words stand anywhere in the files of a directory.
fn is_anywhere(dir: &std::path::Path, words: &str) -> Option<std::path::PathBuf> {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if let Some(found) = is_anywhere(&path, words) {
                return Some(found);
            }
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes.windows(words.len()).any(|window| window == words.as_bytes())
        {
            return Some(path);
        }
    }
    None
}

#[test]
fn what_was_erased_is_in_no_file_while_the_server_runs_on() {
    let home = Home::new().with_few_rules();
    let served = home.serve(&["--seal-after", "0s"]);
    let key = served.key();
    for n in 0..5 {
        let mut one = span(&format!("t{n}"), "s1");
        one["user_id"] = "zacharias-the-subject".into();
        one["input"] = json!({"prompt": format!("xylophonequartz{n} and xylophonequartz")});
        let body = json!({"batch": [one, span(&format!("other{n}"), "s1")]});
        assert_eq!(served.post("/api/v1/ingest/spans", &key, &body).0, 201);
    }
    // The index packs its words, so its dictionaries are read; the database and its log hold the name
    // as it is.
    assert!(is_anywhere(&home.data(), "zacharias-the-subject").is_some());
    let holds = |word: &str| indexed(&home.data()).0.iter().any(|entry| entry.contains(word));
    let started = std::time::Instant::now();
    while !(holds("xylophonequartz4") && holds("question")) {
        assert!(started.elapsed().as_secs() < 60, "the words are not indexed");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let erase = ["erase", "--user", "zacharias-the-subject", "--reason", "case 9", "--json"];
    let done = home.run(&erase).ended(0).json();
    assert_eq!(done["scrubbed"], true, "{done}");
    for words in ["xylophonequartz", "zacharias-the-subject"] {
        assert_eq!(is_anywhere(&home.data(), words), None, "{words}");
    }
    let (words, strangers) = indexed(&home.data());
    let left: Vec<_> =
        words.iter().filter(|w| w.contains("xylophone") || w.contains("zacharias")).collect();
    assert!(left.is_empty() && words.iter().any(|w| w.contains("question")), "{left:?} {words:?}");
    assert_eq!(strangers, [""; 0], "files of the index that belong to no segment");
    // It goes on: what is left is found, and what comes is.
    let body = json!({"batch": [span("later", "s1")]});
    assert_eq!(served.post("/api/v1/ingest/spans", &key, &body).0, 201);
    assert_eq!(served.get("/api/v1/traces/other3", &key).0, 200);
    assert_eq!(served.stop(), 0);
    home.run(&["verify", "--search"]).ended(0);
}

#[test]
fn a_restored_backup_does_not_bring_the_erased_back() {
    let home = Home::new().with_few_rules();
    let served = home.serve(&[]);
    let key = served.key();
    assert_eq!(send(&served, &key, "gone", "ann").0, 201);
    assert_eq!(send(&served, &key, "kept", "bob").0, 201);
    assert_eq!(served.stop(), 0);
    home.run(&["backup", "copy"]).ended(0);
    home.run(&["erase", "--user", "ann", "--reason", "request 1"]).ended(0);
    let restore = ["restore", "copy", "--data-dir", "again", "--keys", "data/keys", "--new-epoch"];
    home.run(&restore).ended(0);
    let again = |arguments: &[&str]| home.run(&[arguments, &["--data-dir", "again"]].concat());
    again(&["traces", "show", "gone"]).ended(1);
    again(&["traces", "show", "kept"]).ended(0);
    again(&["verify"]).ended(0);
    // At the next start there is nothing left to do.
    again(&["keys", "create", "--name", "x"]).ended(0);
    let report = again(&["verify", "--json"]).ended(0).json();
    assert_eq!(report["traces"], 1, "{report}");
}
