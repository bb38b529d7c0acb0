//! Reviews: what rules ask people to look at, and what comes of it.
//!
//! One rule asks once per trace, and again when a span comes that reviewers have not seen. Every act, the
//! rule's asking included, is kept with its sealed leaf in one step. A decision is carried out on the spans
//! that it is about (`accept::amend`) as a new sealed revision, so that their verdict says what was decided;
//! what is quarantined is released, redacted or erased by it.

mod close;
mod step;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use exhibit_govern::FollowUp;
use exhibit_model::{
    Action, Review, ReviewAct, ReviewDeed, ReviewState, SpanId, TraceId, WorkspaceId,
};
use exhibit_store::{Page, ReviewQuery};
use sha2::{Digest as _, Sha256};

use crate::{
    Caller, Error, Recorder,
    accept::{After, Amendment, Handling, decode, released, ruling},
    account::{act::Act, base32},
    notice::Notice,
};

pub use step::ReviewAction;

/// How often deadlines are looked at.
const TICK: Duration = Duration::from_secs(2);
/// Reviews read at once.
const PAGE: usize = 500;
/// Reviews of one bulk act.
pub const BULK_MAX: usize = 500;
/// How often an act is tried again when somebody else acted in between.
const ROUNDS: usize = 4;

/// What reviewers made of one rule's questions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RulePrecision {
    /// The policy.
    pub policy: String,
    /// The rule.
    pub rule: String,
    /// Reviews it asked for.
    pub asked: u64,
    /// Of them still waiting.
    pub waiting: u64,
    /// Expired without a decision.
    pub expired: u64,
    /// Where reviewers say that the rule was right.
    pub right: u64,
    /// Where they say that it was wrong.
    pub wrong: u64,
    /// Median time from opening to decision, milliseconds.
    pub median_ms: Option<i64>,
}

impl RulePrecision {
    /// Share of right ones among those that tell; none where nothing tells yet.
    pub fn precision(&self) -> Option<f64> {
        let told = self.right + self.wrong;
        (told > 0).then(|| self.right as f64 / told as f64)
    }
}

/// The id of the review that a rule asks for in a trace.
fn id_of(workspace: WorkspaceId, trace: &TraceId, policy: &str, rule: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(workspace.0.to_be_bytes());
    for piece in [trace.as_str(), policy, rule] {
        digest.update((piece.len() as u64).to_be_bytes());
        digest.update(piece.as_bytes());
    }
    let text = base32(digest.finalize().get(..17).unwrap_or_default());
    format!("rv_{}", text.get(..26).unwrap_or(&text))
}

impl Recorder {
    /// Does what rules asked for beside the record: counts spending, opens reviews, tells channels.
    /// Reviews open in the background; what a crash loses is opened when the trace is sealed.
    pub(crate) fn follow_up(self: &Arc<Self>, workspace: WorkspaceId, after: After) {
        self.budgets.settle(workspace, &after.charges, self.now());
        if after.follow_ups.is_empty() {
            return;
        }
        let recorder = Arc::clone(self);
        self.to_follow_up.send_modify(|batches| *batches += 1);
        tokio::spawn(async move {
            let Ok(_permit) = recorder.following_up.acquire().await else { return };
            for (trace, span, follow_up) in after.follow_ups {
                let done = recorder.follow_up_one(workspace, &trace, &span, follow_up).await;
                if let Err(error) = done {
                    tracing::warn!(%error, "what a rule asked for could not be done");
                }
            }
            recorder.to_follow_up.send_modify(|batches| *batches -= 1);
        });
    }

    /// Waits until every review that rules have asked for so far is open, so that a last checkpoint
    /// covers them.
    pub async fn followed_up(&self) {
        // The sender is this recorder's own, so it is not gone.
        let _ = self.to_follow_up.subscribe().wait_for(|batches| *batches == 0).await;
    }

