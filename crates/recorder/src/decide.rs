//! Decide before acting: the rules in force, asked about a call that has not happened yet.
//!
//! The same engine as at ingest, without the store: what is asked is not recorded, the span that follows is.

use exhibit_govern::{Surroundings, TraceView, summary_of};
use exhibit_model::{
    Attribute, Decision, Door, Evaluation, Json, NanoUsd, Nanos, Part, Span, SpanId, SpanKind,
    Status, TraceId, Usage, Verdict,
};
use serde::Deserialize;
use std::collections::BTreeMap;

use crate::{Caller, Error, Recorder, Who, accept::ruling::approvals};

/// A call that somebody is about to make, or a step that was made before it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Step {
    /// What the call is given: text or JSON.
    pub input: Option<Json>,
    /// What came back; for steps that were made, or to ask about an answer before showing it.
    pub output: Option<Json>,
    /// `llm`, `tool`, `agent`, …; told from tool and model where it is missing.
    pub kind: Option<SpanKind>,
    /// The model.
    pub model: Option<String>,
    /// The provider.
    pub provider: Option<String>,
    /// The tool.
    pub tool: Option<String>,
    /// Name of the step.
    pub name: Option<String>,
    /// The agent.
    pub agent: Option<String>,
    /// The end user.
    pub user: Option<String>,
    /// The session.
    pub session: Option<String>,
    /// The environment.
    pub environment: Option<String>,
    /// The service.
    pub service: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Metadata; `user.region` and the like are facts about the user.
    pub metadata: BTreeMap<String, String>,
    /// What it costs or cost, USD.
    pub cost_usd: Option<f64>,
    /// Tokens it takes or took.
    pub tokens: Option<u64>,
    /// Id of the step.
    pub id: Option<String>,
    /// Id of the step it belongs to.
    pub parent: Option<String>,
}

/// What somebody asks.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// The call at hand.
    pub call: Step,
    /// The trace it belongs to; approvals of its reviews count.
    pub trace_id: Option<TraceId>,
    /// The steps made so far, oldest first.
    pub steps: Vec<Step>,
    /// What the trace cost so far, USD, beside the steps.
    pub cost_usd: Option<f64>,
    /// Tokens the trace took so far, beside the steps.
    pub tokens: Option<u64>,
}

/// The answer.
#[derive(Debug, Clone)]
pub struct Decided {
    /// What follows, strongest first.
    pub decision: Decision,
    /// How the call stands.
    pub verdict: Verdict,
    /// What rules say, of the call and of the trace.
    pub evaluations: Vec<Evaluation>,
    /// The call with its findings and its texts as they may be sent.
    pub span: Span,
    /// Whether any text was replaced.
    pub redacted: bool,
    /// Words of the rules for people.
    pub messages: Vec<String>,
    /// Hash of the rules in force, hex.
    pub rules: String,
}

/// Most steps that are looked at.
const STEPS_MAX: usize = 2_000;

fn invalid(field: &'static str) -> impl Fn(exhibit_model::IdError) -> Error {
    move |error| Error::Invalid { field, message: error.to_string() }
}

impl Step {
    fn span(self, trace: &TraceId, number: usize, now: Nanos) -> Result<Span, Error> {
        let id = self.id.unwrap_or_else(|| format!("step-{number:05}"));
        let id: SpanId = id.parse().map_err(invalid("id"))?;
        let mut span = Span::new(trace.clone(), id, Door::Server);
        span.parent_id = self.parent.map(|p| p.parse()).transpose().map_err(invalid("parent"))?;
        span.kind = self.kind.or(match (&self.tool, &self.model) {
            (Some(_), _) => Some(SpanKind::Tool),
            (None, Some(_)) => Some(SpanKind::Llm),
            _ => None,
        });
        span.name = self.name;
        span.model = self.model;
        span.provider = self.provider;
        span.tool = self.tool;
        span.agent = self.agent;
        span.user = self.user;
        span.session = self.session;
        span.environment = self.environment;
        span.service = self.service;
        span.tags = self.tags;
        span.metadata = self.metadata;
        span.status = Status::Ok;
        span.start = Some(now);
        span.received = now;
        span.cost.amount = self.cost_usd.and_then(NanoUsd::from_usd);
        span.usage = self.tokens.map(|n| Usage { input_uncached: n, ..Usage::default() });
        for (key, value, part) in
            [("input", self.input, Part::Input), ("output", self.output, Part::Output)]
        {
            if let Some(value) = value {
                span.attributes.push(Attribute { key: key.to_owned(), value, part });
            }
        }
        Ok(span)
    }
}

