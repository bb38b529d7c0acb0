//! The same good and bad bundles through the verifiers in Python and TypeScript, which share no code
//! with this one: all three must say the same.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use exhibit_evidence::{Demands, stamp::Roots};
use serde_json::Value;

use crate::{
    attacks, cleared,
    corpus::{Case, check},
    erasures, refusals,
    stamps::{self, Authority, KINDS},
    successions,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What a verifier says that all must agree upon: verdict and codes, and where nothing is wrong all the rest.
type Said = (String, Vec<String>, Option<Value>);

fn of_interest(report: &Value) -> Said {
    let codes = report["faults"].as_array().unwrap().iter();
    let mut codes: Vec<String> = codes.map(|f| f["code"].as_str().unwrap().to_owned()).collect();
    codes.sort_unstable();
    codes.dedup();
    let names = [
        "qualifiers",
        "log",
        "key",
        "tree_size",
        "created",
        "traces",
        "records",
        "leaves",
        "complete",
        "witnesses",
        "stamps",
        "erased",
        "erasures",
    ];
    let rest = codes.is_empty().then(|| {
        let rest = names.map(|name| (name.to_owned(), report[name].clone()));
        Value::Object(rest.into_iter().collect())
    });
    (report["verdict"].as_str().unwrap().to_owned(), codes, rest)
}

/// Writes every case into a folder and asks `verifier` about each; its answers are one JSON document
/// per line.
fn ask(mut verifier: Command, cases: &[Case]) -> Option<BTreeMap<String, Said>> {
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
        (file.to_str().unwrap().to_owned(), of_interest(&report))
    });
    let said: BTreeMap<_, _> = said.collect();
    assert_eq!(said.len(), cases.len(), "one answer for each bundle: {errors}");
    Some(said)
}

fn agree(verifier: Command, cases: &[Case], demands: &Demands) {
    let Some(said) = ask(verifier, cases) else { return };
    let mut differing = Vec::new();
    for case in cases {
        let report = serde_json::to_value(check(&case.bundle, demands)).unwrap();
        let ours = of_interest(&report);
        assert_eq!((ours.0.clone(), ours.1.clone()), case.expected(), "{}", case.name);
        if said[case.name] != ours {
            differing.push(format!("{}: {:?}, not {ours:?}", case.name, said[case.name]));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

fn agree_on_everything(verifier: impl Fn() -> Command) {
    let cases = attacks::cases().into_iter().chain(refusals::cases());
    let cases = cases.chain(successions::cases()).chain(erasures::cases()).chain(cleared::cases());
    agree(verifier(), &cases.collect::<Vec<_>>(), &Demands::default());
    for kind in KINDS {
        let Some(authority) = Authority::new(kind) else { return };
        let Some(other) = Authority::new(KINDS[0]) else { return };
        let mut cases = stamps::cases(&authority, &other);
        if ["rsa", "p-256"].contains(&kind.0) {
            cases.extend(stamps::path_cases(&authority));
        }
        let roots = Roots::from_pem(&fs::read(authority.roots()).unwrap()).unwrap();
        let mut trusting = verifier();
        trusting.arg("--timestamp-roots").arg(authority.roots());
        agree(trusting, &cases, &Demands { roots, ..Demands::default() });
        let good: Vec<Case> = cases.into_iter().filter(|case| case.verdict == "valid").collect();
        agree(verifier(), &good, &Demands::default());
    }
}

#[test]
fn the_python_verifier_says_the_same_about_every_bundle() {
    agree_on_everything(|| {
        let mut verifier = Command::new("python3");
        verifier.arg(root().join("verifiers/python/exhibit_verify.py")).arg("--json");
        verifier
    });
}

#[test]
fn the_typescript_verifier_says_the_same_about_every_bundle() {
    let program = root().join("verifiers/typescript/dist/cli.js");
    if !program.exists() {
        println!("skipped: run `npm ci && npm run build` in verifiers/typescript first");
        return;
    }
    agree_on_everything(|| {
        let mut verifier = Command::new("node");
        verifier.arg(&program).arg("--json");
        verifier
    });
}
