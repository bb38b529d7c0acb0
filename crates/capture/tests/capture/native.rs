//! The native API: what is sent reads back, and what is wrong is named.

use exhibit_capture::{Context, DecodeError, Decoded, map, native};
use exhibit_model::{Flag, Limits, Nanos, Span, SpanId, SpanKind, Status, TraceId};
use serde_json::{Value, json};

use crate::support::{NOW, with};

fn batch(spans: Value) -> Decoded {
    let body = json!({"batch": spans}).to_string();
    with(|context| native::span_batch(body.as_bytes(), context)).unwrap()
}

fn one(span: Value) -> Span {
    let mut decoded = batch(json!([span]));
    assert_eq!(decoded.rejected, vec![]);
    let mut span = decoded.spans.remove(0);
    map(&mut span);
    span
}

fn refused(span: Value) -> (String, String) {
    let decoded = batch(json!([{"trace_id": "t", "span_id": "good"}, span]));
    assert_eq!(decoded.spans.len(), 1, "the good span goes on");
    assert_eq!(decoded.rejected.len(), 1, "{:?}", decoded.spans);
    assert_eq!(decoded.rejected[0].index, 1);
    (decoded.rejected[0].pointer.clone(), decoded.rejected[0].reason.clone())
}

fn quickstart() -> Value {
    json!({
        "span_id": "0d4c6b1e-1c7e-4c5c-9a54-0a9a6a5b2f10",
        "trace_id": "7b9c1d7a-60f1-4f0e-8f8b-3c8a1d2e4f55",
        "parent_span_id": null, "name": "my_llm_call", "span_type": "llm",
        "start_time": "2027-01-15T08:00:00.123456+00:00",
        "end_time": "2027-01-15T08:00:00.623456+00:00",
        "status": "ok", "input": {"prompt": "..."}, "output": {"response": "..."},
        "model": "gpt-4o-mini", "tokens_in": 100, "tokens_out": 50, "cost": 0.0001,
        "tool_calls": [{"tool_name": "web_search", "arguments": {"query": "AI safety 2026"},
            "result": {"output": "Found 3 papers..."}, "selected_from": ["web_search", "calculator"]}],
        "attributes": {"team": "red", "gen_ai.response.id": "r-1"}
    })
}

#[test]
fn what_is_sent_reads_back_under_the_same_names() {
    let span = one(quickstart());
    assert_eq!(span.kind, Some(SpanKind::Llm));
    assert_eq!(span.cost_reported.unwrap().0, 100_000);
    assert_eq!(span.response_id.as_deref(), Some("r-1"), "known keys among the attributes count");
    let fields = native::fields(&span);
    for (name, sent) in quickstart().as_object().unwrap() {
        if !name.ends_with("_time") {
            assert_eq!(fields.get(name), Some(sent), "{name}");
        }
    }
    assert_eq!(fields["start_time"], "2027-01-15T08:00:00.123456Z");
}

#[test]
fn a_word_of_the_clients_own_for_the_kind_is_kept() {
    let span = one(json!({"trace_id": "t", "span_id": "s", "span_type": "Handoff!"}));
    assert_eq!(span.kind, Some(SpanKind::Custom));
    assert_eq!(native::fields(&span)["span_type"], "Handoff!");
}

#[test]
fn names_without_meaning_here_are_kept_and_read_back() {
    let span = one(json!({"trace_id": "t", "span_id": "s", "depth": 3, "run": {"a": [1]}}));
    let fields = native::fields(&span);
    assert_eq!((&fields["depth"], &fields["run"]), (&json!(3), &json!({"a": [1]})));
    assert_eq!(fields["attributes"], json!({}));
}

#[test]
fn a_running_span_has_no_end_and_a_finished_one_without_an_end_is_flagged() {
    let running =
        one(json!({"trace_id": "t", "span_id": "s", "status": "running", "end_time": null}));
    assert_eq!((running.status, running.end), (Status::Running, None));
    assert!(!running.flags.contains(&Flag::EndMissing));
    let both = one(json!({"trace_id": "t", "span_id": "s", "status": "running",
        "end_time": "2027-01-15T08:00:00Z"}));
    assert_eq!((both.status, both.end), (Status::Running, None));
    assert!(both.flags.contains(&Flag::EndMissing));
    let done = one(json!({"trace_id": "t", "span_id": "s", "status": "ok"}));
    assert_eq!((done.status, done.end), (Status::Ok, Some(NOW)));
    assert!(done.flags.contains(&Flag::EndMissing));
}

