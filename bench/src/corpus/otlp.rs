//! Encodes spans as OTLP protobuf (`ExportTraceServiceRequest`): the parts that both conventions
//! share. The attributes come from [`super::genai`] and [`super::openinference`].

use super::{
    catalog::{Convention, ERRORS, SERVICES},
    genai,
    law::{Kind, SpanSketch, TraceSketch},
    openinference,
    wire::{Attributes, bytes, fixed64, message, number},
};

const SPAN_KIND_INTERNAL: u64 = 1;
const SPAN_KIND_CLIENT: u64 = 3;
const STATUS_ERROR: u64 = 2;

/// Appends one span as field `spans` of a `ScopeSpans`.
pub fn push_span(out: &mut Vec<u8>, trace: &TraceSketch, span: &SpanSketch) {
    let convention = SERVICES[trace.service].convention;
    message(out, 2, |out| {
        bytes(out, 1, &trace.id);
        bytes(out, 2, &span.id);
        if let Some(parent) = &span.parent {
            bytes(out, 4, parent);
        }
        bytes(out, 5, span_name(convention, span).as_bytes());
        let client = span.kind == Kind::Llm;
        number(out, 6, if client { SPAN_KIND_CLIENT } else { SPAN_KIND_INTERNAL });
        fixed64(out, 7, span.start_ns);
        fixed64(out, 8, span.end_ns);
        let mut attributes = Attributes::new(out, 9);
        match convention {
            Convention::GenAi => genai::attributes(&mut attributes, trace, span),
            Convention::OpenInference => openinference::attributes(&mut attributes, trace, span),
        }
        if let Some(error) = span.error {
            let (kind, text) = ERRORS[error];
            Attributes::new(out, 9).text("error.type", kind);
            message(out, 11, |out| push_exception(out, span, kind, text));
            message(out, 15, |out| {
                bytes(out, 2, text.as_bytes());
                number(out, 3, STATUS_ERROR);
            });
        }
    });
}

fn push_exception(out: &mut Vec<u8>, span: &SpanSketch, kind: &str, text: &str) {
    fixed64(out, 1, span.end_ns);
    bytes(out, 2, b"exception");
    let mut attributes = Attributes::new(out, 3);
    attributes.text("exception.type", kind);
    attributes.text("exception.message", text);
    attributes.text("exception.stacktrace", &stack_trace(span, kind, text));
}

/// A Python stack trace as instrumentations record it.
pub fn stack_trace(span: &SpanSketch, kind: &str, text: &str) -> String {
    let line = 20 + usize::from(span.id[0]);
    format!(
        "Traceback (most recent call last):\n  File \"/app/agents/{agent}.py\", line {line}, in run\n    \
         result = await self.step({subject:?}, state)\n  File \"/app/runtime/executor.py\", line 212, \
         in step\n    return await handler(**arguments)\n  File \"/app/runtime/transport.py\", line 88, \
         in call\n    raise {kind}(message)\n{kind}: {text}\n",
        agent = span.agent,
        subject = span.subject,
    )
}

fn span_name(convention: Convention, span: &SpanSketch) -> String {
    let subject = span.subject;
    match (convention, span.kind) {
        (Convention::GenAi, Kind::Agent) => format!("invoke_agent {subject}"),
        (Convention::GenAi, Kind::Chain) => format!("invoke_workflow {subject}"),
        (Convention::GenAi, Kind::Llm) => format!("chat {subject}"),
        (Convention::GenAi, Kind::Retriever) => format!("retrieval {subject}"),
        (Convention::GenAi, Kind::Tool) => format!("execute_tool {subject}"),
        (Convention::OpenInference, Kind::Llm) => "ChatCompletion".to_owned(),
        (Convention::OpenInference, Kind::Retriever) => "VectorStoreRetriever".to_owned(),
        (Convention::OpenInference, _) => subject.to_owned(),
    }
}

/// Wraps encoded spans of one service into a whole request.
pub fn request(service: usize, spans: &[u8]) -> Vec<u8> {
    let service = &SERVICES[service];
    let mut out = Vec::with_capacity(spans.len() + 512);
    message(&mut out, 1, |out| {
        message(out, 1, |out| {
            let mut attributes = Attributes::new(out, 1);
            attributes.text("service.name", service.name);
            attributes.text("service.version", "2.14.3");
            attributes.text("deployment.environment.name", service.environment);
            attributes.text("telemetry.sdk.language", "python");
            attributes.text("telemetry.sdk.name", "opentelemetry");
            attributes.text("telemetry.sdk.version", "1.38.0");
        });
        message(out, 2, |out| {
            message(out, 1, |out| {
                bytes(out, 1, service.scope.as_bytes());
                bytes(out, 2, b"1.4.0");
            });
            out.extend_from_slice(spans);
        });
    });
    out
}
