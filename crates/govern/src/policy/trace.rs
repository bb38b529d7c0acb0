//! Conditions on a whole trace: the order of steps, how often, how deep, and where data went.

use std::collections::HashMap;

use exhibit_model::{Json, Nanos, Part, Span, SpanId, TraceSummary};
use serde_yaml_ng::Value;

use super::{
    condition::{Condition, Count, Names, Sight},
    reads::Reads,
    window,
};
use crate::expr::Stop;

/// Deepest chain of parents that is followed.
const DEPTH_MAX: u64 = 10_000;

/// A whole trace, as rules of the scope `trace` see it.
#[derive(Clone, Copy)]
pub struct TraceView<'a> {
    /// Its summary, from which totals come.
    pub summary: &'a TraceSummary,
    /// Its spans in order of (start, id).
    pub spans: &'a [Span],
    /// When reviewers approved something in it, by the server's clock.
    pub approvals: &'a [Nanos],
}

impl TraceView<'_> {
    /// Length of the longest chain of parents; 1 for a root alone.
    pub(crate) fn depth(&self) -> u64 {
        // A chain longer than there are spans is a cycle.
        let longest = DEPTH_MAX.min(self.spans.len() as u64);
        let parents: HashMap<&SpanId, &SpanId> =
            self.spans.iter().filter_map(|s| Some((&s.span_id, s.parent_id.as_ref()?))).collect();
        let mut known: HashMap<&SpanId, u64> = HashMap::with_capacity(self.spans.len());
        for span in self.spans {
            let mut chain = Vec::new();
            let mut at = &span.span_id;
            let base = loop {
                if let Some(depth) = known.get(at) {
                    break *depth;
                }
                chain.push(at);
                match parents.get(at) {
                    Some(parent) if *parent != at && (chain.len() as u64) < longest => at = parent,
                    _ => break 0,
                }
            };
            for (n, id) in (1..).zip(chain.into_iter().rev()) {
                known.insert(id, base + n);
            }
        }
        known.values().copied().max().unwrap_or(0)
    }
}

/// Which step of a trace is meant.
#[derive(Debug)]
enum Step {
    Span(Box<Condition>),
    /// An approval of a reviewer.
    Approval,
}

/// A condition on the steps of a trace.
#[derive(Debug)]
pub(crate) enum TraceTest {
    /// Some span fits.
    Any(Box<Condition>),
    /// So many spans fit.
    Calls(Box<Condition>, Count),
    /// A step without its predecessor within the time before it.
    Without { step: Box<Condition>, prior: Prior, within: Option<i64> },
    /// A step with a successor it must not have.
    Then { step: Box<Condition>, next: Box<Condition>, within: Option<i64> },
    /// The longest chain of parents.
    Depth(Count),
    /// The same tool called with the same input so many times.
    Loop { times: usize, same_input: bool },
    /// What one step read reached another.
    Flow { from: Box<Condition>, to: Box<Condition> },
}

/// A step that may be an approval.
#[derive(Debug)]
pub(crate) struct Prior(Step);

/// The keys that make a condition one on the whole trace.
pub(crate) const KEYS: [&str; 6] = ["sequence", "calls", "depth", "loop", "flow", "any_span"];

