//! The semantic conventions of the Model Context Protocol.

use exhibit_model::{Span, SpanKind};

use super::rule::{Dialect, Draft, Field, Rule, kind, on};

pub(super) static DIALECT: Dialect = Dialect { refine: Some(refine), ..Dialect::new("mcp", RULES) };

fn kind_of(method: &str) -> Option<SpanKind> {
    match method.trim() {
        "tools/call" => Some(SpanKind::Tool),
        "resources/read" => Some(SpanKind::Retriever),
        "prompts/get" => Some(SpanKind::Prompt),
        _ => None,
    }
}

const CALL: &str = "tools/call";

/// The span of a tool call is named after the method and the tool; its session stands in for one.
fn refine(span: &Span, draft: &mut Draft) {
    let Some(method) = span.attribute("mcp.method.name").and_then(|v| v.as_str()) else { return };
    if method == CALL
        && draft.tool.is_none()
        && let Some(target) = span.name.as_deref().and_then(|n| n.strip_prefix(CALL))
        && !target.trim().is_empty()
    {
        draft.tool = Some(target.trim().to_owned());
    }
    if draft.session.is_none() {
        draft.session =
            span.attribute("mcp.session.id").and_then(|v| v.as_str()).map(str::to_owned);
    }
}

const RULES: &[Rule] = &[
    kind(150, "mcp.method.name", kind_of),
    on(Field::Marker, 10, "mcp.method.name"),
    on(Field::Marker, 10, "mcp.session.id"),
    on(Field::Marker, 10, "mcp.protocol.version"),
    on(Field::Marker, 10, "mcp.resource.uri"),
];
