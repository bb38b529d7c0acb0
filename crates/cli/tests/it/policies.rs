//! Policies from the command line, reviews, notifications, and that what rules take out stands nowhere.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    evidence::told_by_all,
    home::{Home, Served, span},
};

/// A made-up account number with a right checksum, in pieces.
fn iban() -> String {
    ["DE89", "3704", "0044", "0532", "0130", "00"].concat()
}

fn policy(action: &str) -> String {
    format!(
        "version: 1\npolicy: desk\nrules:\n  - id: no-iban\n    title: An account number\n    \
         severity: high\n    when: {{finding: {{entity: IBAN_CODE}}}}\n    then: [{action}]\n    tests:\n      \
         - given: {{span: {{input: \"to {}\"}}}}\n        expect: [{}]\n",
        iban(),
        action.trim_start_matches('{').split(':').next().unwrap(),
    )
}

fn home(action: &str) -> Home {
    let home = Home::new().with_few_rules();
    fs::write(home.path().join("rules/policies/desk.yaml"), policy(action)).unwrap();
    home
}

/// Every byte that lies below a directory, blocks of the database unpacked.
fn everything(dir: &Path, out: &mut Vec<Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            everything(&path, out);
        } else if let Ok(bytes) = fs::read(&path) {
            out.push(bytes);
        }
    }
}

fn unpacked(db: &Path) -> Vec<Vec<u8>> {
    let db = rusqlite::Connection::open(db).unwrap();
    let mut statement = db.prepare("SELECT data, raw_bytes FROM blocks").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?))).unwrap();
    let rows: Vec<(Vec<u8>, i64)> = rows.map(Result::unwrap).collect();
    rows.into_iter()
        .map(|(data, size)| zstd::bulk::decompress(&data, size as usize).unwrap())
        .collect()
}

fn holds(all: &[Vec<u8>], word: &str) -> bool {
    all.iter().any(|bytes| bytes.windows(word.len()).any(|w| w == word.as_bytes()))
}

/// Plants the word wherever a client can, at two doors.
fn plant(server: &Served, key: &str, word: &str) {
    let mut planted = span("t", "native");
    planted["name"] = format!("pay {word}").into();
    planted["input"] = json!({"prompt": format!("pay {word} now"), "deep": [{"a": word}]});
    planted["output"] = json!({"response": format!("paid {word}")});
    planted["tags"] = json!([format!("to {word}")]);
    planted["metadata"] = json!({"account": word});
    planted["attributes"] = json!({"args": format!("{{\"iban\": \"{word}\"}}")});
    let mut bad = span("", "bad");
    bad["input"] = json!({"prompt": format!("lost {word}")});
    let (_, answer) = server.post("/api/v1/ingest/spans", key, &json!({"batch": [planted, bad]}));
    assert!(!answer.to_string().contains(word), "{answer}");
    let text = |value: String| json!({"stringValue": value});
    let otlp = json!({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": text("shop".into())}]},
        "scopeSpans": [{"spans": [{
            "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174",
            "name": format!("chat {word}"), "kind": 1,
            "startTimeUnixNano": "1772359200000000000", "endTimeUnixNano": "1772359201000000000",
            "attributes": [
                {"key": "gen_ai.prompt", "value": text(format!("pay {word}"))},
                {"key": "session.id", "value": text(format!("s-{word}"))},
            ],
            "events": [{"timeUnixNano": "1772359200500000000", "name": format!("saw {word}"),
                "attributes": [{"key": "exception.message", "value": text(format!("no {word}"))}]}],
            "status": {"code": 2, "message": format!("refused {word}")},
        }]}],
    }]});
    let (status, answer) = server.post("/v1/traces", key, &otlp);
    assert_eq!(status, 200, "{answer}");
}

