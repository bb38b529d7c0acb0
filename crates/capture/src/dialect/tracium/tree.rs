//! Who encloses whom, when a client says only how deep each span stands.
//!
//! A span at depth n belongs to a span at depth n − 1 that was open all the time it was: started no
//! later and not ended before it. Siblings of one parallel group share a parent. Where several spans
//! could be the parent (children of tasks that ran side by side), the one that started last is taken,
//! and the span says that it was a choice. A span is settled twice, when it starts and when it ends:
//! its end rules out parents that were over before.

use std::collections::HashMap;

use exhibit_model::{Json, JsonMap, Nanos, Span, SpanId};

use super::{DEPTH, GROUP, SEQUENCE};
use crate::read;

/// Where a span stands.
#[derive(Debug, Clone)]
pub struct Place {
    /// The span.
    pub id: SpanId,
    /// How deep, from 0.
    pub depth: u64,
    /// When it started.
    pub start: Nanos,
    /// When it ended; none while it runs.
    pub end: Option<Nanos>,
    /// Its parallel group.
    pub group: Option<String>,
    /// Its place in the group.
    pub sequence: Option<u64>,
    /// Its parent: as stated, or as found so far.
    pub parent: Option<SpanId>,
    stated: bool,
}

impl Place {
    /// As a request describes it.
    pub(super) fn of_entry(span: &Span, map: &JsonMap, stated: Option<SpanId>) -> Self {
        let field = |key: &str| map.get(key.strip_prefix(super::PREFIX).unwrap_or(key));
        Self { stated: stated.is_some(), parent: stated, ..Self::read(span, field) }
    }

    /// As it was stored.
    pub fn of_span(span: &Span) -> Self {
        Self { parent: span.parent_id.clone(), ..Self::read(span, |key| span.attribute(key)) }
    }

    fn read<'a>(span: &Span, field: impl Fn(&str) -> Option<&'a Json>) -> Self {
        let count = |key: &str| field(key).and_then(|value| read::count(value).ok().flatten());
        Self {
            id: span.span_id.clone(),
            depth: count(DEPTH).unwrap_or(0),
            start: span.start.unwrap_or(span.received),
            end: span.end,
            group: field(GROUP).and_then(read::text),
            sequence: count(SEQUENCE),
            parent: None,
            stated: false,
        }
    }

    /// Whether it was open all the time that `inner` was, as far as known.
    fn encloses(&self, inner: &Self) -> bool {
        let open = match (self.end, inner.end) {
            (None, _) => true,
            (Some(end), None) => end >= inner.start,
            (Some(end), Some(inner_end)) => end >= inner_end,
        };
        self.start <= inner.start && open
    }
}

/// The spans of one trace.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    places: Vec<Place>,
    by_id: HashMap<SpanId, usize>,
}

impl Tree {
    /// Takes in a span that is known.
    pub fn add(&mut self, place: Place) {
        match self.by_id.get(&place.id) {
            Some(at) => {
                if let Some(slot) = self.places.get_mut(*at) {
                    *slot = place;
                }
            }
            None => {
                self.by_id.insert(place.id.clone(), self.places.len());
                self.places.push(place);
            }
        }
    }

    /// How many spans it knows.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Finds the parent of a span and takes the span in. Says by what the parent was found.
    pub(super) fn settle(&mut self, mut place: Place, root: &SpanId) -> (SpanId, &'static str) {
        let before = self.by_id.get(&place.id).and_then(|at| self.places.get(*at)).cloned();
        if let Some(before) = &before {
            if !place.stated && before.stated {
                (place.parent, place.stated) = (before.parent.clone(), true);
            }
            // An update may leave out where the span stands.
            place.depth = place.depth.max(before.depth);
            place.group = place.group.or_else(|| before.group.clone());
        }
        let held = before.and_then(|before| before.parent);
        let (parent, by) = match place.parent.clone().filter(|_| place.stated) {
            Some(stated) => (stated, "sent"),
            None if place.depth == 0 => (root.clone(), "depth"),
            None => self.find(&place, held.as_ref()).unwrap_or((root.clone(), "unknown")),
        };
        place.parent = Some(parent.clone());
        self.add(place);
        (parent, by)
    }

    fn find(&self, place: &Place, held: Option<&SpanId>) -> Option<(SpanId, &'static str)> {
        let above = place.depth.checked_sub(1)?;
        let fits: Vec<&Place> =
            self.places.iter().filter(|p| p.depth == above && p.encloses(place)).collect();
        if let [only] = fits.as_slice() {
            return Some((only.id.clone(), "depth"));
        }
        let is_fit = |id: &SpanId| fits.iter().any(|p| p.id == *id);
        if let Some(group) = &place.group {
            let mut siblings = self.places.iter().filter(|p| p.group.as_ref() == Some(group));
            let parent = siblings.find_map(|p| p.parent.clone().filter(&is_fit));
            if let Some(parent) = parent {
                return Some((parent, "group"));
            }
        }
        if let Some(held) = held.filter(|id| is_fit(id)) {
            return Some((held.clone(), "choice"));
        }
        let latest = fits.iter().max_by_key(|p| (p.start, p.sequence, p.id.clone()))?;
        Some((latest.id.clone(), "choice"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(id: &str, depth: u64, start: i64, end: Option<i64>, group: Option<&str>) -> Place {
        Place {
            id: SpanId::new(id).unwrap(),
            depth,
            start: Nanos(start),
            end: end.map(Nanos),
            group: group.map(str::to_owned),
            sequence: None,
            parent: None,
            stated: false,
        }
    }

    fn parents(places: &[Place]) -> Vec<String> {
        let root = SpanId::new("root").unwrap();
        let mut tree = Tree::default();
        places.iter().map(|p| tree.settle(p.clone(), &root).0.to_string()).collect()
    }

    #[test]
    fn depth_and_time_tell_the_parent() {
        let found = parents(&[
            place("plan", 0, 1, None, None),
            place("llm", 1, 2, Some(5), None),
            place("plan", 0, 1, Some(9), None),
            place("act", 0, 10, None, None),
            place("tool", 1, 11, Some(12), None),
        ]);
        assert_eq!(found, ["root", "plan", "root", "root", "act"]);
    }

    #[test]
    fn the_end_of_a_span_rules_out_parents_that_were_over_before() {
        let found = parents(&[
            place("a", 0, 1, None, Some("g")),
            place("b", 0, 2, None, Some("g")),
            place("child", 1, 3, None, None),
            place("b", 0, 2, Some(8), Some("g")),
            place("child", 1, 3, Some(9), None),
        ]);
        assert_eq!((found[2].as_str(), found[4].as_str()), ("b", "a"));
    }

    #[test]
    fn siblings_of_a_parallel_group_share_a_parent() {
        let found = parents(&[
            place("a", 0, 1, None, None),
            place("x", 1, 2, None, Some("g")),
            place("b", 0, 3, None, None),
            place("y", 1, 4, None, Some("g")),
        ]);
        assert_eq!((found[1].as_str(), found[3].as_str()), ("a", "a"));
    }

    #[test]
    fn a_span_too_deep_for_what_is_known_hangs_on_the_trace() {
        assert_eq!(parents(&[place("lost", 7, 1, None, None)]), ["root"]);
    }
}
