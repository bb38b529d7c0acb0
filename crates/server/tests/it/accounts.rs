//! Accounts, sessions, keys, scopes, workspaces.

use axum::http::Method;
use base64::{Engine, engine::general_purpose::STANDARD};
use exhibit_model::Nanos;
use serde_json::json;

use crate::bench::{Answer, Bench, batch, span};

/// Not a secret: the same in every test.
const PASSWORD: &str = "correct horse battery";

async fn register(bench: &Bench, email: &str) -> String {
    let who = json!({ "email": email, "password": PASSWORD });
    let body = bench.post("/api/v1/auth/register").json(&who).send().await.expect(201);
    assert_eq!(body["email"], email);
    assert!(body["user_id"].is_string() && body["role"].is_string());
    cookie(&bench.post("/api/v1/auth/login").json(&who).send().await)
}

#[track_caller]
fn cookie(answer: &Answer) -> String {
    assert_eq!(answer.status.as_u16() / 100, 2, "{}", answer.text());
    let set = answer.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(set.contains(part), "{set}");
    }
    set.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn an_account_makes_a_key_sends_a_trace_and_nobody_else_sees_it() {
    let bench = Bench::start().await;
    let ada = register(&bench, "ada@example.org").await;
    let bob = register(&bench, "bob@example.org").await;
    let wanted = json!({ "name": "My Agent", "scopes": ["ingest"], "prefix": "sk-at-" });
    let made =
        bench.post("/api/v1/keys").header("cookie", &ada).json(&wanted).send().await.expect(201);
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("sk-at-"));
    bench
        .post("/api/v1/ingest/spans")
        .key(key)
        .json(&batch(&[span("mine", "1", None)]))
        .send()
        .await
        .expect(201);

    let own = bench.get("/api/v1/traces/mine").header("cookie", &ada).send().await.expect(200);
    assert_eq!(own["data"]["trace_id"], "mine");
    for path in [
        "/api/v1/traces/mine",
        "/api/v1/traces/mine/spans",
        "/api/v1/traces/mine/spans/1",
        "/api/v1/traces/mine/verification",
    ] {
        bench.get(path).header("cookie", &bob).send().await.problem(404, "not-found");
    }
    let list = bench.get("/api/v1/traces").header("cookie", &bob).send().await.expect(200);
    assert_eq!(list["data"], json!([]));
    // The key is listed without its secret, and revoked at once.
    let keys = bench.get("/api/v1/keys").header("cookie", &ada).send().await;
    assert!(!keys.text().contains(key));
    let id = keys.expect(200)["data"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/keys/{id}");
    bench.call(Method::DELETE, &path).header("cookie", &bob).send().await.problem(404, "not-found");
    bench.call(Method::DELETE, &path).header("cookie", &ada).send().await.expect(204);
    bench.get("/api/v1/traces").key(key).send().await.problem(401, "key-revoked");
}

#[tokio::test]
async fn who_am_i_and_logging_out() {
    let bench = Bench::start().await;
    let cookie = register(&bench, "ada@example.org").await;
    let me = bench.get("/api/v1/auth/me").header("cookie", &cookie).send().await.expect(200);
    assert_eq!((&me["kind"], &me["email"]), (&json!("user"), &json!("ada@example.org")));
    assert_eq!(me["workspaces"][0]["role"], "admin");
    let places = bench.get("/api/v1/workspaces").header("cookie", &cookie).send().await.expect(200);
    assert_eq!(places["data"][0]["id"], me["workspace"]);
    bench.post("/api/v1/auth/logout").header("cookie", &cookie).send().await.expect(204);
    bench
        .get("/api/v1/auth/me")
        .header("cookie", &cookie)
        .send()
        .await
        .problem(401, "session-expired");
    let key = bench.key("read").await;
    let me = bench.get("/api/v1/auth/me").key(&key).send().await.expect(200);
    assert_eq!((&me["kind"], &me["scopes"]), (&json!("key"), &json!(["read"])));
}

