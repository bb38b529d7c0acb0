//! How the detectors do on public labelled cases, asked for by `exhibit scan` and met in a span. Skipped where
//! the cases are absent; the example `measure` prints every case that was missed.

#![allow(clippy::unwrap_used, reason = "a test stops where its set-up fails")]

use std::{collections::BTreeMap, io::Read, path::PathBuf};

use exhibit_govern::{FingerprintKey, RuleSet, overlay};
use exhibit_model::{Attribute, Door, FindingCategory, Part, Span};
use serde_json::Value;

fn cases(name: &str) -> Option<Vec<Value>> {
    let shared = std::env::var("EXHIBIT_SHARED")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").to_owned());
    let path = PathBuf::from(shared).join("cases").join(name);
    let Ok(file) = std::fs::File::open(&path) else {
        println!("skipped: {} is absent", path.display());
        return None;
    };
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn rules() -> RuleSet {
    RuleSet::load(&overlay(Vec::new()), FingerprintKey::new([7; 32])).unwrap()
}

/// What was found: category and entity.
type Found = Vec<(FindingCategory, String)>;

/// As `exhibit scan --jsonl` finds it.
fn scanned(rules: &RuleSet, text: &str) -> Found {
    let found = rules.scan_text_widely(text).into_iter();
    found.map(|f| (f.category, f.entity)).collect()
}

/// As a span holds it whose input the text is.
fn captured(rules: &RuleSet, text: &str) -> Found {
    let mut span = Span::new("t".parse().unwrap(), "s".parse().unwrap(), Door::Otlp);
    let mut input = Attribute::new("input.value", text);
    input.part = Part::Input;
    span.attributes.push(input);
    rules.evaluate(&mut span);
    span.findings.into_iter().map(|f| (f.category, f.entity)).collect()
}

/// Finds what stands in a text.
type Look = fn(&RuleSet, &str) -> Found;

const PATHS: [(&str, Look); 2] = [("scanned", scanned), ("captured", captured)];

#[test]
fn credentials_of_public_sets_are_found() {
    let Some(cases) = cases("secret_cases.jsonl.gz") else { return };
    let rules = rules();
    for (path, find) in PATHS {
        let mut by_source: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
        for case in cases.iter().filter(|case| case["should_match"] == true) {
            let found = find(&rules, case["text"].as_str().unwrap());
            let count = by_source.entry(case["source"].as_str().unwrap()).or_default();
            count.0 += u32::from(found.iter().any(|(about, _)| *about == FindingCategory::Secret));
            count.1 += 1;
        }
        println!("{path}: {by_source:?}");
        let floors = [
            ("betterleaks", 0.95),
            ("gitleaks", 0.95),
            ("kingfisher-1.10.0", 0.85),
            ("noseyparker", 0.85),
            ("titus", 0.85),
        ];
        for (source, floor) in floors {
            let (found, all) = by_source[source];
            let enough = f64::from(found) >= floor * f64::from(all);
            assert!(enough, "{path}, {source}: {found} of {all}");
        }
    }
}

#[test]
fn personal_data_of_public_sets_is_found_and_other_text_is_left_alone() {
    let Some(cases) = cases("pii_cases.jsonl.gz") else { return };
    let rules = rules();
    for (path, find) in PATHS {
        let (mut found, mut all, mut wrong, mut clean) = (0, 0, 0, 0);
        for case in cases.iter().filter(|case| case["source"] == "presidio/recognizer-tests") {
            let wanted = case["entity"].as_str().unwrap();
            let hits = find(&rules, case["text"].as_str().unwrap());
            let hits = hits.iter().filter(|(_, entity)| entity == wanted).count() as u64;
            let expected = case["expected_count"].as_u64().unwrap();
            match case["strength"].as_str().unwrap() {
                "pattern" | "validated" => {
                    found += u32::from(hits >= expected);
                    all += 1;
                }
                "none" => {
                    wrong += u32::from(hits > 0);
                    clean += 1;
                }
                _ => {}
            }
        }
        println!("{path}: found {found} of {all}, false alarms {wrong} of {clean}");
        assert!(f64::from(found) >= 0.97 * f64::from(all), "{path}: {found} of {all}");
        assert!(f64::from(wrong) <= 0.02 * f64::from(clean), "{path}: {wrong} of {clean}");
    }
}
