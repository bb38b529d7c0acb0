//! Keys of signed notes and their text forms.
//!
//! Two kinds are known: Ed25519 signatures of the text (type 0x01, what a log signs with) and
//! timestamped Ed25519 cosignatures (type 0x04, C2SP tlog-cosignature, what a witness signs with).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{
    Signature as Ed25519Signature, SignatureError, Signer as _, SigningKey, VerifyingKey,
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Note, NoteError, Signature};

/// What a key signs, as its signature type byte says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// The text of the note (0x01).
    Ed25519,
    /// The text and a time, as a witness (0x04).
    Cosignature,
}

impl KeyKind {
    const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Cosignature => 0x04,
        }
    }

    fn from_byte(byte: u8) -> Result<Self, KeyError> {
        match byte {
            0x01 => Ok(Self::Ed25519),
            0x04 => Ok(Self::Cosignature),
            _ => Err(KeyError::Kind(byte)),
        }
    }
}

/// Why a key text was refused. Never repeats the text: it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not `name+id+base64`, or `PRIVATE+KEY+name+id+base64` for a secret key.
    #[error("malformed key")]
    Malformed,
    /// The name is empty, or holds white space, control characters or a plus sign.
    #[error("malformed key name")]
    Name,
    /// A signature type that is not handled.
    #[error("unsupported signature type 0x{0:02x}")]
    Kind(u8),
    /// The id is not that of name and key.
    #[error("the key id does not belong to this name and key")]
    Id,
    /// Not a usable Ed25519 public key.
    #[error("not an Ed25519 public key")]
    Point,
}

/// A public key that verifies signatures of notes; reads and writes the vkey form
/// `name+<8 hex digits>+<base64>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key_id: u32,
    kind: KeyKind,
    key: VerifyingKey,
}

impl VerifierKey {
    /// Makes a key from its parts.
    ///
    /// # Errors
    /// A malformed name, or bytes that are no public key (points of small order included).
    pub fn new(name: &str, kind: KeyKind, public_key: &[u8; 32]) -> Result<Self, KeyError> {
        if !is_key_name(name) {
            return Err(KeyError::Name);
        }
        let key = VerifyingKey::from_bytes(public_key).map_err(|_| KeyError::Point)?;
        if key.is_weak() {
            return Err(KeyError::Point);
        }
        Ok(Self::from_valid(name, kind, key))
    }

    fn from_valid(name: &str, kind: KeyKind, key: VerifyingKey) -> Self {
        let key_id = key_id(name, kind, key.as_bytes());
        Self { name: name.to_owned(), key_id, kind, key }
    }

    /// Name of the key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Short id of the key, not unique: it only says which key to try.
    pub fn key_id(&self) -> u32 {
        self.key_id
    }

    /// What the key signs.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The 32 bytes of the public key.
    pub fn public_key(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Checks a bare Ed25519 signature over `message`, as [`crate::dsse`] frames it.
    pub(crate) fn check_bytes(&self, message: &[u8], signature: &[u8]) -> bool {
        self.kind == KeyKind::Ed25519
            && Ed25519Signature::from_slice(signature)
                .is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }

    /// Checks that this key made `signature` over `text`; gives the time that a cosignature states.
    pub(super) fn check(
        &self,
        text: &str,
        signature: &[u8],
    ) -> Result<Option<u64>, SignatureError> {
        if self.kind == KeyKind::Ed25519 {
            self.key.verify_strict(text.as_bytes(), &Ed25519Signature::from_slice(signature)?)?;
            return Ok(None);
        }
        let (time, signature) =
            signature.split_first_chunk::<8>().ok_or_else(SignatureError::new)?;
        let time = u64::from_be_bytes(*time);
        i64::try_from(time).map_err(|_| SignatureError::new())?;
        let signature = Ed25519Signature::from_slice(signature)?;
        self.key.verify_strict(&cosigned_message(text, time), &signature)?;
        Ok(Some(time))
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let material = [&[self.kind.byte()], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{:08x}+{}", self.name, self.key_id, STANDARD.encode(material))
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, key_id, material) = split(text)?;
        let (kind, public_key) = material.split_first().ok_or(KeyError::Malformed)?;
        let kind = KeyKind::from_byte(*kind)?;
        let public_key = public_key.try_into().map_err(|_| KeyError::Malformed)?;
        let key = Self::new(name, kind, public_key)?;
        if key.key_id == key_id { Ok(key) } else { Err(KeyError::Id) }
    }
}

/// A secret key that signs notes (0x01). Leaves memory when dropped; `Debug` shows only the name.
pub struct NoteSigner {
    verifier: VerifierKey,
    secret: SigningKey,
}

impl NoteSigner {
    /// Makes a key from a name and 32 random bytes.
    ///
    /// # Errors
    /// A malformed name.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let (verifier, secret) = pair(name, KeyKind::Ed25519, seed)?;
        Ok(Self { verifier, secret })
    }

    /// Reads the form `PRIVATE+KEY+name+<8 hex digits>+<base64>`.
    ///
    /// # Errors
    /// A text of another form, another signature type, an id that does not fit.
    pub fn from_skey(text: &str) -> Result<Self, KeyError> {
        let (verifier, secret) = read_secret(text, KeyKind::Ed25519)?;
        Ok(Self { verifier, secret })
    }

