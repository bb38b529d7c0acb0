//! Filters as ClickHouse conditions. Exact: what a condition finds is what
//! [`Filter::matches`](exhibit_store::Filter::matches) finds.
//!
//! Text goes into statements as hexadecimal digits, so nothing in it has a meaning to the parser.

use exhibit_model::{CostSource, ReviewState, SpanKind, Status, TraceSummary, Verdict};
use exhibit_store::{
    filter::{CountField, Field, Filter, Test, TextField, TextTerm, TimeField},
    search::tokens,
};

/// Most tokens that the text index is asked for at once.
const TOKENS_MAX: usize = 64;

/// A text as a constant of a statement.
pub(crate) fn constant(text: &str) -> String {
    format!("unhex('{}')", hex::encode(text))
}

/// What every value of a field starts with in `facets` and `folded`. The length in front keeps a
/// metadata key with odd characters from looking like another field.
fn prefix(field: &TextField) -> String {
    let name = Field::Text(field.clone()).name();
    format!("{}:{name}\u{0}", name.len())
}

/// Lower case as [`contains_folded`](exhibit_store::filter::contains_folded) compares.
fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Every text value of a trace: exact, and in lower case.
pub(crate) fn facets(trace: &TraceSummary) -> (Vec<String>, Vec<String>) {
    let mut fields = vec![
        TextField::Id,
        TextField::Name,
        TextField::Model,
        TextField::Provider,
        TextField::Tool,
        TextField::Tag,
        TextField::Rule,
        TextField::Category,
        TextField::Agent,
        TextField::Session,
        TextField::User,
        TextField::Environment,
        TextField::Version,
        TextField::Service,
    ];
    fields.extend(trace.metadata.keys().cloned().map(TextField::Metadata));
    let (mut exact, mut folded) = (Vec::new(), Vec::new());
    for field in fields {
        let prefix = prefix(&field);
        field.any(trace, |value| {
            exact.push(format!("{prefix}{value}"));
            folded.push(format!("{prefix}{}", lower(value)));
            false
        });
    }
    (exact, folded)
}

/// A filter as a condition on the table `traces` of a workspace.
pub(crate) fn condition(filter: &Filter, workspace: i64) -> String {
    let join = |members: &[Filter], word: &str| {
        let members: Vec<String> = members.iter().map(|m| condition(m, workspace)).collect();
        format!("({})", members.join(word))
    };
    match filter {
        Filter::All => "1".to_owned(),
        Filter::And(members) => join(members, " AND "),
        Filter::Or(members) => join(members, " OR "),
        Filter::Not(inner) => format!("NOT {}", condition(inner, workspace)),
        Filter::Test(test) => format!("({})", of_test(test, workspace)),
    }
}

