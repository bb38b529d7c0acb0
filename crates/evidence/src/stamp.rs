//! Time stamps (RFC 3161): asked for, read, and verified with nothing but the authorities' roots.
//!
//! A token says that bytes with this SHA-256 digest existed at a time; what is stamped is the text of
//! a checkpoint, so one token dates everything under it. Sending requests is somebody else's work. The
//! structures are CMS (RFC 5652), read by the `cms` crate; certificate paths are checked by `webpki`
//! as of the time in the token, so a token outlives the certificate that signed it. Revocation is not
//! looked up.

mod chain;
mod token;

use exhibit_model::Nanos;
use sha2::{Digest, Sha256};

pub use chain::Roots;
pub use token::read;

/// Longest token or response that is read, in bytes.
pub const TOKEN_BYTES_MAX: usize = 64 << 10;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The time.
    pub time: Nanos,
    /// The authority's serial number of the token, hex.
    pub serial: String,
    /// The nonce of the request that it answers, big-endian without leading zeros.
    pub nonce: Option<Vec<u8>>,
}

/// Why a token was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StampError {
    /// The authority declined; the number is the PKIStatus.
    #[error("the authority declined the request (status {0})")]
    Declined(u8),
    /// Not a token, or not a response.
    #[error("malformed time stamp: {0}")]
    Malformed(&'static str),
    /// It stamps other bytes.
    #[error("the time stamp is over other bytes")]
    OtherBytes,
    /// The signature does not hold.
    #[error("the time stamp's signature does not hold: {0}")]
    Signature(&'static str),
    /// It uses an algorithm that is not known here, so nothing can be said about it.
    #[error("the time stamp uses {0}, which is not known here")]
    Unsupported(&'static str),
    /// The signer is not an authority that the roots vouch for.
    #[error("no trusted authority signed the time stamp: {0}")]
    Untrusted(String),
}

/// The request for a token over `text` (RFC 3161, section 2.4.1): SHA-256, with the nonce, and with the
/// authority's certificate in the answer.
pub fn request(text: &[u8], nonce: u64) -> Vec<u8> {
    // AlgorithmIdentifier of SHA-256 with NULL parameters, and the start of the digest.
    const IMPRINT: &[u8] = &[
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
        0x05, 0x00, 0x04, 0x20,
    ];
    let mut number = nonce.to_be_bytes().to_vec();
    while number.len() > 1 && number[0] == 0 && number[1] < 0x80 {
        number.remove(0);
    }
    if number[0] >= 0x80 {
        number.insert(0, 0);
    }
    let mut body = vec![0x02, 0x01, 0x01];
    body.extend_from_slice(IMPRINT);
    body.extend_from_slice(&Sha256::digest(text));
    body.push(0x02);
    body.push(number.len() as u8);
    body.extend_from_slice(&number);
    body.extend_from_slice(&[0x01, 0x01, 0xff]);
    let mut request = vec![0x30, body.len() as u8];
    request.append(&mut body);
    request
}

/// The token in an authority's response (RFC 3161, section 2.4.2).
///
/// # Errors
/// Not a response, or the authority declined.
pub fn token(response: &[u8]) -> Result<Vec<u8>, StampError> {
    token::of_response(response)
}

/// Checks that an authority under `roots` stamped `text`.
///
/// # Errors
/// Says what does not hold.
pub fn verify(token: &[u8], text: &[u8], roots: &Roots) -> Result<Stamp, StampError> {
    let signed = token::Signed::parse(token)?;
    let stamp = signed.stamp(text)?;
    chain::check(&signed, stamp.time, roots)?;
    Ok(stamp)
}

/// Checks that whoever holds the key of the certificate in the token stamped `text`. Who that is, nobody
/// says.
///
/// # Errors
/// Says what does not hold.
pub fn verify_signature(token: &[u8], text: &[u8]) -> Result<Stamp, StampError> {
    let signed = token::Signed::parse(token)?;
    let stamp = signed.stamp(text)?;
    chain::check_signature(&signed)?;
    Ok(stamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_der_whatever_the_nonce() {
        for nonce in [0, 1, 0x7f, 0x80, u64::from(u32::MAX), u64::MAX] {
            let request = request(b"text", nonce);
            assert_eq!(usize::from(request[1]) + 2, request.len());
            assert_eq!(request[..2], [0x30, request.len() as u8 - 2]);
        }
    }

    #[test]
    fn hostile_bytes_are_refused() {
        for bytes in [&b""[..], b"\x30", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", &[0x30; 4096]] {
            assert!(read(bytes, b"").is_err());
            assert!(token(bytes).is_err());
        }
        assert!(read(&vec![0x30; TOKEN_BYTES_MAX + 1], b"").is_err());
        let declined = [0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x02];
        assert_eq!(token(&declined), Err(StampError::Declined(2)));
    }
}
