//! How the rule files of a directory do on the labelled cases: `measure [RULES_DIR] [CASES_DIR]`.
//! Prints every case that was missed or wrong, then recall by source, for those who write detectors.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for the desk")]

use std::{collections::BTreeMap, io::Read as _, path::Path};

use exhibit_govern::{FingerprintKey, RuleSet};
use exhibit_model::{Attribute, Door, Finding, FindingCategory, Part, Span};
use serde_json::Value;

fn cases(path: &Path) -> Vec<Value> {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn rule_files(root: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for folder in ["detectors", "policies"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap());
            files.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
    files
}

#[derive(Default)]
struct Table(BTreeMap<String, (u32, u32)>);

impl Table {
    fn count(&mut self, row: &str, good: bool) {
        let count = self.0.entry(row.to_owned()).or_default();
        count.0 += u32::from(good);
        count.1 += 1;
    }

    fn print(&self, title: &str) {
        println!("# {title}");
        for (row, (good, all)) in &self.0 {
            let percent = f64::from(*good) * 100.0 / f64::from(*all);
            println!("{row}: {good} of {all} = {percent:.1} %");
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let root = arguments.next().unwrap_or_else(|| "rules".to_owned());
    let shared = arguments.next().unwrap_or_else(|| "../shared/cases".to_owned());
    let begin = std::time::Instant::now();
    let rules = match RuleSet::load(&rule_files(Path::new(&root)), FingerprintKey::new([7; 32])) {
        Ok(rules) => rules,
        Err(errors) => {
            println!("{errors}");
            std::process::exit(2);
        }
    };
    println!("loaded {} rules in {:?}", rules.rules_loaded(), begin.elapsed());
    secrets(&rules, &cases(&Path::new(&shared).join("secret_cases.jsonl.gz")));
    personal(&rules, &cases(&Path::new(&shared).join("pii_cases.jsonl.gz")));
}

/// What a span holds whose input the text is.
fn captured(rules: &RuleSet, text: &str) -> Vec<Finding> {
    let mut span = Span::new("t".parse().unwrap(), "s".parse().unwrap(), Door::Otlp);
    let mut input = Attribute::new("input.value", text);
    input.part = Part::Input;
    span.attributes.push(input);
    rules.evaluate(&mut span);
    span.findings
}

fn secrets(rules: &RuleSet, cases: &[Value]) {
    let (mut found_by, mut narrow_by, mut sure_by) =
        (Table::default(), Table::default(), Table::default());
    let (mut alarms, mut sure_alarms) = (Table::default(), Table::default());
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let source = case["source"].as_str().unwrap();
        let rule = case["rule_id"].as_str().unwrap_or("-");
        let wide = rules.scan_text_widely(text);
        let hits: Vec<&str> = wide
            .iter()
            .filter(|f| f.category == FindingCategory::Secret)
            .map(|f| f.rule.as_str())
            .collect();
        if case["should_match"] == true {
            found_by.count(source, !hits.is_empty());
            let secret = |f: &Finding| f.category == FindingCategory::Secret;
            let held = captured(rules, text);
            narrow_by.count(source, held.iter().any(secret));
            sure_by.count(source, held.iter().any(|f| secret(f) && f.is_sure()));
            if hits.is_empty() {
                println!("MISS {source} {rule} {text:?}");
            }
        } else {
            let scope = case["scope"].as_str().unwrap();
            alarms.count(&format!("{source} {scope}"), !hits.is_empty());
            let held = captured(rules, text);
            let sure = |f: &Finding| f.category == FindingCategory::Secret && f.is_sure();
            sure_alarms.count(&format!("{source} {scope}"), held.iter().any(sure));
            if !hits.is_empty() {
                println!("ALARM {source} {scope} {rule} {hits:?} {text:?}");
            }
        }
    }
    found_by.print("credentials found");
    narrow_by.print("credentials found in spans");
    sure_by.print("credentials found in spans that count");
    sure_alarms.print("alarms that count, in spans, on what must not match");
    alarms.print("alarms on what must not match (scope `rule`: another rule may)");
}

fn personal(rules: &RuleSet, cases: &[Value]) {
    let (mut found_by, mut alarms, mut by_entity) =
        (Table::default(), Table::default(), Table::default());
    let (mut held_by, mut held_alarms) = (Table::default(), Table::default());
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let source = case["source"].as_str().unwrap();
        let strength = case["strength"].as_str().unwrap();
        let wide = rules.scan_text_widely(text);
        if case["mode"] != "single-recognizer" {
            for entity in case["expected_entities"].as_array().into_iter().flatten() {
                let entity = entity.as_str().unwrap();
                let found = wide.iter().any(|f| f.entity == entity);
                by_entity.count(&format!("{source} {entity}"), found);
            }
            continue;
        }
        let entity = case["entity"].as_str().unwrap();
        let expected = case["expected_count"].as_u64().unwrap_or(0);
        let found: Vec<_> = wide
            .iter()
            .filter(|f| f.entity == entity)
            .map(|f| (f.rule.as_str(), f.start, f.end))
            .collect();
        let held = captured(rules, text);
        let held: Vec<&Finding> = held.iter().filter(|f| f.entity == entity).collect();
        if expected == 0 {
            held_alarms.count(&format!("{source} {strength}"), !held.is_empty());
            let counts = held.iter().any(|f| f.is_sure());
            held_alarms.count(&format!("{source} {strength}, that count"), counts);
            alarms.count(&format!("{source} {strength}"), !found.is_empty());
            if !found.is_empty() {
                println!("FALSE {source} {entity} {text:?} {found:?}");
            }
            continue;
        }
        held_by.count(&format!("{source} {strength}"), held.len() as u64 >= expected);
        let sure = held.iter().filter(|f| f.is_sure()).count() as u64;
        held_by.count(&format!("{source} {strength}, that count"), sure >= expected);
        let good = found.len() as u64 == expected;
        let exact = exact_ranges(text, &case["expected_spans"], &found);
        found_by.count(&format!("{source} {strength}"), good);
        found_by.count(&format!("{source} {strength} exact range"), exact);
        if !good || !exact {
            let all: Vec<&str> = wide.iter().map(|f| f.entity.as_str()).collect();
            println!(
                "LOST {source} {strength} {entity} {text:?} of {expected} found {found:?} {all:?}"
            );
        }
    }
    found_by.print("personal data found");
    held_by.print("personal data found in spans");
    alarms.print("false alarms on what is none");
    held_alarms.print("false alarms in spans");
    by_entity.print("found at all in sentences");
}

fn exact_ranges(text: &str, spans: &Value, found: &[(&str, usize, usize)]) -> bool {
    let byte = |at: &Value| {
        let at = at.as_u64().unwrap() as usize;
        text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte)
    };
    spans.as_array().into_iter().flatten().all(|span| {
        found.iter().any(|(_, start, end)| (*start, *end) == (byte(&span[0]), byte(&span[1])))
    })
}
