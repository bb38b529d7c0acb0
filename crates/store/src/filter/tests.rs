//! Tests of the language. What filters find is tested by the conformance suite.

use exhibit_model::{CostSource, NanoUsd, Nanos, SpanKind, Status, Verdict};
use proptest::prelude::*;

use super::*;

const NOW: Nanos = Nanos(1_800_000_000_000_000_000);

fn parse(text: &str) -> Filter {
    Filter::parse(text, NOW).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn refused(text: &str) -> FilterError {
    Filter::parse(text, NOW).expect_err(text)
}

fn word(text: &str) -> Filter {
    Test::Text(TextTerm { text: text.into(), phrase: false }).into()
}

fn phrase(text: &str) -> Filter {
    Test::Text(TextTerm { text: text.into(), phrase: true }).into()
}

fn is(field: TextField, value: &str) -> Filter {
    Test::OneOf { field, values: vec![value.into()] }.into()
}

#[test]
fn what_is_typed_into_a_search_box_reads() {
    let error = || Filter::from(Test::Status(vec![Status::Error]));
    for text in [
        r#"status = error model = "gpt-4o" timeout"#,
        "status:error model:gpt-4o timeout",
        "STATUS=Error AND model=='gpt-4o' and timeout",
        "((status = error) (model = gpt-4o and (timeout)))",
    ] {
        let expected = Filter::all_of([error(), is(TextField::Model, "gpt-4o"), word("timeout")]);
        assert_eq!(parse(text), expected, "{text}");
    }
    assert_eq!(parse("  "), Filter::All);
    assert_eq!(parse("\"connection reset\""), phrase("connection reset"));
    assert_eq!(parse("file exists"), word("file").and(word("exists")));
    assert_eq!(parse("in errors"), word("in").and(word("errors")));
    for text in
        ["https://example.org/a?b=c", "Error:", "std::sync", "12:30", "-v", "1+1=2", "don't"]
    {
        assert_eq!(parse(text), word(text));
    }
}

#[test]
fn what_rules_said_and_how_reviews_stand_can_be_asked_for() {
    assert_eq!(parse("rule = default/costly-call"), is(TextField::Rule, "default/costly-call"));
    assert_eq!(parse("category:PII"), is(TextField::Category, "pii"));
    let waiting = vec![ReviewState::Open, ReviewState::Claimed, ReviewState::Escalated];
    assert_eq!(parse("review = waiting"), Test::Review(waiting.clone()).into());
    assert_eq!(parse("review in (waiting, open)"), Test::Review(waiting).into());
    assert_eq!(parse("has(review)"), Test::Has(Field::Review).into());
    assert!(refused("category = pi").to_string().contains("pii"));
    assert!(refused("review = opne").to_string().contains("open"));
}

#[test]
fn or_binds_weaker_than_and_and_not_strongest() {
    let expected = word("a").and(word("b").negate()).or(word("c").and(word("d")));
    assert_eq!(parse("a not b or c d"), expected);
    assert_eq!(parse("not not a"), word("a"));
    assert_eq!(parse("a and (b or c)"), word("a").and(word("b").or(word("c"))));
}

#[test]
fn values_have_types() {
    let count = |field, op, value| Filter::from(Test::Count { field, op, value });
    assert_eq!(parse("tokens_in >= 1_000"), count(CountField::TokensIn, Compare::Ge, 1000));
    assert_eq!(parse("errors != 0"), count(CountField::Errors, Compare::Eq, 0).negate());
    let cost = |nano| Filter::from(Test::Cost { op: Compare::Gt, value: NanoUsd(nano) });
    assert_eq!(parse("cost > $0.25"), cost(250_000_000));
    assert_eq!(parse("cost > .000000001"), cost(1));
    let latency = |ns| Filter::from(Test::Latency { op: Compare::Lt, value: Nanos(ns) });
    for (text, ns) in [
        ("1.5s", 1_500_000_000),
        ("200ms", 200_000_000),
        ("3µs", 3_000),
        ("7", 7),
        ("2m", 120_000_000_000),
    ] {
        assert_eq!(parse(&format!("latency < {text}")), latency(ns), "{text}");
    }
    let time = |op, ns| Filter::from(Test::Time { field: TimeField::Start, op, value: Nanos(ns) });
    let hour = 3_600_000_000_000;
    assert_eq!(parse("time >= -1h"), time(Compare::Ge, NOW.0 - hour));
    assert_eq!(parse("start >= now-1d"), time(Compare::Ge, NOW.0 - 24 * hour));
    assert_eq!(parse("time < now"), time(Compare::Lt, NOW.0));
    assert_eq!(parse("time >= 2027-01-15T08:00:00Z"), time(Compare::Ge, NOW.0));
    assert_eq!(parse("time:2027-01-15T09:00:00+01:00"), time(Compare::Eq, NOW.0));
    let (from, to) = (NOW.0 - 8 * hour, NOW.0 + 16 * hour);
    let day = time(Compare::Ge, from).and(time(Compare::Lt, to));
    assert_eq!(parse("time = 2027-01-15"), day);
    assert_eq!(parse("time > 2027-01-15"), time(Compare::Ge, to));
    assert_eq!(parse("time <= 2027-01-15"), time(Compare::Lt, to));
}

#[test]
fn lists_presence_and_pieces_of_text_read() {
    assert_eq!(
        parse("kind in (llm, 'tool')"),
        Test::Kind(vec![SpanKind::Llm, SpanKind::Tool]).into()
    );
    let tags = Test::OneOf { field: TextField::Tag, values: vec!["a".into(), "b, c".into()] };
    assert_eq!(parse(r#"tag not in (a, "b, c")"#), Filter::from(tags).negate());
    let has = Filter::from(Test::Has(Field::Text(TextField::Session)));
    assert_eq!(parse("has(session) session exists"), has.clone().and(has));
    let metadata = TextField::Metadata("team name".into());
    assert_eq!(parse(r#"metadata."team name" = x"#), is(metadata.clone(), "x"));
    assert_eq!(
        parse(r#"metadata."team name" !~ X"#),
        Filter::from(Test::Contains { field: metadata, piece: "X".into() }).negate()
    );
    assert_eq!(parse("sealed = false"), Filter::from(Test::Sealed).negate());
    assert_eq!(parse("text ~ \"a b\" text:c"), phrase("a b").and(word("c")));
}

#[test]
fn errors_say_where_and_what_was_meant() {
    for (text, position, part) in [
        ("modle = x", 0, "did you mean “model”?"),
        ("ok and staus:error", 7, "did you mean “status”?"),
        ("frobnicate = 1", 0, "there is no field “frobnicate”; put it in quotes"),
        ("status = eror", 9, "did you mean “error”?"),
        ("é model = ", 10, "expected a value"),
        ("(a or b", 7, "expected “)”"),
        ("a )", 2, "expected a test, “and”, “or” or the end"),
        ("a and", 5, "expected a test"),
        ("and a", 0, "before “and”"),
        ("\"open", 0, "never closed"),
        ("kind in (llm tool)", 13, "expected “,” or “)”"),
        ("cost > 0.0000000001", 7, "nine decimals"),
        ("latency > fast", 10, "a duration"),
        ("time > yesterday", 7, "a time such as"),
        ("tokens > -1", 9, "a whole number"),
        ("model > x", 8, "model is tested by"),
        ("status > ok", 9, "status is tested by"),
        ("cost ~ 1", 7, "cost is not text"),
        ("has(text)", 4, "not “text”"),
        ("has(sesion)", 4, "did you mean “session”?"),
    ] {
        let error = refused(text);
        assert!(error.message.contains(part), "{text}: {error}");
        assert_eq!(error.position, position, "{text}: {error}");
    }
}

#[test]
fn depth_length_and_numbers_are_bounded() {
    let nested = |n: usize| format!("{}a{}", "(".repeat(n), ")".repeat(n));
    assert_eq!(parse(&nested(DEPTH_MAX)), word("a"));
    assert!(refused(&nested(DEPTH_MAX + 1)).message.contains("deep"));
    assert!(refused(&"not ".repeat(DEPTH_MAX + 1)).message.contains("deep"));
    assert!(refused(&"a ".repeat(TESTS_MAX + 1)).message.contains("tests"));
    let list = |n: usize| format!("tag in ({}a)", "a,".repeat(n - 1));
    parse(&list(VALUES_MAX));
    assert!(refused(&list(VALUES_MAX + 1)).message.contains("values"));
    assert!(refused(&"a".repeat(LENGTH_MAX + 1)).message.contains("bytes"));
    for huge in [
        "cost > 99999999999999999999",
        "time > -999999999w",
        "latency < 1e9",
        "spans = 18446744073709551616",
    ] {
        refused(huge);
    }
}

#[test]
fn a_planner_sees_conjuncts_and_terms() {
    let filter = parse("status = ok x (y or not \"z\")");
    assert_eq!(filter.conjuncts().len(), 3);
    let terms: Vec<_> = filter.text_terms().into_iter().map(|t| t.text.as_str()).collect();
    assert_eq!(terms, ["x", "y", "z"]);
    assert_eq!(parse("x").conjuncts().len(), 1);
    assert!(Filter::all().conjuncts().is_empty());
}

fn compare() -> impl Strategy<Value = Compare> {
    prop_oneof![
        Just(Compare::Eq),
        Just(Compare::Lt),
        Just(Compare::Le),
        Just(Compare::Gt),
        Just(Compare::Ge)
    ]
}

fn text_field() -> impl Strategy<Value = TextField> {
    let plain = Field::names().filter_map(Field::parse).filter_map(|f| match f {
        Field::Text(TextField::Metadata(_)) => None,
        Field::Text(field) => Some(field),
        _ => None,
    });
    prop_oneof![
        proptest::sample::select(plain.collect::<Vec<_>>()),
        any::<String>().prop_filter("a key", |k| !k.is_empty()).prop_map(TextField::Metadata),
    ]
}

fn field() -> impl Strategy<Value = Field> {
    let others = Field::names().filter(|n| !n.starts_with("metadata")).filter_map(Field::parse);
    prop_oneof![
        proptest::sample::select(others.collect::<Vec<_>>()),
        text_field().prop_map(Field::Text),
    ]
}

fn any_test() -> impl Strategy<Value = Test> {
    fn some<T: Copy + std::fmt::Debug + 'static>(
        all: &'static [T],
    ) -> impl Strategy<Value = Vec<T>> {
        proptest::collection::vec(proptest::sample::select(all), 1..4)
    }
    prop_oneof![
        (any::<bool>(), compare(), any::<i64>()).prop_map(|(end, op, n)| Test::Time {
            field: if end { TimeField::End } else { TimeField::Start },
            op,
            value: Nanos(n),
        }),
        (compare(), any::<i64>()).prop_map(|(op, n)| Test::Latency { op, value: Nanos(n) }),
        (compare(), any::<i64>()).prop_map(|(op, n)| Test::Cost { op, value: NanoUsd(n) }),
        (compare(), any::<u64>()).prop_map(|(op, value)| Test::Count {
            field: CountField::Findings,
            op,
            value
        }),
        some(Status::ALL).prop_map(Test::Status),
        some(SpanKind::ALL).prop_map(Test::Kind),
        some(Verdict::ALL).prop_map(Test::Verdict),
        some(CostSource::ALL).prop_map(Test::CostSource),
        (text_field(), proptest::collection::vec(any::<String>(), 1..4))
            .prop_map(|(field, values)| Test::OneOf { field, values }),
        (text_field(), any::<String>()).prop_map(|(field, piece)| Test::Contains { field, piece }),
        Just(Test::Sealed),
        field().prop_map(Test::Has),
        any::<String>().prop_map(|text| Test::Text(TextTerm { text, phrase: true })),
        "[^\\s(),\"]{1,8}".prop_map(|text| Test::Text(TextTerm { text, phrase: false })),
        proptest::sample::select(vec![
            "and", "NOT", "in", "has", "text", "model", "*", "exists", "-", "a:b"
        ])
        .prop_map(|w| Test::Text(TextTerm { text: w.into(), phrase: false })),
    ]
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let leaf = prop_oneof![9 => any_test().prop_map(Filter::from), 1 => Just(Filter::All)];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Filter::all_of),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Filter::any_of),
            inner.prop_map(Filter::negate),
        ]
    })
}

