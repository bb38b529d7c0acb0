//! `exhibit export evidence`, and what verifies what it writes.

use std::{fs, path::PathBuf, process::Command};

use serde_json::{Value, json};

use crate::{
    home::{Home, span},
    verify::sealed,
};

pub(crate) fn verifier(
    program: &str,
    first: &str,
    home: &Home,
    files: &[&str],
) -> Option<Vec<Value>> {
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
fn spans_are_exported_in_five_formats_that_say_the_same() {
    let home = sealed();
    let mut counts = Vec::new();
    for (format, file) in [
        ("jsonl", "spans.jsonl"),
        ("json", "spans.json"),
        ("csv", "spans.csv"),
        ("parquet", "spans.parquet"),
        ("otlp", "spans.otlp.jsonl"),
    ] {
        let ran = home.run(&["export", "spans", "--format", format]).ended(0);
        assert_eq!(ran.out.trim(), file);
        let bytes = fs::read(home.path().join(file)).unwrap();
        let text = || String::from_utf8(bytes.clone()).unwrap();
        counts.push(match format {
            "jsonl" => {
                let spans = text();
                let spans: Vec<Value> =
                    spans.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
                assert!(spans.iter().all(|span| span["fingerprint"].is_string()), "{spans:?}");
                spans.len()
            }
            "json" => serde_json::from_str::<Vec<Value>>(&text()).unwrap().len(),
            "csv" => {
                assert!(text().starts_with("trace_id,span_id,parent_span_id,name,span_type,"));
                text().lines().count() - 1
            }
            "parquet" => {
                use parquet::file::reader::{FileReader as _, SerializedFileReader};
                let file = fs::File::open(home.path().join(file)).unwrap();
                let table = SerializedFileReader::new(file).unwrap();
                let rows = table.get_row_iter(None).unwrap();
                let rows: Vec<_> = rows.map(|row| row.unwrap().to_string()).collect();
                assert!(rows.iter().any(|row| row.contains("trace_id: \"alpha\"")), "{rows:?}");
                rows.len()
            }
            _ => {
                let spans = |request: &Value| {
                    let resources = request["resourceSpans"].as_array().unwrap();
                    let scopes = resources.iter().flat_map(|r| r["scopeSpans"].as_array().unwrap());
                    scopes.map(|scope| scope["spans"].as_array().unwrap().len()).sum::<usize>()
                };
                text().lines().map(|line| spans(&serde_json::from_str(line).unwrap())).sum()
            }
        });
    }
    assert!(counts[0] >= 4 && counts.iter().all(|count| *count == counts[0]), "{counts:?}");
    // Another installation reads the last one.
    home.run(&["import", "spans.otlp.jsonl", "--data-dir", "other"]).ended(0);
    home.run(&["export", "spans", "--filter", "id = alpha", "-o", "one.jsonl"]).ended(0);
    let one = fs::read_to_string(home.path().join("one.jsonl")).unwrap();
    assert!(one.contains("\"alpha\"") && !one.contains("\"beta\""));
    home.run(&["export", "spans", "--trace", "gamma", "-o", "none.jsonl"]).ended(1);
    home.run(&["verify"]).ended(0);
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

/// What all three verifiers say about a bundle, if they say the same. The one in TypeScript counts where
/// it is built.
pub(crate) fn told_by_all(home: &Home, file: &str, code: i32, more: &[&str]) -> Value {
    let ours = home.run(&[&["verify", file, "--json"], more].concat()).ended(code).json();
    let python = "verifiers/python/exhibit_verify.py";
    let typescript = "verifiers/typescript/dist/cli.js";
    let built = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(typescript).exists();
    if !built {
        println!("skipped: verifiers/typescript is not built");
    }
    for (program, first) in [("python3", python), ("node", typescript)] {
        if program == "node" && !built {
            continue;
        }
        let Some(reports) = verifier(program, first, home, &[more, &[file]].concat()) else {
            continue;
        };
        let [theirs] = &*reports else { panic!("{reports:?}") };
        let codes = |report: &Value| -> Vec<Value> {
            let mut codes: Vec<Value> = Vec::new();
            for fault in report["faults"].as_array().unwrap() {
                if !codes.contains(&fault["code"]) {
                    codes.push(fault["code"].clone());
                }
            }
            codes
        };
        assert_eq!(codes(theirs), codes(&ours), "{program}: {theirs}");
        for name in ["verdict", "qualifiers", "erased", "erasures", "stamps", "records", "complete"]
        {
            assert_eq!(theirs[name], ours[name], "{program}: {name}");
        }
    }
    ours
}

#[test]
fn a_bundle_after_an_erasure_tells_what_was_erased_from_what_is_missing() {
    let home = Home::new().with_few_rules();
    let served = home.serve(&["--seal-after", "1s"]);
    let key = served.key();
    for trace in ["kept", "gone", "old"] {
        let body = json!({"batch": [span(trace, "s1"), span(trace, "s2")]});
        assert_eq!(served.post("/api/v1/ingest/spans", &key, &body).0, 201);
    }
    for trace in ["kept", "gone", "old"] {
        crate::keep::sealed(&served, &key, trace);
    }
    assert_eq!(served.stop(), 0);
    home.run(&["erase", "--trace", "gone", "--reason", "request 4711"]).ended(0);
    home.run(&["erase", "--trace", "old", "--reason", "request 4712"]).ended(0);

    home.run(&["export", "evidence", "-o", "all.zip"]).ended(0);
    let report = told_by_all(&home, "all.zip", 0, &[]);
    assert_eq!(report["verdict"], "valid", "{report}");
    assert!(report["qualifiers"].as_array().unwrap().contains(&"erased-with-certificate".into()));
    assert_eq!((&report["erased"], &report["records"]), (&6.into(), &3.into()), "{report}");
    assert_eq!(report["complete"], true, "every leaf is shown, the erased ones too");
    let [first, second] = report["erasures"].as_array().unwrap().as_slice() else {
        panic!("{report}");
    };
    let said = |one: &Value| (one["cause"].clone(), one["why"].clone(), one["records"].clone());
    assert_eq!(said(first), ("erasure".into(), "request 4711".into(), 3.into()));
    assert_eq!(said(second), ("erasure".into(), "request 4712".into(), 3.into()));
    assert!(first["by"].as_str().is_some() && first["at"].as_str().unwrap().starts_with("20"));
    let told = home.run(&["verify", "all.zip"]).ended(0).out;
    assert!(told.contains("Erased:") && told.contains("request 4711"), "{told}");
    let bytes = fs::read(home.path().join("all.zip")).unwrap();
    let html = String::from_utf8(file_of(&bytes, "report.html")).unwrap();
    assert!(html.contains("What was erased") && html.contains("request 4712"));

    // What is left of one trace is its certificate.
    home.run(&["export", "evidence", "--trace", "gone", "-o", "one.zip"]).ended(0);
    let report = told_by_all(&home, "one.zip", 0, &[]);
    assert_eq!(report["verdict"], "erased-with-certificate", "{report}");
    assert_eq!((&report["erased"], &report["records"]), (&3.into(), &0.into()), "{report}");
    home.run(&["export", "evidence", "--trace", "never", "-o", "none.zip"]).ended(1);
    // What is there shows no certificate of anything else.
    home.run(&["export", "evidence", "--trace", "kept", "-o", "kept.zip"]).ended(0);
    assert_eq!(told_by_all(&home, "kept.zip", 0, &[])["erasures"], json!([]));

    // Somebody takes a certificate out of the database: what it covered is missing from there on.
    let db = rusqlite::Connection::open(home.data().join("exhibit.db")).unwrap();
    let removed =
        db.execute("DELETE FROM acts WHERE leaf = ?1", [first["index"].as_i64().unwrap()]);
    assert_eq!(removed.unwrap(), 1);
    home.run(&["export", "evidence", "-o", "robbed.zip"]).ended(0);
    let report = told_by_all(&home, "robbed.zip", 1, &[]);
    assert_eq!(report["verdict"], "missing", "{report}");
    assert_eq!(
        (&report["faults"][0]["code"], &report["erased"]),
        (&"record-missing".into(), &3.into())
    );
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