impl TraceTest {
    pub(crate) fn read(
        key: &str,
        value: &Value,
        place: &str,
        names: &Names<'_>,
    ) -> Result<Self, String> {
        if key == "depth" {
            return Count::read(value, place).map(Self::Depth);
        }
        if key == "any_span" {
            return condition(value, place, names).map(Self::Any);
        }
        let Value::Mapping(map) = value else {
            return Err(format!("{place}: must be a mapping"));
        };
        let text = |key: &str| map.get(key).and_then(Value::as_str);
        let within = match map.get("within").map(|v| v.as_str().and_then(window::duration)) {
            None => None,
            Some(Some(nanos)) => Some(nanos),
            Some(None) => return Err(format!("{place}.within: must be a time such as 1h")),
        };
        // What is left of the mapping says which step is meant.
        let rest = |taken: &[&str]| -> Result<Box<Condition>, String> {
            let mut rest = map.clone();
            for key in taken {
                rest.remove(*key);
            }
            condition(&Value::Mapping(rest), place, names)
        };
        match key {
            "sequence" => match (map.get("without_prior"), map.get("then")) {
                (Some(prior), None) => {
                    let place_of = format!("{place}.without_prior");
                    let (prior, inner) = step(prior, &place_of, names)?;
                    let step = rest(&["without_prior", "within"])?;
                    Ok(Self::Without { step, prior, within: inner.or(within) })
                }
                (None, Some(next)) => {
                    let next = condition(next, &format!("{place}.then"), names)?;
                    Ok(Self::Then { step: rest(&["then", "within"])?, next, within })
                }
                _ => Err(format!(
                    "{place}: needs either `without_prior` (what must have come before) or `then` (what must not follow)"
                )),
            },
            "calls" => {
                let count = map
                    .get("count")
                    .ok_or_else(|| format!("{place}: needs `count`, such as \">3\""))?;
                let count = Count::read(count, &format!("{place}.count"))?;
                Ok(Self::Calls(rest(&["count"])?, count))
            }
            "loop" => {
                known(map, &["times", "same"], place)?;
                let times = map.get("times").and_then(Value::as_u64).filter(|n| *n >= 2);
                let times = times
                    .ok_or_else(|| format!("{place}.times: must be a number of at least 2"))?;
                let same_input = match text("same") {
                    None | Some("input") => true,
                    Some("tool") => false,
                    Some(_) => return Err(format!("{place}.same: must be tool or input")),
                };
                Ok(Self::Loop { times: times as usize, same_input })
            }
            _ => {
                known(map, &["from", "to"], place)?;
                let part = |key: &str| {
                    let value = map.get(key).ok_or_else(|| format!("{place}: needs `{key}`"))?;
                    condition(value, &format!("{place}.{key}"), names)
                };
                Ok(Self::Flow { from: part("from")?, to: part("to")? })
            }
        }
    }

    /// Notes what it looks at.
    pub(crate) fn reads(&self, reads: &mut Reads) {
        match self {
            Self::Any(step) | Self::Calls(step, _) => step.reads(reads),
            Self::Without { step, prior, .. } => {
                step.reads(reads);
                if let Step::Span(prior) = &prior.0 {
                    prior.reads(reads);
                }
            }
            Self::Then { step, next, .. } => {
                step.reads(reads);
                next.reads(reads);
            }
            Self::Depth(_) => reads.names = true,
            Self::Loop { same_input, .. } => {
                reads.names = true;
                reads.whole |= same_input;
            }
            Self::Flow { from, to } => {
                from.reads(reads);
                to.reads(reads);
            }
        }
    }

