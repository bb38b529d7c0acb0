//! Spans that are still running, in the shapes clients announce them, and content that comes apart
//! from its span.

use base64::{Engine, engine::general_purpose::STANDARD};
use exhibit_capture::{Decoded, content, map, otlp};
use exhibit_model::{Span, SpanKind, Status, merge::merge};
use prost::Message;
use serde_json::{Value, json};

use crate::{
    otlp::{proto_request, proto_span},
    support::{END, SPAN, START, TRACE, any, logs, otlp_span, pairs, request, traces},
};

fn one(decoded: Decoded) -> Span {
    assert_eq!(decoded.spans.len(), 1, "{:?}", decoded.rejected);
    decoded.spans.into_iter().next().unwrap()
}

fn record(name: &str, attributes: &Value, body: &Value, ids: bool) -> Value {
    let mut record = json!({"timeUnixNano": START, "eventName": name,
        "attributes": pairs(attributes), "body": any(body)});
    if ids {
        record["traceId"] = TRACE.into();
        record["spanId"] = SPAN.into();
    }
    json!({"resourceLogs": [{"scopeLogs": [{"scope": {"name": "l"}, "logRecords": [record]}]}]})
}

#[test]
fn a_snapshot_without_end_is_a_running_span() {
    for end in [json!("0"), json!(0), json!(null)] {
        let mut span = otlp_span("open", json!({}));
        span["endTimeUnixNano"] = end;
        let span = one(traces(&request("x", json!({}), span)));
        assert_eq!((span.status, span.end), (Status::Running, None));
    }
}

#[test]
fn a_pending_span_announces_the_real_one() {
    let mut span = otlp_span(
        "work",
        json!({
            "logfire.span_type": "pending_span", "logfire.pending_parent_id": "00000000000000aa",
            "logfire.msg": "working",
        }),
    );
    span["spanId"] = "1111111111111111".into();
    span["parentSpanId"] = SPAN.into();
    span["endTimeUnixNano"] = START.into();
    let pending = one(traces(&request("logfire", json!({}), span)));
    assert_eq!(pending.span_id.as_str(), SPAN);
    assert_eq!(pending.parent_id.as_ref().unwrap().as_str(), "00000000000000aa");
    assert_eq!((pending.status, pending.end), (Status::Running, None));

    let real = one(traces(&request(
        "logfire",
        json!({}),
        otlp_span("work", json!({"logfire.span_type": "span"})),
    )));
    for merged in [
        merge((pending.clone(), [9; 16]), (real.clone(), [1; 16])),
        merge((real, [1; 16]), (pending, [9; 16])),
    ] {
        assert_eq!(merged.status, Status::Ok);
        assert_eq!(merged.attribute("logfire.span_type"), Some(&json!("span")));
    }
}

#[test]
fn a_pending_root_has_no_parent() {
    let mut span = otlp_span(
        "work",
        json!({
            "logfire.span_type": "pending_span", "logfire.pending_parent_id": "0000000000000000",
        }),
    );
    span["spanId"] = "1111111111111111".into();
    span["parentSpanId"] = SPAN.into();
    assert_eq!(one(traces(&request("logfire", json!({}), span))).parent_id, None);
}

#[test]
fn a_partial_span_comes_as_a_log_record() {
    let request = proto_request(vec![proto_span()]);
    let bytes = request.encode_to_vec();
    let text = crate::support::request("x", json!({}), otlp_span("chat", json!({}))).to_string();
    for body in [json!(STANDARD.encode(&bytes)), json!(text)] {
        let heartbeat = record("", &json!({"partial.event": "heartbeat"}), &body, false);
        let span = one(logs(&heartbeat));
        assert_eq!((span.span_id.as_str(), span.status, span.end), (SPAN, Status::Running, None));
        let stop = record("", &json!({"partial.event": "stop"}), &body, false);
        assert!(one(logs(&stop)).status.is_terminal());
    }
    let broken = record("", &json!({"partial.event": "heartbeat"}), &json!("!!"), false);
    assert_eq!(logs(&broken).accepted_other, 1);
}

#[test]
fn messages_that_come_as_log_records_join_their_span_in_any_order() {
    let user = one(logs(&record(
        "gen_ai.user.message",
        &json!({"gen_ai.system": "openai"}),
        &json!({"content": "Q?", "role": "user"}),
        true,
    )));
    let choice = one(logs(&record(
        "",
        &json!({"event.name": "gen_ai.choice"}),
        &json!({"index": 0, "finish_reason": "stop", "message": {"content": "A!"}}),
        true,
    )));
    let real = || {
        one(traces(&request(
            "x",
            json!({}),
            otlp_span("chat", json!({"gen_ai.request.model": "m"})),
        )))
    };
    assert_eq!((user.status, user.name.clone()), (Status::Running, None));
    let first = merge((user.clone(), [1; 16]), (choice.clone(), [2; 16]));
    let mut before = merge((first, [3; 16]), (real(), [4; 16]));
    let mut after = merge((real(), [4; 16]), (choice, [2; 16]));
    after = merge((after, [5; 16]), (user, [1; 16]));
    for span in [&mut before, &mut after] {
        map(span);
        let content = content(span);
        assert_eq!(span.status, Status::Ok);
        assert_eq!(content.input, Some(json!([{"content": "Q?", "role": "user"}])));
        assert_eq!(content.output_messages[0].role, "assistant");
        assert_eq!(span.finish_reasons, ["stop"]);
        assert_eq!(exhibit_capture::previews(span).output.as_deref(), Some("A!"));
    }
}

#[test]
fn a_details_record_carries_attributes_of_its_span() {
    let details = record(
        "gen_ai.client.inference.operation.details",
        &json!({
            "gen_ai.usage.input_tokens": 3,
            "gen_ai.output.messages": [{"role": "assistant", "parts": [{"type": "text", "content": "A"}]}],
        }),
        &json!(null),
        true,
    );
    let real = one(traces(&request(
        "x",
        json!({}),
        otlp_span("chat", json!({"gen_ai.operation.name": "chat"})),
    )));
    let mut span = merge((one(logs(&details)), [1; 16]), (real, [2; 16]));
    map(&mut span);
    assert_eq!(span.usage_reported.input, Some(3));
    assert_eq!(content(&span).output_messages.len(), 1);
    assert_eq!((span.kind, span.end.unwrap().to_string().as_str()), (Some(SpanKind::Llm), END));
}

#[test]
fn other_records_are_accepted_and_counted() {
    for (name, ids) in [("app.started", true), ("", true), ("gen_ai.user.message", false)] {
        let decoded = logs(&record(name, &json!({}), &json!("hello"), ids));
        assert_eq!((decoded.spans.len(), decoded.accepted_other), (0, 1), "{name}");
    }
}

#[test]
fn log_records_of_grpc_are_read_the_same() {
    let decoded =
        crate::support::with(|c| otlp::logs_request(otlp::ExportLogsServiceRequest::default(), c));
    assert_eq!(decoded.unwrap().accepted_other, 0);
}
