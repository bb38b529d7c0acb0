//! Reviews of what was erased: nothing is left to decide, so they leave the queue.

use exhibit_model::{Review, ReviewState, Span, SpanId, TraceId, WorkspaceId};
use exhibit_store::{AdminAct, ReviewQuery};

use super::{PAGE, step};
use crate::{
    Error, Recorder,
    accept::{is_erased_by_review, ruling},
    account::act::Act,
    notice::Notice,
};

impl Recorder {
    /// The undecided reviews of traces that are about to be erased, closed in the name of `by`, with the
    /// acts that say so.
    pub(crate) async fn closed_reviews(
        &self,
        workspace: WorkspaceId,
        traces: &[TraceId],
        by: &str,
    ) -> Result<Vec<(Review, AdminAct)>, Error> {
        let mut closed = Vec::new();
        for trace in traces {
            for review in self.undecided(workspace, trace).await? {
                let review = step::close(review, by, self.now());
                let act = self.sealed_act(&Act::Reviewed { review: review.clone() })?;
                closed.push((review, act));
            }
        }
        Ok(closed)
    }

    /// Tells channels of reviews that were closed.
    pub(crate) async fn tell_closed(&self, workspace: WorkspaceId, closed: &[Review]) {
        for review in closed {
            if let Err(error) = self.tell(workspace, None, &Notice::of_review(review)).await {
                tracing::warn!(%error, "nobody could be told that a review was closed");
            }
        }
    }

    /// Closes the other reviews of a trace that ask only about spans whose contents reviewers have erased.
    pub(super) async fn close_without_contents(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<(), Error> {
        let undecided = self.undecided(workspace, trace).await?;
        if undecided.is_empty() {
            return Ok(());
        }
        let spans = self.spans_whole(workspace, trace).await?;
        for review in undecided.into_iter().filter(|review| nothing_left(review, &spans)) {
            self.keep_review(workspace, step::close(review, "review", self.now())).await?;
        }
        Ok(())
    }

    async fn undecided(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Vec<Review>, Error> {
        let states: Vec<ReviewState> =
            ReviewState::ALL.iter().copied().filter(|state| state.is_undecided()).collect();
        let trace = Some(trace.clone());
        let mut query = ReviewQuery { states, trace, limit: PAGE, ..ReviewQuery::default() };
        let mut found = Vec::new();
        loop {
            let page = self.store.reviews(workspace, &query).await?;
            found.extend(page.rows);
            query.after = page.next;
            if query.after.is_none() {
                return Ok(found);
            }
        }
    }
}

/// Whether a review asks about spans, and the contents of all of them are erased.
fn nothing_left(review: &Review, spans: &[Span]) -> bool {
    let asks = |span: &&Span| {
        let said =
            |e: &exhibit_model::Evaluation| e.policy == review.policy && e.rule == review.rule;
        let of_trace = ruling::says(span, &review.policy, &review.rule);
        Some(&span.span_id) == review.span_id.as_ref()
            || (!of_trace && span.evaluations.iter().any(said))
    };
    let is_span = |id: &SpanId| !id.is_registration();
    review.span_id.as_ref().is_some_and(is_span)
        && spans.iter().filter(asks).all(is_erased_by_review)
}
