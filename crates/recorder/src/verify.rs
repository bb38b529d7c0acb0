//! Verification: is what we show still what was sealed?
//!
//! [`Recorder::verification`] answers for one trace, [`Recorder::erasure_verification`] for one that was
//! erased, [`Recorder::verify_all`] for a whole installation. They re-derive everything an API shows from
//! the sealed records, so that a change of any value is found, whichever table it stands in. `record`
//! checks one record, `log` one log.

mod accounts;
mod all;
mod anchors;
mod answer;
mod erasure;
mod gaps;
mod log;
mod record;
mod rollups;
mod span;

use exhibit_ledger::{Hash, inclusion_proof};
use exhibit_model::{Nanos, SpanHead, SpanId, Status, TraceId, WorkspaceId};
use exhibit_store::LogId;
use serde::Serialize;

use crate::{Error, Recorder};

pub use all::{Depth, Progress, Report};
pub use anchors::Vouched;
pub use answer::Answer;
pub use erasure::ErasureVerification;
pub use gaps::TraceGap;
pub use span::SpanVerification;

/// The words of verdicts. Ordered from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything checked holds.
    Valid,
    /// It was erased, and an act in the log says so.
    ErasedWithCertificate,
    /// Not yet under a checkpoint; ask again in a moment.
    Pending,
    /// The evidence is not there.
    Unverifiable,
    /// A record is shown that the log does not hold in this place.
    Reordered,
    /// The log ends before its checkpoint.
    Truncated,
    /// A record of the log is not there.
    Missing,
    /// Something is not what was sealed.
    Altered,
    /// The log contradicts its signed checkpoint.
    Forked,
    /// A checkpoint is signed by another key.
    WrongKey,
    /// A proof does not lead where it should.
    BadProof,
}

/// What was found to be wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What it is.
    pub verdict: Verdict,
    /// The trace concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The span concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
    /// The log concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The leaf concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// In words, without content.
    pub what: String,
}

impl Fault {
    fn new(verdict: Verdict, what: impl Into<String>) -> Self {
        Self { verdict, trace_id: None, span_id: None, log: None, index: None, what: what.into() }
    }

    fn at(mut self, trace: &TraceId, span: Option<&SpanId>, index: Option<u64>) -> Self {
        self.trace_id = Some(trace.to_string());
        self.span_id = span.map(ToString::to_string);
        self.index = index;
        self
    }
}

/// What can be said about one trace.
#[derive(Debug, Clone, Serialize)]
pub struct TraceVerification {
    /// How it stands. The fingerprint is that of the latest seal, else of the first record.
    #[serde(flatten)]
    pub answer: Answer,
    /// Each sealed record.
    pub records: Vec<RecordVerification>,
    /// Each seal over the trace.
    pub seals: Vec<SealVerification>,
    /// What the clocks say.
    pub times: Vec<TimeCheck>,
    /// Numbered records of its clients that never arrived and may have been its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<TraceGap>,
}

/// One record and its proof.
#[derive(Debug, Clone, Serialize)]
pub struct RecordVerification {
    /// The span.
    pub span_id: SpanId,
    /// Its record id.
    pub record: String,
    /// Place in the log; none while it runs.
    pub index: Option<u64>,
    /// SHA-256 leaf hash.
    pub fingerprint: Option<String>,
    /// The leaf, canonical JSON.
    pub leaf: Option<String>,
    /// RFC 9162 inclusion proof, base64, from the leaf upwards.
    pub proof: Vec<String>,
    /// How it stands.
    pub verdict: Verdict,
}

/// One seal over a trace.
#[derive(Debug, Clone, Serialize)]
pub struct SealVerification {
    /// Its record id.
    pub record: String,
    /// Place in the log.
    pub index: u64,
    /// SHA-256 leaf hash.
    pub fingerprint: String,
    /// Span leaves covered.
    pub covered: u64,
    /// Root over them.
    pub root: String,
    /// The trace was not over.
    pub partial: bool,
    /// It followed an earlier final seal.
    pub late: bool,
    /// How it stands.
    pub verdict: Verdict,
}

/// What the clocks say about one span.
#[derive(Debug, Clone, Serialize)]
pub struct TimeCheck {
    /// The span.
    pub span_id: SpanId,
    /// `end-before-start`, `future`, `past`, `before-parent` or `after-parent`.
    pub check: &'static str,
    /// In words.
    pub detail: String,
}

