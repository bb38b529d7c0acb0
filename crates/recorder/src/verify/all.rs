//! A whole installation: every log, every record, every trace, every rollup.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use exhibit_model::{Nanos, SpanHead, SpanId, WorkspaceId, text};
use exhibit_store::{AuditTrace, Findable, LogId, StoreError, StoredSpan, rollup};
use serde::Serialize;

use super::{Fault, Verdict, anchors::Vouched, log::Claimed, record, rollups};
use crate::{Error, Recorder, SuccessionWord, accept, lock};

/// Traces read at once.
const PAGE: usize = 256;
/// Most faults that a report holds; one is enough to know, more help to see the extent.
const FAULTS_MAX: usize = 1_000;
/// The index of a running server follows within two seconds; what was younger than this when verification
/// began may be missed by an index that says so.
const INDEX_LAG_NS: i64 = 60 * 1_000_000_000;
/// Leaves fetched as one range when the records of a page stand this close together.
const RANGE_MAX: u64 = 65_536;

/// Told how far verification is.
pub trait Progress: Send + Sync {
    /// How many records there are in all; called once.
    fn total(&self, records: u64);
    /// So many more records were checked.
    fn records(&self, n: u64);
    /// So many more leaves were checked.
    fn leaves(&self, n: u64);
}

/// What verification found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The worst that was found.
    pub verdict: Verdict,
    /// What the verdict rests on.
    pub qualifiers: Vec<&'static str>,
    /// Origin of the installation's log.
    pub log: String,
    /// Its verifier key, self-asserted unless compared with a pinned copy.
    pub key: String,
    /// Workspaces read.
    pub workspaces: u64,
    /// Traces read.
    pub traces: u64,
    /// Records read.
    pub records: u64,
    /// Leaves read.
    pub leaves: u64,
    /// Records that are not under a checkpoint yet.
    pub pending: u64,
    /// What outsiders vouch for.
    pub vouched: Vouched,
    /// Which signing key followed which, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub successions: Vec<SuccessionWord>,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

impl Report {
    pub(super) fn fault(&mut self, fault: Fault) {
        self.verdict = self.verdict.max(fault.verdict);
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }
}

/// How much verification reads.
#[derive(Debug, Clone, Copy)]
pub struct Depth {
    /// The bytes of every record; rows, summaries and rollups are derived again from them.
    pub bodies: bool,
    /// The search index as well: every word of every record is looked up. Needs the bodies.
    pub search: bool,
}

/// A trace of a page, with the leaves of its records and seals.
struct Work {
    trace: AuditTrace,
    leaves: BTreeMap<u64, Vec<u8>>,
}

/// A trace that holds: what its records add up to.
struct CheckedTrace {
    heads: Vec<(SpanHead, bool)>,
    /// The span that was sealed first.
    first: Option<SpanId>,
    /// The trace's user.
    user: Option<String>,
}

/// What checking a page gives.
struct Checked {
    faults: Vec<Fault>,
    traces: Vec<CheckedTrace>,
    claims: Vec<u64>,
    records: u64,
    /// The words by which full-text search should find each trace.
    texts: Vec<Findable>,
}

