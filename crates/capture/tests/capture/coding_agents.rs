//! Coding agents report their steps as log events without span ids.

use exhibit_capture::{content, map};
use exhibit_model::{Nanos, Span, SpanKind, Status};
use serde_json::{Value, json};

use crate::support::{START, any, logs, pairs};

fn records(service: &str, records: &[(&str, Value)]) -> Value {
    let records: Vec<Value> = records
        .iter()
        .enumerate()
        .map(|(n, (name, attributes))| {
            let mut attributes = attributes.clone();
            attributes["event.sequence"] = n.into();
            json!({"timeUnixNano": START, "attributes": pairs(&attributes), "body": any(&json!(name))})
        })
        .collect();
    json!({"resourceLogs": [{
        "resource": {"attributes": pairs(&json!({"service.name": service}))},
        "scopeLogs": [{"logRecords": records}]
    }]})
}

/// All spans that records become: each step is followed by its part of the turn.
fn all(request: &Value) -> Vec<Span> {
    let mut spans = logs(request).spans;
    spans.iter_mut().for_each(map);
    spans
}

/// The steps alone.
fn spans(request: &Value) -> Vec<Span> {
    let gathered = |span: &Span| span.flags.contains(&exhibit_model::Flag::Gathered);
    all(request).into_iter().filter(|span| !gathered(span)).collect()
}

fn claude_code() -> Value {
    let common = |extra: Value| {
        let mut map = json!({"session.id": "s1", "prompt.id": "p1", "user.account_uuid": "u1"});
        map.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        map
    };
    records(
        "claude-code",
        &[
            (
                "claude_code.user_prompt",
                common(json!({"event.name": "user_prompt", "prompt": "Fix it"})),
            ),
            (
                "claude_code.api_request",
                common(json!({"event.name": "api_request",
            "model": "claude-opus-4-5", "cost_usd": 0.05, "duration_ms": 2000, "input_tokens": 3,
            "output_tokens": 200, "cache_read_tokens": 5000, "cache_creation_tokens": 100})),
            ),
            (
                "claude_code.tool_result",
                common(json!({"event.name": "tool_result", "tool_name": "Bash",
            "success": "false", "duration_ms": "50", "error": "exit 1",
            "tool_parameters": "{\"bash_command\":\"ls\"}"})),
            ),
            (
                "claude_code.api_error",
                common(json!({"event.name": "api_error",
            "model": "claude-opus-4-5", "error": "overloaded", "status_code": "529"})),
            ),
            ("claude_code.something_new", common(json!({"event.name": "something_new"}))),
        ],
    )
}

#[test]
fn claude_code_events_are_the_steps_of_one_trace_per_prompt() {
    assert_eq!(logs(&claude_code()).accepted_other, 0);
    let spans = spans(&claude_code());
    let [prompt, call, tool, error, other] = spans.as_slice() else { panic!("{}", spans.len()) };
    // What is no step is kept as an event, for the sake of the session's sequence.
    assert_eq!(other.kind, Some(SpanKind::Event));
    assert_eq!(exhibit_capture::dialect::sequence(other), Some(4));
    assert!(spans.iter().all(|s| s.trace_id == prompt.trace_id && s.parent_id == prompt.parent_id));
    assert!(spans.iter().all(|s| s.session.as_deref() == Some("s1")));
    assert_eq!(prompt.kind, Some(SpanKind::Prompt));
    assert_eq!(content(prompt).input, Some(json!("Fix it")));

    assert_eq!(call.kind, Some(SpanKind::Llm));
    assert_eq!(call.duration(), Some(Nanos(2_000_000_000)));
    assert_eq!(call.provider.as_deref(), Some("anthropic"));
    let usage = call.usage.unwrap();
    assert_eq!((usage.input_uncached, usage.cache_read, usage.cache_write_5m), (3, 5000, 100));
    assert_eq!(call.cost_reported.unwrap().0, 50_000_000);

    assert_eq!((tool.kind, tool.status), (Some(SpanKind::Tool), Status::Error));
    assert_eq!(tool.tool.as_deref(), Some("Bash"));
    assert_eq!(content(tool).tool_calls[0].arguments, json!({"bash_command": "ls"}));
    assert_eq!(error.status_message.as_deref(), Some("overloaded"));
}

