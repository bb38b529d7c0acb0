//! Keys, with the server up and down.

use serde_json::json;

use crate::home::{Home, span};

#[test]
fn a_key_made_while_the_server_is_down_works_when_it_is_up() {
    let home = Home::new().with_few_rules();
    let made = home.run(&["keys", "create", "--name", "n", "--scopes", "ingest,read", "--json"]);
    let made = made.ended(0);
    assert!(made.out.starts_with("{\"key\":\"exk_"), "{}", made.out);
    assert_eq!(made.out.lines().count(), 1);
    let made = made.json();
    assert!(made["id"].as_str().unwrap().starts_with("key_"));
    assert_eq!(made["scopes"], json!(["ingest", "read"]));
    let server = home.serve(&[]);
    assert!(server.ready["first_key"].is_null(), "there is a key already");
    let key = made["key"].as_str().unwrap();
    let body = json!({"batch": [span("t", "s")]});
    assert_eq!(server.post("/api/v1/ingest/spans", key, &body).0, 201);
    assert_eq!(server.get("/api/v1/traces/t", key).0, 200);
}

#[test]
fn a_key_made_and_revoked_through_the_server_works_in_between() {
    let home = Home::new().with_few_rules();
    let server = home.serve(&[]);
    let made = home
        .run(&["keys", "create", "--name", "n", "--scopes", "read", "--prefix", "sk-at", "--json"])
        .ended(0)
        .json();
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    assert!(key.starts_with("sk-at-"));
    assert_eq!(server.get("/api/v1/traces", key).0, 200);
    let body = json!({"batch": [span("t", "s")]});
    assert_eq!(server.post("/api/v1/ingest/spans", key, &body).0, 403, "it may only read");
    home.run(&["keys", "revoke", id]).ended(0);
    assert_eq!(server.get("/api/v1/traces", key).0, 401);
    home.run(&["keys", "revoke", id]).ended(1);
    let listed = home.run(&["keys", "list", "--json"]).ended(0).json();
    assert!(listed["data"].as_array().unwrap().iter().all(|k| k["id"] != id));
    let all = home.run(&["keys", "list", "--all", "--json"]).ended(0).json();
    assert!(all["data"].as_array().unwrap().iter().any(|k| k["id"] == id));
}

#[test]
fn a_key_can_end_by_itself() {
    let home = Home::new().with_few_rules();
    let made = home.run(&["keys", "create", "--name", "n", "--expires", "90d", "--json"]).ended(0);
    assert!(made.json()["expires_at"].is_string());
    home.run(&["keys", "create", "--name", "n", "--expires", "2001-01-01"]).ended(2);
    home.run(&["keys", "create", "--name", "n", "--expires", "soon"]).ended(2);
}

#[test]
fn wrong_wishes_are_refused_by_name() {
    let home = Home::new().with_few_rules();
    let scope = home.run(&["keys", "create", "--name", "n", "--scopes", "fly"]).ended(2);
    assert!(scope.err.contains("`fly`") && scope.err.contains("hint:"), "{}", scope.err);
    let workspace = home.run(&["keys", "create", "--name", "n", "--workspace", "w"]).ended(2);
    assert!(workspace.err.contains("workspace"), "{}", workspace.err);
    home.run(&["keys", "create", "--name", ""]).ended(2);
    home.run(&["keys", "revoke", "key_unknown"]).ended(1);
    let nothing = Home::new().run(&["keys", "list"]).ended(2);
    assert!(nothing.err.contains("--data-dir"), "{}", nothing.err);
}

#[test]
fn the_command_line_on_a_foreign_directory_cannot_use_a_server() {
    let home = Home::new().with_few_rules();
    let server = home.serve(&[]);
    // A stale file that points at somebody else's server is not believed.
    let other = Home::new();
    other.run(&["keys", "create", "--name", "n"]).ended(0);
    std::fs::copy(home.data().join("server.json"), other.data().join("server.json")).unwrap();
    other.run(&["keys", "create", "--name", "theirs"]).ended(0);
    let keys = home.run(&["keys", "list", "--json"]).ended(0).json();
    assert_eq!(keys["data"].as_array().unwrap().len(), 1, "only the first key");
    assert_eq!(server.stop(), 0);
}
