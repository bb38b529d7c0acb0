//! Canonical JSON against the published documents and numbers, and against another implementation.

use exhibit_ledger::canonical::{
    CanonicalError, ParseError, canonicalize, format_number, parse_strict,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::vectors;

fn canonical_text(text: &str) -> String {
    let value = parse_strict(text.as_bytes(), 100).unwrap();
    String::from_utf8(canonicalize(&value).unwrap()).unwrap()
}

#[test]
fn the_documents_of_rfc_8785_get_their_canonical_form() {
    let Some(cases) = vectors::cases("jcs_cases.jsonl.gz") else { return };
    assert_eq!(cases.len(), 6);
    for case in cases {
        let value = parse_strict(&vectors::base64_of(&case, "input_b64"), 100).unwrap();
        let expected = vectors::base64_of(&case, "expected_b64");
        assert_eq!(canonicalize(&value).unwrap(), expected, "{}", case["name"]);
    }
}

#[test]
fn the_published_test_data_matches_byte_for_byte() {
    let Some(folder) = vectors::path("jcs-testdata") else { return };
    let mut documents = 0;
    for entry in std::fs::read_dir(folder.join("input")).unwrap() {
        let input = entry.unwrap().path();
        let expected = folder.join("output").join(input.file_name().unwrap());
        let value = parse_strict(&std::fs::read(&input).unwrap(), 100).unwrap();
        let found = canonicalize(&value).unwrap();
        assert_eq!(found, std::fs::read(expected).unwrap(), "{}", input.display());
        documents += 1;
    }
    assert_eq!(documents, 6);
}

#[test]
fn a_hundred_thousand_doubles_are_written_as_ecmascript_does() {
    let Some(text) = vectors::text("es6_numbers_100k.txt.gz") else { return };
    let mut numbers = 0;
    for line in text.lines() {
        let (bits, expected) = line.split_once(',').unwrap();
        let value = f64::from_bits(u64::from_str_radix(bits, 16).unwrap());
        assert_eq!(format_number(value).unwrap(), expected, "{bits}");
        numbers += 1;
    }
    assert!(numbers >= 100_000);
}

#[test]
fn names_are_ordered_by_utf16_also_when_nested() {
    let Some(folder) = vectors::path("trace-spec-canonicalization-boundary") else { return };
    let mut vectors = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let vector = parse_strict(&bytes, 100).unwrap();
        let expected = serde_json_canonicalizer::to_vec(&vector["record"]).unwrap();
        assert_eq!(canonicalize(&vector["record"]).unwrap(), expected);
        vectors += 1;
    }
    assert_eq!(vectors, 4);
    let ordered = canonical_text(r#"{"\ufb33":1,"\ud83d\ude00":2,"é":3,"ab":4,"a":5,"":6}"#);
    assert_eq!(ordered, "{\"\":6,\"a\":5,\"ab\":4,\"é\":3,\"😀\":2,\"\u{fb33}\":1}");
}

#[test]
fn numbers_that_json_has_not_are_not_written() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(format_number(value), None);
    }
    assert_eq!(canonical_text("[-0.0, 1E30, 4.50, 2e-3, 1e-27]"), "[0,1e+30,4.5,0.002,1e-27]");
}

#[test]
fn integers_beyond_2_to_the_53_are_refused_not_changed() {
    let largest = "[9007199254740992,-9007199254740992]";
    assert_eq!(canonical_text(largest), largest);
    for text in
        ["9007199254740993", "-9007199254740993", "1800000000000000000", "18446744073709551615"]
    {
        let value = parse_strict(text.as_bytes(), 4).unwrap();
        assert_eq!(canonicalize(&value), Err(CanonicalError::Integer(text.to_owned())));
    }
    // A double that would be written as such an integer.
    assert!(matches!(canonicalize(&json!(1e20)), Err(CanonicalError::Integer(_))));
    let lossy = parse_strict(b"[1, 18446744073709551616]", 4);
    assert_eq!(lossy, Err(ParseError::Integer { offset: 4 }));
}