    /// Whether it holds for a trace.
    pub(crate) fn holds(&self, sight: &Sight<'_>) -> Result<bool, Stop> {
        let Some(trace) = sight.trace else { return Ok(false) };
        let fits = |condition: &Condition, span: &Span| condition.holds(&sight.on(span));
        match self {
            Self::Any(condition) => {
                for span in trace.spans {
                    if fits(condition, span)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Calls(condition, count) => {
                let mut calls = 0;
                for span in trace.spans {
                    calls += usize::from(fits(condition, span)?);
                }
                Ok(count.fits(calls))
            }
            Self::Depth(count) => Ok(count.fits(trace.depth() as usize)),
            Self::Without { step, prior, within } => {
                // One pass in order of time: the latest predecessor is the one that counts.
                let mut latest: Option<i64> = None;
                for span in trace.spans {
                    let at = start(span);
                    if let Step::Approval = prior.0 {
                        let before = trace.approvals.iter().map(|t| t.0).filter(|t| *t <= at);
                        latest = before.max();
                    }
                    if fits(step, span)? && latest.is_none_or(|then| too_long(then, at, *within)) {
                        return Ok(true);
                    }
                    if let Step::Span(prior) = &prior.0
                        && fits(prior, span)?
                    {
                        latest = Some(span.end.map_or(at, |end| end.0.max(at)));
                    }
                }
                Ok(false)
            }
            Self::Then { step, next, within } => {
                let mut latest: Option<i64> = None;
                for span in trace.spans {
                    let at = start(span);
                    if latest.is_some_and(|then| !too_long(then, at, *within)) && fits(next, span)?
                    {
                        return Ok(true);
                    }
                    if fits(step, span)? {
                        latest = Some(at);
                    }
                }
                Ok(false)
            }
            Self::Flow { from, to } => {
                let mut seen = false;
                for span in trace.spans {
                    if seen && fits(to, span)? {
                        return Ok(true);
                    }
                    seen = seen || fits(from, span)?;
                }
                Ok(false)
            }
            Self::Loop { times, same_input } => Ok(looped(trace.spans, *same_input) >= *times),
        }
    }
}

/// A tool and what it was given.
type Call<'a> = (&'a str, Vec<(&'a str, &'a Json)>);

/// How often the most repeated tool call stands in a trace.
fn looped(spans: &[Span], same_input: bool) -> usize {
    let mut counts: HashMap<Call<'_>, usize> = HashMap::new();
    let mut most = 0;
    for span in spans {
        let Some(tool) = span.tool.as_deref() else { continue };
        let mut input: Vec<(&str, &Json)> = Vec::new();
        if same_input {
            let parts = span.attributes.iter().filter(|a| a.part == Part::Input);
            input.extend(parts.map(|a| (a.key.as_str(), &a.value)));
        }
        let count = counts.entry((tool, input)).or_default();
        *count += 1;
        most = most.max(*count);
    }
    most
}

fn start(span: &Span) -> i64 {
    span.start.unwrap_or(span.received).0
}

fn too_long(then: i64, now: i64, within: Option<i64>) -> bool {
    within.is_some_and(|within| now.saturating_sub(then) > within)
}

fn condition(value: &Value, place: &str, names: &Names<'_>) -> Result<Box<Condition>, String> {
    let read = Condition::read(value, place, names)?;
    if read.is_of_trace() {
        return Err(format!(
            "{place}: speaks of one step, so it cannot hold conditions on the trace"
        ));
    }
    Ok(Box::new(read))
}

/// A step, or `{review: approved, within: …}`.
fn step(value: &Value, place: &str, names: &Names<'_>) -> Result<(Prior, Option<i64>), String> {
    let Value::Mapping(map) = value else { return Err(format!("{place}: must be a mapping")) };
    let within = match map.get("within").map(|v| v.as_str().and_then(window::duration)) {
        None => None,
        Some(Some(nanos)) => Some(nanos),
        Some(None) => return Err(format!("{place}.within: must be a time such as 1h")),
    };
    if let Some(review) = map.get("review") {
        known(map, &["review", "within"], place)?;
        if review.as_str() != Some("approved") {
            return Err(format!("{place}.review: must be `approved`"));
        }
        return Ok((Prior(Step::Approval), within));
    }
    let mut rest = map.clone();
    rest.remove("within");
    Ok((Prior(Step::Span(condition(&Value::Mapping(rest), place, names)?)), within))
}

fn known(map: &serde_yaml_ng::Mapping, known: &[&str], place: &str) -> Result<(), String> {
    match map.keys().find(|k| k.as_str().is_none_or(|k| !known.contains(&k))) {
        None => Ok(()),
        Some(unknown) => {
            let unknown = unknown.as_str().unwrap_or("?");
            Err(format!("{place}: unknown key `{unknown}`; there are {}", known.join(", ")))
        }
    }
}
