//! A store in memory: the contract in its plainest form.
//!
//! Unit tests of other rooms run on it, and the conformance suite holds it as the first back end.
//! Nothing in it is meant to be fast: lists are sorted when they are asked for, filters are tried on
//! every trace by [`Filter::matches`](crate::Filter::matches). Nothing survives the process.
//!
//! One lock guards everything, so every call sees one state. The module `commit` is the part worth reading.

mod account;
mod anchor;
mod audit;
mod commit;
mod cursor;
mod dead_letter;
mod erase;
mod ledger;
mod list;
mod review;
mod trace;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use exhibit_model::{Limits, Nanos, SpanId, TraceId, WorkspaceId};
use parking_lot::Mutex;

use crate::{
    Analytics, AnalyticsQuery, Batch, CommitError, Committed, Due, DueSpan, LogId, Page, Sealed,
    SessionSummary, SpanRow, SpanStore, SpanWindow, StoreError, StoredSeal, StoredSpan, TraceKey,
    TraceQuery, TraceRow,
    rollup::{Cell, Key, Plan},
};

use self::{account::Accounts, ledger::Log, trace::Trace};

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    spaces: BTreeMap<WorkspaceId, Space>,
    installation: Log,
    accounts: Accounts,
    dead_letters: dead_letter::DeadLetters,
    anchors: Vec<crate::Anchor>,
    reviews: review::Reviews,
    sequence: u64,
}

/// What belongs to one workspace.
#[derive(Debug, Default)]
struct Space {
    traces: BTreeMap<TraceId, Trace>,
    rollups: BTreeMap<Key, Cell>,
    log: Log,
    acts: Vec<crate::StoredAct>,
    tombstones: std::collections::BTreeSet<[u8; 16]>,
    /// How many leaves were published last.
    published: u64,
}

impl MemoryStore {
    /// An empty store. Of the limits it keeps those of seals and stale spans.
    pub fn new(limits: Limits) -> Self {
        Self { limits, state: Mutex::default() }
    }

    fn with_trace<T>(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        read: impl FnOnce(&Trace) -> T,
    ) -> Option<T> {
        let state = self.state.lock();
        state.spaces.get(&workspace)?.traces.get(trace).map(read)
    }
}

impl State {
    fn space(&self, workspace: WorkspaceId) -> Option<&Space> {
        self.spaces.get(&workspace)
    }
}

#[async_trait]
impl SpanStore for MemoryStore {
    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        self.state.lock().commit(batch)
    }

    async fn load(
        &self,
        workspace: WorkspaceId,
        ids: &[(TraceId, SpanId)],
    ) -> Result<Vec<Option<StoredSpan>>, StoreError> {
        ids.iter()
            .map(|(trace, span)| {
                let row = self
                    .with_trace(workspace, trace, |t| t.spans.get(span).map(trace::Row::stored));
                row.flatten().transpose()
            })
            .collect()
    }

    async fn trace_keys(
        &self,
        workspace: WorkspaceId,
        traces: &[TraceId],
    ) -> Result<Vec<Option<TraceKey>>, StoreError> {
        Ok(traces.iter().map(|t| self.with_trace(workspace, t, |t| t.key.clone())).collect())
    }

    async fn trace(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Option<TraceRow>, StoreError> {
        let row = self.with_trace(workspace, trace, Trace::row);
        let state = self.state.lock();
        Ok(row.map(|row| state.reviews.shown_with(workspace, row)))
    }

    async fn traces(
        &self,
        workspace: WorkspaceId,
        query: &TraceQuery,
    ) -> Result<Page<TraceRow>, StoreError> {
        let state = self.state.lock();
        list::traces(state.space(workspace), &state.reviews.states(workspace), query)
    }

    async fn spans(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        window: &SpanWindow,
    ) -> Result<Page<SpanRow>, StoreError> {
        let state = self.state.lock();
        list::spans(state.space(workspace).and_then(|s| s.traces.get(trace)), window)
    }

    async fn superseded(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        span: &SpanId,
    ) -> Result<Vec<StoredSpan>, StoreError> {
        let read = |t: &Trace| match t.superseded.get(span) {
            Some(rows) => rows.iter().map(trace::Row::stored).collect(),
            None => Ok(Vec::new()),
        };
        self.with_trace(workspace, trace, read).unwrap_or_else(|| Ok(Vec::new()))
    }

    async fn sessions(
        &self,
        workspace: WorkspaceId,
        query: &TraceQuery,
    ) -> Result<Page<SessionSummary>, StoreError> {
        let state = self.state.lock();
        list::sessions(state.space(workspace), &state.reviews.states(workspace), query)
    }

    async fn analytics(
        &self,
        workspace: WorkspaceId,
        query: &AnalyticsQuery,
    ) -> Result<Analytics, StoreError> {
        let plan = Plan::of(query)?;
        let state = self.state.lock();
        let cells = state.space(workspace).into_iter().flat_map(|space| &space.rollups);
        let (reads, dimensions) = (plan.reads(), plan.dimensions());
        let wanted = cells.filter(|(key, _)| {
            let range = |read: &crate::rollup::Read| {
                read.grain == key.grain && read.starts.contains(&key.bucket_start)
            };
            dimensions.contains(&key.dimension) && reads.iter().any(range)
        });
        Ok(plan.assemble(wanted.map(|(key, cell)| (key.clone(), cell.clone()))))
    }

    async fn trace_leaves(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Vec<(u64, [u8; 32])>, StoreError> {
        Ok(self.with_trace(workspace, trace, |t| t.leaves.clone()).unwrap_or_default())
    }

    async fn seals(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Vec<StoredSeal>, StoreError> {
        Ok(self.with_trace(workspace, trace, |t| t.seals.clone()).unwrap_or_default())
    }

    async fn sealed_from(
        &self,
        workspace: WorkspaceId,
        from: u64,
        limit: usize,
    ) -> Result<Sealed, StoreError> {
        let state = self.state.lock();
        Ok(list::sealed(state.space(workspace), &state.reviews.states(workspace), from, limit))
    }

    async fn due(&self, now: Nanos, limit: usize) -> Result<Due, StoreError> {
        let state = self.state.lock();
        let mut seals = Vec::new();
        let mut stale = Vec::new();
        for (workspace, space) in &state.spaces {
            for (id, trace) in &space.traces {
                if trace.is_seal_due(now, &self.limits) {
                    seals.push((trace.last_received, (*workspace, id.clone())));
                }
                stale.extend(trace.stale(now, &self.limits).map(|(received, span)| {
                    let due = DueSpan {
                        workspace: *workspace,
                        trace_id: id.clone(),
                        span_id: span.clone(),
                    };
                    (received, due)
                }));
            }
        }
        seals.sort();
        stale.sort_by_key(|(received, _)| *received);
        Ok(Due {
            seals: seals.into_iter().take(limit).map(|(_, due)| due).collect(),
            stale: stale.into_iter().take(limit).map(|(_, due)| due).collect(),
        })
    }

    async fn locate(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        span: &SpanId,
    ) -> Result<Option<(LogId, u64)>, StoreError> {
        let index =
            self.with_trace(workspace, trace, |t| t.spans.get(span).and_then(trace::Row::index));
        Ok(index.flatten().map(|index| (LogId::Workspace(workspace), index)))
    }

    async fn search_settled(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl From<MemoryStore> for Arc<dyn crate::Store> {
    fn from(store: MemoryStore) -> Self {
        Arc::new(store)
    }
}