    /// The secret text form; wiped when dropped.
    pub fn to_skey(&self) -> Zeroizing<String> {
        write_secret(&self.verifier, &self.secret)
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs the text of a note and adds the signature to it.
    pub fn sign(&self, note: &mut Note) {
        let bytes = self.secret.sign(note.text().as_bytes()).to_bytes().to_vec();
        note.add(signature(&self.verifier, bytes));
    }
}

impl NoteSigner {
    /// Signs bytes that can never be the text of a note: [`crate::dsse`] puts its own words in front.
    pub(crate) fn sign_bytes(&self, message: &[u8]) -> [u8; 64] {
        self.secret.sign(message).to_bytes()
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSigner({}, …)", self.verifier.name)
    }
}

/// A secret key of a witness (0x04). Leaves memory when dropped; `Debug` shows only the name.
pub struct Cosigner {
    verifier: VerifierKey,
    secret: SigningKey,
}

impl Cosigner {
    /// Makes a key from a name and 32 random bytes.
    ///
    /// # Errors
    /// A malformed name.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let (verifier, secret) = pair(name, KeyKind::Cosignature, seed)?;
        Ok(Self { verifier, secret })
    }

    /// Reads the form `PRIVATE+KEY+name+<8 hex digits>+<base64>`.
    ///
    /// # Errors
    /// A text of another form, another signature type, an id that does not fit.
    pub fn from_skey(text: &str) -> Result<Self, KeyError> {
        let (verifier, secret) = read_secret(text, KeyKind::Cosignature)?;
        Ok(Self { verifier, secret })
    }

    /// The secret text form; wiped when dropped.
    pub fn to_skey(&self) -> Zeroizing<String> {
        write_secret(&self.verifier, &self.secret)
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Cosigns a checkpoint as seen at `time_s` (seconds since 1970) and adds the cosignature. The
    /// caller has verified that the log only grew since what it cosigned last.
    ///
    /// # Errors
    /// A time beyond 2^63 - 1.
    pub fn cosign(&self, checkpoint: &mut Note, time_s: u64) -> Result<(), NoteError> {
        i64::try_from(time_s).map_err(|_| NoteError::Malformed("a time beyond 2^63 - 1"))?;
        let message = cosigned_message(checkpoint.text(), time_s);
        let mut bytes = time_s.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.secret.sign(&message).to_bytes());
        checkpoint.add(signature(&self.verifier, bytes));
        Ok(())
    }
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cosigner({}, …)", self.verifier.name)
    }
}

fn read_secret(text: &str, expected: KeyKind) -> Result<(VerifierKey, SigningKey), KeyError> {
    let rest = text.strip_prefix("PRIVATE+KEY+").ok_or(KeyError::Malformed)?;
    let (name, key_id, material) = split(rest)?;
    let (kind, seed) = material.split_first().ok_or(KeyError::Malformed)?;
    if *kind != expected.byte() {
        return Err(KeyError::Kind(*kind));
    }
    let seed: &[u8; 32] = seed.try_into().map_err(|_| KeyError::Malformed)?;
    let (verifier, secret) = pair(name, expected, seed)?;
    if verifier.key_id == key_id { Ok((verifier, secret)) } else { Err(KeyError::Id) }
}

fn write_secret(verifier: &VerifierKey, secret: &SigningKey) -> Zeroizing<String> {
    let mut material = Zeroizing::new(vec![verifier.kind.byte()]);
    material.extend_from_slice(secret.as_bytes());
    let base64 = Zeroizing::new(STANDARD.encode(&*material));
    let VerifierKey { name, key_id, .. } = verifier;
    Zeroizing::new(format!("PRIVATE+KEY+{name}+{key_id:08x}+{}", *base64))
}

/// Key names are not empty and hold neither Unicode spaces nor a plus sign.
pub(super) fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

fn pair(name: &str, kind: KeyKind, seed: &[u8; 32]) -> Result<(VerifierKey, SigningKey), KeyError> {
    if !is_key_name(name) {
        return Err(KeyError::Name);
    }
    let secret = SigningKey::from_bytes(seed);
    Ok((VerifierKey::from_valid(name, kind, secret.verifying_key()), secret))
}

fn signature(key: &VerifierKey, bytes: Vec<u8>) -> Signature {
    Signature { name: key.name.clone(), key_id: key.key_id, bytes }
}

/// `SHA-256(name || 0x0A || type || public key)[:4]`.
fn key_id(name: &str, kind: KeyKind, public_key: &[u8; 32]) -> u32 {
    let hash: [u8; 32] = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', kind.byte()])
        .chain_update(public_key)
        .finalize()
        .into();
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
}

fn cosigned_message(text: &str, time_s: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {time_s}\n{text}").into_bytes()
}

/// Splits `name+id+base64`; the base64 part may hold plus signs of its own.
fn split(text: &str) -> Result<(&str, u32, Zeroizing<Vec<u8>>), KeyError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(key_id), Some(material)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(KeyError::Malformed);
    };
    let digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    if key_id.len() != 8 || !key_id.bytes().all(digit) {
        return Err(KeyError::Malformed);
    }
    let key_id = u32::from_str_radix(key_id, 16).map_err(|_| KeyError::Malformed)?;
    let material = STANDARD.decode(material).map_err(|_| KeyError::Malformed)?;
    Ok((name, key_id, Zeroizing::new(material)))
}
