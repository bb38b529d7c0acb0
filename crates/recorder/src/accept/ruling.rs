//! What rules say of a trace as a whole, kept on its registration record.
//!
//! A ruling is delivered like everything else: as a raw attribute of the registration record, merged,
//! sealed and verified with it. It is told from what clients send by its key, which no client can send.

use exhibit_govern::{FollowUp, Released, Surroundings, TraceRuling, TraceView};
use exhibit_model::{
    Action, Attribute, Door, Evaluation, Json, Nanos, Review, ReviewState, Span, SpanId, Status,
    TraceId, Verdict, WorkspaceId,
};
use exhibit_store::{ReviewQuery, SpanWindow};
use std::sync::Arc;

use super::{After, amend, group};
use crate::{Error, Recorder, accept::decode};

/// The attribute that holds the ruling.
const KEY: &str = "exhibit.trace_ruling";
/// Most spans of a trace that rules look at; of a larger one the first.
const SPANS_MAX: usize = 10_000;
/// Spans read at once.
const PAGE: usize = 500;

/// Takes out what only the server may say.
pub(super) fn strip(span: &mut Span) {
    if span.attributes.iter().any(|a| a.key == KEY || a.key == amend::KEY) {
        span.attributes.retain(|a| a.key != KEY && a.key != amend::KEY);
    }
}

/// Adds what was said of the trace to what is said of its registration.
pub(super) fn restore(span: &mut Span) {
    let Some(held) = span.attribute(KEY).cloned() else { return };
    let evaluations = held.get("evaluations").cloned().unwrap_or_default();
    let evaluations: Vec<Evaluation> = serde_json::from_value(evaluations).unwrap_or_default();
    span.evaluations.extend(evaluations);
    let actions: Vec<Action> =
        serde_json::from_value(held.get("actions").cloned().unwrap_or_default())
            .unwrap_or_default();
    actions.into_iter().for_each(|action| span.decision.add(action));
    let tags: Vec<String> =
        serde_json::from_value(held.get("tags").cloned().unwrap_or_default()).unwrap_or_default();
    for tag in tags {
        if !span.tags.contains(&tag) {
            span.tags.push(tag);
        }
    }
}

/// Whether the ruling on the trace says something by this rule.
pub(crate) fn says(span: &Span, policy: &str, rule: &str) -> bool {
    let said = span.attribute(KEY).and_then(|held| held.get("evaluations")?.as_array());
    let is = |said: &Json, key, name| said.get(key).and_then(Json::as_str) == Some(name);
    said.into_iter().flatten().any(|said| is(said, "policy", policy) && is(said, "rule", rule))
}

/// Whether a registration holds nothing that a client sent: rules on spans have nothing to judge.
pub(super) fn is_bare(span: &Span) -> bool {
    span.span_id.is_registration()
        && span.name.is_none()
        && span.attributes.iter().all(|a| a.key == KEY || a.key == amend::KEY)
}

fn delivery(trace: &TraceId, start: Nanos, ruling: &TraceRuling) -> Span {
    let mut span = Span::new(trace.clone(), SpanId::registration(), Door::Server);
    span.status = Status::Ok;
    span.start = Some(start);
    let value: Json = serde_json::json!({
        "evaluations": ruling.evaluations,
        "actions": ruling.decision.actions,
        "tags": ruling.tags,
    });
    span.attributes.push(Attribute::new(KEY, value));
    span
}

/// What reviewers decided about rules on a whole trace.
pub(crate) fn of_trace(decided: &[Review]) -> Released {
    let named = |state: ReviewState| {
        let these = decided.iter().filter(|review| review.state == state);
        these.map(|review| format!("{}/{}", review.policy, review.rule)).collect()
    };
    Released {
        rules: named(ReviewState::Approved),
        rejected: named(ReviewState::Rejected),
        findings: usize::MAX,
    }
}

