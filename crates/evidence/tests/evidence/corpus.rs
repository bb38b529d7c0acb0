//! A small installation with a real log, and bundles of it: good ones, and ones that somebody made
//! who holds the signing key.

use std::{collections::BTreeMap, io::Cursor};

use exhibit_evidence::{
    BundleWriter, Demands, ErasureLine, LogHead, Manifest, PartLine, RecordLine, Report, Selection,
    cover::subtrees,
    line::{HeadProof, SPAN_PARTS},
    verify,
    zip::{ZipReader, ZipWriter},
};
use exhibit_ledger::{
    Checkpoint, Hash, Leaf, LeafKind, NoteSigner, PartKey, RecordId, SignedCheckpoint, body_root,
    leaf_hash, proof::Prover, record::part_hash, tree::root_of,
};

pub(crate) const ORIGIN: &str = "exhibit.local/0123456789abcdef";

/// What an operator holds.
pub(crate) struct Operator {
    pub(crate) log: NoteSigner,
    pub(crate) installation: NoteSigner,
}

impl Operator {
    pub(crate) fn new() -> Self {
        Self::with_seed(7)
    }

    pub(crate) fn with_seed(seed: u8) -> Self {
        let key = |name: &str| NoteSigner::new(name, &[seed; 32]).unwrap();
        Self { log: key(&format!("{ORIGIN}/1")), installation: key(ORIGIN) }
    }
}

/// One record and its leaf.
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) kind: LeafKind,
    pub(crate) trace: String,
    pub(crate) span: Option<String>,
    pub(crate) id: RecordId,
    pub(crate) parts: Vec<Vec<u8>>,
    pub(crate) key: PartKey,
    pub(crate) leaf: Vec<u8>,
}

