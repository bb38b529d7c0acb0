//! The other way: what was mapped, written under the names of OpenTelemetry's GenAI conventions, and of
//! OpenInference where those have none. For exports that other programs read.

use exhibit_model::{Content, Json, JsonMap, Message, Span, SpanKind};

use crate::native::fields;

/// What was mapped of a span.
pub fn attributes_of(span: &Span, content: &Content) -> JsonMap {
    let operation = match span.kind() {
        SpanKind::Llm => Some("chat"),
        SpanKind::Tool => Some("execute_tool"),
        SpanKind::Agent => Some("invoke_agent"),
        SpanKind::Embedding => Some("embeddings"),
        _ => None,
    };
    let shown = fields(span);
    let messages = |all: &[Message]| {
        (!all.is_empty()).then(|| serde_json::to_string(all).unwrap_or_default().into())
    };
    let text = |value: &Option<String>| value.clone().map(Json::from);
    let whole = |name: &str| {
        let value = shown.get(name).filter(|value| !value.is_null())?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned).into())
    };
    let known = [
        ("gen_ai.operation.name", operation.map(Json::from)),
        ("openinference.span.kind", Some(span.kind().as_str().to_uppercase().into())),
        ("gen_ai.provider.name", text(&span.provider)),
        ("gen_ai.request.model", text(&span.model)),
        ("gen_ai.agent.name", text(&span.agent)),
        ("gen_ai.conversation.id", text(&span.session)),
        ("gen_ai.tool.name", text(&span.tool)),
        ("user.id", text(&span.user)),
        ("error.type", text(&span.error_type)),
        ("gen_ai.usage.input_tokens", shown.get("tokens_in").cloned()),
        ("gen_ai.usage.output_tokens", shown.get("tokens_out").cloned()),
        ("gen_ai.usage.cost", shown.get("cost").cloned()),
        ("gen_ai.input.messages", messages(&content.input_messages)),
        ("gen_ai.output.messages", messages(&content.output_messages)),
        ("input.value", whole("input")),
        ("output.value", whole("output")),
    ];
    let there = known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    there.filter(|(_, value)| !value.is_null()).collect()
}
