//! The token itself: CMS around a `TSTInfo`.

use cms::{
    cert::{CertificateChoices, x509::Certificate},
    content_info::ContentInfo,
    signed_data::{SignedData, SignerIdentifier, SignerInfo},
};
use der::{
    Any, Decode as _, Encode as _, Tag, Tagged as _,
    asn1::{ObjectIdentifier, OctetString},
};
use exhibit_model::Nanos;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::{Stamp, StampError, TOKEN_BYTES_MAX};

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");

/// Hash functions that tokens may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HashKind {
    Sha256,
    Sha384,
    Sha512,
}

impl HashKind {
    pub(super) fn of(oid: &ObjectIdentifier) -> Option<Self> {
        match oid.to_string().as_str() {
            "2.16.840.1.101.3.4.2.1" => Some(Self::Sha256),
            "2.16.840.1.101.3.4.2.2" => Some(Self::Sha384),
            "2.16.840.1.101.3.4.2.3" => Some(Self::Sha512),
            _ => None,
        }
    }

    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha384 => Sha384::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }
}

/// A token that reads, not verified.
pub(super) struct Signed {
    data: SignedData,
    info: Vec<u8>,
}

/// Reads what a token over `text` says. Whether an authority said it is not checked.
///
/// # Errors
/// Not a token, or one over other bytes.
pub fn read(token: &[u8], text: &[u8]) -> Result<Stamp, StampError> {
    Signed::parse(token)?.stamp(text)
}

/// The token in a response.
pub(super) fn of_response(response: &[u8]) -> Result<Vec<u8>, StampError> {
    if response.len() > TOKEN_BYTES_MAX {
        return Err(StampError::Malformed("too long"));
    }
    let parts = sequence(response).ok_or(StampError::Malformed("not a response"))?;
    let status = parts.first().and_then(|status| status.to_der().ok());
    let status = status.and_then(|status| sequence(&status)?.first()?.decode_as::<u8>().ok());
    match (status, parts.get(1)) {
        (Some(0 | 1), Some(token)) => {
            token.to_der().map_err(|_| StampError::Malformed("the token does not read"))
        }
        (Some(status), _) => Err(StampError::Declined(status)),
        (None, _) => Err(StampError::Malformed("a response without a status")),
    }
}

impl Signed {
    pub(super) fn parse(token: &[u8]) -> Result<Self, StampError> {
        let malformed = StampError::Malformed;
        if token.len() > TOKEN_BYTES_MAX {
            return Err(malformed("too long"));
        }
        let outer = ContentInfo::from_der(token).map_err(|_| malformed("not CMS"))?;
        if outer.content_type != SIGNED_DATA {
            return Err(malformed("not signed data"));
        }
        let data: SignedData =
            outer.content.decode_as().map_err(|_| malformed("the signed data does not read"))?;
        if data.encap_content_info.econtent_type != TST_INFO {
            return Err(malformed("not a time stamp"));
        }
        let info = data.encap_content_info.econtent.as_ref();
        let info = info.filter(|info| info.tag() == Tag::OctetString);
        let info = info.ok_or(malformed("no content"))?.value().to_vec();
        Ok(Self { data, info })
    }

    /// What `TSTInfo` says (RFC 3161, section 2.4.2), if it is about `text`.
    pub(super) fn stamp(&self, text: &[u8]) -> Result<Stamp, StampError> {
        let malformed = |what| move || StampError::Malformed(what);
        let fields = sequence(&self.info).ok_or_else(malformed("TSTInfo does not read"))?;
        let [_, _, imprint, serial, time, rest @ ..] = fields.as_slice() else {
            return Err(StampError::Malformed("TSTInfo is too short"));
        };
        let imprint = imprint.to_der().ok().and_then(|der| sequence(&der));
        let [algorithm, digest] = imprint.as_deref().unwrap_or_default() else {
            return Err(StampError::Malformed("the imprint does not read"));
        };
        let hash = algorithm.to_der().ok().and_then(|der| algorithm_of(&der));
        let hash = hash.ok_or(StampError::Unsupported("another hash function"))?;
        if hash.digest(text) != digest.value() {
            return Err(StampError::OtherBytes);
        }
        if time.tag() != Tag::GeneralizedTime {
            return Err(StampError::Malformed("no time"));
        }
        let time =
            generalized_time(time.value()).ok_or_else(malformed("the time does not read"))?;
        let nonce = rest.iter().find(|field| field.tag() == Tag::Integer);
        let nonce = nonce.map(|field| {
            let bytes = field.value();
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            bytes[zeros..].to_vec()
        });
        Ok(Stamp { time, serial: hex::encode(serial.value()), nonce })
    }

    pub(super) fn signer(&self) -> Result<&SignerInfo, StampError> {
        let mut signers = self.data.signer_infos.0.iter();
        match (signers.next(), signers.next()) {
            (Some(one), None) => Ok(one),
            _ => Err(StampError::Malformed("a time stamp has one signer")),
        }
    }

