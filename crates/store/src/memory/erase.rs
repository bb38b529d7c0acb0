//! Removal of traces, in memory.

use async_trait::async_trait;
use exhibit_model::{Review, WorkspaceId};

use super::MemoryStore;
use crate::{
    AdminAct, Doomed, EraseStore, StoreError,
    rollup::{Accumulator, Inherited, attribution::Lineages},
};

#[async_trait]
impl EraseStore for MemoryStore {
    async fn erase(
        &self,
        workspace: WorkspaceId,
        traces: Vec<Doomed>,
        closed: Vec<(Review, AdminAct)>,
        act: AdminAct,
    ) -> Result<bool, StoreError> {
        let mut state = self.state.lock();
        let names = traces.iter().map(|doomed| &doomed.trace_id).collect();
        let undecided = state.reviews.undecided(workspace, &names);
        let before = closed.iter().map(|(review, _)| (review.id.clone(), review.version - 1));
        if undecided != before.collect() {
            return Ok(false);
        }
        let Some(space) = state.spaces.get_mut(&workspace) else { return Ok(false) };
        let as_counted = |doomed: &Doomed| {
            space.traces.get(&doomed.trace_id).is_some_and(|trace| {
                (trace.leaves.len() as u64, trace.seals.len() as u64)
                    == (doomed.leaves, doomed.seals)
            })
        };
        if !traces.iter().all(as_counted) {
            return Ok(false);
        }
        let mut sum = Accumulator::new();
        for doomed in &traces {
            let Some(trace) = space.traces.remove(&doomed.trace_id) else { continue };
            let heads = trace.spans.values().map(|row| &row.head);
            let lineages = Lineages::of(heads);
            for row in trace.spans.values() {
                let first = trace.first_span.as_ref() == Some(&row.head.span_id);
                let agent = lineages.agent(&row.head);
                let from = Inherited { agent, user: trace.summary.user.as_deref() };
                sum.subtract(&row.head, row.counted, first, from);
            }
        }
        for (key, cell) in sum.into_cells() {
            space.rollups.entry(key).or_default().add(&cell);
        }
        space.tombstones.extend(traces.iter().map(|doomed| doomed.tombstone));
        for (review, act) in closed {
            state.reviews.replace(workspace, &review);
            state.record(workspace, act);
        }
        state.record(workspace, act);
        Ok(true)
    }

    async fn tombstones(
        &self,
        workspace: WorkspaceId,
        wanted: &[[u8; 16]],
    ) -> Result<Vec<bool>, StoreError> {
        let state = self.state.lock();
        if wanted.is_empty() {
            let any = state.spaces.values().any(|space| !space.tombstones.is_empty());
            return Ok(any.then_some(true).into_iter().collect());
        }
        let space = state.spaces.get(&workspace);
        let has = |t: &[u8; 16]| space.is_some_and(|space| space.tombstones.contains(t));
        Ok(wanted.iter().map(has).collect())
    }
}

/// It has no use for an archive.
#[async_trait]
impl crate::ArchiveStore for MemoryStore {}

/// It keeps nothing at rest.
#[async_trait]
impl crate::EncryptStore for MemoryStore {}
