//! How the detectors do on public labelled cases. Skipped where the cases are absent.

#![allow(clippy::unwrap_used, reason = "a test stops where its set-up fails")]

use std::{collections::BTreeMap, io::Read, path::PathBuf};

use exhibit_govern::{FingerprintKey, RuleSet, TextFinding, overlay};
use exhibit_model::FindingCategory;
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

fn is_secret(finding: &TextFinding) -> bool {
    finding.category == FindingCategory::Secret
}

fn print_worst(title: &str, missed: &BTreeMap<String, (u32, u32)>) {
    let mut rows: Vec<_> = missed.iter().filter(|(_, (found, all))| found < all).collect();
    rows.sort_by_key(|(_, (found, all))| found.abs_diff(*all));
    println!("{title}");
    for (rule, (found, all)) in rows.iter().rev().take(60) {
        println!("  {rule}: {found} of {all}");
    }
}

#[test]
fn credentials_of_public_sets_are_found() {
    let Some(cases) = cases("secret_cases.jsonl.gz") else { return };
    let rules = rules();
    let mut by_source: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let mut by_rule: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let (mut alarms, mut clean) = (0, 0);
    for case in &cases {
        let text = case["text"].as_str().unwrap();
        let found = rules.scan_text(text).iter().any(is_secret);
        if case["should_match"] == true {
            let source = case["source"].as_str().unwrap().to_owned();
            let rule = format!("{source}/{}", case["rule_id"].as_str().unwrap_or("-"));
            for count in [by_source.entry(source).or_default(), by_rule.entry(rule).or_default()] {
                count.0 += u32::from(found);
                count.1 += 1;
            }
        } else if case["scope"] != "rule" {
            clean += 1;
            alarms += u32::from(found);
        }
    }
    print_worst("missed", &by_rule);
    for (source, (found, all)) in &by_source {
        println!(
            "{source}: {found} of {all} = {:.1} %",
            f64::from(*found) * 100.0 / f64::from(*all)
        );
    }
    println!("false alarms on clean text: {alarms} of {clean}");
    for (source, floor) in [("betterleaks", 0.85), ("gitleaks", 0.88)] {
        let (found, all) = by_source[source];
        assert!(f64::from(found) >= floor * f64::from(all), "{source}: {found} of {all}");
    }
}

#[test]
fn personal_data_of_public_sets_is_found() {
    let Some(cases) = cases("pii_cases.jsonl.gz") else { return };
    let rules = rules();
    let ours: Vec<String> = rules.listing().detectors.into_iter().map(|d| d.entity).collect();
    let mut recall: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let mut alarms: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    for case in cases.iter().filter(|case| case["mode"] == "single-recognizer") {
        let entity = case["entity"].as_str().unwrap();
        if !ours.iter().any(|known| known == entity) {
            continue;
        }
        let text = case["text"].as_str().unwrap();
        let found = rules.scan_text(text).iter().filter(|f| f.entity == entity).count() as u64;
        let expected = case["expected_count"].as_u64().unwrap_or(0);
        let (table, good) =
            if expected == 0 { (&mut alarms, found > 0) } else { (&mut recall, found >= expected) };
        if good == (expected == 0) {
            println!("{entity} expected {expected} found {found}: {text:?}");
        }
        let count = table.entry(entity.to_owned()).or_default();
        count.0 += u32::from(good);
        count.1 += 1;
    }
    let sum = |table: &BTreeMap<String, (u32, u32)>| {
        table.values().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1))
    };
    for (entity, (found, all)) in &recall {
        println!("{entity}: found {found} of {all}");
    }
    for (entity, (found, all)) in &alarms {
        println!("{entity}: false alarms {found} of {all}");
    }
    let ((found, all), (wrong, clean)) = (sum(&recall), sum(&alarms));
    println!("found {found} of {all}, false alarms {wrong} of {clean}");
    assert!(f64::from(found) >= 0.90 * f64::from(all), "{found} of {all}");
    assert!(f64::from(wrong) <= 0.02 * f64::from(clean), "{wrong} of {clean}");
}
