//! Keys that hand over: rotation, a restore that starts a new epoch, keys that are stolen or lost.

use std::fs;

use crate::{backup::record, evidence::file_of, home::Home};

fn key_of(home: &Home, data: &str) -> String {
    let report = home.run(&["verify", "--data-dir", data, "--json"]).ended(0).json();
    report["key"].as_str().unwrap().to_owned()
}

/// Writes a bundle, and the checkpoint in it.
fn export(home: &Home, out: &str, more: &[&str]) {
    home.run(&[&["export", "evidence", "-o", out], more].concat()).ended(0);
    let kept = file_of(&fs::read(home.path().join(out)).unwrap(), "checkpoints/log");
    fs::write(home.path().join(format!("{out}.checkpoint")), kept).unwrap();
}

#[test]
fn a_rotated_key_signs_on_and_who_pinned_the_old_one_goes_on_verifying() {
    let home = Home::new().with_few_rules();
    record(&home, "early");
    let old = key_of(&home, "data");
    export(&home, "before.zip", &[]);
    let rotated = home.run(&["keys", "rotate-signing", "--json"]).ended(0).json();
    assert_eq!(rotated["old"], old.as_str());
    record(&home, "late");

    let report = home.run(&["verify", "--key", &old, "--json"]).ended(0).json();
    assert_eq!(report["key"], rotated["new"]);
    assert_eq!(report["successions"][0]["reason"], "rotation");
    let qualifiers = report["qualifiers"].to_string();
    assert!(qualifiers.contains("key-succeeded"), "{report}");
    let trace = home.run(&["verify", "--trace", "late", "--key", &old, "--json"]).ended(0).json();
    assert!(trace["qualifiers"].to_string().contains("key-succeeded"), "{trace}");
    let words = home.run(&["verify"]).ended(0);
    assert!(words.out.contains("the signing key was rotated"), "{}", words.out);

    export(&home, "after.zip", &["--since-checkpoint", "before.zip.checkpoint"]);
    let kept =
        ["verify", "after.zip", "--checkpoint", "before.zip.checkpoint", "--require-witness"];
    home.run(&[&kept[..], &["--key", &old]].concat()).ended(0);
    home.run(&["verify", "before.zip", "--key", &old]).ended(0);
    // Twice is no trouble either.
    home.run(&["keys", "rotate-signing"]).ended(0);
    home.run(&["verify", "--key", &old]).ended(0);
}

#[test]
fn a_record_of_a_rotation_that_was_taken_away_is_missed() {
    let home = Home::new().with_few_rules();
    record(&home, "early");
    home.run(&["keys", "rotate-signing"]).ended(0);
    fs::remove_file(home.data().join("keys/successions.json")).unwrap();
    let report = home.run(&["verify", "--json"]).ended(1).json();
    assert_eq!(report["verdict"], "missing", "{report}");
}

