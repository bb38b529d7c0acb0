//! One test: a field, an operator and values; or words to search for.

use super::{FilterError, Parser, VALUES_MAX};
use crate::filter::{
    Compare, Field, Filter, Test, TextField, TextTerm,
    lexer::{ends_name, ends_word},
    nearest::nearest,
    value::{self, Moment},
};
use exhibit_model::{CostSource, FindingCategory, ReviewState, SpanKind, Status, Verdict};

/// What `review` can be asked for: each state, and `waiting` for those that wait for somebody.
const ASKED: [(&str, &[ReviewState]); 8] = [
    ("waiting", &[ReviewState::Open, ReviewState::Claimed, ReviewState::Escalated]),
    ("open", &[ReviewState::Open]),
    ("claimed", &[ReviewState::Claimed]),
    ("approved", &[ReviewState::Approved]),
    ("rejected", &[ReviewState::Rejected]),
    ("escalated", &[ReviewState::Escalated]),
    ("expired", &[ReviewState::Expired]),
    ("closed", &[ReviewState::Closed]),
];

/// How a field is tested; a negation wraps the result.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Op {
    Compare(Compare),
    Contains,
}

/// A value as written.
struct Value {
    text: String,
    quoted: bool,
    at: usize,
}

/// What stands before an operator.
enum Name {
    Field(Field),
    /// Full text, by the name `text`.
    Text,
}