    async fn follow_up_one(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        span: &SpanId,
        follow_up: FollowUp,
    ) -> Result<(), Error> {
        if self.is_erased(workspace, trace).await? {
            return Ok(());
        }
        let notice = Notice::of_rule(&follow_up, trace, span);
        if let Some(wanted) = &follow_up.review {
            let id = id_of(workspace, trace, &follow_up.policy, &follow_up.rule);
            let now = self.now();
            let due = wanted.sla_ns.map(|sla| exhibit_model::Nanos(now.0.saturating_add(sla)));
            if let Some(held) = self.store.review(workspace, &id).await? {
                if self.asks_anew(workspace, &held, trace, span).await? {
                    let span = (!span.is_registration()).then(|| span.clone());
                    self.keep_review(workspace, step::reopen(held, span, due, now)).await?;
                }
                return Ok(());
            }
            let review = Review {
                id,
                trace_id: trace.clone(),
                span_id: (!span.is_registration()).then(|| span.clone()),
                policy: follow_up.policy,
                rule: follow_up.rule,
                title: follow_up.message.unwrap_or(follow_up.title),
                severity: follow_up.severity,
                queue: wanted.queue.clone(),
                state: ReviewState::Open,
                assignee: None,
                four_eyes: wanted.four_eyes,
                opened: now,
                due,
                decided: None,
                acts: vec![ReviewAct {
                    at: now,
                    by: "rule".to_owned(),
                    deed: ReviewDeed::Opened,
                    reason: None,
                    comment: None,
                }],
                version: 1,
            };
            self.keep_review(workspace, review).await?;
        } else {
            self.tell(workspace, follow_up.channel.as_deref(), &notice).await?;
        }
        Ok(())
    }

    /// Whether a review that is decided must be opened again: its rule speaks of a span that came after
    /// it was opened, and of which nothing was decided.
    async fn asks_anew(
        &self,
        workspace: WorkspaceId,
        held: &Review,
        trace: &TraceId,
        span: &SpanId,
    ) -> Result<bool, Error> {
        if held.state.is_undecided() {
            return Ok(false);
        }
        let id = [(trace.clone(), span.clone())];
        let Some(stored) = self.load(workspace, &id).await?.into_iter().flatten().next() else {
            return Ok(false);
        };
        let span = decode(&stored)?;
        // What was decided of a rule on the whole trace holds for all that comes.
        if ruling::says(&span, &held.policy, &held.rule) || span.received <= held.opened {
            return Ok(false);
        }
        let decided = released(&span);
        let findings = span.findings.len();
        Ok(!decided.is_some_and(|all| all.decides(&held.policy, &held.rule, findings)))
    }

    /// Keeps a review and its act, and tells of it; false when somebody was faster.
    async fn keep_review(&self, workspace: WorkspaceId, review: Review) -> Result<bool, Error> {
        let act = self.sealed_act(&Act::Reviewed { review: review.clone() })?;
        if !self.store.put_review(workspace, &review, act).await? {
            return Ok(false);
        }
        self.grown.notify_one();
        self.show_review(workspace, &review).await?;
        self.tell(workspace, None, &Notice::of_review(&review)).await?;
        Ok(true)
    }

    /// Shows a review to those who watch here.
    pub(crate) async fn show_review(
        &self,
        workspace: WorkspaceId,
        review: &Review,
    ) -> Result<(), Error> {
        if self.live.is_watched(workspace)
            && let Some(row) = self.store.trace(workspace, &review.trace_id).await?
        {
            self.live.send_review(workspace, self.now(), row.summary.clone(), review.clone());
        }
        Ok(())
    }

    /// A page of reviews, newest first.
    pub async fn reviews(
        &self,
        workspace: WorkspaceId,
        mut query: ReviewQuery,
    ) -> Result<Page<Review>, Error> {
        query.limit = query.limit.clamp(1, self.limits.page_rows_max);
        Ok(self.store.reviews(workspace, &query).await?)
    }

    /// A review.
    pub async fn review(&self, workspace: WorkspaceId, id: &str) -> Result<Option<Review>, Error> {
        Ok(self.store.review(workspace, id).await?)
    }

    /// Does something to a review in the caller's name. A decision is carried out on the spans before
    /// it is kept, so that a kept decision is a done one.
    ///
    /// # Errors
    /// [`Error::Conflict`] where the review is not in a state for it.
    pub async fn act_on_review(
        self: &Arc<Self>,
        caller: &Caller,
        id: &str,
        action: &ReviewAction,
    ) -> Result<Review, Error> {
        let workspace = caller.workspace;
        for _ in 0..ROUNDS {
            let held = self.store.review(workspace, id).await?.ok_or(Error::NotFound)?;
            let changed = step::apply(held, action, &caller.name(), self.now())?;
            if let Some(handling) = action.carried_out(&changed) {
                self.carry_out(workspace, &changed, handling).await?;
            }
            if self.keep_review(workspace, changed.clone()).await? {
                let decided = action.carried_out(&changed).is_some();
                if changed.span_id.is_none() && decided {
                    self.rule_on_trace(workspace, &changed.trace_id).await?;
                }
                if action.carried_out(&changed) == Some(Handling::Erase) {
                    self.close_without_contents(workspace, &changed.trace_id).await?;
                }
                return Ok(changed);
            }
        }
        Err(Error::Conflict("somebody else acts on this review; look at it and try again".into()))
    }

