use std::fs;

use super::*;
use crate::config::LogFormat;

fn environment(dir: &Path, variables: &[(&str, &str)]) -> Environment {
    Environment {
        variables: variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        cwd: dir.to_owned(),
    }
}

fn error(environment: Environment) -> String {
    load(environment, None, Vec::new()).unwrap_err().to_string()
}

#[test]
fn flags_win_over_variables_over_the_file_over_defaults() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("exhibit.toml"),
        "listen = ['1.1.1.1:1']\nlog = 'warn'\n[otlp]\nhttp = 'off'\n[limits]\npage_rows_max = 7\n",
    )
    .unwrap();
    let environment =
        environment(dir.path(), &[("EXHIBIT_LOG", "error"), ("EXHIBIT_OTLP_GRPC", "off")]);
    let over = Override { key: "listen", value: list("2.2.2.2:2").unwrap(), flag: "--listen" };
    let loaded = load(environment, None, vec![over]).unwrap();
    assert_eq!(loaded.config.listen, ["2.2.2.2:2"]);
    assert_eq!(loaded.config.log, "error");
    assert_eq!(loaded.config.otlp.http, "off");
    assert_eq!(loaded.config.otlp.grpc, "off");
    assert_eq!(loaded.config.limits.page_rows_max, 7);
    assert_eq!(loaded.config.log_format, LogFormat::Text);
    assert_eq!(loaded.origins["listen"], Origin::Flag("--listen".into()));
    assert_eq!(loaded.origins["log"], Origin::Variable("EXHIBIT_LOG".into()));
    assert_eq!(loaded.origins["search"], Origin::Default);
    assert_eq!(loaded.origins["otlp.http"], Origin::File(dir.path().join("exhibit.toml")));
}

#[test]
fn unknown_keys_of_the_file_are_refused_with_their_line() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("exhibit.toml"), "log = 'info'\n[limits]\npage_rows = 7\n").unwrap();
    let error = error(environment(dir.path(), &[]));
    assert!(error.contains("exhibit.toml") && error.contains("line 3"), "{error}");
    assert!(error.contains("page_rows"), "{error}");
}

#[test]
fn a_wrong_value_names_its_source() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = |name, value| error(environment(dir.path(), &[(name, value)]));
    assert!(wrong("EXHIBIT_SEARCH", "perhaps").starts_with("EXHIBIT_SEARCH: `perhaps`"));
    assert!(wrong("EXHIBIT_LIMITS_DEPTH_MAX", "ten").starts_with("EXHIBIT_LIMITS_DEPTH_MAX"));
    assert!(wrong("EXHIBIT_LIMITS_DEPTH_MAX", "-1").starts_with("EXHIBIT_LIMITS_DEPTH_MAX"));
    assert!(wrong("EXHIBIT_LOG_FORMAT", "xml").starts_with("EXHIBIT_LOG_FORMAT: log_format"));
    assert!(wrong("DATABASE_URL", "mysql://x/y").starts_with("DATABASE_URL"));
}

#[test]
fn a_variable_of_ours_that_is_no_setting_is_pointed_out() {
    let dir = tempfile::tempdir().unwrap();
    let loaded =
        load(environment(dir.path(), &[("EXHIBIT_LISTN", "1")]), None, Vec::new()).unwrap();
    assert_eq!(loaded.notices, ["EXHIBIT_LISTN is not a setting and has no effect"]);
}

#[test]
fn our_own_variables_win_over_those_of_other_programs() {
    let dir = tempfile::tempdir().unwrap();
    let variables = [
        ("AUDITTRAIL_RULES_DIR", "theirs"),
        ("EXHIBIT_RULES_DIR", "ours"),
        ("AUDITTRAIL_CORS_ORIGINS", "[\"http://a\"]"),
        ("DATABASE_URL", "sqlite+aiosqlite:///./data/audittrail.db"),
        ("AUDITTRAIL_SECRET_KEY", "x"),
    ];
    let loaded = load(environment(dir.path(), &variables), None, Vec::new()).unwrap();
    assert_eq!(loaded.config.rules_dir, Some(dir.path().join("ours")));
    assert_eq!(loaded.config.cors_origins, ["http://a"]);
    assert_eq!(loaded.config.data_dir, dir.path().join("./data"));
    assert_eq!(loaded.notices.len(), 1);
}

#[test]
fn data_lives_where_the_desktop_standard_says() {
    let dir = tempfile::tempdir().unwrap();
    let data = |variables: &[(&str, &str)]| {
        load(environment(dir.path(), variables), None, Vec::new()).unwrap().config.data_dir
    };
    assert_eq!(data(&[("HOME", "/h")]), Path::new("/h/.local/share/exhibit"));
    assert_eq!(data(&[("HOME", "/h"), ("XDG_DATA_HOME", "/x")]), Path::new("/x/exhibit"));
    assert_eq!(data(&[]), dir.path().join("exhibit-data"));

    // An installation in `data` here is the one that is meant; any other folder of that name is not.
    let here = dir.path().join("data");
    fs::create_dir_all(here.join("keys")).unwrap();
    assert_eq!(data(&[("HOME", "/h")]), Path::new("/h/.local/share/exhibit"));
    fs::write(here.join("keys/signing.key"), "").unwrap();
    assert_eq!(data(&[("HOME", "/h")]), here);
}

#[test]
fn paths_in_a_file_are_relative_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let etc = dir.path().join("etc");
    fs::create_dir(&etc).unwrap();
    fs::write(etc.join("e.toml"), "data_dir = 'data'\nrules_dir = '/rules'\n").unwrap();
    let loaded =
        load(environment(dir.path(), &[]), Some(Path::new("etc/e.toml")), Vec::new()).unwrap();
    assert_eq!(loaded.config.data_dir, etc.join("data"));
    assert_eq!(loaded.config.rules_dir, Some(PathBuf::from("/rules")));
}
