//! The one path by which spans come to be recorded; every protocol walks it.
//!
//! Decoded spans are grouped by trace, merged with what is known, mapped, priced, governed, encoded
//! into parts, committed to by a leaf, and handed to the store in one batch. A batch is first built
//! as if its spans were new; when the store says that it is stale, what is known is loaded and the
//! batch is built again. Nothing is persisted before `govern` has seen it, and nothing is
//! acknowledged before the commit is durable.

mod amend;
pub(crate) mod conceal;
mod group;
mod prepare;
pub(crate) mod ruling;

use std::sync::Arc;

use exhibit_capture::{Decoded, Rejected};
use exhibit_model::{TraceId, WorkspaceId};
use exhibit_store::{CommitError, Committed};
use tracing::Instrument as _;

use crate::{Error, Recorder, gap, live::LiveEvent, meters};

pub use amend::Handling;
pub(crate) use amend::{Amendment, is_cleared, is_erased_by_review, released};
pub(crate) use group::Group;
pub(crate) use prepare::{After, Known, Prepared, body_root, decode, finish, head_kept};

/// How often a batch is built anew before its sender is asked to come again: each round means that
/// another delivery of the same span won the race.
const ROUNDS: usize = 8;
/// Most spans of one batch; larger requests become several batches, each durable by itself.
const BATCH_SPANS: usize = 2_000;

/// What became of a request.
#[derive(Debug, Default)]
pub struct Accepted {
    /// Spans that are now durable, identical re-deliveries included.
    pub accepted: u64,
    /// Spans that were refused, and why.
    pub rejected: Vec<Rejected>,
    /// The traces that were touched, in order of first appearance.
    pub traces: Vec<TraceId>,
}

impl Recorder {
    /// Records decoded spans. When it returns, every accepted span is durable and visible.
    ///
    /// # Errors
    /// [`Error::Busy`] under overload. Parts of a large request may have been recorded by then;
    /// sending all of it again is safe.
    pub async fn accept(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        decoded: Decoded,
    ) -> Result<Accepted, Error> {
        let protocol = match (decoded.protocol, decoded.spans.first()) {
            ("", Some(span)) => span.door.as_str(),
            ("", None) => "batch",
            (named, _) => named,
        };
        let numbers = gap::numbers(&decoded);
        let mut decoded = decoded;
        decoded.spans.iter_mut().for_each(ruling::strip);
        let mut outcome = Accepted { rejected: decoded.rejected, ..Accepted::default() };
        let groups = group::by_trace(decoded.spans, &mut outcome.rejected);
        for group in &groups {
            outcome.accepted += group.delivered;
            outcome.traces.push(group.trace_id.clone());
        }
        for batch in group::batches(groups, BATCH_SPANS) {
            let refused = self.record(workspace, batch).await?;
            outcome.accepted = outcome.accepted.saturating_sub(refused.len() as u64);
            outcome.rejected.extend(refused);
        }
        self.note_numbers(workspace, numbers);
        meters::add(&self.meters.accepted, outcome.accepted);
        meters::add(&self.meters.rejected, outcome.rejected.len() as u64);
        if !outcome.rejected.is_empty() {
            self.bury(workspace, protocol, &outcome.rejected).await;
        }
        Ok(outcome)
    }

    /// Builds and commits one batch, again and again while it is stale. Returns what was refused.
    pub(crate) async fn record(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        groups: Vec<Group>,
    ) -> Result<Vec<Rejected>, Error> {
        self.record_from(workspace, groups, Known::default()).await
    }

    /// The same for spans that are known to be stored: starts from what the store has.
    pub(crate) async fn record_again(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        groups: Vec<Group>,
    ) -> Result<Vec<Rejected>, Error> {
        let known = self.load_known(workspace, &groups).await?;
        self.record_from(workspace, groups, known).await
    }

