//! Taking away: by the rules, or at somebody's request. Both leave a certificate.

use std::{collections::BTreeMap, sync::Arc};

use exhibit_model::{Nanos, Review, TraceId, Workspace, WorkspaceId};
use exhibit_store::{Doomed, Filter, Order, TraceQuery, TraceRow};
use serde::Serialize;

use super::{Erased, Keeping};
use crate::{Error, Recorder, account::act::Act};

/// Traces taken away in one step.
const BATCH: usize = 200;
/// Traces read at once.
const PAGE: usize = 500;
/// Names of traces that a report lists.
const NAMED_MAX: usize = 1_000;
/// Something may be added to a trace while it is being taken away.
const TRIES: usize = 5;
/// How often emptying the write-ahead log is tried.
const SCRUBS: usize = 5;
const DAY_NS: i64 = 86_400_000_000_000;

/// What a run did, or would do.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RunReport {
    /// Nothing was done.
    pub dry_run: bool,
    /// Traces that went, by the rule or reason.
    pub gone: BTreeMap<String, u64>,
    /// The first thousand of them.
    pub traces: Vec<String>,
    /// Traces that a hold kept, by hold.
    pub held: BTreeMap<String, u64>,
    /// Indexes of the certificates' leaves.
    pub certificates: Vec<u64>,
    /// Nothing of it can be read any more in the files of the store: the write-ahead log is emptied and
    /// the index written anew. Else that follows as soon as readers let go.
    pub scrubbed: bool,
}

/// Why something is taken away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cause<'c> {
    /// `retention` or `erasure`.
    pub(super) kind: &'c str,
    /// The rule, or the reason that was given.
    pub(super) why: &'c str,
    /// Who asked.
    pub(super) by: &'c str,
}

impl Recorder {
    /// Takes away what the rules no longer keep, or says what would go. `by` is who asked.
    ///
    /// # Errors
    /// The store fails. What was taken away by then has its certificate.
    pub async fn run_retention(
        self: &Arc<Self>,
        workspace: &Workspace,
        by: &str,
        dry_run: bool,
    ) -> Result<RunReport, Error> {
        let _turn = self.keeping_turn.lock().await;
        let keeping = self.keeping(workspace.id).await?;
        let mut report = RunReport { dry_run, ..RunReport::default() };
        let mut filters = Vec::with_capacity(keeping.rules.len());
        for rule in &keeping.rules {
            filters.push(self.header_filter(&rule.filter)?);
        }
        let now = self.now();
        for (at, rule) in keeping.rules.iter().enumerate() {
            let Some(days) = rule.keep_days else { continue };
            let before = Nanos(now.0.saturating_sub(i64::from(days).saturating_mul(DAY_NS)));
            let earlier = filters.get(..at).unwrap_or_default();
            let expired = |row: &TraceRow| {
                row.last_received < before
                    && !earlier.iter().any(|filter| filter.matches(row, &mut |_| false))
            };
            let filter = filters.get(at).cloned().unwrap_or(Filter::All);
            self.take_away(
                workspace.id,
                filter,
                &expired,
                Cause { kind: "retention", why: &rule.name, by },
                &keeping,
                &mut report,
            )
            .await?;
        }
        self.scrub(&mut report).await?;
        Ok(report)
    }

    /// Rewrites what still holds bytes of what went.
    async fn scrub(&self, report: &mut RunReport) -> Result<(), Error> {
        if report.dry_run || report.gone.is_empty() {
            return Ok(());
        }
        self.note_applied().await?;
        for _ in 0..SCRUBS {
            report.scrubbed = self.store.scrub().await?;
            if report.scrubbed {
                break;
            }
        }
        Ok(())
    }

    /// Erases the traces that a filter finds, one trace, or all of a data subject's (an end user), for
    /// the reason that is given, in the name of who asked.
    /// What a hold keeps stays, and the report says so.
    ///
    /// # Errors
    /// A filter that asks for full text or for everything; no reason.
    pub async fn erase(
        self: &Arc<Self>,
        workspace: &Workspace,
        what: Erase,
        (reason, by): (&str, &str),
        dry_run: bool,
    ) -> Result<RunReport, Error> {
        super::check_text("reason", reason)?;
        let _turn = self.keeping_turn.lock().await;
        let keeping = self.keeping(workspace.id).await?;
        let mut report = RunReport { dry_run, ..RunReport::default() };
        let cause = Cause { kind: "erasure", why: reason, by };
        match what {
            Erase::Trace(id) => {
                let row = self.store.trace(workspace.id, &id).await?.ok_or(Error::NotFound)?;
                self.take_rows(workspace.id, vec![row], cause, &keeping, &mut report).await?;
            }
            Erase::User(user) => {
                let text = format!("user = {}", quoted(&user));
                let filter = self.header_filter(&text)?;
                self.take_away(workspace.id, filter, &|_| true, cause, &keeping, &mut report)
                    .await?;
            }
            Erase::Filter(text) => {
                if text.trim().is_empty() {
                    return Err(super::invalid("filter", "say which traces".to_owned()));
                }
                let filter = self.header_filter(&text)?;
                self.take_away(workspace.id, filter, &|_| true, cause, &keeping, &mut report)
                    .await?;
            }
        }
        self.scrub(&mut report).await?;
        Ok(report)
    }

