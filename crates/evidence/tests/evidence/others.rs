//! The same good and bad bundles through the verifiers in Python and TypeScript, which share no code
//! with this one: all three must say the same.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{attacks, corpus::Case, refusals, successions};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Writes every case into a folder and asks `verifier` about each; its answers are one JSON document
/// per line.
fn ask(mut verifier: Command, cases: &[Case]) -> Option<BTreeMap<String, (String, Vec<String>)>> {
    let dir = tempfile::tempdir().unwrap();
    for case in cases {
        let path = dir.path().join(format!("{}.zip", case.name));
        fs::write(&path, &case.bundle).unwrap();
        verifier.arg(path);
    }
    let output = match verifier.output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: {} does not start: {error}", verifier.get_program().display());
            return None;
        }
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let said = text.lines().map(|line| {
        let report: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}{errors}"));
        let file = Path::new(report["file"].as_str().unwrap()).file_stem().unwrap();
        let mut codes: Vec<String> = report["faults"]
            .as_array()
            .unwrap()
            .iter()
            .map(|fault| fault["code"].as_str().unwrap().to_owned())
            .collect();
        codes.sort_unstable();
        codes.dedup();
        let verdict = report["verdict"].as_str().unwrap().to_owned();
        (file.to_str().unwrap().to_owned(), (verdict, codes))
    });
    let said: BTreeMap<_, _> = said.collect();
    assert_eq!(said.len(), cases.len(), "one answer for each bundle: {errors}");
    Some(said)
}

fn agree(verifier: Command) {
    let cases = attacks::cases().into_iter().chain(refusals::cases());
    let cases: Vec<Case> = cases.chain(successions::cases()).collect();
    let Some(said) = ask(verifier, &cases) else { return };
    let mut differing = Vec::new();
    for case in &cases {
        let codes = if case.code.is_empty() { vec![] } else { vec![case.code.to_owned()] };
        let expected = (case.verdict.to_owned(), codes);
        if said[case.name] != expected {
            differing.push(format!("{}: {:?}, not {expected:?}", case.name, said[case.name]));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn the_python_verifier_says_the_same_about_every_bundle() {
    let mut verifier = Command::new("python3");
    verifier.arg(root().join("verifiers/python/exhibit_verify.py")).arg("--json");
    agree(verifier);
}

#[test]
fn the_typescript_verifier_says_the_same_about_every_bundle() {
    let program = root().join("verifiers/typescript/dist/cli.js");
    if !program.exists() {
        println!("skipped: run `npm ci && npm run build` in verifiers/typescript first");
        return;
    }
    let mut verifier = Command::new("node");
    verifier.arg(program).arg("--json");
    agree(verifier);
}
