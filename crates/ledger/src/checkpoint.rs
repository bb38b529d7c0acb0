//! Checkpoints (C2SP tlog-checkpoint): a log's head as a signed note.
//!
//! [`Checkpoint`] is the text, [`SignedCheckpoint`] the text under signatures. Whether a checkpoint
//! may be signed (order of commit, guard and publication) is decided where logs are kept.

use std::fmt;

use crate::note::{
    Cosigner, KeyKind, Note, NoteError, NoteSigner, Signature, Verified, VerifierKey,
};
use crate::tree::Hash;

/// Head of a log at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Identity of the log.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
    /// Further lines, opaque; none in the checkpoints that we sign.
    pub extensions: Vec<String>,
}

/// Why a checkpoint was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The text is not that of a checkpoint.
    #[error("malformed checkpoint: {0}")]
    Malformed(&'static str),
    /// The checkpoint is of another log.
    #[error("checkpoint of {found:?}, not of {expected:?}")]
    Origin {
        /// The log asked for.
        expected: String,
        /// The log found.
        found: String,
    },
    /// The key given is a witness's, not a log's.
    #[error("the key signs cosignatures, not checkpoints")]
    KeyKind,
    /// The note is malformed or not signed by the key.
    #[error(transparent)]
    Note(#[from] NoteError),
}

impl Checkpoint {
    /// A head without extension lines.
    pub fn new(origin: impl Into<String>, size: u64, root: Hash) -> Self {
        Self { origin: origin.into(), size, root, extensions: Vec::new() }
    }

    /// Reads the text of a checkpoint note, with its last newline.
    ///
    /// # Errors
    /// Fewer than three lines, an empty line, a size or root that is not in its one form.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let malformed = CheckpointError::Malformed;
        let text = text.strip_suffix('\n').ok_or(malformed("no newline at the end"))?;
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(malformed("fewer than three lines"));
        };
        if origin.is_empty() {
            return Err(malformed("no origin"));
        }
        let size = decimal(size).ok_or(malformed("the size is not a decimal number"))?;
        let root = Hash::from_base64(root).map_err(|_| malformed("the root is not a hash"))?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if extensions.iter().any(String::is_empty) {
            return Err(malformed("an empty extension line"));
        }
        Ok(Self { origin: origin.to_owned(), size, root, extensions })
    }

    /// The unsigned note of this head.
    ///
    /// # Errors
    /// An origin or extension that is empty or holds a control character.
    pub fn to_note(&self) -> Result<Note, CheckpointError> {
        let text = self.to_string();
        // Reading it back finds every line that would change the meaning of another.
        if Self::parse(&text)? != *self {
            return Err(CheckpointError::Malformed("a line break within a line"));
        }
        Ok(Note::new(text)?)
    }
}

/// The text of the note.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, self.root.to_base64())?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// A checkpoint under signatures, well-formed but not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl SignedCheckpoint {
    /// Signs a head. The key's name SHOULD be the origin.
    ///
    /// # Errors
    /// A head that has no text form.
    pub fn sign(checkpoint: Checkpoint, key: &NoteSigner) -> Result<Self, CheckpointError> {
        let mut note = checkpoint.to_note()?;
        key.sign(&mut note);
        Ok(Self { checkpoint, note })
    }

    /// Reads a signed checkpoint.
    ///
    /// # Errors
    /// Not a note, or its text is not that of a checkpoint.
    pub fn parse(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let note = Note::parse(bytes)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        Ok(Self { checkpoint, note })
    }

    /// The head. Trust it only after [`SignedCheckpoint::verify`].
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note, with every signature that came with it.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Adds a signature of another key of the log, as in a rotation.
    pub fn add_signature(&mut self, key: &NoteSigner) {
        key.sign(&mut self.note);
    }

    /// Adds a signature or cosignature made elsewhere.
    pub fn add(&mut self, signature: Signature) {
        self.note.add(signature);
    }

    /// Adds the cosignature of a witness; see [`Cosigner::cosign`].
    ///
    /// # Errors
    /// A time beyond 2^63 - 1.
    pub fn cosign(&mut self, witness: &Cosigner, time_s: u64) -> Result<(), CheckpointError> {
        Ok(witness.cosign(&mut self.note, time_s)?)
    }

    /// Checks that the log `origin` signed this with `log_key`.
    ///
    /// # Errors
    /// Another origin, a witness's key, no signature of the key or an invalid one.
    pub fn verify(&self, origin: &str, log_key: &VerifierKey) -> Result<(), CheckpointError> {
        if self.checkpoint.origin != origin {
            let found = self.checkpoint.origin.clone();
            return Err(CheckpointError::Origin { expected: origin.to_owned(), found });
        }
        if log_key.kind() != KeyKind::Ed25519 {
            return Err(CheckpointError::KeyKind);
        }
        self.note.verify(std::slice::from_ref(log_key))?;
        Ok(())
    }

    /// The witnesses among `keys` that cosigned; none is no error.
    ///
    /// # Errors
    /// A cosignature that carries a known witness's name and id but is not its.
    pub fn cosignatures<'k>(
        &self,
        keys: &'k [VerifierKey],
    ) -> Result<Vec<Verified<'k>>, CheckpointError> {
        match self.note.verify(keys) {
            Ok(mut verified) => {
                verified.retain(|one| one.key.kind() == KeyKind::Cosignature);
                Ok(verified)
            }
            Err(NoteError::Unverified) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The signed checkpoint as it is exchanged.
impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

/// Reads a decimal number without leading zeros.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    if !canonical || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}
