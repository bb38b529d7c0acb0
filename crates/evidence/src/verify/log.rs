//! The cover of the log: do the leaves that are shown stand under the checkpoint?

use std::{
    collections::HashMap,
    io::{Read, Seek},
};

use exhibit_ledger::{Hash, Leaf, LeafKind, RecordId};

use super::{Bundle, Demands, Fault, Report, Verdict, lines};
use crate::{
    cover::Cover,
    line::{CoverLine, read},
};

/// What a record is checked against.
pub(super) struct LeafFacts {
    pub(super) index: u64,
    pub(super) hash: Hash,
    pub(super) kind: LeafKind,
    pub(super) id: RecordId,
    pub(super) supersedes: Option<RecordId>,
    pub(super) body_root: Option<Hash>,
    pub(super) lengths: Box<[u64]>,
}

/// The leaves that are shown, by rising index.
pub(super) struct Leaves(Vec<LeafFacts>);

impl Leaves {
    /// Place of a leaf in the list.
    pub(super) fn place(&self, index: u64) -> Option<usize> {
        self.0.binary_search_by_key(&index, |leaf| leaf.index).ok()
    }

    /// How many leaves of the list stand before `index` in the log.
    pub(super) fn places_before(&self, index: u64) -> usize {
        self.0.partition_point(|leaf| leaf.index < index)
    }

    pub(super) fn get(&self, place: usize) -> Option<&LeafFacts> {
        self.0.get(place)
    }

    /// Every leaf whose record must be there.
    pub(super) fn of_records(&self) -> impl Iterator<Item = (usize, &LeafFacts)> {
        let has_record = |kind| matches!(kind, LeafKind::Span | LeafKind::TraceSeal);
        self.0.iter().enumerate().filter(move |(_, leaf)| has_record(leaf.kind))
    }

    /// Which record replaced which: the old one's id to the new one's.
    pub(super) fn replaced(&self) -> HashMap<RecordId, RecordId> {
        self.0.iter().filter_map(|leaf| Some((leaf.supersedes?, leaf.id))).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<R: Read + Seek, O: Fn() -> std::io::Result<R> + Sync> Bundle<'_, O> {
    /// Adds up the cover. `None` where it does not lead to the checkpoint: then nothing that the
    /// leaves say about records counts.
    pub(super) fn check_log(&self, _: &Demands, report: &mut Report) -> Option<Leaves> {
        let mut cover = Cover::default();
        let mut leaves = Leaves(Vec::new());
        let mut complete = true;
        let before = report.faults.len();
        let mut file = (self.open)().ok()?;
        for entry in self.segments("log") {
            let content = match self.content(entry, &mut file) {
                Ok(content) => content,
                Err(fault) => {
                    report.faults.push(fault);
                    continue;
                }
            };
            let Some(lines) = lines(&content) else {
                report.faults.push(Fault::malformed(&entry.name, "not lines of UTF-8"));
                return None;
            };
            for line in lines {
                let line: Option<CoverLine<'_>> = read(line);
                let Some(line) = line.filter(|_| report.faults.len() == before) else {
                    if report.faults.len() == before {
                        report.faults.push(Fault::malformed(&entry.name, "not a line of a cover"));
                    }
                    return None;
                };
                match add(&mut cover, &line, &mut leaves.0) {
                    Ok(shown) => complete &= shown,
                    Err(fault) => {
                        report.faults.push(fault.of(&entry.name));
                        return None;
                    }
                }
            }
        }
        if report.faults.len() > before {
            return None;
        }
        report.leaves = leaves.0.len() as u64;
        report.complete = complete;
        let head = &self.manifest.log;
        if cover.size() < head.size {
            let what =
                format!("{} leaves are shown, the checkpoint has {}", cover.size(), head.size);
            let fault = Fault::new(Verdict::Truncated, "leaves-truncated", what).at(cover.size());
            report.faults.push(fault);
            return None;
        }
        if cover.size() > head.size || cover.root().to_hex() != head.root {
            let what = "the leaves are not those under the checkpoint";
            report.faults.push(Fault::new(Verdict::Altered, "root-differs", what));
            return None;
        }
        Some(leaves)
    }
}

/// Adds one line; gives whether it shows a leaf.
fn add(
    cover: &mut Cover,
    line: &CoverLine<'_>,
    leaves: &mut Vec<LeafFacts>,
) -> Result<bool, Fault> {
    let index = line.index;
    if index > cover.size() {
        let what = format!("leaves {} to {} are not there", cover.size(), index - 1);
        return Err(Fault::new(Verdict::Missing, "leaves-missing", what).at(cover.size()));
    }
    if index < cover.size() {
        let what = format!("leaf {index} stands where leaf {} should", cover.size());
        return Err(Fault::new(Verdict::Reordered, "leaves-out-of-order", what).at(index));
    }
    match (&line.leaf, line.leaves, &line.hash) {
        (Some(text), None, None) => {
            let hash = cover.leaf(text.as_bytes());
            let leaf = Leaf::parse(text.as_bytes()).map_err(|error| {
                Fault::new(Verdict::Altered, "leaf-malformed", error.to_string()).at(index)
            })?;
            leaves.push(LeafFacts {
                index,
                hash,
                kind: leaf.kind,
                id: leaf.id,
                supersedes: leaf.supersedes,
                body_root: leaf.body_root,
                lengths: leaf.lengths.into_boxed_slice(),
            });
            Ok(true)
        }
        (None, Some(width), Some(hash)) => {
            let root = Hash::from_hex(hash).ok();
            let added = root.is_some_and(|root| cover.subtree(width, root));
            let what = "no complete subtree of this width can stand here";
            let fault = || Fault::new(Verdict::BadProof, "bad-subtree", what).at(index);
            if added { Ok(false) } else { Err(fault()) }
        }
        _ => {
            let what = "a line shows either a leaf or a subtree";
            Err(Fault::new(Verdict::BadProof, "bad-subtree", what).at(index))
        }
    }
}
