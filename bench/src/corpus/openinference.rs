//! Attributes by OpenInference: flattened messages with indexed keys and previews in
//! `input.value` and `output.value`.

use super::{
    catalog::{ERRORS, MODELS, TOOLS, TOOLS_OFFERED, tool_definition},
    law::{Kind, LlmCall, SpanSketch, TraceSketch},
    wire::Attributes,
};

/// Bytes of the previews on llm spans. Real instrumentations repeat the whole conversation there,
/// which makes their spans up to twice as large.
const PREVIEW_BYTES: usize = 200;

/// Writes the attributes of one span.
pub fn attributes(out: &mut Attributes<'_>, trace: &TraceSketch, span: &SpanSketch) {
    let kind = match span.kind {
        Kind::Agent => "AGENT",
        Kind::Chain => "CHAIN",
        Kind::Llm => "LLM",
        Kind::Retriever => "RETRIEVER",
        Kind::Tool => "TOOL",
    };
    out.text("openinference.span.kind", kind);
    out.text("session.id", &trace.session);
    out.text("user.id", &trace.user);
    if !trace.tags.is_empty() {
        out.texts("tag.tags", &trace.tags);
    }
    match span.kind {
        Kind::Agent => {
            out.text("agent.name", span.agent);
            out.text("metadata", "{\"channel\":\"chat\",\"release\":\"2.14.3\"}");
            values(out, &span.input, "text/plain", &span.output);
        }
        Kind::Chain => values(out, &span.input, "text/plain", &span.output),
        Kind::Llm => {
            if let Some(call) = &span.call {
                call_attributes(out, call, &span.output);
            }
        }
        Kind::Retriever => {
            out.text("input.value", &span.input);
            for (place, document) in span.documents.iter().enumerate() {
                let key = |name| format!("retrieval.documents.{place}.document.{name}");
                out.text(&key("id"), &document.id);
                out.float(&key("score"), document.score);
                out.text(&key("content"), &document.text);
            }
        }
        Kind::Tool => {
            out.text("tool.name", span.subject);
            out.text("tool.parameters", &span.input);
            let result = span.error.map_or(span.output.as_str(), |error| ERRORS[error].1);
            values(out, &span.input, "application/json", result);
        }
    }
}

fn values(out: &mut Attributes<'_>, input: &str, mime_type: &str, output: &str) {
    out.text("input.value", input);
    out.text("input.mime_type", mime_type);
    out.text("output.value", output);
    out.text("output.mime_type", "text/plain");
}

fn call_attributes(out: &mut Attributes<'_>, call: &LlmCall, output: &str) {
    let model = &MODELS[call.model];
    out.text("llm.model_name", model.name);
    out.text("llm.provider", model.provider_openinference);
    out.text("gen_ai.response.id", &call.response_id);
    out.text(
        "llm.invocation_parameters",
        &format!("{{\"temperature\":{},\"max_tokens\":4096}}", call.temperature),
    );
    for (place, tool) in TOOLS[..TOOLS_OFFERED].iter().enumerate() {
        out.text(&format!("llm.tools.{place}.tool.json_schema"), &tool_definition(tool));
    }
    for (place, message) in call.messages.iter().enumerate() {
        let key = |name| format!("llm.input_messages.{place}.message.{name}");
        out.text(&key("role"), message.role);
        out.text(&key("content"), &message.text);
    }
    out.text("llm.output_messages.0.message.role", "assistant");
    out.text("llm.output_messages.0.message.content", output);
    out.text("llm.finish_reason", call.finish_reason);
    out.int("llm.token_count.prompt", call.input_tokens);
    out.int("llm.token_count.completion", call.output_tokens);
    out.int("llm.token_count.total", call.input_tokens + call.output_tokens);
    if call.cached_tokens > 0 {
        out.int("llm.token_count.prompt_details.cache_read", call.cached_tokens);
    }
    if call.reasoning_tokens > 0 {
        out.int("llm.token_count.completion_details.reasoning", call.reasoning_tokens);
    }
    let asked = call.messages.last().map_or("", |message| message.text.as_str());
    values(out, preview(asked), "text/plain", preview(output));
}

fn preview(text: &str) -> &str {
    &text[..text.floor_char_boundary(PREVIEW_BYTES)]
}
