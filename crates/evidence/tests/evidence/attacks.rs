//! Bundles that somebody changed who holds the signing key, so that every digest and signature fits:
//! what is left is the log. And what others, without the key, can do.

use exhibit_evidence::{Demands, Verdict};
use exhibit_ledger::{
    Checkpoint, Hash, Policy, SignedCheckpoint, leaf_hash, note::Cosigner, tree::root_of,
};

use crate::corpus::{
    Case, Draft, Operator, bundle, bundle_of, check, heads, part_hash_of, records, said,
};

const LOG: &str = "log/000000.jsonl";
const RECORDS: &str = "records/000000.jsonl";

/// Every attack, by name.
#[allow(clippy::vec_init_then_push, reason = "a list that grows downwards reads best")]
pub(crate) fn cases() -> Vec<Case> {
    let operator = Operator::new();
    let thief = Operator::with_seed(8);
    let all = records();
    let one = || Draft::of(&bundle(&operator, &all, Some("trace-1")));
    let whole = || Draft::of(&bundle(&operator, &all, None));
    let sign = |draft: Draft| draft.signed_by(&operator);
    let mut cases = Vec::new();
    let mut case = |name, bundle, verdict, code| cases.push(Case { name, bundle, verdict, code });

    case("good-trace", bundle(&operator, &all, Some("trace-1")), "valid", "");
    case("good-whole-log", bundle(&operator, &all, None), "valid", "");
    case("good-withheld", bundle_of(&operator, &all, Some("trace-2"), &["input"]), "valid", "");
    case("good-resigned", sign(one()), "valid", "");

    // Records.
    let edit = |draft: Draft, from: &'static str, to: &'static str| {
        draft.lines(RECORDS, |lines| {
            let at = lines.iter().position(|line| line.contains(from)).unwrap();
            lines[at] = lines[at].replacen(from, to, 1);
        })
    };
    let b = sign(edit(one(), "what is 1", "what is 7"));
    case("text-changed", b, "altered", "record-changed");
    let b = sign(one().lines(RECORDS, |lines| {
        lines[0] = lines[0].replacen("\"salt\":\"", "\"salt\":\"0", 1).replacen(
            "0\",\"text",
            "\",\"text",
            1,
        );
    }));
    case("salt-changed", b, "altered", "record-changed");
    let b = sign(edit(one(), "\"bytes\":0", "\"bytes\":1"));
    case("length-changed", b, "altered", "record-changed");
    let b = sign(one().lines(RECORDS, |lines| drop(lines.remove(1))));
    case("record-removed", b, "missing", "record-missing");
    let b = sign(one().lines(RECORDS, |lines| lines.push(lines[0].clone())));
    case("record-doubled", b, "altered", "record-twice");
    let b = sign(edit(one(), "\"index\":1,", "\"index\":2,"));
    case("record-moved", b, "reordered", "record-elsewhere");
    let b = sign(one().lines(RECORDS, |lines| {
        let (a, b) = ("\"index\":1,", "\"index\":4,");
        lines[0] = lines[0].replacen(a, b, 1);
        lines[1] = lines[1].replacen(b, a, 1);
    }));
    case("records-swapped", b, "reordered", "record-elsewhere");
    let b = sign(edit(one(), "{\"trace_id\":\"trace-1\"", "{\"trace_id\":\"trace-0\""));
    case("trace-relabelled", b, "altered", "record-mislabelled");
    let b = sign(edit(one(), "\"span_id\":\"span-4\"", "\"span_id\":\"span-x\""));
    case("span-relabelled", b, "altered", "record-mislabelled");
    let b = sign(edit(one(), "\"type\":\"span\"", "\"type\":\"trace-seal\""));
    case("kind-changed", b, "reordered", "record-elsewhere");
    let b = sign(one().lines(RECORDS, |lines| {
        lines[0] = lines[0].replacen("{\"trace_id\"", "{ \"trace_id\"", 1);
    }));
    case("line-spelled-otherwise", b, "refused", "malformed-file");
    let b = sign(one().lines(RECORDS, |lines| {
        lines[0] = lines[0].replacen("\"index\":1,", "\"index\":1,\"index\":1,", 1);
    }));
    case("key-doubled-in-a-line", b, "refused", "malformed-file");
    let b = sign(one().lines(RECORDS, |lines| lines[0] = "[".repeat(100_000)));
    case("deep-nesting", b, "refused", "malformed-file");
    let b = sign(one().file(RECORDS, vec![0xff, 0xfe, b'\n']));
    case("lines-not-utf8", b, "refused", "malformed-file");
    let mut draft = one();
    draft.manifest.counts.records = 99;
    case("counts-changed", sign(draft), "altered", "counts-differ");

    // The log.
    let b = sign(one().lines(LOG, |lines| drop(lines.remove(1))));
    case("leaf-removed", b, "missing", "leaves-missing");
    let b = sign(one().lines(LOG, |lines| drop(lines.pop())));
    case("log-truncated", b, "truncated", "leaves-truncated");
    let b = sign(whole().lines(LOG, |lines| lines.swap(2, 3)));
    case("leaves-swapped", b, "missing", "leaves-missing");
    let b = sign(one().lines(LOG, |lines| lines.insert(2, lines[1].clone())));
    case("leaf-doubled", b, "reordered", "leaves-out-of-order");
    let b = sign(whole().lines(LOG, |lines| {
        let (a, b) = (lines[2].clone(), lines[5].clone());
        lines[2] = b.replacen("\"index\":5", "\"index\":2", 1);
        lines[5] = a.replacen("\"index\":2", "\"index\":5", 1);
    }));
    case("leaves-swapped-and-renumbered", b, "altered", "root-differs");
    let b = sign(one().lines(LOG, |lines| {
        let at = lines.iter().position(|line| line.contains("\"hash\"")).unwrap();
        let from = lines[at].rfind(':').unwrap() + 2;
        let other = if lines[at].as_bytes()[from] == b'0' { "1" } else { "0" };
        lines[at].replace_range(from..=from, other);
    }));
    case("subtree-changed", b, "altered", "root-differs");
    let b = sign(one().lines(LOG, |lines| {
        lines[0] = format!(r#"{{"index":0,"leaves":8,"hash":"{}"}}"#, "0".repeat(64));
    }));
    case("subtree-widened", b, "reordered", "leaves-out-of-order");
    let b = sign(whole().lines(LOG, |lines| {
        lines[1] = format!(r#"{{"index":1,"leaves":2,"hash":"{}"}}"#, "0".repeat(64));
    }));
    case("subtree-out-of-place", b, "bad-proof", "bad-subtree");
    let b = sign(one().lines(LOG, |lines| {
        let at = lines.iter().position(|line| line.contains("\\\"v\\\":1")).unwrap();
        lines[at] = lines[at].replacen("\\\"v\\\":1", "\\\"v\\\":2", 1);
    }));
    case("leaf-of-another-version", b, "altered", "leaf-malformed");
    case("log-empty", sign(one().file(LOG, "")), "refused", "malformed-file");

    // A span is left out with its leaf, and the log is forged anew with the real key.
    let forged: Vec<_> =
        all.iter().filter(|r| r.span.as_deref() != Some("span-4")).cloned().collect();
    case(
        "span-cut-out-of-a-forged-log",
        bundle(&operator, &forged, Some("trace-1")),
        "missing",
        "seal-span-missing",
    );
    let mut swapped = all.clone();
    swapped.swap(1, 4);
    case(
        "spans-swapped-in-a-forged-log",
        bundle(&operator, &swapped, Some("trace-1")),
        "altered",
        "seal-differs",
    );

    // Signatures.
    let files = |operator: &Operator| {
        let hashes: Vec<Hash> = all.iter().map(|r| leaf_hash(&r.leaf)).collect();
        heads(operator, operator.log.verifier().name(), all.len() as u64, root_of(&hashes))
    };
    let stolen = files(&thief);
    let b = sign(one().file("checkpoints/log", stolen[2].1.clone()));
    case("checkpoint-of-another-key", b, "wrong-key", "checkpoint-signature");
    let b = sign(one().file("checkpoints/installation", stolen[3].1.clone()));
    case("installation-of-another-key", b, "wrong-key", "checkpoint-signature");
    let b = sign(one().file("keys/installation.vkey", stolen[1].1.clone()));
    case("installation-key-exchanged", b, "wrong-key", "key-differs");
    case("manifest-signed-by-another", one().signed_by(&thief), "wrong-key", "manifest-signature");
    let draft = one();
    let other = whole();
    let theirs = other.manifest.to_bytes();
    let b = draft
        .zip(&draft.manifest.to_bytes(), other.manifest.sign(&theirs, &operator.log).as_bytes());
    case("signature-of-another-manifest", b, "altered", "manifest-changed");
    let b = draft.zip(&draft.manifest.to_bytes(), b"{}");
    case("signature-malformed", b, "refused", "malformed-file");
    let note = String::from_utf8(one().files["checkpoints/log"].clone()).unwrap();
    let b = sign(one().file("checkpoints/log", note.replacen("\n15\n", "\n16\n", 1)));
    case("checkpoint-forged", b, "wrong-key", "checkpoint-signature");
    let b = sign(one().file("checkpoints/log", "nonsense"));
    case("checkpoint-malformed", b, "refused", "malformed-file");
    let b = sign(one().file("keys/log.vkey", "nonsense\n"));
    case("key-malformed", b, "refused", "malformed-file");
    let mut draft = one();
    draft.manifest.log.size = 14;
    case("manifest-states-another-head", sign(draft), "forked", "head-differs");
    let fork = heads(&operator, operator.log.verifier().name(), 15, leaf_hash(b"fork"));
    let b = sign(
        one()
            .file("checkpoints/installation", fork[3].1.clone())
            .file("checkpoints/head.json", fork[4].1.clone()),
    );
    case("installation-states-another-head", b, "forked", "head-differs");
    let head = String::from_utf8(one().files["checkpoints/head.json"].clone()).unwrap();
    let b =
        sign(one().file("checkpoints/head.json", head.replacen("\"index\":3", "\"index\":2", 1)));
    case("head-proof-of-another-place", b, "bad-proof", "head-proof");
    let b = sign(
        one().file("checkpoints/head.json", head.replacen("\"proof\":[", "\"proof\":[\"x\",", 1)),
    );
    case("head-proof-malformed", b, "refused", "malformed-file");

    // Without the key: a digest no longer fits.
    let mut draft = one();
    let bytes = draft.manifest.to_bytes();
    let signature = draft.manifest.sign(&bytes, &operator.log);
    draft.files.get_mut(RECORDS).unwrap()[40] ^= 1;
    case("file-changed", draft.zip(&bytes, signature.as_bytes()), "altered", "file-changed");
    let mut draft = one();
    draft.files.get_mut("README.txt").unwrap()[0] ^= 1;
    case("readme-changed", draft.zip(&bytes, signature.as_bytes()), "altered", "file-changed");
    let mut draft = one();
    draft.files.remove("extra/a.txt");
    case("file-removed", draft.zip(&bytes, signature.as_bytes()), "missing", "file-missing");
    let draft = one().file("extra/c.txt", "c");
    case("file-added", draft.zip(&bytes, signature.as_bytes()), "refused", "unlisted-file");
    let mut draft = one();
    draft.manifest.selection.filter = Some("cost > 1".into());
    let b = draft.zip(&draft.manifest.to_bytes(), signature.as_bytes());
    case("selection-rewritten", b, "altered", "manifest-changed");
    case(
        "manifest-malformed",
        one().zip(b"{", signature.as_bytes()),
        "refused",
        "malformed-manifest",
    );
    cases
}

#[test]
fn every_attack_is_caught_under_its_name() {
    for case in cases() {
        let report = check(&case.bundle, &Demands::default());
        assert_eq!(said(&report), case.expected(), "{}: {:?}", case.name, report.faults);
    }
}

#[test]
fn no_changed_byte_passes_as_valid() {
    let operator = Operator::new();
    let good = bundle(&operator, &records(), Some("trace-1"));
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        let report = check(&bad, &Demands::default());
        // Deflate pads its last byte with bits that mean nothing.
        let same = || Draft::of(&bad).files == Draft::of(&good).files;
        assert!(report.verdict != Verdict::Valid || same(), "byte {at}");
    }
}

#[test]
fn no_cut_passes_as_valid() {
    let good = bundle(&Operator::new(), &records(), Some("trace-1"));
    for length in 0..good.len() {
        let report = check(&good[..length], &Demands::default());
        assert_eq!(report.verdict, Verdict::Refused, "the first {length} bytes");
    }
}

#[test]
fn a_verdict_says_what_it_rests_on() {
    let operator = Operator::new();
    let good = bundle(&operator, &records(), None);
    let report = check(&good, &Demands::default());
    assert_eq!(report.qualifiers, ["key-self-asserted", "unwitnessed"]);
    assert!(report.complete, "every leaf is shown");

    let key = operator.installation.verifier().clone();
    let pinned = Demands { key: Some(key), ..Demands::default() };
    assert_eq!(check(&good, &pinned).qualifiers, ["unwitnessed"]);
    let other = Operator::with_seed(8).installation.verifier().clone();
    let pinned = Demands { key: Some(other), ..Demands::default() };
    assert_eq!(said(&check(&good, &pinned)), ("wrong-key".into(), vec!["key-not-pinned".into()]));

    let demanding = Demands { require_witness: true, ..Demands::default() };
    let undecided = ("unverifiable".into(), vec!["unwitnessed".into()]);
    assert_eq!(said(&check(&good, &demanding)), undecided);
    let part = bundle(&operator, &records(), Some("trace-0"));
    assert!(!check(&part, &Demands::default()).complete);
}

#[test]
fn an_independent_checkpoint_finds_a_log_that_was_rewritten_with_the_real_key() {
    let operator = Operator::new();
    let all = records();
    let good = bundle(&operator, &all, None);
    let note = Draft::of(&good).files["checkpoints/log"].clone();
    let kept = || Some(SignedCheckpoint::parse(&note).unwrap());
    let demands = Demands { checkpoint: kept(), require_witness: true, ..Demands::default() };
    assert_eq!(check(&good, &demands).qualifiers, ["key-self-asserted"]);

    let mut rewritten = all;
    let first = rewritten.remove(0);
    rewritten.insert(3, first);
    let forged = bundle(&operator, &rewritten, Some("trace-1"));
    assert_eq!(check(&forged, &Demands::default()).verdict, Verdict::Valid, "it is consistent");
    let found = ("forked".to_owned(), vec!["checkpoint-contradicts".to_owned()]);
    assert_eq!(said(&check(&forged, &demands)), found);

    let old = SignedCheckpoint::sign(
        Checkpoint::new(operator.log.verifier().name(), 3, leaf_hash(b"x")),
        &operator.log,
    );
    let demands = Demands { checkpoint: old.ok(), ..Demands::default() };
    let found = ("unverifiable".to_owned(), vec!["no-consistency-proof".to_owned()]);
    assert_eq!(said(&check(&good, &demands)), found);
}

#[test]
fn the_cosignature_of_a_trusted_witness_makes_a_checkpoint_independent() {
    let operator = Operator::new();
    let draft = Draft::of(&bundle(&operator, &records(), None));
    let witness = Cosigner::new("witness.example/w", &[9; 32]).unwrap();
    let mut note = SignedCheckpoint::parse(&draft.files["checkpoints/installation"]).unwrap();
    note.cosign(&witness, 1_800_000_000).unwrap();
    let bundle = draft.file("checkpoints/installation", note.to_string()).signed_by(&operator);
    let policy = |keys| Some(Policy::threshold(keys, 1));
    let demands = Demands {
        policy: policy(vec![witness.verifier().clone()]),
        require_witness: true,
        ..Demands::default()
    };
    let report = check(&bundle, &demands);
    assert_eq!(report.verdict, Verdict::Valid);
    assert_eq!(report.witnesses, ["witness.example/w"]);
    assert_eq!(report.qualifiers, ["key-self-asserted"]);
    let stranger = Cosigner::new("witness.example/w", &[10; 32]).unwrap();
    let demands =
        Demands { policy: policy(vec![stranger.verifier().clone()]), ..Demands::default() };
    assert!(check(&bundle, &demands).qualifiers.contains(&"unwitnessed"));
}

#[test]
fn a_withheld_part_is_proved_by_its_hash_and_said_to_be_withheld() {
    let all = records();
    let operator = Operator::new();
    let report =
        check(&bundle_of(&operator, &all, Some("trace-2"), &["input"]), &Demands::default());
    assert_eq!(report.verdict, Verdict::Valid);
    assert!(report.qualifiers.contains(&"redacted"));
    // A hash of something else does not fit the leaf.
    let other = part_hash_of(&all[2], 1, b"another text").to_hex();
    let real = part_hash_of(&all[2], 1, &all[2].parts[1]).to_hex();
    let draft = Draft::of(&bundle_of(&operator, &all, Some("trace-2"), &["input"]));
    let bundle = draft
        .lines(RECORDS, |lines| lines[0] = lines[0].replacen(&real, &other, 1))
        .signed_by(&operator);
    assert_eq!(check(&bundle, &Demands::default()).verdict, Verdict::Altered);
}
