//! Certificates of erasure: acts in the log by which records were rightly taken away.
//!
//! A certificate counts when its leaf is shown in the log's cover, when salt and text open that leaf, and
//! when what it says can be so: the leaves that it names are of records and stand before its own. Then
//! the records of those leaves need not be there, and may not be. Whether an act was lawful is not for a
//! verifier to say: that it was done, when, why and by whom is what the operator has sealed.

use std::{
    collections::HashSet,
    io::{Read, Seek},
};

use exhibit_ledger::{Hash, LeafKind, Salt, record::part_hash};
use exhibit_model::Nanos;
use serde::{Deserialize, Serialize};

use super::{
    Bundle, Fault, Verdict, lines,
    log::{LeafFacts, Leaves},
    reader,
    records::FAULTS_MAX,
};
use crate::{
    line::{ErasureLine, read},
    zip::Entry,
};

/// Certificates that a report lists.
const LISTED_MAX: usize = 1_000;

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Erasure {
    /// Place of its leaf in the log.
    pub index: u64,
    /// `erasure` or `retention`.
    pub cause: String,
    /// The reason that was given, or the rule that was followed.
    pub why: String,
    /// Who asked: `user:<id>`, `key:<id>`, `local`, `clock` or `restore`; absent in old certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When, RFC 3339.
    pub at: String,
    /// Records of this bundle's leaves that went by it.
    pub records: u64,
}

impl Erasure {
    /// For people, in one line.
    pub fn in_words(&self) -> String {
        let Self { index, cause, why, by, at, records } = self;
        let by = by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
        let text = format!("{records} records{by} at {at}: {cause}, {why}");
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        format!("{text} [certificate: leaf {index}]")
    }
}

/// An act as its text says it.
#[derive(Deserialize)]
struct Act {
    act: String,
    erased: Erased,
}

#[derive(Deserialize)]
struct Erased {
    cause: String,
    why: String,
    #[serde(default)]
    by: Option<String>,
    at: Nanos,
    leaves: Vec<(u64, u64)>,
}

/// What the certificates of a bundle take out of what must be there.
#[derive(Default)]
pub(super) struct Gone {
    pub(super) faults: Vec<Fault>,
    /// By rising index.
    erasures: Vec<Erasure>,
    /// Of each place in the list of leaves, the certificate that covers it.
    covered: Vec<Option<u32>>,
}

impl<R: Read + Seek, O: Fn() -> std::io::Result<R> + Sync> Bundle<'_, O> {
    /// Reads and checks every certificate.
    pub(super) fn check_erasures(&self, leaves: &Leaves) -> Gone {
        let mut gone = Gone::default();
        let mut certified: Vec<(Erasure, Vec<(u64, u64)>)> = Vec::new();
        let tally = Tally::of(leaves);
        let mut seen = HashSet::new();
        for entry in self.segments("erasures") {
            let content = reader(self.open).map_err(|refusal| Fault::refused(&refusal));
            let content = match content.and_then(|mut file| self.content(entry, &mut file)) {
                Ok(content) => content,
                Err(fault) => {
                    gone.faults.push(fault);
                    continue;
                }
            };
            let Some(lines) = lines(&content) else {
                gone.faults.push(Fault::malformed(&entry.name, "not lines of UTF-8"));
                continue;
            };
            for line in lines {
                let Some(line) = read::<ErasureLine<'_>>(line) else {
                    let what = "not a line of a certificate";
                    gone.faults.push(Fault::malformed(&entry.name, what));
                    break;
                };
                match certificate(&line, leaves, &tally) {
                    Ok(one) if seen.insert(line.index) => certified.push(one),
                    Ok(_) => gone.fault(unfit("it is there twice"), entry, line.index),
                    Err(fault) => gone.fault(fault, entry, line.index),
                }
            }
        }
        certified.sort_by_key(|(erasure, _)| erasure.index);
        gone.cover(certified, leaves);
        gone
    }
}

