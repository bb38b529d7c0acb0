//! A review, for people and programs.

use exhibit_model::{Nanos, Review, ReviewAct};
use serde::Serialize;
use utoipa::ToSchema;

/// What somebody is asked to look at.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReviewView {
    /// Its id.
    review_id: String,
    /// The trace.
    trace_id: String,
    /// The span; null for a rule on the whole trace.
    span_id: Option<String>,
    /// The policy.
    policy: String,
    /// The rule.
    rule: String,
    /// What the rule says, in words.
    title: String,
    /// `low`, `medium`, `high`, `critical`.
    severity: &'static str,
    /// The queue.
    queue: String,
    /// `open`, `claimed`, `approved`, `rejected`, `escalated`, `expired`, `closed`.
    state: &'static str,
    /// Who has it.
    assignee: Option<String>,
    /// Whether two people must approve.
    four_eyes: bool,
    /// When it was opened, RFC 3339.
    opened_at: String,
    /// When it expires.
    due_at: Option<String>,
    /// When it was decided.
    decided_at: Option<String>,
    /// What was done, oldest first.
    acts: Vec<ActView>,
    /// Grows with every act.
    version: u64,
}

/// What somebody did.
#[derive(Debug, Serialize, ToSchema)]
struct ActView {
    /// When, RFC 3339.
    at: String,
    /// `user:<id>`, `key:<id>`, `local`, `rule` or `clock`.
    by: String,
    /// What.
    deed: &'static str,
    /// `true_positive`, `false_positive`, `accepted_risk`, `remediated`, `other`.
    reason: Option<&'static str>,
    /// In words.
    comment: Option<String>,
}

impl ReviewView {
    pub(crate) fn of(review: &Review) -> Self {
        Self {
            review_id: review.id.clone(),
            trace_id: review.trace_id.to_string(),
            span_id: review.span_id.as_ref().map(ToString::to_string),
            policy: review.policy.clone(),
            rule: review.rule.clone(),
            title: review.title.clone(),
            severity: review.severity.as_str(),
            queue: review.queue.clone(),
            state: review.state.as_str(),
            assignee: review.assignee.clone(),
            four_eyes: review.four_eyes,
            opened_at: review.opened.to_rfc3339(),
            due_at: review.due.map(Nanos::to_rfc3339),
            decided_at: review.decided.map(Nanos::to_rfc3339),
            acts: review.acts.iter().map(ActView::of).collect(),
            version: review.version,
        }
    }
}

impl ActView {
    fn of(act: &ReviewAct) -> Self {
        Self {
            at: act.at.to_rfc3339(),
            by: act.by.clone(),
            deed: act.deed.as_str(),
            reason: act.reason.map(exhibit_model::ReviewReason::as_str),
            comment: act.comment.clone(),
        }
    }
}