#[tokio::test]
async fn registering_twice_badly_or_when_it_is_closed_is_refused() {
    let bench = Bench::start().await;
    register(&bench, "ada@example.org").await;
    let again = json!({ "email": "Ada@Example.org", "password": PASSWORD });
    bench.post("/api/v1/auth/register").json(&again).send().await.problem(409, "taken");
    for (body, status) in [
        (json!({ "email": "no-address", "password": PASSWORD }), 422),
        (json!({ "email": "x@example.org", "password": "short" }), 422),
        (json!({ "email": "x@example.org" }), 422),
        (json!([]), 422),
    ] {
        bench.post("/api/v1/auth/register").json(&body).send().await.problem(status, "invalid");
    }
    let closed = Bench::with(|config, _| config.registration_open = false).await;
    let new = json!({ "email": "x@example.org", "password": PASSWORD });
    closed
        .post("/api/v1/auth/register")
        .json(&new)
        .send()
        .await
        .problem(403, "registration-closed");
}

#[tokio::test]
async fn the_set_up_link_works_once_and_gives_the_default_workspace() {
    let bench = Bench::start().await;
    let token = bench.recorder.setup_token().await.unwrap().unwrap();
    let claim =
        |token: &str| json!({ "token": token, "email": "ada@example.org", "password": PASSWORD });
    bench.post("/api/v1/auth/setup").json(&claim("wrong")).send().await.problem(401, "setup-link");
    let answer = bench.post("/api/v1/auth/setup").json(&claim(&token)).send().await;
    let cookie = cookie(&answer);
    let places = answer.expect(201)["workspaces"].clone();
    assert!(
        places.as_array().unwrap().iter().any(|p| p["id"] == "default" && p["role"] == "admin")
    );
    bench.post("/api/v1/auth/setup").json(&claim(&token)).send().await.problem(401, "setup-link");
    let members =
        bench.get("/api/v1/members?workspace=default").header("cookie", &cookie).send().await;
    assert_eq!(members.expect(200)["data"][0]["email"], "ada@example.org");
}

#[tokio::test]
async fn failed_logins_are_bounded_and_do_not_tell_addresses_apart() {
    let bench = Bench::with(|_, limits| limits.login_attempts_per_min = 3).await;
    register(&bench, "ada@example.org").await;
    let mut details = Vec::new();
    for email in ["ada@example.org", "nobody@example.org", "ada@example.org"] {
        let wrong = json!({ "email": email, "password": "not this one at all" });
        let answer = bench.post("/api/v1/auth/login").json(&wrong).send().await;
        details.push(answer.problem(401, "wrong-password")["detail"].clone());
    }
    assert!(details.windows(2).all(|w| w[0] == w[1]));
    let right = json!({ "email": "ada@example.org", "password": PASSWORD });
    let answer = bench.post("/api/v1/auth/login").json(&right).send().await;
    answer.problem(429, "rate-limited");
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
}

#[tokio::test]
async fn a_key_works_wherever_a_client_puts_it() {
    let bench = Bench::start().await;
    let key = bench.key("ingest,read").await;
    let basic = format!("Basic {}", STANDARD.encode(format!("pk-lf-public:{key}")));
    let user = format!("Basic {}", STANDARD.encode(format!("{key}:")));
    let bearer = format!("Bearer {key}");
    for (name, value) in [
        ("authorization", bearer.as_str()),
        ("authorization", &key),
        ("authorization", &basic),
        ("authorization", &user),
        ("x-api-key", &key),
        ("api-key", &key),
        ("api_key", &key),
        ("x-goog-api-key", &key),
        ("x-exhibit-key", &key),
    ] {
        bench.get("/api/v1/traces").header(name, value).send().await.expect(200);
        let empty = json!({ "resourceSpans": [] });
        bench.post("/v1/traces").header(name, value).json(&empty).send().await.expect(200);
    }
}

