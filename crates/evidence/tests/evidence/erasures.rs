//! Bundles of logs from which records were rightly taken away, and what somebody could try to pass off as
//! that.

use exhibit_evidence::{Demands, Verdict};

use crate::corpus::{
    Case, Draft, Operator, Record, act, bundle_without, check, erasure, records, said,
};

const ERASURES: &str = "erasures/000000.jsonl";
const RECORDS: &str = "records/000000.jsonl";
/// The leaves of the trace `trace-1`: four spans and a seal.
const TRACE: [usize; 5] = [1, 4, 7, 10, 13];
const RANGES: [(u64, u64); 5] = [(1, 2), (4, 5), (7, 8), (10, 11), (13, 14)];

/// The log of the corpus, and the act by which a trace of it was erased.
fn log(leaves: &[(u64, u64)]) -> Vec<Record> {
    let mut log = records();
    log.push(erasure(210, leaves));
    log
}

/// Two acts, of which the second names some of what the first took, and another trace.
fn twice() -> Vec<Record> {
    let more = erasure(211, &[(0, 2), (3, 4), (6, 7), (9, 10), (12, 13)]);
    [log(&RANGES), vec![more]].concat()
}

/// What both took.
const TWICE: [usize; 10] = [0, 1, 3, 4, 6, 7, 9, 10, 12, 13];

fn whole(log: &[Record], gone: &[usize]) -> Draft {
    Draft::of(&bundle_without(&Operator::new(), log, None, &[], &|_, _| true, gone))
}

/// What is left of an erased trace: its leaves, and the act.
fn rest(log: &[Record]) -> Draft {
    let shown = |index, _: &Record| TRACE.contains(&index) || index == 15;
    Draft::of(&bundle_without(&Operator::new(), log, Some("trace-1"), &[], &shown, &TRACE))
}

