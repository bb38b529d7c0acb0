//! The lines of a bundle: one JSON object each, in the one form that our writer gives it, so that no
//! two readers can see different things in one line.

use std::borrow::Cow;

use exhibit_ledger::{Hash, PartKey, RecordId, Salt, record::part_hash};
use serde::{Deserialize, Serialize};

/// Names of the parts of a span's record, in their order.
pub const SPAN_PARTS: [&str; 5] = ["header", "input", "output", "attributes", "events"];
/// Name of the one part of a seal.
pub const SEAL_PART: &str = "seal";

/// A record with what opens its leaf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordLine<'a> {
    /// The trace.
    #[serde(borrow)]
    pub trace_id: Cow<'a, str>,
    /// The span; absent in seals.
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    pub span_id: Option<Cow<'a, str>>,
    /// `span` or `trace-seal`, as in the leaf.
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    /// Whether a later revision has replaced it.
    pub superseded: bool,
    /// Place of its leaf in the log.
    pub index: u64,
    /// Record id, hex.
    #[serde(borrow)]
    pub record: Cow<'a, str>,
    /// Its parts, in their order.
    #[serde(borrow)]
    pub parts: Vec<PartLine<'a>>,
}

/// A part: its salt and text, or its hash where it is withheld.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartLine<'a> {
    /// Name of the part.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Length in bytes; stands in the leaf too.
    pub bytes: u64,
    /// Salt of the part, hex.
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    pub salt: Option<Cow<'a, str>>,
    /// The part, verbatim.
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    pub text: Option<Cow<'a, str>>,
    /// Salted leaf hash of a part that is not shown, hex.
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    pub withheld: Option<Cow<'a, str>>,
}

impl<'a> PartLine<'a> {
    /// A part that is shown. Bytes that are not UTF-8 cannot be; the recorder stores none.
    pub fn shown(
        name: &'a str,
        key: &PartKey,
        record: &RecordId,
        part: u8,
        bytes: &'a [u8],
    ) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self {
                name: name.into(),
                bytes: bytes.len() as u64,
                salt: Some(hex::encode(key.salt(record, part).0).into()),
                text: Some(text.into()),
                withheld: None,
            },
            Err(_) => Self::withheld(name, key, record, part, bytes),
        }
    }

    /// A part of which only length and salted hash are shown.
    pub fn withheld(
        name: &'a str,
        key: &PartKey,
        record: &RecordId,
        part: u8,
        bytes: &[u8],
    ) -> Self {
        let hash = part_hash(&key.salt(record, part), bytes);
        Self {
            name: name.into(),
            bytes: bytes.len() as u64,
            salt: None,
            text: None,
            withheld: Some(hash.to_hex().into()),
        }
    }

    /// The salted leaf hash; `None` where the line shows neither part nor hash, or both.
    pub(crate) fn hash(&self) -> Option<Hash> {
        match (&self.salt, &self.text, &self.withheld) {
            (Some(salt), Some(text), None) if text.len() as u64 == self.bytes => {
                let salt = Salt(Hash::from_hex(salt).ok()?.0);
                Some(part_hash(&salt, text.as_bytes()))
            }
            (None, None, Some(hash)) => Hash::from_hex(hash).ok(),
            _ => None,
        }
    }
}

/// An act by which records were taken away, with what opens its leaf: the certificate of their erasure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureLine<'a> {
    /// Place of its leaf in the log.
    pub index: u64,
    /// Record id, hex.
    #[serde(borrow)]
    pub record: Cow<'a, str>,
    /// `erasure` or `retention`, as in the leaf.
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    /// Salt of the act, hex.
    #[serde(borrow)]
    pub salt: Cow<'a, str>,
    /// The act, verbatim.
    #[serde(borrow)]
    pub text: Cow<'a, str>,
}

/// A stretch of the log: a leaf that is shown, or a complete subtree of leaves that are not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoverLine<'a> {
    /// Index of the (first) leaf.
    pub index: u64,
    /// The leaf, canonical JSON.
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    pub leaf: Option<Cow<'a, str>>,
    /// How many leaves the subtree has: a power of two that divides `index`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub leaves: Option<u64>,
    /// Root of the subtree (RFC 9162 section 2.1.1), hex.
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    pub hash: Option<Cow<'a, str>>,
}

/// Where the workspace's head stands in the installation's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadProof {
    /// Index of the head's leaf.
    pub index: u64,
    /// The leaf, canonical JSON, with the facts `log`, `size` and `root`.
    pub leaf: String,
    /// Inclusion proof under the installation's checkpoint, base64, from the leaf upwards.
    pub proof: Vec<String>,
}

/// Where that head stands in the installation's log as a time stamp dates it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StampProof {
    /// Inclusion proof of the head's leaf under the stamped checkpoint, base64, from the leaf upwards.
    pub proof: Vec<String>,
}

/// That the log has only grown since an older checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    /// Size of the older tree.
    pub old_size: u64,
    /// Root of the older tree, hex.
    pub old_root: String,
    /// Consistency proof (RFC 9162 section 2.1.4), base64.
    pub proof: Vec<String>,
}

/// Reads a line; `None` unless it is in its one form.
pub(crate) fn read<'l, T: Serialize + Deserialize<'l>>(line: &'l str) -> Option<T> {
    let value: T = serde_json::from_str(line).ok()?;
    let again = serde_json::to_string(&value).ok()?;
    (again == line).then_some(value)
}
