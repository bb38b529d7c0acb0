//! A detector: a pattern with what confirms or doubts its matches.
//!
//! `file` reads them from YAML, `validator` holds the checks that a pattern cannot express.

pub(crate) mod file;
pub(crate) mod pattern;
pub(crate) mod validator;

use exhibit_model::{FindingCategory, Severity};
pub(crate) use pattern::Pattern;
pub(crate) use validator::{Check, Validator};

/// One kind of thing to find, compiled.
pub(crate) struct Detector {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) entity: String,
    pub(crate) category: FindingCategory,
    pub(crate) severity: Severity,
    pub(crate) trigger: Trigger,
    pub(crate) pattern: Pattern,
    pub(crate) validator: Option<Validator>,
    /// Shannon entropy that a value needs, bits per byte.
    pub(crate) min_entropy: Option<f64>,
    /// Lower-case words that make a value a placeholder.
    pub(crate) stop: Vec<String>,
    /// Lower-case words that raise the score when they stand near.
    pub(crate) context: Vec<String>,
    pub(crate) boost_milli: u16,
    pub(crate) score_milli: u16,
    /// The score of a confirmed match without a word nearby that speaks for it: 1,000 where the check is
    /// strong, less where one number in ten passes it.
    pub(crate) alone_milli: u16,
    /// Matches below are dropped.
    pub(crate) min_score_milli: u16,
    /// Keywords count only as they are written, and only where no letter, digit, `-` or `_` stands before.
    pub(crate) exact: bool,
    /// After a keyword one of these bytes must stand near; empty asks for none.
    pub(crate) follow: Vec<u8>,
    /// Bytes around a trigger in which the pattern is tried: before it starts, after it ends.
    pub(crate) reach: (usize, usize),
    /// Bytes of one span that its pattern is run over at most; what is beyond is not looked at.
    pub(crate) steps_max: usize,
    /// The file it comes from.
    pub(crate) file: String,
}

/// What in a text makes it worth trying the pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// One of these words, whatever their case.
    Keywords(Vec<String>),
    /// An `@`.
    At,
    /// A group of digits, perhaps with separators, that is no part of a word.
    Digits {
        /// With at least this many digits,
        min: usize,
        /// and with runs of these lengths among them: bit n for a run of n.
        runs: u32,
    },
    /// As [`Self::Digits`], after a `+` or beginning with `00`.
    PlusDigits(usize),
    /// Digits with at least three dots between them.
    Dotted,
    /// Two letters and then digits.
    LettersDigits,
    /// Two letters, a space and then digits.
    LettersSpaceDigits,
    /// A run of letters and digits with at least this many bytes and at least one digit.
    Token(usize),
    /// Hex digits around colons or dashes.
    HexGroups,
    /// Digits in a row with one of these lengths, also within a word: bit n for n digits.
    Run(u32),
}

impl Detector {
    /// Whether no match reaches a score unless one of the context words stands near.
    pub(crate) fn needs_context(&self, floor_milli: u16) -> bool {
        self.score_milli < floor_milli
            && (self.validator.is_none() || self.alone_milli < floor_milli)
    }
}
