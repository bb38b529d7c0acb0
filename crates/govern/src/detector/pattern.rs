//! A detector's regular expression, compiled when it is first tried: most never are, and compiling six
//! hundred of them takes longer than everything else at the start.

mod need;
mod outline;

use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

pub(crate) use need::Need;
pub(crate) use outline::outline;

/// Largest compiled pattern, bytes.
const PATTERN_BYTES_MAX: usize = 2 << 20;
/// Largest cache of one pattern and thread, bytes: a hundred patterns must not fill memory on odd text.
const CACHE_BYTES_MAX: usize = 128 << 10;
/// Largest set of patterns that are tried as one, compiled, bytes.
const SET_BYTES_MAX: usize = 16 << 20;
/// Largest cache of such a set and thread, bytes: one set stands for fifty patterns.
const SET_CACHE_BYTES_MAX: usize = 4 << 20;

/// A pattern with ASCII semantics: linear time whatever the text is.
pub(crate) struct Pattern {
    source: String,
    compiled: OnceLock<Option<Compiled>>,
    need: OnceLock<Option<Need>>,
}

/// What a pattern becomes.
pub(crate) struct Compiled {
    pub(crate) regex: Regex,
    /// The group that holds the value, else the whole match.
    pub(crate) group: Option<usize>,
}

impl Pattern {
    /// A pattern that was not looked at yet.
    pub(crate) fn new(source: String) -> Self {
        Self { source, compiled: OnceLock::new(), need: OnceLock::new() }
    }

    /// What is wrong with it, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        let compiled = compile(&self.source)?;
        if compiled.regex.is_match(b"") {
            return Err("`pattern` matches the empty text".to_owned());
        }
        let _ = self.compiled.set(Some(compiled));
        Ok(())
    }

    /// The pattern to match with; none for one that would not pass [`Self::check`].
    pub(crate) fn compiled(&self) -> Option<&Compiled> {
        self.compiled.get_or_init(|| compile(&self.source).ok()).as_ref()
    }

    /// What must stand in a text for the pattern to match; none where nothing simple can be said.
    pub(crate) fn need(&self) -> Option<&Need> {
        self.need.get_or_init(|| Need::of(&self.source)).as_ref()
    }
}

/// The outlines of several patterns as one, which says in one pass over the outline of a text which of them
/// may match; none where one has no outline or they are too large together.
pub(crate) fn outlines_together<'a>(
    patterns: impl Iterator<Item = &'a Pattern>,
) -> Option<RegexSet> {
    let outlines: Option<Vec<String>> =
        patterns.map(|pattern| outline::of_pattern(&pattern.source)).collect();
    RegexSetBuilder::new(outlines?)
        .unicode(false)
        .size_limit(SET_BYTES_MAX)
        .dfa_size_limit(SET_CACHE_BYTES_MAX)
        .build()
        .ok()
}

fn compile(source: &str) -> Result<Compiled, String> {
    let regex = RegexBuilder::new(source)
        .unicode(false)
        .size_limit(PATTERN_BYTES_MAX)
        .dfa_size_limit(CACHE_BYTES_MAX)
        .build()
        .map_err(|error| format!("`pattern`: {error}"))?;
    let group = regex.capture_names().position(|name| name == Some("value"));
    Ok(Compiled { regex, group })
}
