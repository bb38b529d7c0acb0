//! Signed notes (C2SP signed-note): text under one or more named signatures.
//!
//! [`Note::parse`] and [`Note::verify`] are for reading, [`NoteSigner::sign`] for writing; keys and
//! their text forms are in [`key`]. Signatures of unknown keys and kinds are kept as they came. A note
//! is only text: what it says about a log is in [`crate::checkpoint`].

pub mod key;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use key::{Cosigner, KeyError, KeyKind, NoteSigner, VerifierKey};

/// Longest note that is read, in bytes.
pub const NOTE_BYTES_MAX: usize = 1 << 20;
/// Most signatures of one note (the specification asks for at least 16).
pub const SIGNATURES_MAX: usize = 100;

/// A note: its text and its signatures, well-formed but not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// One signature line, of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    name: String,
    key_id: u32,
    bytes: Vec<u8>,
}

/// A signature that a known key has made.
#[derive(Debug, Clone, Copy)]
pub struct Verified<'k> {
    /// The key.
    pub key: &'k VerifierKey,
    /// For cosignatures, when it was made, seconds since 1970.
    pub timestamp_s: Option<u64>,
}

/// Why a note was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a signed note.
    #[error("malformed note: {0}")]
    Malformed(&'static str),
    /// A signature carries a known key's name and id, but that key did not make it.
    #[error("invalid signature of {name}+{key_id:08x}")]
    InvalidSignature {
        /// Key name.
        name: String,
        /// Key id.
        key_id: u32,
    },
    /// None of the signatures is of a known key.
    #[error("no signature of a known key")]
    Unverified,
    /// Two different known keys share name and id.
    #[error("two known keys are both {name}+{key_id:08x}")]
    AmbiguousKey {
        /// Key name.
        name: String,
        /// Key id.
        key_id: u32,
    },
}

impl Note {
    /// A note without signatures; it cannot be read back before it has one.
    ///
    /// # Errors
    /// A text that does not end in a newline, holds other control characters, or is too long.
    pub fn new(text: impl Into<String>) -> Result<Self, NoteError> {
        let text = text.into();
        check_text(&text)?;
        if text.len() > NOTE_BYTES_MAX {
            return Err(NoteError::Malformed("too long"));
        }
        Ok(Self { text, signatures: Vec::new() })
    }

    /// Reads a signed note.
    ///
    /// # Errors
    /// Anything that is not a well-formed note with at least one signature.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::Malformed("too long"));
        }
        let note = std::str::from_utf8(bytes).map_err(|_| NoteError::Malformed("not UTF-8"))?;
        if note.bytes().any(is_control) {
            return Err(NoteError::Malformed("a control character"));
        }
        let split = note.rfind("\n\n").ok_or(NoteError::Malformed("no signature block"))?;
        let (text, lines) = (&note[..=split], &note[split + 2..]);
        let lines = lines
            .strip_suffix('\n')
            .ok_or(NoteError::Malformed("no newline after the last signature"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == SIGNATURES_MAX {
                return Err(NoteError::Malformed("more than 100 signatures"));
            }
            signatures.push(Signature::parse(line)?);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The text, with its last newline: what is signed. Trust it only after [`Note::verify`].
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Every signature, of known keys or not.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Adds a signature (an equal one is not added twice).
    pub fn add(&mut self, signature: Signature) {
        if !self.signatures.contains(&signature) {
            self.signatures.push(signature);
        }
    }

    /// The known keys that signed this text, in the order of their first signatures.
    ///
    /// Signatures of other keys are passed over, also where they share a name or an id, but not both,
    /// with a known key.
    ///
    /// # Errors
    /// A signature of a known key that does not verify; no signature of a known key; different known
    /// keys with one name and id.
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<Vec<Verified<'k>>, NoteError> {
        let mut verified: Vec<Verified<'k>> = Vec::new();
        for signature in &self.signatures {
            let mut known = keys.iter().filter(|key| signature.claims(key));
            let Some(key) = known.next() else { continue };
            let (name, key_id) = (signature.name.clone(), signature.key_id);
            if known.any(|other| other != key) {
                return Err(NoteError::AmbiguousKey { name, key_id });
            }
            let checked = key.check(&self.text, &signature.bytes);
            let timestamp_s = checked.map_err(|_| NoteError::InvalidSignature { name, key_id })?;
            if !verified.iter().any(|earlier| earlier.key == key) {
                verified.push(Verified { key, timestamp_s });
            }
        }
        if verified.is_empty() { Err(NoteError::Unverified) } else { Ok(verified) }
    }
}

/// The note as it is exchanged.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl Signature {
    /// Reads one signature line, without its newline.
    ///
    /// # Errors
    /// A line of another form.
    pub fn parse(line: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::Malformed("a signature line is '— name base64'");
        let Some((name, base64)) = line.strip_prefix("— ").and_then(|l| l.split_once(' ')) else {
            return Err(malformed);
        };
        if !key::is_key_name(name) {
            return Err(malformed);
        }
        let Ok(decoded) = STANDARD.decode(base64) else { return Err(malformed) };
        let Some((key_id, bytes)) = decoded.split_first_chunk::<4>() else {
            return Err(malformed);
        };
        if bytes.is_empty() {
            return Err(malformed);
        }
        let (name, bytes) = (name.to_owned(), bytes.to_vec());
        Ok(Self { name, key_id: u32::from_be_bytes(*key_id), bytes })
    }

    /// Name of the key that is said to have signed.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Id of that key.
    pub fn key_id(&self) -> u32 {
        self.key_id
    }

    /// The signature itself, in the form of its kind.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn claims(&self, key: &VerifierKey) -> bool {
        self.key_id == key.key_id() && self.name == key.name()
    }
}

/// The signature line, without its newline.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.key_id.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.bytes);
        write!(f, "— {} {}", self.name, STANDARD.encode(bytes))
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Malformed("the text does not end in a newline"));
    }
    if text.bytes().any(is_control) {
        return Err(NoteError::Malformed("a control character"));
    }
    Ok(())
}

fn is_control(byte: u8) -> bool {
    byte < 0x20 && byte != b'\n'
}
