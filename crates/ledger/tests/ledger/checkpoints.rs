//! Checkpoints and proof files.

use exhibit_ledger::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
use exhibit_ledger::note::{Cosigner, NoteError, NoteSigner, VerifierKey};
use exhibit_ledger::proof::inclusion_proof;
use exhibit_ledger::tlog_proof::{TlogProof, TlogProofError};
use exhibit_ledger::tree::{Hash, empty_root, leaf_hash, root_of};
use proptest::prelude::*;

use crate::vectors;

const ORIGIN: &str = "example.com/log";

fn log_key() -> NoteSigner {
    NoteSigner::new(ORIGIN, &[1; 32]).unwrap()
}

#[test]
fn every_published_proof_file_gets_its_verdict() {
    let Some(cases) = vectors::cases("tlog_proof_cases.jsonl.gz") else { return };
    assert_eq!(cases.len(), 240);
    for case in &cases {
        let text = vectors::str_of(case, "tlog_proof");
        let key: VerifierKey = vectors::str_of(case, "log_vkey").parse().unwrap();
        let leaf = leaf_hash(&vectors::base64_of(case, "leaf_b64"));
        let proof = TlogProof::parse(text.as_bytes()).unwrap();
        assert_eq!(proof.to_string(), text);
        let ok = proof.verify(&leaf, key.name(), &key).is_ok();
        assert_eq!(ok, case["expect"] == "ok", "{case}");
        let other = leaf_hash(b"another entry");
        assert!(proof.verify(&other, key.name(), &key).is_err());
    }
}

#[test]
fn a_checkpoint_is_signed_read_and_verified() {
    let head = Checkpoint::new(ORIGIN, 0, empty_root());
    let signed = SignedCheckpoint::sign(head.clone(), &log_key()).unwrap();
    let read = SignedCheckpoint::parse(signed.to_string().as_bytes()).unwrap();
    assert_eq!(read, signed);
    assert_eq!(read.checkpoint(), &head);
    read.verify(ORIGIN, log_key().verifier()).unwrap();
}

#[test]
fn another_implementation_reads_our_checkpoint() {
    let head = Checkpoint::new(ORIGIN, 7, leaf_hash(b"x"));
    let signed = SignedCheckpoint::sign(head, &log_key()).unwrap();
    let theirs = tlog_tiles::Checkpoint::from_bytes(signed.note().text().as_bytes()).unwrap();
    assert_eq!((theirs.origin(), theirs.size()), (ORIGIN, 7));
    assert_eq!(theirs.hash().0, leaf_hash(b"x").0);
}

#[test]
fn a_checkpoint_of_another_log_or_key_is_refused_by_name() {
    let signed =
        SignedCheckpoint::sign(Checkpoint::new(ORIGIN, 0, empty_root()), &log_key()).unwrap();
    let refused = signed.verify("example.com/other", log_key().verifier());
    assert!(matches!(refused, Err(CheckpointError::Origin { .. })));
    let other = NoteSigner::new(ORIGIN, &[2; 32]).unwrap();
    let refused = signed.verify(ORIGIN, other.verifier());
    assert_eq!(refused, Err(CheckpointError::Note(NoteError::Unverified)));
}

#[test]
fn a_witness_cannot_stand_in_for_the_log() {
    let head = Checkpoint::new(ORIGIN, 0, empty_root());
    let mut signed = SignedCheckpoint::sign(head, &log_key()).unwrap();
    let witness = Cosigner::new("witness.example/w1", &[3; 32]).unwrap();
    assert!(signed.cosignatures(&[witness.verifier().clone()]).unwrap().is_empty());
    signed.cosign(&witness, 100).unwrap();
    assert_eq!(signed.verify(ORIGIN, witness.verifier()), Err(CheckpointError::KeyKind));
    let keys = [log_key().verifier().clone(), witness.verifier().clone()];
    let cosigned = signed.cosignatures(&keys).unwrap();
    assert_eq!((cosigned.len(), cosigned[0].timestamp_s), (1, Some(100)));
    signed.verify(ORIGIN, log_key().verifier()).unwrap();
}

