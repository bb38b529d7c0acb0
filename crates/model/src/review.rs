//! Reviews: what a person is asked to look at, and what they said.

use serde::{Deserialize, Serialize};

use crate::{Nanos, Severity, SpanId, TraceId, kind::words};

words! {
    /// Where a review stands.
    ReviewState {
        /// Nobody has taken it.
        Open = "open" = 1,
        /// Somebody works on it.
        Claimed = "claimed" = 2,
        /// What happened may stand.
        Approved = "approved" = 3,
        /// What happened must not.
        Rejected = "rejected" = 4,
        /// Somebody with more authority has to decide.
        Escalated = "escalated" = 5,
        /// Its time ran out; what was quarantined stays so.
        Expired = "expired" = 6,
        /// What it asks about was erased before anybody decided.
        Closed = "closed" = 7,
    }
}

impl ReviewState {
    /// Whether it waits for somebody.
    pub fn is_waiting(self) -> bool {
        matches!(self, Self::Open | Self::Claimed | Self::Escalated)
    }

    /// Whether somebody may still decide it: what has expired, too.
    pub fn is_undecided(self) -> bool {
        self.is_waiting() || self == Self::Expired
    }
}

words! {
    /// What somebody did to a review.
    ReviewDeed {
        /// A rule asked for it.
        Opened = "opened" = 1,
        /// Took it.
        Claimed = "claimed" = 2,
        /// Gave it back.
        Released = "released" = 3,
        /// Gave it to somebody.
        Assigned = "assigned" = 4,
        /// Wrote a comment.
        Commented = "commented" = 5,
        /// Said that what happened may stand.
        Approved = "approved" = 6,
        /// Said that it must not.
        Rejected = "rejected" = 7,
        /// Passed it up.
        Escalated = "escalated" = 8,
        /// Its time ran out.
        Expired = "expired" = 9,
        /// What it asks about was erased; by `erasure`, `retention` or `review`.
        Closed = "closed" = 10,
    }
}

words! {
    /// Why somebody decided as they did.
    ReviewReason {
        /// The rule was right.
        TruePositive = "true_positive" = 1,
        /// The rule was wrong.
        FalsePositive = "false_positive" = 2,
        /// The rule was right, and the risk is accepted.
        AcceptedRisk = "accepted_risk" = 3,
        /// It has been put right elsewhere.
        Remediated = "remediated" = 4,
        /// Something else; the comment says what.
        Other = "other" = 5,
    }
}

/// One act of somebody on a review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewAct {
    /// When, by our clock.
    pub at: Nanos,
    /// Who: `user:<id>`, `key:<id>`, `local`; or what: `rule`, `clock`, `erasure`, `retention`, `review`.
    pub by: String,
    /// What.
    pub deed: ReviewDeed,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<ReviewReason>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub comment: Option<String>,
}

/// A review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// `rv_` and 26 characters, derived from workspace, trace, policy and rule: one rule asks once
    /// per trace.
    pub id: String,
    /// The trace.
    pub trace_id: TraceId,
    /// The span that the rule spoke of; none for a rule on the whole trace.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub span_id: Option<SpanId>,
    /// The policy.
    pub policy: String,
    /// The rule.
    pub rule: String,
    /// The rule's title.
    pub title: String,
    /// How grave.
    pub severity: Severity,
    /// The queue.
    pub queue: String,
    /// Where it stands.
    pub state: ReviewState,
    /// Who has it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub assignee: Option<String>,
    /// Whether two people must approve.
    pub four_eyes: bool,
    /// When it was opened.
    pub opened: Nanos,
    /// When it expires.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub due: Option<Nanos>,
    /// When it was decided.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub decided: Option<Nanos>,
    /// What was done, oldest first.
    pub acts: Vec<ReviewAct>,
    /// Grows with every act, from 1.
    pub version: u64,
}

impl Review {
    /// Whether the reviewers say that the rule was right: none while it is undecided, or where the
    /// reason does not tell.
    pub fn rule_was_right(&self) -> Option<bool> {
        let last = self.acts.iter().rev();
        let decision = last
            .into_iter()
            .find(|act| matches!(act.deed, ReviewDeed::Approved | ReviewDeed::Rejected))?;
        match (self.state, decision.reason) {
            (ReviewState::Rejected, Some(ReviewReason::FalsePositive)) => Some(false),
            (ReviewState::Rejected, _) => Some(true),
            (ReviewState::Approved, Some(ReviewReason::Other)) => None,
            (ReviewState::Approved, Some(ReviewReason::FalsePositive) | None) => Some(false),
            (ReviewState::Approved, Some(_)) => Some(true),
            _ => None,
        }
    }
}
