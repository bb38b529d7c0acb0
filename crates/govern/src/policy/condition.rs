//! When a rule applies: findings and facts, joined by `all`, `any` and `not`.

use exhibit_model::{Finding, FindingCategory, Json, Part, Severity, Span};
use serde_yaml_ng::Value;

use super::{
    field::FieldTest,
    reads::Reads,
    trace::{self, TraceTest, TraceView},
};
use crate::expr::{Program, Scene, Stop};

/// Deepest nesting of a condition.
const DEPTH_MAX: usize = 16;

/// What a condition looks at: a span, or a whole trace.
#[derive(Clone, Copy)]
pub(crate) struct Sight<'a> {
    pub(crate) span: Option<&'a Span>,
    pub(crate) trace: Option<&'a TraceView<'a>>,
    /// The policy's constants.
    pub(crate) data: &'a Json,
}

impl<'a> Sight<'a> {
    /// The same, looking at one span.
    pub(crate) fn on<'b>(&self, span: &'b Span) -> Sight<'b>
    where
        'a: 'b,
    {
        Sight { span: Some(span), trace: self.trace, data: self.data }
    }

    /// All findings in sight.
    fn findings(&self) -> impl Iterator<Item = &'a Finding> {
        let spans: &'a [Span] = match (self.span, self.trace) {
            (Some(span), _) => std::slice::from_ref(span),
            (None, Some(trace)) => trace.spans,
            (None, None) => &[],
        };
        spans.iter().flat_map(|span| &span.findings)
    }
}

/// A condition on one span or one trace.
#[derive(Debug)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Finding(FindingTest),
    Field(FieldTest),
    Expr(Box<Program>),
    Trace(TraceTest),
    /// Always.
    True,
}

/// Which findings count, and how many of them it takes. What is empty fits all.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FindingTest {
    pub(crate) rules: Vec<String>,
    pub(crate) entities: Vec<String>,
    pub(crate) categories: Vec<FindingCategory>,
    pub(crate) parts: Vec<Part>,
    pub(crate) validated: Option<bool>,
    pub(crate) min_score_milli: u16,
    pub(crate) min_severity: Option<Severity>,
    pub(crate) count: Count,
}

/// A comparison with a number of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    least: usize,
    most: usize,
}

impl Default for FindingTest {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            entities: Vec::new(),
            categories: Vec::new(),
            parts: Vec::new(),
            validated: None,
            min_score_milli: Finding::SURE_SCORE_MILLI,
            min_severity: None,
            count: Count { least: 1, most: usize::MAX },
        }
    }
}

/// What a condition may name: the sets of the policy's `detectors` and the ids of detectors.
pub(crate) struct Names<'a> {
    pub(crate) sets: &'a [(String, FindingTest)],
    pub(crate) detectors: &'a [String],
    pub(crate) entities: &'a [String],
}

impl Condition {
    /// Whether it holds for a span or trace whose findings are known.
    pub(crate) fn holds(&self, sight: &Sight<'_>) -> Result<bool, Stop> {
        Ok(match self {
            Self::All(parts) => {
                for part in parts {
                    if !part.holds(sight)? {
                        return Ok(false);
                    }
                }
                true
            }
            Self::Any(parts) => {
                for part in parts {
                    if part.holds(sight)? {
                        return Ok(true);
                    }
                }
                false
            }
            Self::Not(part) => !part.holds(sight)?,
            Self::Finding(test) => test.holds(sight),
            Self::Field(test) => test.holds(sight),
            Self::Expr(program) => {
                let scene = Scene { span: sight.span, trace: sight.trace, data: sight.data };
                program.holds(&scene)?
            }
            Self::Trace(test) => test.holds(sight)?,
            Self::True => true,
        })
    }