    async fn take_away(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        filter: Filter,
        wanted: &(dyn Fn(&TraceRow) -> bool + Send + Sync),
        cause: Cause<'_>,
        keeping: &Keeping,
        report: &mut RunReport,
    ) -> Result<(), Error> {
        let mut after = None;
        loop {
            let filter = filter.clone();
            let query = TraceQuery { filter, order: Order::Oldest, after, limit: PAGE };
            let page = self.store.traces(workspace, &query).await?;
            let rows: Vec<TraceRow> = page.rows.into_iter().filter(|row| wanted(row)).collect();
            self.take_rows(workspace, rows, cause, keeping, report).await?;
            if page.next.is_none() {
                return Ok(());
            }
            after = page.next;
        }
    }

    async fn take_rows(
        &self,
        workspace: WorkspaceId,
        mut rows: Vec<TraceRow>,
        cause: Cause<'_>,
        keeping: &Keeping,
        report: &mut RunReport,
    ) -> Result<(), Error> {
        rows.retain(|row| match self.held_by(&keeping.holds, row) {
            Some(hold) => {
                *report.held.entry(hold.id.clone()).or_default() += 1;
                false
            }
            None => true,
        });
        for rows in rows.chunks(BATCH) {
            let ids: Vec<TraceId> = rows.iter().map(|row| row.summary.trace_id.clone()).collect();
            if !report.dry_run {
                self.take_batch(workspace, &ids, cause, report).await?;
            }
            *report.gone.entry(cause.why.to_owned()).or_default() += ids.len() as u64;
            let room = NAMED_MAX.saturating_sub(report.traces.len());
            report.traces.extend(ids.iter().take(room).map(ToString::to_string));
        }
        Ok(())
    }

    pub(super) async fn take_batch(
        &self,
        workspace: WorkspaceId,
        ids: &[TraceId],
        Cause { kind: cause, why, by }: Cause<'_>,
        report: &mut RunReport,
    ) -> Result<(), Error> {
        let keys = self.doom_keys(workspace, ids).await?;
        let objects = self.store.archived_objects(workspace, ids).await?;
        for _ in 0..TRIES {
            let mut doomed = Vec::with_capacity(ids.len());
            let mut indexes = Vec::new();
            for id in ids {
                let leaves = self.store.trace_leaves(workspace, id).await?;
                let seals = self.store.seals(workspace, id).await?;
                indexes.extend(leaves.iter().map(|(index, _)| *index));
                indexes.extend(seals.iter().map(|seal| seal.index));
                doomed.push(Doomed {
                    trace_id: id.clone(),
                    leaves: leaves.len() as u64,
                    seals: seals.len() as u64,
                    tombstone: self.tombstone(workspace, id),
                });
            }
            let erased = Erased {
                cause: cause.to_owned(),
                why: why.to_owned(),
                by: Some(by.to_owned()),
                at: self.now(),
                traces: doomed.iter().map(|one| hex::encode(one.tombstone)).collect(),
                leaves: ranges(indexes),
                keys_destroyed: keys.len() as u64,
            };
            let act = self.sealed_act(&Act::Erased { erased })?;
            let closed = self.closed_reviews(workspace, ids, cause).await?;
            let reviews: Vec<Review> = closed.iter().map(|(review, _)| review.clone()).collect();
            // Before it is done, so that whoever finds it done asks.
            self.vault.note_tombstones();
            if self.store.erase(workspace, doomed, closed, act).await? {
                self.destroy_keys(&keys)?;
                self.remove_archived(objects).await;
                ids.iter().for_each(|id| self.vault.forget(workspace, id));
                let digests: Vec<[u8; 16]> =
                    ids.iter().map(|id| self.tombstone(workspace, id)).collect();
                // What a rule took away it takes away again; but a backup whose keys are destroyed
                // holds nothing to wait for.
                if cause == "erasure" || !keys.is_empty() {
                    self.remember_erasures(workspace, &digests)?;
                }
                self.grown.notify_one();
                let last = self.keeping(workspace).await?.erased.last().map(|(index, _)| *index);
                report.certificates.extend(last);
                self.tell_closed(workspace, &reviews).await;
                return Ok(());
            }
        }
        Err(Error::Busy { retry_after_ms: 1_000 })
    }

    /// What refuses the re-delivery of a trace.
    pub(crate) fn tombstone(&self, workspace: WorkspaceId, trace: &TraceId) -> [u8; 16] {
        self.vault.tombstone(workspace, trace)
    }
}

/// What to erase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Erase {
    /// One trace.
    Trace(TraceId),
    /// Everything of an end user.
    User(String),
    /// What a filter finds.
    Filter(String),
}

/// A text as the filter language writes it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn ranges(mut indexes: Vec<u64>) -> Vec<(u64, u64)> {
    indexes.sort_unstable();
    indexes.dedup();
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for index in indexes {
        match ranges.last_mut() {
            Some((_, end)) if *end == index => *end += 1,
            _ => ranges.push((index, index + 1)),
        }
    }
    ranges
}
