//! Records whose contents a reviewer had redacted or erased: nobody can say any more what their parts were.
//!
//! Such a record is shown without parts, and stands for itself by its leaf alone. It is taken for what it
//! says it is when a later revision of the same span, by the chain of `supersedes` in the leaves, is shown
//! and says itself that a reviewer's decision was carried out on it. A client cannot say so: the recorder
//! strips what it sends under that name.

use std::collections::HashMap;

use exhibit_ledger::{LeafKind, RecordId};
use serde::Deserialize;

use super::{
    Fault, Verdict,
    log::{LeafFacts, Leaves},
    records::FAULTS_MAX,
};
use crate::line::RecordLine;

/// The attribute that holds a reviewer's decision.
const DECISION: &str = "exhibit.review_decision";
/// The part that it stands in.
const PART: usize = 3;
/// Revisions that are looked at on the way to the one that tells.
const CHAIN_MAX: usize = 1_000;

/// A span: its trace and its id.
type Name = (String, String);

/// Records without parts, and records that tell of a review.
#[derive(Default)]
pub(super) struct Cleared {
    bare: Vec<(u64, RecordId, Name)>,
    telling: HashMap<RecordId, Name>,
}

#[derive(Deserialize)]
struct Attributes {
    attributes: Decided,
}

#[derive(Deserialize)]
struct Decided {
    #[serde(rename = "exhibit.review_decision")]
    decision: Option<Decision>,
}

#[derive(Deserialize)]
struct Decision {
    #[serde(default)]
    handling: String,
}

impl Cleared {
    /// Takes a line without parts; false where it cannot be one of a cleared record.
    pub(super) fn take(&mut self, line: &RecordLine<'_>, leaf: &LeafFacts) -> bool {
        let name = name(line).filter(|_| line.superseded && leaf.kind == LeafKind::Span);
        let taken = name.map(|name| self.bare.push((leaf.index, leaf.id, name)));
        taken.is_some()
    }

    /// Notes what a record that opens its leaf says of a review.
    pub(super) fn hear(&mut self, line: &RecordLine<'_>, leaf: &LeafFacts) {
        let text = line.parts.get(PART).and_then(|part| part.text.as_deref());
        let Some(text) = text.filter(|text| text.contains(DECISION)) else { return };
        let read = serde_json::from_str::<Attributes>(text).ok();
        let decision = read.and_then(|read| read.attributes.decision);
        let clears =
            decision.is_some_and(|one| matches!(one.handling.as_str(), "redact" | "erase"));
        if let Some(name) = name(line).filter(|_| clears) {
            self.telling.insert(leaf.id, name);
        }
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.bare.extend(other.bare);
        self.telling.extend(other.telling);
    }

    /// Checks that for each record without parts a later one tells of the review; whether there are any.
    pub(super) fn confirm(&self, leaves: &Leaves, faults: &mut Vec<Fault>) -> bool {
        if self.bare.is_empty() {
            return false;
        }
        let replaced = leaves.replaced();
        for (index, id, name) in &self.bare {
            let later = std::iter::successors(replaced.get(id), |id| replaced.get(id));
            let tells = |id: &RecordId| self.telling.get(id) == Some(name);
            if !later.take(CHAIN_MAX).any(tells) && faults.len() < FAULTS_MAX {
                let what = "a record is shown without its parts, and no review says why";
                let fault = Fault::new(Verdict::Missing, "record-not-cleared", what);
                faults.push(fault.at(*index).trace(&name.0));
            }
        }
        true
    }
}

fn name(line: &RecordLine<'_>) -> Option<Name> {
    Some((line.trace_id.clone().into_owned(), line.span_id.as_deref()?.to_owned()))
}