#[test]
fn other_words_for_a_status_are_understood() {
    for (word, status) in [
        ("success", Status::Ok),
        ("completed", Status::Ok),
        ("failed", Status::Error),
        ("in_progress", Status::Running),
        ("pending", Status::Running),
        ("ERROR", Status::Error),
    ] {
        let span = one(json!({"trace_id": "t", "span_id": "s", "status": word}));
        assert_eq!(span.status, status, "{word}");
    }
    assert_eq!(
        refused(json!({"trace_id": "t", "span_id": "s", "status": "fine"})).0,
        "/batch/1/status"
    );
}

#[test]
fn a_result_that_is_text_is_refused_with_the_way_to_write_it() {
    for result in [json!("found"), json!(["a"]), json!(1), json!(true)] {
        let (pointer, reason) = refused(json!({"trace_id": "t", "span_id": "s",
            "tool_calls": [{"tool_name": "a", "result": result}]}));
        assert_eq!(pointer, "/batch/1/tool_calls/0/result");
        assert!(reason.contains("{\"output\": \"...\"}"), "{reason}");
    }
    one(
        json!({"trace_id": "t", "span_id": "s", "tool_calls": [{"tool_name": "a", "result": null}]}),
    );
}

#[test]
fn impossible_numbers_are_refused_by_pointer() {
    for (field, value) in [
        ("tokens_in", json!(-1)),
        ("tokens_in", json!(1.5)),
        ("tokens_out", json!("NaN")),
        ("tokens_in", json!(1e30)),
        ("tokens_out", json!("x")),
        ("cost", json!(-0.1)),
        ("cost", json!("inf")),
        ("cost", json!("NaN")),
        ("cost", json!(1e300)),
        ("start_time", json!("yesterday")),
        ("end_time", json!(true)),
        ("attributes", json!([1])),
        ("tool_calls", json!("x")),
        ("trace_id", json!("a b")),
        ("span_id", json!("~")),
        ("span_id", json!("x".repeat(300))),
        ("parent_span_id", json!("a/b")),
        ("name", json!({})),
    ] {
        let mut span = json!({"trace_id": "t", "span_id": "s"});
        span[field] = value.clone();
        let (pointer, _) = refused(span);
        assert_eq!(pointer, format!("/batch/1/{field}"), "{value}");
    }
    assert_eq!(refused(json!(7)).0, "/batch/1");
}

#[test]
fn numbers_as_text_are_read_and_flagged() {
    let span = one(json!({"trace_id": "t", "span_id": "s", "tokens_in": "12", "cost": "0.5",
        "start_time": "1800000000", "end_time": 1_800_000_001_500i64}));
    assert_eq!(span.usage.unwrap().input_uncached, 12);
    assert_eq!(span.cost_reported.unwrap().0, 500_000_000);
    assert_eq!(span.start, Some(Nanos(1_800_000_000_000_000_000)));
    assert_eq!(span.duration(), Some(Nanos(1_500_000_000)));
    assert!(span.flags.contains(&Flag::NumberAsText));
    assert_eq!(native::fields(&span)["tokens_in"], 12);
}

#[test]
fn a_span_without_ids_gets_the_same_ids_on_every_retry() {
    let (a, b) = (one(json!({"name": "x"})), one(json!({"name": "x"})));
    assert_eq!((&a.trace_id, &a.span_id), (&b.trace_id, &b.span_id));
    assert_ne!(a.span_id, one(json!({"name": "y"})).span_id);
    assert!(a.flags.contains(&Flag::TraceIdDerived) && a.flags.contains(&Flag::SpanIdDerived));
}