impl Gone {
    fn fault(&mut self, fault: Fault, entry: &Entry, index: u64) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault.of(&entry.name).at(index));
        }
    }

    /// Marks the leaves that certificates cover; where several do, the one whose range begins first.
    fn cover(&mut self, certified: Vec<(Erasure, Vec<(u64, u64)>)>, leaves: &Leaves) {
        let mut ranges = Vec::new();
        for (number, (erasure, covers)) in (0..).zip(certified) {
            ranges.extend(covers.into_iter().map(|(from, to)| (from, to, number)));
            self.erasures.push(erasure);
        }
        ranges.sort_unstable();
        self.covered = vec![None; leaves.len()];
        let mut done = 0;
        for (from, to, number) in ranges {
            let from = leaves.places_before(from).max(done);
            let to = leaves.places_before(to);
            for slot in self.covered.get_mut(from..to).into_iter().flatten() {
                *slot = Some(number);
            }
            done = done.max(to);
        }
    }

    /// Whether the record at a place in the list of leaves was erased with a certificate.
    pub(super) fn has(&self, place: usize) -> bool {
        self.covered.get(place).is_some_and(Option::is_some)
    }

    /// Counts the record at a place as gone.
    pub(super) fn count(&mut self, place: usize) {
        let number = self.covered.get(place).copied().flatten();
        let erasure = number.and_then(|number| self.erasures.get_mut(number as usize));
        if let Some(erasure) = erasure {
            erasure.records += 1;
        }
    }

    /// The certificates, and how many records went by them.
    pub(super) fn told(self) -> (u64, Vec<Erasure>) {
        let records = self.erasures.iter().map(|one| one.records).sum();
        (records, self.erasures.into_iter().take(LISTED_MAX).collect())
    }
}

fn unfit(what: &str) -> Fault {
    Fault::new(Verdict::BadProof, "certificate-unfit", what)
}

/// How many leaves of a list before each place are of records.
struct Tally(Vec<usize>);

impl Tally {
    fn of(leaves: &Leaves) -> Self {
        let mut tally = vec![0; leaves.len() + 1];
        leaves.of_records().for_each(|(place, _)| tally[place + 1] = 1);
        for place in 1..tally.len() {
            tally[place] += tally[place - 1];
        }
        Self(tally)
    }

    fn before(&self, place: usize) -> usize {
        self.0.get(place).copied().unwrap_or_default()
    }
}

/// Checks one certificate; gives what it says and the ranges of leaves that it covers.
fn certificate(
    line: &ErasureLine<'_>,
    leaves: &Leaves,
    tally: &Tally,
) -> Result<(Erasure, Vec<(u64, u64)>), Fault> {
    let leaf = leaves.place(line.index).and_then(|place| leaves.get(place));
    let is_its = |leaf: &&LeafFacts| {
        matches!(leaf.kind, LeafKind::Erasure | LeafKind::Retention)
            && line.record == leaf.id.to_string()
            && line.kind == leaf.kind.as_str()
    };
    let leaf = leaf.filter(is_its).ok_or_else(|| {
        let what = "the log does not show the act that this certificate is of";
        Fault::new(Verdict::BadProof, "certificate-not-in-log", what)
    })?;
    let salt = Hash::from_hex(&line.salt).ok().map(|hash| Salt(hash.0));
    let root = salt.map(|salt| part_hash(&salt, line.text.as_bytes()));
    if root.is_none() || root != leaf.body_root || *leaf.lengths != [line.text.len() as u64] {
        let what = "the certificate is not the act that was sealed";
        return Err(Fault::new(Verdict::Altered, "certificate-changed", what));
    }
    let act = serde_json::from_str::<Act>(&line.text).ok().filter(|act| act.act == "erased");
    let erased = act.ok_or_else(|| unfit("the act is no erasure"))?.erased;
    let mut covered = 0;
    for (from, to) in &erased.leaves {
        if from >= to || *to > leaf.index {
            return Err(unfit("it covers leaves that were not there yet"));
        }
        let (first, last) = (leaves.places_before(*from), leaves.places_before(*to));
        let records = tally.before(last) - tally.before(first);
        if records < last - first {
            return Err(unfit("it covers leaves that are not of records"));
        }
        covered += records;
    }
    if covered == 0 {
        return Err(unfit("it covers no record of this bundle"));
    }
    let Erased { cause, why, by, at, leaves } = erased;
    let at = at.to_rfc3339();
    Ok((Erasure { index: leaf.index, cause, why, by, at, records: 0 }, leaves))
}
