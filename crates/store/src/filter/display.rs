//! The canonical form of a filter: what is printed reads back as the same filter.

use std::fmt::{self, Display, Formatter, Write};

use exhibit_model::Nanos;

use super::{Compare, Field, Filter, Test, TextField, TextTerm, lexer};

/// Writes the canonical form. Words of a [`TextTerm`] that is not a phrase are written as they are;
/// reading them back gives the same term when they hold no space, quote, comma or parenthesis, as is
/// the case for every term that was read.
impl Display for Filter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_char('*'),
            Self::And(members) => join(f, members, " and "),
            Self::Or(members) => join(f, members, " or "),
            Self::Not(inner) => match &**inner {
                Self::Test(test) => write_test(f, test, true),
                Self::All => f.write_str("not *"),
                inner => write!(f, "not ({inner})"),
            },
            Self::Test(test) => write_test(f, test, false),
        }
    }
}

fn join(f: &mut Formatter<'_>, members: &[Filter], word: &str) -> fmt::Result {
    for (at, member) in members.iter().enumerate() {
        if at > 0 {
            f.write_str(word)?;
        }
        match member {
            Filter::And(_) | Filter::Or(_) => write!(f, "({member})")?,
            _ => write!(f, "{member}")?,
        }
    }
    Ok(())
}

fn write_test(f: &mut Formatter<'_>, test: &Test, not: bool) -> fmt::Result {
    match test {
        Test::Time { field, op, value } => {
            compare(f, &Field::Time(*field), *op, not, &value.to_rfc3339())
        }
        Test::Latency { op, value } => compare(f, &Field::Latency, *op, not, &Seconds(*value)),
        Test::Cost { op, value } => compare(f, &Field::Cost, *op, not, &Decimal(value.0)),
        Test::Count { field, op, value } => compare(f, &Field::Count(*field), *op, not, value),
        Test::Status(values) => one_of(f, &Field::Status, values, not),
        Test::Kind(values) => one_of(f, &Field::Kind, values, not),
        Test::Verdict(values) => one_of(f, &Field::Verdict, values, not),
        Test::CostSource(values) => one_of(f, &Field::CostSource, values, not),
        Test::Review(values) => one_of(f, &Field::Review, values, not),
        Test::OneOf { field, values } => {
            let values: Vec<_> = values.iter().map(|v| Quoted(v)).collect();
            one_of(f, &Field::Text(field.clone()), &values, not)
        }
        Test::Contains { field, piece } => {
            let op = if not { "!~" } else { "~" };
            write!(f, "{} {op} {}", Named(&Field::Text(field.clone())), Quoted(piece))
        }
        Test::Sealed => write!(f, "sealed = {}", !not),
        Test::Has(field) => {
            f.write_str(if not { "not " } else { "" })?;
            write!(f, "has({})", Named(field))
        }
        Test::Text(term) => {
            f.write_str(if not { "not " } else { "" })?;
            write_term(f, term)
        }
    }
}

fn compare(
    f: &mut Formatter<'_>,
    field: &Field,
    op: Compare,
    not: bool,
    value: &dyn Display,
) -> fmt::Result {
    let name = Named(field);
    match (op, not) {
        (op, false) => write!(f, "{name} {} {value}", op.as_str()),
        (Compare::Eq, true) => write!(f, "{name} != {value}"),
        (op, true) => write!(f, "not {name} {} {value}", op.as_str()),
    }
}

fn one_of<T: Display>(
    f: &mut Formatter<'_>,
    field: &Field,
    values: &[T],
    not: bool,
) -> fmt::Result {
    let name = Named(field);
    if let [value] = values {
        return write!(f, "{name} {} {value}", if not { "!=" } else { "=" });
    }
    write!(f, "{name} {} (", if not { "not in" } else { "in" })?;
    for (at, value) in values.iter().enumerate() {
        write!(f, "{}{value}", if at > 0 { ", " } else { "" })?;
    }
    f.write_char(')')
}

fn write_term(f: &mut Formatter<'_>, term: &TextTerm) -> fmt::Result {
    if term.phrase {
        return quote(f, &term.text);
    }
    let plain = term.text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if plain && !term.text.is_empty() && !lexer::is_reserved(&term.text) {
        f.write_str(&term.text)
    } else {
        write!(f, "text ~ {}", term.text)
    }
}

struct Named<'a>(&'a Field);

impl Display for Named<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Field::Text(TextField::Metadata(key)) if !is_plain(key) => {
                f.write_str("metadata.")?;
                quote(f, key)
            }
            field => f.write_str(&field.name()),
        }
    }
}

struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if is_plain(self.0) { f.write_str(self.0) } else { quote(f, self.0) }
    }
}

fn is_plain(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    !text.is_empty() && text.bytes().all(plain)
}

fn quote(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    f.write_char('"')
}

/// Billionths as a decimal number without trailing zeros.
struct Decimal(i64);

impl Display for Decimal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (sign, n) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let fraction = format!("{:09}", n % 1_000_000_000);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{}{point}{fraction}", n / 1_000_000_000)
    }
}

struct Seconds(Nanos);

impl Display for Seconds {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", Decimal(self.0.0))
    }
}