    /// Whether it can only be told of a whole trace.
    pub(crate) fn is_of_trace(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::is_of_trace),
            Self::Not(part) => part.is_of_trace(),
            Self::Trace(_) => true,
            _ => false,
        }
    }

    /// Whether it reads texts that a redaction may have replaced.
    pub(crate) fn reads_text(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::reads_text),
            Self::Not(part) => part.reads_text(),
            Self::Expr(program) => program.reads_text,
            Self::Field(test) => test.reads_text(),
            Self::Trace(_) => true,
            Self::Finding(_) | Self::True => false,
        }
    }

    /// Notes what it looks at.
    pub(crate) fn reads(&self, reads: &mut Reads) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.reads(reads)),
            Self::Not(part) => part.reads(reads),
            Self::Expr(program) => *reads = reads.and(program.reads),
            Self::Field(test) => test.reads(reads),
            Self::Trace(test) => test.reads(reads),
            Self::Finding(test) => reads.whole |= test.min_score_milli < Finding::SURE_SCORE_MILLI,
            Self::True => {}
        }
    }

    /// The conditions on findings that speak for the rule; those under `not` speak against it.
    pub(crate) fn finding_tests<'a>(&'a self, out: &mut Vec<&'a FindingTest>) {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                for part in parts {
                    part.finding_tests(out);
                }
            }
            Self::Finding(test) => out.push(test),
            Self::Not(_) | Self::Field(_) | Self::Expr(_) | Self::Trace(_) | Self::True => {}
        }
    }

    /// Reads a condition; `place` leads the message of an error.
    pub(crate) fn read(value: &Value, place: &str, names: &Names<'_>) -> Result<Self, String> {
        Self::read_at(value, place, names, 0)
    }

    fn read_at(
        value: &Value,
        place: &str,
        names: &Names<'_>,
        depth: usize,
    ) -> Result<Self, String> {
        if depth > DEPTH_MAX {
            return Err(format!("{place}: nested deeper than {DEPTH_MAX}"));
        }
        let Value::Mapping(map) = value else {
            return Err(format!(
                "{place}: must be a mapping such as `finding: {{category: secret}}`"
            ));
        };
        let mut all = Vec::new();
        for (key, value) in map {
            let Some(key) = key.as_str() else {
                return Err(format!("{place}: a key is not a text"));
            };
            let place = format!("{place}.{key}");
            let list = |value: &Value| -> Result<Vec<Self>, String> {
                let Value::Sequence(items) = value else {
                    return Err(format!("{place}: must be a list of conditions"));
                };
                if items.is_empty() {
                    return Err(format!("{place}: is empty"));
                }
                let read =
                    |(n, item)| Self::read_at(item, &format!("{place}[{n}]"), names, depth + 1);
                items.iter().enumerate().map(read).collect()
            };
            all.push(match key {
                "all" => Self::All(list(value)?),
                "any" => Self::Any(list(value)?),
                "not" => Self::Not(Box::new(Self::read_at(value, &place, names, depth + 1)?)),
                "finding" => Self::Finding(FindingTest::read(value, &place, names)?),
                "expr" => {
                    let text = value.as_str().ok_or_else(|| format!("{place}: must be a text"))?;
                    let program = Program::compile(text);
                    Self::Expr(Box::new(program.map_err(|error| format!("{place}: {error}"))?))
                }
                "always" if value.as_bool() == Some(true) => Self::True,
                key if trace::KEYS.contains(&key) => {
                    Self::Trace(TraceTest::read(key, value, &place, names)?)
                }
                "outside" => outside(value, &place)?,
                field => Self::Field(FieldTest::read(field, value, &place)?),
            });
        }
        match all.len() {
            0 => Err(format!("{place}: is empty")),
            1 => all.pop().ok_or_else(String::new),
            _ => Ok(Self::All(all)),
        }
    }
}

impl FindingTest {
    fn holds(&self, sight: &Sight<'_>) -> bool {
        self.count.fits(sight.findings().filter(|finding| self.fits(finding)).count())
    }

    /// Whether a finding is one that counts.
    pub(crate) fn fits(&self, finding: &Finding) -> bool {
        (self.rules.is_empty() || self.rules.contains(&finding.rule))
            && (self.entities.is_empty() || self.entities.contains(&finding.entity))
            && (self.categories.is_empty() || self.categories.contains(&finding.category))
            && (self.parts.is_empty() || self.parts.contains(&finding.part))
            && self.validated.is_none_or(|wanted| wanted == finding.validated)
            && finding.score_milli >= self.min_score_milli
            && self.min_severity.is_none_or(|least| finding.severity >= least)
    }

