//! Encrypted payloads: no file of the data directory or of a backup holds what they say, the master key can
//! be rotated at any moment and lost with a clear word, and an erasure reaches backups that lie elsewhere.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rusqlite::Connection;
use serde_json::json;

use crate::home::{Home, Ran, Served, signal, span};

/// Words of payloads that must not be found.
const PLANTED: [&str; 4] =
    ["quuxpromptword", "quuxanswerword", "quuxattributeword", "quuxpreviewword"];

/// A master key, made of a repeated pattern.
fn master(seed: u8) -> String {
    let digit = |n: u8| char::from(b"0123456789abcdef"[usize::from(n & 15)]);
    (0..64).map(|n: u8| digit(seed.wrapping_mul(31).wrapping_add(n.wrapping_mul(7)) >> 2)).collect()
}

fn encrypted() -> Home {
    Home::new().with_few_rules().with("EXHIBIT_ENCRYPTION_KEY", &master(1))
}

fn plant(served: &Served, key: &str, trace: &str) {
    let mut one = span(trace, "s1");
    one["user_id"] = "ann".into();
    one["input"] = json!({"prompt": "quuxpromptword quuxpreviewword"});
    one["output"] = json!({"response": "quuxanswerword"});
    one["attributes"] = json!({"note": "quuxattributeword"});
    let body = json!({"batch": [one]});
    assert_eq!(served.post("/api/v1/ingest/spans", key, &body).0, 201);
    // What is refused is kept for people to read; but not its text.
    let bad = json!({"batch": [{"trace_id": trace, "span_id": 7, "start_time": [], "status": "?", "input": "quuxpromptword quuxanswerword"}]});
    served.post("/api/v1/ingest/spans", key, &bad);
}

/// A later revision of what was planted.
fn plant_again(served: &Served, key: &str, trace: &str) {
    let mut one = span(trace, "s1");
    one["user_id"] = "ann".into();
    one["input"] = json!({"prompt": "quuxpromptword quuxpreviewword, once more"});
    one["output"] = json!({"response": "quuxanswerword"});
    one["attributes"] = json!({"note": "quuxattributeword"});
    one["end_time"] = "2026-03-01T10:00:02Z".into();
    let body = json!({"batch": [one]});
    assert_eq!(served.post("/api/v1/ingest/spans", key, &body).0, 201);
}

/// Every file below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { waiting.push(path) } else { found.push(path) }
        }
    }
    found
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// Which planted words stand in a directory: in the bytes of its files, or in payloads of its database
/// once they are inflated.
fn found(dir: &Path) -> Vec<&'static str> {
    let mut texts: Vec<Vec<u8>> =
        files(dir).iter().filter_map(|path| std::fs::read(path).ok()).collect();
    let db = Connection::open(dir.join("exhibit.db")).unwrap();
    let mut blocks = db.prepare("SELECT raw_bytes, data FROM blocks").unwrap();
    let blocks = blocks.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)));
    for block in blocks.unwrap() {
        let (bytes, data) = block.unwrap();
        texts.extend(zstd::bulk::decompress(&data, usize::try_from(bytes).unwrap()).ok());
    }
    PLANTED.into_iter().filter(|word| texts.iter().any(|text| holds(text, word))).collect()
}

/// The home, encrypted from now on.
fn encrypt_from_now_on(home: &Home, more: &str) {
    std::fs::write(home.path().join("master"), master(5)).unwrap();
    let config = format!("{more}[encryption]\nkey_file = \"master\"\n");
    std::fs::write(home.path().join("exhibit.toml"), config).unwrap();
}

/// The same home with another master key, or none.
fn with_key(home: &Home, key: Option<&str>, arguments: &[&str]) -> Ran {
    let mut command = home.command(arguments);
    match key {
        Some(key) => command.env("EXHIBIT_ENCRYPTION_KEY", key),
        None => command.env_remove("EXHIBIT_ENCRYPTION_KEY"),
    };
    crate::home::run(command)
}