fn of_test(test: &Test, workspace: i64) -> String {
    let codes =
        |codes: Vec<i64>| codes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match test {
        Test::Time { field: TimeField::Start, op, value } => {
            format!("start {} {}", op.as_str(), value.0)
        }
        Test::Time { field: TimeField::End, op, value } => known("ended", op.as_str(), value.0),
        Test::Latency { op, value } => known("duration", op.as_str(), value.0),
        Test::Cost { op, value } => known("cost", op.as_str(), value.0),
        Test::Count { field, op, value } => format!("{} {} {value}", count(*field), op.as_str()),
        Test::Status(values) => {
            let values = values.iter().copied().map(Status::code).collect();
            format!("status IN ({})", codes(values))
        }
        Test::Kind(values) => {
            let values = values.iter().copied().map(SpanKind::code).collect();
            format!("hasAny(kinds, [{}])", codes(values))
        }
        Test::Verdict(values) => {
            let values = values.iter().copied().map(Verdict::code).collect();
            format!("verdict IN ({})", codes(values))
        }
        Test::CostSource(values) => {
            let values = values.iter().copied().map(CostSource::code).collect();
            format!("hasAny(cost_sources, [{}])", codes(values))
        }
        Test::OneOf { field: TextField::Id, values } => {
            let values: Vec<String> = values.iter().map(|value| constant(value)).collect();
            format!("trace_id IN ({})", values.join(", "))
        }
        Test::OneOf { field, values } => {
            let prefix = prefix(field);
            let facet = |value: &String| constant(&format!("{prefix}{value}"));
            let values: Vec<String> = values.iter().map(facet).collect();
            format!("hasAny(facets, [{}])", values.join(", "))
        }
        Test::Contains { field, piece } => {
            let start = prefix(field);
            let head = format!("startsWith(f, {})", constant(&start));
            let piece = lower(piece);
            if piece.is_empty() {
                return format!("arrayExists(f -> {head}, folded)");
            }
            let (skip, piece) = (start.len() + 1, constant(&piece));
            format!(
                "arrayExists(f -> {head} AND position(substring(f, {skip}), {piece}) > 0, folded)"
            )
        }
        Test::Sealed => "sealed = 1".to_owned(),
        // Resolved before: see `resolved`.
        Test::Review(_) => "0".to_owned(),
        Test::Has(field) => has(field),
        Test::Text(term) => {
            let runs = runs(term);
            if runs.is_empty() {
                return "1".to_owned();
            }
            let found = |run: &Run| {
                let words = run.condition();
                format!(
                    "trace IN (SELECT trace FROM texts WHERE workspace = {workspace} AND {words})"
                )
            };
            runs.iter().map(found).collect::<Vec<_>>().join(" AND ")
        }
    }
}

/// A test of a column that may be null; false while it is.
fn known(column: &str, op: &str, value: i64) -> String {
    format!("ifNull({column} {op} {value}, 0)")
}

fn count(field: CountField) -> &'static str {
    match field {
        CountField::Tokens => "tokens",
        CountField::TokensIn => "tokens_in",
        CountField::TokensOut => "tokens_out",
        CountField::Spans => "spans",
        CountField::Errors => "errors",
        CountField::Findings => "findings",
    }
}

fn has(field: &Field) -> String {
    match field {
        Field::Time(TimeField::Start)
        | Field::Status
        | Field::Verdict
        | Field::Text(TextField::Id) => "1".to_owned(),
        Field::Time(TimeField::End) => "isNotNull(ended)".to_owned(),
        Field::Latency => "isNotNull(duration)".to_owned(),
        Field::Cost => "isNotNull(cost)".to_owned(),
        Field::Count(field) => format!("{} > 0", count(*field)),
        Field::Kind => "notEmpty(kinds)".to_owned(),
        Field::CostSource => "notEmpty(cost_sources)".to_owned(),
        Field::Text(field) => {
            format!("arrayExists(f -> startsWith(f, {}), facets)", constant(&prefix(field)))
        }
        Field::Sealed => "sealed = 1".to_owned(),
        Field::Review => "0".to_owned(),
    }
}

/// How reviews may stand for a test; none for a test of something else.
pub(crate) fn review_states(test: &Test) -> Option<Vec<ReviewState>> {
    match test {
        Test::Review(states) => Some(states.clone()),
        Test::Has(Field::Review) => Some(ReviewState::ALL.to_vec()),
        _ => None,
    }
}

/// The filter with each test of reviews replaced by the traces that pass it, in the order of
/// [`Filter::visit`]: reviews are not kept where lists are answered.
pub(crate) fn resolved(filter: &Filter, traces: &mut impl Iterator<Item = Vec<String>>) -> Filter {
    match filter {
        Filter::And(members) => {
            Filter::all_of(members.iter().map(|m| resolved(m, traces)).collect::<Vec<_>>())
        }
        Filter::Or(members) => {
            Filter::any_of(members.iter().map(|m| resolved(m, traces)).collect::<Vec<_>>())
        }
        Filter::Not(inner) => resolved(inner, traces).negate(),
        Filter::Test(test) if review_states(test).is_some() => match traces.next() {
            Some(values) if !values.is_empty() => {
                Test::OneOf { field: TextField::Id, values }.into()
            }
            _ => Filter::any_of([]),
        },
        other => other.clone(),
    }
}

