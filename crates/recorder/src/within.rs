//! Search inside one trace: the whole of what its spans hold, not the words of an index.
//!
//! Texts are read as they are stored, in pages that end after so many bytes or hits, so that neither
//! memory nor time grows with the trace. Of something quarantined, only reviewers find what it holds.

mod phrase;
mod texts;

use exhibit_model::{Part, Span, SpanId, TraceId, WorkspaceId};
use exhibit_store::{Page, SpanWindow, StoredSpan};

pub use phrase::Phrase;

use crate::{
    Error, Recorder,
    accept::{conceal, decode},
};

/// Spans read whole at a time.
const SPANS_AT_ONCE: usize = 16;
/// Payload after which a page ends, bytes: a quarter of a second's work.
const PAGE_BYTES: usize = 32 << 20;
/// Spans with hits after which a page ends.
const PAGE_SPANS: usize = 200;
/// Hits of one span that are told; the others are counted.
const HITS_MAX: usize = 20;

/// A place where the phrase stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The part of the record.
    pub part: Part,
    /// JSON pointer (RFC 6901) to the text in that part, as findings have it. It goes on into JSON
    /// that a text holds; a `#` at its end says that the name itself is meant.
    pub pointer: String,
    /// Code points of the text before it.
    pub start: usize,
    /// Code points of the text up to its end.
    pub end: usize,
    /// A piece of the text around it.
    pub excerpt: String,
    /// Code points of the excerpt before it.
    pub excerpt_start: usize,
    /// Code points of the excerpt up to its end.
    pub excerpt_end: usize,
}

/// The hits of one span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanHits {
    /// The span.
    pub span_id: SpanId,
    /// How many there are.
    pub count: usize,
    /// The first of them.
    pub hits: Vec<Hit>,
}

/// Where a page starts: a window of the store, and how many of its spans were searched already.
struct Place {
    window: Option<String>,
    skip: usize,
}

impl Place {
    fn parse(cursor: Option<&str>) -> Result<Self, Error> {
        let Some(cursor) = cursor else { return Ok(Self { window: None, skip: 0 }) };
        let place = cursor.split_once('.').and_then(|(skip, window)| {
            let window = Some(window.to_owned()).filter(|window| !window.is_empty());
            Some(Self { window, skip: skip.parse().ok()? })
        });
        place.ok_or_else(|| exhibit_store::StoreError::Cursor.into())
    }

    fn to_cursor(&self) -> String {
        format!("{}.{}", self.skip, self.window.as_deref().unwrap_or_default())
    }
}

impl Recorder {
    /// The spans of a trace, in order of start, in which a phrase stands; the registration record is
    /// not among them. A page may hold none while there are more. `None`: there is no such trace.
    pub async fn search_trace(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        phrase: &Phrase,
        after: Option<&str>,
        to_reviewer: bool,
    ) -> Result<Option<Page<SpanHits>>, Error> {
        let mut place = Place::parse(after)?;
        if self.store.trace(workspace, trace).await?.is_none() {
            return Ok(None);
        }
        let mut found = Vec::new();
        let mut bytes = 0;
        loop {
            let limit = self.limits.window_spans_max;
            let window = SpanWindow { after: place.window.clone(), limit, parent: None };
            let page = self.store.spans(workspace, trace, &window).await?;
            let rest = page.rows.get(place.skip..).unwrap_or_default();
            for rows in rest.chunks(SPANS_AT_ONCE) {
                if bytes > PAGE_BYTES || found.len() >= PAGE_SPANS {
                    return Ok(Some(Page { rows: found, next: Some(place.to_cursor()) }));
                }
                let ids: Vec<_> =
                    rows.iter().map(|row| (trace.clone(), row.head.span_id.clone())).collect();
                let stored = self.load(workspace, &ids).await?;
                let size = |span: &StoredSpan| span.parts.iter().map(Vec::len).sum::<usize>();
                bytes += stored.iter().flatten().map(size).sum::<usize>();
                let phrase = phrase.clone();
                let searched = tokio::task::spawn_blocking(move || {
                    let all = stored.iter().flatten();
                    all.map(|span| search(span, &phrase, to_reviewer)).collect::<Result<_, _>>()
                });
                let searched: Result<Vec<Option<SpanHits>>, Error> =
                    searched.await.map_err(|error| Error::Internal(error.to_string()))?;
                found.extend(searched?.into_iter().flatten());
                place.skip += rows.len();
            }
            let Some(next) = page.next else {
                return Ok(Some(Page { rows: found, next: None }));
            };
            place = Place { window: Some(next), skip: 0 };
        }
    }
}

