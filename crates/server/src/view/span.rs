//! A span: under the mission's names whatever dialect it came from, with exact fields beside them.

use exhibit_capture::native;
use exhibit_model::{Content, Evaluation, Event, Json, JsonMap, Link, Message, Nanos, Span, Usage};
use exhibit_recorder::{SpanDetail, SpanView};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    finding::{FindingView, findings},
    ms,
};

/// A whole span.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SpanDocument {
    /// The native names, as they were or would have been sent.
    #[serde(flatten)]
    #[schema(value_type = NativeSpan)]
    native: JsonMap,
}

/// What the native API calls the fields of a span. What a native client sent reads back exactly,
/// fields of its own included.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "describes the document; the values come from capture")]
pub(crate) struct NativeSpan {
    /// Its id.
    span_id: String,
    /// Its trace.
    trace_id: String,
    /// The enclosing span.
    parent_span_id: Option<String>,
    /// Its name.
    name: Option<String>,
    /// `llm`, `tool`, `agent`, `chain`, `retriever`, … or the client's own word.
    span_type: String,
    /// RFC 3339.
    start_time: Option<String>,
    /// RFC 3339.
    end_time: Option<String>,
    /// `running`, `ok`, `error`, `incomplete`.
    status: String,
    /// What was asked.
    input: Json,
    /// What came back.
    output: Json,
    /// The model.
    model: Option<String>,
    /// Input tokens.
    tokens_in: Option<u64>,
    /// Output tokens.
    tokens_out: Option<u64>,
    /// US dollars.
    cost: Option<f64>,
    /// Tool calls.
    tool_calls: Json,
    /// All other attributes.
    attributes: Json,
    #[serde(flatten)]
    mapped: Mapped,
    #[serde(flatten)]
    exact: Exact,
}

/// Mapped fields. A native field of the same name stands in their place.
#[derive(Debug, Serialize, ToSchema)]
struct Mapped {
    provider: Option<String>,
    agent_name: Option<String>,
    session_id: Option<String>,
    user_id: Option<String>,
    environment: Option<String>,
    version: Option<String>,
    service: Option<String>,
    tool_name: Option<String>,
    tool_call_id: Option<String>,
    response_id: Option<String>,
    service_tier: Option<String>,
    /// Milliseconds to the first token.
    ttft_ms: Option<f64>,
    tags: Vec<String>,
    #[schema(value_type = Object)]
    metadata: std::collections::BTreeMap<String, String>,
    #[schema(value_type = Object)]
    parameters: JsonMap,
}

/// Exact fields, always ours.
#[derive(Debug, Serialize, ToSchema)]
struct Exact {
    /// The kind in our words.
    kind: &'static str,
    /// Why it failed, or why it is incomplete.
    status_message: Option<String>,
    /// The class of the error.
    error_type: Option<String>,
    /// The model that was asked for, where another answered.
    model_requested: Option<String>,
    /// Why the model stopped.
    finish_reasons: Vec<String>,
    /// Start, nanoseconds since the epoch.
    start_ns: Option<String>,
    /// End, nanoseconds since the epoch.
    end_ns: Option<String>,
    /// Milliseconds from start to end.
    duration_ms: Option<f64>,
    /// Usage in disjoint buckets.
    #[schema(value_type = Object)]
    usage: Option<Usage>,
    /// Usage as it was reported.
    #[schema(value_type = Object)]
    usage_reported: Json,
    /// Whether its usage counts towards the trace.
    usage_counted: bool,
    /// Billionths of a US dollar.
    cost_nano_usd: Option<String>,
    /// `agent`, `table`, `default` or `none`.
    cost_source: &'static str,
    /// The table and rule that priced it.
    cost_rule: Option<String>,
    /// The messages sent to the model.
    #[schema(value_type = Vec<Object>)]
    input_messages: Vec<Message>,
    /// The messages it answered with.
    #[schema(value_type = Vec<Object>)]
    output_messages: Vec<Message>,
    /// The tools the model was offered.
    tool_definitions: Option<Json>,
    /// Documents of a retriever or reranker.
    documents: Option<Json>,
    /// Timed events.
    events: Vec<EventView>,
    /// Links to other spans.
    links: Vec<LinkView>,
    /// What describes the sender.
    #[schema(value_type = Object)]
    resource: JsonMap,
    /// The instrumentation.
    #[schema(value_type = Object)]
    scope: Json,
    /// What detectors found.
    findings: Vec<FindingView>,
    /// What rules said.
    #[schema(value_type = Vec<Object>)]
    evaluations: Vec<Evaluation>,
    /// What followed, strongest first.
    decision: Vec<&'static str>,
    /// `pass`, `warning`, `fail`, `review`, `quarantined`.
    verdict: &'static str,
    /// What was odd about it and tolerated.
    flags: Vec<&'static str>,
    /// The door it came through.
    door: &'static str,
    /// The dialects that were recognised.
    dialects: Vec<String>,
    /// Version of the mapping.
    mapping_version: u32,
    /// Which raw attribute supplied each mapped field.
    #[schema(value_type = Object)]
    provenance: std::collections::BTreeMap<String, String>,
    /// When this revision was received, RFC 3339.
    received_at: String,
    /// Its record id.
    record: String,
    /// Index in the workspace's log; null while it runs.
    log_index: Option<u64>,
    /// SHA-256 leaf hash; null while it runs.
    fingerprint: Option<String>,
}

