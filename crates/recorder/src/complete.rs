//! The clocks that complete what clients leave open: stale spans are marked, traces are sealed.
//!
//! Both run on receive time, so that a wrong clock of a client moves neither.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use exhibit_capture::Decoded;
use exhibit_ledger::{Hash, Leaf, LeafKind, record::part_hash};
use exhibit_model::{RecordId, TraceId, WorkspaceId};
use exhibit_store::{Batch, CommitError, SealWrite};
use serde::Serialize;

use crate::{Error, Recorder, accept::finish};

/// How often the clocks are read. Due dates are in seconds; reading costs one indexed query.
const TICK: Duration = Duration::from_secs(1);
/// Most traces sealed in one commit.
const SEALS_PER_BATCH: usize = 500;

/// The private part of a trace seal: it names the trace.
#[derive(Serialize)]
struct SealBody<'a> {
    trace_id: &'a TraceId,
    covered: u64,
    root: String,
    partial: bool,
    late: bool,
}

impl Recorder {
    pub(crate) async fn run_completion(self: &Arc<Self>) {
        loop {
            match self.complete_due().await {
                // More may be waiting.
                Ok(n) if n >= SEALS_PER_BATCH => {}
                Ok(_) => tokio::time::sleep(TICK).await,
                Err(error) => {
                    tracing::warn!(%error, "completing traces failed; it will be tried again");
                    tokio::time::sleep(TICK).await;
                }
            }
        }
    }

    /// Marks stale spans and seals traces whose time has come. Returns how many there were.
    pub async fn complete_due(self: &Arc<Self>) -> Result<usize, Error> {
        let due = self.store.due(self.now(), SEALS_PER_BATCH).await?;
        let count = due.stale.len() + due.seals.len();
        self.meters.seals_due.store(due.seals.len() as u64, Ordering::Relaxed);
        for span in due.stale {
            self.mark_stale(span.workspace, &span.trace_id, &span.span_id).await?;
        }
        let mut by_workspace: BTreeMap<WorkspaceId, Vec<TraceId>> = BTreeMap::new();
        for (workspace, trace) in due.seals {
            by_workspace.entry(workspace).or_default().push(trace);
        }
        for (workspace, traces) in by_workspace {
            self.seal(workspace, &traces).await?;
        }
        Ok(count)
    }

    async fn mark_stale(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        trace: &TraceId,
        span: &exhibit_model::SpanId,
    ) -> Result<(), Error> {
        let id = [(trace.clone(), span.clone())];
        let Some(stored) = self.load(workspace, &id).await?.into_iter().flatten().next() else {
            return Ok(());
        };
        let minutes = self.limits.stale_after_ms / 60_000;
        let reason = format!("no end and no update within {minutes} minutes");
        self.record_incomplete(workspace, &stored, &reason).await
    }

    /// Seals traces: one leaf each over the leaves of all their spans so far.
    #[tracing::instrument(level = "debug", skip_all, fields(traces = traces.len()))]
    async fn seal(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        traces: &[TraceId],
    ) -> Result<(), Error> {
        for trace in traces {
            self.rule_on_trace(workspace, trace).await?;
        }
        let received = self.now();
        let mut seals = Vec::with_capacity(traces.len());
        for trace in traces {
            seals.extend(self.seal_one(workspace, trace).await?);
        }
        if seals.is_empty() {
            return Ok(());
        }
        let batch = Batch { workspace, received, traces: Vec::new(), seals, acts: Vec::new() };
        match self.store.commit(batch).await {
            Ok(_) => {
                self.grown.notify_one();
                Ok(())
            }
            // Something arrived in between; the clock comes round again.
            Err(CommitError::Stale) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn seal_one(
        &self,
        workspace: WorkspaceId,
        trace_id: &TraceId,
    ) -> Result<Option<SealWrite>, Error> {
        let Some(row) = self.store.trace(workspace, trace_id).await? else { return Ok(None) };
        let leaves = self.store.trace_leaves(workspace, trace_id).await?;
        let covered = leaves.len() as u64;
        if row.seal.as_ref().is_some_and(|s| s.covered == covered) || covered == 0 {
            return Ok(None);
        }
        let hashes: Vec<Hash> = leaves.iter().map(|(_, hash)| Hash(*hash)).collect();
        let root = exhibit_ledger::tree::root_of(&hashes);
        let partial = row.summary.running_count > 0;
        let late = row.seal.as_ref().is_some_and(|s| !s.partial);
        let body = SealBody { trace_id, covered, root: root.to_hex(), partial, late };
        let body = serde_json::to_vec(&body).map_err(|e| Error::Internal(e.to_string()))?;

        let key = self.vault.part_key(workspace, trace_id, &row.key)?;
        let record = RecordId::mint(&*self.entropy);
        let received = u64::try_from(self.now().0).unwrap_or(0);
        let mut leaf = Leaf::new(LeafKind::TraceSeal, record.0.into(), "server", received);
        leaf.supersedes = row.seal.as_ref().map(|s| s.record.0.into());
        leaf.body_root = Some(part_hash(&key.salt(&record.0.into(), 0), &body));
        leaf.lengths = vec![body.len() as u64];
        let leaf = finish(&leaf)?;
        let trace_id = trace_id.clone();
        Ok(Some(SealWrite { trace_id, record, leaf, body, covered, root: root.0, partial, late }))
    }

    async fn record_incomplete(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        stored: &exhibit_store::StoredSpan,
        reason: &str,
    ) -> Result<(), Error> {
        let span = Self::incomplete(stored, reason)?;
        let decoded = Decoded { spans: vec![span], ..Decoded::default() };
        self.accept(workspace, decoded).await.map(drop)
    }
}
