//! Records that a reviewer had redacted or erased, and records that somebody would like to pass off as such.

use exhibit_evidence::Demands;
use exhibit_ledger::{Hash, Leaf, LeafKind, leaf_hash, tree::root_of};

use crate::corpus::{Case, Draft, Operator, Record, bundle, check, record, said};

const RECORDS: &str = "records/000000.jsonl";

/// A revision of the one span of the trace; `decision` is what it says of a review.
fn revision(n: u8, replaces: Option<&Record>, decision: &str) -> Record {
    let header = r#"{"trace_id":"trace-0","span_id":"span-0","name":"step"}"#;
    let attributes = format!(r#"{{"attributes":{{{decision}}},"resource":{{}},"scope":{{}}}}"#);
    let parts =
        [header.to_owned(), format!(r#""input {n}""#), String::new(), attributes, String::new()];
    let parts = parts.map(String::into_bytes).to_vec();
    let mut one = record(LeafKind::Span, "trace-0".into(), Some("span-0".into()), n, parts);
    let mut leaf = Leaf::parse(&one.leaf).unwrap();
    leaf.supersedes = replaces.map(|before| before.id);
    one.leaf = leaf.to_bytes().unwrap();
    one
}

/// A log of three revisions of a span, and its seal. The last says `decision`.
fn log(decision: &str) -> Vec<Record> {
    let first = revision(0, None, "");
    let second = revision(1, Some(&first), "");
    let third = revision(2, Some(&second), decision);
    let mut log = vec![first, second, third];
    let hashes: Vec<Hash> = log.iter().map(|one| leaf_hash(&one.leaf)).collect();
    let root = root_of(&hashes).to_hex();
    let seal = format!(
        r#"{{"trace_id":"trace-0","covered":3,"root":"{root}","partial":false,"late":false}}"#
    );
    log.push(record(LeafKind::TraceSeal, "trace-0".into(), None, 100, vec![seal.into_bytes()]));
    log
}

fn decided(handling: &str) -> String {
    format!(r#""exhibit.review_decision":{{"rules":["p/r"],"findings":1,"handling":"{handling}"}}"#)
}

/// A bundle in which the contents of these records are gone.
fn bare(log: &[Record], gone: &[usize]) -> Draft {
    Draft::of(&bundle(&Operator::new(), log, Some("trace-0"))).lines(RECORDS, |lines| {
        for at in gone {
            let parts = lines[*at].find("\"parts\":[").unwrap();
            lines[*at].replace_range(parts.., "\"parts\":[]}");
            lines[*at] = lines[*at].replacen("\"superseded\":false", "\"superseded\":true", 1);
        }
    })
}

/// Every case, by name.
#[allow(clippy::vec_init_then_push, reason = "a list that grows downwards reads best")]
pub(crate) fn cases() -> Vec<Case> {
    let operator = Operator::new();
    let sign = |draft: Draft| draft.signed_by(&operator);
    let mut cases = Vec::new();
    let mut case = |name, bundle, verdict, code| cases.push(Case { name, bundle, verdict, code });
    case("good-redacted-by-review", sign(bare(&log(&decided("redact")), &[1])), "valid", "");
    case("good-erased-by-review", sign(bare(&log(&decided("erase")), &[0, 1])), "valid", "");
    let b = sign(bare(&log(&decided("release")), &[1]));
    case("released-and-gone", b, "missing", "record-not-cleared");
    case("gone-without-a-review", sign(bare(&log(""), &[1])), "missing", "record-not-cleared");
    let b = sign(bare(&log(&decided("erase")), &[2]));
    case("the-review-itself-gone", b, "missing", "record-not-cleared");
    let b = sign(bare(&log(&decided("erase")), &[1]).lines(RECORDS, |lines| {
        lines[1] = lines[1].replacen("span-0", "span-1", 1);
    }));
    case("another-span-gone", b, "missing", "record-not-cleared");
    let b = sign(bare(&log(&decided("erase")), &[1]).lines(RECORDS, |lines| {
        lines[1] = lines[1].replacen("\"superseded\":true", "\"superseded\":false", 1);
    }));
    case("gone-and-current", b, "altered", "record-changed");
    let b = sign(bare(&log(&decided("erase")), &[3]));
    case("seal-without-parts", b, "altered", "record-changed");
    let twice = |lines: &mut Vec<String>| lines.push(lines[1].clone());
    let b = sign(bare(&log(&decided("erase")), &[1]).lines(RECORDS, twice));
    case("gone-twice", b, "altered", "record-twice");
    cases
}

#[test]
fn what_a_reviewer_took_away_is_told_from_what_somebody_did() {
    for case in cases() {
        let report = check(&case.bundle, &Demands::default());
        assert_eq!(said(&report), case.expected(), "{}: {:?}", case.name, report.faults);
        if report.faults.is_empty() {
            assert!(report.qualifiers.contains(&"cleared-by-review"), "{:?}", report.qualifiers);
        }
    }
}