#[test]
fn no_file_holds_a_word_of_an_encrypted_payload_and_everything_still_reads_and_verifies() {
    let plain = Home::new().with_few_rules();
    let served = plain.serve(&["--seal-after", "0s"]);
    plant(&served, &served.key(), "t1");
    assert_eq!(served.stop(), 0);
    // What is looked for would be found.
    assert_eq!(found(&plain.data()), PLANTED);

    let home = encrypted();
    let served = home.serve(&["--seal-after", "0s"]);
    let key = served.key();
    plant(&served, &key, "t1");
    assert_eq!(found(&home.data()), [""; 0], "while it runs");
    let (code, shown) = served.get("/api/v1/traces/t1/spans/s1", &key);
    assert_eq!(code, 200, "{shown}");
    for word in PLANTED {
        assert!(shown.to_string().contains(word), "{word}: {shown}");
    }
    let (_, listed) = served.get("/api/v1/traces", &key);
    assert!(!listed.to_string().contains("quux"), "lists hold no previews: {listed}");
    let (code, refused) = served.get("/api/v1/traces?q=quuxpromptword", &key);
    assert_ne!(code, 200, "there is no index of words: {refused}");
    assert_eq!(served.stop(), 0);
    assert_eq!(found(&home.data()), [""; 0], "at rest");
    assert!(!home.data().join("search").exists());
    home.run(&["backup", "copy"]).ended(0);
    assert_eq!(found(&home.path().join("copy")), [""; 0], "in a backup");
    home.run(&["verify"]).ended(0);
}

#[test]
fn without_its_master_key_an_installation_does_not_start_and_says_what_to_do() {
    let home = encrypted();
    let served = home.serve(&[]);
    plant(&served, &served.key(), "t1");
    assert_eq!(served.stop(), 0);
    let start = ["serve", "--listen", "127.0.0.1:0"];
    for command in [&start[..], &["traces", "list"], &["verify"]] {
        let none = with_key(&home, None, command).ended(2);
        assert!(none.err.contains("no master key is given"), "{}", none.err);
        assert!(none.err.contains("encryption.key_file"), "{}", none.err);
        let other = with_key(&home, Some(&master(2)), command);
        assert_ne!(other.code, 0, "{}", other.out);
        assert!(other.err.contains("is not the one that payloads"), "{}", other.err);
        let nonsense = with_key(&home, Some("sword-fish"), command).ended(2);
        assert!(nonsense.err.contains("32 random bytes"), "{}", nonsense.err);
        assert!(!nonsense.err.contains("sword-fish"), "{}", nonsense.err);
    }
    // The keys of payloads themselves are gone.
    let slots = home.data().join("keys/payloads.db");
    std::fs::rename(&slots, home.path().join("aside")).unwrap();
    for command in [&start[..], &["traces", "list"], &["verify"]] {
        for key in [None, Some(master(1))] {
            let lost = with_key(&home, key.as_deref(), command).ended(1);
            assert!(lost.err.contains("restore it from your backup of the keys"), "{}", lost.err);
            assert!(!slots.exists(), "no other keys are made in their place");
        }
    }
    std::fs::rename(home.path().join("aside"), &slots).unwrap();
    home.run(&["verify"]).ended(0);
}

#[test]
fn the_master_key_comes_from_a_file_or_a_command_too_and_only_one_is_meant() {
    let home = Home::new().with_few_rules();
    home.run(&["keys", "make-master", "master"]).ended(0);
    home.run(&["keys", "make-master", "master"]).ended(2);
    std::fs::write(home.path().join("exhibit.toml"), "[encryption]\nkey_file = \"master\"\n")
        .unwrap();
    let served = home.serve(&[]);
    plant(&served, &served.key(), "t1");
    assert_eq!(served.stop(), 0);
    assert_eq!(found(&home.data()), [""; 0]);
    let command = "[encryption]\nkey_command = \"cat master\"\n";
    std::fs::write(home.path().join("exhibit.toml"), command).unwrap();
    home.run(&["verify"]).ended(0);
    let failing = "[encryption]\nkey_command = \"cat master; exit 3\"\n";
    std::fs::write(home.path().join("exhibit.toml"), failing).unwrap();
    let failed = home.run(&["verify"]).ended(2);
    assert!(failed.err.contains("key_command"), "{}", failed.err);
    std::fs::write(home.path().join("exhibit.toml"), command).unwrap();
    let both = with_key(&home, Some(&master(1)), &["verify"]).ended(2);
    assert!(both.err.contains("which one is meant"), "{}", both.err);
}