/// Every case, by name.
#[allow(clippy::vec_init_then_push, reason = "a list that grows downwards reads best")]
pub(crate) fn cases() -> Vec<Case> {
    let operator = Operator::new();
    let sign = |draft: Draft| draft.signed_by(&operator);
    let erased = || whole(&log(&RANGES), &TRACE);
    let mut cases = Vec::new();
    let mut case = |name, bundle, verdict, code| cases.push(Case { name, bundle, verdict, code });

    case("good-erased", sign(erased()), "valid", "");
    case("good-all-erased", sign(rest(&log(&RANGES))), "erased-with-certificate", "");
    case("good-erased-twice", sign(whole(&twice(), &TWICE)), "valid", "");

    // Records that are not there, and no certificate says so.
    let mut draft = erased();
    draft.files.remove(ERASURES);
    case("certificate-removed", sign(draft), "missing", "record-missing");
    let b = sign(whole(&log(&RANGES), &[1, 2, 4, 7, 10, 13]));
    case("one-more-record-removed", b, "missing", "record-missing");
    let b = sign(rest(&log(&RANGES[..4])));
    case("certificate-of-less", b, "missing", "record-missing");

    // Certificates that are none.
    let edit = |draft: Draft, from: &'static str, to: &'static str| {
        draft.lines(ERASURES, |lines| {
            assert!(lines[0].contains(from), "{}", lines[0]);
            lines[0] = lines[0].replacen(from, to, 1);
        })
    };
    let forged = whole(&log(&RANGES), &[1, 2, 4, 7, 10, 13]);
    let b = sign(edit(forged, "[[1,2],", "[[1,3],"));
    case("certificate-widened", b, "altered", "certificate-changed,record-missing");
    let b = sign(edit(erased(), "request 4711", "request 4712"));
    case("certificate-with-another-reason", b, "altered", "certificate-changed,record-missing");
    let b = sign(edit(erased(), "\"salt\":\"", "\"salt\":\"00"));
    case("certificate-with-another-salt", b, "altered", "certificate-changed,record-missing");
    let b = sign(edit(erased(), "\"index\":15", "\"index\":14"));
    case("certificate-of-another-leaf", b, "bad-proof", "certificate-not-in-log,record-missing");
    let b = sign(edit(erased(), "\"index\":15", "\"index\":16"));
    case("certificate-beyond-the-log", b, "bad-proof", "certificate-not-in-log,record-missing");
    let b = sign(edit(erased(), "\"type\":\"erasure\"", "\"type\":\"retention\""));
    case("certificate-of-another-kind", b, "bad-proof", "certificate-not-in-log,record-missing");
    let elsewhere = rest(&log(&[(0, 1), (3, 4)]));
    case(
        "certificate-of-another-trace",
        sign(elsewhere),
        "bad-proof",
        "certificate-unfit,record-missing",
    );
    let mut before = records();
    before.insert(1, erasure(210, &[(2, 3)]));
    let b = sign(whole(&before, &[2]));
    case("certificate-for-what-comes", b, "bad-proof", "certificate-unfit,record-missing");
    let acts = [log(&RANGES), vec![erasure(211, &[(12, 13), (15, 16)])]].concat();
    let b = sign(whole(&acts, &[1, 4, 7, 10, 12, 13]));
    case("certificate-for-an-act", b, "bad-proof", "certificate-unfit,record-missing");
    for (name, body) in [
        ("act-of-another-kind", r#"{"act":"hold_placed","hold":{}}"#),
        (
            "act-without-leaves",
            r#"{"act":"erased","erased":{"cause":"erasure","why":"x","at":"1"}}"#,
        ),
        ("act-that-does-not-read", "{"),
    ] {
        let log = [records(), vec![act(210, body)]].concat();
        let b = sign(whole(&log, &TRACE));
        case(name, b, "bad-proof", "certificate-unfit,record-missing");
    }
    let doubled = |lines: &mut Vec<String>| lines.push(lines[0].clone());
    let b = sign(erased().lines(ERASURES, doubled));
    case("certificate-doubled", b, "bad-proof", "certificate-unfit");
    let b = sign(edit(erased(), "{\"index\"", "{ \"index\""));
    case("certificate-spelled-otherwise", b, "refused", "malformed-file");
    let b = sign(erased().lines(ERASURES, |lines| "{}".clone_into(&mut lines[0])));
    case("certificate-line-of-nothing", b, "refused", "malformed-file");

    // Somebody has kept what was erased, and brings it back.
    let b = sign(whole(&log(&RANGES), &[1, 7, 10, 13]));
    case("erased-record-shown", b, "altered", "record-erased");

    // Without the key.
    let mut draft = erased();
    let bytes = draft.manifest.to_bytes();
    let signature = draft.manifest.sign(&bytes, &operator.log);
    draft.files.get_mut(ERASURES).unwrap()[20] ^= 1;
    let b = draft.zip(&bytes, signature.as_bytes());
    case("certificate-file-changed", b, "altered", "file-changed");
    cases
}

#[test]
fn every_erasure_and_what_passes_for_one_is_told_by_its_name() {
    for case in cases() {
        let report = check(&case.bundle, &Demands::default());
        assert_eq!(said(&report), case.expected(), "{}: {:?}", case.name, report.faults);
    }
}

#[test]
fn a_verdict_over_erased_records_says_who_took_them_when_and_why() {
    let operator = Operator::new();
    let report = check(&whole(&log(&RANGES), &TRACE).signed_by(&operator), &Demands::default());
    assert_eq!(report.verdict, Verdict::Valid);
    assert!(report.qualifiers.contains(&"erased-with-certificate"), "{:?}", report.qualifiers);
    assert!(report.complete, "every leaf is shown");
    assert_eq!((report.erased, report.records, report.traces), (5, 10, 2));
    let [one] = &*report.erasures else { panic!("{:?}", report.erasures) };
    let told = (&*one.cause, &*one.why, one.by.as_deref(), &*one.at, one.index, one.records);
    let at = "2027-01-15T08:00:00.12Z";
    assert_eq!(told, ("erasure", "request 4711 \"é\"", Some("key:k1"), at, 15, 5));
    assert!(one.in_words().contains("5 records by key:k1 at 2027"), "{}", one.in_words());
}

#[test]
fn certificates_that_overlap_count_each_record_once() {
    let report = check(&whole(&twice(), &TWICE).signed_by(&Operator::new()), &Demands::default());
    let counted: Vec<u64> = report.erasures.iter().map(|one| one.records).collect();
    assert_eq!((report.erased, counted), (10, vec![4, 6]), "{:?}", report.faults);
}

#[test]
fn no_changed_byte_of_a_certificate_passes_as_valid() {
    let operator = Operator::new();
    let good = whole(&log(&RANGES), &TRACE);
    let length = good.files[ERASURES].len();
    for at in 0..length {
        let mut draft = whole(&log(&RANGES), &TRACE);
        draft.files.get_mut(ERASURES).unwrap()[at] ^= 1;
        let report = check(&draft.signed_by(&operator), &Demands::default());
        assert!(report.verdict > Verdict::Unverifiable, "byte {at}: {:?}", report.verdict);
    }
    assert!(good.files.contains_key(RECORDS));
}