#[test]
fn duplicate_names_are_refused_at_any_depth_and_in_any_spelling() {
    for text in [r#"{"a":1,"a":2}"#, r#"[{"b":{"a":1,"c":2,"a":1}}]"#, r#"{"a":1,"\u0061":1}"#] {
        let refused = parse_strict(text.as_bytes(), 8);
        assert_eq!(refused, Err(ParseError::DuplicateName { name: "a".to_owned() }), "{text}");
    }
    assert!(parse_strict(br#"{"a":{"a":1},"b":{"a":1}}"#, 8).is_ok());
}

#[test]
fn lone_surrogates_are_refused_and_pairs_are_read() {
    for (text, offset) in [
        (r#""\ud800""#, 1),
        (r#""ab\udc00""#, 3),
        (r#""\ud83d\u0041""#, 1),
        (r#"{"\ude00\ud83d":1}"#, 2),
        (r#""\ud83dx""#, 1),
    ] {
        let refused = parse_strict(text.as_bytes(), 8);
        assert_eq!(refused, Err(ParseError::LoneSurrogate { offset }), "{text}");
    }
    assert_eq!(parse_strict(r#""\uD83D\uDE00\\ud800""#.as_bytes(), 1).unwrap(), "😀\\ud800");
}

#[test]
fn broken_utf8_deep_nesting_and_trailing_data_each_have_their_name() {
    assert_eq!(parse_strict(b"\"a\xff\"", 1), Err(ParseError::Utf8 { offset: 2 }));
    assert_eq!(parse_strict(b"\"\xed\xa0\x80\"", 1), Err(ParseError::Utf8 { offset: 1 }));
    assert!(parse_strict(b"[[[\"[[[[\"]]]", 3).is_ok());
    assert_eq!(parse_strict(b"[[[[]]]]", 3), Err(ParseError::TooDeep { offset: 3, max: 3 }));
    let bomb = "[".repeat(1_000_000);
    assert_eq!(
        parse_strict(bomb.as_bytes(), 100_000),
        Err(ParseError::TooDeep { offset: 127, max: 127 })
    );
    let deepest = [vec![b'['; 127], vec![b']'; 127]].concat();
    assert!(parse_strict(&deepest, usize::MAX).is_ok());
    assert!(matches!(parse_strict(b"{} x", 3), Err(ParseError::Trailing { .. })));
    for text in ["", " ", "{", "nul", "[1,]", "{\"a\"}", "01", "1.", "+1", "NaN", "\"\t\"", "1e999"]
    {
        let refused = parse_strict(text.as_bytes(), 8);
        assert!(matches!(refused, Err(ParseError::Syntax { .. })), "{text}: {refused:?}");
    }
}

#[test]
fn a_value_too_deep_to_write_is_refused() {
    let mut value = json!(1);
    for _ in 0..600 {
        value = json!([value]);
    }
    assert_eq!(canonicalize(&value), Err(CanonicalError::TooDeep));
}

fn any_value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        (-(1_i64 << 53)..=1 << 53).prop_map(Value::from),
        any::<f64>().prop_filter_map("finite and small", |n| {
            (n.is_finite() && !(9e15..1e21).contains(&n.abs())).then(|| Value::from(n))
        }),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number,
        ".*".prop_map(Value::String),
        any::<String>().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 40, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
            prop::collection::vec((any::<String>(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn another_implementation_writes_the_same_bytes(value in any_value()) {
        let bytes = canonicalize(&value).unwrap();
        prop_assert_eq!(&bytes, &serde_json_canonicalizer::to_vec(&value).unwrap());
        // Canonical bytes read back to the same canonical bytes.
        let again = parse_strict(&bytes, 20).unwrap();
        prop_assert_eq!(canonicalize(&again).unwrap(), bytes);
    }

    #[test]
    fn the_reader_agrees_with_an_ordinary_one_on_what_it_accepts(value in any_value()) {
        let text = serde_json::to_vec_pretty(&value).unwrap();
        let expected: Value = serde_json::from_slice(&text).unwrap();
        prop_assert_eq!(parse_strict(&text, 20).unwrap(), expected);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_strict(&bytes, 10);
    }

    #[test]
    fn json_like_text_never_panics_and_is_never_misread(
        text in r#"([\[\]{},:0-9eE.+-]|"|\\u[dD][89abcdAB][0-9a-f]{2}|\\|a|true|null| ){0,60}"#,
    ) {
        if let Ok(value) = parse_strict(text.as_bytes(), 10) {
            prop_assert_eq!(Some(value), serde_json::from_str(&text).ok());
        }
    }
}
