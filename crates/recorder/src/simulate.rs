//! Simulation: what a proposed policy would have said of what is recorded.
//!
//! History is judged twice from its stored findings, in the order in which it was received: by the rules in
//! force and with the proposed file laid over them. Nothing is written. Where the rules in force no longer
//! say what was recorded, that is counted as drift; under the same rules, state and engine there is none.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use exhibit_govern::{Released, RuleSet, Surroundings, TraceView};
use exhibit_model::{Action, Evaluation, Nanos, Outcome, Span, WorkspaceId};
use exhibit_store::{Filter, Order, TraceQuery};
use serde::Serialize;

use crate::{
    Error, Recorder, RuleSource,
    accept::{is_cleared, released},
    budget::Budgets,
    rules::Loaded,
};

/// Samples kept of each rule.
const SAMPLES: usize = 5;
/// Traces read at once.
const PAGE: usize = 200;
/// What a review takes a person, until reviewers' own median is known.
const REVIEW_MINUTES: f64 = 5.0;

/// Is told how far a simulation is.
pub trait SimulationProgress: Sync {
    /// So many traces there are.
    fn total(&self, traces: u64);
    /// So many more traces are done.
    fn traces(&self, n: u64);
}

/// What would change.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Simulated {
    /// Traces looked at.
    pub traces: u64,
    /// Spans looked at.
    pub spans: u64,
    /// Spans of which the rules in force say something else than what was recorded.
    pub drifted: u64,
    /// Spans whose contents were redacted, so that rules which read text may miss something.
    pub not_reevaluable: u64,
    /// Rules, as `policy/rule`, that read texts.
    pub rules_that_read_text: Vec<String>,
    /// Spans and traces whose actions would differ.
    pub changed: u64,
    /// By strongest action: how many now, and how many then.
    pub actions: BTreeMap<&'static str, [u64; 2]>,
    /// By rule.
    pub rules: Vec<SimulatedRule>,
    /// Reviews that would be asked for: now and then; one rule asks once per trace.
    pub reviews: [u64; 2],
    /// Minutes of reviewers' time that come on top.
    pub reviewer_minutes: f64,
    /// Cost of the calls that would newly be quarantined or blocked, nano-USD, as text.
    pub cost_stopped_nano_usd: String,
}

/// What one rule says now and then.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SimulatedRule {
    /// The policy.
    pub policy: String,
    /// The rule.
    pub rule: String,
    /// Spans and traces it spoke of under the rules in force.
    pub now: u64,
    /// With the proposed file.
    pub then: u64,
    /// Of them those it did not speak of before.
    pub newly: u64,
    /// Those it would not speak of any more.
    pub no_longer: u64,
    /// Some of those that differ.
    pub samples: Vec<Sample>,
}

/// A span or trace on which a rule's word differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// The trace.
    pub trace_id: String,
    /// The span; none for the trace as a whole.
    pub span_id: Option<String>,
    /// Whether the rule would newly speak of it.
    pub newly: bool,
}

type Name = (String, String);

/// What rules said of one thing.
#[derive(Debug, Default)]
struct Said {
    spoke: BTreeSet<Name>,
    actions: Vec<Action>,
    strongest: Option<Action>,
    reviews: BTreeSet<Name>,
}

/// One of the two sets of rules with what it has spent so far.
struct Side<'a> {
    rules: &'a RuleSet,
    budgets: Budgets,
}

#[derive(Default)]
struct Tally {
    out: Simulated,
    rules: HashMap<Name, SimulatedRule>,
    stopped: i64,
}

impl Said {
    fn of(rules: &RuleSet, evaluations: &[Evaluation], actions: &[Action]) -> Self {
        let spoke = evaluations
            .iter()
            .filter(|e| e.outcome != Outcome::Pass || e.message.starts_with("shadow:"))
            .map(|e| (e.policy.clone(), e.rule.clone()))
            .collect();
        let asked = rules.follow_ups(evaluations).into_iter().filter(|f| f.review.is_some());
        Self {
            spoke,
            actions: actions.to_vec(),
            strongest: actions.first().copied(),
            reviews: asked.map(|f| (f.policy, f.rule)).collect(),
        }
    }
}

impl Side<'_> {
    fn span(
        &self,
        workspace: WorkspaceId,
        span: &Span,
        released: Option<&Released>,
    ) -> (Said, Span) {
        let mut span = span.clone();
        let book = self.budgets.book(workspace, span.received);
        let around = Surroundings { spending: &book, released, ..Surroundings::default() };
        let said = self.rules.reevaluate(&mut span, &around);
        self.budgets.settle(workspace, &said.charges, span.received);
        (Said::of(self.rules, &span.evaluations, &span.decision.actions), span)
    }

    fn trace(&self, view: &TraceView<'_>, around: &Surroundings<'_>) -> Said {
        let ruling = self.rules.evaluate_trace(view, around);
        Said::of(self.rules, &ruling.evaluations, &ruling.decision.actions)
    }
}

impl Tally {
    fn add(&mut self, now: &Said, then: &Said, trace: &str, span: Option<&str>, cost: i64) {
        let action = |said: &Said| said.strongest.unwrap_or(Action::Allow);
        self.out.actions.entry(action(now).as_str()).or_default()[0] += 1;
        self.out.actions.entry(action(then).as_str()).or_default()[1] += 1;
        self.out.changed += u64::from(now.actions != then.actions);
        if action(then) >= Action::Quarantine && action(now) < Action::Quarantine {
            self.stopped = self.stopped.saturating_add(cost);
        }
        for name in now.spoke.union(&then.spoke) {
            let rule = self.rules.entry(name.clone()).or_insert_with(|| SimulatedRule {
                policy: name.0.clone(),
                rule: name.1.clone(),
                ..SimulatedRule::default()
            });
            let (was, is) = (now.spoke.contains(name), then.spoke.contains(name));
            rule.now += u64::from(was);
            rule.then += u64::from(is);
            rule.newly += u64::from(is && !was);
            rule.no_longer += u64::from(was && !is);
            if was != is && rule.samples.len() < SAMPLES {
                rule.samples.push(Sample {
                    trace_id: trace.to_owned(),
                    span_id: span.map(str::to_owned),
                    newly: is,
                });
            }
        }
    }
}

