//! How text is cut into words for full-text search, the same for what is indexed and what is asked.
//!
//! [`fold`] makes spellings equal that people take for equal: case, accents, width and composition.
//! [`tokens`] cuts folded text into words; characters of scripts that are written without spaces
//! (Chinese, Japanese, Thai, …) are tokens of their own, so that any piece of such text can be found.
//! [`Document`] is the reference answer to what a term finds; it indexes nothing.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

use crate::filter::TextTerm;

/// Lower case, without accents (combining marks U+0300 to U+036F), in compatibility composition
/// (NFKC): `Ｃａｆé` is `cafe`, `ΟΔΟΣ` is `οδοσ`. Marks of other scripts stay: `が` is not `か`.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let accent = |c: &char| ('\u{300}'..='\u{36f}').contains(c);
    let lower = |c: char| c.to_lowercase().map(|c| if c == 'ς' { 'σ' } else { c });
    text.chars().nfkd().filter(|c| !accent(c)).flat_map(lower).nfkc().collect()
}

/// A word, or one character of a script without spaces.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Token {
    /// Folded text.
    pub text: String,
    /// Whether it follows the token before it without anything between them.
    pub joined: bool,
    /// Whether it is a character of a script without spaces.
    pub unspaced: bool,
}

/// Cuts text into tokens.
pub fn tokens(text: &str) -> Vec<Token> {
    let folded = fold(text);
    let mut tokens: Vec<Token> = Vec::new();
    let mut open = false;
    let mut joined = false;
    for c in folded.chars() {
        if is_unspaced(c) {
            tokens.push(Token { text: c.to_string(), joined, unspaced: true });
            open = false;
        } else if c.is_alphanumeric() || is_mark(c) {
            match tokens.last_mut().filter(|_| open) {
                Some(word) => word.text.push(c),
                None => tokens.push(Token { text: c.to_string(), joined, unspaced: false }),
            }
            open = true;
        } else {
            open = false;
            joined = false;
            continue;
        }
        joined = true;
    }
    tokens
}

/// Characters of scripts that do not part words with spaces.
pub fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}' // Thai, Lao
        | '\u{1000}'..='\u{109f}' // Myanmar
        | '\u{1780}'..='\u{17ff}' // Khmer
        | '\u{3005}'..='\u{3007}' // iteration mark, closing mark, zero
        | '\u{3041}'..='\u{30fa}' // Hiragana, Katakana
        | '\u{30fc}'..='\u{312f}' // long vowel mark, Bopomofo
        | '\u{31f0}'..='\u{31ff}' // Katakana extensions
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' // Han
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
        && c != '\u{30a0}'
        && c != '\u{0e3f}'
}

/// Marks that belong to the word they stand in, in scripts whose vowels are marks.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{0900}'..='\u{0dff}' | '\u{0591}'..='\u{05c7}' | '\u{064b}'..='\u{065f}')
        && !matches!(c, '\u{0964}' | '\u{0965}')
}

/// A text that can be searched.
#[derive(Debug, Clone, Default)]
pub struct Document {
    tokens: Vec<String>,
    places: HashMap<String, Vec<usize>>,
}

impl Document {
    /// Adds a piece of text; phrases do not reach from one piece into the next.
    pub fn push(&mut self, text: &str) {
        if !self.tokens.is_empty() {
            self.tokens.push(String::new());
        }
        for token in tokens(text) {
            self.places.entry(token.text.clone()).or_default().push(self.tokens.len());
            self.tokens.push(token.text);
        }
    }

    /// Whether a term is found.
    pub fn finds(&self, term: &TextTerm) -> bool {
        let tokens = tokens(&term.text);
        if term.phrase {
            return self.finds_run(&tokens);
        }
        // Characters of a script without spaces that were written together are looked for together.
        tokens.chunk_by(|a, b| a.unspaced && b.unspaced && b.joined).all(|run| self.finds_run(run))
    }

    /// Whether every word of a text is found.
    pub fn has_words_of(&self, text: &str) -> bool {
        tokens(text).iter().all(|token| self.places.contains_key(&token.text))
    }

    fn finds_run(&self, run: &[Token]) -> bool {
        let Some(first) = run.first() else { return true };
        let places = self.places.get(&first.text).map(Vec::as_slice).unwrap_or_default();
        places.iter().any(|at| {
            let here = self.tokens.get(*at..at.saturating_add(run.len()));
            here.is_some_and(|here| here.iter().zip(run).all(|(have, want)| *have == want.text))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(text: &str, term: &str, phrase: bool) -> bool {
        let mut document = Document::default();
        document.push(text);
        document.finds(&TextTerm { text: term.to_owned(), phrase })
    }

    #[test]
    fn spellings_that_people_take_for_equal_are_equal() {
        for (text, term) in [
            ("Le Café crème", "CAFE"),
            ("cafe\u{301}", "café"),
            ("ＦＵＬＬ width", "full"),
            ("ΟΔΟΣ", "οδος"),
            ("tool-call_id=42", "tool-call_id"),
            ("हिन्दी में", "हिन्दी"),
        ] {
            assert!(finds(text, term, false), "{term} in {text}");
        }
        assert!(!finds("か", "が", false));
        assert!(!finds("cafeteria", "cafe", false));
    }

    #[test]
    fn text_without_spaces_is_found_by_any_piece_of_it() {
        let text = "彼は東京都に住んでいる。人工智能是计算机科学的分支";
        for piece in ["東京", "京都", "東京都に", "人工智能", "科学", "都"] {
            assert!(finds(text, piece, false), "{piece}");
        }
        for piece in ["京東", "大阪", "人智"] {
            assert!(!finds(text, piece, false), "{piece}");
        }
    }

    #[test]
    fn a_phrase_stands_together_and_words_stand_anywhere() {
        let text = "the connection was reset by peer";
        assert!(finds(text, "reset by", true));
        assert!(!finds(text, "by reset", true));
        assert!(finds(text, "by/reset", false));
        assert!(finds(text, "…", false) && finds(text, "", true));
    }
}