/// A client's clock may be this far ahead of ours.
const CLOCK_AHEAD_NS: i64 = 5 * 60 * 1_000_000_000;
/// A span older than this when it arrives was not recorded live.
const CLOCK_BEHIND_NS: i64 = 366 * 86_400 * 1_000_000_000;
/// Children may stand out of their parent by this much: clocks of two processes differ.
const ORDER_SLACK_NS: i64 = 1_000_000_000;

impl Recorder {
    /// Verifies one trace against the latest checkpoint of its workspace's log.
    pub async fn verification(
        &self,
        workspace: WorkspaceId,
        id: &TraceId,
    ) -> Result<Option<TraceVerification>, Error> {
        let Some(trace) = self.audit_one(workspace, id).await? else { return Ok(None) };
        let log = LogId::Workspace(workspace);
        let (mut answer, checkpoint) = self.answer(log, id).await?;
        let tree_size = answer.tree_size;
        let mut faults = std::mem::take(&mut answer.faults);
        let key = self.vault.part_key(workspace, id, &trace.row.key).map_err(|_| ());

        let mut records = Vec::with_capacity(trace.spans.len());
        let mut heads = Vec::with_capacity(trace.spans.len());
        let mut received = Vec::with_capacity(trace.spans.len());
        let mut numbers = gaps::Numbers::default();
        for (row, stored) in &trace.spans {
            let leaf = match stored.index {
                Some(index) => self.store.leaves(log, index, index + 1).await?.pop(),
                None => None,
            };
            let wrapped = &trace.row.key;
            let checked = record::check((key.as_ref().ok(), wrapped), row, stored, leaf.as_deref());
            let (mut verdict, head) = match checked {
                Ok(span) => {
                    received.push(record::received(&span));
                    numbers.note(&span);
                    (Verdict::Valid, Some(crate::accept::head_kept(&span, wrapped)))
                }
                Err(fault) => {
                    let verdict = fault.verdict;
                    faults.push(fault.at(id, Some(&row.head.span_id), stored.index));
                    (verdict, None)
                }
            };
            heads.extend(head.map(|h| (h, stored.counted)));
            let mut proof = Vec::new();
            match stored.index {
                Some(index) if index < tree_size => {
                    let path = self
                        .with_hashes(log, move |h| inclusion_proof(h, index, tree_size))
                        .await?;
                    let root = checkpoint.as_ref().map(|c| Hash(c.root)).unwrap_or_default();
                    let holds = path.as_ref().is_ok_and(|path| {
                        let hash = Hash(stored.leaf_hash.unwrap_or_default());
                        exhibit_ledger::verify_inclusion(index, tree_size, &hash, path, &root)
                            .is_ok()
                    });
                    if !holds {
                        verdict = verdict.max(Verdict::BadProof);
                        let fault = Fault::new(
                            Verdict::BadProof,
                            "the record's proof does not lead to the signed checkpoint",
                        );
                        faults.push(fault.at(id, Some(&row.head.span_id), Some(index)));
                    }
                    proof = path.unwrap_or_default().iter().map(Hash::to_base64).collect();
                }
                _ => verdict = verdict.max(Verdict::Pending),
            }
            records.push(RecordVerification {
                span_id: row.head.span_id.clone(),
                record: stored.record.to_string(),
                index: stored.index,
                fingerprint: stored.leaf_hash.map(hex::encode),
                leaf: leaf.and_then(|bytes| String::from_utf8(bytes).ok()),
                proof,
                verdict,
            });
        }

        if faults.is_empty() {
            let derived = record::check_summary(&trace.row.summary, &heads)
                .and_then(|()| record::check_received(&trace.row, received.iter().copied()));
            faults.extend(derived.map_err(|f| f.at(id, None, None)).err());
        }
        faults.extend(record::lost(&trace).map(|fault| fault.at(id, None, None)));
        for name in &trace.differing {
            let what = format!("the trace's {name} is not what its summary says");
            faults.push(Fault::new(Verdict::Altered, what).at(id, None, None));
        }
        let seals = self.check_seals(workspace, &trace, &mut faults).await?;
        let times = time_checks(heads.iter().map(|(h, _)| h), trace.row.last_received);
        let worst_record = records.iter().map(|r| r.verdict).max().unwrap_or(Verdict::Pending);
        answer.verdict = faults.iter().map(|f| f.verdict).max().unwrap_or(worst_record);
        answer.faults = faults;
        let last = trace.spans.iter().filter_map(|(_, stored)| stored.index);
        let last = last.chain(trace.seals.iter().map(|seal| seal.index)).max();
        self.rest_on(&mut answer, log, last).await?;
        if seals.iter().any(|s| s.late) {
            answer.qualifiers.push("late");
        }
        if !times.is_empty() {
            answer.qualifiers.push("clock-suspect");
        }
        let gaps = self.gaps_around(workspace, &numbers).await?;
        if !gaps.is_empty() {
            answer.qualifiers.push(gaps::QUALIFIER);
        }
        let sealed = seals.last().map(|seal| seal.fingerprint.clone());
        answer.fingerprint = sealed.or_else(|| records.iter().find_map(|r| r.fingerprint.clone()));
        Ok(Some(TraceVerification { answer, records, seals, times, gaps }))
    }

