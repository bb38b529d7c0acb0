//! Verifying a bundle: what it shows is what was signed, or a fault says what is not.
//!
//! The order: the file itself ([`crate::zip`]), the manifest and who signed it (`head`), the log's
//! cover (`log`), the certificates of what was erased (`erasures`), every record against its leaf and
//! every seal against its trace (`records`); time stamps beside the head that they date (`stamps`). A file
//! that cannot be read as a bundle is refused and nothing else is said about it; everything later is
//! gathered, so that one run names all that is wrong.

mod cleared;
mod erasures;
mod head;
mod log;
mod records;
mod stamps;

use std::io::{Read, Seek};

use exhibit_ledger::{Policy, SignedCheckpoint, VerifierKey};
use serde::Serialize;

pub use erasures::Erasure;
pub use stamps::DatedBy;

use crate::{
    manifest::{MANIFEST, Manifest, SIGNATURE, sha256},
    stamp::Roots,
    zip::{Entry, Refusal, ZipReader},
};

/// The words of verdicts, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything checked holds.
    Valid,
    /// Everything checked holds, and every record of the selection was erased with a certificate.
    ErasedWithCertificate,
    /// Something that was demanded cannot be decided from this bundle.
    Unverifiable,
    /// A record is shown that the log does not hold in this place.
    Reordered,
    /// The log ends before its checkpoint.
    Truncated,
    /// A leaf, record or file is not there.
    Missing,
    /// Something is not what was sealed.
    Altered,
    /// Two signed heads contradict one another.
    Forked,
    /// Something is signed by another key.
    WrongKey,
    /// A proof does not lead where it should.
    BadProof,
    /// The file is not a bundle; nothing is said about what is in it.
    Refused,
}

/// What was found to be wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What it is.
    pub verdict: Verdict,
    /// Stable name; the same in all our verifiers.
    pub code: &'static str,
    /// The file of the bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The leaf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// In words, without content.
    pub what: String,
}

impl Fault {
    fn new(verdict: Verdict, code: &'static str, what: impl Into<String>) -> Self {
        Self { verdict, code, file: None, trace_id: None, index: None, what: what.into() }
    }

    fn refused(refusal: &Refusal) -> Self {
        Self::new(Verdict::Refused, refusal.code(), refusal.to_string())
    }

    fn malformed(file: &str, what: &str) -> Self {
        Self::refused(&Refusal::Malformed { file: file.to_owned(), what: what.to_owned() }).of(file)
    }

    fn of(mut self, file: &str) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    fn at(mut self, index: u64) -> Self {
        self.index = Some(index);
        self
    }

    fn trace(mut self, trace_id: &str) -> Self {
        self.trace_id = Some(trace_id.to_owned());
        self
    }
}

/// What the auditor brings along.
#[derive(Debug, Default)]
pub struct Demands {
    /// Verifier key of the log or of the installation, pinned from outside.
    pub key: Option<VerifierKey>,
    /// Witnesses that the auditor trusts.
    pub policy: Option<Policy>,
    /// A checkpoint of the workspace's log, obtained from elsewhere.
    pub checkpoint: Option<SignedCheckpoint>,
    /// Certificates that the auditor trusts to name time-stamp authorities; empty: a stamp is checked
    /// against the certificate that it brings, and the report says so.
    pub roots: Roots,
    /// Whether a bundle without an independent checkpoint is not enough.
    pub require_witness: bool,
}

/// The outcome.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The worst that was found.
    pub verdict: Verdict,
    /// What the verdict rests on: `key-self-asserted`, `key-succeeded`, `restored`,
    /// `stamp-authority-unknown`, `unwitnessed`, `redacted`, `late`, `cleared-by-review`,
    /// `erased-with-certificate`.
    pub qualifiers: Vec<&'static str>,
    /// Origin of the log.
    pub log: String,
    /// The key that signed it.
    pub key: String,
    /// Leaves under the checkpoint.
    pub tree_size: u64,
    /// When the bundle says it was made.
    pub created: String,
    /// Traces shown.
    pub traces: u64,
    /// Records shown.
    pub records: u64,
    /// Leaves shown.
    pub leaves: u64,
    /// Whether every leaf of the log is shown, so that nothing can be missing before the checkpoint.
    pub complete: bool,
    /// Witnesses whose cosignatures hold, as the auditor's policy names them.
    pub witnesses: Vec<String>,
    /// Time stamps over the head, in the order of the bundle.
    pub stamps: Vec<DatedBy>,
    /// Records that are gone, each under a certificate that stands in the log.
    pub erased: u64,
    /// The certificates: who took records away, when and why; at most a thousand are listed.
    pub erasures: Vec<Erasure>,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// A bundle that was opened: directory, manifest, and how to read on.
struct Bundle<'o, O> {
    open: &'o O,
    zip: ZipReader,
    manifest: Manifest,
    manifest_bytes: Vec<u8>,
}