#[tokio::test]
async fn every_wrong_key_has_an_answer_of_its_own() {
    let bench = Bench::start().await;
    let get = |key: &str| bench.get("/api/v1/analytics").key(key).send();
    let none = bench.get("/api/v1/analytics").send().await;
    none.problem(401, "no-key");
    assert!(none.header("www-authenticate").starts_with("Bearer"));
    get("not-a-key").await.problem(401, "key-malformed");
    let other = Bench::start().await.key("read").await;
    get(&other).await.problem(401, "key-unknown");
    let soon = Nanos(bench.recorder.now().0 + 50_000_000);
    let (expired, _) = bench.key_until("read", Some(soon)).await;
    tokio::time::sleep(std::time::Duration::from_millis(80)).await;
    get(&expired).await.problem(401, "key-expired");
    let under = bench.key("ingest").await;
    let body = get(&under).await.problem(403, "missing-scope");
    assert_eq!(body["required_scope"], "read");
    let reader = bench.key("read").await;
    let ingest = bench.post("/api/v1/ingest/spans").key(&reader).json(&batch(&[])).send().await;
    assert_eq!(ingest.problem(403, "missing-scope")["required_scope"], "ingest");
    bench.get("/api/v1/keys").key(&reader).send().await.problem(403, "missing-scope");
}

#[tokio::test]
async fn cookies_open_the_api_but_not_ingest_and_not_for_other_sites() {
    let bench =
        Bench::with(|config, _| config.cors_origins = vec!["http://ok.example".into()]).await;
    let cookie = register(&bench, "ada@example.org").await;
    bench
        .post("/api/v1/ingest/spans")
        .header("cookie", &cookie)
        .json(&batch(&[]))
        .send()
        .await
        .problem(401, "no-key");
    let wanted = json!({ "name": "k", "scopes": "read" });
    let create = |origin: &str| {
        bench
            .post("/api/v1/keys")
            .header("cookie", &cookie)
            .header("origin", origin)
            .json(&wanted)
            .send()
    };
    create("http://evil.example").await.problem(403, "cross-origin");
    create(&format!("http://{}", bench.main)).await.expect(201);
    let allowed = create("http://ok.example").await;
    allowed.expect(201);
    assert_eq!(allowed.header("access-control-allow-origin"), "http://ok.example");
    bench
        .post("/api/v1/keys")
        .header("cookie", &cookie)
        .header("sec-fetch-site", "cross-site")
        .json(&wanted)
        .send()
        .await
        .problem(403, "cross-origin");
    let login = json!({ "email": "ada@example.org", "password": PASSWORD });
    bench
        .post("/api/v1/auth/login")
        .header("origin", "http://evil.example")
        .json(&login)
        .send()
        .await
        .problem(403, "cross-origin");
}

