//! Reviews, and what was told to whom.

use async_trait::async_trait;
use exhibit_model::{Nanos, RecordId, Review, ReviewState, TraceId, WorkspaceId};

use crate::{AdminAct, Page, StoreError};

/// Which reviews. What is empty fits all.
#[derive(Debug, Clone, Default)]
pub struct ReviewQuery {
    /// In one of these states.
    pub states: Vec<ReviewState>,
    /// In this queue.
    pub queue: Option<String>,
    /// Held by somebody.
    pub assignee: Option<String>,
    /// Asked for by this rule.
    pub rule: Option<String>,
    /// Of this trace.
    pub trace: Option<TraceId>,
    /// Continue after this cursor.
    pub after: Option<String>,
    /// Most rows.
    pub limit: usize,
}

impl ReviewQuery {
    /// Whether a review is one of them, the cursor left aside.
    pub fn fits(&self, review: &Review) -> bool {
        let same = |wanted: &Option<String>, value: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| value == Some(wanted))
        };
        (self.states.is_empty() || self.states.contains(&review.state))
            && same(&self.queue, Some(&review.queue))
            && same(&self.assignee, review.assignee.as_deref())
            && same(&self.rule, Some(&review.rule))
            && self.trace.as_ref().is_none_or(|trace| *trace == review.trace_id)
    }
}

/// Something that is to be told, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id, the same on every attempt.
    pub id: String,
    /// The channel.
    pub channel: String,
    /// What it is about, such as `review.opened`.
    pub event: String,
    /// The payload as JSON text; it never holds contents of spans.
    pub body: String,
    /// When it came up.
    pub created: Nanos,
    /// When it is to be tried next; none when it is done or given up.
    pub next: Option<Nanos>,
    /// Attempts so far.
    pub attempts: u32,
    /// When it was taken by the other side.
    pub delivered: Option<Nanos>,
    /// What came of the last attempt, such as `204` or a reason.
    pub last: Option<String>,
}

/// Reviews and deliveries.
#[async_trait]
pub trait ReviewStore: Send + Sync + 'static {
    /// Keeps a review with the act that records it, in one step: the leaf goes to the workspace's
    /// log. A review of version 1 is new, and nothing is done when its id exists; a later version
    /// replaces exactly the one before it, and nothing is done when that is not the present one.
    /// Returns whether it was kept.
    async fn put_review(
        &self,
        workspace: WorkspaceId,
        review: &Review,
        act: AdminAct,
    ) -> Result<bool, StoreError>;

    /// A review.
    async fn review(&self, workspace: WorkspaceId, id: &str) -> Result<Option<Review>, StoreError>;

    /// A page of reviews, newest first.
    async fn reviews(
        &self,
        workspace: WorkspaceId,
        query: &ReviewQuery,
    ) -> Result<Page<Review>, StoreError>;

    /// Reviews that wait although their time is up, of all workspaces; at most `limit`.
    async fn reviews_due(
        &self,
        now: Nanos,
        limit: usize,
    ) -> Result<Vec<(WorkspaceId, Review)>, StoreError>;

    /// Keeps the wrapped keys of locked records, by record id.
    async fn put_locks(
        &self,
        workspace: WorkspaceId,
        locks: Vec<(RecordId, Vec<u8>)>,
    ) -> Result<(), StoreError>;

    /// The wrapped keys of these records, in their order; none where there is none any more.
    async fn locks(
        &self,
        workspace: WorkspaceId,
        records: &[RecordId],
    ) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// Destroys the keys of these records.
    async fn destroy_locks(
        &self,
        workspace: WorkspaceId,
        records: &[RecordId],
    ) -> Result<(), StoreError>;

    /// Keeps deliveries, new or changed, under their ids; of a workspace's finished ones the newest
    /// `keep` stay.
    async fn put_deliveries(
        &self,
        workspace: WorkspaceId,
        deliveries: Vec<Delivery>,
        keep: u64,
    ) -> Result<(), StoreError>;

    /// A page of deliveries, newest first.
    async fn deliveries(
        &self,
        workspace: WorkspaceId,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<Delivery>, StoreError>;

    /// Deliveries to be tried by `now`, the longest waiting first, of all workspaces.
    async fn deliveries_due(
        &self,
        now: Nanos,
        limit: usize,
    ) -> Result<Vec<(WorkspaceId, Delivery)>, StoreError>;
}

/// Reads a cursor: the number of the last row of the page before.
pub fn cursor(after: Option<&str>) -> Result<i64, StoreError> {
    after.map_or(Ok(i64::MAX), |text| text.parse().map_err(|_| StoreError::Cursor))
}
