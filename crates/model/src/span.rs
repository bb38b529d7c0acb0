//! A span: one step of an agent's run, as it travels from a client's bytes to the store.
//!
//! The raw [`attributes`](Span::attributes) are what the client sent and are kept whole; the mapped
//! fields beside them are what dialects read out of them, and can be computed again.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    Cost, Decision, Evaluation, Finding, Json, JsonMap, Nanos, ReportedUsage, SpanId, SpanKind,
    Status, TokenSemantics, TraceId, Usage, kind::words,
};

/// One step of an agent's run.
///
/// Serialised, it is the *header* part of its record: everything but the raw attributes and events,
/// which are parts of their own (see [`crate::record`]).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Span {
    /// The trace it belongs to.
    pub trace_id: TraceId,
    /// Its id within the trace.
    pub span_id: SpanId,
    /// The enclosing span; none for a root.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parent_id: Option<SpanId>,
    /// Its name; absent while only part of the span is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// What kind of step it is; absent while unknown, shown as `span`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kind: Option<SpanKind>,
    /// The client's own word for the kind, where it is not one of ours.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kind_label: Option<String>,
    /// When it started, by the client's clock; absent while unknown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub start: Option<Nanos>,
    /// When it ended, by the client's clock.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end: Option<Nanos>,
    /// How it stands.
    pub status: Status,
    /// Why it failed, or why it is incomplete.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status_message: Option<String>,
    /// The class of the error, such as `RateLimitError`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_type: Option<String>,

    /// The model that answered, else the one that was asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model: Option<String>,
    /// The model that was asked for, where it differs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model_requested: Option<String>,
    /// The provider's canonical name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub provider: Option<String>,
    /// Service tier or `batch`, where priced apart.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub service_tier: Option<String>,
    /// Session, conversation or thread.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session: Option<String>,
    /// The end user: the data subject of the record.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user: Option<String>,
    /// The agent's name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agent: Option<String>,
    /// The agent's id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agent_id: Option<String>,
    /// Deployment environment, such as `production`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub environment: Option<String>,
    /// Version or release of the application.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<String>,
    /// The service or project that sent it; a label, never a routing key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub service: Option<String>,
    /// The trace's own name, where a client names the trace apart from its root span.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trace_name: Option<String>,
    /// The tool that was called.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tool: Option<String>,
    /// The id of the tool call this span executes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tool_call_id: Option<String>,
    /// The provider's id of the response; counts a call once when two instruments report it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub response_id: Option<String>,
    /// Why the model stopped.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub finish_reasons: Vec<String>,
    /// Time to the first token or chunk, nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ttft: Option<Nanos>,
    /// Request parameters (temperature, top_p, …).
    #[serde(skip_serializing_if = "JsonMap::is_empty", default)]
    pub params: JsonMap,
    /// The prompt template it was rendered from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub prompt: Option<PromptTemplate>,
    /// Tags, of the trace as a whole.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub tags: Vec<String>,
    /// Metadata, of the trace as a whole; values as text.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub metadata: BTreeMap<String, String>,

    /// Token usage in disjoint buckets.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub usage: Option<Usage>,
    /// Token usage as it was reported.
    #[serde(skip_serializing_if = "ReportedUsage::is_empty", default)]
    pub usage_reported: ReportedUsage,
    /// How the report was read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub usage_semantics: Option<TokenSemantics>,
    /// Cost as the client reported it, before pricing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cost_reported: Option<crate::NanoUsd>,
    /// What it cost, and how we know.
    #[serde(default)]
    pub cost: Cost,

    /// What detectors found. Never the matched text.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub findings: Vec<Finding>,
    /// What rules said.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub evaluations: Vec<Evaluation>,
    /// What followed from both.
    #[serde(skip_serializing_if = "Decision::is_allow", default)]
    pub decision: Decision,

    /// The door it came through.
    pub door: Door,
    /// The dialects that were recognised, strongest first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub dialects: Vec<String>,
    /// The version of the mapping that filled the fields above.
    #[serde(default)]
    pub mapping_version: u32,
    /// Which raw attribute supplied each mapped field: field name to attribute key. Not stored:
    /// mapping says it again.
    #[serde(skip)]
    pub provenance: BTreeMap<String, String>,
    /// What was odd about it and tolerated.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub flags: Vec<Flag>,
    /// When this revision was received, by our clock.
    #[serde(default)]
    pub received: Nanos,
    /// When the first piece of the span was received; absent where this revision is the first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first_received: Option<Nanos>,

    /// Everything the client sent, in order. Keys are unique.
    #[serde(skip)]
    pub attributes: Vec<Attribute>,
    /// Timed events inside the span.
    #[serde(skip)]
    pub events: Vec<Event>,
    /// Links to other spans.
    #[serde(skip)]
    pub links: Vec<Link>,
    /// What describes the sender; shared by all spans of a batch.
    #[serde(skip)]
    pub resource: Arc<Resource>,
    /// The instrumentation that made the span; shared.
    #[serde(skip)]
    pub scope: Arc<Scope>,
}