/// A timed event.
#[derive(Debug, Serialize, ToSchema)]
struct EventView {
    name: String,
    /// RFC 3339.
    time: String,
    time_ns: String,
    #[schema(value_type = Object)]
    attributes: JsonMap,
    body: Option<Json>,
}

/// A link to another span.
#[derive(Debug, Serialize, ToSchema)]
struct LinkView {
    trace_id: String,
    span_id: String,
    #[schema(value_type = Object)]
    attributes: JsonMap,
}

impl SpanDocument {
    pub(crate) fn of(detail: &SpanDetail) -> Self {
        let mut native = native::fields(&detail.span);
        for (name, value) in members(&Mapped::of(&detail.span)) {
            native.entry(name).or_insert(value);
        }
        native.extend(members(&Exact::of(detail)));
        Self { native }
    }

    /// Its members.
    pub(crate) fn into_map(self) -> JsonMap {
        self.native
    }

    /// With the raw attributes as they are kept: by part, reserved keys included.
    pub(crate) fn with_raw(detail: &SpanDetail) -> Self {
        let mut document = Self::of(detail);
        let raw: Vec<Json> = detail
            .span
            .attributes
            .iter()
            .map(|a| serde_json::json!({ "key": a.key, "value": a.value, "part": a.part.as_str() }))
            .collect();
        document.native.insert("raw".to_owned(), raw.into());
        document
    }
}

fn members<T: Serialize>(value: &T) -> JsonMap {
    match serde_json::to_value(value) {
        Ok(Json::Object(map)) => map,
        _ => JsonMap::new(),
    }
}

impl Mapped {
    fn of(span: &Span) -> Self {
        Self {
            provider: span.provider.clone(),
            agent_name: span.agent.clone(),
            session_id: span.session.clone(),
            user_id: span.user.clone(),
            environment: span.environment.clone(),
            version: span.version.clone(),
            service: span.service.clone(),
            tool_name: span.tool.clone(),
            tool_call_id: span.tool_call_id.clone(),
            response_id: span.response_id.clone(),
            service_tier: span.service_tier.clone(),
            ttft_ms: span.ttft.map(ms),
            tags: span.tags.clone(),
            metadata: span.metadata.clone(),
            parameters: span.params.clone(),
        }
    }
}

