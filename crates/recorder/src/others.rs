//! What other nodes on the same store have done: told to live views and to the checkpoint clock, and
//! forgotten where this node had remembered otherwise.

use std::sync::Arc;

use exhibit_model::{SpanHead, TraceSummary, WorkspaceId};

use crate::{Error, LiveEvent, Recorder, live::LiveSpan};

impl Recorder {
    /// The store has other writers: what only they may know of is always asked for.
    pub fn share(&self) {
        self.vault.note_tombstones();
        self.gaps.stop();
        self.budgets.share();
    }

    /// Whether anybody watches a workspace here.
    pub fn is_watched(&self, workspace: WorkspaceId) -> bool {
        self.live.is_watched(workspace)
    }

    /// Another node has committed something; its leaves may have to be published.
    pub fn hear_commit(&self) {
        self.grown.notify_one();
    }

    /// What another node has committed, for those who watch: a trace after the commit, and the spans
    /// that were written.
    pub fn hear_trace(
        &self,
        workspace: WorkspaceId,
        sequence: u64,
        trace: Arc<TraceSummary>,
        spans: &[SpanHead],
    ) {
        if trace.quarantined {
            return;
        }
        let spans = spans.iter().map(LiveSpan::of).collect();
        let at = self.now();
        self.live.send(workspace, LiveEvent { sequence, at, trace, spans, review: None });
    }

    /// Another node has opened or changed a review.
    pub async fn hear_review(&self, workspace: WorkspaceId, id: &str) -> Result<(), Error> {
        if self.live.is_watched(workspace)
            && let Some(review) = self.store.review(workspace, id).await?
        {
            self.show_review(workspace, &review).await?;
        }
        Ok(())
    }

    /// Another node has administered something: a key may be revoked, a trace erased.
    pub fn hear_act(&self) {
        self.accounts.forget_keys();
        self.vault.forget_all();
        self.grown.notify_one();
    }

    /// Something may have been missed: whoever watches is let go, and reads the lists again.
    pub fn hear_gap(&self) {
        self.hear_act();
        self.live.close_all();
    }
}
