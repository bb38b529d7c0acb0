//! One span: the verification of its trace, narrowed to what concerns it.

use exhibit_model::{SpanId, TraceId, WorkspaceId};
use serde::Serialize;

use super::{Answer, Fault, RecordVerification, TimeCheck};
use crate::{Error, Recorder};

/// What can be said about one span.
#[derive(Debug, Clone, Serialize)]
pub struct SpanVerification {
    /// The span.
    pub span_id: SpanId,
    /// How it and what it stands under do. What outsiders have said is about its trace's last entry.
    #[serde(flatten)]
    pub answer: Answer,
    /// The record, its leaf and its proof.
    pub record: RecordVerification,
    /// What the clocks say about it.
    pub times: Vec<TimeCheck>,
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
        let mut answer = whole.answer;
        answer.faults.retain(concerns);
        let times: Vec<TimeCheck> =
            whole.times.into_iter().filter(|check| check.span_id == *span).collect();
        answer.qualifiers.retain(|word| *word != "clock-suspect" || !times.is_empty());
        answer.verdict =
            answer.faults.iter().map(|fault| fault.verdict).max().unwrap_or(record.verdict);
        answer.fingerprint.clone_from(&record.fingerprint);
        Ok(Some(SpanVerification { span_id: span.clone(), answer, record, times }))
    }
}
