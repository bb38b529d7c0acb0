//! Leaves: one byte form each.

use std::borrow::Cow;
use std::collections::BTreeMap;

use exhibit_ledger::canonical::{canonicalize, parse_strict};
use exhibit_ledger::leaf::{LEAF_BYTES_MAX, Leaf, LeafError, LeafKind};
use exhibit_ledger::record::RecordId;
use exhibit_ledger::tree::{Hash, leaf_hash, leaf_hashes};
use proptest::prelude::*;

fn span() -> Leaf {
    Leaf {
        body_root: Some(leaf_hash(b"body")),
        lengths: vec![120, 1500, 900, 280, 0],
        rules: Some(leaf_hash(b"rules")),
        epoch: Some(1),
        ..Leaf::new(LeafKind::Span, RecordId([0xab; 16]), "otlp", 1_763_683_200_123_456_789)
    }
}

#[test]
fn a_span_leaf_has_exactly_this_form() {
    let text = String::from_utf8(span().to_bytes().unwrap()).unwrap();
    let (body, rules) = (leaf_hash(b"body"), leaf_hash(b"rules"));
    let expected = format!(
        "{{\"body_root\":\"{body}\",\"epoch\":1,\"id\":\"abababababababababababababababab\",\
         \"lengths\":[120,1500,900,280,0],\"received\":\"1763683200123456789\",\
         \"rules\":\"{rules}\",\"source\":\"otlp\",\"type\":\"span\",\"v\":1}}"
    );
    assert_eq!(text, expected);
    assert!(text.len() <= 400, "{} bytes", text.len());
    assert_eq!(span().fingerprint().unwrap(), leaf_hash(text.as_bytes()));
}

