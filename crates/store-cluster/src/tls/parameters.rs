//! Parameters of an address of PostgreSQL, in both of its forms: a URL with a query, and `name=value`
//! pairs. Whatever does not read is left as it is, for the client's own parser to refuse.

use std::{iter::Peekable, ops::Range, str::CharIndices};

use crate::open::percent_decoded;

/// Shows each parameter to `wanted` and gives the address without those that it takes.
pub(super) fn take(text: &str, wanted: impl FnMut(&str, &str) -> bool) -> String {
    let is_url = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
    if is_url { take_of_url(text, wanted) } else { take_of_pairs(text, wanted) }
}

fn take_of_url(text: &str, mut wanted: impl FnMut(&str, &str) -> bool) -> String {
    // A password may hold a question mark; it ends at the first `@`.
    let behind = text.find('@').unwrap_or(0);
    let Some(mark) = text[behind..].find('?').map(|at| behind + at) else {
        return text.to_owned();
    };
    let (before, query) = (&text[..mark], &text[mark + 1..]);
    let kept: Vec<&str> = query
        .split('&')
        .filter(|one| !one.is_empty())
        .filter(|one| {
            let (name, value) = one.split_once('=').unwrap_or((one, ""));
            !wanted(&percent_decoded(name), &percent_decoded(value))
        })
        .collect();
    if kept.is_empty() { before.to_owned() } else { format!("{before}?{}", kept.join("&")) }
}

fn take_of_pairs(text: &str, mut wanted: impl FnMut(&str, &str) -> bool) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut from = 0;
    let mut rest = text.char_indices().peekable();
    while let Some((name, value, place)) = pair(text, &mut rest) {
        if wanted(&name, &value) {
            kept.push_str(&text[from..place.start]);
            from = place.end;
        }
    }
    kept.push_str(&text[from..]);
    kept
}

/// The next pair and where it stands: `name = value`, the value bare or in single quotes, with `\` before
/// a character that means itself.
fn pair(
    text: &str,
    rest: &mut Peekable<CharIndices<'_>>,
) -> Option<(String, String, Range<usize>)> {
    skip_space(rest);
    let start = rest.peek()?.0;
    let mut name = String::new();
    while let Some((_, c)) = rest.next_if(|(_, c)| *c != '=' && !c.is_whitespace()) {
        name.push(c);
    }
    skip_space(rest);
    rest.next_if(|(_, c)| *c == '=')?;
    skip_space(rest);
    let quoted = rest.next_if(|(_, c)| *c == '\'').is_some();
    let mut value = String::new();
    while let Some((_, c)) = rest.next_if(|(_, c)| quoted || !c.is_whitespace()) {
        match c {
            '\\' => value.push(rest.next()?.1),
            '\'' if quoted => break,
            c => value.push(c),
        }
    }
    let end = rest.peek().map_or(text.len(), |(at, _)| *at);
    Some((name, value, start..end))
}

fn skip_space(rest: &mut Peekable<CharIndices<'_>>) {
    while rest.next_if(|(_, c)| c.is_whitespace()).is_some() {}
}

#[cfg(test)]
mod tests {
    use super::take;

    #[test]
    fn what_is_taken_is_gone_and_the_rest_is_as_it_was() {
        for (text, rest) in [
            ("postgres://a:p?x=1@h/d?x=1&y=2&x=3", "postgres://a:p?x=1@h/d?y=2"),
            ("postgres://h/d?%78=1", "postgres://h/d"),
            ("postgresql://h", "postgresql://h"),
            ("host=h x='a b' y=2", "host=h  y=2"),
            (r"x=a\ b password='it\'s x=1' host=h", r" password='it\'s x=1' host=h"),
            ("host = h x = 1", "host = h "),
            ("nonsense", "nonsense"),
            ("x='open", ""),
            ("", ""),
        ] {
            assert_eq!(take(text, |name, _| name == "x"), rest, "{text}");
        }
        let mut seen = Vec::new();
        take(r"a=1 b='x \' y' c=", |name, value| {
            seen.push(format!("{name}:{value}"));
            false
        });
        assert_eq!(seen, ["a:1", "b:x ' y", "c:"]);
    }
}