impl Exact {
    fn of(detail: &SpanDetail) -> Self {
        let SpanDetail { span, content, record, index, leaf_hash, counted } = detail;
        let head = exhibit_model::SpanHead::of(span);
        let content: &Content = content;
        Self {
            kind: span.kind().as_str(),
            status_message: span.status_message.clone(),
            error_type: span.error_type.clone(),
            model_requested: span.model_requested.clone(),
            finish_reasons: span.finish_reasons.clone(),
            start_ns: span.start.map(|t| t.to_string()),
            end_ns: span.end.map(|t| t.to_string()),
            duration_ms: head.duration().map(ms),
            usage: span.usage,
            usage_reported: serde_json::to_value(span.usage_reported).unwrap_or_default(),
            usage_counted: *counted,
            cost_nano_usd: span.cost.amount.map(|a| a.0.to_string()),
            cost_source: span.cost.source.as_str(),
            cost_rule: span.cost.rule.clone(),
            input_messages: content.input_messages.clone(),
            output_messages: content.output_messages.clone(),
            tool_definitions: content.tool_definitions.clone(),
            documents: content.documents.clone(),
            events: span.events.iter().map(EventView::of).collect(),
            links: span.links.iter().map(LinkView::of).collect(),
            resource: span.resource.attributes.clone(),
            scope: serde_json::to_value(&*span.scope).unwrap_or_default(),
            findings: findings(span),
            evaluations: span.evaluations.clone(),
            decision: span.decision.actions.iter().map(|a| a.as_str()).collect(),
            verdict: head.verdict.as_str(),
            flags: span.flags.iter().map(|f| f.as_str()).collect(),
            door: span.door.as_str(),
            dialects: span.dialects.clone(),
            mapping_version: span.mapping_version,
            provenance: span.provenance.clone(),
            received_at: span.received.to_rfc3339(),
            record: record.to_string(),
            log_index: *index,
            fingerprint: leaf_hash.map(hex::encode),
        }
    }
}

impl EventView {
    fn of(event: &Event) -> Self {
        Self {
            name: event.name.clone(),
            time: event.time.to_rfc3339(),
            time_ns: event.time.to_string(),
            attributes: event.attributes.clone(),
            body: event.body.clone(),
        }
    }
}

impl LinkView {
    fn of(link: &Link) -> Self {
        Self {
            trace_id: link.trace_id.to_string(),
            span_id: link.span_id.to_string(),
            attributes: link.attributes.clone(),
        }
    }
}

/// A span in a window of a large trace: no payload, short texts only.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SpanPreview {
    span_id: String,
    parent_span_id: Option<String>,
    name: String,
    /// The kind in our words.
    span_type: &'static str,
    status: &'static str,
    /// RFC 3339.
    start_time: String,
    /// RFC 3339.
    end_time: Option<String>,
    start_ns: String,
    end_ns: Option<String>,
    duration_ms: Option<f64>,
    model: Option<String>,
    provider: Option<String>,
    agent_name: Option<String>,
    tool_name: Option<String>,
    tokens_in: Option<u64>,
    tokens_out: Option<u64>,
    /// US dollars.
    cost: Option<f64>,
    /// Billionths of a US dollar.
    cost_nano_usd: Option<String>,
    cost_source: &'static str,
    usage_counted: bool,
    verdict: &'static str,
    findings: u32,
    flags: Vec<&'static str>,
    input_preview: Option<String>,
    output_preview: Option<String>,
    /// Index in the workspace's log; null while it runs.
    log_index: Option<u64>,
    /// SHA-256 leaf hash; null while it runs.
    fingerprint: Option<String>,
}

impl SpanPreview {
    pub(crate) fn of(view: &SpanView) -> Self {
        let head = &view.row.head;
        Self {
            span_id: head.span_id.to_string(),
            parent_span_id: head.parent_id.as_ref().map(ToString::to_string),
            name: head.name.clone(),
            span_type: head.kind.as_str(),
            status: head.status.as_str(),
            start_time: head.start.to_rfc3339(),
            end_time: head.end.map(Nanos::to_rfc3339),
            start_ns: head.start.to_string(),
            end_ns: head.end.map(|t| t.to_string()),
            duration_ms: head.duration().map(ms),
            model: head.model.clone(),
            provider: head.provider.clone(),
            agent_name: head.agent.clone(),
            tool_name: head.tool.clone(),
            tokens_in: head.usage.map(|u| u.input_tokens()),
            tokens_out: head.usage.map(|u| u.output_tokens()),
            cost: head.cost.map(exhibit_model::NanoUsd::to_usd),
            cost_nano_usd: head.cost.map(|c| c.0.to_string()),
            cost_source: head.cost_source.as_str(),
            usage_counted: view.row.counted,
            verdict: head.verdict.as_str(),
            findings: head.findings,
            flags: head.flags.iter().map(|f| f.as_str()).collect(),
            input_preview: view.input_preview.clone(),
            output_preview: view.output_preview.clone(),
            log_index: view.row.index,
            fingerprint: view.row.leaf_hash.map(hex::encode),
        }
    }
}
