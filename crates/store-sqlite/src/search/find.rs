//! Which traces have a word.

use std::collections::HashMap;

use exhibit_store::{StoreError, filter::TextTerm};
use tantivy::{
    DocSet, Searcher, SegmentReader, TERMINATED, Term, postings::SegmentPostings,
    schema::IndexRecordOption,
};

use super::{
    Search,
    index::{Fields, TRACE, failed},
    words,
};
use crate::failure::Result;

/// A set of trace numbers. They are dense and small, so a bit each is the shortest way to keep, to
/// intersect and to ask them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TraceSet(Vec<u64>);

impl TraceSet {
    fn insert(&mut self, trace: u64) {
        let word = (trace / 64) as usize;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (trace % 64);
    }

    fn intersect(&mut self, other: &Self) {
        self.0.truncate(other.0.len());
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine &= theirs;
        }
    }

    /// Whether a trace is in it.
    pub(crate) fn has(&self, trace: i64) -> bool {
        let Ok(trace) = u64::try_from(trace) else { return false };
        self.0.get((trace / 64) as usize).is_some_and(|word| word >> (trace % 64) & 1 == 1)
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Its traces, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = i64> + '_ {
        self.0.iter().enumerate().flat_map(|(place, word)| {
            (0..64)
                .filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| (place * 64 + bit) as i64)
        })
    }
}

/// What is said where there is no index.
pub(crate) const SEARCH_OFF: StoreError = StoreError::Unsupported(
    "search text: search is off, or its index does not read and is made anew \
                             when the server starts",
);

/// Answers the terms of one filter; each is looked up once.
#[derive(Debug, Default)]
pub(crate) struct Finder {
    found: HashMap<TextTerm, Option<TraceSet>>,
}

impl Finder {
    /// Looks terms up. Fails when there is no index.
    pub(crate) fn of<'t>(
        search: Option<&Search>,
        workspace: i64,
        terms: impl IntoIterator<Item = &'t TextTerm>,
    ) -> Result<Self> {
        let mut found = HashMap::new();
        let mut at_hand = None;
        for term in terms {
            if found.contains_key(term) {
                continue;
            }
            if at_hand.is_none() {
                let search = search.ok_or(SEARCH_OFF)?;
                at_hand = Some(search.searcher());
            }
            let Some((searcher, fields)) = &at_hand else { continue };
            found.insert(term.clone(), find(searcher, *fields, workspace, &term.text)?);
        }
        Ok(Self { found })
    }

    /// The traces in which a term is found; none when it is found in all.
    pub(crate) fn traces(&self, term: &TextTerm) -> Option<&TraceSet> {
        self.found.get(term)?.as_ref()
    }

    /// Whether a term is found in a trace.
    pub(crate) fn has(&self, term: &TextTerm, trace: i64) -> bool {
        match self.found.get(term) {
            Some(Some(set)) => set.has(trace),
            Some(None) => true,
            None => false,
        }
    }
}

/// The traces that have every word of a text; none when it has no words, so that all do.
fn find(
    searcher: &Searcher,
    fields: Fields,
    workspace: i64,
    text: &str,
) -> Result<Option<TraceSet>> {
    let mut all: Option<TraceSet> = None;
    for word in words::asked(workspace, text) {
        let traces = traces_with(searcher, fields, &word)?;
        match &mut all {
            None => all = Some(traces),
            Some(all) => all.intersect(&traces),
        }
        if all.as_ref().is_some_and(|all| all.len() == 0) {
            break;
        }
    }
    Ok(all)
}

fn traces_with(searcher: &Searcher, fields: Fields, word: &str) -> Result<TraceSet> {
    let doing = "searching";
    let term = Term::from_field_text(fields.words, word);
    let mut traces = TraceSet::default();
    for segment in searcher.segment_readers() {
        let Some(mut postings) = postings(segment, fields.words, &term)? else { continue };
        let column = segment.fast_fields().u64(TRACE).map_err(|e| failed(doing, &e))?;
        while postings.doc() != TERMINATED {
            let doc = postings.doc();
            if !segment.is_deleted(doc)
                && let Some(trace) = column.first(doc)
            {
                traces.insert(trace);
            }
            postings.advance();
        }
    }
    Ok(traces)
}

fn postings(
    segment: &SegmentReader,
    field: tantivy::schema::Field,
    term: &Term,
) -> Result<Option<SegmentPostings>> {
    let doing = "searching";
    segment
        .inverted_index(field)
        .map_err(|e| failed(doing, &e))?
        .read_postings(term, IndexRecordOption::Basic)
        .map_err(|e| crate::failure::io(doing, &e))
}

/// Whether every word of a text is found in one trace: looks the trace's documents up, then each word
/// in those only.
pub(crate) fn has_words(search: &Search, workspace: i64, trace: i64, text: &str) -> Result<bool> {
    let wanted = words::all_of(workspace, text);
    if wanted.is_empty() {
        return Ok(true);
    }
    let (searcher, fields) = search.searcher();
    let of_trace = Term::from_field_u64(fields.trace, trace as u64);
    let mut missing: Vec<String> = wanted;
    for segment in searcher.segment_readers() {
        let Some(mut docs) = postings(segment, fields.trace, &of_trace)? else { continue };
        let mut own = Vec::new();
        while docs.doc() != TERMINATED {
            if !segment.is_deleted(docs.doc()) {
                own.push(docs.doc());
            }
            docs.advance();
        }
        let mut still = Vec::new();
        for word in missing {
            let term = Term::from_field_text(fields.words, &word);
            let found = match postings(segment, fields.words, &term)? {
                None => false,
                Some(mut words) => own.iter().any(|doc| {
                    let at = words.doc();
                    at == *doc || (at < *doc && words.seek(*doc) == *doc)
                }),
            };
            if !found {
                still.push(word);
            }
        }
        missing = still;
        if missing.is_empty() {
            return Ok(true);
        }
    }
    Ok(missing.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let mut set = TraceSet::default();
        for trace in [0, 63, 64, 1_000] {
            set.insert(trace);
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 63, 64, 1_000]);
        assert_eq!(set.len(), 4);
        assert!(set.has(64) && !set.has(65) && !set.has(-1) && !set.has(i64::MAX));
        let mut other = TraceSet::default();
        other.insert(64);
        set.intersect(&other);
        assert_eq!(set.iter().collect::<Vec<_>>(), [64]);
    }
}
