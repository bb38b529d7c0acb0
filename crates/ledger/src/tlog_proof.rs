//! Offline proof files (C2SP tlog-proof): a checkpoint and the way from one entry up to its root.
//!
//! Such a file with the entry and the log's key is all that [`TlogProof::verify`] needs.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{CheckpointError, SignedCheckpoint, decimal};
use crate::note::VerifierKey;
use crate::proof::{InvalidProof, verify_inclusion};
use crate::tree::Hash;

/// First line of the file.
const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// Longest file that is read, in bytes.
pub const FILE_BYTES_MAX: usize = 2 << 20;
/// Longest path: no tree is higher.
const PATH_MAX: usize = 63;

/// An inclusion proof with the checkpoint it leads to, well-formed but not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Opaque data; nothing authenticates it.
    pub extra: Option<Vec<u8>>,
    /// Index of the entry in the log.
    pub index: u64,
    /// Inclusion proof, from the entry's sibling upwards.
    pub path: Vec<Hash>,
    /// The checkpoint of the tree.
    pub checkpoint: SignedCheckpoint,
}

/// Why a proof file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// Not a proof file.
    #[error("malformed proof file: {0}")]
    Malformed(&'static str),
    /// The checkpoint is malformed, of another log or not signed by the key.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The entry does not stand at this index under this checkpoint.
    #[error(transparent)]
    Proof(#[from] InvalidProof),
}

impl TlogProof {
    /// Reads a proof file.
    ///
    /// # Errors
    /// Another form, or a malformed checkpoint.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
        let malformed = TlogProofError::Malformed;
        if bytes.len() > FILE_BYTES_MAX {
            return Err(malformed("too long"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("not UTF-8"))?;
        let (head, checkpoint) =
            text.split_once("\n\n").ok_or(malformed("no empty line before the checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(malformed("another first line"));
        }
        let extra = match lines.peek().and_then(|line| line.strip_prefix("extra ")) {
            None => None,
            Some(base64) => {
                lines.next();
                Some(STANDARD.decode(base64).map_err(|_| malformed("extra is not base64"))?)
            }
        };
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(decimal)
            .ok_or(malformed("no index"))?;
        let mut path = Vec::new();
        for line in lines {
            if path.len() == PATH_MAX {
                return Err(malformed("more than 63 hashes"));
            }
            path.push(Hash::from_base64(line).map_err(|_| malformed("a line is not a hash"))?);
        }
        let checkpoint = SignedCheckpoint::parse(checkpoint.as_bytes())?;
        Ok(Self { extra, index, path, checkpoint })
    }

    /// Checks that the entry with this leaf hash stands at the index under a checkpoint that the log
    /// `origin` signed with `log_key`.
    ///
    /// # Errors
    /// Says what does not hold.
    pub fn verify(
        &self,
        leaf: &Hash,
        origin: &str,
        log_key: &VerifierKey,
    ) -> Result<(), TlogProofError> {
        self.checkpoint.verify(origin, log_key)?;
        let head = self.checkpoint.checkpoint();
        verify_inclusion(self.index, head.size, leaf, &self.path, &head.root)?;
        Ok(())
    }
}

/// The file.
impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.path {
            writeln!(f, "{}", hash.to_base64())?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}