#[test]
fn the_steps_of_a_prompt_hang_on_a_turn_that_reaches_over_them_all() {
    let all = all(&claude_code());
    let turns: Vec<&Span> =
        all.iter().filter(|s| s.flags.contains(&exhibit_model::Flag::Gathered)).collect();
    let (first, steps) = (turns[0], spans(&claude_code()));
    assert!(turns.iter().all(|t| t.span_id == first.span_id && t.parent_id.is_none()));
    assert!(steps.iter().all(|s| s.parent_id.as_ref() == Some(&first.span_id)));
    assert_eq!((first.kind, first.status), (Some(SpanKind::Agent), Status::Ok));
    assert_eq!(
        (first.agent.as_deref(), first.session.as_deref()),
        (Some("claude-code"), Some("s1"))
    );
    let merged = turns.iter().skip(1).fold(first.clone().clone(), |turn, part| {
        exhibit_model::merge::merge((turn, [1; 16]), ((*part).clone(), [2; 16]))
    });
    assert_eq!(merged.start, steps.iter().filter_map(|s| s.start).min());
    assert_eq!(merged.end, steps.iter().filter_map(|s| s.end).max());
}

#[test]
fn a_retry_gives_the_same_spans_and_another_prompt_another_trace() {
    let (a, b) = (spans(&claude_code()), spans(&claude_code()));
    let ids = |spans: &[Span]| spans.iter().map(|s| s.span_id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&a), ids(&b));
    let distinct: std::collections::BTreeSet<_> = ids(&a).into_iter().collect();
    assert_eq!(distinct.len(), a.len());
    let other = records(
        "claude-code",
        &[("claude_code.user_prompt", json!({"session.id": "s1", "prompt.id": "p2"}))],
    );
    assert_ne!(spans(&other)[0].trace_id, a[0].trace_id);
}

#[test]
fn codex_counts_come_with_the_last_event_of_a_stream() {
    let spans = spans(&records(
        "codex_cli_rs",
        &[
            (
                "codex.user_prompt",
                json!({"event.name": "codex.user_prompt", "conversation.id": "c1", "prompt": "[REDACTED]"}),
            ),
            (
                "codex.sse_event",
                json!({"event.name": "codex.sse_event", "conversation.id": "c1",
            "event.kind": "response.created"}),
            ),
            (
                "codex.sse_event",
                json!({"event.name": "codex.sse_event", "conversation.id": "c1",
            "event.kind": "response.completed", "model": "gpt-5-codex", "input_token_count": 100,
            "cached_token_count": 60, "output_token_count": 50, "reasoning_token_count": 20}),
            ),
            (
                "codex.tool_result",
                json!({"event.name": "codex.tool_result", "conversation.id": "c1",
            "tool_name": "shell", "call_id": "k", "arguments": "{\"cmd\":\"ls\"}", "output": "a b",
            "success": true, "duration_ms": 5}),
            ),
        ],
    ));
    let [prompt, call, tool] = spans.as_slice() else { panic!("{}", spans.len()) };
    assert_eq!(content(prompt).input, None);
    assert!(prompt.flags.contains(&exhibit_model::Flag::MaskedAtSource));
    assert_eq!((call.kind, call.provider.as_deref()), (Some(SpanKind::Llm), Some("openai")));
    assert_eq!(call.usage.unwrap().output_reasoning, 20);
    assert_eq!(call.session.as_deref(), Some("c1"));
    let made = &content(tool).tool_calls[0];
    assert_eq!((made.id.as_deref(), made.tool_name.as_str()), (Some("k"), "shell"));
    assert_eq!((&made.arguments, &made.result), (&json!({"cmd": "ls"}), &json!({"output": "a b"})));
}

#[test]
fn gemini_cli_counts_thoughts_beside_the_output() {
    let spans = spans(&records(
        "gemini-cli",
        &[
            (
                "gemini_cli.api_response",
                json!({"event.name": "gemini_cli.api_response", "session.id": "g",
            "prompt_id": "p", "model": "gemini-2.5-pro", "duration_ms": 900, "input_token_count": 100,
            "output_token_count": 50, "cached_content_token_count": 60, "thoughts_token_count": 20,
            "total_token_count": 170, "response_text": "done"}),
            ),
            (
                "gemini_cli.tool_call",
                json!({"event.name": "gemini_cli.tool_call", "session.id": "g",
            "prompt_id": "p", "function_name": "read_file", "function_args": "{\"path\":\"a\"}",
            "success": true, "duration_ms": 3}),
            ),
        ],
    ));
    let usage = spans[0].usage.unwrap();
    assert_eq!((usage.input_uncached, usage.output_text, usage.output_reasoning), (40, 50, 20));
    assert_eq!(content(&spans[0]).output, Some(json!("done")));
    assert_eq!(spans[1].tool.as_deref(), Some("read_file"));
    assert_eq!(spans[0].trace_id, spans[1].trace_id);
}
