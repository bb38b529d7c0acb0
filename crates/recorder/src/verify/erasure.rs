//! A trace that was erased: is it gone rightly? Its certificate is read against its leaf, and the leaf is
//! led to the signed checkpoint. That the records of the leaves it names are gone, and no others, is for
//! the verification of everything to say.

use exhibit_ledger::{Hash, inclusion_proof, leaf_hash, verify_inclusion};
use exhibit_model::{TraceId, WorkspaceId};
use exhibit_store::LogId;
use serde::Serialize;

use super::{Fault, Verdict};
use crate::{Certificate, Error, OutsideWord, Recorder, retention::Told};

/// What can be said about a trace that was erased.
#[derive(Debug, Clone, Serialize)]
pub struct ErasureVerification {
    /// The trace.
    pub trace_id: TraceId,
    /// [`Verdict::ErasedWithCertificate`] where the certificate holds and is under a checkpoint.
    pub verdict: Verdict,
    /// What the verdict rests on.
    pub qualifiers: Vec<&'static str>,
    /// SHA-256 leaf hash of the certificate.
    pub fingerprint: Option<String>,
    /// Origin of the workspace's log.
    pub log: String,
    /// Its verifier key, as the server states it; pin a copy to rely on it.
    pub key: String,
    /// The signed checkpoint the proof leads to.
    pub checkpoint: Option<String>,
    /// How many leaves it covers.
    pub tree_size: u64,
    /// RFC 9162 inclusion proof of the certificate's leaf, base64, from the leaf upwards.
    pub proof: Vec<String>,
    /// The certificate; none where it is missing, or not the one that was sealed.
    #[serde(flatten)]
    pub certificate: Option<Certificate>,
    /// Notes by which signing keys handed over to the next, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub successions: Vec<String>,
    /// What outsiders have said about the certificate's leaf.
    pub outside: OutsideWord,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

impl Recorder {
    /// Verifies the erasure of one trace against the latest checkpoint of its workspace's log. `None`
    /// where it was not erased.
    pub async fn erasure_verification(
        &self,
        workspace: WorkspaceId,
        id: &TraceId,
    ) -> Result<Option<ErasureVerification>, Error> {
        let log = LogId::Workspace(workspace);
        let (certificate, lost) = match self.erasure_told(workspace, id).await? {
            Told::Nothing => return Ok(None),
            Told::Certified(certificate) => (Some(*certificate), None),
            Told::Altered(index) => {
                let what = "the certificate of the erasure is not the one that was sealed";
                (None, Some(Fault::new(Verdict::Altered, what).at(id, None, Some(index))))
            }
            Told::Missing => {
                let what = "the trace was erased, and no act says so: its certificate is not there";
                (None, Some(Fault::new(Verdict::Missing, what).at(id, None, None)))
            }
        };
        let checkpoint = self.store.checkpoint(log).await?;
        let tree_size = checkpoint.as_ref().map_or(0, |c| c.size);
        let mut found = ErasureVerification {
            trace_id: id.clone(),
            verdict: Verdict::ErasedWithCertificate,
            qualifiers: vec!["key-self-asserted"],
            fingerprint: None,
            log: self.log_origin(log),
            key: self.verifier_key(log)?,
            checkpoint: checkpoint.as_ref().map(|c| c.note.clone()),
            tree_size,
            proof: Vec::new(),
            certificate,
            successions: self.succession_notes(),
            outside: OutsideWord::default(),
            faults: lost.into_iter().collect(),
        };
        if let Some(checkpoint) = &checkpoint {
            found.faults.extend(self.check_checkpoint(checkpoint).err());
        }
        let held = found.certificate.as_ref().map(|c| (c.index, leaf_hash(c.leaf.as_bytes())));
        if let Some((index, hash)) = held {
            found.fingerprint = Some(hash.to_hex());
            found.outside = self.outside_word(log, index).await?;
            match checkpoint.filter(|checkpoint| index < checkpoint.size) {
                Some(checkpoint) => {
                    let path = self
                        .with_hashes(log, move |h| inclusion_proof(h, index, tree_size))
                        .await?;
                    let root = Hash(checkpoint.root);
                    let leads = |path: &Vec<Hash>| {
                        verify_inclusion(index, tree_size, &hash, path, &root).is_ok()
                    };
                    if !path.as_ref().is_ok_and(leads) {
                        let what = "the certificate's proof does not lead to the signed checkpoint";
                        let fault = Fault::new(Verdict::BadProof, what);
                        found.faults.push(fault.at(id, None, Some(index)));
                    }
                    found.proof = path.unwrap_or_default().iter().map(Hash::to_base64).collect();
                }
                None => found.verdict = Verdict::Pending,
            }
        }
        let worst = found.faults.iter().map(|fault| fault.verdict).max();
        found.verdict = worst.unwrap_or(found.verdict);
        if found.outside.witnesses.is_empty() {
            found.qualifiers.push("unwitnessed");
        }
        if self.successions().iter().any(|one| one.reason == "restore") {
            found.qualifiers.push("restored");
        }
        Ok(Some(found))
    }
}
