//! Exports in formats of others: agent audit trails, in-toto statements, COSE receipts.
//!
//! They say less than an evidence bundle and prove it by the same leaves. Every export is an entry of the
//! log before anything is handed out.

use std::{io::Write, sync::Arc};

use exhibit_evidence::trail::{Entry, Trail};
use exhibit_ledger::{Envelope, PartKey, cose, inclusion_proof, record::part_hash};
use exhibit_model::{TraceId, Workspace, WorkspaceId};
use exhibit_store::{AuditTrace, LogId, StoredSpan};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::{Error, EvidenceQuery, Recorder, accept::decode, lock};

/// Media type of in-toto statements in DSSE.
const IN_TOTO: &str = "application/vnd.in-toto+json";
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// What a statement says of a trace; described in `docs/reference/evidence.md`.
const PREDICATE: &str = "https://exhibit.dev/predicates/trace/v1";
/// Places of input and output among the parts of a record.
const INPUT: u8 = 1;
const OUTPUT: u8 = 2;

/// An agent audit trail that is ready to be written.
pub struct AuditTrail {
    recorder: Arc<Recorder>,
    workspace: WorkspaceId,
    traces: Vec<TraceId>,
}

impl Recorder {
    /// Finds the traces of a trail. The export is a leaf of the log before anything is handed out.
    ///
    /// # Errors
    /// As [`evidence`](Self::evidence).
    pub async fn audit_trail(
        self: &Arc<Self>,
        workspace: &Workspace,
        query: EvidenceQuery,
    ) -> Result<AuditTrail, Error> {
        self.note_export(workspace, "agent-audit-trail").await?;
        let traces = self.traces_of(workspace, &query).await?;
        Ok(AuditTrail { recorder: Arc::clone(self), workspace: workspace.id, traces })
    }

    /// An in-toto statement about a trace, signed by its log in a DSSE envelope: how verification finds it,
    /// and which leaves its subjects are.
    ///
    /// # Errors
    /// [`Error::NotFound`]: there is no such trace.
    pub async fn trace_statement(
        self: &Arc<Self>,
        workspace: &Workspace,
        trace: &TraceId,
    ) -> Result<String, Error> {
        self.note_export(workspace, "in-toto-statement").await?;
        let found = self.verification(workspace.id, trace).await?.ok_or(Error::NotFound)?;
        let subjects: Vec<Value> = found
            .records
            .iter()
            .filter_map(|one| {
                let name = format!("leaf/{}", one.index?);
                Some(json!({ "name": name, "digest": { "sha256": one.fingerprint.as_ref()? } }))
            })
            .chain(found.seals.iter().map(|seal| {
                let name = format!("leaf/{}", seal.index);
                json!({ "name": name, "digest": { "sha256": seal.fingerprint } })
            }))
            .collect();
        if subjects.is_empty() {
            let message = "nothing of this trace is sealed yet; ask again when it has ended".into();
            return Err(Error::Invalid { field: "trace", message });
        }
        let statement = json!({
            "_type": STATEMENT,
            "subject": subjects,
            "predicateType": PREDICATE,
            "predicate": {
                "trace_id": trace.as_str(),
                "created": self.now().to_rfc3339(),
                "verdict": found.answer.verdict,
                "qualifiers": found.answer.qualifiers,
                "log": found.answer.log,
                "tree_size": found.answer.tree_size,
                "checkpoint": found.answer.checkpoint,
            },
        });
        let payload = serde_json::to_vec(&statement);
        let payload = payload.map_err(|error| Error::Internal(error.to_string()))?;
        let signer = self.log_signer(LogId::Workspace(workspace.id))?;
        Ok(Envelope::sign(IN_TOTO, payload, &signer).to_json())
    }

    /// A COSE receipt that an entry is in the log, as its latest checkpoint has it. `None` while the entry
    /// is not under a checkpoint.
    pub async fn receipt(&self, log: LogId, index: u64) -> Result<Option<Vec<u8>>, Error> {
        let Some(checkpoint) = self.store.checkpoint(log).await? else { return Ok(None) };
        let (size, root) = (checkpoint.size, exhibit_ledger::Hash(checkpoint.root));
        if index >= size {
            return Ok(None);
        }
        let path = self
            .with_hashes(log, move |hashes| inclusion_proof(hashes, index, size))
            .await?
            .map_err(|error| Error::Internal(error.to_string()))?;
        let signer = self.log_signer(log)?;
        Ok(Some(cose::inclusion_receipt(&signer, (index, size), &path, &root)))
    }
}

impl AuditTrail {
    /// How many traces it tells of.
    pub fn traces(&self) -> usize {
        self.traces.len()
    }

    /// Writes the lines. Only for blocking threads: it waits for the store.
    ///
    /// # Errors
    /// The store fails, or nobody reads any more.
    pub fn write(self, mut out: impl Write, runtime: &Handle) -> Result<(), Error> {
        let recorder = &self.recorder;
        let log = recorder.log_origin(LogId::Workspace(self.workspace));
        let mut trail = Trail::default();
        let closed = |error: std::io::Error| Error::Internal(error.to_string());
        for id in &self.traces {
            let read = recorder.store.audit_trace(self.workspace, id);
            let Some(mut trace) = runtime.block_on(read)? else { continue };
            trace.whole()?;
            runtime.block_on(recorder.unlock_trace(self.workspace, &mut trace))?;
            let key = recorder.vault.part_key(self.workspace, id, &trace.row.key)?;
            for lines in lines(&mut trail, &trace, &key, &log) {
                out.write_all(&lines?).map_err(closed)?;
            }
        }
        out.flush().map_err(closed)
    }
}

/// The lines of a trace's sealed records, in the order of their leaves.
fn lines(
    trail: &mut Trail,
    trace: &AuditTrace,
    key: &PartKey,
    log: &str,
) -> impl Iterator<Item = Result<Vec<u8>, Error>> {
    let mut sealed: Vec<(u64, &StoredSpan)> = trace
        .spans
        .iter()
        .filter(|(row, stored)| !row.head.span_id.is_registration() && !lock::is_locked(stored))
        .filter_map(|(_, stored)| Some((stored.index?, stored)))
        .collect();
    sealed.sort_unstable_by_key(|(index, _)| *index);
    sealed.into_iter().map(move |(index, stored)| {
        let span = decode(stored)?;
        let record = stored.record.0.into();
        let hash = |part: u8| {
            let bytes = stored.parts.get(usize::from(part)).map(Vec::as_slice).unwrap_or_default();
            hex::encode(part_hash(&key.salt(&record, part), bytes).0)
        };
        let entry = Entry {
            span: &span,
            record: stored.record.0,
            hashes: [hash(INPUT), hash(OUTPUT)],
            log,
            index,
            fingerprint: stored.leaf_hash.map(hex::encode).unwrap_or_default(),
        };
        trail.lines(&entry).map_err(|error| Error::Internal(error.to_string()))
    })
}
