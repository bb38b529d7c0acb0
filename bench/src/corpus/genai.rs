//! Attributes by the OpenTelemetry GenAI semantic conventions, generation 1.37 and later: message
//! content as JSON in span attributes.

use std::fmt::Write as _;

use super::{
    catalog::{ERRORS, MODELS, TOOLS, TOOLS_OFFERED, tool_definition},
    law::{Kind, LlmCall, SpanSketch, TraceSketch},
    wire::{Attributes, json_text},
};

/// Writes the attributes of one span.
pub fn attributes(out: &mut Attributes<'_>, trace: &TraceSketch, span: &SpanSketch) {
    out.text("gen_ai.conversation.id", &trace.session);
    out.text("gen_ai.agent.name", span.agent);
    out.text("user.id", &trace.user);
    match span.kind {
        Kind::Agent | Kind::Chain => {
            let agent = span.kind == Kind::Agent;
            out.text(
                "gen_ai.operation.name",
                if agent { "invoke_agent" } else { "invoke_workflow" },
            );
            if !agent {
                out.text("gen_ai.workflow.name", span.subject);
            }
            out.text("gen_ai.input.messages", &messages([("user", span.input.as_str())], None));
            let answer = messages([("assistant", span.output.as_str())], Some("stop"));
            out.text("gen_ai.output.messages", &answer);
        }
        Kind::Llm => {
            if let Some(call) = &span.call {
                call_attributes(out, call, &span.output);
            }
        }
        Kind::Retriever => {
            out.text("gen_ai.operation.name", "retrieval");
            out.text("gen_ai.data_source.id", span.subject);
            out.text("gen_ai.retrieval.query.text", &span.input);
            out.int("gen_ai.retrieval.top_k", span.documents.len() as u64);
            out.text("gen_ai.retrieval.documents", &documents(span));
        }
        Kind::Tool => {
            out.text("gen_ai.operation.name", "execute_tool");
            out.text("gen_ai.tool.name", span.subject);
            out.text("gen_ai.tool.type", "function");
            out.text("gen_ai.tool.call.id", &format!("call_{}", hex::encode(span.id)));
            out.text("gen_ai.tool.call.arguments", &span.input);
            let mut result = String::from("{\"output\":");
            match span.error {
                Some(error) => json_text(&mut result, ERRORS[error].1),
                None => json_text(&mut result, &span.output),
            }
            result.push('}');
            out.text("gen_ai.tool.call.result", &result);
        }
    }
}

fn call_attributes(out: &mut Attributes<'_>, call: &LlmCall, output: &str) {
    let model = &MODELS[call.model];
    out.text("gen_ai.operation.name", "chat");
    out.text("gen_ai.provider.name", model.provider);
    out.text("gen_ai.request.model", model.name);
    out.text("gen_ai.response.model", model.name);
    out.text("gen_ai.response.id", &call.response_id);
    out.texts("gen_ai.response.finish_reasons", &[call.finish_reason]);
    out.float("gen_ai.request.temperature", call.temperature);
    out.int("gen_ai.request.max_tokens", 4_096);
    out.int("gen_ai.usage.input_tokens", call.input_tokens);
    out.int("gen_ai.usage.output_tokens", call.output_tokens);
    if call.cached_tokens > 0 {
        out.int("gen_ai.usage.cache_read.input_tokens", call.cached_tokens);
    }
    if call.reasoning_tokens > 0 {
        out.int("gen_ai.usage.reasoning.output_tokens", call.reasoning_tokens);
    }
    let tools = TOOLS[..TOOLS_OFFERED].iter().map(|tool| tool_definition(tool));
    out.text("gen_ai.tool.definitions", &format!("[{}]", tools.collect::<Vec<_>>().join(",")));
    let (system, rest) = match call.messages.split_first() {
        Some((first, rest)) => (first.text.as_str(), rest),
        None => ("", call.messages.as_slice()),
    };
    let mut instructions = String::from("[{\"type\":\"text\",\"content\":");
    json_text(&mut instructions, system);
    instructions.push_str("}]");
    out.text("gen_ai.system_instructions", &instructions);
    let sent = rest.iter().map(|message| (message.role, message.text.as_str()));
    out.text("gen_ai.input.messages", &messages(sent, None));
    let answer = messages([("assistant", output)], Some(call.finish_reason));
    out.text("gen_ai.output.messages", &answer);
}

/// `[{"role":…,"parts":[{"type":"text","content":…}]}]`; what a tool answered is a
/// `tool_call_response` part.
fn messages<'a>(
    items: impl IntoIterator<Item = (&'a str, &'a str)>,
    finish_reason: Option<&str>,
) -> String {
    let mut out = String::from("[");
    for (place, (role, text)) in items.into_iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = match role {
            "tool" => write!(
                out,
                "{comma}{{\"role\":\"tool\",\"parts\":[{{\"type\":\"tool_call_response\",\"id\":\"call_{place}\",\"response\":"
            ),
            _ => write!(
                out,
                "{comma}{{\"role\":\"{role}\",\"parts\":[{{\"type\":\"text\",\"content\":"
            ),
        };
        json_text(&mut out, text);
        out.push_str("}]");
        if let Some(reason) = finish_reason {
            let _ = write!(out, ",\"finish_reason\":\"{reason}\"");
        }
        out.push('}');
    }
    out.push(']');
    out
}

fn documents(span: &SpanSketch) -> String {
    let mut out = String::from("[");
    for (place, document) in span.documents.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let _ = write!(
            out,
            "{comma}{{\"id\":\"{}\",\"score\":{},\"content\":",
            document.id, document.score
        );
        json_text(&mut out, &document.text);
        out.push('}');
    }
    out.push(']');
    out
}
