//! Arrows go down only (rule 1 of the house, ARCHITECTURE.md).

use std::{collections::BTreeSet, process::Command};

use crate::{
    manifests::metadata,
    tree::{report, root},
};

/// Which rooms a room may name. Everything else is a fault; a new room needs a line here.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("ledger", &[]),
    ("capture", &["model"]),
    ("pricing", &["model"]),
    ("govern", &["model"]),
    // Bundles are made of sealed bytes and proofs; they know no store.
    ("evidence", &["model", "ledger"]),
    // Tree arithmetic and hashes only: docs/adr/0001.
    ("store", &["model", "ledger"]),
    ("store-sqlite", &["model", "ledger", "store"]),
    ("store-cluster", &["model", "ledger", "store"]),
    ("provider", &["model"]),
    (
        "recorder",
        &["model", "ledger", "evidence", "capture", "pricing", "govern", "store", "provider"],
    ),
    // The contract's plain types (pages, queries, log ids) travel from the recorder to the routes.
    ("server", &["model", "capture", "recorder", "store", "ui"]),
    ("ui", &[]),
    (
        "cli",
        &[
            "model",
            "ledger",
            "evidence",
            "capture",
            "pricing",
            "govern",
            "store",
            "store-sqlite",
            "store-cluster",
            "provider",
            "recorder",
            "server",
            "ui",
        ],
    ),
    ("house", &[]),
    ("bench", &["model"]),
];

/// Rooms that know no runtime, no network and no database, not even through others.
const PURE: &[&str] = &["model", "ledger", "evidence", "capture", "pricing", "govern"];

/// What makes a room impure.
const IMPURE: &[&str] = &[
    "tokio",
    "axum",
    "hyper",
    "hyper-util",
    "reqwest",
    "tonic",
    "tower",
    "rusqlite",
    "libsqlite3-sys",
    "tantivy",
    "mio",
    "socket2",
    "rustls",
    "notify",
];

#[test]
fn a_room_uses_only_the_rooms_below_it() {
    let mut faults = Vec::new();
    for package in metadata().workspace_packages() {
        let room = package.name.strip_prefix("exhibit-").unwrap_or(&package.name).to_owned();
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == room) else {
            faults.push(format!(
                "{room} is not in the table of crates/house/tests/house/direction.rs"
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let Some(used) = dependency.name.strip_prefix("exhibit-") else { continue };
            let for_tests = dependency.kind == cargo_metadata::DependencyKind::Development;
            if !for_tests && !allowed.contains(&used) {
                faults.push(format!("{room} uses {used}"));
            }
        }
    }
    report("arrows go down only", &faults);
}

#[test]
fn pure_rooms_know_no_runtime_network_or_database_even_through_others() {
    let mut faults = Vec::new();
    for room in PURE {
        // `cargo tree` and not `cargo metadata`: the latter unites the features of the workspace.
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--package", &format!("exhibit-{room}")])
            .args(["--edges", "normal", "--prefix", "none", "--format", "{p}"])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout);
        let names: BTreeSet<&str> =
            text.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert!(names.contains("serde"), "{room}: the dependency tree could not be read");
        for name in IMPURE.iter().filter(|name| names.contains(*name)) {
            faults.push(format!("{room} reaches {name}"));
        }
    }
    report("model, ledger, evidence, capture, pricing and govern are pure", &faults);
}