    /// Reads `finding: …`, or a set of a policy's `detectors`.
    pub(crate) fn read(value: &Value, place: &str, names: &Names<'_>) -> Result<Self, String> {
        let Value::Mapping(map) = value else {
            return Err(format!("{place}: must be a mapping such as `{{category: secret}}`"));
        };
        let mut test = Self::default();
        // A named set first: what stands beside it narrows it.
        if let Some(name) = map.get("detector").and_then(Value::as_str) {
            if let Some((_, set)) = names.sets.iter().find(|(set, _)| set == name) {
                test = set.clone();
            } else if names.detectors.iter().any(|id| id == name) {
                test.rules.push(name.to_owned());
            } else {
                return Err(format!(
                    "{place}.detector: `{name}` is neither a set of this policy's `detectors` nor a detector's id"
                ));
            }
        }
        for (key, value) in map {
            let key = key.as_str().unwrap_or_default();
            let place = format!("{place}.{key}");
            match key {
                "detector" if value.is_string() => {}
                "rules" if value.as_str() == Some("all") => {}
                "rules" => {
                    test.rules = texts(value, &place)?;
                    if let Some(unknown) =
                        test.rules.iter().find(|id| !names.detectors.contains(id))
                    {
                        return Err(format!("{place}: there is no detector `{unknown}`"));
                    }
                }
                "entity" | "entities" => {
                    test.entities = texts(value, &place)?;
                    if let Some(unknown) =
                        test.entities.iter().find(|e| !names.entities.contains(e))
                    {
                        return Err(format!("{place}: no detector finds `{unknown}`"));
                    }
                }
                "category" | "categories" => {
                    let parse = |word: &String| {
                        FindingCategory::parse(word).ok_or_else(|| {
                            format!("{place}: `{word}` is not one of pii, secret, injection, term")
                        })
                    };
                    test.categories =
                        texts(value, &place)?.iter().map(parse).collect::<Result<_, _>>()?;
                }
                "fields" => {
                    let parse = |word: &String| {
                        match word.as_str() {
                        "tool.args" => Ok(Part::Input),
                        word => Part::ALL.into_iter().find(|part| part.as_str() == word).ok_or_else(|| {
                            format!("{place}: `{word}` is not one of input, output, attributes, events, header")
                        }),
                    }
                    };
                    test.parts =
                        texts(value, &place)?.iter().map(parse).collect::<Result<_, _>>()?;
                }
                "validated" => {
                    test.validated = Some(
                        value.as_bool().ok_or_else(|| format!("{place}: must be true or false"))?,
                    );
                }
                "min_score" => {
                    let score = value.as_f64().filter(|score| (0.0..=1.0).contains(score));
                    let score = score.ok_or_else(|| format!("{place}: must be between 0 and 1"))?;
                    test.min_score_milli = (score * 1_000.0).round() as u16;
                }
                "min_confidence" => {
                    test.min_score_milli = match value.as_str() {
                        Some("low") => 300,
                        Some("medium") => 500,
                        Some("high") => 800,
                        _ => return Err(format!("{place}: must be low, medium or high")),
                    };
                }
                "min_severity" => {
                    let severity = value.as_str().and_then(Severity::parse);
                    test.min_severity = Some(severity.ok_or_else(|| {
                        format!("{place}: must be low, medium, high or critical")
                    })?);
                }
                "count" => test.count = Count::read(value, &place)?,
                _ => {
                    return Err(format!(
                        "{place}: unknown key; there are detector, rules, entity, category, fields, validated, min_score, min_confidence, min_severity, count"
                    ));
                }
            }
        }
        Ok(test)
    }
}

impl Count {
    pub(crate) fn fits(self, count: usize) -> bool {
        (self.least..=self.most).contains(&count)
    }

    /// A number, or an operator and a number: `">=2"`.
    pub(crate) fn read(value: &Value, place: &str) -> Result<Self, String> {
        let wrong = || format!("{place}: must be a number or a text such as \">=2\"");
        if let Some(exactly) = value.as_u64() {
            let exactly = exactly as usize;
            return Ok(Self { least: exactly, most: exactly });
        }
        let text = value.as_str().ok_or_else(wrong)?.trim();
        let at = text.find(|c: char| c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: usize = text[at..].trim().parse().map_err(|_| wrong())?;
        Ok(match text[..at].trim() {
            ">=" => Self { least: number, most: usize::MAX },
            ">" => Self { least: number.saturating_add(1), most: usize::MAX },
            "<=" => Self { least: 0, most: number },
            "<" if number > 0 => Self { least: 0, most: number - 1 },
            "" | "=" | "==" => Self { least: number, most: number },
            _ => return Err(wrong()),
        })
    }
}

/// `outside: {models: [gpt-4o*], tools: […]}`: something else than what is allowed. What a span does not
/// say is not outside.
fn outside(value: &Value, place: &str) -> Result<Condition, String> {
    let Value::Mapping(map) = value else {
        return Err(format!("{place}: must be a mapping such as `{{models: [gpt-4o*]}}`"));
    };
    let mut any = Vec::with_capacity(map.len());
    for (key, value) in map {
        let field = match key.as_str().unwrap_or_default() {
            "models" => "model",
            "tools" => "tool",
            "providers" => "provider",
            "environments" => "environment",
            "agents" => "agent",
            "services" => "service",
            "kinds" => "kind",
            other => {
                return Err(format!(
                    "{place}: unknown key `{other}`; there are models, tools, providers, environments, agents, services, kinds"
                ));
            }
        };
        any.push(Condition::Field(FieldTest::none_of(field, value, &format!("{place}.{field}s"))?));
    }
    if any.is_empty() { Err(format!("{place}: is empty")) } else { Ok(Condition::Any(any)) }
}

/// One text or a list of them.
pub(crate) fn texts(value: &Value, place: &str) -> Result<Vec<String>, String> {
    let one = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => Err(format!("{place}: must be a text or a list of texts")),
    };
    match value {
        Value::Sequence(items) if items.is_empty() => Err(format!("{place}: is empty")),
        Value::Sequence(items) => items.iter().map(one).collect(),
        value => Ok(vec![one(value)?]),
    }
}
