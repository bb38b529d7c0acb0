//! Filling the mapped fields from what the pass has found.

use std::collections::BTreeMap;

use exhibit_model::{
    Door, Flag, Json, JsonMap, NanoUsd, Nanos, PromptTemplate, ReportedUsage, Span, SpanKind,
    Status, TokenSemantics, Usage, limits,
};

use super::{
    gather::{Gathered, Hit, Item},
    usage,
};
use crate::{
    dialect::{Draft, Field, Read, Registry, native, vendor},
    read, stamp,
};

/// Most entries of a span's metadata, parameters and tags; the raw attributes keep all.
const ENTRIES_MAX: usize = 64;
/// Largest request parameter shown in the header, bytes.
const PARAM_BYTES_MAX: usize = 1_024;
/// Parameters that are content, not settings.
const CONTENT_PARAMS: [&str; 10] = [
    "messages",
    "input",
    "prompt",
    "contents",
    "system",
    "tools",
    "functions",
    "instructions",
    "messages_json",
    "documents",
];

/// The mapped fields, apart from the span until the borrow of its raw fields ends.
pub(super) struct Filled {
    kind_label: Option<String>,
    draft: Draft,
    texts: [Option<String>; TEXTS.len()],
    finish_reasons: Vec<String>,
    ttft: Option<Nanos>,
    params: JsonMap,
    tags: Vec<String>,
    metadata: BTreeMap<String, String>,
    usage: Option<Usage>,
    usage_reported: ReportedUsage,
    usage_semantics: Option<TokenSemantics>,
    cost_reported: Option<NanoUsd>,
    dialects: Vec<String>,
    provenance: Vec<(&'static str, String)>,
    flags: Vec<Flag>,
    failed: bool,
}

/// Fields that are one text each.
const TEXTS: [Field; 15] = [
    Field::Model,
    Field::ModelRequested,
    Field::ServiceTier,
    Field::User,
    Field::AgentId,
    Field::Environment,
    Field::Version,
    Field::Service,
    Field::TraceName,
    Field::ToolCallId,
    Field::ResponseId,
    Field::ErrorType,
    Field::ErrorMessage,
    Field::PromptName,
    Field::PromptVersion,
];

pub(super) fn fill(span: &Span, gathered: Gathered<'_>) -> Filled {
    let mut filled = Filled::empty();
    filled.flags.clone_from(&gathered.flags);
    let mut draft = Draft {
        provider: filled.word(&gathered, Field::Provider).and_then(|raw| vendor::canonical(&raw)),
        tool: filled.word(&gathered, Field::Tool),
        agent: filled.word(&gathered, Field::Agent),
        session: filled.word(&gathered, Field::Session),
        ..Draft::default()
    };
    if let Some(hit) = gathered.slot(Field::Kind) {
        draft.kind = kind_of(hit);
        draft.kind_rank = hit.entry.rule.rank;
        filled.note(Field::Kind, hit.key);
        filled.kind_label = label(hit, draft.kind);
    } else if !span.span_id.is_registration() && speaks_of_a_call(&gathered) {
        draft.kind = Some(SpanKind::Llm);
        draft.kind_rank = 209;
    }
    filled.dialects = recognised(span, gathered.dialects, &mut draft);
    for (slot, field) in TEXTS.iter().enumerate() {
        filled.texts[slot] = filled.word(&gathered, *field);
    }
    filled.draft = draft;
    filled.rest(span, &gathered);
    usage::fill(&mut filled, &gathered);
    filled
}

fn kind_of(hit: &Hit) -> Option<SpanKind> {
    match hit.entry.rule.read {
        Read::Kind(kind) => kind(&read::text(&hit.value)?),
        Read::Means(kind) => Some(kind),
        _ => None,
    }
}

/// Whether a span without a kind names a model, counts tokens or holds messages.
fn speaks_of_a_call(gathered: &Gathered) -> bool {
    let fields = [Field::Model, Field::ModelRequested, Field::TokensIn, Field::TokensOut];
    gathered.messages || fields.iter().any(|field| gathered.slot(*field).is_some())
}

/// The client's own word, where it is not one of ours.
fn label(hit: &Hit, kind: Option<SpanKind>) -> Option<String> {
    if !hit.key.starts_with(native::PREFIX) {
        return None;
    }
    read::text(&hit.value).filter(|word| kind.is_none_or(|kind| kind.as_str() != word))
}

/// Names the dialects and lets each refine the draft, weakest first, so that the strongest has the
/// last word.
fn recognised(span: &Span, bits: u64, draft: &mut Draft) -> Vec<String> {
    let positions = (0..64u8).filter(|position| bits & 1 << position != 0);
    let dialects: Vec<_> = positions.filter_map(Registry::dialect).collect();
    for refine in dialects.iter().rev().filter_map(|dialect| dialect.refine) {
        refine(span, draft);
    }
    let told = dialects.iter().filter(|dialect| dialect.name != "otel");
    told.map(|dialect| dialect.name.to_owned()).collect()
}

impl Filled {
    fn empty() -> Self {
        Self {
            kind_label: None,
            draft: Draft::default(),
            texts: [const { None }; TEXTS.len()],
            finish_reasons: Vec::new(),
            ttft: None,
            params: JsonMap::new(),
            tags: Vec::new(),
            metadata: BTreeMap::new(),
            usage: None,
            usage_reported: ReportedUsage::default(),
            usage_semantics: None,
            cost_reported: None,
            dialects: Vec::new(),
            provenance: Vec::with_capacity(20),
            flags: Vec::new(),
            failed: false,
        }
    }