/// A log of three traces: spans of all of them in turns, then a seal for each.
pub(crate) fn records() -> Vec<Record> {
    let mut out: Vec<Record> = Vec::new();
    for n in 0..12_u8 {
        let trace = format!("trace-{}", n % 3);
        let span = format!("span-{n}");
        let header = format!(
            r#"{{"trace_id":"{trace}","span_id":"{span}","name":"step \u00fc","status":"ok"}}"#
        );
        let input = format!(r#"{{"q":"what is {n} + {n}? \u2028 \u007f \"é\" 😀"}}"#);
        let parts = [header, input, String::new(), r#"{"attributes":{}}"#.into(), String::new()];
        let parts = parts.map(String::into_bytes).to_vec();
        out.push(record(LeafKind::Span, trace, Some(span), n, parts));
    }
    for t in 0..3_u8 {
        let trace = format!("trace-{t}");
        let hashes: Vec<Hash> =
            out.iter().filter(|r| r.trace == trace).map(|r| leaf_hash(&r.leaf)).collect();
        let root = root_of(&hashes).to_hex();
        let covered = hashes.len();
        let body = format!(
            r#"{{"trace_id":"{trace}","covered":{covered},"root":"{root}","partial":false,"late":false}}"#
        );
        out.push(record(LeafKind::TraceSeal, trace, None, 100 + t, vec![body.into_bytes()]));
    }
    out
}

/// An act by which the records of these leaves were taken away.
pub(crate) fn erasure(n: u8, leaves: &[(u64, u64)]) -> Record {
    let leaves = serde_json::to_string(leaves).unwrap();
    let body = format!(
        r#"{{"act":"erased","erased":{{"cause":"erasure","why":"request 4711 \"é\"","by":"key:k1","at":"1800000000120000000","traces":["{}"],"leaves":{leaves}}}}}"#,
        "0".repeat(32)
    );
    act(n, &body)
}

/// An act of whatever body.
pub(crate) fn act(n: u8, body: &str) -> Record {
    record(LeafKind::Erasure, "erasure".into(), None, n, vec![body.as_bytes().to_vec()])
}

pub(crate) fn record(
    kind: LeafKind,
    trace: String,
    span: Option<String>,
    n: u8,
    parts: Vec<Vec<u8>>,
) -> Record {
    let key = PartKey::new(&[trace.as_bytes()[6]; 32]);
    let id = RecordId([n; 16]);
    let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    let mut leaf = Leaf::new(kind, id, "otlp", 1_800_000_000_000_000_000 + u64::from(n));
    leaf.body_root = Some(body_root(&key, &id, &slices).unwrap());
    leaf.lengths = parts.iter().map(|part| part.len() as u64).collect();
    let leaf = leaf.to_bytes().unwrap();
    Record { kind, trace, span, id, parts, key, leaf }
}

/// The bundle of one trace of that log.
pub(crate) fn bundle(operator: &Operator, records: &[Record], trace: Option<&str>) -> Vec<u8> {
    bundle_of(operator, records, trace, &[])
}

/// The same, with parts withheld.
pub(crate) fn bundle_of(
    operator: &Operator,
    records: &[Record],
    trace: Option<&str>,
    withheld: &[&str],
) -> Vec<u8> {
    let shown = |_, r: &Record| trace.is_none_or(|t| r.trace == t);
    bundle_without(operator, records, trace, withheld, &shown, &[])
}

/// The same, with the leaves that `shown` says, and without the records of some of them.
pub(crate) fn bundle_without(
    operator: &Operator,
    records: &[Record],
    trace: Option<&str>,
    withheld: &[&str],
    shown: &dyn Fn(usize, &Record) -> bool,
    gone: &[usize],
) -> Vec<u8> {
    let hashes: Vec<Hash> = records.iter().map(|r| leaf_hash(&r.leaf)).collect();
    let (size, root) = (records.len() as u64, root_of(&hashes));
    let origin = operator.log.verifier().name().to_owned();
    let head = LogHead { origin: origin.clone(), size, root: root.to_hex() };
    let selection = Selection {
        workspace: "default".into(),
        trace_id: trace.map(str::to_owned),
        filter: None,
        withheld: withheld.iter().map(|name| (*name).to_owned()).collect(),
    };
    let created = "2027-01-15T08:00:00Z".to_owned();
    let mut writer = BundleWriter::new(Vec::new(), head, selection, created);
    writer.file("README.txt", "how to check this\n").unwrap();
    writer.file("extra/a.txt", "a").unwrap();
    writer.file("extra/b.txt", "b").unwrap();
    heads(operator, &origin, size, root)
        .into_iter()
        .for_each(|(name, content)| writer.file(name, content.as_bytes()).unwrap());

    let prover = Prover::new(&*hashes, size).unwrap();
    let mut at = 0;
    for (index, record) in records.iter().enumerate() {
        let is_shown = shown(index, record);
        let index = index as u64;
        if is_shown {
            hide(&mut writer, &prover, at, index);
            writer.leaf(index, &record.leaf).unwrap();
            at = index + 1;
        }
    }
    hide(&mut writer, &prover, at, size);
    let mut traces = std::collections::BTreeSet::new();
    for (index, record) in records.iter().enumerate().filter(|(index, r)| shown(*index, r)) {
        if record.kind == LeafKind::Erasure {
            writer.erasure(&certificate(record, index as u64)).unwrap();
        } else if !gone.contains(&index) {
            traces.insert(&record.trace);
            writer.record(&line(record, index as u64, withheld)).unwrap();
        }
    }
    writer.counts().traces = traces.len() as u64;
    writer.finish(&operator.log).unwrap()
}

fn hide(writer: &mut BundleWriter<Vec<u8>>, prover: &Prover<'_, [Hash]>, from: u64, to: u64) {
    for (first, height) in subtrees(from, to) {
        let root = prover.complete_subtree(height, first).unwrap().unwrap();
        writer.subtree(first, height, &root).unwrap();
    }
}

fn certificate(record: &Record, index: u64) -> ErasureLine<'_> {
    ErasureLine {
        index,
        record: record.id.to_string().into(),
        kind: record.kind.as_str().into(),
        salt: hex::encode(record.key.salt(&record.id, 0).0).into(),
        text: std::str::from_utf8(&record.parts[0]).unwrap().into(),
    }
}

fn line<'r>(record: &'r Record, index: u64, withheld: &[&str]) -> RecordLine<'r> {
    let names: &[&'static str] = if record.span.is_some() { &SPAN_PARTS } else { &["seal"] };
    let parts = names.iter().zip(&record.parts).zip(0..).map(|((name, part), n)| {
        if withheld.contains(name) {
            PartLine::withheld(name, &record.key, &record.id, n, part)
        } else {
            PartLine::shown(name, &record.key, &record.id, n, part)
        }
    });
    RecordLine {
        trace_id: (&*record.trace).into(),
        span_id: record.span.as_deref().map(Into::into),
        kind: if record.span.is_some() { "span" } else { "trace-seal" }.into(),
        superseded: false,
        index,
        record: record.id.to_string().into(),
        parts: parts.collect(),
    }
}