#[test]
fn odd_times_and_parents_are_tolerated_and_flagged() {
    let span = one(json!({"trace_id": "t", "span_id": "s", "parent_span_id": "s",
        "start_time": "2099-01-01T00:00:00Z", "end_time": "1999-01-01T00:00:00Z"}));
    for flag in [Flag::SelfParent, Flag::FutureStamp, Flag::PastStamp, Flag::EndBeforeStart] {
        assert!(span.flags.contains(&flag), "{flag}");
    }
    let bare = one(json!({"trace_id": "t", "span_id": "s", "status": "running"}));
    assert!(bare.flags.contains(&Flag::StartMissing));
}

#[test]
fn text_with_nul_is_kept_without_it() {
    let span = one(json!({"trace_id": "t", "span_id": "s", "name": "a\0b",
        "input": {"k\0": ["x\0y"]}}));
    assert_eq!(span.name.as_deref(), Some("a\u{FFFD}b"));
    assert_eq!(native::fields(&span)["input"], json!({"k\u{FFFD}": ["x\u{FFFD}y"]}));
    assert!(span.flags.contains(&Flag::InvalidText));
}

#[test]
fn a_batch_of_another_shape_is_refused_as_a_whole() {
    let run = |body: &str| with(|c| native::span_batch(body.as_bytes(), c)).unwrap_err();
    assert_eq!(run("[]").code(), "wrong-shape");
    assert_eq!(run("{\"batch\":{}}").pointer(), Some("/batch"));
    assert_eq!(run("{\"spans\":[]}").pointer(), Some("/batch"));
    assert_eq!(run("{\"batch\":[{\"a\":1,\"a\":1}]}").code(), "duplicate-key");
    assert!(batch(json!([])).spans.is_empty());
    let limits = Limits { spans_per_request_max: 2, ..Limits::default() };
    let context = Context { received: NOW, limits: &limits, labels: &[] };
    let body = json!({"batch": [{}, {}, {}]}).to_string();
    assert_eq!(native::span_batch(body.as_bytes(), &context).unwrap_err().code(), "too-many");
}

#[test]
fn a_registration_is_one_record_under_the_reserved_id() {
    let body = json!({"trace": {"trace_id": "t-1", "agent_name": "my-agent",
        "environment": "development", "metadata": {"user_prompt": "Hi", "n": 3},
        "name": "Nightly", "tags": ["a"], "other": 1}});
    let decoded = with(|c| native::trace_registration(body.to_string().as_bytes(), c)).unwrap();
    let mut span = decoded.spans.into_iter().next().unwrap();
    map(&mut span);
    assert!(span.span_id.is_registration());
    assert_eq!(span.agent.as_deref(), Some("my-agent"));
    assert_eq!(span.environment.as_deref(), Some("development"));
    assert_eq!(span.trace_name.as_deref(), Some("Nightly"));
    assert_eq!(span.metadata["user_prompt"], "Hi");
    assert_eq!(span.metadata["n"], "3");
    assert_eq!(span.tags, ["a"]);
    assert_eq!((span.kind, span.flags.len()), (None, 0));
    let error = with(|c| native::trace_registration(b"{\"trace\":{\"trace_id\":\"a b\"}}", c));
    assert_eq!(error.unwrap_err().pointer(), Some("/trace/trace_id"));
    let error = with(|c| native::trace_registration(b"{\"trace\":[]}", c)).unwrap_err();
    assert_eq!(error.pointer(), Some("/trace"));
}

fn simple(body: Value) -> Result<native::SimpleTrace, DecodeError> {
    let mut mint = || (TraceId::new("tr_MINTED").unwrap(), SpanId::new("sp_MINTED").unwrap());
    with(|c| native::simple_trace(body.to_string().as_bytes(), c, &mut mint)).map(|mut trace| {
        map(&mut trace.span);
        trace
    })
}

#[test]
fn the_quick_start_call_becomes_one_model_span() {
    let trace = simple(json!({"model": "gpt-4o", "input": "Summarize this quarterly report",
        "metadata": {"workflow": "finance-review"}}))
    .unwrap();
    let span = trace.span;
    assert_eq!(span.trace_id.as_str(), "tr_MINTED");
    assert_eq!((span.kind, span.status), (Some(SpanKind::Llm), Status::Ok));
    assert_eq!(span.model.as_deref(), Some("gpt-4o"));
    assert_eq!(span.metadata["workflow"], "finance-review");
    assert_eq!(
        exhibit_capture::previews(&span).input.as_deref(),
        Some("Summarize this quarterly report")
    );
    assert_eq!(native::fields(&span)["input"], "Summarize this quarterly report");
}

