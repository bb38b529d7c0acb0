//! Dependencies: one reason each, all of them used, and licences that may be distributed.

use std::{fs, process::Command, sync::OnceLock};

use cargo_metadata::{Metadata, MetadataCommand};
use regex::Regex;

use crate::tree::{report, root};

/// The workspace and all its dependencies on this machine's platform.
pub(crate) fn metadata() -> &'static Metadata {
    static READ: OnceLock<Metadata> = OnceLock::new();
    READ.get_or_init(|| {
        let version = Command::new("rustc").arg("-vV").output().unwrap();
        let version = String::from_utf8(version.stdout).unwrap();
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        MetadataCommand::new()
            .manifest_path(root().join("Cargo.toml"))
            .other_options(["--filter-platform".to_owned(), host.to_owned()])
            .exec()
            .unwrap()
    })
}

/// Name and whole line of every outside dependency in the workspace manifest.
fn outside_dependencies() -> Vec<(String, String)> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let lines = manifest
        .lines()
        .skip_while(|line| line.trim() != "[workspace.dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .filter_map(|line| Some((line.split_once('=')?.0.trim().to_owned(), line.to_owned())))
        .filter(|(name, _)| !name.starts_with("exhibit-"))
        .collect::<Vec<_>>();
    assert!(lines.len() > 20, "the manifest could not be read");
    lines
}

#[test]
fn every_dependency_says_in_one_line_what_it_is_for() {
    let reason = Regex::new(r#"["}]\s+#\s+\S.{5,}$"#).unwrap();
    let faults: Vec<String> = outside_dependencies()
        .into_iter()
        .filter(|(_, line)| !reason.is_match(line))
        .map(|(name, _)| name)
        .collect();
    report("a dependency has its reason beside it in Cargo.toml", &faults);
}

#[test]
fn every_dependency_of_the_workspace_is_used_by_a_room() {
    let used: Vec<&str> = metadata()
        .workspace_packages()
        .iter()
        .flat_map(|package| &package.dependencies)
        .map(|dependency| dependency.name.as_str())
        .collect();
    let faults: Vec<String> = outside_dependencies()
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| !used.contains(&name.as_str()))
        .collect();
    report("no dependency without a user", &faults);
}

#[test]
fn rooms_take_their_dependencies_from_the_workspace() {
    let own_version = Regex::new(r#"(?m)^[a-z0-9_-]+\s*=\s*("|\{.*\bversion\s*=)"#).unwrap();
    let mut faults = Vec::new();
    for package in metadata().workspace_packages() {
        let text = fs::read_to_string(&package.manifest_path).unwrap();
        for section in text.split("\n[").filter(|part| {
            part.starts_with("dependencies]")
                || part.starts_with("dev-dependencies]")
                || part.starts_with("build-dependencies]")
        }) {
            if let Some(found) = own_version.find(section) {
                faults.push(format!("{}: {}", package.name, found.as_str()));
            }
        }
    }
    report("versions stand once, in the workspace manifest", &faults);
}

#[test]
fn every_licence_may_be_distributed_with_apache_2() {
    let list = fs::read_to_string(root().join("deny.toml")).unwrap();
    let list = list.split("allow = [").nth(1).unwrap().split(']').next().unwrap().to_owned();
    let allowed: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    assert!(allowed.contains(&"Apache-2.0"), "deny.toml could not be read");
    let mut faults = Vec::new();
    for package in &metadata().packages {
        let licence = package.license.as_deref().unwrap_or("none named");
        if !satisfied(licence, &allowed) {
            faults.push(format!("{} {}: {licence}", package.name, package.version));
        }
    }
    report("licences of dependencies", &faults);
}

/// Whether an SPDX expression can be met from `allowed`. `AND` binds tighter than `OR`, as in SPDX;
/// the older `/` means `OR`. Nested brackets do not occur in practice and count as not met.
fn satisfied(expression: &str, allowed: &[&str]) -> bool {
    if let Some((before, rest)) = expression.split_once('(') {
        let Some((inside, after)) = rest.split_once(')') else { return false };
        let inside = if satisfied(inside, allowed) { allowed[0] } else { "not met" };
        return satisfied(&format!("{before}{inside}{after}"), allowed);
    }
    expression
        .replace('/', " OR ")
        .split(" OR ")
        .any(|choice| choice.split(" AND ").all(|name| allowed.contains(&name.trim())))
}

#[test]
fn licence_expressions_are_read_as_spdx_means_them() {
    let allowed = ["MIT", "Unicode-3.0"];
    for met in ["MIT", "GPL-3.0 OR MIT", "GPL-3.0/MIT", "(MIT OR GPL-3.0) AND Unicode-3.0"] {
        assert!(satisfied(met, &allowed), "{met}");
    }
    for unmet in ["GPL-3.0", "MIT AND GPL-3.0", "(GPL-3.0 OR AGPL-3.0) AND MIT", "none named"] {
        assert!(!satisfied(unmet, &allowed), "{unmet}");
    }
}