/// Keys, checkpoints, and the head's place in an installation log of five leaves.
pub(crate) fn heads(
    operator: &Operator,
    origin: &str,
    size: u64,
    root: Hash,
) -> Vec<(&'static str, String)> {
    let mut head = Leaf::new(LeafKind::Head, RecordId([200; 16]), "server", 1);
    head.facts.insert("log".into(), origin.to_owned());
    head.facts.insert("size".into(), size.to_string());
    head.facts.insert("root".into(), root.to_hex());
    let leaf = head.to_bytes().unwrap();
    let mut above: Vec<Hash> = (0..5_u8).map(|n| leaf_hash(&[n])).collect();
    above[3] = leaf_hash(&leaf);
    let path = Prover::new(&*above, 5).unwrap().inclusion(3).unwrap();
    let proof = HeadProof {
        index: 3,
        leaf: String::from_utf8(leaf).unwrap(),
        proof: path.iter().map(Hash::to_base64).collect(),
    };
    let sign = |origin: &str, size, root, key: &NoteSigner| {
        SignedCheckpoint::sign(Checkpoint::new(origin, size, root), key).unwrap().to_string()
    };
    vec![
        ("keys/log.vkey", format!("{}\n", operator.log.verifier())),
        ("keys/installation.vkey", format!("{}\n", operator.installation.verifier())),
        ("checkpoints/log", sign(origin, size, root, &operator.log)),
        (
            "checkpoints/installation",
            sign(
                operator.installation.verifier().name(),
                5,
                root_of(&above),
                &operator.installation,
            ),
        ),
        ("checkpoints/head.json", serde_json::to_string(&proof).unwrap()),
    ]
}

/// A bundle taken apart.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) manifest: Manifest,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Draft {
    pub(crate) fn of(bundle: &[u8]) -> Self {
        let mut file = Cursor::new(bundle);
        let zip = ZipReader::open(&mut file).unwrap();
        let entries = zip.entries().iter();
        let mut files: BTreeMap<String, Vec<u8>> = entries
            .map(|entry| (entry.name.clone(), entry.read(&mut file).unwrap().unwrap()))
            .collect();
        let manifest = Manifest::parse(&files.remove("manifest.json").unwrap()).unwrap();
        files.remove("manifest.dsse.json");
        Self { manifest, files }
    }

    /// Rewrites a file of lines.
    pub(crate) fn lines(mut self, name: &str, change: impl FnOnce(&mut Vec<String>)) -> Self {
        let text = String::from_utf8(self.files[name].clone()).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        change(&mut lines);
        let text = lines.join("\n") + if lines.is_empty() { "" } else { "\n" };
        self.files.insert(name.to_owned(), text.into_bytes());
        self
    }

    pub(crate) fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(name.to_owned(), content.into());
        self
    }

    /// Puts it together again as `operator` would: every digest and the signature fit.
    pub(crate) fn signed_by(mut self, operator: &Operator) -> Vec<u8> {
        use sha2::Digest as _;
        self.manifest.files = self
            .files
            .iter()
            .map(|(name, content)| exhibit_evidence::manifest::File {
                name: name.clone(),
                bytes: content.len() as u64,
                sha256: hex::encode(sha2::Sha256::digest(content)),
            })
            .collect();
        let bytes = self.manifest.to_bytes();
        let signature = self.manifest.sign(&bytes, &operator.log);
        self.zip(&bytes, signature.as_bytes())
    }

    /// Puts it together as it stands, with this manifest and signature.
    pub(crate) fn zip(&self, manifest: &[u8], signature: &[u8]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Vec::new());
        self.files.iter().for_each(|(name, content)| zip.add(name, content).unwrap());
        zip.add("manifest.json", manifest).unwrap();
        zip.add("manifest.dsse.json", signature).unwrap();
        zip.finish().unwrap()
    }
}

/// A bundle, and what every verifier must say about it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) bundle: Vec<u8>,
    pub(crate) verdict: &'static str,
    /// Codes of the faults, sorted, with commas between.
    pub(crate) code: &'static str,
}

impl Case {
    /// What every verifier must say.
    pub(crate) fn expected(&self) -> (String, Vec<String>) {
        let codes = self.code.split(',').filter(|code| !code.is_empty());
        (self.verdict.to_owned(), codes.map(str::to_owned).collect())
    }
}

/// Name of the verdict and the codes of the faults, each once, sorted.
pub(crate) fn said(report: &Report) -> (String, Vec<String>) {
    let verdict = serde_json::to_value(report.verdict).unwrap();
    let mut codes: Vec<String> = report.faults.iter().map(|f| f.code.to_owned()).collect();
    codes.sort_unstable();
    codes.dedup();
    (verdict.as_str().unwrap().to_owned(), codes)
}

pub(crate) fn check(bundle: &[u8], demands: &Demands) -> Report {
    verify(&|| Ok(Cursor::new(bundle)), demands, &|_, _| {})
}

/// A salted part that opens to another text: what a forger would need and cannot find.
pub(crate) fn part_hash_of(record: &Record, part: u8, bytes: &[u8]) -> Hash {
    part_hash(&record.key.salt(&record.id, part), bytes)
}
