//! Every record against its leaf, every seal against the leaves of its trace. The files of records
//! are shared between threads.

use std::{
    collections::{HashMap, HashSet},
    io::{Read, Seek},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use exhibit_ledger::{Hash, LeafKind, tree::root_of};
use serde::Deserialize;

use super::{
    Bundle, Fault, Report, Verdict,
    cleared::Cleared,
    erasures::Gone,
    lines,
    log::{LeafFacts, Leaves},
    reader,
};
use crate::{
    line::{RecordLine, SEAL_PART, SPAN_PARTS, read},
    zip::Entry,
};

/// Faults that are kept of one run; a bundle of a million wrong records needs no longer list.
pub(super) const FAULTS_MAX: usize = 1_000;

/// What the records of a bundle add up to.
#[derive(Default)]
struct Found {
    faults: Vec<Fault>,
    /// Places in the list of leaves of the records that were found.
    seen: Vec<usize>,
    traces: HashMap<String, Trace>,
    cleared: Cleared,
    withheld: bool,
}

/// What is known of a trace.
#[derive(Default)]
struct Trace {
    /// Index and hash of its spans' leaves.
    spans: Vec<(u64, Hash)>,
    seals: Vec<(u64, Seal)>,
}

/// The private part of a seal.
#[derive(Debug, Deserialize)]
struct Seal {
    trace_id: String,
    covered: u64,
    root: String,
    late: bool,
}

/// What a header says about whose it is.
#[derive(Deserialize)]
struct Header {
    trace_id: String,
    span_id: String,
}

impl<R: Read + Seek, O: Fn() -> std::io::Result<R> + Sync> Bundle<'_, O> {
    pub(super) fn check_records(
        &self,
        leaves: &Leaves,
        gone: Gone,
        progress: &(impl Fn(u64, u64) + Sync),
        report: &mut Report,
    ) {
        let segments = self.segments("records");
        let others: Vec<&Entry> = self
            .zip
            .entries()
            .iter()
            .filter(|e| !["log/", "erasures/"].iter().any(|folder| e.name.starts_with(folder)))
            .filter(|e| !segments.iter().any(|s| s.name == e.name))
            .collect();
        let total: u64 = segments.iter().map(|e| e.bytes).sum();
        let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
        let found = Mutex::new(Found::default());
        let work = || {
            let mut file = match reader(self.open) {
                Ok(file) => file,
                Err(refusal) => return merge(&found, failed(Fault::refused(&refusal))),
            };
            while let Some(entry) = segments.get(next.fetch_add(1, Ordering::Relaxed)) {
                merge(&found, self.check_segment(entry, &mut file, leaves));
                progress(done.fetch_add(entry.bytes, Ordering::Relaxed) + entry.bytes, total);
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.min(segments.len()).min(16);
        if threads <= 1 {
            work();
        } else {
            std::thread::scope(|scope| {
                (0..threads).for_each(|_| {
                    scope.spawn(work);
                });
            });
        }
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        // What no check above has read is at least what the manifest lists.
        if let Ok(mut file) = reader(self.open) {
            let damaged = others.iter().filter_map(|e| self.content(e, &mut file).err());
            found.faults.extend(damaged);
        }
        self.settle(found, leaves, gone, report);
    }

    fn check_segment(&self, entry: &Entry, file: &mut R, leaves: &Leaves) -> Found {
        let mut found = Found::default();
        let content = match self.content(entry, file) {
            Ok(content) => content,
            Err(fault) => return failed(fault),
        };
        let Some(lines) = lines(&content) else {
            return failed(Fault::malformed(&entry.name, "not lines of UTF-8"));
        };
        for line in lines {
            let Some(line) = read::<RecordLine<'_>>(line) else {
                found.faults.push(Fault::malformed(&entry.name, "not a line of a record"));
                return found;
            };
            if let Err(fault) = found.record(&line, leaves) {
                let fault = fault.of(&entry.name).at(line.index).trace(&line.trace_id);
                if found.faults.len() < FAULTS_MAX {
                    found.faults.push(fault);
                }
            }
        }
        found
    }

    /// What only the whole can tell: records that are missing or there twice, seals, counts.
    fn settle(&self, mut found: Found, leaves: &Leaves, mut gone: Gone, report: &mut Report) {
        let mut seen = vec![false; leaves.len()];
        for place in &found.seen {
            if std::mem::replace(&mut seen[*place], true) {
                let what = "a record is there twice";
                let index = leaves.get(*place).map_or(0, |leaf| leaf.index);
                found.faults.push(Fault::new(Verdict::Altered, "record-twice", what).at(index));
            } else if gone.has(*place) && found.faults.len() < FAULTS_MAX {
                let what = "a record is shown that a certificate says was erased";
                let index = leaves.get(*place).map_or(0, |leaf| leaf.index);
                found.faults.push(Fault::new(Verdict::Altered, "record-erased", what).at(index));
            }
        }
        // A record that does not fit its leaf has been named already, and one that stands elsewhere
        // is not missing.
        let named: HashSet<u64> = found.faults.iter().filter_map(|fault| fault.index).collect();
        let moved = found.faults.iter().any(|fault| fault.code == "record-elsewhere");
        for (place, leaf) in leaves.of_records().filter(|_| !moved) {
            if seen[place] || named.contains(&leaf.index) {
                continue;
            }
            if gone.has(place) {
                gone.count(place);
            } else if found.faults.len() < FAULTS_MAX {
                let what = format!("the record of leaf {} is not there", leaf.index);
                let fault = Fault::new(Verdict::Missing, "record-missing", what);
                found.faults.push(fault.at(leaf.index));
            }
        }
        let cleared = found.cleared.confirm(leaves, &mut found.faults);
        found.faults.append(&mut gone.faults);
        let mut late = false;
        if found.faults.is_empty() {
            for (trace_id, trace) in &mut found.traces {
                trace.spans.sort_unstable_by_key(|(index, _)| *index);
                for (index, seal) in &trace.seals {
                    late |= seal.late;
                    let fault = check_seal(seal, &trace.spans).err();
                    found.faults.extend(fault.map(|f| f.at(*index).trace(trace_id)));
                }
            }
        }
        report.traces = found.traces.len() as u64;
        report.records = found.seen.len() as u64;
        let counts = &self.manifest.counts;
        let stated = (counts.traces, counts.records, counts.leaves);
        if found.faults.is_empty() && stated != (report.traces, report.records, report.leaves) {
            let what = "the manifest counts other traces, records or leaves than there are";
            found.faults.push(Fault::new(Verdict::Altered, "counts-differ", what));
        }
        if found.withheld {
            report.qualifiers.push("redacted");
        }
        if late {
            report.qualifiers.push("late");
        }
        if cleared {
            report.qualifiers.push("cleared-by-review");
        }
        (report.erased, report.erasures) = gone.told();
        if report.erased > 0 {
            report.qualifiers.push("erased-with-certificate");
        }
        // A file that cannot be read, or is not the one that was signed, explains all the rest.
        let refused = |f: &Fault| f.verdict == Verdict::Refused;
        let broken = |f: &Fault| matches!(f.code, "file-changed" | "file-damaged");
        if found.faults.iter().any(refused) {
            found.faults.retain(refused);
        } else if found.faults.iter().any(broken) {
            found.faults.retain(broken);
        }
        report.faults.extend(found.faults);
    }
}

impl Found {
    fn record(&mut self, line: &RecordLine<'_>, leaves: &Leaves) -> Result<(), Fault> {
        let elsewhere = |what: &str| Fault::new(Verdict::Reordered, "record-elsewhere", what);
        let place = leaves.place(line.index);
        let leaf = place.and_then(|place| leaves.get(place));
        let (Some(place), Some(leaf)) = (place, leaf) else {
            return Err(elsewhere("no leaf is shown at the record's place"));
        };
        if line.record != leaf.id.to_string() || line.kind != leaf.kind.as_str() {
            return Err(elsewhere("the leaf at this place is another record's"));
        }
        if line.parts.is_empty() && self.cleared.take(line, leaf) {
            self.trace(line).spans.push((leaf.index, leaf.hash));
            self.seen.push(place);
            return Ok(());
        }
        check_parts(line, leaf)?;
        self.withheld |= line.parts.iter().any(|part| part.withheld.is_some());
        let first = line.parts.first().and_then(|part| part.text.as_deref());
        let mislabelled = || {
            let what = "the line names another trace or span than the record itself";
            Fault::new(Verdict::Altered, "record-mislabelled", what)
        };
        if leaf.kind == LeafKind::Span {
            if let Some(header) = first {
                let header: Header = serde_json::from_str(header).map_err(|_| mislabelled())?;
                let span = line.span_id.as_deref();
                if header.trace_id != line.trace_id || Some(&*header.span_id) != span {
                    return Err(mislabelled());
                }
            }
            self.cleared.hear(line, leaf);
            self.trace(line).spans.push((leaf.index, leaf.hash));
        } else {
            let seal: Seal =
                first.and_then(|text| serde_json::from_str(text).ok()).ok_or_else(mislabelled)?;
            if seal.trace_id != line.trace_id || line.span_id.is_some() {
                return Err(mislabelled());
            }
            self.trace(line).seals.push((leaf.index, seal));
        }
        self.seen.push(place);
        Ok(())
    }

    fn trace(&mut self, line: &RecordLine<'_>) -> &mut Trace {
        if !self.traces.contains_key(&*line.trace_id) {
            self.traces.insert(line.trace_id.clone().into_owned(), Trace::default());
        }
        self.traces.entry(line.trace_id.clone().into_owned()).or_default()
    }
}

fn check_parts(line: &RecordLine<'_>, leaf: &LeafFacts) -> Result<(), Fault> {
    let changed = || {
        let what = "the record's parts are not those that were sealed";
        Fault::new(Verdict::Altered, "record-changed", what)
    };
    let names: &[&str] = match leaf.kind {
        LeafKind::Span => &SPAN_PARTS,
        _ => &[SEAL_PART],
    };
    let named = line.parts.iter().map(|part| &*part.name).eq(names.iter().copied());
    let lengths = line.parts.iter().map(|part| part.bytes).eq(leaf.lengths.iter().copied());
    if !named || !lengths {
        return Err(changed());
    }
    let hashes: Option<Vec<Hash>> =
        line.parts.iter().map(super::super::line::PartLine::hash).collect();
    let root = hashes.map(|hashes| root_of(&hashes));
    if root.is_some() && root == leaf.body_root { Ok(()) } else { Err(changed()) }
}

/// `spans` are the trace's span leaves in the order of the log.
fn check_seal(seal: &Seal, spans: &[(u64, Hash)]) -> Result<(), Fault> {
    let covered = usize::try_from(seal.covered).unwrap_or(usize::MAX);
    let Some(covered) = spans.get(..covered) else {
        let what = "the trace has fewer records than its seal covers";
        return Err(Fault::new(Verdict::Missing, "seal-span-missing", what));
    };
    let hashes: Vec<Hash> = covered.iter().map(|(_, hash)| *hash).collect();
    if root_of(&hashes).to_hex() == seal.root {
        return Ok(());
    }
    let what = "the trace's records are not those that its seal covers";
    Err(Fault::new(Verdict::Altered, "seal-differs", what))
}

fn failed(fault: Fault) -> Found {
    Found { faults: vec![fault], ..Found::default() }
}

fn merge(into: &Mutex<Found>, from: Found) {
    let mut into = into.lock().unwrap_or_else(PoisonError::into_inner);
    let room = FAULTS_MAX.saturating_sub(into.faults.len());
    into.faults.extend(from.faults.into_iter().take(room));
    into.seen.extend(from.seen);
    into.withheld |= from.withheld;
    into.cleared.extend(from.cleared);
    for (id, trace) in from.traces {
        let known = into.traces.entry(id).or_default();
        known.spans.extend(trace.spans);
        known.seals.extend(trace.seals);
    }
}
