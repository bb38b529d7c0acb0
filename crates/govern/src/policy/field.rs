//! Facts of a span that rules compare: `cost_usd: {gt: 0.5}`, `provider: {not_in: [openai]}`.

use exhibit_model::{Json, Part, Span};
use regex::Regex;
use serde_yaml_ng::Value;

use super::{
    condition::{Sight, texts},
    reads::Reads,
    trace::TraceView,
};

/// Largest compiled pattern of a `matches`, bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// A comparison with one fact. A span that lacks the fact is never compared: only `exists: false` holds.
#[derive(Debug)]
pub(crate) struct FieldTest {
    field: Field,
    tests: Vec<Op>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    Name,
    Kind,
    Model,
    Provider,
    Agent,
    User,
    Session,
    Environment,
    Service,
    Status,
    Tool,
    Tag,
    Metadata(String),
    CostUsd,
    Tokens,
    TokensIn,
    TokensOut,
    LatencyMs,
    Input,
    Output,
    SpanCount,
    ErrorCount,
}

const NAMES: &str = "name, kind, model, provider, agent, user, session, environment, service, status, \
                     tool, tag, metadata.<key>, cost_usd, tokens, tokens_in, tokens_out, latency_ms, input, output; of a trace also \
                     span_count, error_count";

#[derive(Debug)]
enum Op {
    Eq(Vec<String>),
    NotEq(Vec<String>),
    /// None of these, in which `*` stands for anything.
    NoneOf(Vec<String>),
    Contains(String),
    StartsWith(String),
    EndsWith(String),
    Matches(Regex),
    Greater(f64),
    AtLeast(f64),
    Less(f64),
    AtMost(f64),
    Exists(bool),
}

/// A fact as it stands on a span.
enum Fact<'a> {
    Text(&'a str),
    Owned(String),
    Texts(Vec<&'a str>),
    Number(f64),
}

impl Field {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "name" => Self::Name,
            "kind" => Self::Kind,
            "model" => Self::Model,
            "provider" => Self::Provider,
            "agent" => Self::Agent,
            "user" => Self::User,
            "session" => Self::Session,
            "environment" => Self::Environment,
            "service" => Self::Service,
            "status" => Self::Status,
            "tool" => Self::Tool,
            "tag" | "tags" => Self::Tag,
            "cost_usd" => Self::CostUsd,
            "tokens" => Self::Tokens,
            "tokens_in" => Self::TokensIn,
            "tokens_out" => Self::TokensOut,
            "latency_ms" => Self::LatencyMs,
            "input" => Self::Input,
            "output" => Self::Output,
            "span_count" => Self::SpanCount,
            "error_count" => Self::ErrorCount,
            other => Self::Metadata(other.strip_prefix("metadata.")?.to_owned()),
        })
    }

    fn is_number(&self) -> bool {
        matches!(
            self,
            Self::CostUsd
                | Self::Tokens
                | Self::TokensIn
                | Self::TokensOut
                | Self::LatencyMs
                | Self::SpanCount
                | Self::ErrorCount
        )
    }

    /// Whether its values are names, in which `*` does not occur.
    fn is_a_name(&self) -> bool {
        matches!(
            self,
            Self::Model
                | Self::Provider
                | Self::Agent
                | Self::Environment
                | Self::Service
                | Self::Tool
        )
    }

    fn of<'a>(&self, span: &'a Span) -> Option<Fact<'a>> {
        let tokens = |count: fn(&exhibit_model::Usage) -> u64| {
            span.usage.as_ref().map(|usage| Fact::Number(count(usage) as f64))
        };
        let text = match self {
            Self::Name => &span.name,
            Self::Model => &span.model,
            Self::Provider => &span.provider,
            Self::Agent => &span.agent,
            Self::User => &span.user,
            Self::Session => &span.session,
            Self::Environment => &span.environment,
            Self::Service => &span.service,
            Self::Tool => &span.tool,
            Self::Kind => return Some(Fact::Text(span.kind().as_str())),
            Self::Status => return Some(Fact::Text(span.status.as_str())),
            Self::Tag => {
                let tags = || Fact::Texts(span.tags.iter().map(String::as_str).collect());
                return (!span.tags.is_empty()).then(tags);
            }
            Self::Input => return content(span, Part::Input),
            Self::Output => return content(span, Part::Output),
            Self::SpanCount | Self::ErrorCount => return None,
            Self::Metadata(key) => return span.metadata.get(key).map(|text| Fact::Text(text)),
            Self::CostUsd => return span.cost.amount.map(|amount| Fact::Number(amount.to_usd())),
            Self::LatencyMs => return span.duration().map(|d| Fact::Number(d.0 as f64 / 1e6)),
            Self::Tokens => {
                return tokens(|u| u.input_tokens().saturating_add(u.output_tokens()));
            }
            Self::TokensIn => return tokens(exhibit_model::Usage::input_tokens),
            Self::TokensOut => return tokens(exhibit_model::Usage::output_tokens),
        };
        text.as_deref().map(Fact::Text)
    }

    fn of_trace<'a>(&self, trace: &TraceView<'a>) -> Option<Fact<'a>> {
        let sum = trace.summary;
        let set = |set: &'a std::collections::BTreeSet<String>| {
            (!set.is_empty()).then(|| Fact::Texts(set.iter().map(String::as_str).collect()))
        };
        let number = |n: u64| Some(Fact::Number(n as f64));
        let usage = sum.usage();
        match self {
            Self::Name => sum.name.as_deref().map(Fact::Text),
            Self::Agent => sum.agent.as_deref().map(Fact::Text),
            Self::User => sum.user.as_deref().map(Fact::Text),
            Self::Session => sum.session.as_deref().map(Fact::Text),
            Self::Environment => sum.environment.as_deref().map(Fact::Text),
            Self::Service => sum.service.as_deref().map(Fact::Text),
            Self::Status => Some(Fact::Text(sum.status().as_str())),
            Self::Kind => Some(Fact::Texts(sum.kinds.iter().map(|kind| kind.as_str()).collect())),
            Self::Model => set(&sum.models),
            Self::Provider => set(&sum.providers),
            Self::Tool => set(&sum.tools),
            Self::Tag => set(&sum.tags),
            Self::Metadata(key) => sum.metadata.get(key).map(|text| Fact::Text(text)),
            Self::CostUsd => sum.cost().map(|cost| Fact::Number(cost.to_usd())),
            Self::Tokens => number(usage.input_tokens().saturating_add(usage.output_tokens())),
            Self::TokensIn => number(usage.input_tokens()),
            Self::TokensOut => number(usage.output_tokens()),
            Self::LatencyMs => sum.duration().map(|d| Fact::Number(d.0 as f64 / 1e6)),
            Self::SpanCount => number(sum.span_count),
            Self::ErrorCount => number(sum.error_count),
            Self::Input | Self::Output => None,
        }
    }
}

