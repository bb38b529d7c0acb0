//! Signed notes against the published cases and another implementation.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use exhibit_ledger::note::{Cosigner, KeyError, KeyKind, Note, NoteError, NoteSigner, VerifierKey};
use proptest::prelude::*;
use serde_json::Value;
use signed_note::Verifier as _;

use crate::vectors;

fn signer(name: &str, fill: u8) -> NoteSigner {
    NoteSigner::new(name, &[fill; 32]).unwrap()
}

fn verdict(case: &Value) -> &'static str {
    let Ok(note) = Note::parse(&vectors::base64_of(case, "note_b64")) else { return "malformed" };
    let keys = case["vkeys"].as_array().unwrap().iter();
    let keys: Vec<VerifierKey> = keys.map(|key| key.as_str().unwrap().parse().unwrap()).collect();
    match note.verify(&keys) {
        Ok(_) => "ok",
        Err(NoteError::Unverified) => "unverified",
        Err(NoteError::InvalidSignature { .. }) => "invalid-signature",
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn every_published_note_gets_its_verdict() {
    let Some(cases) = vectors::cases("note_cases.jsonl.gz") else { return };
    assert_eq!(cases.len(), 29);
    for case in &cases {
        assert_eq!(verdict(case), vectors::str_of(case, "expect"), "{}", case["name"]);
        for key in case["vkeys"].as_array().unwrap() {
            let key = key.as_str().unwrap();
            assert_eq!(key.parse::<VerifierKey>().unwrap().to_string(), key);
        }
    }
}

#[test]
fn well_formed_notes_are_written_as_they_were_read() {
    let Some(cases) = vectors::cases("note_cases.jsonl.gz") else { return };
    for case in cases.iter().filter(|case| case["expect"] != "malformed") {
        let bytes = vectors::base64_of(case, "note_b64");
        assert_eq!(Note::parse(&bytes).unwrap().to_string().into_bytes(), bytes);
    }
}

#[test]
fn the_time_of_a_cosignature_is_told() {
    let Some(cases) = vectors::cases("note_cases.jsonl.gz") else { return };
    let case = cases.iter().find(|case| case["name"] == "checkpoint 12 + cosignature/v1").unwrap();
    let note = Note::parse(&vectors::base64_of(case, "note_b64")).unwrap();
    let key: VerifierKey = case["vkeys"][1].as_str().unwrap().parse().unwrap();
    assert_eq!(key.kind(), KeyKind::Cosignature);
    let verified = note.verify(std::slice::from_ref(&key)).unwrap();
    assert_eq!(verified[0].timestamp_s, Some(0x691f_ab80));
}

#[test]
fn what_we_sign_another_implementation_verifies() {
    let signer = signer("example.com/log", 7);
    let mut note = Note::new("example.com/log\n0\nAAAA\n").unwrap();
    signer.sign(&mut note);
    let verifier = signed_note::StandardVerifier::new(&signer.verifier().to_string()).unwrap();
    assert_eq!(verifier.key_id(), signer.verifier().key_id());
    let theirs = signed_note::Note::from_bytes(note.to_string().as_bytes()).unwrap();
    let known = signed_note::VerifierList::new(vec![Box::new(verifier)]);
    let (verified, unverified) = theirs.verify(&known).unwrap();
    assert_eq!((verified.len(), unverified.len()), (1, 0));
}

#[test]
fn keys_read_back_from_their_texts() {
    let signer = signer("example.com/log", 9);
    let again = NoteSigner::from_skey(&signer.to_skey()).unwrap();
    assert_eq!(again.verifier(), signer.verifier());
    let theirs = signed_note::StandardSigner::new(&signer.to_skey()).unwrap();
    assert_eq!(signed_note::Signer::key_id(&theirs), signer.verifier().key_id());
    let text = signer.verifier().to_string();
    assert_eq!(&text.parse::<VerifierKey>().unwrap(), signer.verifier());
}

#[test]
fn debug_output_shows_no_secret() {
    let signer = signer("example.com/log", 0x41);
    let shown = format!("{signer:?}");
    assert_eq!(shown, "NoteSigner(example.com/log, …)");
    assert!(!shown.contains("AAAA") && !shown.contains("4141"));
}

#[test]
fn altered_keys_are_refused() {
    let key = signer("example.com/log", 3).verifier().to_string();
    let (rest, material) = key.rsplit_once('+').unwrap();
    let (name, id) = rest.rsplit_once('+').unwrap();
    let of = |text: String| text.parse::<VerifierKey>().unwrap_err();
    assert_eq!(of(format!("{name}x+{id}+{material}")), KeyError::Id);
    assert_eq!(of(format!("{name}+00000000+{material}")), KeyError::Id);
    assert_eq!(of(format!("{name}+{}+{material}", id.to_uppercase() + "0")), KeyError::Malformed);
    assert_eq!(of(format!("{name} +{id}+{material}")), KeyError::Name);
    assert_eq!(of(format!("+{id}+{material}")), KeyError::Name);
    assert_eq!(of(format!("{name}+{id}+{}", &material[4..])), KeyError::Kind(decoded(material)));
    assert_eq!(of(format!("{name}+{id}")), KeyError::Malformed);
    assert_eq!(of(String::new()), KeyError::Malformed);
    // The identity point verifies anything under lax rules.
    let mut identity = [0; 32];
    identity[0] = 1;
    let weak = VerifierKey::new("x", KeyKind::Ed25519, &identity);
    assert_eq!(weak, Err(KeyError::Point));
}

/// First byte after the first three of base64 material.
fn decoded(material: &str) -> u8 {
    STANDARD.decode(material).unwrap()[3]
}

#[test]
fn unknown_signatures_are_kept_and_passed_over() {
    let (ours, theirs) = (signer("ours", 1), signer("theirs", 2));
    let mut note = Note::new("text\n").unwrap();
    theirs.sign(&mut note);
    ours.sign(&mut note);
    let note = Note::parse(note.to_string().as_bytes()).unwrap();
    let verified = note.verify(std::slice::from_ref(ours.verifier())).unwrap();
    assert_eq!(verified.len(), 1);
    assert_eq!(note.signatures().len(), 2);
    assert_eq!(note.signatures()[0].name(), "theirs");
}

#[test]
fn a_known_key_with_another_key_of_the_same_name_does_not_stand_in_for_it() {
    let (real, look_alike) = (signer("example.com/log", 1), signer("example.com/log", 2));
    let mut note = Note::new("text\n").unwrap();
    look_alike.sign(&mut note);
    let known = std::slice::from_ref(real.verifier());
    assert!(matches!(note.verify(known), Err(NoteError::Unverified)));
    // The same, with the real key's id copied over.
    let line = note.signatures()[0].to_string();
    let mut bytes = STANDARD.decode(line.rsplit_once(' ').unwrap().1).unwrap();
    bytes[..4].copy_from_slice(&real.verifier().key_id().to_be_bytes());
    let forged = format!("text\n\n— example.com/log {}\n", STANDARD.encode(bytes));
    let forged = Note::parse(forged.as_bytes()).unwrap();
    assert!(matches!(forged.verify(known), Err(NoteError::InvalidSignature { .. })));
}

#[test]
fn one_bad_signature_of_a_known_key_spoils_the_note() {
    let key = signer("k", 1);
    let mut other_text = Note::new("other\n").unwrap();
    key.sign(&mut other_text);
    let mut note = Note::new("text\n").unwrap();
    key.sign(&mut note);
    note.add(other_text.signatures()[0].clone());
    let refused = note.verify(std::slice::from_ref(key.verifier()));
    assert!(matches!(refused, Err(NoteError::InvalidSignature { .. })));
}

#[test]
fn sixteen_signatures_are_accepted_and_a_hundred_and_one_are_not() {
    let mut note = Note::new("text\n").unwrap();
    for n in 0..101 {
        signer("k", n).sign(&mut note);
        let read = Note::parse(note.to_string().as_bytes());
        assert_eq!(read.is_ok(), n < 100, "{} signatures", n + 1);
    }
}

#[test]
fn texts_that_cannot_be_signed_are_refused() {
    for text in ["", "no newline", "tab\there\n", "\r\n", "nul\0\n"] {
        assert!(Note::new(text).is_err(), "{text:?}");
    }
    assert!(Note::new("two\n\nparts\n").is_ok());
}

#[test]
fn a_cosignature_covers_text_and_time() {
    let witness = Cosigner::new("witness.example/w1", &[5; 32]).unwrap();
    let mut note = Note::new("example.com/log\n1\nAAAA\n").unwrap();
    witness.cosign(&mut note, 1_763_683_200).unwrap();
    let keys = [witness.verifier().to_string().parse::<VerifierKey>().unwrap()];
    assert_eq!(note.verify(&keys).unwrap()[0].timestamp_s, Some(1_763_683_200));
    let elsewhere = note.to_string().replacen("\n1\n", "\n2\n", 1);
    let elsewhere = Note::parse(elsewhere.as_bytes()).unwrap();
    assert!(matches!(elsewhere.verify(&keys), Err(NoteError::InvalidSignature { .. })));
    assert!(witness.cosign(&mut note, u64::MAX).is_err());
}

proptest! {
    #[test]
    fn every_changed_byte_of_a_signed_note_is_caught(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let key = signer("example.com/log", 4);
        let mut note = Note::new("example.com/log\n12\nroot\n").unwrap();
        key.sign(&mut note);
        let mut bytes = note.to_string().into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        let verified = Note::parse(&bytes)
            .is_ok_and(|note| note.verify(std::slice::from_ref(key.verifier())).is_ok());
        prop_assert!(!verified);
    }

    #[test]
    fn arbitrary_bytes_are_no_note_and_no_key(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Note::parse(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        let _ = text.parse::<VerifierKey>();
        let _ = NoteSigner::from_skey(&text);
    }
}