/// Verifies a bundle. `open` gives a fresh reader of the file, one per thread; `progress` is told how
/// many bytes have been unpacked, of how many.
pub fn verify<R: Read + Seek>(
    open: &(impl Fn() -> std::io::Result<R> + Sync),
    demands: &Demands,
    progress: &(impl Fn(u64, u64) + Sync),
) -> Report {
    let mut report = Report {
        verdict: Verdict::Valid,
        qualifiers: Vec::new(),
        log: String::new(),
        key: String::new(),
        tree_size: 0,
        created: String::new(),
        traces: 0,
        records: 0,
        leaves: 0,
        complete: false,
        witnesses: Vec::new(),
        stamps: Vec::new(),
        erased: 0,
        erasures: Vec::new(),
        faults: Vec::new(),
    };
    match Bundle::open(open) {
        Ok(bundle) => bundle.check(demands, progress, &mut report),
        Err(refusal) => report.faults.push(Fault::refused(&refusal)),
    }
    report.faults.sort_by(|a, b| {
        (b.verdict, &a.file, a.index, a.code).cmp(&(a.verdict, &b.file, b.index, b.code))
    });
    let sound = match (report.erased, report.records) {
        (1.., 0) => Verdict::ErasedWithCertificate,
        _ => Verdict::Valid,
    };
    report.verdict = report.faults.iter().map(|f| f.verdict).max().unwrap_or(sound);
    report
}

impl<'o, R: Read + Seek, O: Fn() -> std::io::Result<R> + Sync> Bundle<'o, O> {
    fn open(open: &'o O) -> Result<Self, Refusal> {
        let mut file = reader(open)?;
        let zip = ZipReader::open(&mut file)?;
        let entry = zip.entry(MANIFEST);
        let entry = entry.ok_or_else(|| Refusal::Manifest("there is none".to_owned()))?;
        let damaged = || Refusal::Manifest("it does not unpack".to_owned());
        let manifest_bytes = entry.read(&mut file)?.ok_or_else(damaged)?;
        let manifest = Manifest::parse(&manifest_bytes)?;
        let listed: std::collections::HashSet<&str> =
            manifest.files.iter().map(|file| &*file.name).collect();
        let known = |name: &str| name == MANIFEST || name == SIGNATURE || listed.contains(name);
        if let Some(entry) = zip.entries().iter().find(|entry| !known(&entry.name)) {
            return Err(Refusal::Unlisted(entry.name.clone()));
        }
        Ok(Self { open, zip, manifest, manifest_bytes })
    }

    fn check(&self, demands: &Demands, progress: &(impl Fn(u64, u64) + Sync), report: &mut Report) {
        self.manifest.created.clone_into(&mut report.created);
        for file in &self.manifest.files {
            if self.zip.entry(&file.name).is_none() {
                let what = "the manifest lists a file that is not there";
                let fault = Fault::new(Verdict::Missing, "file-missing", what);
                report.faults.push(fault.of(&file.name));
            }
        }
        if !report.faults.is_empty() {
            return;
        }
        if let Err(fault) = self.check_head(demands, report) {
            report.faults.push(fault);
            return;
        }
        let Some(leaves) = self.check_log(demands, report) else { return };
        let gone = self.check_erasures(&leaves);
        self.check_records(&leaves, gone, progress, report);
    }

    /// A file that must be there, if it is what the manifest says.
    fn file(&self, name: &str) -> Result<Vec<u8>, Fault> {
        self.optional(name)?.ok_or_else(|| {
            let what = "every bundle has this file, and this one has not";
            Fault::new(Verdict::Missing, "file-missing", what).of(name)
        })
    }

    /// A file that may be there, if it is what the manifest says.
    fn optional(&self, name: &str) -> Result<Option<Vec<u8>>, Fault> {
        let mut file = reader(self.open).map_err(|refusal| Fault::refused(&refusal))?;
        let Some(entry) = self.zip.entry(name) else { return Ok(None) };
        self.content(entry, &mut file).map(Some)
    }

    /// The content of a file, if it is what the manifest says.
    fn content(&self, entry: &Entry, file: &mut R) -> Result<Vec<u8>, Fault> {
        let content = entry.read(file).map_err(|refusal| Fault::refused(&refusal))?;
        let Some(content) = content else {
            let what = "it does not unpack to what it claims to be";
            return Err(Fault::new(Verdict::Altered, "file-damaged", what).of(&entry.name));
        };
        let listed = self.manifest.files.iter().find(|file| file.name == entry.name);
        let same =
            listed.is_none_or(|f| f.bytes == content.len() as u64 && f.sha256 == sha256(&content));
        if same {
            return Ok(content);
        }
        let what = "it is not the file that the manifest lists";
        Err(Fault::new(Verdict::Altered, "file-changed", what).of(&entry.name))
    }

    /// The files of lines in a folder, in the manifest's order.
    fn segments(&self, folder: &str) -> Vec<&Entry> {
        let within = |name: &str| {
            name.strip_prefix(folder)
                .and_then(|rest| rest.strip_prefix('/'))
                .and_then(|rest| rest.strip_suffix(".jsonl"))
                .is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
        };
        let names = self.manifest.files.iter().filter(|file| within(&file.name));
        names.filter_map(|file| self.zip.entry(&file.name)).collect()
    }
}

fn reader<R>(open: &impl Fn() -> std::io::Result<R>) -> Result<R, Refusal> {
    open().map_err(|error| Refusal::Read(error.kind().to_string()))
}

/// The lines of a file; none where it is not UTF-8 or does not end in a newline.
fn lines(content: &[u8]) -> Option<impl Iterator<Item = &str>> {
    Some(std::str::from_utf8(content).ok()?.strip_suffix('\n')?.split('\n'))
}