/// The text of a part of the record.
fn content(span: &Span, part: Part) -> Option<Fact<'_>> {
    let mut all = span.attributes.iter().filter(|a| a.part == part).map(|a| &a.value);
    let first = all.next()?;
    let rest: Vec<_> = all.collect();
    if let (Json::String(text), true) = (first, rest.is_empty()) {
        return Some(Fact::Text(text));
    }
    let plain = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let texts: Vec<String> = std::iter::once(first).chain(rest).map(plain).collect();
    Some(Fact::Owned(texts.join("\n")))
}

impl FieldTest {
    /// Whether it reads texts that a redaction may have replaced.
    pub(crate) fn reads_text(&self) -> bool {
        matches!(self.field, Field::Input | Field::Output | Field::Name | Field::Metadata(_))
    }

    /// Notes what it looks at.
    pub(crate) fn reads(&self, reads: &mut Reads) {
        match self.field {
            Field::Input | Field::Output => reads.whole = true,
            Field::Name | Field::Model | Field::Provider | Field::Tool => reads.names = true,
            Field::Agent
            | Field::User
            | Field::Session
            | Field::Environment
            | Field::Service
            | Field::Tag
            | Field::Metadata(_) => reads.context = true,
            Field::Kind
            | Field::Status
            | Field::CostUsd
            | Field::Tokens
            | Field::TokensIn
            | Field::TokensOut
            | Field::LatencyMs
            | Field::SpanCount
            | Field::ErrorCount => {}
        }
    }

    pub(crate) fn holds(&self, sight: &Sight<'_>) -> bool {
        let fact = match (sight.span, sight.trace) {
            (Some(span), _) => self.field.of(span),
            (None, Some(trace)) => self.field.of_trace(trace),
            (None, None) => None,
        };
        self.tests.iter().all(|op| match (&fact, op) {
            (fact, Op::Exists(wanted)) => fact.is_some() == *wanted,
            (None, _) => false,
            (Some(Fact::Text(text)), op) => op.holds_for_text(text),
            (Some(Fact::Owned(text)), op) => op.holds_for_text(text),
            (Some(Fact::Texts(all)), Op::NotEq(_)) => {
                all.iter().all(|text| op.holds_for_text(text))
            }
            (Some(Fact::Texts(all)), op) => all.iter().any(|text| op.holds_for_text(text)),
            (Some(Fact::Number(number)), op) => op.holds_for_number(*number),
        })
    }

    /// A field that is there and is none of these.
    pub(crate) fn none_of(name: &str, value: &Value, place: &str) -> Result<Self, String> {
        let field = Field::named(name).ok_or_else(|| format!("{place}: unknown"))?;
        Ok(Self { field, tests: vec![Op::NoneOf(lower(texts(value, place)?))] })
    }