fn search(
    stored: &StoredSpan,
    phrase: &Phrase,
    to_reviewer: bool,
) -> Result<Option<SpanHits>, Error> {
    let mut span = decode(stored)?;
    if span.decision.is_quarantine() && !to_reviewer {
        conceal::span(&mut span);
    }
    Ok(hits(&span, phrase))
}

fn hits(span: &Span, phrase: &Phrase) -> Option<SpanHits> {
    let mut found = SpanHits { span_id: span.span_id.clone(), count: 0, hits: Vec::new() };
    texts::visit(span, &mut |part, pointer, text| {
        for spot in phrase.spots(text) {
            found.count += 1;
            if found.hits.len() < HITS_MAX {
                found.hits.push(spot.hit(part, pointer, text));
            }
        }
    });
    (found.count > 0).then_some(found)
}

#[cfg(test)]
mod tests {
    use exhibit_model::{Attribute, Door, Json};

    use super::*;

    fn span(key: &str, value: impl Into<Json>) -> Span {
        let (trace, id) = (TraceId::new("t").unwrap(), SpanId::new("s").unwrap());
        let mut span = Span::new(trace, id, Door::Native);
        span.attributes.push(Attribute { part: Part::Input, ..Attribute::new(key, value) });
        span
    }

    fn find(span: &Span, words: &str) -> Vec<Hit> {
        hits(span, &Phrase::new(words).unwrap()).map_or_else(Vec::new, |found| found.hits)
    }

    #[test]
    fn a_hit_tells_where_it_stands_in_code_points() {
        let text = format!("{}😀 Straße {}", "日本".repeat(100_000), "x".repeat(500));
        let hits = find(&span("a/b", serde_json::json!([{"content": text}])), "STRASSE");
        assert_eq!(hits.len(), 1);
        let hit = &hits[0];
        assert_eq!((hit.part, hit.pointer.as_str()), (Part::Input, "/a~1b/0/content"));
        assert_eq!((hit.start, hit.end), (200_002, 200_008));
        let points: Vec<char> = hit.excerpt.chars().collect();
        let marked: String = points[hit.excerpt_start..hit.excerpt_end].iter().collect();
        assert_eq!(marked, "Straße");
        assert!(points.len() < 250, "{}", points.len());
    }

    #[test]
    fn json_in_a_text_is_read_as_what_it_says() {
        let text = r#"[{"role":"user","content":"say \"hi\"\nto \u4e2d\u6587"}]"#;
        let span = span("messages", text);
        let hits = find(&span, "\"HI\"\nto 中文");
        assert_eq!(hits.len(), 1);
        assert_eq!(hits[0].pointer, "/messages/0/content");
        assert!(find(&span, "role").is_empty(), "no names from within");
        let broken = self::span("messages", r#"[{"role": say "#);
        assert_eq!(find(&broken, "SAY").len(), 1);
    }

    #[test]
    fn names_numbers_events_and_the_header_are_texts_too() {
        let mut one = span("retry.count", serde_json::json!({"n": 4_217}));
        one.name = Some("Checkout".into());
        one.status_message = Some("timed out".into());
        assert_eq!(find(&one, "retry.COUNT")[0].pointer, "/retry.count#");
        assert_eq!(find(&one, "4217")[0].pointer, "/retry.count/n");
        assert_eq!(find(&one, "checkout")[0].part, Part::Header);
        assert_eq!(find(&one, "Timed")[0].pointer, "/status_message");
        assert!(Phrase::new("  ").is_none());
    }

    #[test]
    fn many_hits_are_counted_and_the_first_are_told() {
        let found = hits(&span("a", "ab ".repeat(1_000)), &Phrase::new("AB").unwrap()).unwrap();
        assert_eq!((found.count, found.hits.len()), (1_000, HITS_MAX));
        let overlapping = find(&span("b", "aaaa"), "aa");
        assert_eq!(overlapping.len(), 2, "one after the other");
    }
}