/// Words that stand next to one another.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    words: Vec<String>,
    /// The same as a phrase.
    pub(crate) phrase: TextTerm,
}

impl Run {
    /// As a condition on the table `texts`.
    pub(crate) fn condition(&self) -> String {
        let some: Vec<String> =
            self.words.iter().take(TOKENS_MAX).map(|word| constant(word)).collect();
        let all = format!("hasAllTokens(words, [{}])", some.join(", "));
        if self.words.len() == 1 {
            return all;
        }
        let together = constant(&format!(" {} ", self.words.join(" ")));
        format!("{all} AND position(words, {together}) > 0")
    }
}

/// The runs that a term is made of: a phrase is one, else every word is one, and characters of a
/// script without spaces that were written together. None: the term looks for nothing.
pub(crate) fn runs(term: &TextTerm) -> Vec<Run> {
    let tokens = tokens(&term.text);
    if tokens.is_empty() {
        return Vec::new();
    }
    if term.phrase {
        let words = tokens.into_iter().map(|token| token.text).collect();
        return vec![Run { words, phrase: term.clone() }];
    }
    tokens
        .chunk_by(|a, b| a.unspaced && b.unspaced && b.joined)
        .map(|run| {
            let words: Vec<String> = run.iter().map(|token| token.text.clone()).collect();
            let phrase = TextTerm { text: words.concat(), phrase: true };
            Run { words, phrase }
        })
        .collect()
}

/// Text as `texts` keeps it: its words, each between two spaces.
pub(crate) fn words(text: &str) -> String {
    let mut words = String::with_capacity(text.len() + 2);
    words.push(' ');
    for token in tokens(text) {
        words.push_str(&token.text);
        words.push(' ');
    }
    words
}

/// The terms of a filter.
pub(crate) fn terms(filter: &Filter) -> Vec<&TextTerm> {
    match filter {
        Filter::All => Vec::new(),
        Filter::And(members) | Filter::Or(members) => members.iter().flat_map(terms).collect(),
        Filter::Not(inner) => terms(inner),
        Filter::Test(Test::Text(term)) => vec![term],
        Filter::Test(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use exhibit_model::Nanos;

    use super::*;

    #[test]
    fn conditions_are_these() {
        let mut statements = String::new();
        for text in [
            "",
            "status = error",
            "status != error",
            "kind in (llm, tool) or verdict = fail",
            "time >= 2027-01-15T08:00:00Z and end < 2027-01-16T08:00:00Z",
            "latency > 30s cost > 0.25 tokens >= 100",
            "model = \"gpt-4o\"",
            "id = tr_1",
            "agent ~ BILLing",
            "metadata.region = \"eu'; --\"",
            "has(session) has(cost) sealed = true",
            "timeout",
            "\"connection reset\" not 東京",
            "tool_call-42",
        ] {
            let filter = Filter::parse(text, Nanos(1_800_000_000_000_000_000)).unwrap();
            let _ = writeln!(statements, "{text}\n    {}", condition(&filter, 7));
        }
        insta::assert_snapshot!(statements);
    }

    #[test]
    fn a_metadata_key_cannot_pass_for_another_field() {
        let odd = TextField::Metadata("a\u{0}b".to_owned());
        let plain = TextField::Metadata("a".to_owned());
        let of = |field: &TextField, value: &str| format!("{}{value}", prefix(field));
        assert_ne!(of(&odd, "c"), of(&plain, "b\u{0}c"));
    }

    #[test]
    fn words_stand_between_spaces() {
        assert_eq!(words("The Café, 東京!"), " the cafe 東 京 ");
        assert_eq!(words(""), " ");
    }
}