impl Parser<'_> {
    pub(super) fn test(&mut self) -> Result<Filter, FilterError> {
        let start = self.lexer.at;
        match self.lexer.peek() {
            None => return Err(self.error(start, "expected a test")),
            Some(')' | ',') => {
                return Err(self.error(start, "expected a test before “)” or “,”"));
            }
            Some('"') => {
                let text = self.quoted()?;
                return Ok(Test::Text(TextTerm { text, phrase: true }).into());
            }
            Some(_) => {}
        }
        let name = self.name()?;
        if name.eq_ignore_ascii_case("has") && self.lexer.eat("(") {
            return self.has();
        }
        let known = Self::known(&name);
        let gap = self.lexer.at;
        if self.lexer.eat(":") {
            let next = self.lexer.peek();
            let value_follows = next.is_some_and(|c| !c.is_whitespace() && !"/:)".contains(c));
            if value_follows && (known.is_some() || is_identifier(&name)) {
                let name = self.expect_known(known, &name, start)?;
                return self.comparison(&name, Op::Compare(Compare::Eq));
            }
            return Ok(self.word(start));
        }
        self.lexer.skip_space();
        if let Some((op, negated)) = self.operator() {
            if known.is_none() && !is_identifier(&name) {
                return Ok(self.word(start));
            }
            let name = self.expect_known(known, &name, start)?;
            let filter = self.comparison(&name, op)?;
            return Ok(if negated { filter.negate() } else { filter });
        }
        if let Some(name) = known {
            if let Some(negated) = self.list_follows() {
                let filter = self.list(&name)?;
                return Ok(if negated { filter.negate() } else { filter });
            }
            if let Name::Field(field) = name
                && self.lexer.eat_keyword("exists")
            {
                return Ok(Test::Has(field).into());
            }
        }
        self.lexer.at = gap;
        Ok(self.word(start))
    }

    /// The word to search for that starts here.
    fn word(&mut self, start: usize) -> Filter {
        self.lexer.at = start;
        let text = self.lexer.run(ends_word).to_owned();
        Test::Text(TextTerm { text, phrase: false }).into()
    }

    /// The name of a field, with a quoted metadata key taken in.
    fn name(&mut self) -> Result<String, FilterError> {
        let mut name = self.lexer.run(ends_name).to_owned();
        if name.eq_ignore_ascii_case("metadata.") && self.lexer.peek() == Some('"') {
            name.push_str(&self.quoted()?);
        }
        Ok(name)
    }

    fn quoted(&mut self) -> Result<String, FilterError> {
        let at = self.lexer.at;
        self.lexer.quoted().map_err(|_| self.error(at, "this quote is never closed"))
    }

    fn known(name: &str) -> Option<Name> {
        if name.eq_ignore_ascii_case("text") {
            return Some(Name::Text);
        }
        Field::parse(name).map(Name::Field)
    }

    fn expect_known(
        &self,
        known: Option<Name>,
        name: &str,
        at: usize,
    ) -> Result<Name, FilterError> {
        known.ok_or_else(|| {
            let hint = match nearest(name, Field::names()) {
                Some(near) => format!("did you mean “{near}”?"),
                None => "put it in quotes to search for it".to_owned(),
            };
            self.error(at, format!("there is no field “{}”; {hint}", shortened(name)))
        })
    }

    fn has(&mut self) -> Result<Filter, FilterError> {
        self.lexer.skip_space();
        let at = self.lexer.at;
        let name = self.name()?;
        let Name::Field(field) = self.expect_known(Self::known(&name), &name, at)? else {
            return Err(self.error(at, "has(…) expects a field that a trace has, not “text”"));
        };
        self.lexer.skip_space();
        if self.lexer.eat(")") {
            Ok(Test::Has(field).into())
        } else {
            Err(self.error(self.lexer.at, "expected “)”"))
        }
    }

    /// An operator, and whether it is a negated one.
    fn operator(&mut self) -> Option<(Op, bool)> {
        let table = [
            ("!=", Op::Compare(Compare::Eq), true),
            ("!~", Op::Contains, true),
            ("<=", Op::Compare(Compare::Le), false),
            (">=", Op::Compare(Compare::Ge), false),
            ("==", Op::Compare(Compare::Eq), false),
            ("=", Op::Compare(Compare::Eq), false),
            ("<", Op::Compare(Compare::Lt), false),
            (">", Op::Compare(Compare::Gt), false),
            ("~", Op::Contains, false),
        ];
        table.into_iter().find(|(sign, ..)| self.lexer.eat(sign)).map(|(_, op, not)| (op, not))
    }

    /// Takes `in (` or `not in (`; whether it was negated.
    fn list_follows(&mut self) -> Option<bool> {
        let mut ahead = self.lexer;
        let negated = ahead.eat_keyword("not");
        ahead.skip_space();
        if !ahead.eat_keyword("in") {
            return None;
        }
        ahead.skip_space();
        ahead.eat("(").then(|| {
            self.lexer = ahead;
            negated
        })
    }

    fn list(&mut self, name: &Name) -> Result<Filter, FilterError> {
        let mut values = Vec::new();
        loop {
            let value = self.value(name)?;
            if values.len() >= VALUES_MAX {
                return Err(self.error(value.at, format!("a list has at most {VALUES_MAX} values")));
            }
            values.push(value);
            self.lexer.skip_space();
            if self.lexer.eat(")") {
                break;
            }
            if !self.lexer.eat(",") {
                return Err(self.error(self.lexer.at, "expected “,” or “)”"));
            }
        }
        match name {
            Name::Text => Ok(Filter::any_of(values.into_iter().map(term))),
            Name::Field(field) => self.one_of(field, values),
        }
    }

    /// A value, bare or quoted. Single quotes quote too, but not in text to search for, where they are
    /// apostrophes.
    fn value(&mut self, name: &Name) -> Result<Value, FilterError> {
        self.lexer.skip_space();
        let at = self.lexer.at;
        let quote = self.lexer.peek();
        if quote == Some('"') || (quote == Some('\'') && matches!(name, Name::Field(_))) {
            return Ok(Value { text: self.quoted()?, quoted: true, at });
        }
        let text = self.lexer.run(ends_word).to_owned();
        if text.is_empty() {
            return Err(self.error(at, "expected a value"));
        }
        Ok(Value { text, quoted: false, at })
    }

    fn comparison(&mut self, name: &Name, op: Op) -> Result<Filter, FilterError> {
        let value = self.value(name)?;
        let field = match (name, op) {
            (Name::Text, Op::Contains | Op::Compare(Compare::Eq)) => return Ok(term(value)),
            (Name::Text, _) => return Err(self.error(value.at, "text is tested by = or ~")),
            (Name::Field(field), _) => field,
        };
        match op {
            Op::Contains => match field {
                Field::Text(field) => {
                    Ok(Test::Contains { field: field.clone(), piece: value.text }.into())
                }
                _ => Err(self.error(
                    value.at,
                    format!("“~” looks into text, and {} is not text", field.name()),
                )),
            },
            Op::Compare(Compare::Eq) => self.one_of(field, vec![value]),
            Op::Compare(op) => self.ordered(field, op, &value),
        }
    }

    /// The field equals one of the values.
    fn one_of(&self, field: &Field, values: Vec<Value>) -> Result<Filter, FilterError> {
        let test = match field {
            Field::Status => Test::Status(self.words(&values, Status::ALL, Status::as_str)?),
            Field::Kind => Test::Kind(self.words(&values, SpanKind::ALL, SpanKind::as_str)?),
            Field::Verdict => Test::Verdict(self.words(&values, Verdict::ALL, Verdict::as_str)?),
            Field::CostSource => {
                Test::CostSource(self.words(&values, CostSource::ALL, CostSource::as_str)?)
            }
            Field::Review => {
                let states = self.words(&values, &ASKED, |(word, _)| word)?;
                let mut states: Vec<ReviewState> =
                    states.iter().flat_map(|(_, states)| states.iter().copied()).collect();
                let mut seen = std::collections::BTreeSet::new();
                states.retain(|state| seen.insert(*state));
                Test::Review(states)
            }
            Field::Text(TextField::Category) => {
                let all = FindingCategory::ALL;
                let values = self.words(&values, all, FindingCategory::as_str)?;
                let values = values.iter().map(|value| value.as_str().to_owned()).collect();
                Test::OneOf { field: TextField::Category, values }
            }
            Field::Text(field) => Test::OneOf {
                field: field.clone(),
                values: values.into_iter().map(|value| value.text).collect(),
            },
            Field::Sealed => {
                let sealed =
                    self.words(
                        &values,
                        &[true, false],
                        |sealed| {
                            if sealed { "true" } else { "false" }
                        },
                    )?;
                let one = |sealed| {
                    let test = Filter::from(Test::Sealed);
                    if sealed { test } else { test.negate() }
                };
                return Ok(Filter::any_of(sealed.into_iter().map(one)));
            }
            _ => {
                let tests: Result<Vec<_>, _> =
                    values.iter().map(|value| self.ordered(field, Compare::Eq, value)).collect();
                return Ok(Filter::any_of(tests?));
            }
        };
        Ok(test.into())
    }

    fn words<T: Copy>(
        &self,
        values: &[Value],
        all: &[T],
        word: impl Fn(T) -> &'static str,
    ) -> Result<Vec<T>, FilterError> {
        let read = |value: &Value| {
            let found = all.iter().find(|v| word(**v).eq_ignore_ascii_case(&value.text));
            found.copied().ok_or_else(|| {
                let names = || all.iter().map(|v| word(*v));
                let hint = nearest(&value.text, names())
                    .map(|near| format!("; did you mean “{near}”?"))
                    .unwrap_or_default();
                let known: Vec<_> = names().collect();
                self.error(value.at, format!("expected one of {}{hint}", known.join(", ")))
            })
        };
        values.iter().map(read).collect()
    }

    fn ordered(&self, field: &Field, op: Compare, value: &Value) -> Result<Filter, FilterError> {
        let text = value.text.as_str();
        let expected = |what: &str| self.error(value.at, format!("expected {what}"));
        let test = match field {
            Field::Time(field) => {
                let field = *field;
                let at = |op, value| Filter::from(Test::Time { field, op, value });
                let moment = value::moment(text, self.now).ok_or_else(|| {
                    expected("a time such as 2026-11-21T02:00:00Z, 2026-11-21, now or -7d")
                })?;
                return Ok(match (moment, op) {
                    (Moment::At(time), op) => at(op, time),
                    // A date is the whole day: after it means after its end.
                    (Moment::Day(from, to), Compare::Eq) => {
                        at(Compare::Ge, from).and(at(Compare::Lt, to))
                    }
                    (Moment::Day(_, to), Compare::Gt) => at(Compare::Ge, to),
                    (Moment::Day(_, to), Compare::Le) => at(Compare::Lt, to),
                    (Moment::Day(from, _), op) => at(op, from),
                });
            }
            Field::Latency => {
                let value = value::latency(text)
                    .ok_or_else(|| expected("a duration such as 1.5s, 200ms or 2m"))?;
                Test::Latency { op, value }
            }
            Field::Cost => {
                let value = value::cost(text)
                    .ok_or_else(|| expected("an amount in USD with at most nine decimals"))?;
                Test::Cost { op, value }
            }
            Field::Count(field) => {
                let value = value::count(text).ok_or_else(|| expected("a whole number"))?;
                Test::Count { field: *field, op, value }
            }
            Field::Text(_) => {
                return Err(self.error(
                    value.at,
                    format!("{} is tested by =, !=, ~, !~ or in (…)", field.name()),
                ));
            }
            Field::Status
            | Field::Kind
            | Field::Verdict
            | Field::CostSource
            | Field::Review
            | Field::Sealed => {
                return Err(
                    self.error(value.at, format!("{} is tested by =, != or in (…)", field.name()))
                );
            }
        };
        Ok(test.into())
    }
}

fn term(value: Value) -> Filter {
    Test::Text(TextTerm { text: value.text, phrase: value.quoted }).into()
}

/// Whether it looks like the name of a field.
fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn shortened(name: &str) -> String {
    let mut short: String = name.chars().take(40).collect();
    if short.len() < name.len() {
        short.push('…');
    }
    short
}