    /// The same, with what is known of the spans already.
    #[tracing::instrument(level = "debug", name = "record", skip_all, fields(traces = groups.len()))]
    async fn record_from(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        groups: Vec<Group>,
        known: Known,
    ) -> Result<Vec<Rejected>, Error> {
        let (mut known, mut groups) = (known, groups);
        let mut erased = Vec::new();
        for _ in 0..ROUNDS {
            self.open_keys(workspace, &groups).await?;
            self.refuse_erased(workspace, &mut groups, &mut erased).await?;
            if groups.is_empty() {
                return Ok(erased);
            }
            let (rest, prepared) = self.prepare(workspace, groups, known).await?;
            if prepared.batch.traces.is_empty() {
                erased.extend(prepared.refused);
                return Ok(erased);
            }
            if !prepared.locks.is_empty() {
                self.store.put_locks(workspace, prepared.locks).await?;
            }
            self.vault.keep_slots().await?;
            let timing = self.meters.commit();
            let commit = self.store.commit(prepared.batch);
            let committed = commit.instrument(tracing::debug_span!("commit")).await;
            timing.ended(&committed);
            match committed {
                Ok(committed) => {
                    self.announce(workspace, &committed, prepared.live);
                    erased.extend(prepared.refused);
                    self.follow_up(workspace, prepared.after);
                    return Ok(erased);
                }
                Err(CommitError::Stale) => {
                    known = self.load_known(workspace, &rest).await?;
                    groups = rest;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(CommitError::Stale.into())
    }

    /// Preparing is work for a core, not for the runtime.
    #[tracing::instrument(level = "debug", skip_all)]
    async fn prepare(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        mut groups: Vec<Group>,
        known: Known,
    ) -> Result<(Vec<Group>, Prepared), Error> {
        let recorder = Arc::clone(self);
        let work = move || {
            let prepared = prepare::prepare(&recorder, workspace, &mut groups, known);
            prepared.map(|prepared| (groups, prepared))
        };
        self.cores.run(work).await?
    }

    /// Makes sure that the key of every trace is in the cache if the store has one.
    async fn open_keys(&self, workspace: WorkspaceId, groups: &[Group]) -> Result<(), Error> {
        let missing: Vec<TraceId> = groups
            .iter()
            .filter(|g| self.vault.cached(workspace, &g.trace_id).is_none())
            .map(|g| g.trace_id.clone())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let stored = self.store.trace_keys(workspace, &missing).await?;
        for (trace, key) in missing.iter().zip(stored) {
            if let Some(key) = key {
                self.vault.open(workspace, trace, key)?;
            }
        }
        Ok(())
    }

    /// Takes out spans of traces that were erased: they do not come back by being sent again.
    async fn refuse_erased(
        &self,
        workspace: WorkspaceId,
        groups: &mut Vec<Group>,
        refused: &mut Vec<Rejected>,
    ) -> Result<(), Error> {
        if !self.vault.has_tombstones() {
            return Ok(());
        }
        let digests: Vec<[u8; 16]> =
            groups.iter().map(|g| self.tombstone(workspace, &g.trace_id)).collect();
        if digests.is_empty() {
            return Ok(());
        }
        let mut found = self.store.tombstones(workspace, &digests).await?.into_iter();
        groups.retain(|group| {
            let gone = found.next().unwrap_or(false);
            if gone {
                refused.extend(group.refuse("the trace was erased; it is not recorded again"));
            }
            !gone
        });
        Ok(())
    }

    /// Loads what the store knows about the spans of a stale batch, and its traces' keys.
    async fn load_known(&self, workspace: WorkspaceId, groups: &[Group]) -> Result<Known, Error> {
        let traces: Vec<TraceId> = groups.iter().map(|g| g.trace_id.clone()).collect();
        let stored = self.store.trace_keys(workspace, &traces).await?;
        for (trace, key) in traces.iter().zip(stored) {
            if let Some(key) = key {
                self.vault.open(workspace, trace, key)?;
            }
        }
        let ids: Vec<_> = groups
            .iter()
            .flat_map(|g| g.spans.iter().map(|s| (g.trace_id.clone(), s.span_id.clone())))
            .collect();
        let spans = self.load(workspace, &ids).await?;
        Ok(Known(ids.into_iter().zip(spans).filter_map(|(id, span)| Some((id, span?))).collect()))
    }

    /// Tells live views and the checkpoint clock.
    fn announce(
        &self,
        workspace: WorkspaceId,
        committed: &Committed,
        live: Vec<prepare::LiveTrace>,
    ) {
        self.grown.notify_one();
        if !self.live.is_watched(workspace) {
            return;
        }
        for (summary, trace) in committed.traces.iter().zip(live) {
            if !summary.quarantined {
                self.live.send(
                    workspace,
                    LiveEvent {
                        sequence: committed.sequence,
                        at: self.now(),
                        trace: Arc::clone(summary),
                        spans: trace.spans,
                        review: None,
                    },
                );
            }
        }
    }
}
