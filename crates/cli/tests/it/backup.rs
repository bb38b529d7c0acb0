//! Backup and restore.

use std::fs;

use serde_json::json;

use crate::home::{Home, span};

pub(crate) fn record(home: &Home, trace: &str) {
    let made = home.run(&["keys", "create", "--name", "n", "--scopes", "ingest", "--json"]);
    let key = made.ended(0).json()["key"].as_str().unwrap().to_owned();
    let server = home.serve(&[]);
    let body = json!({"batch": [span(trace, "s")]});
    assert_eq!(server.post("/api/v1/ingest/spans", &key, &body).0, 201);
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_backup_of_a_running_server_restores_to_a_valid_installation() {
    let home = Home::new().with_few_rules();
    record(&home, "kept");
    let server = home.serve(&[]);
    home.run(&["backup", "copy"]).ended(0);
    assert_eq!(server.stop(), 0);
    assert!(!home.path().join("copy/keys").exists(), "keys are never in a backup");

    let missing = home.run(&["restore", "copy", "--data-dir", "again"]).ended(2);
    assert!(missing.err.contains("--keys"), "{}", missing.err);
    home.run(&["restore", "copy", "--data-dir", "again", "--keys", "data/keys"]).ended(0);
    home.run(&["verify", "--data-dir", "again"]).ended(0);
    home.run(&["traces", "show", "kept", "--data-dir", "again"]).ended(0);
    home.run(&["restore", "copy", "--data-dir", "again"]).ended(2);
}

#[test]
fn a_backup_works_without_a_server_and_never_into_a_full_directory() {
    let home = Home::new().with_few_rules();
    record(&home, "kept");
    home.run(&["backup", "copy"]).ended(0);
    let again = home.run(&["backup", "copy"]).ended(2);
    assert!(again.err.contains("not empty"), "{}", again.err);
    let mut files: Vec<_> = fs::read_dir(home.path().join("copy"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["backup.json", "exhibit.db"]);
}

#[test]
fn an_older_backup_takes_the_log_back_only_when_told_to() {
    let home = Home::new().with_few_rules();
    record(&home, "early");
    home.run(&["backup", "copy"]).ended(0);
    record(&home, "late");
    let restore = ["restore", "copy", "--data-dir", "again", "--keys", "data/keys"];
    let refused = home.run(&restore).ended(1);
    assert!(refused.err.contains("--accept-rollback"), "{}", refused.err);
    assert!(!home.path().join("again/exhibit.db").exists(), "nothing is left half restored");
    let taken = home.run(&[&restore[..], &["--accept-rollback"]].concat()).ended(0);
    assert!(taken.err.contains("taken back"), "{}", taken.err);
    home.run(&["verify", "--data-dir", "again"]).ended(0);
    home.run(&["traces", "show", "late", "--data-dir", "again"]).ended(1);
}

#[test]
fn keys_of_another_installation_do_not_open_a_backup() {
    let home = Home::new().with_few_rules();
    record(&home, "kept");
    home.run(&["backup", "copy"]).ended(0);
    let other = Home::new();
    other.run(&["keys", "create", "--name", "x"]).ended(0);
    let keys = other.data().join("keys");
    let refused = home
        .run(&["restore", "copy", "--data-dir", "again", "--keys", keys.to_str().unwrap()])
        .ended(1);
    assert!(refused.err.contains("belong"), "{}", refused.err);
}
