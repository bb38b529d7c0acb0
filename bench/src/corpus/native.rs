//! Encodes spans as the native JSON API takes them: `POST /api/v1/ingest/spans` with
//! `{"batch":[…]}`.

use std::fmt::Write as _;

use super::{
    catalog::{ERRORS, MODELS, SERVICES},
    law::{Kind, SpanSketch, TraceSketch},
    otlp::stack_trace,
    wire::json_text,
};

/// Appends one span object, with a comma in front unless it is the first.
pub fn push_span(out: &mut String, trace: &TraceSketch, span: &SpanSketch) {
    if !out.is_empty() {
        out.push(',');
    }
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "{{\"span_id\":\"{}\",\"trace_id\":\"{}\",\"parent_span_id\":",
        hex::encode(span.id),
        hex::encode(trace.id)
    );
    match &span.parent {
        Some(parent) => {
            let _ = write!(out, "\"{}\"", hex::encode(parent));
        }
        None => out.push_str("null"),
    }
    let _ = write!(
        out,
        ",\"name\":\"{}\",\"span_type\":\"{}\",\"start_time\":\"{}\",\"end_time\":\"{}\",\"status\":\"{}\"",
        span.subject,
        span.kind.name(),
        rfc3339(span.start_ns),
        rfc3339(span.end_ns),
        if span.error.is_some() { "error" } else { "ok" }
    );
    push_content(out, span);
    push_tool_calls(out, span);
    let service = &SERVICES[trace.service];
    let _ = write!(
        out,
        ",\"attributes\":{{\"service.name\":\"{}\",\"deployment.environment.name\":\"{}\",\"gen_ai.agent.name\":\"{}\",\"session.id\":\"{}\",\"user.id\":\"{}\"",
        service.name, service.environment, span.agent, trace.session, trace.user
    );
    if let Some(error) = span.error {
        let (kind, text) = ERRORS[error];
        let _ = write!(out, ",\"exception.type\":\"{kind}\",\"exception.stacktrace\":");
        json_text(out, &stack_trace(span, kind, text));
    }
    out.push_str("}}");
}

/// `input`, `output`, and for model calls `model`, `tokens_in` and `tokens_out`.
fn push_content(out: &mut String, span: &SpanSketch) {
    out.push_str(",\"input\":");
    match &span.call {
        Some(call) => {
            out.push_str("{\"messages\":[");
            for (place, message) in call.messages.iter().enumerate() {
                let comma = if place == 0 { "" } else { "," };
                let _ = write!(out, "{comma}{{\"role\":\"{}\",\"content\":", message.role);
                json_text(out, &message.text);
                out.push('}');
            }
            out.push_str("]}");
        }
        None if span.kind == Kind::Tool => out.push_str(&span.input),
        None => {
            out.push_str("{\"prompt\":");
            json_text(out, &span.input);
            out.push('}');
        }
    }
    out.push_str(",\"output\":");
    if span.kind == Kind::Retriever {
        out.push_str("{\"documents\":[");
        for (place, document) in span.documents.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            let (id, score) = (&document.id, document.score);
            let _ = write!(out, "{comma}{{\"id\":\"{id}\",\"score\":{score},\"content\":");
            json_text(out, &document.text);
            out.push('}');
        }
        out.push_str("]}");
    } else {
        out.push_str("{\"response\":");
        json_text(out, &span.output);
        out.push('}');
    }
    if let Some(call) = &span.call {
        let _ = write!(
            out,
            ",\"model\":\"{}\",\"tokens_in\":{},\"tokens_out\":{}",
            MODELS[call.model].name, call.input_tokens, call.output_tokens
        );
    }
}

fn push_tool_calls(out: &mut String, span: &SpanSketch) {
    if span.kind != Kind::Tool {
        return;
    }
    let _ = write!(
        out,
        ",\"tool_calls\":[{{\"tool_name\":\"{}\",\"arguments\":{},\"result\":{{\"output\":",
        span.subject, span.input
    );
    json_text(out, &span.output[..span.output.floor_char_boundary(200)]);
    out.push_str("}}]");
}

/// The whole body around span objects.
pub fn request(spans: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(spans.len() + 12);
    out.extend_from_slice(b"{\"batch\":[");
    out.extend_from_slice(spans.as_bytes());
    out.extend_from_slice(b"]}");
    out
}

fn rfc3339(nanoseconds: u64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(nanoseconds))
        .map_or_else(|_| "1970-01-01T00:00:00Z".to_owned(), |time| time.to_string())
}
