//! Traces and spans: the contract's [`SpanStore`], each read on a connection of the pool.

mod analytics;
mod due;
mod history;
mod sealed;
mod sessions;
pub(crate) mod spans;
pub(crate) mod traces;

use async_trait::async_trait;
use exhibit_model::{Nanos, SpanId, TraceId, WorkspaceId};
use exhibit_store::{
    Analytics, AnalyticsQuery, Batch, CommitError, Committed, Due, HistoryQuery, LogId, Page,
    Sealed, SessionSummary, SpanRow, SpanStore, SpanWindow, StoreError, StoredSeal, StoredSpan,
    TraceHistory, TraceKey, TraceQuery, TraceRow,
};
use tokio::sync::oneshot;

use crate::{SqliteStore, failure::Result, row, writer::batch::CommitJob};

#[async_trait]
impl SpanStore for SqliteStore {
    async fn commit(&self, batch: Batch) -> std::result::Result<Committed, CommitError> {
        let (reply, answer) = oneshot::channel();
        self.queue()?.submit(Box::new(CommitJob::new(batch, reply)))?;
        match answer.await {
            Ok((answer, _batch)) => answer,
            Err(_) => Err(CommitError::Store(StoreError::Closed)),
        }
    }

    async fn load(
        &self,
        workspace: WorkspaceId,
        ids: &[(TraceId, SpanId)],
    ) -> Result<Vec<Option<StoredSpan>>> {
        let (ids, sources) = (ids.to_vec(), self.options.payloads.clone());
        self.pool.read(move |db| spans::load(db, &sources, workspace, &ids)).await
    }

    async fn trace_keys(
        &self,
        workspace: WorkspaceId,
        traces: &[TraceId],
    ) -> Result<Vec<Option<TraceKey>>> {
        let traces = traces.to_vec();
        self.pool.read(move |db| traces::keys(db, workspace, &traces)).await
    }

    async fn trace(&self, workspace: WorkspaceId, trace: &TraceId) -> Result<Option<TraceRow>> {
        let trace = trace.clone();
        let found = self.pool.read(move |db| traces::trace(db, workspace, &trace)).await?;
        Ok(found.map(|(_, row)| row))
    }

    async fn traces(&self, workspace: WorkspaceId, query: &TraceQuery) -> Result<Page<TraceRow>> {
        let (query, search) = (query.clone(), self.search.clone());
        self.pool.read(move |db| traces::page(db, search.as_deref(), workspace, &query)).await
    }

    async fn history(
        &self,
        workspace: WorkspaceId,
        query: &HistoryQuery,
    ) -> Result<Page<TraceHistory>> {
        let query = query.clone();
        self.pool.read(move |db| history::page(db, workspace, &query)).await
    }

    async fn spans(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        window: &SpanWindow,
    ) -> Result<Page<SpanRow>> {
        let (trace, window) = (trace.clone(), window.clone());
        self.pool.read(move |db| spans::window(db, workspace, &trace, &window)).await
    }

    async fn superseded(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        span: &SpanId,
    ) -> Result<Vec<StoredSpan>> {
        let (trace, span) = (trace.clone(), span.clone());
        let sources = self.options.payloads.clone();
        self.pool.read(move |db| spans::superseded(db, &sources, workspace, &trace, &span)).await
    }

    async fn sessions(
        &self,
        workspace: WorkspaceId,
        query: &TraceQuery,
    ) -> Result<Page<SessionSummary>> {
        let (query, search) = (query.clone(), self.search.clone());
        self.pool.read(move |db| sessions::page(db, search.as_deref(), workspace, &query)).await
    }

    async fn analytics(&self, workspace: WorkspaceId, query: &AnalyticsQuery) -> Result<Analytics> {
        let query = query.clone();
        self.pool.read(move |db| analytics::analytics(db, workspace, &query)).await
    }

    async fn trace_leaves(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Vec<(u64, [u8; 32])>> {
        let trace = trace.clone();
        self.pool.read(move |db| spans::leaves(db, workspace, &trace)).await
    }

    async fn seals(&self, workspace: WorkspaceId, trace: &TraceId) -> Result<Vec<StoredSeal>> {
        let trace = trace.clone();
        self.pool
            .read(move |db| match traces::number(db, workspace, &trace)? {
                Some(number) => row::trace::seals(db, number, 0),
                None => Ok(Vec::new()),
            })
            .await
    }

    async fn sealed_from(&self, workspace: WorkspaceId, from: u64, limit: usize) -> Result<Sealed> {
        self.pool.read(move |db| sealed::sealed(db, workspace, from, limit)).await
    }

    async fn due(&self, now: Nanos, limit: usize) -> Result<Due> {
        let stale_after_ms = self.options.stale_after_ms;
        self.pool.read(move |db| due::due(db, now, limit, stale_after_ms)).await
    }

    async fn locate(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        span: &SpanId,
    ) -> Result<Option<(LogId, u64)>> {
        let (trace, span) = (trace.clone(), span.clone());
        let index = self.pool.read(move |db| spans::locate(db, workspace, &trace, &span)).await?;
        Ok(index.map(|index| (LogId::Workspace(workspace), index)))
    }

    async fn search_settled(&self) -> Result<()> {
        match &self.search {
            Some(search) => search.settle().await,
            None => Ok(()),
        }
    }
}