#[test]
fn a_rotation_of_the_master_key_that_is_killed_leaves_the_old_one_or_the_new_one() {
    let home = encrypted();
    let served = home.serve(&[]);
    let key = served.key();
    // Every trace has a key of its own to be wrapped anew.
    for n in 0..8 {
        let batch: Vec<_> = (0..250).map(|m| span(&format!("t{n}-{m}"), "s1")).collect();
        assert_eq!(served.post("/api/v1/ingest/spans", &key, &json!({"batch": batch})).0, 201);
    }
    assert_eq!(served.stop(), 0);
    let (mut now, mut next, mut seed) = (master(1), master(2), 2);
    for delay in [0, 5, 10, 20, 30, 45, 60, 80, 120, 200, 400, 2_000] {
        let rotate = ["keys", "rotate-master", "--new-env", "NEXT_MASTER"];
        let mut command = home.command(&rotate);
        command.env("EXHIBIT_ENCRYPTION_KEY", &now).env("NEXT_MASTER", &next);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        signal(child.id(), "KILL");
        child.wait().unwrap();
        let show = ["traces", "show", "t3-17"];
        let old = with_key(&home, Some(&now), &show);
        let new = with_key(&home, Some(&next), &show);
        let opens = (old.code == 0, new.code == 0);
        assert!(opens.0 != opens.1, "after {delay} ms: {opens:?}\n{}\n{}", old.err, new.err);
        if opens.1 {
            seed += 1;
            (now, next) = (next, master(seed));
        }
    }
    // One that is left alone comes through, and everything reads under the new key only.
    let mut command = home.command(&["keys", "rotate-master", "--new-env", "NEXT_MASTER"]);
    command.env("EXHIBIT_ENCRYPTION_KEY", &now).env("NEXT_MASTER", &next);
    let done = crate::home::run(command).ended(0);
    assert!(done.out.contains("2000 keys"), "{}", done.out);
    with_key(&home, Some(&next), &["verify"]).ended(0);
    assert_ne!(with_key(&home, Some(&now), &["verify"]).code, 0);
}

#[test]
fn an_erasure_reaches_a_backup_that_was_made_before_it() {
    let home = encrypted();
    let served = home.serve(&["--seal-after", "0s"]);
    let key = served.key();
    plant(&served, &key, "gone");
    let body = json!({"batch": [span("kept", "s1")]});
    assert_eq!(served.post("/api/v1/ingest/spans", &key, &body).0, 201);
    home.run(&["backup", "copy"]).ended(0);
    let slot = |trace: &str| -> Vec<u8> {
        let db = Connection::open(home.path().join("copy/exhibit.db")).unwrap();
        let sql = "SELECT substr(key, 2, 16) FROM traces WHERE trace_id = ?1";
        db.query_row(sql, [trace], |row| row.get(0)).unwrap()
    };
    let key_of = |trace: &str| -> Option<Vec<u8>> {
        let db = Connection::open(home.data().join("keys/payloads.db")).unwrap();
        db.query_row("SELECT key FROM slots WHERE slot = ?1", [slot(trace)], |row| row.get(0)).ok()
    };
    let wrapped = key_of("gone").expect("the backup's trace has a key");
    let erased =
        home.run(&["erase", "--user", "ann", "--reason", "request 7", "--json"]).ended(0).json();
    assert_eq!(erased["scrubbed"], true, "{erased}");
    assert!(key_of("gone").is_none() && key_of("kept").is_some());
    // Its bytes are in no file beside the backup either, the log of the keys' database included.
    for path in files(&home.data().join("keys")) {
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(wrapped.len()).any(|w| w == wrapped), "{}", path.display());
    }
    let (_, verdict) = served.get("/api/v1/traces/gone/verification", &key);
    assert_eq!(verdict["data"]["erased"]["keys_destroyed"], 1, "{verdict}");
    assert!(
        verdict["data"]["elsewhere"].as_str().unwrap().contains("keys that are destroyed"),
        "{verdict}"
    );
    assert_eq!(served.stop(), 0);
    // With every key there is, the backup gives nothing away, and is restored without what is gone.
    let restore = ["restore", "copy", "--data-dir", "again", "--keys", "data/keys", "--new-epoch"];
    home.run(&restore).ended(0);
    let again = |arguments: &[&str]| home.run(&[arguments, &["--data-dir", "again"]].concat());
    again(&["traces", "show", "gone"]).ended(1);
    again(&["traces", "show", "kept"]).ended(0);
    again(&["verify"]).ended(0);
    home.run(&["verify"]).ended(0);
}

