//! A cursor over the text of a filter. What a run of characters means depends on where it stands (a
//! colon ends a field's name, but not a time), so the parser asks for what it expects.

use super::Field;

/// Words that are not searched for unless quoted, because they mean something.
const KEYWORDS: &[&str] = &["and", "or", "not", "in", "has", "exists", "text"];

/// Whether a word standing alone could be taken for more than a word to search for.
pub(super) fn is_reserved(word: &str) -> bool {
    KEYWORDS.iter().any(|k| k.eq_ignore_ascii_case(word)) || Field::parse(word).is_some()
}

/// A quote that is never closed.
pub(super) struct Unclosed;

#[derive(Clone, Copy)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    /// Byte offset of the next character.
    pub(super) at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes this piece of text if it comes next.
    pub(super) fn eat(&mut self, piece: &str) -> bool {
        let found = self.rest().starts_with(piece);
        if found {
            self.at += piece.len();
        }
        found
    }

    /// Takes a keyword, whatever its case, if it comes next and ends there.
    pub(super) fn eat_keyword(&mut self, keyword: &str) -> bool {
        let mut ahead = *self;
        let found = ahead.run(ends_word).eq_ignore_ascii_case(keyword);
        if found {
            *self = ahead;
        }
        found
    }

    /// Takes characters up to one that `ends`.
    pub(super) fn run(&mut self, ends: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let run = rest.find(ends).map_or(rest, |end| &rest[..end]);
        self.at += run.len();
        run
    }

    /// Takes a quoted text, whose quote comes next. A backslash before a quote or a backslash is
    /// left out; any other stands for itself.
    pub(super) fn quoted(&mut self) -> Result<String, Unclosed> {
        let mut chars = self.rest().char_indices();
        let Some((_, quote)) = chars.next() else { return Err(Unclosed) };
        let mut out = String::new();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.at += at + c.len_utf8();
                return Ok(out);
            }
            let escaped = (c == '\\')
                .then(|| chars.clone().next())
                .flatten()
                .filter(|(_, next)| *next == quote || *next == '\\');
            match escaped {
                Some((_, next)) => {
                    out.push(next);
                    chars.next();
                }
                None => out.push(c),
            }
        }
        Err(Unclosed)
    }
}

/// Ends a word to search for, or a value.
pub(super) fn ends_word(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | ',' | '"')
}

/// Ends the name of a field.
pub(super) fn ends_name(c: char) -> bool {
    ends_word(c) || matches!(c, '=' | '<' | '>' | '~' | '!' | ':')
}