impl Recorder {
    /// Verifies everything, as deeply as asked.
    pub async fn verify_all(
        self: &Arc<Self>,
        depth: Depth,
        progress: &dyn Progress,
    ) -> Result<Report, Error> {
        // An index that is only read stays as it was then.
        let settled_before = Nanos(self.now().0.saturating_sub(INDEX_LAG_NS));
        let mut report = Report {
            verdict: Verdict::Valid,
            qualifiers: vec!["key-self-asserted"],
            log: self.log_origin(LogId::Installation),
            key: self.verifier_key(LogId::Installation)?,
            workspaces: 0,
            traces: 0,
            records: 0,
            leaves: 0,
            pending: 0,
            vouched: Vouched::default(),
            successions: self.successions(),
            faults: Vec::new(),
        };
        if report.successions.iter().any(|one| one.reason == "restore") {
            report.qualifiers.push("restored");
        }
        let workspaces = self.store.workspaces().await?;
        let mut total = 0;
        for workspace in &workspaces {
            total += self.store.audit_size(workspace.id).await?;
        }
        progress.total(total);
        let anchors = self.check_anchors().await?;
        anchors.faults.into_iter().for_each(|f| report.fault(f));
        report.vouched = anchors.vouched;
        if report.vouched.witnessed_size.is_none() {
            report.qualifiers.push("unwitnessed");
        }
        let installation =
            self.check_log(LogId::Installation, &anchors.heads, None, progress).await?;
        report.leaves += installation.size;
        installation.faults.into_iter().for_each(|f| report.fault(f));
        let successions = self.check_successions(&installation.successions);
        successions.into_iter().for_each(|f| report.fault(f));
        let known: BTreeSet<String> =
            workspaces.iter().map(|w| self.log_origin(LogId::Workspace(w.id))).collect();
        for origin in installation.heads.keys().filter(|origin| !known.contains(*origin)) {
            let mut fault =
                Fault::new(Verdict::Missing, "a workspace with a published log is not there");
            fault.log = Some(origin.clone());
            report.fault(fault);
        }
        for workspace in &workspaces {
            report.workspaces += 1;
            let log = LogId::Workspace(workspace.id);
            let upto = self.store.head(log).await?.size;
            let (mut claimed, sums) = self
                .check_traces(workspace.id, depth, settled_before, &mut report, progress)
                .await?;
            if depth.bodies && report.faults.is_empty() {
                self.check_sums(workspace.id, sums, upto, &mut report).await?;
            }
            let accounts = self.check_accounts(workspace, &mut claimed).await?;
            accounts.into_iter().for_each(|f| report.fault(f));
            let none = BTreeMap::new();
            let heads = installation.heads.get(&self.log_origin(log)).unwrap_or(&none);
            let pass = self.check_log(log, heads, Some((&claimed, upto)), progress).await?;
            report.leaves += pass.size;
            let signed = self.store.checkpoint(log).await?.map_or(0, |c| c.size);
            report.pending += pass.size.saturating_sub(signed);
            pass.faults.into_iter().for_each(|f| report.fault(f));
        }
        Ok(report)
    }

    /// Checks every trace of a workspace, two pages at once: one is read while one is checked.
    async fn check_traces(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        depth: Depth,
        settled_before: Nanos,
        report: &mut Report,
        progress: &dyn Progress,
    ) -> Result<(Claimed, rollup::Accumulator), Error> {
        let mut claimed = Claimed::default();
        let mut sums = rollup::Accumulator::default();
        let mut checking: std::collections::VecDeque<tokio::task::JoinHandle<Checked>> =
            std::collections::VecDeque::new();
        let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let mut after = None;
        loop {
            let mut page = self.store.audit_traces(workspace, after, PAGE, depth.bodies).await?;
            for trace in &mut page.rows {
                self.unlock_trace(workspace, trace).await?;
            }
            report.traces += page.rows.len() as u64;
            let work = self.with_leaves(workspace, page.rows).await?;
            let recorder = Arc::clone(self);
            checking.push_back(tokio::task::spawn_blocking(move || {
                recorder.check_page(workspace, &work, depth, settled_before)
            }));
            let last = page.next.is_none();
            while checking.len() > workers || (last && !checking.is_empty()) {
                let Some(done) = checking.pop_front() else { break };
                let done = done.await.map_err(|error| Error::Internal(error.to_string()))?;
                progress.records(done.records);
                report.records += done.records;
                done.faults.into_iter().for_each(|f| report.fault(f));
                for index in done.claims {
                    if !claimed.claim(index) {
                        let mut fault = Fault::new(Verdict::Altered, "two records claim one leaf");
                        fault.index = Some(index);
                        report.fault(fault);
                    }
                }
                if depth.search {
                    self.check_search(workspace, &done.texts, report).await?;
                }
                for trace in &done.traces {
                    let user = trace.user.as_deref();
                    rollups::add(&mut sums, &trace.heads, trace.first.as_ref(), user);
                }
            }
            if last {
                break;
            }
            after = page.next;
        }
        Ok((claimed, sums))
    }