impl Recorder {
    /// Judges what was recorded since `from` by the rules of `source` and again with a proposed file,
    /// given as name and text, over them.
    ///
    /// # Errors
    /// Rules that do not load, with file, line and reason.
    pub async fn simulate(
        &self,
        workspace: WorkspaceId,
        source: &RuleSource,
        file: (String, String),
        from: Nanos,
        progress: &dyn SimulationProgress,
    ) -> Result<Simulated, Error> {
        let fingerprints = self.rules.fingerprints();
        let now = Loaded::with_files(source, fingerprints, Vec::new())?;
        let then = Loaded::with_files(source, fingerprints, vec![file])?;
        let mut now = Side { rules: &now, budgets: Budgets::default() };
        let mut then = Side { rules: &then, budgets: Budgets::default() };
        let mut tally = Tally::default();
        let filter = format!("start >= \"{}\"", from.to_rfc3339());
        let mut query = TraceQuery {
            filter: Filter::parse(&filter, self.now())
                .map_err(|error| Error::Internal(error.to_string()))?,
            order: Order::Oldest,
            after: None,
            limit: PAGE,
        };
        loop {
            let page = self.store.traces(workspace, &query).await?;
            let seen = tally.out.traces + page.rows.len() as u64;
            progress.total(seen + if page.next.is_some() { PAGE as u64 } else { 0 });
            for row in page.rows {
                let spans = self.spans_whole(workspace, &row.summary.trace_id).await?;
                let approved = self.approvals(workspace, &row.summary.trace_id).await?;
                judge(
                    &mut tally,
                    [&mut now, &mut then],
                    workspace,
                    &row.summary,
                    &spans,
                    &approved,
                );
                progress.traces(1);
            }
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        let minutes = self.review_minutes(workspace).await?;
        let mut out = tally.out;
        out.rules = tally.rules.into_values().collect();
        out.rules.sort_by(|a, b| (&a.policy, &a.rule).cmp(&(&b.policy, &b.rule)));
        out.cost_stopped_nano_usd = tally.stopped.to_string();
        out.reviewer_minutes = (out.reviews[1] as f64 - out.reviews[0] as f64).max(0.0) * minutes;
        let reading = then.rules.reads_text().into_iter();
        out.rules_that_read_text = reading.map(|(p, r)| format!("{p}/{r}")).collect();
        Ok(out)
    }

    /// Minutes that a decision takes reviewers here.
    async fn review_minutes(&self, workspace: WorkspaceId) -> Result<f64, Error> {
        let rules = self.review_precision(workspace).await?;
        let mut medians: Vec<i64> = rules.iter().filter_map(|rule| rule.median_ms).collect();
        medians.sort_unstable();
        // Reviews wait longer than they take: a wait is no measure of work beyond half an hour.
        let middle = medians.get(medians.len() / 2).map(|ms| *ms as f64 / 60_000.0);
        Ok(middle.map_or(REVIEW_MINUTES, |minutes| minutes.clamp(0.5, 30.0)))
    }
}

fn judge(
    tally: &mut Tally,
    [now, then]: [&mut Side<'_>; 2],
    workspace: WorkspaceId,
    summary: &exhibit_model::TraceSummary,
    spans: &[Span],
    approved: &[exhibit_model::Review],
) {
    tally.out.traces += 1;
    let trace = summary.trace_id.as_str();
    let mut judged = [Vec::with_capacity(spans.len()), Vec::with_capacity(spans.len())];
    let mut reviews = [BTreeSet::new(), BTreeSet::new()];
    for span in spans.iter().filter(|span| !span.span_id.is_registration()) {
        tally.out.spans += 1;
        let redacted = span.findings.iter().any(|finding| finding.redacted) || is_cleared(span);
        tally.out.not_reevaluable += u64::from(redacted);
        let held = released(span);
        let (was, first) = now.span(workspace, span, held.as_ref());
        let (is, second) = then.span(workspace, span, held.as_ref());
        let drifted = first.evaluations != span.evaluations || first.decision != span.decision;
        tally.out.drifted += u64::from(drifted);
        let cost = span.cost.amount.map_or(0, |amount| amount.0);
        tally.add(&was, &is, trace, Some(span.span_id.as_str()), cost);
        reviews[0].extend(was.reviews);
        reviews[1].extend(is.reviews);
        judged[0].push(first);
        judged[1].push(second);
    }
    let released = Released {
        rules: approved.iter().map(|r| format!("{}/{}", r.policy, r.rule)).collect(),
        findings: usize::MAX,
    };
    let around = Surroundings { released: Some(&released), ..Surroundings::default() };
    let approvals: Vec<Nanos> = approved.iter().filter_map(|review| review.decided).collect();
    let [first, second] = &judged;
    let was = now.trace(&TraceView { summary, spans: first, approvals: &approvals }, &around);
    let is = then.trace(&TraceView { summary, spans: second, approvals: &approvals }, &around);
    if now.rules.has_trace_rules() || then.rules.has_trace_rules() {
        tally.add(&was, &is, trace, None, 0);
    }
    reviews[0].extend(was.reviews);
    reviews[1].extend(is.reviews);
    for (sum, asked) in tally.out.reviews.iter_mut().zip(reviews) {
        *sum += asked.len() as u64;
    }
}
