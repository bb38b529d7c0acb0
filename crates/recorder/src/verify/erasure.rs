//! A trace that was erased: is it gone rightly? Its certificate is read against its leaf, and the leaf is
//! led to the signed checkpoint. That the records of the leaves it names are gone, and no others, is for
//! the verification of everything to say.

use exhibit_ledger::{Hash, inclusion_proof, leaf_hash, verify_inclusion};
use exhibit_model::{TraceId, WorkspaceId};
use exhibit_store::LogId;
use serde::Serialize;

use super::{Answer, Fault, Verdict};
use crate::{Certificate, Error, Recorder, retention::Told};

/// What can be said about a trace that was erased.
#[derive(Debug, Clone, Serialize)]
pub struct ErasureVerification {
    /// How it stands: [`Verdict::ErasedWithCertificate`] where the certificate holds and is under a
    /// checkpoint. The fingerprint is the leaf hash of the certificate.
    #[serde(flatten)]
    pub answer: Answer,
    /// RFC 9162 inclusion proof of the certificate's leaf, base64, from the leaf upwards.
    pub proof: Vec<String>,
    /// The certificate; none where it is missing, or not the one that was sealed.
    #[serde(flatten)]
    pub certificate: Option<Certificate>,
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
        let (mut answer, checkpoint) = self.answer(log, id).await?;
        let (tree_size, mut proof) = (answer.tree_size, Vec::new());
        answer.verdict = Verdict::ErasedWithCertificate;
        answer.faults.extend(lost);
        let held = certificate.as_ref().map(|c| (c.index, leaf_hash(c.leaf.as_bytes())));
        if let Some((index, hash)) = held {
            answer.fingerprint = Some(hash.to_hex());
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
                        answer.faults.push(fault.at(id, None, Some(index)));
                    }
                    proof = path.unwrap_or_default().iter().map(Hash::to_base64).collect();
                }
                None => answer.verdict = Verdict::Pending,
            }
        }
        let worst = answer.faults.iter().map(|fault| fault.verdict).max();
        answer.verdict = worst.unwrap_or(answer.verdict);
        self.rest_on(&mut answer, log, held.map(|(index, _)| index)).await?;
        Ok(Some(ErasureVerification { answer, proof, certificate }))
    }
}
