//! How code is laid out: sizes, names, module docs, vendor names, bounds, no panics on input.

use regex::Regex;

use crate::tree::{report, rust_files};

/// Above this a file holds two ideas. There are no exceptions; one would stand here with its reason.
const LINES_MAX: usize = 600;

#[test]
fn no_rust_file_is_longer_than_600_lines() {
    let faults: Vec<String> = rust_files()
        .iter()
        .map(|file| (file.text.lines().count(), &file.path))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    report("one concept per file", &faults);
}

#[test]
fn modules_are_named_by_their_file_and_by_what_they_are() {
    const NOTHING_NAMES: [&str; 9] =
        ["mod", "utils", "util", "helpers", "helper", "common", "misc", "manager", "managers"];
    let mut faults = Vec::new();
    for file in rust_files() {
        let mut parts = file.path.trim_end_matches(".rs").split('/');
        if parts.any(|part| NOTHING_NAMES.contains(&part)) {
            faults.push(file.path);
        }
    }
    report("no mod.rs, and no name that fits anything", &faults);
}

#[test]
fn every_module_says_first_what_it_is_for() {
    let faults: Vec<String> = rust_files()
        .into_iter()
        .filter(|file| file.path.contains("/src/") || file.path.contains("/examples/"))
        .filter(|file| !file.is_test())
        .filter(|file| {
            let first = file.text.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
            !first.starts_with("//!")
        })
        .map(|file| file.path)
        .collect();
    report("a module begins with its doc comment", &faults);
}

#[test]
fn vendor_attribute_names_stand_only_in_the_dialects() {
    // Names on the wire that belong to a vendor's or a standard's vocabulary.
    let vendor = Regex::new(concat!(
        r"\b(gen_ai|openinference|traceloop|langfuse|lmnr|mlflow|langsmith|agentops|braintrust|",
        r"logfire|voltagent|openlit|litellm|genkit|claude_code|gemini_cli)\.[a-z_*]",
        r"|\bllm\.(token_count|model_name|input_messages|output_messages|provider|system|",
        r"invocation_parameters|request\.type|usage|prompts|completions|tools)\b",
        r"|\bai\.(operationId|model|usage|prompt|response|toolCall|telemetry|settings)\b",
        r"|\bgcp\.vertex\.agent|\blk\.(agent_name|user_input|response)\b",
        r#"|"(input|output)\.(value|mime_type)""#,
    ))
    .unwrap();
    let mut faults = Vec::new();
    for file in rust_files() {
        let at_home = file.path.starts_with("crates/capture/src/dialect");
        let exempt = file.path.starts_with("bench/")
            || file.path.starts_with("fuzz/")
            || file.path.starts_with("crates/house/")
            || file.path.contains("/examples/")
            || file.path.contains("/benches/");
        if at_home || exempt || file.is_test() {
            continue;
        }
        for (number, line) in file.shipped_lines() {
            // A comment may say which word of a standard a value follows.
            if vendor.is_match(line) && !line.trim_start().starts_with("//") {
                faults.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    report("vendor names stand only under crates/capture/src/dialect", &faults);
}

#[test]
fn shipped_code_has_no_unwrap_and_excuses_every_expect() {
    // Clippy denies these by meaning; this keeps anyone from switching Clippy off in passing.
    let unwrap = Regex::new(r"\.unwrap\(\)").unwrap();
    let silenced = Regex::new(
        r"(allow|expect)\([^)]*clippy::(unwrap_used|expect_used|panic|todo|unimplemented)[^)]*\)",
    )
    .unwrap();
    let mut faults = Vec::new();
    for file in rust_files() {
        let suite = file.path == "crates/store/src/conformance.rs"
            || file.path.starts_with("crates/store/src/conformance/");
        let aside = file.path.starts_with("fuzz/") || file.path.contains("/examples/");
        if file.is_test() || suite || aside {
            continue;
        }
        let code: String = file
            .shipped_lines()
            .map(|(_, line)| line)
            .filter(|line| !line.trim_start().starts_with("//"))
            .fold(String::new(), |text, line| text + line + "\n");
        for found in unwrap.find_iter(&code).chain(silenced.find_iter(&code)) {
            if !found.as_str().contains("reason") {
                faults.push(format!("{}: {}", file.path, found.as_str().replace('\n', " ")));
            }
        }
    }
    report("nothing panics on input", &faults);
}

#[test]
fn every_bound_gives_its_reason_and_queues_take_theirs_from_the_limits() {
    let bound = Regex::new(r"^\s*(pub(\([^)]*\))? )?const [A-Z0-9_]*_MAX\b").unwrap();
    let bare_queue =
        Regex::new(r"\b(channel|bounded|sync_channel|broadcast::channel)(::<[^(]*>)?\(\s*[0-9]")
            .unwrap();
    let mut faults = Vec::new();
    for file in rust_files() {
        let shipped = file.path.starts_with("crates/") && !file.is_test();
        if !shipped || file.path.starts_with("crates/house/") {
            continue;
        }
        let mut above = "";
        for (number, line) in file.shipped_lines() {
            if bound.is_match(line) && !above.trim_start().starts_with("//") {
                faults.push(format!("{}:{number}: no reason above {}", file.path, line.trim()));
            }
            if bare_queue.is_match(line)
                && !line.contains("channel(1)")
                && !line.contains("bounded(1)")
            {
                faults.push(format!("{}:{number}: a bare number bounds a queue", file.path));
            }
            above = line;
        }
    }
    report("no bound without a reason", &faults);
}
