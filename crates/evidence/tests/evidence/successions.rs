//! Bundles of logs whose key has changed: who pinned the key before goes on verifying, unless that key
//! had to be given up; and successions that somebody made up.

use exhibit_evidence::Demands;
use exhibit_ledger::{
    Checkpoint, Hash, NoteSigner, SignedCheckpoint, Succession, VerifierKey,
    succession::{Head, Reason},
};
use serde_json::json;

use crate::corpus::{Case, Draft, ORIGIN, Operator, bundle, check, records, said};

const FILE: &str = "keys/successions.json";

fn key(name: &str, seed: u8) -> NoteSigner {
    NoteSigner::new(name, &[seed; 32]).unwrap()
}

/// An operator under this name, with this key.
fn operator(name: &str, seed: u8) -> Operator {
    Operator { log: key(&format!("{name}/1"), seed), installation: key(name, seed) }
}

fn second_epoch() -> String {
    format!("{ORIGIN}@2")
}

fn note(reason: Reason, old: &NoteSigner, new: &NoteSigner, ended: Head, kept: Head) -> String {
    let epoch = key(&format!("{ORIGIN}/epoch"), 50);
    let one = Succession {
        reason,
        old: old.verifier().clone(),
        new: new.verifier().clone(),
        epoch: epoch.verifier().clone(),
        ended,
        continues: kept,
    };
    let keys: &[&NoteSigner] = match reason {
        Reason::Rotation => &[old, new],
        Reason::Restore => &[old, new, &epoch],
        Reason::Compromise => &[new, &epoch],
    };
    one.sign(keys).unwrap()
}

fn with(bundle: &[u8], notes: &[String], operator: &Operator) -> Vec<u8> {
    Draft::of(bundle).file(FILE, json!(notes).to_string()).signed_by(operator)
}

const HEAD: Head = (9, Hash([9; 32]));

/// Bundles that every verifier must judge alike.
pub(crate) fn cases() -> Vec<Case> {
    let all = records();
    let (first, now) = (key(ORIGIN, 6), operator(ORIGIN, 7));
    let plain = bundle(&now, &all, Some("trace-1"));
    let rotation = note(Reason::Rotation, &first, &now.installation, HEAD, HEAD);
    let restored = operator(&second_epoch(), 8);
    let taken_back = bundle(&restored, &all, Some("trace-1"));
    let less = (5, Hash([5; 32]));
    let restore = note(Reason::Restore, &now.installation, &restored.installation, HEAD, less);
    let chain = [rotation.clone(), restore.clone()];
    let forged = rotation.replacen("rotation", "compromise", 1);
    let longer = restore.replacen("\n5 ", "\n6 ", 1);
    let case = |name, bundle, verdict, code| Case { name, bundle, verdict, code };
    let wrong = |name, bundle| case(name, bundle, "wrong-key", "key-succession");
    vec![
        case("good-after-rotation", with(&plain, &[rotation.clone()], &now), "valid", ""),
        case("good-after-restore", with(&taken_back, &chain, &restored), "valid", ""),
        case(
            "successions-malformed",
            { Draft::of(&plain).file(FILE, "{}").signed_by(&now) },
            "refused",
            "malformed-file",
        ),
        wrong("succession-to-another-key", with(&plain, &chain, &now)),
        wrong("succession-out-of-order", {
            with(&taken_back, &[restore, rotation.clone()], &restored)
        }),
        wrong("succession-of-another-reason", with(&plain, &[forged], &now)),
        wrong("succession-with-another-size", {
            with(&taken_back, &[rotation, longer], &restored)
        }),
        wrong("succession-of-nonsense", with(&plain, &["nonsense".to_owned()], &now)),
    ]
}

#[test]
fn every_succession_that_does_not_hold_is_named() {
    for Case { name, bundle, verdict, code } in cases() {
        let report = check(&bundle, &Demands::default());
        let codes = if code.is_empty() { vec![] } else { vec![code.to_owned()] };
        assert_eq!(said(&report), (verdict.to_owned(), codes), "{name}: {:?}", report.faults);
    }
}

fn pinned(key: &VerifierKey) -> Demands {
    Demands { key: Some(key.clone()), ..Demands::default() }
}

