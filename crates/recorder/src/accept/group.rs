//! Spans of one request, gathered by trace.

use std::collections::{HashMap, HashSet};

use exhibit_capture::Rejected;
use exhibit_model::{Door, Json, Span, SpanId, TraceId, merge};

/// Spans of one trace that arrived together, each identity once.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) trace_id: TraceId,
    pub(crate) spans: Vec<Span>,
    /// Where each span stood in the request.
    places: Vec<usize>,
    /// How many deliveries they were before repeated identities were merged.
    pub(crate) delivered: u64,
    /// They are stored already and only to be mapped again.
    pub(crate) remap: bool,
}

impl Group {
    /// Stored spans of one trace, to be mapped again.
    pub(crate) fn to_remap(trace_id: TraceId, spans: Vec<Span>) -> Vec<Self> {
        let whole = Self { spans, ..Self::new(trace_id) };
        let mut slices = slices(whole);
        slices.iter_mut().for_each(|slice| slice.remap = true);
        slices
    }

    fn new(trace_id: TraceId) -> Self {
        Self { trace_id, spans: Vec::new(), places: Vec::new(), delivered: 0, remap: false }
    }
}

impl Group {
    /// Refuses all of it. The bodies are not kept.
    pub(crate) fn refuse(&self, reason: &str) -> Vec<Rejected> {
        let places = self.places.iter().copied().chain(std::iter::repeat(0));
        let spans = self.spans.iter().zip(places);
        spans
            .map(|(span, index)| Rejected {
                index,
                pointer: String::new(),
                reason: reason.to_owned(),
                span_id: Some(span.span_id.to_string()),
                trace_id: None,
                body: None,
            })
            .collect()
    }
}

/// Gathers spans by trace in order of first appearance, merges repeated identities, and refuses
/// spans whose parents form a cycle.
pub(crate) fn by_trace(spans: Vec<Span>, rejected: &mut Vec<Rejected>) -> Vec<Group> {
    let mut places: HashMap<TraceId, usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    // Spans that were refused before have kept their places.
    let refused: HashSet<usize> = rejected.iter().map(|r| r.index).collect();
    let numbers = (0..).filter(|place| !refused.contains(place));
    for (span, number) in spans.into_iter().zip(numbers) {
        let place = *places.entry(span.trace_id.clone()).or_insert_with(|| {
            groups.push(Group::new(span.trace_id.clone()));
            groups.len() - 1
        });
        groups[place].delivered += 1;
        groups[place].spans.push(span);
        groups[place].places.push(number);
    }
    for group in &mut groups {
        merge_repeated(group);
        refuse_cycles(group, rejected);
    }
    groups.retain(|g| !g.spans.is_empty());
    groups
}

fn merge_repeated(group: &mut Group) {
    let mut places: HashMap<SpanId, usize> = HashMap::with_capacity(group.spans.len());
    if group.spans.iter().enumerate().all(|(i, s)| places.insert(s.span_id.clone(), i).is_none()) {
        return;
    }
    places.clear();
    let mut once: Vec<Span> = Vec::with_capacity(group.spans.len());
    let mut first_places = Vec::with_capacity(group.spans.len());
    for (span, number) in group.spans.drain(..).zip(group.places.drain(..)) {
        if let Some(place) = places.get(&span.span_id) {
            // Within one request, the order of the request decides between equals.
            let (earlier, later) = ([0; 16], [1; 16]);
            let slot = &mut once[*place];
            *slot = merge::merge((slot.clone(), earlier), (span, later));
        } else {
            places.insert(span.span_id.clone(), once.len());
            once.push(span);
            first_places.push(number);
        }
    }
    group.spans = once;
    group.places = first_places;
}