    /// Reads `field: value`, `field: [values]` or `field: {op: value, …}`.
    pub(crate) fn read(name: &str, value: &Value, place: &str) -> Result<Self, String> {
        let field = Field::named(name).ok_or_else(|| {
            format!("{place}: unknown; there are all, any, not, finding, expr, outside, always, those of a trace (sequence, calls, depth, loop, flow, any_span) and the fields {NAMES}")
        })?;
        let tests = match value {
            Value::Mapping(map) if map.is_empty() => return Err(format!("{place}: is empty")),
            Value::Mapping(map) => map
                .iter()
                .map(|(op, value)| Op::read(op.as_str().unwrap_or_default(), value, place))
                .collect::<Result<Vec<_>, _>>()?,
            value => vec![Op::Eq(lower(texts(value, place)?))],
        };
        for op in &tests {
            let of_numbers =
                matches!(op, Op::Greater(_) | Op::AtLeast(_) | Op::Less(_) | Op::AtMost(_));
            if !matches!(op, Op::Exists(_)) && of_numbers != field.is_number() {
                let allowed = if field.is_number() {
                    "gt, gte, lt, lte"
                } else {
                    "eq, ne, in, not_in, contains, starts_with, ends_with, matches"
                };
                return Err(format!("{place}: compares with {allowed} or exists"));
            }
            let (Op::Eq(wanted) | Op::NotEq(wanted)) = op else { continue };
            if field.is_a_name() && wanted.iter().any(|text| text.contains('*')) {
                return Err(format!(
                    "{place}: `*` stands for nothing here; write `{{starts_with: gpt-4o}}` or `{{matches: '^gpt-4o'}}`, or `outside` for what is not allowed"
                ));
            }
        }
        Ok(Self { field, tests })
    }
}

/// Whether a text fits a pattern in which `*` stands for anything; both lower case.
fn fits(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    if !pattern.contains('*') {
        return rest.is_empty();
    }
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    true
}

/// Whether two texts are equal whatever their case; the wanted one is lower case.
fn same(wanted: &str, text: &str) -> bool {
    wanted.eq_ignore_ascii_case(text) || (!text.is_ascii() && wanted == text.to_lowercase())
}

/// Texts are compared whatever their case.
fn lower(texts: Vec<String>) -> Vec<String> {
    texts.into_iter().map(|text| text.to_lowercase()).collect()
}

impl Op {
    fn read(name: &str, value: &Value, place: &str) -> Result<Self, String> {
        let place = &format!("{place}.{name}");
        let number = || {
            let number = value.as_f64().filter(|n| n.is_finite());
            number.ok_or_else(|| format!("{place}: must be a number"))
        };
        let text = || {
            let text = value.as_str().map(str::to_lowercase);
            text.ok_or_else(|| format!("{place}: must be a text"))
        };
        Ok(match name {
            "eq" | "in" => Self::Eq(lower(texts(value, place)?)),
            "ne" | "not_in" => Self::NotEq(lower(texts(value, place)?)),
            "contains" => Self::Contains(text()?),
            "starts_with" => Self::StartsWith(text()?),
            "ends_with" => Self::EndsWith(text()?),
            "matches" => {
                let pattern =
                    value.as_str().ok_or_else(|| format!("{place}: must be a pattern"))?;
                let built = regex::RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build();
                Self::Matches(built.map_err(|error| format!("{place}: {error}"))?)
            }
            "gt" => Self::Greater(number()?),
            "gte" => Self::AtLeast(number()?),
            "lt" => Self::Less(number()?),
            "lte" => Self::AtMost(number()?),
            "exists" => Self::Exists(
                value.as_bool().ok_or_else(|| format!("{place}: must be true or false"))?,
            ),
            _ => {
                return Err(format!(
                    "{place}: unknown comparison; there are eq, ne, in, not_in, contains, starts_with, ends_with, matches, gt, gte, lt, lte, exists"
                ));
            }
        })
    }

    fn holds_for_text(&self, text: &str) -> bool {
        let lower = || text.to_lowercase();
        match self {
            Self::Eq(wanted) => wanted.iter().any(|wanted| same(wanted, text)),
            Self::NotEq(unwanted) => !unwanted.iter().any(|unwanted| same(unwanted, text)),
            Self::NoneOf(allowed) => {
                let lower = lower();
                !allowed.iter().any(|pattern| fits(pattern, &lower))
            }
            Self::Contains(piece) => lower().contains(piece.as_str()),
            Self::StartsWith(piece) => lower().starts_with(piece.as_str()),
            Self::EndsWith(piece) => lower().ends_with(piece.as_str()),
            Self::Matches(pattern) => pattern.is_match(text),
            Self::Greater(_)
            | Self::AtLeast(_)
            | Self::Less(_)
            | Self::AtMost(_)
            | Self::Exists(_) => false,
        }
    }

    fn holds_for_number(&self, number: f64) -> bool {
        match self {
            Self::Greater(bound) => number > *bound,
            Self::AtLeast(bound) => number >= *bound,
            Self::Less(bound) => number < *bound,
            Self::AtMost(bound) => number <= *bound,
            _ => false,
        }
    }
}
