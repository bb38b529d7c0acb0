//! Replays and ablations over the API of a running server.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    home::{Home, Served, span},
    http,
    provider::Provider,
};

fn home(provider: &Provider) -> Home {
    let key = ["sk", "test", "0000"].join("-");
    Home::new()
        .with_few_rules()
        .with("OPENAI_API_KEY", &key)
        .with("OPENAI_BASE_URL", &provider.base_url)
}

/// A key that may spend.
fn key(home: &Home) -> String {
    let made = home.run(&[
        "keys",
        "create",
        "--name",
        "all",
        "--scopes",
        "ingest,read,replay,admin",
        "--json",
    ]);
    made.ended(0).json()["key"].as_str().unwrap().to_owned()
}

/// An agent whose one call has a system prompt and a question.
fn record(served: &Served, key: &str, trace: &str) {
    let mut call = span(trace, "call");
    call["parent_span_id"] = "root".into();
    call["input"] = json!({"messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is an oak?"}]});
    call["output"] = json!({"messages": [{"role": "assistant", "content": "It is a tree."}]});
    let mut root = span(trace, "root");
    root["span_type"] = "agent".into();
    root["model"] = Value::Null;
    root["tokens_in"] = Value::Null;
    root["tokens_out"] = Value::Null;
    root["output"] = json!({"answer": "It is a tree."});
    let sent = served.post("/api/v1/ingest/spans", key, &json!({"batch": [root, call]}));
    assert_eq!(sent.0, 201, "{}", sent.1);
}

#[track_caller]
fn begun(served: &Served, key: &str, path: &str, body: &Value) -> String {
    let (status, answer) = served.post(path, key, body);
    assert_eq!(status, 202, "{answer}");
    assert_eq!(answer["data"]["state"], "running");
    answer["data"]["job_id"].as_str().unwrap().to_owned()
}

