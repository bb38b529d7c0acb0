//! COSE receipts of inclusion (RFC 9942, verifiable data structure 1: RFC 9162 SHA-256).
//!
//! A receipt is a COSE_Sign1 whose detached payload is the root of the tree: whoever has the entry computes
//! the root by the path and checks the signature over it. What is signed starts with the array head of a
//! Sig_structure (0x84), so that a signature over a receipt can never pass as one over a checkpoint or an
//! envelope, though the key is the same.

use crate::{note::NoteSigner, tree::Hash};

/// COSE's number for EdDSA (RFC 9053).
const EDDSA: i64 = -8;
/// Header parameters: algorithm, key id (RFC 9052), CWT claims (RFC 9597), verifiable data structure and
/// its proofs (RFC 9942).
const ALG: i64 = 1;
const KID: i64 = 4;
const CWT_CLAIMS: i64 = 15;
const VDS: i64 = 395;
const VDP: i64 = 396;
/// RFC 9162 with SHA-256, and the label of its inclusion proofs.
const RFC9162_SHA256: i64 = 1;
const INCLUSION: i64 = -1;
/// Claims: issuer and subject (RFC 8392).
const ISS: i64 = 1;
const SUB: i64 = 2;
/// Tag of a COSE_Sign1.
const SIGN1: u64 = 18;

/// A receipt that entry `index` is in the tree of `size` entries with this root. Issuer is the log, subject
/// the entry's place in it.
pub fn inclusion_receipt(
    key: &NoteSigner,
    (index, size): (u64, u64),
    path: &[Hash],
    root: &Hash,
) -> Vec<u8> {
    let name = key.verifier().name();
    let mut protected = Cbor::default();
    protected.map(4);
    protected.int(ALG).int(EDDSA);
    protected.int(KID).bytes(&key.verifier().key_id().to_be_bytes());
    protected.int(CWT_CLAIMS).map(2);
    protected.int(ISS).text(name);
    protected.int(SUB).text(&format!("{name}/{index}"));
    protected.int(VDS).int(RFC9162_SHA256);
    let protected = protected.0;

    let mut signed = Cbor::default();
    signed.array(4).text("Signature1").bytes(&protected).bytes(&[]).bytes(&root.0);
    let signature = key.sign_bytes(&signed.0);

    let mut proof = Cbor::default();
    proof.array(3).uint(size).uint(index).array(path.len() as u64);
    for hash in path {
        proof.bytes(&hash.0);
    }

    let mut receipt = Cbor::default();
    receipt.tag(SIGN1).array(4).bytes(&protected);
    receipt.map(1).int(VDP).map(1).int(INCLUSION).array(1).bytes(&proof.0);
    receipt.null().bytes(&signature);
    receipt.0
}

/// Writes CBOR in its deterministic form (RFC 8949 section 4.2.1); the caller orders the keys of maps.
#[derive(Default)]
struct Cbor(Vec<u8>);

impl Cbor {
    fn head(&mut self, major: u8, n: u64) -> &mut Self {
        let major = major << 5;
        match n {
            0..24 => self.0.push(major + n as u8),
            24..0x100 => self.0.extend([major + 24, n as u8]),
            0x100..0x1_0000 => {
                self.0.push(major + 25);
                self.0.extend((n as u16).to_be_bytes());
            }
            0x1_0000..0x1_0000_0000 => {
                self.0.push(major + 26);
                self.0.extend((n as u32).to_be_bytes());
            }
            _ => {
                self.0.push(major + 27);
                self.0.extend(n.to_be_bytes());
            }
        }
        self
    }

    fn uint(&mut self, n: u64) -> &mut Self {
        self.head(0, n)
    }

    fn int(&mut self, n: i64) -> &mut Self {
        match u64::try_from(n) {
            Ok(n) => self.head(0, n),
            Err(_) => self.head(1, (-1 - n) as u64),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.head(2, bytes.len() as u64).0.extend_from_slice(bytes);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.head(3, text.len() as u64).0.extend_from_slice(text.as_bytes());
        self
    }

    fn array(&mut self, len: u64) -> &mut Self {
        self.head(4, len)
    }

    fn map(&mut self, len: u64) -> &mut Self {
        self.head(5, len)
    }

    fn tag(&mut self, tag: u64) -> &mut Self {
        self.head(6, tag)
    }

    fn null(&mut self) -> &mut Self {
        self.0.push(0xf6);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_rfc_lists_them() {
        // RFC 8949, appendix A.
        let cases: [(i64, &str); 10] = [
            (0, "00"),
            (23, "17"),
            (24, "1818"),
            (255, "18ff"),
            (1_000, "1903e8"),
            (1_000_000, "1a000f4240"),
            (1_000_000_000_000, "1b000000e8d4a51000"),
            (-1, "20"),
            (-100, "3863"),
            (-1_000, "3903e7"),
        ];
        for (n, expected) in cases {
            let mut out = Cbor::default();
            out.int(n);
            assert_eq!(hex::encode(out.0), expected, "{n}");
        }
    }

    #[test]
    fn a_receipt_has_the_shape_of_the_rfc_and_a_signature_over_the_root() {
        let key = NoteSigner::new("exhibit.local/a", &[7; 32]).unwrap();
        let (path, root) = ([Hash([5; 32])], Hash([6; 32]));
        let receipt = inclusion_receipt(&key, (1, 2), &path, &root);
        assert_eq!(&receipt[..2], [0xd2, 0x84], "a tagged COSE_Sign1");
        let protected = &receipt[4..4 + usize::from(receipt[3])];
        assert_eq!(receipt[2], 0x58);
        assert_eq!(&protected[..3], [0xa4, 0x01, 0x27], "EdDSA comes first");
        assert_eq!(&protected[protected.len() - 4..], [0x19, 0x01, 0x8b, 0x01]);
        let signature = &receipt[receipt.len() - 64..];
        let mut signed = Cbor::default();
        signed.array(4).text("Signature1").bytes(protected).bytes(&[]).bytes(&root.0);
        assert!(key.verifier().check_bytes(&signed.0, signature));
        let proof = [&[0x83, 0x02, 0x01, 0x81, 0x58, 0x20][..], &[5; 32]].concat();
        assert!(receipt.windows(proof.len()).any(|window| window == proof));
    }
}
