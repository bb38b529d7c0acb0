//! A trace that was erased: what its certificate says and where it stands in the log, of a data directory
//! or, checked here and not believed, of a server elsewhere.

use exhibit_ledger::{Hash, Leaf, LeafKind, Salt, leaf_hash, record::part_hash, verify_inclusion};
use exhibit_model::Nanos;
use exhibit_recorder::verify::{ErasureVerification, Verdict};
use serde::Deserialize;

use crate::output::{Output, printable};

/// The certificate, as `GET /api/v1/traces/{id}/verification` gives it of an erased trace.
#[derive(Debug, Deserialize)]
pub(super) struct Certificate {
    index: u64,
    leaf: String,
    body: String,
    salt: String,
    #[serde(default)]
    proof: Vec<String>,
}

/// An act of erasure as its sealed text says it.
#[derive(Deserialize)]
struct Act {
    act: String,
    erased: Said,
}

#[derive(Deserialize)]
struct Said {
    cause: String,
    why: String,
    #[serde(default)]
    by: Option<String>,
    at: Nanos,
    leaves: Vec<(u64, u64)>,
}

impl Certificate {
    /// Checks the leaf against the signed head, and what the certificate says against the leaf.
    pub(super) fn check(&self, head: Option<(u64, Hash)>) -> Result<(), (Verdict, &'static str)> {
        let leaf = Leaf::parse(self.leaf.as_bytes())
            .map_err(|_| (Verdict::Altered, "the leaf of the certificate does not read"))?;
        let salt = Hash::from_hex(&self.salt)
            .map_err(|_| (Verdict::BadProof, "the salt of the certificate does not read"))?;
        let salt = Salt(salt.0);
        let is_erasure = matches!(leaf.kind, LeafKind::Erasure | LeafKind::Retention);
        if !is_erasure || leaf.body_root != Some(part_hash(&salt, self.body.as_bytes())) {
            return Err((Verdict::Altered, "the certificate is not what its leaf commits to"));
        }
        if self.said().is_none() {
            return Err((Verdict::Altered, "the certificate is not one of an erasure"));
        }
        let Some((size, root)) = head.filter(|(size, _)| self.index < *size) else {
            return Err((Verdict::Pending, "the certificate is not yet under a checkpoint"));
        };
        let path: Result<Vec<Hash>, _> =
            self.proof.iter().map(|text| Hash::from_base64(text)).collect();
        let hash = leaf_hash(self.leaf.as_bytes());
        path.ok()
            .filter(|path| verify_inclusion(self.index, size, &hash, path, &root).is_ok())
            .map(drop)
            .ok_or((Verdict::BadProof, "the proof does not lead to the checkpoint"))
    }

    fn said(&self) -> Option<Said> {
        let act: Act = serde_json::from_str(&self.body).ok()?;
        (act.act == "erased").then_some(act.erased)
    }

    /// Place of the certificate in the log.
    pub(super) fn index(&self) -> u64 {
        self.index
    }

    /// Leaf hash of the certificate.
    pub(super) fn fingerprint(&self) -> String {
        leaf_hash(self.leaf.as_bytes()).to_hex()
    }

    /// Prints what it says and where it stands.
    pub(super) fn print(&self, tree_size: u64, output: Output) -> std::io::Result<()> {
        let Some(said) = self.said() else { return Ok(()) };
        let records = said
            .leaves
            .iter()
            .fold(0u64, |n, (from, to)| n.saturating_add(to.saturating_sub(*from)));
        let by = said.by.map(|by| format!(" by {by}")).unwrap_or_default();
        let text = format!(
            "{records} records{by} at {}: {}, {}",
            said.at.to_rfc3339(),
            said.cause,
            said.why
        );
        output.line(format!("Erased:     {}", printable(&text)))?;
        output.line(format!(
            "Certificate: leaf {} under a checkpoint of {tree_size} leaves",
            self.index
        ))?;
        output.line(format!("Fingerprint: {}", self.fingerprint()))
    }
}

/// Prints the verification of an erasure, after the verdict.
pub(super) fn print(found: &ErasureVerification, output: Output) -> std::io::Result<()> {
    let answer = &found.answer;
    super::place_lines(&answer.trace_id, &answer.log, &answer.key, output)?;
    if let Some(one) = &found.certificate {
        let (leaf, body, salt) = (one.leaf.clone(), one.body.clone(), one.salt.clone());
        let shown = Certificate { index: one.index, leaf, body, salt, proof: Vec::new() };
        shown.print(answer.tree_size, output)?;
    }
    super::outside_lines(&answer.outside, output)?;
    if let Some(one) = &found.certificate {
        output.line(format!("Elsewhere:  {}", one.elsewhere))?;
    }
    super::rest(&answer.qualifiers, &answer.faults, output)
}
