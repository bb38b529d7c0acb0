//! One span: the verification of its trace, narrowed to what concerns it.

use exhibit_model::{SpanId, TraceId, WorkspaceId};
use serde::Serialize;

use super::{Fault, RecordVerification, TimeCheck, Verdict};
use crate::{Error, OutsideWord, Recorder};

/// What can be said about one span.
#[derive(Debug, Clone, Serialize)]
pub struct SpanVerification {
    /// Its trace.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
    /// The worst that was found about it, or about what it stands under.
    pub verdict: Verdict,
    /// What the verdict rests on, and what is odd.
    pub qualifiers: Vec<&'static str>,
    /// SHA-256 leaf hash: what people see.
    pub fingerprint: Option<String>,
    /// Origin of the workspace's log.
    pub log: String,
    /// Its verifier key, as the server states it.
    pub key: String,
    /// The signed checkpoint the proof leads to.
    pub checkpoint: Option<String>,
    /// How many leaves it covers.
    pub tree_size: u64,
    /// The record, its leaf and its proof.
    pub record: RecordVerification,
    /// Notes by which signing keys handed over to the next, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub successions: Vec<String>,
    /// What outsiders have said about the trace's last entry.
    pub outside: OutsideWord,
    /// What the clocks say about it.
    pub times: Vec<TimeCheck>,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

impl Recorder {
    /// Verifies one span against the latest checkpoint of its workspace's log.
    pub async fn span_verification(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        span: &SpanId,
    ) -> Result<Option<SpanVerification>, Error> {
        let Some(whole) = self.verification(workspace, trace).await? else { return Ok(None) };
        let record = whole.records.into_iter().find(|record| record.span_id == *span);
        let Some(record) = record else { return Ok(None) };
        // What is wrong with another span is not wrong with this one.
        let concerns =
            |fault: &Fault| fault.span_id.as_deref().is_none_or(|other| other == span.as_str());
        let faults: Vec<Fault> = whole.faults.into_iter().filter(concerns).collect();
        let times: Vec<TimeCheck> =
            whole.times.into_iter().filter(|check| check.span_id == *span).collect();
        let mut qualifiers = whole.qualifiers;
        qualifiers.retain(|word| *word != "clock-suspect" || !times.is_empty());
        Ok(Some(SpanVerification {
            trace_id: whole.trace_id,
            span_id: span.clone(),
            verdict: faults.iter().map(|f| f.verdict).max().unwrap_or(record.verdict),
            qualifiers,
            fingerprint: record.fingerprint.clone(),
            log: whole.log,
            key: whole.key,
            checkpoint: whole.checkpoint,
            tree_size: whole.tree_size,
            record,
            successions: whole.successions,
            outside: whole.outside,
            times,
            faults,
        }))
    }
}
