//! What is told to channels: that a rule spoke, that a review opened or changed.
//!
//! A notice names things by id and says the rule's words; it never holds contents of spans.

use exhibit_govern::FollowUp;
use exhibit_model::{Review, SpanId, TraceId, WorkspaceId};
use serde_json::{Value, json};

use crate::{Error, Recorder};

/// Something worth telling.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    /// What kind, such as `review.opened`.
    pub(crate) event: String,
    /// The facts.
    pub(crate) data: Value,
}

impl Notice {
    pub(crate) fn of_rule(follow_up: &FollowUp, trace: &TraceId, span: &SpanId) -> Self {
        let data = json!({
            "policy": follow_up.policy,
            "rule": follow_up.rule,
            "title": follow_up.title,
            "message": follow_up.message,
            "severity": follow_up.severity,
            "action": follow_up.action,
            "trace_id": trace,
            "span_id": (!span.is_registration()).then_some(span),
        });
        Self { event: "rule.notify".to_owned(), data }
    }

    pub(crate) fn of_review(review: &Review) -> Self {
        let deed = review.acts.last().map_or("opened", |act| act.deed.as_str());
        let data = json!({
            "review_id": review.id,
            "policy": review.policy,
            "rule": review.rule,
            "title": review.title,
            "severity": review.severity,
            "queue": review.queue,
            "state": review.state,
            "assignee": review.assignee,
            "due_at": review.due.map(|due| due.to_rfc3339()),
            "trace_id": review.trace_id,
            "span_id": review.span_id,
        });
        Self { event: format!("review.{deed}"), data }
    }
}

impl Recorder {
    /// Tells a channel, or all that listen.
    pub(crate) async fn tell(
        &self,
        _workspace: WorkspaceId,
        _channel: Option<&str>,
        _notice: &Notice,
    ) -> Result<(), Error> {
        Ok(())
    }
}