/// The job when it is over.
fn over(served: &Served, key: &str, job: &str) -> Value {
    let begun = Instant::now();
    loop {
        let (status, answer) = served.get(&format!("/api/v1/jobs/{job}"), key);
        assert_eq!(status, 200, "{answer}");
        if answer["data"]["state"] != "running" {
            return answer["data"].clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(50), "{answer}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_trace_is_run_again_over_the_api_and_found_again_after_a_restart() {
    let provider = Provider::that_answers("It is a plant.");
    let home = home(&provider);
    let served = home.serve(&[]);
    let key = key(&home);
    record(&served, &key, "t1");
    let path = "/api/v1/traces/t1/replays";
    let (_, estimate) = served.post(&format!("{path}/estimate"), &key, &json!({"repeats": 2}));
    assert_eq!(estimate["data"]["calls"], 2, "{estimate}");
    assert!(estimate["data"]["cost_nano_usd"].as_str().unwrap().parse::<u64>().unwrap() > 0);
    assert!(provider.asked.lock().unwrap().is_empty(), "an estimate spends nothing");

    let (status, unasked) = served.post(path, &key, &json!({}));
    assert_eq!((status, unasked["code"].as_str()), (422, Some("no-budget")), "{unasked}");
    let (status, small) = served.post(path, &key, &json!({"budget_usd": 1e-9}));
    assert_eq!((status, small["code"].as_str()), (422, Some("budget")), "{small}");

    let wanted = json!({"repeats": 2, "model": "gpt-4o", "temperature": 0.0, "budget_usd": 1.0});
    let job = begun(&served, &key, path, &wanted);
    let done = over(&served, &key, &job);
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(done["traces"].as_array().unwrap().len(), 2);
    assert_eq!(done["traces"][0], job.as_str());
    assert_eq!(done["result"]["determinism"], 1.0);
    let step = &done["result"]["replays"][0]["steps"][0];
    assert_eq!((&step["span_id"], &step["same"]), (&json!("call"), &json!(false)), "{step}");
    assert_eq!(provider.asked.lock().unwrap()[0]["model"], "gpt-4o");
    let (_, new) = served.get(&format!("/api/v1/traces/{job}"), &key);
    assert_eq!(new["data"]["metadata"]["replay_of"], "t1", "{new}");
    assert_eq!(new["data"]["status"], "ok");
    let (_, list) = served.get(path, &key);
    assert_eq!(list["data"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(served.stop(), 0);

    let served = home.serve(&[]);
    let again = over(&served, &key, &job);
    assert_eq!(again["state"], "done", "{again}");
    let told = |job: &Value| {
        let mut told = job["result"]["replays"][0].clone();
        // The engine's clock and the record's differ by less than a span's stamps say.
        told["steps"][0]["latency_ms"] = Value::Null;
        told
    };
    assert_eq!(told(&again), told(&done), "told again from what was sealed");
    assert_eq!(again["traces"], done["traces"]);
    assert_eq!(served.stop(), 0);
    home.run(&["verify"]).ended(0);
}

#[test]
fn an_ablation_goes_on_after_the_server_was_killed_and_two_do_not_meet() {
    let provider = Provider::that_answers("It is a tree.");
    let home = home(&provider);
    let served = home.serve(&[]);
    let key = key(&home);
    record(&served, &key, "t1");
    let path = "/api/v1/traces/t1/ablations";
    let wanted = json!({"repeats": 4, "seed": 9, "budget_usd": 1.0});
    let (_, estimate) = served.post(&format!("{path}/estimate"), &key, &wanted);
    // A baseline, and each of both messages taken away, four times.
    assert_eq!(estimate["data"]["calls"], 12, "{estimate}");
    assert_eq!(estimate["data"]["causes"], 2);
    provider.thinks_for(Duration::from_millis(120));
    let job = begun(&served, &key, path, &wanted);
    let waiting = Instant::now();
    while served.get(&format!("/api/v1/jobs/{job}"), &key).1["data"]["progress"]["done"]
        .as_u64()
        .unwrap()
        < 2
    {
        assert!(waiting.elapsed() < Duration::from_secs(30), "no progress is told");
        std::thread::sleep(Duration::from_millis(10));
    }
    served.kill();

    provider.thinks_for(Duration::ZERO);
    let served = home.serve(&[]);
    let left = over(&served, &key, &job);
    assert_eq!((&left["state"], &left["resumable"]), (&json!("interrupted"), &json!(true)));
    let measured = left["progress"]["done"].as_u64().unwrap();
    assert!(measured >= 2, "{left}");
    let before = provider.asked.lock().unwrap().len() as u64;
    let resumed = begun(&served, &key, path, &json!({"resume": job, "budget_usd": 1.0}));
    assert_eq!(resumed, job);
    let other = begun(&served, &key, path, &json!({"repeats": 2, "budget_usd": 1.0}));
    let (done, beside) = (over(&served, &key, &job), over(&served, &key, &other));
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!((&done["result"]["repeats"], &done["result"]["seed"]), (&json!(4), &json!(9)));
    assert_eq!(beside["state"], "done", "{beside}");
    assert_ne!(other, job);
    let made = provider.asked.lock().unwrap().len() as u64 - before;
    assert_eq!(made, 12 - measured + 6, "what was measured is not paid for again");
    assert!(done["result"]["explanation"].as_str().unwrap().contains("sampling noise"));
    assert!(done["result"]["sankey"]["links"].as_array().is_some_and(|l| l.len() == 2));
    let (_, list) = served.get(path, &key);
    assert_eq!(list["data"].as_array().unwrap().len(), 2, "{list}");
    let (status, finished) = served.post(path, &key, &json!({"resume": job, "budget_usd": 1.0}));
    assert_eq!((status, finished["code"].as_str()), (409, Some("conflict")), "{finished}");
    assert_eq!(served.stop(), 0);
    home.run(&["verify"]).ended(0);
}

#[test]
fn a_job_is_cancelled_while_its_provider_thinks() {
    let provider = Provider::that_answers("It is a tree.");
    provider.thinks_for(Duration::from_secs(20));
    let home = home(&provider);
    let served = home.serve(&[]);
    let key = key(&home);
    record(&served, &key, "t1");
    let job = begun(
        &served,
        &key,
        "/api/v1/traces/t1/replays",
        &json!({"budget_usd": 1.0, "repeats": 3}),
    );
    std::thread::sleep(Duration::from_millis(200));
    let path = format!("/api/v1/jobs/{job}");
    let stopped = http::send(&served.address(), "DELETE", &path, &key, &Value::Null).unwrap();
    assert_eq!(stopped.0, 202, "{}", stopped.1);
    let begun = Instant::now();
    let over = over(&served, &key, &job);
    assert!(begun.elapsed() < Duration::from_secs(10), "it does not wait for the provider");
    assert_eq!(
        (&over["state"], &over["error"]["code"]),
        (&json!("cancelled"), &json!("cancelled"))
    );
    let again = http::send(&served.address(), "DELETE", &path, &key, &Value::Null).unwrap();
    assert_eq!(again.0, 409, "{}", again.1);
}

#[test]
fn what_is_missing_is_said() {
    let provider = Provider::that_refuses();
    let home = Home::new().with_few_rules().with("OPENAI_BASE_URL", &provider.base_url);
    let served = home.serve(&["--seal-after", "1s"]);
    let key = key(&home);
    record(&served, &key, "t1");
    record(&served, &key, "t2");
    let budget = json!({"budget_usd": 1.0});
    let replay = |trace: &str, body: &Value| {
        let (status, answer) = served.post(&format!("/api/v1/traces/{trace}/replays"), &key, body);
        let code = answer["code"].as_str().unwrap_or_default().to_owned();
        (status, code, answer["detail"].as_str().unwrap_or_default().to_owned(), answer)
    };
    assert_eq!(replay("nobody", &budget).0, 404);
    let mut running = span("t3", "call");
    running["status"] = "running".into();
    running["end_time"] = Value::Null;
    served.post("/api/v1/ingest/spans", &key, &json!({"batch": [running]}));
    let (status, code, detail, _) = replay("t3", &budget);
    assert_eq!((status, code.as_str()), (409, "running"), "{detail}");
    assert!(detail.contains("call"), "{detail}");
    let (status, _, detail, answer) = replay("t1", &json!({"from": "nowhere", "budget_usd": 1.0}));
    assert_eq!((status, &answer["reason"]), (422, &json!("unknown_span")), "{detail}");
    let (status, _, detail, _) = replay("t1", &json!({"tools": "live", "budget_usd": 1.0}));
    assert!(status == 422 && detail.contains("exhibit replay"), "{detail}");

    // No key in the environment, then one that a workspace has set and that is refused.
    let mut other = span("t4", "call");
    other["provider"] = "anthropic".into();
    other["model"] = "claude-haiku-4-5".into();
    other["input"] = json!({"messages": [{"role": "user", "content": "What is an oak?"}]});
    served.post("/api/v1/ingest/spans", &key, &json!({"batch": [other]}));
    let (status, code, detail, answer) = replay("t4", &budget);
    assert_eq!((status, code.as_str()), (409, "no-provider"), "{answer}");
    assert!(detail.contains("ANTHROPIC_API_KEY"), "{detail}");
    let setting = "/api/v1/settings/provider";
    let mine = ["sk", "workspace", "key", "4711"].join("-");
    let wanted = json!({"provider": "openai", "api_key": mine, "model": "gpt-4o-mini"});
    let put = http::send(&served.address(), "PUT", setting, &key, &wanted).unwrap();
    assert_eq!(put.0, 204, "{}", put.1);
    let (_, shown) = served.get(setting, &key);
    assert_eq!(shown["data"]["source"], "workspace");
    assert!(!shown.to_string().contains(&mine), "{shown}");
    let job = begun(&served, &key, "/api/v1/traces/t1/replays", &budget);
    let failed = over(&served, &key, &job);
    assert_eq!(failed["state"], "failed", "{failed}");
    assert_ne!(failed["error"]["code"], "cancelled");
    assert_eq!(*provider.keys.lock().unwrap(), std::slice::from_ref(&mine));
    let (_, recorded) = served.get(&format!("/api/v1/traces/{job}"), &key);
    assert!(!recorded.to_string().contains(&mine));
    let dropped = http::send(&served.address(), "DELETE", setting, &key, &Value::Null).unwrap();
    assert_eq!(dropped.0, 204);

    std::thread::sleep(Duration::from_secs(3));
    home.run(&["erase", "--trace", "t2", "--reason", "request 1"]).ended(0);
    let (status, code, detail, _) = replay("t2", &budget);
    assert_eq!((status, code.as_str()), (410, "erased"), "{detail}");

    // A key that may only write cannot spend.
    let narrow = home.run(&["keys", "create", "--name", "w", "--scopes", "ingest,read", "--json"]);
    let narrow = narrow.ended(0).json()["key"].as_str().unwrap().to_owned();
    let (status, refused) = served.post("/api/v1/traces/t1/replays", &narrow, &budget);
    assert_eq!((status, refused["required_scope"].as_str()), (403, Some("replay")), "{refused}");
    assert_eq!(served.stop(), 0);
    let bytes: Vec<u8> = std::fs::read_dir(home.data())
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("exhibit.db"))
        .flat_map(|entry| std::fs::read(entry.path()).unwrap())
        .collect();
    assert!(
        !bytes.windows(mine.len()).any(|w| w == mine.as_bytes()),
        "the key is kept in the clear"
    );
}
