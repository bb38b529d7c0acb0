//! `exhibit export evidence`, and what verifies what it writes.

use std::{fs, path::PathBuf, process::Command};

use serde_json::Value;

use crate::{home::Home, verify::sealed};

fn verifier(program: &str, first: &str, home: &Home, files: &[&str]) -> Option<Vec<Value>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(program)
        .arg(root.join(first))
        .arg("--json")
        .args(files)
        .current_dir(home.path())
        .output();
    let Ok(output) = output else {
        println!("skipped: {program} does not start");
        return None;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn a_bundle_of_everything_proves_that_nothing_is_missing() {
    let home = sealed();
    home.run(&["export", "evidence", "--out", "all.zip"]).ended(0);
    let report = home.run(&["verify", "all.zip", "--json"]).ended(0).json();
    assert_eq!(report["verdict"], "valid", "{report}");
    // Four spans, one superseded revision, and the seals of two traces.
    assert_eq!(report["traces"], 2);
    assert!(report["records"].as_u64().unwrap() >= 7, "{report}");
    assert_eq!(report["complete"], true);
    assert_eq!(report["leaves"], report["tree_size"]);
    // The export is in the log that it takes away, and the store still verifies.
    home.run(&["verify"]).ended(0);

    if let Some(reports) =
        verifier("python3", "verifiers/python/exhibit_verify.py", &home, &["all.zip"])
    {
        assert_eq!(reports[0]["verdict"], "valid", "{}", reports[0]);
        for name in ["records", "traces", "leaves", "tree_size", "complete", "log", "key"] {
            assert_eq!(reports[0][name], report[name], "{name}");
        }
    }
}

#[test]
fn a_bundle_of_one_trace_shows_that_trace_only() {
    let home = sealed();
    home.run(&["export", "evidence", "--trace", "alpha", "-o", "one.zip"]).ended(0);
    let report = home.run(&["verify", "one.zip", "--json"]).ended(0).json();
    assert_eq!((&report["traces"], &report["complete"]), (&1.into(), &false.into()));
    let bytes = fs::read(home.path().join("one.zip")).unwrap();
    let inflated = inflate_all(&bytes);
    assert!(inflated.contains("alpha") && !inflated.contains("beta"));
    home.run(&["export", "evidence", "--trace", "gamma", "-o", "none.zip"]).ended(1);
    assert!(!home.path().join("none.zip").exists());
}

#[test]
fn withheld_parts_are_not_in_the_bundle_and_it_still_verifies() {
    let home = sealed();
    home.run(&["export", "evidence", "--withhold", "input,output", "-o", "w.zip"]).ended(0);
    let report = home.run(&["verify", "w.zip", "--json"]).ended(0).json();
    assert!(report["qualifiers"].as_array().unwrap().contains(&"redacted".into()), "{report}");
    let text = inflate_all(&fs::read(home.path().join("w.zip")).unwrap());
    assert!(!text.contains("a corrected answer"));
    home.run(&["export", "evidence", "--withhold", "body", "-o", "x.zip"]).ended(2);
}

#[test]
fn a_series_goes_on_after_the_bundles_that_are_whole() {
    let home = sealed();
    let series = ["export", "evidence", "--traces-per-bundle", "1", "--out", "s.zip"];
    home.run(&series).ended(0);
    for bundle in ["s.zip", "s-2.zip"] {
        assert_eq!(home.run(&["verify", bundle, "--json"]).ended(0).json()["traces"], 1);
    }
    assert!(!home.path().join("s-3.zip").exists());
    // Interrupted: the second bundle cannot be written.
    let series = ["export", "evidence", "--traces-per-bundle", "1", "--out", "t.zip"];
    fs::create_dir(home.path().join("t-2.part")).unwrap();
    home.run(&series).ended(1);
    fs::remove_dir(home.path().join("t-2.part")).unwrap();
    let whole = fs::read(home.path().join("t.zip")).unwrap();
    home.run(&series).ended(0);
    assert_eq!(fs::read(home.path().join("t.zip")).unwrap(), whole, "it is not written again");
    home.run(&["verify", "t-2.zip"]).ended(0);
    assert!(!home.path().join("t.resume.json").exists(), "a complete series leaves no state");
}

#[test]
fn a_later_bundle_continues_the_checkpoint_of_an_earlier_one() {
    let home = sealed();
    home.run(&["export", "evidence", "-o", "first.zip"]).ended(0);
    let checkpoint = file_of(&fs::read(home.path().join("first.zip")).unwrap(), "checkpoints/log");
    fs::write(home.path().join("kept.txt"), checkpoint).unwrap();
    home.run(&["export", "evidence", "-o", "bare.zip"]).ended(0);
    let undecided =
        home.run(&["verify", "bare.zip", "--checkpoint", "kept.txt", "--json"]).ended(3);
    assert_eq!(undecided.json()["faults"][0]["code"], "no-consistency-proof");
    let since = ["--since-checkpoint", "kept.txt", "-o", "second.zip"];
    home.run(&[&["export", "evidence"][..], &since].concat()).ended(0);
    let verify =
        ["verify", "second.zip", "--checkpoint", "kept.txt", "--require-witness", "--json"];
    let report = home.run(&verify).ended(0).json();
    assert!(!report["qualifiers"].as_array().unwrap().contains(&"unwitnessed".into()));
    let python = "verifiers/python/exhibit_verify.py";
    if let Some(reports) =
        verifier("python3", python, &home, &["--checkpoint", "kept.txt", "second.zip"])
    {
        assert_eq!(reports[0]["qualifiers"], report["qualifiers"]);
    }
}

/// The content of one file of a bundle.
pub(crate) fn file_of(bundle: &[u8], name: &str) -> Vec<u8> {
    let mut file = std::io::Cursor::new(bundle);
    let zip = exhibit_evidence::zip::ZipReader::open(&mut file).unwrap();
    zip.entry(name).unwrap().read(&mut file).unwrap().unwrap()
}

/// Everything in a bundle that reads as text.
fn inflate_all(bundle: &[u8]) -> String {
    let mut file = std::io::Cursor::new(bundle);
    let zip = exhibit_evidence::zip::ZipReader::open(&mut file).unwrap();
    let read = |e: &exhibit_evidence::zip::Entry| e.read(&mut file).unwrap().unwrap();
    let all: Vec<Vec<u8>> = zip.entries().to_vec().iter().map(read).collect();
    all.iter().map(|content| String::from_utf8_lossy(content)).collect()
}