#[test]
fn traces_from_before_stay_readable_beside_encrypted_ones() {
    let home = Home::new().with_few_rules();
    let served = home.serve(&["--seal-after", "0s"]);
    let key = served.key();
    let body = json!({"batch": [span("before", "s1")]});
    assert_eq!(served.post("/api/v1/ingest/spans", &key, &body).0, 201);
    assert_eq!(served.stop(), 0);
    encrypt_from_now_on(&home, "");
    let served = home.serve(&["--seal-after", "0s"]);
    let body = json!({"batch": [span("before", "s2")]});
    assert_eq!(served.post("/api/v1/ingest/spans", &key, &body).0, 201);
    plant(&served, &key, "after");
    for trace in ["before/spans/s1", "before/spans/s2", "after/spans/s1"] {
        assert_eq!(served.get(&format!("/api/v1/traces/{trace}"), &key).0, 200, "{trace}");
    }
    assert_eq!(served.stop(), 0);
    home.run(&["verify"]).ended(0);
    assert_eq!(found(&home.data()), [""; 0], "the index of before is gone too");
    home.run(&["keys", "copy-payload-keys", "copied.db"]).ended(0);
    assert!(std::fs::metadata(home.path().join("copied.db")).unwrap().len() > 0);
}

#[test]
fn an_erasure_that_was_broken_off_is_ended_at_the_next_start() {
    let home = encrypted();
    let served = home.serve(&["--seal-after", "0s"]);
    let key = served.key();
    plant(&served, &key, "gone");
    let body = json!({"batch": [span("kept", "s1")]});
    assert_eq!(served.post("/api/v1/ingest/spans", &key, &body).0, 201);
    assert_eq!(served.stop(), 0);
    let (main, slots) = (home.data().join("exhibit.db"), home.data().join("keys/payloads.db"));
    let slot = |trace: &str| -> Vec<u8> {
        let sql = "SELECT substr(key, 2, 16) FROM traces WHERE trace_id = ?1";
        Connection::open(&main).unwrap().query_row(sql, [trace], |row| row.get(0)).unwrap()
    };
    let (gone, kept) = (slot("gone"), slot("kept"));
    std::fs::copy(&slots, home.path().join("before")).unwrap();
    home.run(&["erase", "--trace", "gone", "--reason", "request 8"]).ended(0);
    // As it was when the database had erased the trace and its key was still to go.
    std::fs::copy(home.path().join("before"), &slots).unwrap();
    let tombstone: (i64, Vec<u8>) = Connection::open(&main)
        .unwrap()
        .query_row("SELECT workspace, digest FROM tombstones", [], |r| Ok((r.get(0)?, r.get(1)?)))
        .unwrap();
    let db = Connection::open(&slots).unwrap();
    let note = "INSERT INTO doomed (slot, workspace, tombstone) VALUES (?1, ?2, ?3)";
    db.execute(note, (&gone, tombstone.0, &tombstone.1)).unwrap();
    // And an erasure that had only been noted.
    db.execute(note, (&kept, tombstone.0, [7_u8; 16])).unwrap();
    drop(db);
    home.run(&["keys", "create", "--name", "x"]).ended(0);
    let db = Connection::open(&slots).unwrap();
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM doomed"), 0);
    let left: Vec<u8> = db.query_row("SELECT slot FROM slots", [], |row| row.get(0)).unwrap();
    assert_eq!((count("SELECT count(*) FROM slots"), left), (1, kept));
    home.run(&["verify"]).ended(0);
}

