//! Reads for verification.

use async_trait::async_trait;
use exhibit_model::{TraceId, WorkspaceId};

use super::{
    MemoryStore, cursor,
    trace::{Row, Trace},
};
use crate::{
    AuditStore, AuditTrace, Findable, Page, StoreError, StoredAct, StoredSpan,
    rollup::{Cell, Grain, Key, dimension_code, dimension_from_code},
};

fn audited(trace: &Trace, bodies: bool) -> Result<AuditTrace, StoreError> {
    let stored = |row: &Row| -> Result<StoredSpan, StoreError> {
        if bodies { row.stored() } else { Ok(row.without_parts()) }
    };
    let rows = trace.spans.values();
    Ok(AuditTrace {
        row: trace.row(),
        spans: rows
            .clone()
            .map(|row| Ok((row.listed(), stored(row)?)))
            .collect::<Result<_, StoreError>>()?,
        lengths: rows.map(|row| row.lengths).collect(),
        superseded: trace
            .superseded
            .iter()
            .flat_map(|(id, rows)| rows.iter().map(move |row| (id, row)))
            .map(|(id, row)| Ok((id.clone(), stored(row)?)))
            .collect::<Result<_, StoreError>>()?,
        first_span: trace.first_span.clone(),
        seals: trace.seals.clone(),
        differing: Vec::new(),
        lost: Vec::new(),
    })
}

#[async_trait]
impl AuditStore for MemoryStore {
    async fn audit_traces(
        &self,
        workspace: WorkspaceId,
        after: Option<String>,
        limit: usize,
        bodies: bool,
    ) -> Result<Page<AuditTrace>, StoreError> {
        let after: Option<TraceId> = cursor::read("audit-traces", after.as_ref())?;
        let state = self.state.lock();
        let all = state.space(workspace).into_iter().flat_map(|space| &space.traces);
        let mut rest = all.filter(|(id, _)| after.as_ref().is_none_or(|after| *id > after));
        let taken: Vec<_> = rest.by_ref().take(limit).collect();
        let next = taken
            .last()
            .filter(|_| rest.next().is_some())
            .and_then(|(id, _)| cursor::write("audit-traces", id));
        let rows =
            taken.into_iter().map(|(_, trace)| audited(trace, bodies)).collect::<Result<_, _>>()?;
        Ok(Page { rows, next })
    }

    async fn audit_trace(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Option<AuditTrace>, StoreError> {
        self.with_trace(workspace, trace, |trace| audited(trace, true)).transpose()
    }

    async fn audit_size(&self, workspace: WorkspaceId) -> Result<u64, StoreError> {
        let state = self.state.lock();
        let traces = state.space(workspace).into_iter().flat_map(|space| space.traces.values());
        Ok(traces.map(|trace| trace.spans.len() as u64).sum())
    }

    async fn audit_rollups(
        &self,
        workspace: WorkspaceId,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<(Key, Cell)>, StoreError> {
        let place = |key: &Key| {
            (key.grain.code(), key.bucket_start, dimension_code(key.dimension), key.value.clone())
        };
        let after = match cursor::read("rollups", after.as_ref())? {
            None => None,
            Some((grain, bucket_start, dimension, value)) => Some(Key {
                grain: Grain::from_code(grain).ok_or(StoreError::Cursor)?,
                bucket_start,
                dimension: dimension_from_code(dimension).ok_or(StoreError::Cursor)?,
                value,
            }),
        };
        let state = self.state.lock();
        let all = state.space(workspace).into_iter().flat_map(|space| &space.rollups);
        let mut rest = all.filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after));
        let rows: Vec<_> =
            rest.by_ref().take(limit).map(|(key, cell)| (key.clone(), cell.clone())).collect();
        let next = rows
            .last()
            .filter(|_| rest.next().is_some())
            .and_then(|(key, _)| cursor::write("rollups", &place(key)));
        Ok(Page { rows, next })
    }

    async fn audit_acts(
        &self,
        workspace: WorkspaceId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredAct>, StoreError> {
        let state = self.state.lock();
        let all = state.space(workspace).into_iter().flat_map(|space| &space.acts);
        Ok(all.filter(|act| act.index >= from).take(limit).cloned().collect())
    }

    async fn audit_search(
        &self,
        workspace: WorkspaceId,
        traces: &[Findable],
    ) -> Result<Vec<TraceId>, StoreError> {
        let state = self.state.lock();
        let space = state.space(workspace);
        let found = |one: &Findable| {
            let trace = space.and_then(|space| space.traces.get(&one.trace));
            trace.is_some_and(|trace| trace.text.has_words_of(&one.text))
        };
        Ok(traces.iter().filter(|one| !found(one)).map(|one| one.trace.clone()).collect())
    }
}