    fn flag(&mut self, flag: Flag) {
        if !self.flags.contains(&flag) {
            self.flags.push(flag);
        }
    }

    fn cut(&mut self, mut text: String) -> String {
        if read::cut(&mut text, limits::NAME_CHARS_MAX) {
            self.flag(Flag::NameCut);
        }
        text
    }

    fn note(&mut self, field: Field, key: &str) {
        self.provenance.push((field.word(), key.to_owned()));
    }

    /// The text of a field, cut to the limit of names.
    fn word(&mut self, gathered: &Gathered, field: Field) -> Option<String> {
        let hit = gathered.slot(field)?;
        let text = hit.text()?;
        self.note(field, hit.key);
        Some(self.cut(text))
    }

    fn rest(&mut self, span: &Span, gathered: &Gathered) {
        if let Some(hit) = gathered.slot(Field::FinishReasons) {
            self.finish_reasons = read::list(&hit.value);
            self.finish_reasons.truncate(ENTRIES_MAX);
            self.note(Field::FinishReasons, hit.key);
        } else {
            self.finish_reasons.clone_from(&gathered.finish_reasons);
        }
        if let Some(hit) = gathered.slot(Field::Ttft) {
            self.ttft = span_of_time(hit, span.start);
            self.note(Field::Ttft, hit.key);
        }
        self.params(&gathered.params);
        self.metadata(&gathered.metadata);
        self.tags(&gathered.tags);
        self.failed = gathered.exception || gathered.slot(Field::Failure).is_some();
        if self.draft.echo {
            return;
        }
        if let Some(hit) = gathered.slot(Field::Cost) {
            self.cost_reported = read::number(&hit.value).and_then(NanoUsd::from_usd);
            self.note(Field::Cost, hit.key);
        } else {
            for field in [Field::CostIn, Field::CostOut] {
                let Some(hit) = gathered.slot(field) else { continue };
                let part = read::number(&hit.value).and_then(NanoUsd::from_usd);
                self.cost_reported = match (self.cost_reported, part) {
                    (Some(sum), Some(part)) => Some(sum.plus(part)),
                    (sum, part) => sum.or(part),
                };
                self.note(field, hit.key);
            }
        }
        if self.draft.zero_is_unknown && self.cost_reported == Some(NanoUsd(0)) {
            self.cost_reported = None;
            self.provenance.retain(|(field, _)| *field != Field::Cost.word());
        }
    }

    fn params(&mut self, items: &[Item]) {
        let mut entries: BTreeMap<String, (u32, Json)> = BTreeMap::new();
        let mut put = |name: &str, order: u32, value: &Json| {
            if CONTENT_PARAMS.contains(&name) || read::size(value) > PARAM_BYTES_MAX {
                return;
            }
            if entries.get(name).is_none_or(|held| order < held.0) {
                entries.insert(name.to_owned(), (order, value.clone()));
            }
        };
        for item in items {
            if item.name.is_empty() {
                for (name, value) in read::object(&item.value).unwrap_or_default() {
                    put(&name, item.order, &value);
                }
            } else {
                put(item.name, item.order, &item.value);
            }
        }
        let entries = entries.into_iter().take(ENTRIES_MAX);
        self.params = entries.map(|(name, (_, value))| (name, value)).collect();
        if let Some(item) = items.iter().min_by_key(|item| (item.order, item.key)) {
            self.note(Field::Param, item.key);
        }
    }

    fn metadata(&mut self, items: &[Item]) {
        let mut entries: BTreeMap<String, (u32, String)> = BTreeMap::new();
        let mut put = |name: &str, order: u32, value: &Json| {
            if read::is_absent(value) {
                return;
            }
            if entries.get(name).is_none_or(|held| order < held.0) {
                let text = read::text(value).unwrap_or_else(|| value.to_string());
                entries.insert(name.to_owned(), (order, text));
            }
        };
        for item in items {
            match read::object(&item.value) {
                Some(map) if item.name.is_empty() => {
                    map.iter().for_each(|(name, value)| put(name, item.order, value));
                }
                _ if item.name.is_empty() => put("metadata", item.order, &item.value),
                _ => put(item.name, item.order, &item.value),
            }
        }
        for (name, (_, text)) in entries.into_iter().take(ENTRIES_MAX) {
            let (name, text) = (self.cut(name), self.cut(text));
            self.metadata.insert(name, text);
        }
        if let Some(item) = items.iter().min_by_key(|item| (item.order, item.key)) {
            self.note(Field::Metadata, item.key);
        }
    }

