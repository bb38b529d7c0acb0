//! Start and stop of the server.

use std::{fs, net::TcpListener, process::Stdio};

use crate::home::{Home, signal, span};

#[test]
fn a_first_start_gives_a_link_a_key_and_lines_to_copy() {
    use std::io::{BufRead as _, BufReader};
    let home = Home::new();
    let mut child = home
        .command(&["serve", "--listen", "127.0.0.1:0", "--otlp-http", ":0", "--otlp-grpc", "off"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut text = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        text.push_str(&line);
        text.push('\n');
        if line.contains("epoch.key") {
            break;
        }
    }
    signal(child.id(), "INT");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    for part in [
        "/setup?token=",
        "  exk_",
        "curl http://127.0.0.1:",
        "export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:",
        "export OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20exk_",
        "OTLP/gRPC       off",
        "mv '",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
}

#[test]
fn only_the_first_start_makes_a_key() {
    let home = Home::new();
    let first = home.serve(&[]);
    let key = first.key();
    assert!(first.ready["setup_url"].as_str().unwrap().contains("/setup?token="));
    assert_eq!(first.stop(), 0);
    let second = home.serve(&[]);
    assert!(second.ready["first_key"].is_null());
    let (status, _) = second.get("/api/v1/traces", &key);
    assert_eq!(status, 200);
}

#[test]
fn the_set_up_link_works_once_and_then_is_not_offered_again() {
    let home = Home::new();
    let server = home.serve(&[]);
    let link = server.ready["setup_url"].as_str().unwrap().to_owned();
    let token = link.split("token=").nth(1).unwrap();
    let password = ["correct", "horse", "battery"].join(" ");
    let body = serde_json::json!({"token": token, "email": "a@example.com", "password": password});
    let (status, _) = server.post("/api/v1/auth/setup", "", &body);
    assert!((200..300).contains(&status), "{status}");
    let (status, _) = server.post("/api/v1/auth/setup", "", &body);
    assert!((400..500).contains(&status), "{status}");
    assert_eq!(server.stop(), 0);
    assert!(home.serve(&[]).ready["setup_url"].is_null());
}

#[test]
fn a_second_server_on_the_same_data_is_refused_and_names_the_first() {
    let home = Home::new();
    let server = home.serve(&[]);
    let second = home.run(&["serve", "--listen", "127.0.0.1:0"]).ended(1);
    assert!(second.err.contains(&format!("process {}", server.pid())), "{}", second.err);
    assert!(second.err.contains(&server.url()), "{}", second.err);
    assert!(second.err.contains("hint: "), "{}", second.err);
}

#[test]
fn a_taken_main_port_is_an_error_and_a_taken_further_one_a_warning() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let home = Home::new();
    let refused =
        home.run(&["serve", "--listen", &address, "--otlp-http", "off", "--otlp-grpc", "off"]);
    let refused = refused.ended(1);
    assert!(refused.err.contains(&address) && refused.err.contains("--listen"), "{}", refused.err);
    assert!(!refused.out.contains("exk_"), "no key is made in vain");

    let server = home.serve(&["--listen", &address]);
    assert_eq!(server.ready["listen"].as_array().unwrap().len(), 1);
    assert_eq!(server.stop(), 0);
}

#[test]
fn every_main_address_serves_the_same() {
    let home = Home::new();
    let server = home.serve(&["--listen", "127.0.0.1:0"]);
    let key = server.key();
    for address in server.ready["listen"].as_array().unwrap() {
        let answer = crate::http::get(address.as_str().unwrap(), "/api/v1/traces", &key).unwrap();
        assert_eq!(answer.0, 200);
    }
}

#[test]
fn the_data_directory_and_its_keys_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    home.run(&["keys", "create", "--name", "x"]).ended(0);
    let mode =
        |path: &str| fs::metadata(home.data().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("."), 0o700);
    assert_eq!(mode("keys"), 0o700);
    for entry in fs::read_dir(home.data().join("keys")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert_eq!(mode(&format!("keys/{name}")), 0o600, "{name}");
    }
}

#[test]
fn a_stop_signs_what_was_recorded_last() {
    let home = Home::new();
    let server = home.serve(&[]);
    let body = serde_json::json!({"batch": [span("t", "s")]});
    assert_eq!(server.post("/api/v1/ingest/spans", &server.key(), &body).0, 201);
    assert_eq!(server.stop(), 0);
    let report = home.run(&["verify", "--json"]).ended(0).json();
    assert_eq!((report["pending"].as_u64(), report["records"].as_u64()), (Some(0), Some(1)));
}

#[test]
fn keyless_ingest_is_only_open_where_it_was_opened() {
    let home = Home::new();
    let body = serde_json::json!({"batch": [span("t", "s")]});
    let server = home.serve(&[]);
    assert_eq!(server.post("/api/v1/ingest/spans", "", &body).0, 401);
    assert_eq!(server.stop(), 0);
    let server = home.serve(&["--keyless-ingest", "default"]);
    assert_eq!(server.post("/api/v1/ingest/spans", "", &body).0, 201);
    assert_eq!(server.get("/api/v1/traces", "").0, 401);
    assert_eq!(server.stop(), 0);
    let wrong = home.run(&["serve", "--listen", ":0", "--keyless-ingest", "nowhere"]).ended(2);
    assert!(wrong.err.contains("nowhere"), "{}", wrong.err);
}