#[test]
fn facts_of_a_head_are_carried() {
    let mut leaf = Leaf::new(LeafKind::Head, RecordId([1; 16]), "server", 5);
    leaf.facts.insert("size".into(), "12".into());
    leaf.facts.insert("log".into(), "workspace \"π\"\n\u{1}\\".into());
    let bytes = leaf.to_bytes().unwrap();
    assert_eq!(Leaf::parse(&bytes).unwrap(), leaf);
    assert!(String::from_utf8(bytes).unwrap().contains(r#""log":"workspace \"π\"\n\u0001\\""#));
}

#[test]
fn every_kind_reads_back() {
    for kind in LeafKind::ALL {
        let leaf = Leaf::new(*kind, RecordId([2; 16]), "native", 1);
        assert_eq!(Leaf::parse(&leaf.to_bytes().unwrap()).unwrap(), leaf);
        assert_eq!(kind.as_str().parse::<LeafKind>().unwrap(), *kind);
    }
    assert_eq!(LeafKind::ALL.len(), 16);
}

#[test]
fn other_spellings_of_a_leaf_are_refused() {
    let text = String::from_utf8(span().to_bytes().unwrap()).unwrap();
    for (from, to) in [
        ("{\"body", "{ \"body"),
        ("\"v\":1}", "\"v\":1} "),
        ("\"v\":1}", "\"v\":2}"),
        ("\"v\":1}", "\"v\":1,\"w\":1}"),
        ("\"epoch\":1", "\"epoch\":01"),
        ("\"epoch\":1", "\"epoch\":1.0"),
        ("\"epoch\":1", "\"epoch\":4294967296"),
        ("\"epoch\":1,", "\"epoch\":1,\"epoch\":1,"),
        ("\"epoch\":1,", "\"epoch\":1,\"facts\":{},"),
        ("\"id\":\"ab", "\"id\":\"AB"),
        ("\"id\":\"ab", "\"id\":\"zz"),
        ("120", "1e2"),
        ("120", "9007199254740992"),
        ("[120", "[-120"),
        ("\"received\":\"1", "\"received\":\"01"),
        ("\"received\":\"1", "\"received\":\"1111"),
        ("otlp", "OTLP"),
        ("otlp", "\\u006ftlp"),
        ("otlp", ""),
        ("\"source\"", "\"seq\":1,\"source\""),
        ("\"source\"", "\"seq\":\"\",\"source\""),
        ("\"span\"", "\"spam\""),
    ] {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text);
        assert!(Leaf::parse(other.as_bytes()).is_err(), "{from} to {to}");
    }
}

#[test]
fn facts_have_one_order_and_one_way_of_escaping() {
    let mut leaf = span();
    leaf.facts = [("a".into(), "1\n".to_owned()), ("b".into(), "2".to_owned())].into();
    let text = String::from_utf8(leaf.to_bytes().unwrap()).unwrap();
    assert_eq!(Leaf::parse(text.as_bytes()).unwrap(), leaf);
    for (from, to) in [
        (r#""a":"1\n","b":"2""#, r#""b":"2","a":"1\n""#),
        (r#""b":"2""#, r#""a":"2""#),
        (r#""b":"2""#, r#""b":"\u0032""#),
        (r"1\n", r"1\u000a"),
        (r#""b""#, r#""B""#),
    ] {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text);
        assert!(Leaf::parse(other.as_bytes()).is_err(), "{from} to {to}");
    }
}

#[test]
fn a_leaf_that_cannot_be_read_back_cannot_be_written() {
    let with = |change: fn(&mut Leaf)| {
        let mut leaf = span();
        change(&mut leaf);
        let mut out = b"kept".to_vec();
        let refused = leaf.encode(&mut out).unwrap_err();
        assert_eq!(out, b"kept");
        refused
    };
    assert!(matches!(with(|l| l.source = "".into()), LeafError::Field { field: "source", .. }));
    assert!(matches!(with(|l| l.source = "a b".into()), LeafError::Field { .. }));
    assert!(matches!(with(|l| l.source = "x".repeat(33).into()), LeafError::Field { .. }));
    assert!(matches!(with(|l| l.lengths = vec![1 << 53]), LeafError::Field { .. }));
    assert!(matches!(with(|l| l.lengths = vec![1; 257]), LeafError::Field { .. }));
    let named = |l: &mut Leaf| drop(l.facts.insert("Ä".into(), String::new()));
    assert!(matches!(with(named), LeafError::Field { field: "facts", .. }));
    let long = |l: &mut Leaf| drop(l.facts.insert("a".into(), "x".repeat(65_400)));
    assert!(matches!(with(long), LeafError::TooLong(_)));
    assert!(matches!(Leaf::parse(&vec![b' '; LEAF_BYTES_MAX + 1]), Err(LeafError::TooLong(_))));
}

fn any_leaf() -> impl Strategy<Value = Leaf> {
    let hash = || prop::option::of(any::<[u8; 32]>().prop_map(Hash));
    let record = || any::<[u8; 16]>().prop_map(RecordId);
    let kind = prop::sample::select(LeafKind::ALL);
    let facts = prop::collection::btree_map("[a-z0-9_]{1,8}", any::<String>(), 0..4);
    let head = (kind, record(), "[a-z0-9._-]{1,32}", any::<u64>(), facts);
    let tail = (
        prop::option::of(record()),
        prop::option::of(any::<u64>()),
        hash(),
        prop::collection::vec(0..1_u64 << 53, 0..6),
        hash(),
        prop::option::of(any::<u32>()),
    );
    (head, tail).prop_map(|((kind, id, source, received_ns, facts), tail)| {
        let (supersedes, seq, body_root, lengths, rules, epoch) = tail;
        let facts: BTreeMap<Cow<'static, str>, String> =
            facts.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect();
        let source = Cow::Owned(source);
        Leaf {
            kind,
            id,
            supersedes,
            source,
            seq,
            received_ns,
            body_root,
            lengths,
            rules,
            epoch,
            facts,
        }
    })
}

proptest! {
    #[test]
    fn many_leaves_are_hashed_as_each_alone(
        leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..500), 0..30),
    ) {
        let alone: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        prop_assert_eq!(leaf_hashes(&leaves), alone);
    }

    #[test]
    fn leaves_read_back_and_are_canonical_json(leaf in any_leaf()) {
        let bytes = leaf.to_bytes().unwrap();
        prop_assert_eq!(Leaf::parse(&bytes).unwrap(), leaf);
        let value = parse_strict(&bytes, 4).unwrap();
        prop_assert_eq!(canonicalize(&value).unwrap(), bytes);
    }

    #[test]
    fn a_changed_byte_is_refused_or_changes_the_fingerprint(
        leaf in any_leaf(), at in any::<prop::sample::Index>(), to in any::<u8>(),
    ) {
        let mut bytes = leaf.to_bytes().unwrap();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        if let Ok(other) = Leaf::parse(&bytes) {
            prop_assert_ne!(&other, &leaf);
            prop_assert_ne!(other.fingerprint().unwrap(), leaf.fingerprint().unwrap());
        }
    }

    #[test]
    fn a_cut_leaf_is_refused(leaf in any_leaf(), at in any::<prop::sample::Index>()) {
        let bytes = leaf.to_bytes().unwrap();
        prop_assert!(Leaf::parse(&bytes[..at.index(bytes.len())]).is_err());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Leaf::parse(&bytes).is_err());
    }

    #[test]
    fn broken_strings_never_panic(text in "([a-z\"\\\\u0-9]){0,20}") {
        let bytes = format!("{{\"facts\":{{\"a\":\"{text}");
        prop_assert!(Leaf::parse(bytes.as_bytes()).is_err());
    }
}