/// When something in a trace was approved.
pub(crate) fn approvals(decided: &[Review]) -> Vec<Nanos> {
    let approved = decided.iter().filter(|review| review.state == ReviewState::Approved);
    approved.filter_map(|review| review.decided).collect()
}

impl Recorder {
    /// All spans of a trace in order of (start, id), at most [`SPANS_MAX`].
    pub(crate) async fn spans_whole(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Vec<Span>, Error> {
        let mut spans = Vec::new();
        let mut window = SpanWindow { limit: PAGE, ..SpanWindow::default() };
        loop {
            let page = self.store.spans(workspace, trace, &window).await?;
            let ids: Vec<_> =
                page.rows.iter().map(|row| (trace.clone(), row.head.span_id.clone())).collect();
            for stored in self.load(workspace, &ids).await?.iter().flatten() {
                spans.push(decode(stored)?);
            }
            window.after = page.next;
            if window.after.is_none() || spans.len() >= SPANS_MAX {
                return Ok(spans);
            }
        }
    }

    /// The reviews of a trace that are decided.
    pub(crate) async fn decided(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Vec<Review>, Error> {
        let query = ReviewQuery {
            states: vec![ReviewState::Approved, ReviewState::Rejected],
            trace: Some(trace.clone()),
            limit: PAGE,
            ..ReviewQuery::default()
        };
        let page = self.store.reviews(workspace, &query).await?;
        Ok(page.rows)
    }

    /// Lets the rules whose scope is the trace judge it, and records what they say. Opens the reviews
    /// that its spans asked for, should the process have died before it could.
    pub(crate) async fn rule_on_trace(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<(), Error> {
        let rules = self.rules.current();
        let Some(row) = self.store.trace(workspace, trace).await? else { return Ok(()) };
        let asks = row.summary.verdict >= Verdict::Review;
        if !asks && !rules.rules.has_trace_rules() {
            return Ok(());
        }
        let spans = self.spans_whole(workspace, trace).await?;
        let mut after = After::default();
        for span in spans.iter().filter(|span| span.decision.strongest() >= Action::Review) {
            let asked = rules.rules.follow_ups(&span.evaluations).into_iter();
            let decided = amend::released(span);
            let is_decided = |f: &FollowUp| {
                let decides = |all: &Released| all.decides(&f.policy, &f.rule, span.findings.len());
                decided.as_ref().is_some_and(decides)
            };
            let asked = asked.filter(|f| f.review.is_some() && !is_decided(f));
            let at = |f| (trace.clone(), span.span_id.clone(), f);
            after.follow_ups.extend(asked.map(at));
        }
        let decided = self.decided(workspace, trace).await?;
        let (released, approvals) = (of_trace(&decided), approvals(&decided));
        let view = TraceView { summary: &row.summary, spans: &spans, approvals: &approvals };
        let around = Surroundings { released: Some(&released), ..Surroundings::default() };
        let ruling = rules.rules.evaluate_trace(&view, &around);
        for fault in &ruling.faults {
            crate::meters::add(&self.meters.rule_faults, 1);
            tracing::warn!(rule = %fault, "a rule could not be evaluated");
        }
        let known = [(trace.clone(), SpanId::registration())];
        let known = self.load(workspace, &known).await?.into_iter().flatten().next();
        let said = known.as_ref().map(decode).transpose()?.and_then(|s| s.attribute(KEY).cloned());
        let start = row.summary.start;
        let delivered = delivery(trace, start, &ruling);
        let same = said.as_ref() == delivered.attribute(KEY);
        let silent = said.is_none() && ruling.evaluations.is_empty();
        if !same && !silent {
            let mut refused = Vec::new();
            let groups = group::by_trace(vec![delivered], &mut refused);
            self.record(workspace, groups).await?;
            let at = |f| (trace.clone(), SpanId::registration(), f);
            after.follow_ups.extend(ruling.follow_ups.into_iter().map(at));
        }
        self.follow_up(workspace, after);
        Ok(())
    }
}
