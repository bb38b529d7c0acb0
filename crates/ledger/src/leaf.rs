//! The leaves of Exhibit's logs: small canonical JSON objects that commit to a record.
//!
//! A leaf holds nothing that names or describes a person; that sits in the salted parts under
//! `body_root` ([`crate::record`]). [`Leaf::to_bytes`] writes the one byte form (RFC 8785),
//! [`Leaf::parse`] accepts no other. The fingerprint that people see is [`Leaf::fingerprint`].

mod read;
mod write;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::record::RecordId;
use crate::tree::{Hash, leaf_hash};

/// Largest leaf in bytes: the entry bundles of tlog-tiles carry a 16-bit length.
pub const LEAF_BYTES_MAX: usize = 65_535;
/// Version of the leaf layout.
pub const LEAF_VERSION: u8 = 1;
/// Largest part length a leaf can state: above it, JSON numbers are not exact.
pub const LENGTH_MAX: u64 = (1 << 53) - 1;
/// Most part lengths, the same as the most parts.
const LENGTHS_MAX: usize = crate::record::PARTS_MAX;
/// Most facts.
const FACTS_MAX: usize = 64;

/// One entry of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// What kind of act is recorded (`type`).
    pub kind: LeafKind,
    /// Random name of the record.
    pub id: RecordId,
    /// The record that this one replaces.
    pub supersedes: Option<RecordId>,
    /// Where it came from, such as `otlp`, `native` or `server`: 1 to 32 of `a-z 0-9 - _ .`.
    pub source: Cow<'static, str>,
    /// Sequence number the source gave it; written as a string.
    pub seq: Option<u64>,
    /// When it was received, nanoseconds since 1970-01-01T00:00:00Z; written as a string.
    pub received_ns: u64,
    /// Root over the salted parts of the body.
    pub body_root: Option<Hash>,
    /// Byte lengths of those parts, in their order; absent in the bytes where empty.
    pub lengths: Vec<u64>,
    /// Hash of the rule set that decided about it.
    pub rules: Option<Hash>,
    /// Epoch of the log's origin.
    pub epoch: Option<u32>,
    /// Statements of types whose content is not personal, such as log, size and root of a head;
    /// absent in the bytes where empty. Names are 1 to 64 of `a-z 0-9 _`.
    pub facts: BTreeMap<Cow<'static, str>, String>,
}

impl Leaf {
    /// A leaf with the fields that every leaf has; set the others directly.
    pub fn new(
        kind: LeafKind,
        id: RecordId,
        source: impl Into<Cow<'static, str>>,
        received_ns: u64,
    ) -> Self {
        Self {
            kind,
            id,
            supersedes: None,
            source: source.into(),
            seq: None,
            received_ns,
            body_root: None,
            lengths: Vec::new(),
            rules: None,
            epoch: None,
            facts: BTreeMap::new(),
        }
    }

    /// The canonical bytes: what is stored, hashed and put into entry bundles.
    ///
    /// # Errors
    /// A field outside its documented form; more than 65,535 bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, LeafError> {
        let mut bytes = Vec::with_capacity(384);
        self.encode(&mut bytes)?;
        Ok(bytes)
    }

    /// Appends the canonical bytes to `out`, which is left as it was on error.
    ///
    /// # Errors
    /// As [`Leaf::to_bytes`].
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), LeafError> {
        write::encode(self, out)
    }

    /// Reads canonical bytes; any other spelling of the same content is refused.
    ///
    /// # Errors
    /// Too long, not a leaf, or not in canonical form.
    pub fn parse(bytes: &[u8]) -> Result<Self, LeafError> {
        read::parse(bytes)
    }

    /// The fingerprint of the record: the leaf hash of the canonical bytes.
    ///
    /// # Errors
    /// As [`Leaf::to_bytes`].
    pub fn fingerprint(&self) -> Result<Hash, LeafError> {
        Ok(leaf_hash(&self.to_bytes()?))
    }
}

/// Why bytes are not a leaf, or a leaf cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// More than 65,535 bytes.
    #[error("a leaf of {0} bytes is longer than 65,535")]
    TooLong(usize),
    /// The bytes do not continue as a leaf does.
    #[error("not a leaf: {expected} expected at byte {offset}")]
    Malformed {
        /// Where reading stopped.
        offset: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// The content is a leaf's, its spelling is not canonical.
    #[error("the leaf is not in canonical form")]
    NotCanonical,
    /// A field has a value that a leaf cannot hold.
    #[error("leaf field {field}: {reason}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// What it must be.
        reason: &'static str,
    },
}

macro_rules! leaf_kinds {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// What a leaf records.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum LeafKind { $($(#[$doc])* $variant,)* }

        impl LeafKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in the leaf.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl FromStr for LeafKind {
            type Err = LeafError;

            fn from_str(text: &str) -> Result<Self, LeafError> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(LeafError::Field { field: "type", reason: "no such type" }),
                }
            }
        }
    };
}

leaf_kinds! {
    /// A terminal revision of a span.
    Span = "span",
    /// The seal over the spans of a trace.
    TraceSeal = "trace-seal",
    /// A decision of the rules.
    Decision = "decision",
    /// An action of a human reviewer.
    Review = "review",
    /// A change of the rules.
    RuleChange = "rule-change",
    /// A change of a key.
    KeyChange = "key-change",
    /// Access to held records.
    Access = "access",
    /// A legal hold set or lifted.
    Hold = "hold",
    /// A retention run.
    Retention = "retention",
    /// An erasure.
    Erasure = "erasure",
    /// An export.
    Export = "export",
    /// An act of an administrator.
    Admin = "admin",
    /// A re-pricing run.
    Repricing = "repricing",
    /// A re-mapping run.
    Remapping = "remapping",
    /// Client sequence numbers that never arrived.
    Gap = "gap",
    /// The head of a workspace's log, in the installation's.
    Head = "head",
}

impl fmt::Display for LeafKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