#[test]
fn a_rotation_that_was_interrupted_leaves_the_old_key_in_force() {
    let home = Home::new().with_few_rules();
    record(&home, "early");
    let keys = home.data().join("keys");
    let old = key_of(&home, "data");
    let signing = fs::read(keys.join("signing.key")).unwrap();
    let (db, copy) = (home.data(), home.path().join("copy"));
    copy_dir(&db, &copy);
    home.run(&["keys", "rotate-signing"]).ended(0);
    fs::copy(keys.join("successions.json"), copy.join("keys/successions.json")).unwrap();
    assert_eq!(fs::read(copy.join("keys/signing.key")).unwrap(), signing);
    assert_eq!(key_of(&home, "copy"), old);
    home.run(&["keys", "rotate-signing", "--data-dir", "copy"]).ended(0);
    home.run(&["verify", "--data-dir", "copy", "--key", &old]).ended(0);
}

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_restore_of_an_older_backup_starts_an_epoch_that_says_so() {
    let home = Home::new().with_few_rules();
    record(&home, "early");
    home.run(&["backup", "copy"]).ended(0);
    record(&home, "late");
    let old = key_of(&home, "data");
    export(&home, "lost.zip", &[]);
    // The epoch key is offline, as it should be.
    let offline = home.path().join("epoch.key");
    fs::rename(home.data().join("keys/epoch.key"), &offline).unwrap();

    let restore = ["restore", "copy", "--data-dir", "again", "--keys", "data/keys"];
    let refused = home.run(&restore).ended(1);
    assert!(refused.err.contains("--new-epoch"), "{}", refused.err);
    let refused = home.run(&[&restore[..], &["--new-epoch"]].concat()).ended(1);
    assert!(refused.err.contains("--epoch-key"), "{}", refused.err);
    assert!(!home.path().join("again/exhibit.db").exists(), "nothing is left half restored");
    let epoch = ["--new-epoch", "--epoch-key", "epoch.key"];
    let taken = home.run(&[&restore[..], &epoch].concat()).ended(0);
    assert!(taken.err.contains("says so"), "{}", taken.err);

    let verify = ["verify", "--data-dir", "again", "--key", &old];
    let report = home.run(&[&verify[..], &["--json"]].concat()).ended(0).json();
    let epoch = &report["successions"][0];
    assert_eq!((&epoch["reason"], &epoch["epoch"]), (&"restore".into(), &2.into()), "{report}");
    let (ended, kept) = (&epoch["ended_size"], &epoch["continues_size"]);
    assert!(kept.as_u64().unwrap() < ended.as_u64().unwrap(), "{report}");
    assert!(report["log"].as_str().unwrap().ends_with("@2"), "{report}");
    assert!(report["qualifiers"].to_string().contains("restored"), "{report}");
    let words = home.run(&verify).ended(0);
    assert!(words.out.contains("restored from a backup"), "{}", words.out);

    // It goes on as any other installation, and bundles of it say what happened.
    let again = home.path().join("again");
    let copy = Home::new().with_few_rules();
    copy_dir(&again, &copy.data());
    record(&copy, "afresh");
    copy.run(&["verify", "--key", &old]).ended(0);
    export(&copy, "new.zip", &[]);
    copy.run(&["verify", "new.zip", "--key", &old]).ended(0);
    let kept = home.path().join("lost.zip.checkpoint");
    let kept = ["verify", "new.zip", "--checkpoint", kept.to_str().unwrap(), "--json"];
    let report = copy.run(&kept).ended(1).json();
    assert_eq!(report["faults"][0]["code"], "checkpoint-taken-back", "{report}");
}

#[test]
fn a_lost_signing_key_is_replaced_under_the_epoch_key() {
    let home = Home::new().with_few_rules();
    record(&home, "early");
    let old = key_of(&home, "data");
    let keys = home.data().join("keys");
    let wrapping = fs::read(keys.join("wrapping.key")).unwrap();
    fs::remove_file(keys.join("signing.key")).unwrap();
    let refused = home.run(&["keys", "create", "--name", "x"]);
    assert_ne!(refused.code, 0, "no new set of keys is made over the old one");
    assert_eq!(fs::read(keys.join("wrapping.key")).unwrap(), wrapping);
    assert!(refused.err.contains("rotate-signing --lost"), "{}", refused.err);

    let done = home.run(&["keys", "rotate-signing", "--lost", "--json"]).ended(0).json();
    assert_eq!((&done["old"], &done["reason"]), (&old.as_str().into(), &"compromise".into()));
    home.run(&["verify", "--key", done["new"].as_str().unwrap()]).ended(0);
    // The old key cannot vouch for what it has not signed.
    let report = home.run(&["verify", "--key", &old, "--json"]).ended(1).json();
    assert_eq!(report["verdict"], "wrong-key");
    home.run(&["keys", "rotate-signing", "--lost"]).ended(2);
}

#[test]
fn a_lost_wrapping_key_is_named_and_never_replaced() {
    let home = Home::new().with_few_rules();
    record(&home, "early");
    fs::remove_file(home.data().join("keys/wrapping.key")).unwrap();
    let refused = home.run(&["verify"]);
    assert_ne!(refused.code, 0);
    assert!(refused.err.contains("wrapping.key is gone"), "{}", refused.err);
    assert!(!home.data().join("keys/wrapping.key").exists());
}
