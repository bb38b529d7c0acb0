//! Dead Simple Signing Envelopes (DSSE v1.0): bytes of a named type under Ed25519 signatures.
//!
//! Used for in-toto statements about files that we hand out. What is signed starts with `DSSEv1 `, so
//! a signature over an envelope can never pass as one over a checkpoint, though the key is the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::note::{NoteSigner, VerifierKey};

/// Longest envelope that is read, in bytes.
pub const ENVELOPE_BYTES_MAX: usize = 1 << 20;
/// Most signatures of one envelope.
const SIGNATURES_MAX: usize = 16;

/// Bytes of a type under signatures, well-formed but not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    payload_type: String,
    payload: Vec<u8>,
    signatures: Vec<(String, Vec<u8>)>,
}

/// Why an envelope was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not an envelope.
    #[error("malformed envelope: {0}")]
    Malformed(&'static str),
    /// None of its signatures is the key's.
    #[error("no signature of this key")]
    Unverified,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<WireSignature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSignature {
    keyid: String,
    sig: String,
}

impl Envelope {
    /// Signs `payload` as `payload_type`.
    pub fn sign(payload_type: &str, payload: Vec<u8>, key: &NoteSigner) -> Self {
        let signature = key.sign_bytes(&pae(payload_type, &payload)).to_vec();
        let key_id = key_id(key.verifier());
        let payload_type = payload_type.to_owned();
        Self { payload_type, payload, signatures: vec![(key_id, signature)] }
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// Another form, or more than 1 MiB.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let malformed = EnvelopeError::Malformed;
        if bytes.len() > ENVELOPE_BYTES_MAX {
            return Err(malformed("too long"));
        }
        let wire: Wire =
            serde_json::from_slice(bytes).map_err(|_| malformed("not a DSSE document"))?;
        if wire.signatures.is_empty() || wire.signatures.len() > SIGNATURES_MAX {
            return Err(malformed("1 to 16 signatures are expected"));
        }
        let base64 = |text: &str| STANDARD.decode(text).map_err(|_| malformed("not base64"));
        let payload = base64(&wire.payload)?;
        let signatures = wire.signatures.iter();
        let signatures = signatures.map(|s| Ok((s.keyid.clone(), base64(&s.sig)?)));
        let signatures = signatures.collect::<Result<_, _>>()?;
        Ok(Self { payload_type: wire.payload_type, payload, signatures })
    }

    /// The payload, if `key` has signed it as `payload_type`.
    ///
    /// # Errors
    /// Another type, or no signature of the key.
    pub fn verify(&self, payload_type: &str, key: &VerifierKey) -> Result<&[u8], EnvelopeError> {
        if self.payload_type != payload_type {
            return Err(EnvelopeError::Malformed("another payload type"));
        }
        let message = pae(payload_type, &self.payload);
        // `keyid` is a hint (DSSE protocol): every signature is tried.
        let signed = self.signatures.iter().any(|(_, s)| key.check_bytes(&message, s));
        if signed { Ok(&self.payload) } else { Err(EnvelopeError::Unverified) }
    }

    /// The JSON form.
    pub fn to_json(&self) -> String {
        let signatures = self.signatures.iter();
        let signatures = signatures
            .map(|(keyid, s)| WireSignature { keyid: keyid.clone(), sig: STANDARD.encode(s) });
        let wire = Wire {
            payload: STANDARD.encode(&self.payload),
            payload_type: self.payload_type.clone(),
            signatures: signatures.collect(),
        };
        serde_json::to_string(&wire).unwrap_or_default()
    }
}

/// The key's name and id, as notes write them.
fn key_id(key: &VerifierKey) -> String {
    format!("{}+{:08x}", key.name(), key.key_id())
}

/// Pre-authentication encoding (DSSE protocol): `DSSEv1 len type len payload`.
fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_framed_as_the_protocol_says() {
        // The example of the DSSE protocol description.
        let framed = pae("http://example.com/HelloWorld", b"hello world");
        assert_eq!(framed, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn an_envelope_reads_back_and_is_the_signers_only() {
        let key = NoteSigner::new("exhibit.local/a", &[7; 32]).unwrap();
        let other = NoteSigner::new("exhibit.local/a", &[8; 32]).unwrap();
        let envelope = Envelope::sign("text/plain", b"what".to_vec(), &key);
        let read = Envelope::parse(envelope.to_json().as_bytes()).unwrap();
        assert_eq!(read, envelope);
        assert_eq!(read.verify("text/plain", key.verifier()), Ok(&b"what"[..]));
        assert!(read.verify("text/html", key.verifier()).is_err());
        assert_eq!(read.verify("text/plain", other.verifier()), Err(EnvelopeError::Unverified));
        assert!(Envelope::parse(b"{}").is_err());
    }
}