#[test]
fn who_pinned_the_key_before_goes_on_verifying() {
    let all = records();
    let (old, now) = (operator(ORIGIN, 6), operator(ORIGIN, 7));
    let rotation = note(Reason::Rotation, &old.installation, &now.installation, HEAD, HEAD);
    let bundle = with(&bundle(&now, &all, Some("trace-1")), &[rotation], &now);
    for key in [old.installation.verifier(), old.log.verifier()] {
        let report = check(&bundle, &pinned(key));
        assert_eq!(said(&report), ("valid".into(), vec![]), "{key}");
        assert_eq!(report.qualifiers, ["key-succeeded", "unwitnessed"]);
    }
    let report = check(&bundle, &pinned(now.log.verifier()));
    assert_eq!(report.qualifiers, ["unwitnessed"]);
    let other = ("wrong-key".to_owned(), vec!["key-not-pinned".to_owned()]);
    let stranger = operator(ORIGIN, 5);
    assert_eq!(said(&check(&bundle, &pinned(stranger.log.verifier()))), other);
}

#[test]
fn a_key_that_was_given_up_vouches_for_nothing() {
    let all = records();
    let (old, now) = (operator(ORIGIN, 6), operator(&second_epoch(), 7));
    let compromise = note(Reason::Compromise, &old.installation, &now.installation, HEAD, HEAD);
    let bundle = with(&bundle(&now, &all, Some("trace-1")), &[compromise], &now);
    let other = ("wrong-key".to_owned(), vec!["key-not-pinned".to_owned()]);
    assert_eq!(said(&check(&bundle, &pinned(old.log.verifier()))), other);
    assert_eq!(said(&check(&bundle, &pinned(now.log.verifier()))).0, "valid");
}

#[test]
fn a_restore_explains_why_a_kept_checkpoint_no_longer_fits() {
    let all = records();
    let (old, now) = (operator(ORIGIN, 6), operator(&second_epoch(), 7));
    let less = (5, Hash([5; 32]));
    let restore = note(Reason::Restore, &old.installation, &now.installation, HEAD, less);
    let bundle = with(&bundle(&now, &all, None), &[restore], &now);
    let kept = |operator: &Operator, size, root| {
        let head = Checkpoint::new(operator.log.verifier().name(), size, root);
        let checkpoint = SignedCheckpoint::sign(head, &operator.log).ok();
        Demands { checkpoint, ..Demands::default() }
    };
    let demands = kept(&old, 99, Hash([1; 32]));
    let taken_back = ("forked".to_owned(), vec!["checkpoint-taken-back".to_owned()]);
    assert_eq!(said(&check(&bundle, &demands)), taken_back);
    assert!(check(&bundle, &Demands::default()).qualifiers.contains(&"restored"));
    // What was signed after the restore is not excused by it.
    let demands = kept(&now, 15, Hash([1; 32]));
    let contradicts = ("forked".to_owned(), vec!["checkpoint-contradicts".to_owned()]);
    assert_eq!(said(&check(&bundle, &demands)), contradicts);
}

#[test]
fn a_retired_key_signs_nothing_later_than_its_end() {
    let all = records();
    let (old, now) = (operator(ORIGIN, 6), operator(ORIGIN, 7));
    let early = (4, Hash([4; 32]));
    let rotation = note(Reason::Rotation, &old.installation, &now.installation, early, early);
    let good = with(&bundle(&now, &all, None), &[rotation], &now);
    // The checkpoint of the installation's log covers five entries.
    let text =
        String::from_utf8(Draft::of(&good).files["checkpoints/installation"].clone()).unwrap();
    let head = SignedCheckpoint::parse(text.as_bytes()).unwrap().checkpoint().clone();
    let theirs = SignedCheckpoint::sign(head, &old.installation).unwrap().to_string();
    let bad = Draft::of(&good).file("checkpoints/installation", theirs).signed_by(&now);
    let unsigned = ("wrong-key".to_owned(), vec!["checkpoint-signature".to_owned()]);
    assert_eq!(said(&check(&bad, &Demands::default())), unsigned);
}