#[test]
fn what_was_stored_before_is_encrypted_and_no_file_holds_a_word_of_it_any_more() {
    let home = Home::new().with_few_rules();
    let archive = "[archive]\nto = \"cold\"\n";
    std::fs::write(home.path().join("exhibit.toml"), archive).unwrap();
    let served = home.serve(&["--seal-after", "0s"]);
    let key = served.key();
    plant(&served, &key, "cold");
    crate::keep::sealed(&served, &key, "cold");
    home.run(&["archive", "run", "--older-than", "0"]).ended(0);
    for n in 0..40 {
        plant(&served, &key, &format!("t{n}"));
        // A second revision, which supersedes the first.
        plant_again(&served, &key, &format!("t{n}"));
    }
    assert_eq!(served.stop(), 0);
    let refused = home.run(&["keys", "encrypt-stored"]).ended(2);
    assert!(refused.err.contains("encryption.key_file"), "{}", refused.err);
    assert_eq!(found(&home.data()), PLANTED, "what is looked for would be found");

    encrypt_from_now_on(&home, archive);
    let running = home.serve(&["--seal-after", "0s"]);
    plant(&running, &key, "after");
    let held = home.run(&["keys", "encrypt-stored"]).ended(1);
    assert!(held.err.contains("in use"), "{}", held.err);
    assert_eq!(running.stop(), 0);
    assert_eq!(found(&home.data()), PLANTED);
    let done = home.run(&["keys", "encrypt-stored", "--json"]).ended(0).json();
    assert_eq!((&done["traces"], &done["scrubbed"]), (&json!(41), &json!(true)), "{done}");
    assert_eq!(done["refused_entries"], 41, "{done}");
    assert_eq!(found(&home.data()), [""; 0]);
    let again = home.run(&["keys", "encrypt-stored", "--json"]).ended(0).json();
    let nothing = json!({"traces": 0, "blocks": 0, "refused_entries": 0, "scrubbed": true});
    assert_eq!(again, nothing);
    home.run(&["verify"]).ended(0);
    home.run(&["backup", "copy"]).ended(0);
    assert_eq!(found(&home.path().join("copy")), [""; 0]);

    let served = home.serve(&["--seal-after", "0s"]);
    for trace in ["cold", "t7", "after"] {
        let (code, shown) = served.get(&format!("/api/v1/traces/{trace}/spans/s1"), &key);
        assert_eq!(code, 200, "{shown}");
        assert!(PLANTED.iter().all(|word| shown.to_string().contains(word)), "{trace}: {shown}");
    }
    let (_, listed) = served.get("/api/v1/traces?limit=100", &key);
    assert!(!listed.to_string().contains("quux"), "lists hold no previews: {listed}");
    // From here on an erasure reaches every backup, of what was stored before as well.
    home.run(&["erase", "--user", "ann", "--reason", "request 9"]).ended(0);
    assert_eq!(served.stop(), 0);
    let restore = ["restore", "copy", "--data-dir", "again", "--keys", "data/keys", "--new-epoch"];
    home.run(&restore).ended(0);
    home.run(&["traces", "show", "t7", "--data-dir", "again"]).ended(1);
    assert_eq!(found(&home.path().join("again")), [""; 0]);
    home.run(&["verify", "--data-dir", "again"]).ended(0);
    home.run(&["verify"]).ended(0);
}

#[test]
fn encrypting_what_was_stored_goes_on_after_a_kill_at_any_moment() {
    let home = Home::new().with_few_rules();
    let served = home.serve(&["--seal-after", "0s"]);
    let key = served.key();
    for n in 0..10 {
        let batch: Vec<_> = (0..200)
            .map(|m| {
                let mut one = span(&format!("t{n}-{m}"), "s1");
                one["input"] = json!({"prompt": format!("quuxpromptword {}", "x".repeat(m * 20))});
                one
            })
            .collect();
        assert_eq!(served.post("/api/v1/ingest/spans", &key, &json!({"batch": batch})).0, 201);
    }
    assert_eq!(served.stop(), 0);
    encrypt_from_now_on(&home, "");
    let slots = || {
        let db = Connection::open(home.data().join("exhibit.db")).unwrap();
        let sql = "SELECT count(*) FROM traces WHERE substr(key, 1, 1) = x'02'";
        db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let mut seen = std::collections::BTreeSet::new();
    for delay in [50, 100, 150, 180, 210, 240, 280, 320, 360, 400, 450, 500, 600] {
        let mut command = home.command(&["keys", "encrypt-stored"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        signal(child.id(), "KILL");
        child.wait().unwrap();
        seen.insert(slots());
        for trace in ["t0-0", "t5-100", "t9-199"] {
            home.run(&["traces", "show", trace]).ended(0);
        }
    }
    let done = home.run(&["keys", "encrypt-stored", "--json"]).ended(0).json();
    assert_eq!(done["scrubbed"], true, "{done}");
    assert_eq!(slots(), 2_000, "{seen:?}");
    assert_eq!(found(&home.data()), [""; 0]);
    home.run(&["verify"]).ended(0);
}