impl Span {
    /// A span of which only the identity is known. It is `running` until somebody says otherwise.
    pub fn new(trace_id: TraceId, span_id: SpanId, door: Door) -> Self {
        Self {
            trace_id,
            span_id,
            parent_id: None,
            name: None,
            kind: None,
            kind_label: None,
            start: None,
            end: None,
            status: Status::Running,
            status_message: None,
            error_type: None,
            model: None,
            model_requested: None,
            provider: None,
            service_tier: None,
            session: None,
            user: None,
            agent: None,
            agent_id: None,
            environment: None,
            version: None,
            service: None,
            trace_name: None,
            tool: None,
            tool_call_id: None,
            response_id: None,
            finish_reasons: Vec::new(),
            ttft: None,
            params: JsonMap::new(),
            prompt: None,
            tags: Vec::new(),
            metadata: BTreeMap::new(),
            usage: None,
            usage_reported: ReportedUsage::default(),
            usage_semantics: None,
            cost_reported: None,
            cost: Cost::UNKNOWN,
            findings: Vec::new(),
            evaluations: Vec::new(),
            decision: Decision::default(),
            door,
            dialects: Vec::new(),
            mapping_version: 0,
            provenance: BTreeMap::new(),
            flags: Vec::new(),
            received: Nanos(0),
            first_received: None,
            attributes: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
            resource: Arc::default(),
            scope: Arc::default(),
        }
    }

    /// The kind, `span` when nothing is known.
    pub fn kind(&self) -> SpanKind {
        self.kind.unwrap_or(SpanKind::Span)
    }

    /// The value of a raw attribute.
    pub fn attribute(&self, key: &str) -> Option<&Json> {
        self.attributes.iter().find(|a| a.key == key).map(|a| &a.value)
    }

    /// Marks it with a flag, once.
    pub fn flag(&mut self, flag: Flag) {
        if !self.flags.contains(&flag) {
            self.flags.push(flag);
        }
    }

    /// Nanoseconds from start to end; none while either is unknown or the end is before the start.
    pub fn duration(&self) -> Option<Nanos> {
        let (start, end) = (self.start?.0, self.end?.0);
        end.checked_sub(start).filter(|d| *d >= 0).map(Nanos)
    }
}

/// One raw attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// The client's key.
    pub key: String,
    /// The client's value. Bytes appear as `{"$bytes": "<base64>"}`.
    pub value: Json,
    /// The part of the record it is kept in.
    pub part: Part,
}

impl Attribute {
    /// An attribute of the `attributes` part; mapping moves it to where it belongs.
    pub fn new(key: impl Into<String>, value: impl Into<Json>) -> Self {
        Self { key: key.into(), value: value.into(), part: Part::Attributes }
    }
}

/// A part of a record: one of them can be shown, withheld or erased while the rest still proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The mapped fields.
    Header,
    /// The raw attributes that carry what was asked.
    Input,
    /// The raw attributes that carry what came back.
    Output,
    /// All other raw attributes, the resource and the scope.
    Attributes,
    /// Events and links.
    Events,
}

