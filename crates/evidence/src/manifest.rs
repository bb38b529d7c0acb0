//! What stands in a bundle: the selection, the log's head, every file by its digest. Signed by the
//! log's key as an in-toto statement in a DSSE envelope.

use exhibit_ledger::{Envelope, NoteSigner, VerifierKey, dsse::EnvelopeError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::zip::{FILES_MAX, Refusal, is_safe_name};

/// Name and version of the format.
pub const FORMAT: &str = "exhibit-evidence/1";
/// Name of the manifest in the bundle.
pub const MANIFEST: &str = "manifest.json";
/// Name of its signature.
pub const SIGNATURE: &str = "manifest.dsse.json";
/// Type of an in-toto statement in a DSSE envelope.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// What the statement says about its subject.
const PREDICATE: &str = "https://exhibit.dev/evidence/v1";

/// The manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// When the bundle was made, RFC 3339.
    pub created: String,
    /// What made it.
    pub generator: String,
    /// The head that every proof leads to.
    pub log: LogHead,
    /// What was asked for.
    pub selection: Selection,
    /// What came of it.
    pub counts: Counts,
    /// Every other file but the signature, in the order of the bundle.
    pub files: Vec<File>,
}

/// Head of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogHead {
    /// Origin of the log.
    pub origin: String,
    /// Leaves.
    pub size: u64,
    /// Root over them, hex.
    pub root: String,
}

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Public id of the workspace.
    pub workspace: String,
    /// The trace, where one was asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trace_id: Option<String>,
    /// The filter, where one was given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub filter: Option<String>,
    /// Names of the parts that are shown by their hash only.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub withheld: Vec<String>,
}

/// How much is in a bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Traces.
    pub traces: u64,
    /// Records, seals and superseded revisions included.
    pub records: u64,
    /// Leaves shown.
    pub leaves: u64,
    /// Records of the selection that were not under the checkpoint yet, and are left out.
    pub pending: u64,
}

/// A file of the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 over it, hex.
    pub sha256: String,
}

#[derive(Serialize, Deserialize)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Predicate,
}

#[derive(Serialize, Deserialize)]
struct Subject {
    name: String,
    digest: SubjectDigest,
}

#[derive(Serialize, Deserialize)]
struct SubjectDigest {
    sha256: String,
}

#[derive(Serialize, Deserialize)]
struct Predicate {
    format: String,
    created: String,
    log: LogHead,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// Another form; a file listed twice or by a name that bundles do not have.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let refuse = |what: &str| Refusal::Manifest(what.to_owned());
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|error| Refusal::Manifest(error.to_string()))?;
        if manifest.format != FORMAT {
            return Err(refuse("the bundle is of another format or version"));
        }
        let mut names = std::collections::HashSet::new();
        let well_named = |file: &File| {
            is_safe_name(&file.name)
                && file.name != MANIFEST
                && file.name != SIGNATURE
                && file.sha256.len() == 64
                && names.insert(file.name.clone())
        };
        if manifest.files.len() > FILES_MAX || !manifest.files.iter().all(well_named) {
            return Err(refuse("a file is listed twice or by a name that bundles do not have"));
        }
        Ok(manifest)
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// The in-toto statement about these bytes of the manifest, signed with the log's key.
    pub fn sign(&self, bytes: &[u8], key: &NoteSigner) -> String {
        let digest = SubjectDigest { sha256: sha256(bytes) };
        let statement = Statement {
            kind: STATEMENT.to_owned(),
            subject: vec![Subject { name: MANIFEST.to_owned(), digest }],
            predicate_type: PREDICATE.to_owned(),
            predicate: Predicate {
                format: self.format.clone(),
                created: self.created.clone(),
                log: self.log.clone(),
            },
        };
        let payload = serde_json::to_vec(&statement).unwrap_or_default();
        Envelope::sign(PAYLOAD_TYPE, payload, key).to_json()
    }
}

/// SHA-256, hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Reads the envelope and gives the digest that it states for the manifest.
///
/// # Errors
/// `Malformed` where it is not an in-toto statement about a manifest; `Unverified` where the key has
/// not signed it.
pub(crate) fn signed_digest(envelope: &[u8], key: &VerifierKey) -> Result<String, EnvelopeError> {
    let malformed = EnvelopeError::Malformed("not a statement about a manifest");
    let envelope = Envelope::parse(envelope)?;
    let payload = envelope.verify(PAYLOAD_TYPE, key)?;
    let statement: Statement = serde_json::from_slice(payload).map_err(|_| malformed)?;
    let known = statement.kind == STATEMENT && statement.predicate_type == PREDICATE;
    match &*statement.subject {
        [subject] if known && subject.name == MANIFEST => Ok(subject.digest.sha256.clone()),
        _ => Err(malformed),
    }
}

/// What to do with a bundle, for people; stands in every bundle as `README.txt`.
pub const README: &str = include_str!("readme.txt");
/// The verifier in Python; stands in every bundle as `verifier/exhibit_verify.py`.
pub const PYTHON_VERIFIER: &str = include_str!("../../../verifiers/python/exhibit_verify.py");