#[test]
fn what_a_rule_takes_out_stands_nowhere_after_any_action_at_any_door() {
    let word = iban();
    for action in [
        "redact",
        "{redact: {with: hmac}}",
        "{redact: {with: token}}",
        "{redact: {with: drop}}",
        "quarantine",
        "block",
    ] {
        let home = home(action);
        let log = home.path().join("server.log");
        let mut command = home.command(&["serve", "--listen", "127.0.0.1:0", "--json"]);
        command.args(["--otlp-http", "127.0.0.1:0", "--otlp-grpc", "127.0.0.1:0"]);
        command.env("EXHIBIT_LOG", "debug");
        let server = Served::logging(command, fs::File::create(&log).unwrap());
        let key = server.key();
        plant(&server, &key, &word);
        for path in [
            "/api/v1/traces",
            "/api/v1/traces/t",
            "/api/v1/traces/t/spans",
            "/api/v1/traces/t/spans/native",
            "/api/v1/traces/t/evaluations",
            "/api/v1/dead-letters",
            "/api/v1/sessions",
            "/api/v1/traces?filter=text%20~%20%22pay%22",
        ] {
            let (_, answer) = server.get(path, &key);
            assert!(!answer.to_string().contains(&word), "{action} {path}: {answer}");
        }
        // While it runs the write-ahead log is there; after the stop all is in the database.
        let mut all = Vec::new();
        everything(&home.data(), &mut all);
        assert_eq!(server.stop(), 0);
        everything(&home.data(), &mut all);
        all.extend(unpacked(&home.data().join("exhibit.db")));
        all.push(fs::read(&log).unwrap());
        assert!(!holds(&all, &word), "{action}");
        let verified = home.run(&["verify", "--json"]).ended(0).json();
        assert_eq!(verified["verdict"], "valid", "{action}: {verified}");
    }
}

