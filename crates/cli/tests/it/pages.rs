//! Help, man pages, completions, reference pages.

use std::{fs, path::Path};

use crate::home::Home;

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn help_reads_like_this() {
    let home = Home::new();
    for page in ["", "serve", "trace", "traces list", "verify", "keys create", "backup", "restore"]
    {
        let mut arguments: Vec<&str> = page.split_whitespace().collect();
        arguments.push("--help");
        let help = home.run(&arguments).ended(0).out;
        let name = if page.is_empty() { "exhibit".to_owned() } else { page.replace(' ', "_") };
        insta::assert_snapshot!(format!("help_{name}"), help);
    }
}

#[test]
fn the_reference_pages_are_those_of_the_code() {
    let home = Home::new();
    for page in ["config", "cli"] {
        let made = home.run(&["reference", page]).ended(0).out;
        let path = root().join(format!("docs/reference/{page}.md"));
        let held = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            held == made,
            "{} is out of date; write it anew with `exhibit reference {page} > docs/reference/{page}.md`",
            path.display()
        );
    }
}

#[test]
fn completions_and_man_pages_know_the_commands() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let text = home.run(&["completions", shell]).ended(0).out;
        assert!(text.contains("verify") && text.contains("otlp-http"), "{shell}");
    }
    let man = home.run(&["man"]).ended(0).out;
    assert!(man.contains(".TH") && man.contains("verify"));
    home.run(&["man", "--dir", "man"]).ended(0);
    for page in ["exhibit.1", "exhibit-serve.1", "exhibit-traces-tail.1"] {
        assert!(home.path().join("man").join(page).is_file(), "{page}");
    }
}

#[test]
fn the_api_describes_itself() {
    let api = Home::new().run(&["openapi"]).ended(0).json();
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(api["paths"]["/api/v1/ingest/spans"].is_object());
}

#[test]
fn wrong_usage_ends_with_two_and_a_word_of_advice() {
    let home = Home::new();
    let wrong = home.run(&["serv"]).ended(2);
    assert!(wrong.err.contains("serve"), "{}", wrong.err);
    home.run(&["trace"]).ended(2);
    home.run(&[]).ended(2);
    assert!(home.run(&["--version"]).ended(0).out.starts_with("exhibit "));
}

#[test]
fn errors_are_json_where_json_was_asked_for() {
    let ran = Home::new().run(&["verify", "--json"]).ended(2);
    let error = &ran.json()["error"];
    assert!(error["message"].as_str().unwrap().contains("no installation"));
    assert_eq!(error["exit_code"], 2);
}
