//! One captured step of a trace, with what running it again needs.

use std::collections::BTreeMap;

use exhibit_model::{
    Content, Json, JsonMap, Message, NanoUsd, Nanos, Span, SpanId, SpanKind, Status, TraceId, Usage,
};

use crate::SpanDetail;

/// A captured step.
#[derive(Debug, Clone)]
pub struct Step {
    /// The trace.
    pub trace_id: TraceId,
    /// Its id.
    pub span_id: SpanId,
    /// The enclosing step.
    pub parent_id: Option<SpanId>,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: SpanKind,
    /// The model that answered.
    pub model: Option<String>,
    /// The model that was asked for, where it differs.
    pub model_requested: Option<String>,
    /// The provider.
    pub provider: Option<String>,
    /// Request parameters.
    pub params: JsonMap,
    /// What was asked and what came back.
    pub content: Content,
    /// The tool.
    pub tool: Option<String>,
    /// The tool call that it executes.
    pub tool_call_id: Option<String>,
    /// When it started.
    pub start: Option<Nanos>,
    /// When it ended.
    pub end: Option<Nanos>,
    /// How it stands.
    pub status: Status,
    /// Its usage.
    pub usage: Option<Usage>,
    /// Its cost.
    pub cost: Option<NanoUsd>,
    /// Whether any of its texts was redacted before it was stored.
    pub redacted: bool,
    /// Whether it is quarantined, so that what it holds is not there.
    pub withheld: bool,
    /// Stable name of what went wrong.
    pub error: Option<String>,
    /// The same in words.
    pub message: Option<String>,
    /// What its sender said of it, by key.
    pub metadata: BTreeMap<String, String>,
    /// In a replay: the step that it repeats.
    pub repeats: Option<Repeats>,
}

/// Which step another one repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeats {
    /// The original span.
    pub span_id: String,
    /// Whether it was run, or copied from the capture.
    pub executed: bool,
    /// Whether other tools had been asked for by then.
    pub diverged: bool,
}

impl Repeats {
    fn read<'a>(attribute: impl Fn(&str) -> Option<&'a Json>) -> Option<Self> {
        let is = |name: &str| {
            attribute(name).is_some_and(|v| v.as_bool().unwrap_or(v.as_str() == Some("true")))
        };
        Some(Self {
            span_id: attribute("exhibit.replay.span")?.as_str()?.to_owned(),
            executed: is("exhibit.replay.executed"),
            diverged: is("exhibit.replay.diverged"),
        })
    }
}

impl From<&SpanDetail> for Step {
    fn from(detail: &SpanDetail) -> Self {
        Self::of(&detail.span, detail.content.clone())
    }
}

impl Step {
    /// The step that a span records.
    pub fn of(span: &Span, content: Content) -> Self {
        Self {
            trace_id: span.trace_id.clone(),
            span_id: span.span_id.clone(),
            parent_id: span.parent_id.clone(),
            name: span.name.clone().unwrap_or_else(|| span.kind().as_str().to_owned()),
            kind: span.kind(),
            model: span.model.clone(),
            model_requested: span.model_requested.clone(),
            provider: span.provider.clone(),
            params: span.params.clone(),
            content,
            tool: span.tool.clone(),
            tool_call_id: span.tool_call_id.clone(),
            start: span.start,
            end: span.end,
            status: span.status,
            usage: span.usage,
            cost: span.cost.amount,
            redacted: span.findings.iter().any(|f| f.redacted),
            withheld: span.decision.is_quarantine() && span.attributes.is_empty(),
            error: span.error_type.clone(),
            message: span.status_message.clone(),
            metadata: span.metadata.clone(),
            repeats: Repeats::read(|name| span.attribute(name)),
        }
    }

    /// Reads a step from a span as the HTTP API shows it; `None` when it is not of that shape.
    pub fn from_document(document: &Json) -> Option<Self> {
        let text = |name: &str| document.get(name).and_then(Json::as_str).map(str::to_owned);
        let time = |name: &str| text(name)?.parse().ok().map(Nanos);
        let read = |name: &str| document.get(name).cloned().filter(|v| !v.is_null());
        let messages = |name: &str| -> Vec<Message> {
            read(name).and_then(|v| serde_json::from_value(v).ok()).unwrap_or_default()
        };
        let content = Content {
            input: read("input"),
            output: read("output"),
            input_messages: messages("input_messages"),
            output_messages: messages("output_messages"),
            tool_definitions: read("tool_definitions"),
            tool_calls: read("tool_calls")
                .and_then(|v| serde_json::from_value(v).ok())
                .unwrap_or_default(),
            documents: read("documents"),
        };
        let redacted = |finding: &Json| finding.get("redacted") == Some(&Json::Bool(true));
        Some(Self {
            trace_id: TraceId::new(&text("trace_id")?).ok()?,
            span_id: SpanId::new(&text("span_id")?).ok()?,
            parent_id: text("parent_span_id").and_then(|id| SpanId::new(&id).ok()),
            name: text("name").unwrap_or_default(),
            kind: SpanKind::parse(&text("kind")?)?,
            model: text("model"),
            model_requested: text("model_requested"),
            provider: text("provider"),
            params: read("parameters").and_then(|p| p.as_object().cloned()).unwrap_or_default(),
            content,
            tool: text("tool_name"),
            tool_call_id: text("tool_call_id"),
            start: time("start_ns"),
            end: time("end_ns"),
            status: Status::parse(&text("status")?)?,
            usage: read("usage").and_then(|u| serde_json::from_value(u).ok()),
            cost: text("cost_nano_usd").and_then(|c| c.parse().ok()).map(NanoUsd),
            redacted: document
                .get("findings")
                .and_then(Json::as_array)
                .is_some_and(|findings| findings.iter().any(redacted)),
            withheld: text("verdict").as_deref() == Some("quarantined")
                && read("input").is_none()
                && read("output").is_none(),
            error: text("error_type"),
            message: text("status_message"),
            metadata: read("metadata")
                .and_then(|m| serde_json::from_value(m).ok())
                .unwrap_or_default(),
            repeats: Repeats::read(|name| document.get("attributes")?.get(name)),
        })
    }

    /// What it answered, as one text, tool calls included.
    pub fn said(&self) -> String {
        self.content.output_messages.iter().map(super::text_of).collect::<Vec<_>>().join("\n")
    }

    /// The model to ask.
    pub fn model_asked(&self) -> Option<&str> {
        self.model_requested.as_deref().or(self.model.as_deref())
    }

    /// Whether it is a model call that can be made again.
    pub fn is_call(&self) -> bool {
        self.kind == SpanKind::Llm && !self.content.input_messages.is_empty()
    }

    /// How long it took.
    pub fn duration_ms(&self) -> Option<u64> {
        let nanos = self.end?.0.checked_sub(self.start?.0)?;
        u64::try_from(nanos / 1_000_000).ok()
    }

    /// The usage to expect of another run: what was captured, else a quarter of the characters.
    pub fn expected_usage(&self) -> Usage {
        if let Some(usage) = self.usage {
            // Whether a cache still holds the prompt is not known: count it as new.
            return Usage {
                input_uncached: usage.input_tokens(),
                output_text: usage.output_tokens(),
                ..Usage::default()
            };
        }
        let chars = |messages: &[Message]| -> u64 {
            messages.iter().map(|m| super::text_of(m).len() as u64).sum()
        };
        Usage {
            input_uncached: chars(&self.content.input_messages) / 4 + 1,
            output_text: chars(&self.content.output_messages) / 4 + 1,
            ..Usage::default()
        }
    }
}
