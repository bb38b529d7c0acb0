//! Text to filters, by recursive descent.

mod test;

use exhibit_model::Nanos;

use super::{Filter, lexer::Lexer};

/// Longest filter, bytes: fits a URL that proxies let through.
pub const LENGTH_MAX: usize = 8 * 1024;
/// Deepest nesting of parentheses and `not`: bounds recursion.
pub const DEPTH_MAX: usize = 32;
/// Most tests in a filter: bounds the work per trace.
pub const TESTS_MAX: usize = 256;
/// Most values of one `in (…)`.
pub const VALUES_MAX: usize = 256;

/// Why a filter does not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {position}: {message}")]
pub struct FilterError {
    /// Where, in characters from 0.
    pub position: usize,
    /// What was expected, and the nearest known name where one is near.
    pub message: String,
}

impl Filter {
    /// Reads a filter. `now` is what relative times such as `-7d` count from. Empty text holds for
    /// every trace.
    pub fn parse(text: &str, now: Nanos) -> Result<Self, FilterError> {
        if text.len() > LENGTH_MAX {
            return Err(FilterError {
                position: 0,
                message: format!("a filter has at most {LENGTH_MAX} bytes"),
            });
        }
        let mut parser = Parser { text, lexer: Lexer::new(text), now, depth: 0, tests: 0 };
        let filter = parser.any(true)?;
        parser.lexer.skip_space();
        if parser.lexer.rest().is_empty() {
            Ok(filter)
        } else {
            Err(parser.error(parser.lexer.at, "expected a test, “and”, “or” or the end"))
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    now: Nanos,
    depth: usize,
    tests: usize,
}

impl Parser<'_> {
    /// An error at a byte offset.
    fn error(&self, at: usize, message: impl Into<String>) -> FilterError {
        let before = self.text.get(..at).unwrap_or(self.text);
        FilterError { position: before.chars().count(), message: message.into() }
    }

    /// `all (or all)*`; with `may_be_empty`, nothing is everything.
    fn any(&mut self, may_be_empty: bool) -> Result<Filter, FilterError> {
        self.lexer.skip_space();
        if may_be_empty && self.lexer.rest().is_empty() {
            return Ok(Filter::All);
        }
        let mut members = vec![self.all()?];
        while self.keyword("or") {
            members.push(self.all()?);
        }
        Ok(Filter::any_of(members))
    }

    /// `one ((and)? one)*`
    fn all(&mut self) -> Result<Filter, FilterError> {
        let mut members = vec![self.one()?];
        loop {
            if self.keyword("and") {
                members.push(self.one()?);
                continue;
            }
            self.lexer.skip_space();
            let mut ahead = self.lexer;
            if matches!(ahead.peek(), None | Some(')' | ',')) || ahead.eat_keyword("or") {
                return Ok(Filter::all_of(members));
            }
            members.push(self.one()?);
        }
    }

    /// `not one | ( any ) | * | test`
    fn one(&mut self) -> Result<Filter, FilterError> {
        self.lexer.skip_space();
        let at = self.lexer.at;
        if self.keyword("not") {
            return self.deeper(at, |p| p.one().map(Filter::negate));
        }
        if self.lexer.eat("(") {
            return self.deeper(at, |p| {
                let inner = p.any(false)?;
                p.lexer.skip_space();
                if p.lexer.eat(")") {
                    Ok(inner)
                } else {
                    Err(p.error(p.lexer.at, "expected “)”"))
                }
            });
        }
        if self.keyword("*") {
            return Ok(Filter::All);
        }
        if let Some(word) = ["and", "or"].into_iter().find(|word| self.keyword(word)) {
            return Err(self.error(
                at,
                format!("expected a test before “{word}”; put the word in quotes to search for it"),
            ));
        }
        self.tests += 1;
        if self.tests > TESTS_MAX {
            return Err(self.error(at, format!("a filter has at most {TESTS_MAX} tests")));
        }
        self.test()
    }

    fn deeper(
        &mut self,
        at: usize,
        inner: impl FnOnce(&mut Self) -> Result<Filter, FilterError>,
    ) -> Result<Filter, FilterError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error(at, format!("a filter nests at most {DEPTH_MAX} deep")));
        }
        let filter = inner(self)?;
        self.depth -= 1;
        Ok(filter)
    }

    /// Takes a keyword that stands here.
    fn keyword(&mut self, word: &str) -> bool {
        self.lexer.skip_space();
        self.lexer.eat_keyword(word)
    }
}