impl Recorder {
    /// Decides about a call before it is made. What it would cost is reserved in budgets until its
    /// span arrives, unless the decision is to block it.
    pub async fn decide(&self, caller: &Caller, question: Question) -> Result<Decided, Error> {
        let rules = self.rules.current();
        let now = self.now();
        if question.steps.len() > STEPS_MAX {
            let message = format!("at most {STEPS_MAX} steps are looked at; send the latest");
            return Err(Error::Invalid { field: "steps", message });
        }
        let trace = match question.trace_id.clone() {
            Some(trace) => trace,
            None => TraceId::new("decide").map_err(invalid("trace_id"))?,
        };
        let approvals = match &question.trace_id {
            Some(trace) if rules.rules.has_trace_rules() => {
                approvals(&self.decided(caller.workspace, trace).await?)
            }
            _ => Vec::new(),
        };
        let steps = question.steps.into_iter().enumerate();
        let before = |n: usize| Nanos(now.0.saturating_sub((STEPS_MAX - n) as i64));
        let mut spans = steps
            .map(|(n, step)| step.span(&trace, n, before(n)))
            .collect::<Result<Vec<_>, _>>()?;
        let mut span = question.call.span(&trace, spans.len(), now)?;
        if span.cost.amount.is_none() {
            span.cost = rules.prices.price(&span);
        }
        let book = self.budgets.book(caller.workspace, now);
        let api_key = match &caller.who {
            Who::Key { id, .. } => Some(id.0.as_str()),
            _ => None,
        };
        let around = Surroundings { spending: &book, api_key, before_acting: true, released: None };
        let said = rules.rules.evaluate_in(&mut span, &[], &around);
        let mut decision = span.decision.clone();
        let mut evaluations = span.evaluations.clone();
        let mut follow_ups = said.follow_ups;
        if rules.rules.has_trace_rules() {
            // Findings of earlier steps are part of what happened.
            for step in &mut spans {
                rules.rules.evaluate(step);
            }
            spans.push(span.clone());
            let mut summary = summary_of(&trace, &spans);
            let more = question.cost_usd.and_then(NanoUsd::from_usd);
            if let Some(more) = more {
                summary.leaf_cost = summary.leaf_cost.plus(more);
                summary.leaf_calls = summary.leaf_calls.max(summary.leaf_cost_unknown + 1);
            }
            summary.leaf_usage.input_uncached =
                summary.leaf_usage.input_uncached.saturating_add(question.tokens.unwrap_or(0));
            let view = TraceView { summary: &summary, spans: &spans, approvals: &approvals };
            let ruling = rules.rules.evaluate_trace(&view, &around);
            ruling.decision.actions.iter().for_each(|action| decision.add(*action));
            evaluations.extend(ruling.evaluations);
            follow_ups.extend(ruling.follow_ups);
        }
        let verdict = Verdict::of(&span.findings, &evaluations, &decision);
        if !decision.is_quarantine() {
            self.budgets.reserve(caller.workspace, &said.charges, now);
        }
        let mut messages: Vec<String> = Vec::new();
        for follow_up in follow_ups {
            let message = follow_up.message.unwrap_or(follow_up.title);
            if !messages.contains(&message) {
                messages.push(message);
            }
        }
        Ok(Decided {
            decision,
            verdict,
            evaluations,
            redacted: span.findings.iter().any(|f| f.redacted),
            span,
            messages,
            rules: hex::encode(rules.hash()),
        })
    }
}
