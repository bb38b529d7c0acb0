//! Where settings come from, and what happens when they are wrong.

use std::fs;

use crate::home::Home;

#[test]
fn an_unknown_key_in_the_file_is_refused_with_its_place() {
    let home = Home::new();
    fs::write(home.path().join("exhibit.toml"), "listen = ['127.0.0.1:0']\nlistn = []\n").unwrap();
    let wrong = home.run(&["serve", "--check"]).ended(2);
    assert!(wrong.err.contains("exhibit.toml"), "{}", wrong.err);
    assert!(wrong.err.contains("listn") && wrong.err.contains("line 2"), "{}", wrong.err);
}

#[test]
fn a_wrong_value_names_the_variable_or_flag_it_came_from() {
    let wrong = |name: &str, value: &str| {
        Home::new().with(name, value).run(&["serve", "--check"]).ended(2).err
    };
    assert!(wrong("EXHIBIT_LISTEN", "nonsense").contains("listen: `nonsense`"));
    assert!(wrong("EXHIBIT_LIMITS_DEPTH_MAX", "deep").contains("EXHIBIT_LIMITS_DEPTH_MAX"));
    assert!(wrong("EXHIBIT_LOG", "a=b=c").contains("log: "));
    let home = Home::new();
    let flag = home.run(&["serve", "--check", "--stale-after", "soon"]).ended(2);
    assert!(flag.err.contains("--stale-after"), "{}", flag.err);
    let flag = home.run(&["serve", "--check", "--otlp-http", "x"]).ended(2);
    assert!(flag.err.contains("otlp.http"), "{}", flag.err);
}

#[test]
fn show_tells_where_each_setting_comes_from() {
    let home = Home::new().with("EXHIBIT_LOG", "warn").with("EXHIBIT_API_KEY", "a secret key");
    fs::write(home.path().join("exhibit.toml"), "[otlp]\ngrpc = 'off'\n").unwrap();
    let shown = home.run(&["config", "show", "--origin"]).ended(0).out;
    assert!(shown.contains("log = \"warn\"  # EXHIBIT_LOG"), "{shown}");
    assert!(shown.contains("otlp.grpc = \"off\"  # "), "{shown}");
    assert!(shown.contains("search = true  # default"), "{shown}");
    assert!(!shown.contains("a secret key"), "{shown}");
    let json = home.run(&["config", "show", "--json"]).ended(0).json();
    assert_eq!(json["log"]["origin"], "EXHIBIT_LOG");
    assert_ne!(json["api_key"]["value"], "a secret key");
}

#[test]
fn variables_of_other_programs_are_honoured_or_explained() {
    let home = Home::new()
        .with("EXHIBIT_DATA_DIR", "")
        .with("DATABASE_URL", "sqlite+aiosqlite:///./stuff/audittrail.db")
        .with("AUDITTRAIL_CORS_ORIGINS", r#"["http://localhost:5173"]"#)
        .with("AUDITTRAIL_RULES_DIR", "./rules")
        .with("AUDITTRAIL_DEBUG", "true")
        .with("AUDITTRAIL_SECRET_KEY", "dev")
        .with("NEXT_PUBLIC_API_URL", "http://localhost:8000/api");
    let shown = home.run(&["config", "show", "--json"]).ended(0).json();
    let value = |key: &str| shown[key]["value"].clone();
    assert!(value("data_dir").as_str().unwrap().ends_with("/stuff"));
    assert_eq!(value("cors_origins"), serde_json::json!(["http://localhost:5173"]));
    assert!(value("rules_dir").as_str().unwrap().ends_with("/rules"));
    assert_eq!(value("log"), "debug");
    let text = home.run(&["config", "show"]).ended(0);
    assert!(text.err.contains("AUDITTRAIL_SECRET_KEY is not needed"), "{}", text.err);
    assert!(text.err.contains("NEXT_PUBLIC_API_URL is without effect"), "{}", text.err);

    let refused = Home::new()
        .with("EXHIBIT_DATA_DIR", "")
        .with("DATABASE_URL", "postgresql://db/audit")
        .run(&["serve", "--check"])
        .ended(2);
    assert!(refused.err.contains("EXHIBIT_DATA_DIR"), "{}", refused.err);
}

#[test]
fn a_check_loads_the_rules_as_the_server_would() {
    let home = Home::new();
    home.run(&["serve", "--check"]).ended(0);
    let rules = home.path().join("rules");
    fs::create_dir(&rules).unwrap();
    fs::write(rules.join("pricing.yaml"), "models: {gpt-4o: {input: cheap}}\n").unwrap();
    let wrong = home.run(&["serve", "--check"]).ended(2);
    assert!(wrong.err.contains("pricing.yaml"), "{}", wrong.err);
    let missing = home.run(&["serve", "--check", "--rules-dir", "nowhere"]).ended(2);
    assert!(missing.err.contains("nowhere"), "{}", missing.err);
}

#[test]
fn the_doctor_finds_a_healthy_installation_healthy() {
    let home = Home::new();
    let server = home.serve(&[]);
    let checks = home.run(&["doctor", "--json"]).ended(0).json();
    assert_eq!(checks["ok"], true);
    assert!(checks["checks"].as_array().unwrap().iter().any(|c| c["name"] == "server"));
    assert_eq!(server.stop(), 0);
}

#[test]
fn the_doctor_finds_keys_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    home.run(&["keys", "create", "--name", "x"]).ended(0);
    let key = home.data().join("keys/signing.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let found = home.run(&["doctor", "--quiet"]).ended(1);
    assert!(found.out.contains("signing.key"), "{}", found.out);
}