#[test]
fn the_sdks_record_is_read_whole_and_a_retry_is_the_same_trace() {
    let body = || {
        json!({"actionName": "support-reply", "model": "gpt-4o-mini",
        "environment": "prod", "status": "completed", "requestId": "9f3c", "prompt": "Hi",
        "response": "Hello", "metrics": {"promptTokens": 10, "completionTokens": 4,
        "totalTokens": 14, "latencyMs": 1500, "estimatedCostUsd": 0.002, "finishReason": "stop",
        "custom": 1}, "parameters": {"temperature": 0.3}, "provider": {"name": "OpenAI", "region": "eu"},
        "metadata": {"k": "v"}, "extra": [1]})
    };
    let (a, b) = (simple(body()).unwrap(), simple(body()).unwrap());
    assert_eq!(a.request_id.as_deref(), Some("9f3c"));
    assert_eq!((&a.span.trace_id, &a.span.span_id), (&b.span.trace_id, &b.span.span_id));
    assert!(a.span.trace_id.as_str().starts_with("tr_") && a.span.trace_id.as_str().len() == 29);
    let span = a.span;
    assert_eq!(span.name.as_deref(), Some("support-reply"));
    assert_eq!(span.trace_name.as_deref(), Some("support-reply"));
    assert_eq!(span.environment.as_deref(), Some("prod"));
    assert_eq!(span.provider.as_deref(), Some("openai"));
    assert_eq!(span.finish_reasons, ["stop"]);
    assert_eq!(span.duration(), Some(Nanos(1_500_000_000)));
    assert_eq!(span.cost_reported.unwrap().0, 2_000_000);
    assert_eq!(span.params["temperature"], 0.3);
    let fields = native::fields(&span);
    assert_eq!((&fields["tokens_in"], &fields["tokens_out"]), (&json!(10), &json!(4)));
    assert_eq!((&fields["output"], &fields["extra"]), (&json!("Hello"), &json!([1])));
}

#[test]
fn a_single_call_with_a_bad_value_is_refused_by_pointer() {
    let pointer = |body| simple(body).unwrap_err().pointer().unwrap().to_owned();
    assert_eq!(pointer(json!({"metrics": {"promptTokens": -1}})), "/metrics/promptTokens");
    assert_eq!(pointer(json!({"metrics": {"estimatedCostUsd": "x"}})), "/metrics/estimatedCostUsd");
    assert_eq!(pointer(json!({"metrics": {"latencyMs": -5}})), "/metrics/latencyMs");
    assert_eq!(pointer(json!({"metrics": 5})), "/metrics");
    assert_eq!(pointer(json!({"status": "odd"})), "/status");
    assert_eq!(
        pointer(json!({"toolCalls": [{"tool_name": "a", "result": "x"}]})),
        "/toolCalls/0/result"
    );
    assert_eq!(simple(json!([])).unwrap_err().code(), "wrong-shape");
}

#[test]
fn spans_of_other_dialects_read_under_native_names_too() {
    let span = crate::support::mapped(
        "x",
        "chat",
        json!({
            "openinference.span.kind": "LLM", "llm.model_name": "m", "llm.token_count.prompt": 9,
            "llm.token_count.prompt_details.cache_read": 4, "llm.token_count.completion": 2,
            "input.value": "q", "output.value": "a", "llm.cost.total": 0.25,
        }),
    );
    let fields = native::fields(&span);
    assert_eq!(fields["span_type"], "llm");
    assert_eq!((&fields["model"], &fields["tokens_in"]), (&json!("m"), &json!(9)));
    assert_eq!((&fields["input"], &fields["output"]), (&json!("q"), &json!("a")));
    assert_eq!(fields["cost"], 0.25);
    assert_eq!(fields["attributes"]["llm.model_name"], "m");
}
