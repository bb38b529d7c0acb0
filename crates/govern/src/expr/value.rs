//! Values of expressions: borrowed from the span wherever they can be.

use std::{borrow::Cow, cmp::Ordering, collections::BTreeMap, rc::Rc};

use exhibit_model::{Finding, Json, JsonMap, Part, Span};

use super::{Root, eval::Stop};
use crate::policy::trace::TraceView;

/// What an expression computes with.
#[derive(Clone)]
pub(crate) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    Text(Cow<'a, str>),
    List(Rc<Vec<Val<'a>>>),
    Map(Rc<Vec<(Val<'a>, Val<'a>)>>),
    Array(&'a [Json]),
    Object(&'a JsonMap),
    Texts(&'a [String]),
    TextMap(&'a BTreeMap<String, String>),
    Span(&'a Span),
    Spans(&'a [Span]),
    Trace(&'a TraceView<'a>),
    User(&'a Span),
    Attributes(&'a Span),
    Findings(&'a [Finding]),
    Finding(&'a Finding),
    /// A length of time, nanoseconds.
    Duration(i64),
    /// A point in time, nanoseconds since 1970.
    Time(i64),
}

const SPAN_FIELDS: &str = "id trace_id parent_id name kind model provider agent user session environment \
    version service status error_type tool tags metadata params attributes input output findings cost_usd \
    tokens tokens_in tokens_out latency_ms start finish_reasons door";
const TRACE_FIELDS: &str = "id name agent user session environment version service status tags metadata \
    models providers tools start spans findings cost_usd tokens tokens_in tokens_out latency_ms span_count \
    error_count depth";

/// Refuses a field that spans or traces never have.
pub(super) fn check_field(root: Root, field: &str) -> Result<(), String> {
    let (word, known) = match root {
        Root::Data => return Ok(()),
        Root::Span => ("span", SPAN_FIELDS),
        Root::Trace => ("trace", TRACE_FIELDS),
    };
    if known.split_whitespace().any(|name| name == field) {
        return Ok(());
    }
    let known: Vec<&str> = known.split_whitespace().collect();
    Err(format!("a {word} has no `{field}`; there are {}", known.join(", ")))
}

type Found<'a> = Result<Val<'a>, Stop>;

fn text(text: Option<&str>) -> Found<'_> {
    text.map(|text| Val::Text(Cow::Borrowed(text))).ok_or(Stop::Absent)
}

fn number<'a>(number: Option<f64>) -> Found<'a> {
    number.map(Val::Double).ok_or(Stop::Absent)
}

fn count<'a>(count: Option<u64>) -> Found<'a> {
    count.map(|n| Val::Int(i64::try_from(n).unwrap_or(i64::MAX))).ok_or(Stop::Absent)
}

impl<'a> Val<'a> {
    pub(super) fn json(value: &'a Json) -> Self {
        match value {
            Json::Null => Self::Null,
            Json::Bool(b) => Self::Bool(*b),
            Json::Number(n) => match (n.as_i64(), n.as_u64()) {
                (Some(n), _) => Self::Int(n),
                (None, Some(n)) => Self::UInt(n),
                _ => Self::Double(n.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::Text(Cow::Borrowed(text)),
            Json::Array(items) => Self::Array(items),
            Json::Object(map) => Self::Object(map),
        }
    }

    /// The texts of a part of the record, one after the other.
    fn part(span: &'a Span, part: Part) -> Found<'a> {
        let mut values = span.attributes.iter().filter(|a| a.part == part).map(|a| &a.value);
        match (values.next(), values.next()) {
            (None, _) => Err(Stop::Absent),
            (Some(Json::String(text)), None) => Ok(Self::Text(Cow::Borrowed(text))),
            (Some(_), _) => {
                let mut all = String::new();
                for a in span.attributes.iter().filter(|a| a.part == part) {
                    if !all.is_empty() {
                        all.push('\n');
                    }
                    match &a.value {
                        Json::String(text) => all.push_str(text),
                        other => all.push_str(&other.to_string()),
                    }
                }
                Ok(Self::Text(Cow::Owned(all)))
            }
        }
    }

    fn span_field(span: &'a Span, field: &str) -> Found<'a> {
        let usage = span.usage.as_ref();
        match field {
            "id" => text(Some(span.span_id.as_str())),
            "trace_id" => text(Some(span.trace_id.as_str())),
            "parent_id" => text(span.parent_id.as_ref().map(exhibit_model::SpanId::as_str)),
            "name" => text(span.name.as_deref()),
            "kind" => text(Some(span.kind().as_str())),
            "model" => text(span.model.as_deref()),
            "provider" => text(span.provider.as_deref()),
            "agent" => text(span.agent.as_deref()),
            "user" => Ok(Self::User(span)),
            "session" => text(span.session.as_deref()),
            "environment" => text(span.environment.as_deref()),
            "version" => text(span.version.as_deref()),
            "service" => text(span.service.as_deref()),
            "status" => text(Some(span.status.as_str())),
            "error_type" => text(span.error_type.as_deref()),
            "tool" => text(span.tool.as_deref()),
            "tags" => Ok(Self::Texts(&span.tags)),
            "finish_reasons" => Ok(Self::Texts(&span.finish_reasons)),
            "metadata" => Ok(Self::TextMap(&span.metadata)),
            "params" => Ok(Self::Object(&span.params)),
            "attributes" => Ok(Self::Attributes(span)),
            "input" => Self::part(span, Part::Input),
            "output" => Self::part(span, Part::Output),
            "findings" if span.findings.iter().all(Finding::is_sure) => {
                Ok(Self::Findings(&span.findings))
            }
            "findings" => Ok(Self::sure(span.findings.iter())),
            "cost_usd" => number(span.cost.amount.map(exhibit_model::NanoUsd::to_usd)),
            "tokens" => count(usage.map(|u| u.input_tokens().saturating_add(u.output_tokens()))),
            "tokens_in" => count(usage.map(exhibit_model::Usage::input_tokens)),
            "tokens_out" => count(usage.map(exhibit_model::Usage::output_tokens)),
            "latency_ms" => number(span.duration().map(|d| d.0 as f64 / 1e6)),
            "start" => span.start.map(|t| Self::Time(t.0)).ok_or(Stop::Absent),
            "door" => text(Some(span.door.as_str())),
            _ => Err(Stop::Absent),
        }
    }

    fn trace_field(trace: &'a TraceView<'a>, field: &str) -> Found<'a> {
        let sum = trace.summary;
        let set = |set: &'a std::collections::BTreeSet<String>| {
            Ok(Self::List(Rc::new(set.iter().map(|t| Self::Text(Cow::Borrowed(t))).collect())))
        };
        match field {
            "id" => text(Some(sum.trace_id.as_str())),
            "name" => text(sum.name.as_deref()),
            "agent" => text(sum.agent.as_deref()),
            "user" => text(sum.user.as_deref()),
            "session" => text(sum.session.as_deref()),
            "environment" => text(sum.environment.as_deref()),
            "version" => text(sum.version.as_deref()),
            "service" => text(sum.service.as_deref()),
            "status" => text(Some(sum.status().as_str())),
            "tags" => set(&sum.tags),
            "models" => set(&sum.models),
            "providers" => set(&sum.providers),
            "tools" => set(&sum.tools),
            "metadata" => Ok(Self::TextMap(&sum.metadata)),
            "start" => Ok(Self::Time(sum.start.0)),
            "spans" => Ok(Self::Spans(trace.spans)),
            "findings" => Ok(Self::sure(trace.spans.iter().flat_map(|s| &s.findings))),
            "cost_usd" => number(sum.cost().map(exhibit_model::NanoUsd::to_usd)),
            "tokens" => {
                count(Some(sum.usage().input_tokens().saturating_add(sum.usage().output_tokens())))
            }
            "tokens_in" => count(Some(sum.usage().input_tokens())),
            "tokens_out" => count(Some(sum.usage().output_tokens())),
            "latency_ms" => number(sum.duration().map(|d| d.0 as f64 / 1e6)),
            "span_count" => count(Some(sum.span_count)),
            "error_count" => count(Some(sum.error_count)),
            "depth" => count(Some(trace.depth())),
            _ => Err(Stop::Absent),
        }
    }

    /// What is unsure counts for no expression.
    fn sure(findings: impl Iterator<Item = &'a Finding>) -> Self {
        let sure = findings.filter(|finding| finding.is_sure()).map(Self::Finding);
        Self::List(Rc::new(sure.collect()))
    }

    fn finding_field(finding: &'a Finding, field: &str) -> Found<'a> {
        match field {
            "rule" | "detector" => text(Some(&finding.rule)),
            "entity" => text(Some(&finding.entity)),
            "category" => text(Some(finding.category.as_str())),
            "severity" => text(Some(finding.severity.as_str())),
            "part" => text(Some(finding.part.as_str())),
            "score" => Ok(Self::Double(f64::from(finding.score_milli) / 1e3)),
            "validated" => Ok(Self::Bool(finding.validated)),
            "redacted" => Ok(Self::Bool(finding.redacted)),
            _ => Err(Stop::Absent),
        }
    }

    /// `value.field`.
    pub(super) fn select(&self, field: &str) -> Found<'a> {
        match self {
            Self::Span(span) => Self::span_field(span, field),
            Self::Trace(trace) => Self::trace_field(trace, field),
            Self::Finding(finding) => Self::finding_field(finding, field),
            Self::User(span) if field == "id" => text(span.user.as_deref()),
            Self::User(span) => {
                // `user.region` of metadata or of the raw attributes.
                fn has(key: &str) -> Option<&str> {
                    key.strip_prefix("user.").or_else(|| key.strip_prefix("user_"))
                }
                let known = span.metadata.iter().find(|(key, _)| has(key) == Some(field));
                if let Some((_, value)) = known {
                    return text(Some(value));
                }
                let known = span.attributes.iter().find(|a| has(&a.key) == Some(field));
                known.map(|a| Self::json(&a.value)).ok_or(Stop::Absent)
            }
            Self::Attributes(span) => span.attribute(field).map(Self::json).ok_or(Stop::Absent),
            Self::Object(map) => map.get(field).map(Self::json).ok_or(Stop::Absent),
            Self::TextMap(map) => text(map.get(field).map(String::as_str)),
            Self::Map(entries) => {
                let found = entries.iter().find(|(k, _)| matches!(k, Self::Text(k) if k == field));
                found.map(|(_, v)| v.clone()).ok_or(Stop::Absent)
            }
            _ => Err(Stop::Fault("a field of something that has none")),
        }
    }

    /// How many elements; `None` when it is no list.
    pub(super) fn list_len(&self) -> Option<usize> {
        Some(match self {
            Self::List(items) => items.len(),
            Self::Array(items) => items.len(),
            Self::Texts(items) => items.len(),
            Self::Findings(items) => items.len(),
            Self::Spans(items) => items.len(),
            _ => return None,
        })
    }

    /// One element of a list.
    pub(super) fn item(&self, at: usize) -> Option<Val<'a>> {
        Some(match self {
            Self::List(items) => items.get(at)?.clone(),
            Self::Array(items) => Self::json(items.get(at)?),
            Self::Texts(items) => Self::Text(Cow::Borrowed(items.get(at)?)),
            Self::Findings(items) => Self::Finding(items.get(at)?),
            Self::Spans(items) => Self::Span(items.get(at)?),
            _ => return None,
        })
    }

    /// Keys of a map as a list, which macros run over.
    pub(super) fn keys(&self) -> Option<Vec<Val<'a>>> {
        Some(match self {
            Self::Map(entries) => entries.iter().map(|(k, _)| k.clone()).collect(),
            Self::Object(map) => map.keys().map(|k| Self::Text(Cow::Borrowed(k))).collect(),
            Self::TextMap(map) => map.keys().map(|k| Self::Text(Cow::Borrowed(k))).collect(),
            Self::Attributes(span) => {
                span.attributes.iter().map(|a| Self::Text(Cow::Borrowed(&a.key))).collect()
            }
            _ => return None,
        })
    }

    /// The text it is: `span.user` stands for the user's id.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::User(span) => span.user.as_deref(),
            _ => None,
        }
    }

    /// CEL equality: numbers by their value, others only with their like.
    pub(super) fn equals(&self, other: &Self) -> Result<bool, Stop> {
        if let (Some(a), Some(b)) = (self.as_text(), other.as_text()) {
            return Ok(a == b);
        }
        if matches!(self, Self::User(_)) || matches!(other, Self::User(_)) {
            return Err(Stop::Absent);
        }
        if let Some(order) = self.numeric(other) {
            return Ok(order == Some(Ordering::Equal));
        }
        if let (Some(a), Some(b)) = (self.list_len(), other.list_len()) {
            if a != b {
                return Ok(false);
            }
            for at in 0..a {
                let (Some(x), Some(y)) = (self.item(at), other.item(at)) else { return Ok(false) };
                if !x.equals(&y)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        if let (Some(keys), Some(others)) = (self.keys(), other.keys()) {
            if keys.len() != others.len() {
                return Ok(false);
            }
            for key in &keys {
                match (self.index(key), other.index(key)) {
                    (Ok(a), Ok(b)) if a.equals(&b)? => {}
                    _ => return Ok(false),
                }
            }
            return Ok(true);
        }
        Ok(match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Duration(a), Self::Duration(b)) | (Self::Time(a), Self::Time(b)) => a == b,
            _ => false,
        })
    }

    /// Order of two numbers; `None` when one is none, `Some(None)` for NaN.
    #[allow(
        clippy::option_option,
        reason = "whether they are numbers, then whether they have an order"
    )]
    fn numeric(&self, other: &Self) -> Option<Option<Ordering>> {
        let whole = |v: &Self| match v {
            Self::Int(n) => Some(i128::from(*n)),
            Self::UInt(n) => Some(i128::from(*n)),
            _ => None,
        };
        if let (Some(a), Some(b)) = (whole(self), whole(other)) {
            return Some(Some(a.cmp(&b)));
        }
        let real = |v: &Self| match v {
            Self::Double(n) => Some(*n),
            v => whole(v).map(|n| n as f64),
        };
        Some(real(self)?.partial_cmp(&real(other)?))
    }

    /// Order of two values of one kind.
    pub(super) fn compare(&self, other: &Self) -> Result<Option<Ordering>, Stop> {
        if let Some(order) = self.numeric(other) {
            return Ok(order);
        }
        if let (Some(a), Some(b)) = (self.as_text(), other.as_text()) {
            return Ok(Some(a.cmp(b)));
        }
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Ok(Some(a.cmp(b))),
            (Self::Duration(a), Self::Duration(b)) | (Self::Time(a), Self::Time(b)) => {
                Ok(Some(a.cmp(b)))
            }
            _ => Err(Stop::Fault("a comparison of things that have no common order")),
        }
    }

    /// `value[key]`.
    pub(super) fn index(&self, key: &Self) -> Found<'a> {
        if let Some(len) = self.list_len() {
            let at = match key {
                Self::Int(n) => usize::try_from(*n).ok(),
                Self::UInt(n) => usize::try_from(*n).ok(),
                Self::Double(n) if n.fract() == 0.0 && *n >= 0.0 => Some(*n as usize),
                _ => return Err(Stop::Fault("a list is indexed by a number")),
            };
            return at.filter(|at| *at < len).and_then(|at| self.item(at)).ok_or(Stop::Absent);
        }
        if let Self::Map(entries) = self {
            for (k, v) in entries.iter() {
                if k.equals(key)? {
                    return Ok(v.clone());
                }
            }
            return Err(Stop::Absent);
        }
        match key.as_text() {
            Some(key) => self.select(key),
            None if self.keys().is_some() => Err(Stop::Absent),
            None => Err(Stop::Fault("an index into something that has none")),
        }
    }
}