    /// The same act on many reviews; what came of each.
    pub async fn act_on_reviews(
        self: &Arc<Self>,
        caller: &Caller,
        ids: &[String],
        action: &ReviewAction,
    ) -> Result<Vec<(String, Result<Review, Error>)>, Error> {
        if ids.len() > BULK_MAX {
            let message = format!("at most {BULK_MAX} at once");
            return Err(Error::Invalid { field: "ids", message });
        }
        let mut out = Vec::with_capacity(ids.len());
        for id in ids {
            out.push((id.clone(), self.act_on_review(caller, id, action).await));
        }
        Ok(out)
    }

    /// Puts a decision on the spans of its trace that the review's rule asked about: those that it
    /// keeps apart are released, redacted or erased.
    async fn carry_out(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        review: &Review,
        handling: Handling,
    ) -> Result<(), Error> {
        let takes_contents = matches!(handling, Handling::Redact | Handling::Erase);
        let spans = self.spans_whole(workspace, &review.trace_id).await?;
        let registration = [(review.trace_id.clone(), SpanId::registration())];
        let registration = self.load(workspace, &registration).await?.into_iter().flatten().next();
        let registration = registration.as_ref().map(decode).transpose()?;
        let concerned = spans.into_iter().chain(registration).filter(|span| {
            let said =
                |e: &exhibit_model::Evaluation| e.policy == review.policy && e.rule == review.rule;
            let least = if takes_contents { Action::Quarantine } else { Action::Review };
            // What is said of the whole trace is said anew once the decision is kept.
            let of_trace = ruling::says(span, &review.policy, &review.rule);
            span.decision.strongest() >= least && !of_trace && span.evaluations.iter().any(said)
        });
        let rule = format!("{}/{}", review.policy, review.rule);
        let amendments: Vec<Amendment> = concerned
            .map(|span| Amendment {
                trace: span.trace_id.clone(),
                span: span.span_id.clone(),
                handling,
                rule: rule.clone(),
                rejected: review.state == ReviewState::Rejected,
                findings: span.findings.len(),
            })
            .collect();
        if amendments.is_empty() {
            if takes_contents {
                let nothing = "nothing of this review is quarantined, so there is nothing to \
                               redact or erase; decide it without `handling`";
                return Err(Error::Conflict(nothing.into()));
            }
            return Ok(());
        }
        self.amend(workspace, amendments).await
    }

    /// What reviewers made of each rule's questions.
    pub async fn review_precision(
        &self,
        workspace: WorkspaceId,
    ) -> Result<Vec<RulePrecision>, Error> {
        let mut rules: BTreeMap<(String, String), (RulePrecision, Vec<i64>)> = BTreeMap::new();
        let mut query = ReviewQuery { limit: PAGE, ..ReviewQuery::default() };
        loop {
            let page = self.store.reviews(workspace, &query).await?;
            for review in page.rows {
                let key = (review.policy.clone(), review.rule.clone());
                let (sum, times) = rules.entry(key).or_default();
                sum.asked += 1;
                sum.waiting += u64::from(review.state.is_waiting());
                sum.expired += u64::from(review.state == ReviewState::Expired);
                match review.rule_was_right() {
                    Some(true) => sum.right += 1,
                    Some(false) => sum.wrong += 1,
                    None => {}
                }
                let took = review.decided.map(|at| at.0.saturating_sub(review.opened.0));
                times.extend(took.map(|nanos| nanos / 1_000_000));
            }
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        let all = rules.into_iter().map(|((policy, rule), (sum, mut times))| {
            times.sort_unstable();
            let median_ms = times.get(times.len() / 2).copied();
            RulePrecision { policy, rule, median_ms, ..sum }
        });
        Ok(all.collect())
    }

    /// Lets reviews expire when their time is up.
    pub(crate) async fn run_reviews(self: &Arc<Self>) {
        loop {
            tokio::time::sleep(TICK).await;
            if let Err(error) = self.expire_reviews().await {
                tracing::warn!(%error, "deadlines of reviews could not be looked at");
            }
        }
    }

    /// Lets those expire whose time is up; how many there were.
    pub async fn expire_reviews(&self) -> Result<usize, Error> {
        let due = self.store.reviews_due(self.now(), PAGE).await?;
        let count = due.len();
        for (workspace, review) in due {
            self.keep_review(workspace, step::expire(review, self.now())).await?;
        }
        Ok(count)
    }
}