    fn tags(&mut self, items: &[Item]) {
        let mut sorted: Vec<&Item> = items.iter().collect();
        sorted.sort_by_key(|item| (item.order, item.key));
        for tag in sorted.iter().flat_map(|item| read::list(&item.value)) {
            let tag = self.cut(tag);
            if self.tags.len() < ENTRIES_MAX && !self.tags.contains(&tag) {
                self.tags.push(tag);
            }
        }
        if let Some(item) = sorted.first() {
            self.note(Field::Tags, item.key);
        }
    }

    fn take(&mut self, field: Field) -> Option<String> {
        let slot = TEXTS.iter().position(|text| *text == field)?;
        self.texts[slot].take()
    }

    pub(super) fn apply(mut self, span: &mut Span) {
        let requested = self.take(Field::ModelRequested);
        span.model = self.take(Field::Model);
        span.model_requested = match (&span.model, requested) {
            (None, requested) => {
                span.model = requested;
                None
            }
            (Some(model), Some(requested)) if *model != requested => Some(requested),
            _ => None,
        };
        span.service_tier = self.take(Field::ServiceTier);
        span.user = self.take(Field::User);
        span.agent_id = self.take(Field::AgentId);
        span.environment = self.take(Field::Environment);
        span.version = self.take(Field::Version);
        span.service = self.take(Field::Service);
        span.trace_name = self.take(Field::TraceName);
        span.tool_call_id = self.take(Field::ToolCallId);
        span.response_id = self.take(Field::ResponseId);
        span.error_type = self.take(Field::ErrorType);
        let prompt = PromptTemplate {
            name: self.take(Field::PromptName),
            version: self.take(Field::PromptVersion),
        };
        span.prompt = (prompt != PromptTemplate::default()).then_some(prompt);
        let message = self.take(Field::ErrorMessage);
        let unstated = span.door == Door::Otlp && span.attribute(native::STATED_STATUS).is_none();
        if self.failed && unstated && span.status == Status::Ok {
            span.status = Status::Error;
        }
        if span.status == Status::Error && span.status_message.is_none() {
            span.status_message = message;
        }
        span.kind = self.draft.kind;
        span.kind_label = self.kind_label;
        span.provider = self.draft.provider;
        span.tool = self.draft.tool;
        span.agent = self.draft.agent;
        span.session = self.draft.session;
        span.finish_reasons = self.finish_reasons;
        span.ttft = self.ttft;
        span.params = self.params;
        span.tags = self.tags;
        span.metadata = self.metadata;
        span.usage = self.usage;
        span.usage_reported = self.usage_reported;
        span.usage_semantics = self.usage_semantics;
        span.cost_reported = self.cost_reported;
        span.dialects = self.dialects;
        span.provenance =
            self.provenance.into_iter().map(|(field, key)| (field.to_owned(), key)).collect();
        for flag in self.flags {
            span.flag(flag);
        }
    }

    /// Records the usage and how it was read.
    pub(super) fn set_usage(
        &mut self,
        reported: ReportedUsage,
        stated: TokenSemantics,
        aggregate: bool,
    ) {
        let (usage, used) = reported.split(stated);
        if used != stated {
            self.flag(Flag::UsageExclusive);
        }
        if aggregate {
            self.flag(Flag::AggregateUsage);
        }
        self.usage = Some(usage);
        self.usage_reported = reported;
        self.usage_semantics = Some(used);
    }

    pub(super) fn noted(&mut self, field: Field, key: &str) {
        self.note(field, key);
    }

    pub(super) fn draft(&self) -> &Draft {
        &self.draft
    }
}

fn span_of_time(hit: &Hit, start: Option<Nanos>) -> Option<Nanos> {
    let scaled = |unit: f64| {
        let nanos = read::number(&hit.value)? * unit;
        (nanos.is_finite() && (0.0..9e18).contains(&nanos)).then_some(Nanos(nanos as i64))
    };
    match hit.entry.rule.read {
        Read::Seconds => scaled(1e9),
        Read::Millis => scaled(1e6),
        Read::Since => {
            let at = stamp::read(&Json::String(read::text(&hit.value)?)).ok()?;
            Some(Nanos(at.0.checked_sub(start?.0)?))
        }
        _ => None,
    }
}