    pub(super) fn certificates(&self) -> Vec<&Certificate> {
        let all = self.data.certificates.iter().flat_map(|set| set.0.iter());
        all.filter_map(|choice| match choice {
            CertificateChoices::Certificate(certificate) => Some(certificate),
            CertificateChoices::Other(_) => None,
        })
        .collect()
    }

    /// The bytes under the signature, after checking that they commit to the content and to this
    /// certificate of the signer (RFC 5652, section 5.4; RFC 5035).
    pub(super) fn signed_bytes(&self, certificate: &[u8]) -> Result<Vec<u8>, StampError> {
        let broken = StampError::Signature;
        let signer = self.signer()?;
        let hash = HashKind::of(&signer.digest_alg.oid)
            .ok_or(StampError::Unsupported("another hash function"))?;
        let attributes = signer.signed_attrs.as_ref().ok_or(broken("no signed attributes"))?;
        let value = |oid: ObjectIdentifier| {
            let mut found = attributes.iter().filter(|attribute| attribute.oid == oid);
            let only = found.next().filter(|_| found.next().is_none())?;
            (only.values.len() == 1).then(|| only.values.get(0)).flatten()
        };
        let kind = value(CONTENT_TYPE).and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
        if kind != Some(TST_INFO) {
            return Err(broken("another content type"));
        }
        let digest = value(MESSAGE_DIGEST).and_then(|any| any.decode_as::<OctetString>().ok());
        if digest.is_none_or(|digest| digest.as_bytes() != hash.digest(&self.info)) {
            return Err(broken("the content is not what was signed"));
        }
        if let Some(names) = value(SIGNING_CERTIFICATE_V2)
            && !names_certificate(names, certificate)
        {
            return Err(broken("it names another certificate"));
        }
        attributes.to_der().map_err(|_| broken("the signed attributes do not read"))
    }
}

/// Whether a certificate is the signer's.
pub(super) fn is_signer(signer: &SignerIdentifier, certificate: &Certificate) -> bool {
    let tbs = &certificate.tbs_certificate;
    match signer {
        SignerIdentifier::IssuerAndSerialNumber(name) => {
            tbs.issuer == name.issuer && tbs.serial_number == name.serial_number
        }
        SignerIdentifier::SubjectKeyIdentifier(id) => {
            let extensions = tbs.extensions.iter().flatten();
            // Subject key identifier (RFC 5280, section 4.2.1.2): an octet string in the extension.
            let own = extensions.filter(|e| e.extn_id.to_string() == "2.5.29.14");
            let mut own = own.filter_map(|e| OctetString::from_der(e.extn_value.as_bytes()).ok());
            own.any(|own| own == id.0)
        }
    }
}

/// ESSCertIDv2 (RFC 5035, section 4): the first names the signer's certificate by its hash.
fn names_certificate(value: &Any, certificate: &[u8]) -> bool {
    let first = || {
        let certificates = sequence(&value.to_der().ok()?)?.first()?.to_der().ok()?;
        let first = sequence(&certificates)?.first()?.to_der().ok()?;
        let fields = sequence(&first)?;
        let (hash, digest) = match fields.as_slice() {
            [digest, ..] if digest.tag() == Tag::OctetString => (HashKind::Sha256, digest.clone()),
            [algorithm, digest, ..] => (algorithm_of(&algorithm.to_der().ok()?)?, digest.clone()),
            _ => return None,
        };
        Some(hash.digest(certificate) == digest.value())
    };
    first().unwrap_or(false)
}

fn algorithm_of(der: &[u8]) -> Option<HashKind> {
    let oid = sequence(der)?.first()?.decode_as::<ObjectIdentifier>().ok()?;
    HashKind::of(&oid)
}

fn sequence(der: &[u8]) -> Option<Vec<Any>> {
    Vec::<Any>::from_der(der).ok()
}

/// `YYYYMMDDhhmmss[.f…]Z` (RFC 3161 allows fractions, which DER readers of X.509 do not).
fn generalized_time(bytes: &[u8]) -> Option<Nanos> {
    let text = std::str::from_utf8(bytes).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.len() != 14 || !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let number = |from: usize, to: usize| whole.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(8, 10)?, number(10, 12)?, number(12, 14)?);
    let valid = (1970..=2200).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 61;
    if !valid {
        return None;
    }
    // Days since 1970 in the proleptic Gregorian calendar; March is the first month of a year.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 719_469;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos).map(Nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_with_and_without_fractions() {
        assert_eq!(generalized_time(b"19700101000000Z"), Some(Nanos(0)));
        assert_eq!(generalized_time(b"20261121084500.25Z"), Some(Nanos(1_795_250_700_250_000_000)));
        assert_eq!(generalized_time(b"20240229120000Z"), Some(Nanos(1_709_208_000_000_000_000)));
        for wrong in [&b"20261121084500"[..], b"2026112108450Z", b"20261321084500Z", b"x"] {
            assert_eq!(generalized_time(wrong), None);
        }
    }
}
