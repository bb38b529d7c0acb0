//! What every answer of verification says, whatever it is about.

use exhibit_model::TraceId;
use exhibit_store::{LogId, StoredCheckpoint};
use serde::Serialize;

use super::{Fault, Verdict};
use crate::{Error, OutsideWord, Recorder};

/// A verdict, and what it rests on.
#[derive(Debug, Clone, Serialize)]
pub struct Answer {
    /// The trace.
    pub trace_id: TraceId,
    /// The worst that was found.
    pub verdict: Verdict,
    /// What the verdict rests on, and what is odd: `key-self-asserted`, `unwitnessed`, `restored`, `late`,
    /// `clock-suspect`, `redacted`, `gaps`.
    pub qualifiers: Vec<&'static str>,
    /// SHA-256 leaf hash: what people see.
    pub fingerprint: Option<String>,
    /// Origin of the workspace's log.
    pub log: String,
    /// Its verifier key, as the server states it; pin a copy to rely on it.
    pub key: String,
    /// The signed checkpoint that proofs lead to.
    pub checkpoint: Option<String>,
    /// How many leaves it covers.
    pub tree_size: u64,
    /// Notes by which signing keys handed over to the next, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub successions: Vec<String>,
    /// What outsiders have said about the last entry that the answer is about.
    pub outside: OutsideWord,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

impl Recorder {
    /// An answer under the latest checkpoint of a log, which is checked, and that checkpoint. Nothing else
    /// is found yet.
    pub(super) async fn answer(
        &self,
        log: LogId,
        trace: &TraceId,
    ) -> Result<(Answer, Option<StoredCheckpoint>), Error> {
        let checkpoint = self.store.checkpoint(log).await?;
        let broken = checkpoint.as_ref().and_then(|found| self.check_checkpoint(found).err());
        let answer = Answer {
            trace_id: trace.clone(),
            verdict: Verdict::Valid,
            qualifiers: vec!["key-self-asserted"],
            fingerprint: None,
            log: self.log_origin(log),
            key: self.verifier_key(log)?,
            checkpoint: checkpoint.as_ref().map(|found| found.note.clone()),
            tree_size: checkpoint.as_ref().map_or(0, |found| found.size),
            successions: self.succession_notes(),
            outside: OutsideWord::default(),
            faults: broken.into_iter().collect(),
        };
        Ok((answer, checkpoint))
    }

    /// Adds what outsiders have said about a leaf, and what the verdict rests on therefore.
    pub(super) async fn rest_on(
        &self,
        answer: &mut Answer,
        log: LogId,
        leaf: Option<u64>,
    ) -> Result<(), Error> {
        if let Some(index) = leaf {
            answer.outside = self.outside_word(log, index).await?;
        }
        if answer.outside.witnesses.is_empty() {
            answer.qualifiers.push("unwitnessed");
        }
        if self.successions().iter().any(|one| one.reason == "restore") {
            answer.qualifiers.push("restored");
        }
        Ok(())
    }
}