proptest! {
    #[test]
    fn the_canonical_form_reads_back_as_the_same_filter(filter in any_filter()) {
        let text = filter.to_string();
        let back = Filter::parse(&text, NOW);
        prop_assert_eq!(back, Ok(filter), "{}", text);
    }

    #[test]
    fn no_text_panics_and_what_reads_has_a_canonical_form(text in any::<String>()) {
        if let Ok(filter) = Filter::parse(&text, NOW) {
            prop_assert_eq!(Filter::parse(&filter.to_string(), NOW), Ok(filter));
        }
    }

    #[test]
    fn no_mixture_of_tokens_panics(
        tokens in proptest::collection::vec(proptest::sample::select(vec![
            "and", "or", "not", "(", ")", "in", "has(", "=", "!=", "~", "!~", ":", "<", ",", "\"", "'",
            "model", "metadata.", "time", "cost", "1", "-1h", "now", "exists", "*", " ", " ", "é", "\\",
            "text", "sealed", "true", "2026-01-01", "$", "metadata.\"",
        ]), 0..24)
    ) {
        let text = tokens.concat();
        if let Ok(filter) = Filter::parse(&text, NOW) {
            let shown = filter.to_string();
            prop_assert_eq!(Filter::parse(&shown, NOW), Ok(filter), "{}", shown);
        }
    }
}
