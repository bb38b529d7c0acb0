//! Documents: the mission's table is whole, links lead somewhere, nothing private is written down.

use std::{collections::BTreeSet, fs, path::Path};

use regex::Regex;

use crate::tree::{report, root, tracked_files};

/// How many promises each document of the mission makes.
const PROMISES: [(char, usize); 5] = [('A', 9), ('B', 10), ('C', 9), ('D', 7), ('E', 19)];

#[test]
fn every_promise_of_the_mission_has_its_row() {
    let table = fs::read_to_string(root().join("docs/mission.md")).unwrap();
    let row = Regex::new(r"(?m)^\| ([A-E][0-9]+) \| (.+?) \| (.+?) \|$").unwrap();
    let named = Regex::new("`([^`]+?)(::[a-z0-9_]+)?`").unwrap();
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for found in row.captures_iter(&table) {
        let id = found[1].to_owned();
        if !seen.insert(id.clone()) {
            faults.push(format!("{id} stands twice"));
        }
        for path in named.captures_iter(&found[3]) {
            let (file, test) = (&path[1], path.get(2).map(|name| &name.as_str()[2..]));
            if !file.contains('/') {
                continue;
            }
            let Ok(text) = fs::read_to_string(root().join(file)) else {
                faults.push(format!("{id} names {file}, which is not there"));
                continue;
            };
            if test.is_some_and(|test| !text.contains(test)) {
                faults.push(format!("{id} names a test that is not in {file}"));
            }
        }
    }
    for (letter, count) in PROMISES {
        for number in 1..=count {
            let id = format!("{letter}{number}");
            if !seen.contains(&id) {
                faults.push(format!("{id} is missing"));
            }
        }
    }
    report("docs/mission.md maps every promise to its test", &faults);
}

#[test]
fn every_relative_link_leads_to_a_file_and_heading() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut faults = Vec::new();
    for file in tracked_files().iter().filter(|file| file.has_extension("md")) {
        let folder = root().join(&file.path).parent().unwrap().to_path_buf();
        for found in link.captures_iter(&file.text) {
            let target = &found[1];
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let place = if path.is_empty() { root().join(&file.path) } else { folder.join(path) };
            if !place.exists() {
                faults.push(format!("{}: {target} is not there", file.path));
            } else if !heading.is_empty() && !headings(&place).contains(heading) {
                faults.push(format!("{}: {target} has no such heading", file.path));
            }
        }
    }
    report("links in documents", &faults);
}

/// The anchors of a Markdown file, as renderers make them.
fn headings(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.strip_prefix('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_')
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}

#[test]
fn every_limit_stands_in_its_reference_page() {
    let source = fs::read_to_string(root().join("crates/model/src/limits.rs")).unwrap();
    let page = fs::read_to_string(root().join("docs/reference/limits.md")).unwrap();
    let field = Regex::new(r"(?m)^    pub ([a-z_]+):").unwrap();
    let names: Vec<&str> =
        field.captures_iter(&source).map(|found| found.get(1).unwrap().as_str()).collect();
    assert!(names.len() > 10, "the limits could not be read");
    let missing: Vec<String> = names
        .into_iter()
        .filter(|name| !page.contains(&format!("| `{name}` |")))
        .map(str::to_owned)
        .collect();
    report("docs/reference/limits.md lists every limit", &missing);
}

#[test]
fn every_problem_code_and_flag_stands_in_the_reference_page() {
    let page = fs::read_to_string(root().join("docs/reference/errors.md")).unwrap();
    let code = Regex::new(concat!(
        r#"(?s)(?:Problem|Self)::(?:bad|unprocessable|unauthenticated|forbidden)\(\s*"([a-z-]+)""#,
        r#"|(?:Problem|Self)::new\(\s*StatusCode::[A-Z_]+,\s*"([a-z-]+)""#,
        r#"|Self::[A-Z]\w+ \{ \.\. \} => "([a-z-]+)""#,
        r#"|Refusal::\w+(?:\(_\))? => "([a-z-]+)""#,
    ))
    .unwrap();
    let mut found = BTreeSet::new();
    for file in crate::tree::rust_files() {
        let speaks = file.path.starts_with("crates/server/src/")
            || file.path == "crates/capture/src/error.rs";
        if speaks {
            let codes = code.captures_iter(&file.text).flat_map(|one| {
                one.iter().skip(1).flatten().map(|m| m.as_str().to_owned()).collect::<Vec<_>>()
            });
            found.extend(codes);
        }
    }
    assert!(found.len() > 15, "only {} codes found: {found:?}", found.len());
    let model = fs::read_to_string(root().join("crates/model/src/span.rs")).unwrap();
    let flags = model.split("Flag {").nth(1).unwrap();
    found.extend(
        Regex::new(r#"= "([a-z-]+)" ="#).unwrap().captures_iter(flags).map(|m| m[1].to_owned()),
    );
    let missing: Vec<String> =
        found.into_iter().filter(|code| !page.contains(&format!("`{code}`"))).collect();
    report("docs/reference/errors.md lists every code and flag", &missing);
}

#[test]
fn what_is_proved_is_said_word_for_word() {
    // The sentence that no summary may soften.
    const SENTENCES: [&str; 3] = [
        "Given the log's key pinned from outside, and one checkpoint obtained independently of the \
         operator, a verifier proves that these bytes, as stored after redaction, stood at these \
         positions by that checkpoint and are unchanged, and, for a complete range of a log, that \
         none is missing.",
        "It does not prove that the content is true, that the client sent everything, that the \
         clocks were right, that a filtered selection is complete, or anything after that \
         checkpoint.",
        "Without an independent checkpoint it finds every change made by someone who does not hold \
         the signing key, and only those.",
    ];
    let guide = fs::read_to_string(root().join("docs/guide/verification.md")).unwrap();
    let guide = guide.replace("\n> ", " ").split_whitespace().collect::<Vec<_>>().join(" ");
    let missing: Vec<String> = SENTENCES
        .iter()
        .filter(|sentence| !guide.contains(**sentence))
        .map(|sentence| (*sentence).to_owned())
        .collect();
    report("docs/guide/verification.md says what is proved, unchanged", &missing);
}

#[test]
fn nothing_names_a_machine_path_or_a_registry() {
    // Put together here, so that this file does not contain what it looks for.
    let words = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("crates", ".io"),
        concat!("pypi", ".org"),
        concat!("npmjs", ".org"),
        concat!("npmjs", ".com"),
        concat!("pythonhosted", ".org"),
        concat!("proxy.golang", ".org"),
    ];
    let mut faults = Vec::new();
    // The lock file is written by cargo and names the registry on every line.
    for file in tracked_files().iter().filter(|file| file.path != "Cargo.lock") {
        for (at, line) in file.text.lines().enumerate() {
            // Detectors are named after the services whose tokens they find.
            let named = file.path.starts_with("rules/detectors/") && line.contains("title:");
            if let Some(word) = words.iter().find(|word| line.contains(**word))
                && !named
            {
                faults.push(format!("{}:{}: {word}", file.path, at + 1));
            }
        }
    }
    report("no machine paths, no registry hosts", &faults);
}