    /// Compares the sums of the analytics with the records. Beside a server that writes, the two are not of
    /// one moment: what differs then says nothing, and the report says `live`.
    async fn check_sums(
        &self,
        workspace: WorkspaceId,
        sums: rollup::Accumulator,
        upto: u64,
        report: &mut Report,
    ) -> Result<(), Error> {
        let (verdict, faults) = (report.verdict, report.faults.len());
        self.check_rollups(workspace, sums, report).await?;
        let grown = self.store.head(LogId::Workspace(workspace)).await?.size > upto;
        if report.faults.len() > faults && grown {
            report.faults.truncate(faults);
            report.verdict = verdict;
            if !report.qualifiers.contains(&"live") {
                report.qualifiers.push("live");
            }
        }
        Ok(())
    }

    /// Fetches the leaves of a page: as one range where they stand close together, else one by one.
    async fn with_leaves(
        &self,
        workspace: WorkspaceId,
        traces: Vec<AuditTrace>,
    ) -> Result<Vec<Work>, Error> {
        let log = LogId::Workspace(workspace);
        let indexes = |t: &AuditTrace| -> Vec<u64> {
            let records = t.spans.iter().map(|(_, s)| s).chain(t.superseded.iter().map(|(_, s)| s));
            records.filter_map(|s| s.index).chain(t.seals.iter().map(|s| s.index)).collect()
        };
        let mut wanted: Vec<u64> = traces.iter().flat_map(indexes).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut leaves: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        let mut rest = wanted.as_slice();
        while let Some(first) = rest.first() {
            // A run: indexes at most 64 apart, so that little is read in vain.
            let mut end = 1;
            while end < rest.len()
                && rest[end] - rest[end - 1] <= 64
                && rest[end] - first < RANGE_MAX
            {
                end += 1;
            }
            let (run, tail) = rest.split_at(end);
            let last = run.last().copied().unwrap_or(*first);
            let read = self.store.leaves(log, *first, last.saturating_add(1)).await?;
            for (index, bytes) in (*first..).zip(read) {
                if run.binary_search(&index).is_ok() {
                    leaves.insert(index, bytes);
                }
            }
            rest = tail;
        }
        Ok(traces
            .into_iter()
            .map(|trace| {
                let leaves = indexes(&trace)
                    .into_iter()
                    .filter_map(|i| Some((i, leaves.get(&i)?.clone())))
                    .collect();
                Work { trace, leaves }
            })
            .collect())
    }

