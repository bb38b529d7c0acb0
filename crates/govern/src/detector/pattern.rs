//! A detector's regular expression, compiled when it is first tried: most never are, and compiling six
//! hundred of them takes longer than everything else at the start.

mod need;
mod outline;

use std::{ops::Range, sync::OnceLock};

use regex_automata::{
    Anchored, Input, MatchKind, PatternID, PatternSet,
    meta::{BuildError, Builder, Config, Regex},
    util::syntax,
};

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
    regex: Regex,
    /// The group that holds the value, else the whole match.
    group: Option<usize>,
}

impl Compiled {
    /// The next match in a text, not before `at`.
    pub(crate) fn find_at(&self, text: &[u8], at: usize) -> Option<Range<usize>> {
        self.regex.search(&Input::new(text).range(at..)).map(|found| found.range())
    }

    /// The value within a match that [`Self::find_at`] found. It is looked for from the beginning of the
    /// match to its end and nowhere else: what finds groups clears memory for every byte it may look at.
    pub(crate) fn value(&self, text: &[u8], whole: Range<usize>) -> Range<usize> {
        let Some(group) = self.group else { return whole };
        let input = Input::new(text).range(whole.clone()).anchored(Anchored::Yes);
        let mut slots = vec![None; 2 * (group + 1)];
        self.regex.search_slots(&input, &mut slots);
        match slots[2 * group..] {
            [Some(start), Some(end)] => start.get()..end.get(),
            _ => whole,
        }
    }
}

impl Pattern {
    /// A pattern that was not looked at yet.
    pub(crate) fn new(source: String) -> Self {
        Self { source, compiled: OnceLock::new(), need: OnceLock::new() }
    }

    /// What is wrong with it, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        let compiled = compile(&self.source)?;
        if compiled.regex.is_match("") {
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
/// may match.
pub(crate) struct Outlines(Regex);

impl Outlines {
    /// None where a pattern has no outline or they are too large together.
    pub(crate) fn of<'a>(patterns: impl Iterator<Item = &'a Pattern>) -> Option<Self> {
        let outlines: Option<Vec<String>> =
            patterns.map(|pattern| outline::of_pattern(&pattern.source)).collect();
        builder(SET_BYTES_MAX, SET_CACHE_BYTES_MAX, MatchKind::All)
            .build_many(&outlines?)
            .ok()
            .map(Self)
    }

    /// Room for an answer.
    pub(crate) fn room(&self) -> PatternSet {
        PatternSet::new(self.0.pattern_len())
    }

    /// Which patterns may match a text with this outline, by their places.
    pub(crate) fn matching<'r>(
        &self,
        outline: &[u8],
        room: &'r mut PatternSet,
    ) -> impl Iterator<Item = usize> + use<'r> {
        room.clear();
        self.0.which_overlapping_matches(&Input::new(outline), room);
        let some = (!room.is_empty()).then(|| room.iter());
        some.into_iter().flatten().map(|pattern| pattern.as_usize())
    }
}

fn compile(source: &str) -> Result<Compiled, String> {
    let regex = builder(PATTERN_BYTES_MAX, CACHE_BYTES_MAX, MatchKind::LeftmostFirst)
        .build(source)
        .map_err(|error| format!("`pattern`: {}", reason(&error)))?;
    let group = regex.group_info().to_index(PatternID::ZERO, "value");
    Ok(Compiled { regex, group })
}

/// Patterns of bytes: ASCII classes, whatever the text holds.
fn builder(bytes_max: usize, cache_bytes_max: usize, kind: MatchKind) -> Builder {
    let config = Config::new()
        .utf8_empty(false)
        .match_kind(kind)
        .nfa_size_limit(Some(bytes_max))
        .hybrid_cache_capacity(cache_bytes_max);
    let mut builder = Regex::builder();
    builder.configure(config).syntax(syntax::Config::new().unicode(false).utf8(false));
    builder
}

/// Why a pattern cannot be compiled.
fn reason(error: &BuildError) -> String {
    match (error.syntax_error(), error.size_limit()) {
        (Some(error), _) => error.to_string(),
        (None, Some(limit)) => format!("it is larger than {limit} bytes once compiled"),
        (None, None) => error.to_string(),
    }
}