    async fn check_seals(
        &self,
        workspace: WorkspaceId,
        trace: &exhibit_store::AuditTrace,
        faults: &mut Vec<Fault>,
    ) -> Result<Vec<SealVerification>, Error> {
        let id = &trace.row.summary.trace_id;
        let log = LogId::Workspace(workspace);
        let key = self.vault.part_key(workspace, id, &trace.row.key).ok();
        let mut out = Vec::with_capacity(trace.seals.len());
        let leaves = record::leaf_hashes(trace);
        for seal in &trace.seals {
            let leaf = self.store.leaves(log, seal.index, seal.index + 1).await?.pop();
            let checked = record::check_seal(key.as_ref(), seal, leaf.as_deref(), &leaves);
            let verdict = match checked {
                Ok(()) => Verdict::Valid,
                Err(fault) => {
                    let verdict = fault.verdict;
                    faults.push(fault.at(id, None, Some(seal.index)));
                    verdict
                }
            };
            out.push(SealVerification {
                record: seal.record.to_string(),
                index: seal.index,
                fingerprint: leaf
                    .map(|bytes| exhibit_ledger::leaf_hash(&bytes).to_hex())
                    .unwrap_or_default(),
                covered: seal.covered,
                root: hex::encode(seal.root),
                partial: seal.partial,
                late: seal.late,
                verdict,
            });
        }
        Ok(out)
    }

    /// One trace as verification reads it.
    async fn audit_one(
        &self,
        workspace: WorkspaceId,
        id: &TraceId,
    ) -> Result<Option<exhibit_store::AuditTrace>, Error> {
        let Some(mut trace) = self.store.audit_trace(workspace, id).await? else { return Ok(None) };
        self.unlock_trace(workspace, &mut trace).await?;
        Ok(Some(trace))
    }
}

/// Checks clients' clocks against ours, and children against their parents.
fn time_checks<'a>(
    heads: impl Iterator<Item = &'a SpanHead> + Clone,
    received: Nanos,
) -> Vec<TimeCheck> {
    let by_id: std::collections::HashMap<_, _> = heads.clone().map(|h| (&h.span_id, h)).collect();
    let mut checks = Vec::new();
    for head in heads.filter(|h| !h.span_id.is_registration()) {
        let mut note = |check, detail: &str| {
            let detail = detail.to_owned();
            checks.push(TimeCheck { span_id: head.span_id.clone(), check, detail });
        };
        if head.end.is_some_and(|end| end < head.start) {
            note("end-before-start", "it ended before it started");
        }
        if head.start.0 > received.0.saturating_add(CLOCK_AHEAD_NS) {
            note("future", "it started more than five minutes after it was received");
        }
        if head.start.0 < received.0.saturating_sub(CLOCK_BEHIND_NS) {
            note("past", "it started more than a year before it was received");
        }
        let parent = head
            .parent_id
            .as_ref()
            .and_then(|p| by_id.get(p))
            .filter(|p| p.span_id != head.span_id);
        if let Some(parent) = parent {
            if head.start.0 < parent.start.0.saturating_sub(ORDER_SLACK_NS) {
                note("before-parent", "it started before its parent");
            }
            if parent.status != Status::Running
                && parent.end.is_some_and(|end| head.start.0 > end.0.saturating_add(ORDER_SLACK_NS))
            {
                note("after-parent", "it started after its parent had ended");
            }
        }
    }
    checks
}