    /// Checks that full-text search finds traces by all their words.
    async fn check_search(
        &self,
        workspace: WorkspaceId,
        texts: &[Findable],
        report: &mut Report,
    ) -> Result<(), Error> {
        match self.store.audit_search(workspace, texts).await {
            Ok(missing) => {
                for id in missing {
                    let what = "full-text search does not find the trace by all its words";
                    report.fault(Fault::new(Verdict::Altered, what).at(&id, None, None));
                }
            }
            // Records prove themselves without it.
            Err(error @ (StoreError::Unsupported(_) | StoreError::Failed(_))) => {
                tracing::warn!(%error, "full-text search does not answer");
                let what = "full-text search does not answer; where it is not switched off, stop the \
                            server, remove the directory `search` and start it: the index is made anew";
                let fault = Fault::new(Verdict::Unverifiable, what);
                if !report.faults.contains(&fault) {
                    report.fault(fault);
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn check_page(
        &self,
        workspace: WorkspaceId,
        page: &[Work],
        depth: Depth,
        settled_before: Nanos,
    ) -> Checked {
        let mut out = Checked {
            faults: Vec::new(),
            traces: Vec::new(),
            claims: Vec::new(),
            records: 0,
            texts: Vec::new(),
        };
        for work in page {
            self.check_trace(workspace, work, depth, settled_before, &mut out);
        }
        out
    }

    fn check_trace(
        &self,
        workspace: WorkspaceId,
        work: &Work,
        depth: Depth,
        settled_before: Nanos,
        out: &mut Checked,
    ) {
        let bodies = depth.bodies;
        let trace = &work.trace;
        let id = &trace.row.summary.trace_id;
        let key = self.vault.part_key(workspace, id, &trace.row.key).ok();
        let leaf =
            |stored: &StoredSpan| stored.index.and_then(|i| work.leaves.get(&i)).map(Vec::as_slice);
        let mut heads = Vec::with_capacity(trace.spans.len());
        let mut received = Vec::with_capacity(trace.spans.len());
        let mut words = String::new();
        let mut first: Option<(u64, SpanId)> = None;
        let mut cleared: HashSet<&SpanId> = HashSet::new();
        let mut sealed_as = |index: Option<u64>, span: &SpanId| {
            if let Some(index) = index
                && !span.is_registration()
                && first.as_ref().is_none_or(|(held, _)| index < *held)
            {
                first = Some((index, span.clone()));
            }
        };
        let before = out.faults.len();
        for (i, (row, stored)) in trace.spans.iter().enumerate() {
            out.records += 1;
            out.claims.extend(stored.index);
            let checked = if bodies {
                record::check((key.as_ref(), &trace.row.key), row, stored, leaf(stored)).map(Some)
            } else {
                let sealed = row.head.status.is_sealed();
                record::check_leaf(sealed, stored, trace.lengths.get(i), leaf(stored))
                    .map(|()| None)
            };
            match checked {
                Ok(Some(span)) => {
                    if accept::is_cleared(&span) {
                        cleared.insert(&row.head.span_id);
                    }
                    sealed_as(stored.index, &span.span_id);
                    received.push(record::received(&span));
                    if depth.search && !span.decision.is_quarantine() {
                        text::searchable(&span, &mut words);
                    }
                    heads.push((accept::head_kept(&span, &trace.row.key), stored.counted));
                }
                Ok(None) => {}
                Err(fault) => {
                    out.faults.push(fault.at(id, Some(&row.head.span_id), stored.index));
                }
            }
        }
        for (span_id, stored) in &trace.superseded {
            out.claims.extend(stored.index);
            let checked = record::check_leaf(true, stored, None, leaf(stored)).and_then(|()| {
                // What a reviewer redacted or erased can be read by nobody; its leaf stays.
                let is_gone = cleared.contains(span_id) && lock::is_locked(stored);
                if bodies && is_gone {
                    sealed_as(stored.index, span_id);
                } else if bodies {
                    let span = record::check_parts(key.as_ref(), stored, leaf(stored))?;
                    if span.span_id != *span_id {
                        let what = "a replaced record is shown as one of another span";
                        return Err(Fault::new(Verdict::Altered, what));
                    }
                    sealed_as(stored.index, &span.span_id);
                }
                Ok(())
            });
            out.faults.extend(checked.map_err(|f| f.at(id, Some(span_id), stored.index)).err());
        }
        out.faults.extend(record::lost(trace).map(|fault| fault.at(id, None, None)));
        for name in &trace.differing {
            let what = format!("the trace's {name} is not what its summary says");
            out.faults.push(Fault::new(Verdict::Altered, what).at(id, None, None));
        }
        let leaves = record::leaf_hashes(trace);
        for seal in &trace.seals {
            out.claims.push(seal.index);
            let bytes = work.leaves.get(&seal.index).map(Vec::as_slice);
            let checked = record::check_seal(key.as_ref(), seal, bytes, &leaves);
            out.faults.extend(checked.map_err(|f| f.at(id, None, Some(seal.index))).err());
        }
        if bodies && out.faults.len() == before {
            let first = first.map(|(_, span)| span);
            let derived = record::check_summary(&trace.row.summary, &heads)
                .and_then(|()| record::check_received(&trace.row, received.iter().copied()))
                .and_then(|()| record::check_first(trace, first.as_ref()));
            out.faults.extend(derived.map_err(|f| f.at(id, None, None)).err());
            let user = trace.row.summary.user.clone();
            out.traces.push(CheckedTrace { heads, first, user });
            let settled = trace.row.last_received < settled_before;
            if !words.is_empty() {
                out.texts.push(Findable { trace: id.clone(), text: words, settled });
            }
        }
    }
}