#[tokio::test]
async fn the_local_token_acts_in_any_workspace_and_a_wrong_one_does_not() {
    let bench = Bench::start().await;
    register(&bench, "ada@example.org").await;
    let token = bench.keys.local_token().to_owned();
    let wanted = json!({ "name": "cli", "scopes": "ingest,read" });
    let made = bench
        .post("/api/v1/keys")
        .header("x-exhibit-local-token", &token)
        .json(&wanted)
        .send()
        .await;
    let key = made.expect(201)["key"].as_str().unwrap().to_owned();
    bench.get("/api/v1/traces").key(&key).send().await.expect(200);
    bench
        .get("/api/v1/keys")
        .header("x-exhibit-local-token", "00")
        .send()
        .await
        .problem(401, "local-token");
    bench
        .get("/api/v1/keys")
        .header("x-exhibit-local-token", &token)
        .header("x-exhibit-workspace", "ws_unknown")
        .send()
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn ingest_without_a_key_is_open_only_where_it_was_opened() {
    let empty = json!({ "resourceSpans": [] });
    let bench = Bench::with(|config, _| config.keyless_workspace = Some("default".into())).await;
    bench.post("/v1/traces").json(&empty).send().await.expect(200);
    bench.get("/api/v1/traces").send().await.problem(401, "no-key");
    bench
        .post("/v1/traces")
        .header("origin", "http://evil.example")
        .json(&empty)
        .send()
        .await
        .expect(401);
    bench.post("/v1/traces").key("wrong").json(&empty).send().await.expect(401);
}

#[tokio::test]
async fn members_share_a_workspace_by_role() {
    let bench = Bench::start().await;
    let ada = register(&bench, "ada@example.org").await;
    let bob = register(&bench, "bob@example.org").await;
    let me = bench.get("/api/v1/auth/me").header("cookie", &ada).send().await.expect(200);
    let workspace = me["workspace"].as_str().unwrap().to_owned();
    let put = |seat: serde_json::Value| {
        bench.call(Method::PUT, "/api/v1/members").header("cookie", &ada).json(&seat).send()
    };
    put(json!({ "email": "nobody@example.org", "role": "member" })).await.problem(404, "not-found");
    put(json!({ "email": "bob@example.org", "role": "king" })).await.problem(422, "invalid");
    put(json!({ "email": "bob@example.org", "role": "auditor" })).await.expect(204);
    let in_workspace = |path: &str| {
        bench.get(path).header("cookie", &bob).header("x-exhibit-workspace", &workspace).send()
    };
    in_workspace("/api/v1/traces").await.expect(200);
    in_workspace("/api/v1/keys").await.problem(403, "missing-scope");
}

#[tokio::test]
async fn a_workspace_belongs_to_who_makes_it() {
    let bench = Bench::start().await;
    let ada = register(&bench, "ada@example.org").await;
    let bob = register(&bench, "bob@example.org").await;
    let make = |name: &str| {
        let body = json!({ "name": name });
        bench.post("/api/v1/workspaces").header("cookie", &ada).json(&body).send()
    };
    let made = make(" Claims \u{1f4c4} ").await.expect(201);
    assert_eq!(made["data"]["name"], "Claims \u{1f4c4}");
    assert_eq!(made["data"]["role"], "admin");
    let id = made["data"]["id"].as_str().unwrap().to_owned();
    let open = |who: &str| {
        bench.get("/api/v1/keys").header("cookie", who).header("x-exhibit-workspace", &id).send()
    };
    open(&ada).await.expect(200);
    open(&bob).await.problem(404, "not-found");
    make("").await.problem(422, "invalid");
    make("two\nlines").await.problem(422, "invalid");
    make(&"x".repeat(101)).await.problem(422, "invalid");
    let key = bench.key("admin").await;
    let body = json!({ "name": "no account" });
    let refused = bench.post("/api/v1/workspaces").key(&key).json(&body).send().await;
    refused.problem(403, "account-needed");
}

#[tokio::test]
async fn a_key_that_asks_too_often_is_told_to_wait() {
    let bench = Bench::with(|_, limits| limits.key_requests_per_s = 2).await;
    let key = bench.key("read").await;
    let mut refused = None;
    for _ in 0..20 {
        let answer = bench.get("/api/v1/traces").key(&key).send().await;
        if answer.status == 429 {
            refused = Some(answer);
        }
    }
    let refused = refused.expect("20 requests at once are more than 2 a second");
    refused.problem(429, "rate-limited");
    assert_eq!(refused.header("retry-after"), "1");
}

#[tokio::test]
async fn a_key_is_asked_for_in_words_that_read() {
    let bench = Bench::start().await;
    let admin = bench.key("admin,read").await;
    for body in [
        json!({ "name": "k", "scopes": ["fly"] }),
        json!({ "name": "k", "scopes": [] }),
        json!({ "name": "", "scopes": ["read"] }),
        json!({ "name": "k", "scopes": ["read"], "expires_at": "2001-01-01T00:00:00Z" }),
        json!({ "name": "k", "scopes": ["read"], "expires_at": "tomorrow" }),
        json!({ "name": "k", "scopes": ["read"], "prefix": "nope" }),
        json!({ "name": "k", "scopes": ["read"], "sceops": [] }),
        // Nobody gives what they do not have.
        json!({ "name": "k", "scopes": ["export"] }),
    ] {
        bench.post("/api/v1/keys").key(&admin).json(&body).send().await.problem(422, "invalid");
    }
}