#[test]
fn texts_that_are_no_checkpoint_are_refused() {
    let root = empty_root().to_base64();
    for text in [
        String::new(),
        format!("{ORIGIN}\n0\n{root}"),
        format!("\n0\n{root}\n"),
        format!("{ORIGIN}\n00\n{root}\n"),
        format!("{ORIGIN}\n01\n{root}\n"),
        format!("{ORIGIN}\n+1\n{root}\n"),
        format!("{ORIGIN}\n-1\n{root}\n"),
        format!("{ORIGIN}\n\n{root}\n"),
        format!("{ORIGIN}\n18446744073709551616\n{root}\n"),
        format!("{ORIGIN}\n1\n{}\n", &root[..40]),
        format!("{ORIGIN}\n1\n{}\n", root.trim_end_matches('=')),
        format!("{ORIGIN}\n1\n{root}\n\n"),
        format!("{ORIGIN}\n1\n"),
    ] {
        assert!(Checkpoint::parse(&text).is_err(), "{text:?}");
    }
    let read = Checkpoint::parse(&format!("{ORIGIN}\n1\n{root}\nepoch 2\n")).unwrap();
    assert_eq!(read.extensions, ["epoch 2"]);
}

#[test]
fn a_line_break_cannot_be_smuggled_into_a_checkpoint() {
    for origin in ["", "a\nb", "a\n5", "a\tb"] {
        let head = Checkpoint::new(origin, 0, empty_root());
        assert!(SignedCheckpoint::sign(head, &log_key()).is_err(), "{origin:?}");
    }
    let extensions = vec!["a\nb".to_owned()];
    let head = Checkpoint { extensions, ..Checkpoint::new(ORIGIN, 0, empty_root()) };
    assert!(head.to_note().is_err());
}

fn proof_file(index: u64, extra: Option<Vec<u8>>) -> (TlogProof, Hash) {
    let leaves: Vec<Hash> = (0..9_u8).map(|n| leaf_hash(&[n])).collect();
    let head = Checkpoint::new(ORIGIN, 9, root_of(&leaves));
    let checkpoint = SignedCheckpoint::sign(head, &log_key()).unwrap();
    let path = inclusion_proof(leaves.as_slice(), index, 9).unwrap();
    (TlogProof { extra, index, path, checkpoint }, leaves[index as usize])
}

#[test]
fn extra_data_is_carried() {
    let (proof, leaf) = proof_file(3, Some(b"with \n newline".to_vec()));
    let read = TlogProof::parse(proof.to_string().as_bytes()).unwrap();
    assert_eq!(read, proof);
    read.verify(&leaf, ORIGIN, log_key().verifier()).unwrap();
}

#[test]
fn malformed_proof_files_are_refused() {
    let text = proof_file(3, None).0.to_string();
    for (from, to) in [
        ("tlog-proof@v1", "tlog-proof@v2"),
        ("index 3", "index 03"),
        ("index 3", "index -3"),
        ("index 3", "Index 3"),
        ("index 3\n", ""),
        ("index 3\n", "index 3\nextra AAAA\n"),
        ("index 3\n", "extra ***\nindex 3\n"),
        ("index 3\n", "index 3\nAAAA\n"),
        ("=\n\n", "=\n"),
    ] {
        let malformed = text.replacen(from, to, 1);
        assert_ne!(malformed, text);
        let refused = TlogProof::parse(malformed.as_bytes());
        assert!(matches!(refused, Err(TlogProofError::Malformed(_))), "{from:?} to {to:?}");
    }
    let long = text.replacen("index 3\n", &format!("index 3\n{}", "A".repeat(43) + "=\n"), 1);
    assert!(
        TlogProof::parse(long.as_bytes())
            .unwrap()
            .verify(&proof_file(3, None).1, ORIGIN, log_key().verifier())
            .is_err()
    );
}

proptest! {
    #[test]
    fn every_changed_byte_of_a_proof_file_is_caught(
        index in 0_u64..9, at in any::<prop::sample::Index>(), to in any::<u8>(),
    ) {
        let (proof, leaf) = proof_file(index, None);
        let mut bytes = proof.to_string().into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        let verified = TlogProof::parse(&bytes)
            .is_ok_and(|proof| proof.verify(&leaf, ORIGIN, log_key().verifier()).is_ok());
        prop_assert!(!verified, "byte {} of {:?}", at, String::from_utf8_lossy(&bytes));
    }
}
