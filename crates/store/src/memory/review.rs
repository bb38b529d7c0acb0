//! Reviews and deliveries in memory.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use exhibit_model::{Nanos, RecordId, Review, ReviewState, TraceId, WorkspaceId};

use super::MemoryStore;
use crate::{
    AdminAct, Delivery, Page, ReviewQuery, ReviewStore, StoreError, TraceRow, review::cursor,
};

/// How the reviews of traces stand.
pub(super) type States = BTreeMap<TraceId, BTreeSet<ReviewState>>;

/// Rows by number, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Reviews {
    asked: BTreeMap<i64, (WorkspaceId, Review)>,
    deliveries: BTreeMap<i64, (WorkspaceId, Delivery)>,
    locks: BTreeMap<(WorkspaceId, [u8; 16]), Vec<u8>>,
    last: i64,
}

impl Reviews {
    /// How the reviews of each trace of a workspace stand.
    pub(super) fn states(&self, workspace: WorkspaceId) -> States {
        let mut states = States::default();
        for (_, review) in self.asked.values().filter(|(of, _)| *of == workspace) {
            states.entry(review.trace_id.clone()).or_default().insert(review.state);
        }
        states
    }

    /// A trace with how its reviews stand.
    pub(super) fn shown_with(&self, workspace: WorkspaceId, row: TraceRow) -> TraceRow {
        let reviews = self.states(workspace).remove(&row.summary.trace_id).unwrap_or_default();
        TraceRow { reviews, ..row }
    }

    /// Ids and versions of the reviews of traces that nobody has decided.
    pub(super) fn undecided(
        &self,
        workspace: WorkspaceId,
        traces: &BTreeSet<&TraceId>,
    ) -> BTreeSet<(String, u64)> {
        let asked = self.asked.values();
        asked
            .filter(|(of, review)| *of == workspace && traces.contains(&review.trace_id))
            .filter(|(_, review)| review.state.is_undecided())
            .map(|(_, review)| (review.id.clone(), review.version))
            .collect()
    }

    /// Keeps a review, new or in the place of the one with its id.
    pub(super) fn replace(&mut self, workspace: WorkspaceId, review: &Review) {
        let number = self.number(workspace, &review.id).unwrap_or_else(|| {
            self.last += 1;
            self.last
        });
        self.asked.insert(number, (workspace, review.clone()));
    }

    fn number(&self, workspace: WorkspaceId, id: &str) -> Option<i64> {
        let of =
            |(_, (w, review)): &(&i64, &(WorkspaceId, Review))| *w == workspace && review.id == id;
        self.asked.iter().find(of).map(|(number, _)| *number)
    }
}

fn page<T: Clone>(newest: impl Iterator<Item = (i64, T)>, limit: usize) -> Page<T> {
    let mut rows: Vec<(i64, T)> = newest.take(limit.saturating_add(1)).collect();
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(number, _)| number.to_string());
    Page { rows: rows.into_iter().map(|(_, row)| row).collect(), next }
}

#[async_trait]
impl ReviewStore for MemoryStore {
    async fn put_review(
        &self,
        workspace: WorkspaceId,
        review: &Review,
        act: AdminAct,
    ) -> Result<bool, StoreError> {
        let mut state = self.state.lock();
        let number = state.reviews.number(workspace, &review.id);
        let held = number.and_then(|n| state.reviews.asked.get(&n)).map(|(_, r)| r.version);
        if held.unwrap_or(0) + 1 != review.version {
            return Ok(false);
        }
        state.reviews.replace(workspace, review);
        state.record(workspace, act);
        Ok(true)
    }

    async fn review(&self, workspace: WorkspaceId, id: &str) -> Result<Option<Review>, StoreError> {
        let state = self.state.lock();
        let number = state.reviews.number(workspace, id);
        Ok(number.and_then(|n| state.reviews.asked.get(&n)).map(|(_, review)| review.clone()))
    }

    async fn reviews(
        &self,
        workspace: WorkspaceId,
        query: &ReviewQuery,
    ) -> Result<Page<Review>, StoreError> {
        let after = cursor(query.after.as_deref())?;
        let state = self.state.lock();
        let newest = state.reviews.asked.range(..after).rev();
        let wanted = newest.filter(|(_, (w, review))| *w == workspace && query.fits(review));
        Ok(page(wanted.map(|(number, (_, review))| (*number, review.clone())), query.limit))
    }

    async fn reviews_due(
        &self,
        now: Nanos,
        limit: usize,
    ) -> Result<Vec<(WorkspaceId, Review)>, StoreError> {
        let state = self.state.lock();
        let late =
            |review: &Review| review.state.is_waiting() && review.due.is_some_and(|due| due <= now);
        let due = state.reviews.asked.values().filter(|(_, review)| late(review));
        Ok(due.take(limit).cloned().collect())
    }

    async fn put_locks(
        &self,
        workspace: WorkspaceId,
        locks: Vec<(RecordId, Vec<u8>)>,
    ) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let locks = locks.into_iter().map(|(record, key)| ((workspace, record.0), key));
        state.reviews.locks.extend(locks);
        Ok(())
    }

    async fn locks(
        &self,
        workspace: WorkspaceId,
        records: &[RecordId],
    ) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let state = self.state.lock();
        let key = |record: &RecordId| state.reviews.locks.get(&(workspace, record.0)).cloned();
        Ok(records.iter().map(key).collect())
    }

    async fn destroy_locks(
        &self,
        workspace: WorkspaceId,
        records: &[RecordId],
    ) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        for record in records {
            state.reviews.locks.remove(&(workspace, record.0));
        }
        Ok(())
    }

    async fn put_deliveries(
        &self,
        workspace: WorkspaceId,
        deliveries: Vec<Delivery>,
        keep: u64,
    ) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let all = &mut state.reviews;
        for delivery in deliveries {
            let held = all
                .deliveries
                .values_mut()
                .find(|(w, held)| *w == workspace && held.id == delivery.id);
            match held {
                Some((_, held)) => *held = delivery,
                None => {
                    all.last += 1;
                    all.deliveries.insert(all.last, (workspace, delivery));
                }
            }
        }
        let finished = all.deliveries.iter().rev();
        let finished = finished.filter(|(_, (w, d))| *w == workspace && d.next.is_none());
        let old: Vec<i64> = finished.skip(keep as usize).map(|(number, _)| *number).collect();
        all.deliveries.retain(|number, _| !old.contains(number));
        Ok(())
    }

    async fn deliveries(
        &self,
        workspace: WorkspaceId,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<Delivery>, StoreError> {
        let after = cursor(after.as_deref())?;
        let state = self.state.lock();
        let newest = state.reviews.deliveries.range(..after).rev();
        let wanted = newest.filter(|(_, (w, _))| *w == workspace);
        Ok(page(wanted.map(|(number, (_, delivery))| (*number, delivery.clone())), limit))
    }

    async fn deliveries_due(
        &self,
        now: Nanos,
        limit: usize,
    ) -> Result<Vec<(WorkspaceId, Delivery)>, StoreError> {
        let state = self.state.lock();
        let is_due = |d: &Delivery| d.next.is_some_and(|next| next <= now);
        let mut due: Vec<_> =
            state.reviews.deliveries.values().filter(|(_, d)| is_due(d)).cloned().collect();
        due.sort_by_key(|(_, d)| d.next);
        due.truncate(limit);
        Ok(due)
    }
}
