//! Who signed a token, and whether the roots vouch for that certificate.

use cms::cert::x509::Certificate;
use der::{
    Decode as _, Encode as _,
    asn1::{BitString, ObjectIdentifier},
};
use exhibit_model::Nanos;
use rustls_pki_types::{
    CertificateDer, SignatureVerificationAlgorithm as Algorithm, TrustAnchor, UnixTime,
    pem::PemObject as _,
};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert, ring as algorithms};

use super::{
    StampError,
    token::{HashKind, Signed, is_signer},
};

/// Most certificates of a file of roots.
const ROOTS_MAX: usize = 512;
/// `id-kp-timeStamping` (RFC 3161, section 2.3).
const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
/// Extensions of certificates (RFC 5280, sections 4.2.1.3 and 4.2.1.12).
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const PURPOSES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");

/// What certificates of authorities are signed with.
const CHAIN: &[&dyn Algorithm] = &[
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
    algorithms::ED25519,
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
    algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
];

/// Certificates that are trusted to name time-stamp authorities.
#[derive(Clone, Default)]
pub struct Roots(Vec<TrustAnchor<'static>>);

impl Roots {
    /// Reads certificates in PEM.
    ///
    /// # Errors
    /// Something that is not a certificate; none at all.
    pub fn from_pem(pem: &[u8]) -> Result<Self, StampError> {
        let mut roots = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem).take(ROOTS_MAX) {
            let certificate =
                certificate.map_err(|_| StampError::Malformed("a certificate does not read"))?;
            let anchor = anchor_from_trusted_cert(&certificate)
                .map_err(|_| StampError::Malformed("a certificate does not read"))?;
            roots.push(anchor.to_owned());
        }
        if roots.is_empty() {
            return Err(StampError::Malformed("there is no certificate in the file of roots"));
        }
        Ok(Self(roots))
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Roots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Roots({})", self.0.len())
    }
}

/// Checks signature and path of a token, as of the time it states.
pub(super) fn check(signed: &Signed, time: Nanos, roots: &Roots) -> Result<(), StampError> {
    let der = check_signature(signed)?;
    let own = EndEntityCert::try_from(&der).map_err(untrusted)?;
    let certificates = signed.certificates();
    let signer = certificates.iter().find(|one| one.to_der().is_ok_and(|bytes| *bytes == *der));
    if !signer.is_some_and(|signer| is_for_stamps(signer)) {
        let why = "the signer's certificate is not one for time stamps";
        return Err(StampError::Untrusted(why.into()));
    }
    let others: Vec<CertificateDer<'_>> = certificates
        .iter()
        .filter(|certificate| may_certify(certificate))
        .filter_map(|certificate| certificate.to_der().ok())
        .filter(|bytes| **bytes != *der)
        .map(CertificateDer::from)
        .collect();
    let seconds = u64::try_from(time.0 / 1_000_000_000).unwrap_or(0);
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    // Whoever stands above the signer may say nothing of purposes.
    let usage = KeyUsage::required_if_present(TIME_STAMPING.as_bytes());
    own.verify_for_usage(CHAIN, &roots.0, &others, time, usage, None, None)
        .map(drop)
        .map_err(untrusted)
}

/// The value of an extension.
fn extension(certificate: &Certificate, name: ObjectIdentifier) -> Option<&[u8]> {
    let mut all = certificate.tbs_certificate.extensions.iter().flatten();
    all.find(|extension| extension.extn_id == name).map(|found| found.extn_value.as_bytes())
}

/// Whether a certificate names time stamps among its purposes.
fn is_for_stamps(certificate: &Certificate) -> bool {
    let purposes = extension(certificate, PURPOSES);
    let purposes = purposes.and_then(|value| Vec::<ObjectIdentifier>::from_der(value).ok());
    purposes.is_some_and(|purposes| purposes.contains(&TIME_STAMPING))
}

/// Whether a certificate that says what its key is for says `keyCertSign`. `webpki` does not look at it.
fn may_certify(certificate: &Certificate) -> bool {
    let Some(value) = extension(certificate, KEY_USAGE) else { return true };
    let bits = BitString::from_der(value).ok();
    bits.and_then(|bits| bits.raw_bytes().first().copied()).is_some_and(|bits| bits & 4 != 0)
}

/// Checks that the key of the certificate in a token has signed it; gives the certificate.
pub(super) fn check_signature(signed: &Signed) -> Result<CertificateDer<'static>, StampError> {
    let signer = signed.signer()?;
    let certificates = signed.certificates();
    let own = certificates.iter().find(|certificate| is_signer(&signer.sid, certificate));
    let missing = || StampError::Untrusted("it does not bring its certificate".into());
    let der = own.ok_or_else(missing)?.to_der();
    let der = CertificateDer::from(der.map_err(|_| StampError::Malformed("a certificate"))?);
    let message = signed.signed_bytes(&der)?;
    let own = EndEntityCert::try_from(&der).map_err(untrusted)?;
    let signature = signer.signature.as_bytes();
    let mut known = false;
    for algorithm in candidates(HashKind::of(&signer.digest_alg.oid)) {
        match own.verify_signature(algorithm, &message, signature) {
            Ok(()) => return Ok(der),
            Err(webpki::Error::InvalidSignatureForPublicKey) => known = true,
            Err(_) => {}
        }
    }
    if known {
        Err(StampError::Signature("it was not made with the certificate's key"))
    } else {
        Err(StampError::Unsupported("a kind of key"))
    }
}

fn untrusted(error: webpki::Error) -> StampError {
    StampError::Untrusted(error.to_string())
}

/// Signature algorithms that go with a hash function.
fn candidates(hash: Option<HashKind>) -> Vec<&'static dyn Algorithm> {
    match hash {
        Some(HashKind::Sha256) => vec![
            algorithms::RSA_PKCS1_2048_8192_SHA256,
            algorithms::ECDSA_P256_SHA256,
            algorithms::ECDSA_P384_SHA256,
            algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        ],
        Some(HashKind::Sha384) => vec![
            algorithms::RSA_PKCS1_2048_8192_SHA384,
            algorithms::ECDSA_P384_SHA384,
            algorithms::ECDSA_P256_SHA384,
            algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        ],
        Some(HashKind::Sha512) => vec![
            algorithms::RSA_PKCS1_2048_8192_SHA512,
            algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
            algorithms::ED25519,
        ],
        None => Vec::new(),
    }
}