fn waiting(home: &Home) -> String {
    for _ in 0..100 {
        let listed = home.run(&["reviews", "list", "--json"]).ended(0).json();
        if let Some(id) = listed["data"][0]["review_id"].as_str() {
            return id.to_owned();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("no review was opened");
}

#[test]
fn reviewers_decide_what_becomes_of_what_was_blocked() {
    let word = iban();
    for (command, handling) in
        [("approve", None), ("approve", Some("redact")), ("reject", Some("erase"))]
    {
        let home = home("block");
        let server = home.serve(&[]);
        let key = server.key();
        let mut sent = span("t", "s");
        sent["input"] = json!({"prompt": format!("pay {word} to the florist")});
        assert_eq!(server.post("/api/v1/ingest/spans", &key, &json!({"batch": [sent]})).0, 201);
        let id = waiting(&home);
        let mut arguments = vec!["reviews", command, id.as_str(), "--reason", "true_positive"];
        arguments.extend(handling.into_iter().flat_map(|how| ["--handling", how]));
        home.run(&arguments).ended(0);
        let (_, shown) = server.get("/api/v1/traces/t/spans/s", &key);
        let shown = shown.to_string();
        assert_eq!(shown.contains(&word), handling.is_none(), "{command}: {shown}");
        assert_eq!(shown.contains("florist"), handling != Some("erase"), "{command}: {shown}");
        assert_eq!(server.stop(), 0);
        let verified = home.run(&["verify", "--json"]).ended(0).json();
        assert_eq!(verified["verdict"], "valid", "{command}: {verified}");
        if handling.is_some() {
            let mut all = unpacked(&home.data().join("exhibit.db"));
            everything(&home.data(), &mut all);
            assert!(!holds(&all, &word));
        }
        // What a reviewer took away is not missing from a bundle.
        home.run(&["export", "evidence", "-o", "all.zip"]).ended(0);
        let report = told_by_all(&home, "all.zip", 0, &[]);
        let cleared =
            report["qualifiers"].as_array().unwrap().contains(&"cleared-by-review".into());
        assert_eq!(
            (&report["verdict"], cleared),
            (&json!("valid"), handling.is_some()),
            "{report}"
        );
        home.run(&["reviews", "approve", &id]).ended(1);
        let shown = home.run(&["reviews", "show", &id]).ended(0).out;
        assert!(shown.contains("no-iban"), "{shown}");
    }
}

#[test]
fn a_wrong_policy_file_is_refused_with_its_place_and_the_old_rules_stay() {
    let home = home("flag");
    home.run(&["policy", "test"]).ended(0);
    let good = home.run(&["policy", "test", "--json", "rules/policies/desk.yaml"]).ended(0).json();
    assert_eq!((&good[0]["policy"], &good[0]["tests"]), (&json!("desk"), &json!(1)));
    let text = policy("flag");
    let wrongs = [
        (text.replace("severity: high", "severty: high"), "severty"),
        (text.replace("expect: [flag]", "expect: [block]"), "expects block"),
        (text.replace("{finding: {entity: IBAN_CODE}}", "{expr: \"span.model ==\"}"), "CEL"),
        (
            text.replace("{finding: {entity: IBAN_CODE}}", "{name: {matches: '(a{1000}){1000}'}}"),
            "matches",
        ),
    ];
    for (wrong, reason) in wrongs {
        fs::write(home.path().join("desk.yaml"), wrong).unwrap();
        let said = home.run(&["policy", "test", "desk.yaml"]).ended(1).out;
        assert!(said.contains(reason) && said.contains("policies/desk.yaml"), "{said}");
        let has_line = said.split("policies/desk.yaml").nth(1).is_some_and(|rest| {
            rest.starts_with(':') && rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit())
        });
        assert!(has_line || said.contains("line"), "{said}");
    }
}

#[test]
fn a_simulation_says_what_a_policy_would_change_and_under_the_same_rules_nothing_drifts() {
    let home = home("flag");
    let server = home.serve(&[]);
    let key = server.key();
    for n in 0..6 {
        let mut sent = span(&format!("t{n}"), "s");
        if n % 2 == 0 {
            sent["input"] = json!({"prompt": format!("pay {}", iban())});
        }
        assert_eq!(server.post("/api/v1/ingest/spans", &key, &json!({"batch": [sent]})).0, 201);
    }
    fs::write(home.path().join("proposed.yaml"), policy("block")).unwrap();
    // Whether the server runs or not.
    let said = home.run(&["policy", "simulate", "proposed.yaml", "--from", "-3650d", "--json"]);
    let said = said.ended(0).json();
    assert_eq!(
        (&said["spans"], &said["drifted"], &said["changed"]),
        (&json!(6), &json!(0), &json!(3))
    );
    assert_eq!(said["reviews"], json!([0, 3]));
    assert_eq!(said["actions"]["block"], json!([0, 3]));
    assert_eq!(server.stop(), 0);
    let text = home.run(&["policy", "simulate", "proposed.yaml", "--from", "-3650d"]).ended(0).out;
    assert!(text.contains("no-iban"), "{text}");
    home.run(&["policy", "simulate", "proposed.yaml", "--from", "yesterday"]).ended(2);
}

/// Rules over everything that lists know of spans and traces, by field and by expression.
const FACTS: &str = r#"
  - {id: kind, title: t, severity: low, when: {kind: llm}, then: [flag]}
  - {id: model, title: t, severity: low, when: {model: gpt-4o}, then: [tag: seen]}
  - {id: cost, title: t, severity: low, when: {cost_usd: {gt: 0.002}}, then: [flag]}
  - {id: slow, title: t, severity: low, when: {latency_ms: {gte: 3000}}, then: [flag]}
  - {id: tokens, title: t, severity: high, when: {tokens_out: {gt: 3}}, then: [review: {queue: q}]}
  - {id: failed, title: t, severity: low, when: {status: error}, then: [flag]}
  - {id: tagged, title: t, severity: low, when: {tag: [beta, seen]}, then: [flag]}
  - {id: who, title: t, severity: low, when: {metadata.team: {not_in: [red]}}, then: [flag]}
  - {id: session, title: t, severity: low, when: {session: {exists: true}}, then: [notify]}
  - {id: clean, title: t, severity: low, when: {not: {finding: {category: pii}}}, then: [tag: clean]}
  - id: said
    title: t
    severity: low
    when: {expr: "span.name.startsWith('s') && span.tokens > 4 && !('beta' in span.tags)"}
    then: [flag]
"#;

/// Rules over whole traces.
const STEPS: &str = r#"
  - {id: many, title: t, severity: low, scope: trace, when: {calls: {kind: llm, count: ">1"}}, then: [flag]}
  - {id: deep, title: t, severity: low, scope: trace, when: {depth: ">1"}, then: [flag]}
  - {id: dear, title: t, severity: low, scope: trace, when: {expr: "trace.cost_usd > 0.003"}, then: [flag]}
"#;

#[test]
fn a_simulation_that_opens_no_records_says_what_one_says_that_opens_them_all() {
    let home = home("flag");
    let server = home.serve(&[]);
    let key = server.key();
    for n in 0..40_u64 {
        let mut sent = span(&format!("t{}", n / 3), &format!("s{n}"));
        sent["name"] = "step".into();
        sent["span_type"] = ["llm", "tool", "agent"][n as usize % 3].into();
        sent["model"] = [json!("gpt-4o"), Value::Null][n as usize % 2].clone();
        sent["cost"] = json!(n as f64 / 10_000.0);
        sent["end_time"] = json!(format!("2026-11-21T07:00:{:02}Z", n % 7));
        sent["start_time"] = json!("2026-11-21T07:00:00Z");
        sent["duration_ms"] = json!(1_000 * (n % 7));
        (sent["tokens_in"], sent["tokens_out"]) = (json!(n % 5), json!(n % 6));
        sent["tokens_total"] = json!(n % 5 + n % 6);
        sent["status"] = ["ok", "ok", "error"][n as usize % 3].into();
        sent["tags"] = [json!(["beta"]), json!([])][n as usize % 2].clone();
        let team = ["red", "blue"][n as usize % 2];
        sent["metadata"] = json!({ "team": team });
        sent["session_id"] = [json!("s"), Value::Null][n as usize % 2].clone();
        if n % 3 == 1 {
            sent["parent_span_id"] = json!(format!("s{}", n - 1));
        }
        if n % 8 == 0 {
            sent["input"] = json!({"prompt": format!("pay {}", iban())});
        }
        let (status, answer) = server.post("/api/v1/ingest/spans", &key, &json!({"batch": [sent]}));
        assert_eq!(status, 201, "{answer}");
    }
    assert_eq!(server.stop(), 0);
    let head = "version: 1\npolicy: proposed\nrules:";
    // Never true, and yet everything has to be at hand to say so.
    let all = "  - {id: none, title: t, severity: low, when: {expr: \"span.attributes.nothing == 'x'\"}, then: [flag]}\n";
    for (rules, opened) in [(FACTS.to_owned(), 5), (format!("{FACTS}{}", &STEPS[1..]), 5)] {
        let simulate = |text: String| {
            fs::write(home.path().join("proposed.yaml"), text).unwrap();
            let said =
                home.run(&["policy", "simulate", "proposed.yaml", "--from", "-3650d", "--json"]);
            said.ended(0).json()
        };
        let mut quick = simulate(format!("{head}{rules}"));
        let mut whole = simulate(format!("{head}{rules}{all}"));
        assert_eq!((&quick["opened"], &whole["opened"]), (&json!(opened), &json!(40)));
        assert_eq!((&quick["spans"], &quick["drifted"]), (&json!(40), &json!(0)));
        let spoke = quick["rules"].as_array().unwrap().iter().filter(|rule| rule["then"] != 0);
        assert!(spoke.count() >= 11, "{quick}");
        for said in [&mut quick, &mut whole] {
            said["opened"] = Value::Null;
            said["rules_that_read_text"] = Value::Null;
            // Which ones stand for the rest hangs on the order in which they are looked at.
            for rule in said["rules"].as_array_mut().unwrap() {
                rule["samples"] = Value::Null;
            }
        }
        assert_eq!(quick, whole);
    }
}

/// Takes one request and answers it.
fn receive(listener: &TcpListener, answer: &str) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(n) = stream.read(&mut chunk) {
        text.extend_from_slice(&chunk[..n]);
        if n == 0 || text.ends_with(b"}") {
            break;
        }
    }
    let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_webhook_goes_where_its_channel_says_and_not_where_the_receiver_sends_it() {
    let (asked, elsewhere) =
        (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    let home = home("block").with("HOOK_SECRET", &format!("whsec_{}", "AQEB".repeat(8)));
    let file = format!(
        "version: 1\nchannels:\n  - {{name: desk, kind: webhook, url: \"http://127.0.0.1:{}/hook\", \
         secret_env: HOOK_SECRET, allow_private: true, events: [review.]}}\n",
        port(&asked)
    );
    fs::write(home.path().join("rules/notifications.yaml"), file).unwrap();
    let server = home.serve(&[]);
    let key = server.key();
    let mut sent = span("t", "s");
    sent["input"] = json!({"prompt": format!("pay {}", iban())});
    assert_eq!(server.post("/api/v1/ingest/spans", &key, &json!({"batch": [sent]})).0, 201);
    let other = format!("http://127.0.0.1:{}/inside", port(&elsewhere));
    receive(&asked, &format!("307 Temporary Redirect\r\nlocation: {other}"));
    receive(&asked, "204 No Content");
    elsewhere.set_nonblocking(true).unwrap();
    assert!(elsewhere.accept().is_err(), "a redirect was followed");
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_webhook_is_signed_tried_again_and_kept_from_private_addresses() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Base64 of 24 equal bytes.
    let home = home("block").with("HOOK_SECRET", &format!("whsec_{}", "AQEB".repeat(8)));
    let channel = |name: &str, allowed: bool| {
        format!(
            "  - {{name: {name}, kind: webhook, url: \"http://127.0.0.1:{port}/hook\", secret_env: \
             HOOK_SECRET, allow_private: {allowed}, events: [review.]}}\n"
        )
    };
    let file =
        format!("version: 1\nchannels:\n{}{}", channel("desk", true), channel("shut", false));
    fs::write(home.path().join("rules/notifications.yaml"), file).unwrap();
    let server = home.serve(&[]);
    let key = server.key();
    let mut sent = span("t", "s");
    sent["input"] = json!({"prompt": format!("pay {}", iban())});
    assert_eq!(server.post("/api/v1/ingest/spans", &key, &json!({"batch": [sent]})).0, 201);
    let first = receive(&listener, "500 Not now");
    let again = receive(&listener, "204 No Content");
    let header = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.to_ascii_lowercase().starts_with(name));
        line.and_then(|line| line.split_once(": ")).unwrap().1.to_owned()
    };
    assert_eq!(header(&first, "webhook-id:"), header(&again, "webhook-id:"));
    assert!(header(&again, "webhook-signature:").starts_with("v1,"));
    let body: Value = serde_json::from_str(again.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(body["type"], "review.opened");
    assert!(!again.contains(&iban()));
    let made = home.run(&["keys", "create", "--name", "a", "--scopes", "admin", "--json"]).ended(0);
    let admin = made.json()["key"].as_str().unwrap().to_owned();
    let started = Instant::now();
    loop {
        let (_, log) = server.get("/api/v1/notifications/deliveries", &admin);
        let rows = log["data"].as_array().unwrap().clone();
        // A delivery that is not listed yet is one that is still to come.
        let of = |name: &str| {
            let row = rows.iter().find(|row| row["channel"] == name);
            row.cloned().unwrap_or_else(|| json!({"next_at": "soon"}))
        };
        if of("desk")["delivered_at"].is_string() && of("shut")["next_at"].is_null() {
            assert_eq!(
                (of("desk")["attempts"].as_u64(), of("shut")["attempts"].as_u64()),
                (Some(2), Some(1))
            );
            assert!(of("shut")["last"].as_str().unwrap().contains("private"));
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{log}");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(server.stop(), 0);
}