/// A chain of parents that leads back to itself can be drawn by nobody.
fn refuse_cycles(group: &mut Group, rejected: &mut Vec<Rejected>) {
    let parents: HashMap<&SpanId, &SpanId> =
        group.spans.iter().filter_map(|s| Some((&s.span_id, s.parent_id.as_ref()?))).collect();
    let mut safe: HashSet<&SpanId> = HashSet::with_capacity(parents.len());
    let mut cyclic: HashSet<SpanId> = HashSet::new();
    for start in parents.keys().copied() {
        let mut path: Vec<&SpanId> = Vec::new();
        let mut on_path: HashSet<&SpanId> = HashSet::new();
        let mut at = start;
        loop {
            if safe.contains(at) || cyclic.contains(at) {
                break;
            }
            if !on_path.insert(at) {
                let from = path.iter().position(|id| *id == at).unwrap_or(0);
                cyclic.extend(path[from..].iter().map(|id| (*id).clone()));
                break;
            }
            path.push(at);
            match parents.get(at) {
                Some(parent) => at = parent,
                None => break,
            }
        }
        safe.extend(path);
    }
    if cyclic.is_empty() {
        return;
    }
    let trace_id = group.trace_id.clone();
    let mut refused = 0;
    let mut places = group.places.iter();
    group.spans.retain(|span| {
        let index = places.next().copied().unwrap_or_default();
        let keep = !cyclic.contains(&span.span_id);
        if !keep {
            refused += 1;
            let pointer = match span.door {
                Door::Native => format!("/batch/{index}/parent_span_id"),
                _ => String::new(),
            };
            rejected.push(Rejected {
                index,
                pointer,
                reason: "the span's parents form a cycle; send a parent_id that leads to a root"
                    .to_owned(),
                span_id: Some(span.span_id.to_string()),
                trace_id: Some(trace_id.to_string()),
                body: Some(Json::Object(exhibit_capture::native::fields(span))),
            });
        }
        keep
    });
    group.delivered = group.delivered.saturating_sub(refused);
}

/// Splits groups into batches of at most `spans_max` spans, each trace at most once in a batch and
/// with at most one payload block's worth of spans.
pub(crate) fn batches(groups: Vec<Group>, spans_max: usize) -> Vec<Vec<Group>> {
    let mut batches: Vec<Vec<Group>> = Vec::new();
    let mut fill: Vec<usize> = Vec::new();
    for group in groups {
        // Slices of one trace go to batches of their own, so that each has one block per trace.
        let mut batch = 0;
        for slice in slices(group) {
            while fill.get(batch).is_some_and(|n| *n > 0 && n + slice.spans.len() > spans_max) {
                batch += 1;
            }
            if batch == batches.len() {
                batches.push(Vec::new());
                fill.push(0);
            }
            fill[batch] += slice.spans.len();
            batches[batch].push(slice);
            batch += 1;
        }
    }
    batches
}

/// Estimated raw bytes of one block; the exact size is known only after encoding.
const BLOCK_BYTES: usize = 200 * 1024;

fn slices(group: Group) -> Vec<Group> {
    let estimate = |span: &Span| -> usize {
        let attributes: usize =
            span.attributes.iter().map(|a| a.key.len() + json_bytes(&a.value) + 8).sum();
        let events: usize = span
            .events
            .iter()
            .map(|e| {
                e.attributes.values().chain(e.body.as_ref()).map(json_bytes).sum::<usize>() + 64
            })
            .sum();
        attributes + events + 1_000
    };
    let total: usize = group.spans.iter().map(estimate).sum();
    if total <= BLOCK_BYTES {
        return vec![group];
    }
    let mut out = Vec::new();
    let mut slice = Group::new(group.trace_id.clone());
    let mut bytes = 0;
    for span in group.spans {
        let size = estimate(&span);
        if bytes > 0 && bytes + size > BLOCK_BYTES {
            let next = Group::new(group.trace_id.clone());
            out.push(std::mem::replace(&mut slice, next));
            bytes = 0;
        }
        bytes += size;
        slice.spans.push(span);
    }
    out.push(slice);
    out
}

fn json_bytes(value: &exhibit_model::Json) -> usize {
    use exhibit_model::Json;
    match value {
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(json_bytes).sum(),
        Json::Object(map) => map.iter().map(|(k, v)| k.len() + json_bytes(v)).sum(),
        Json::Null | Json::Bool(_) | Json::Number(_) => 8,
    }
}