impl Part {
    /// Every part, in the order in which records commit to them.
    pub const ALL: [Self; 5] =
        [Self::Header, Self::Input, Self::Output, Self::Attributes, Self::Events];

    /// The word used in APIs and pointers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Input => "input",
            Self::Output => "output",
            Self::Attributes => "attributes",
            Self::Events => "events",
        }
    }
}

/// A timed event inside a span.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its name, such as `exception`.
    pub name: String,
    /// When, by the client's clock.
    pub time: Nanos,
    /// Its attributes.
    #[serde(skip_serializing_if = "JsonMap::is_empty", default)]
    pub attributes: JsonMap,
    /// A log record's body, where it came as one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<Json>,
}

/// A link to another span.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// The other trace.
    pub trace_id: TraceId,
    /// The other span.
    pub span_id: SpanId,
    /// What the link means.
    #[serde(skip_serializing_if = "JsonMap::is_empty", default)]
    pub attributes: JsonMap,
}

/// What describes the sender.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Resource {
    /// Resource attributes.
    pub attributes: JsonMap,
}

/// The instrumentation library that made a span.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Scope {
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub name: String,
    /// Its version.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub version: String,
    /// Its attributes.
    #[serde(skip_serializing_if = "JsonMap::is_empty", default)]
    pub attributes: JsonMap,
}

/// The prompt template a call was rendered from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PromptTemplate {
    /// Its name or key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

words! {
    /// The door a span came through.
    Door {
        /// OTLP traces or logs.
        Otlp = "otlp" = 1,
        /// The native JSON API.
        Native = "native" = 2,
        /// The command line's own calls.
        Cli = "cli" = 3,
        /// Another product's protocol.
        Compat = "compat" = 4,
        /// The server itself.
        Server = "server" = 5,
        /// The provider proxy.
        Proxy = "proxy" = 6,
    }
}

words! {
    /// What was odd about a span and tolerated, because real clients do it.
    Flag {
        /// Ended before it started.
        EndBeforeStart = "end-before-start" = 1,
        /// The trace id was missing and derived from the content.
        TraceIdDerived = "trace-id-derived" = 2,
        /// The span id was missing and derived from the content.
        SpanIdDerived = "span-id-derived" = 3,
        /// The start time was missing; the time of receipt stands in.
        StartMissing = "start-missing" = 4,
        /// A stamp more than five minutes in the future of our clock.
        FutureStamp = "future-stamp" = 5,
        /// A stamp more than a year in the past of our clock.
        PastStamp = "past-stamp" = 6,
        /// A number came as text.
        NumberAsText = "number-as-text" = 7,
        /// A terminal revision that differs from an earlier terminal one.
        Correction = "correction" = 8,
        /// Its usage is a sum of its children's and is not counted.
        AggregateUsage = "aggregate-usage" = 10,
        /// Content masked by the client before it was sent.
        MaskedAtSource = "masked-at-source" = 11,
        /// A name was longer than the limit and was cut.
        NameCut = "name-cut" = 12,
        /// Its parent is itself.
        SelfParent = "self-parent" = 13,
        /// Attribute keys were repeated; the last value was kept.
        RepeatedKey = "repeated-key" = 14,
        /// Tokens in the report were negative or not a number and were left out.
        UsageUnreadable = "usage-unreadable" = 15,
        /// Text that was not valid Unicode was replaced.
        InvalidText = "invalid-text" = 16,
        /// No end arrived in time.
        Stale = "stale" = 17,
        /// The end time was missing although the span had ended.
        EndMissing = "end-missing" = 18,
        /// Numbers of the report contradict the stated semantics; read as exclusive.
        UsageExclusive = "usage-exclusive" = 19,
        /// A part was withheld because a redactor failed.
        Withheld = "withheld" = 20,
        /// Made of log records of its steps; it reaches from the first to the last of them.
        Gathered = "gathered" = 21,
    }
}
