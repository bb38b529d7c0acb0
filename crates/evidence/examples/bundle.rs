//! What bundles cost: `cargo run -p exhibit-evidence --release --example bundle -- 100000`.
//!
//! Writes a bundle of so many records (2.8 KB each, as sealed spans are) into a temporary file, verifies
//! it, and writes the report of a trace of 40 spans. What a million records would take is extrapolated
//! and said to be: both passes go through the records once, and their number changes nothing else but
//! the memory for the log's leaves.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    time::Instant,
};

use exhibit_evidence::{
    BundleWriter, Counts, Demands, LogHead, PartLine, RecordLine, Selection, Verdict,
    line::{HeadProof, SPAN_PARTS},
    report::{Draft, ReportSpan, ReportTrace, html, pdf},
    verify,
};
use exhibit_ledger::{
    Checkpoint, Frontier, Hash, Leaf, LeafKind, NoteSigner, PartKey, RecordId, SignedCheckpoint,
    body_root, leaf_hash,
};
use exhibit_model::{Door, Nanos, Span, SpanId, TraceId, TraceSummary};

type Failure = Box<dyn std::error::Error>;

const ORIGIN: &str = "exhibit.local/0123456789abcdef";
const SPANS_PER_TRACE: u64 = 10;
const MILLION: f64 = 1_000_000.0;

fn main() -> Result<(), Failure> {
    let records = std::env::args().nth(1).map_or(Ok(100_000), |text| text.parse::<u64>())?;
    let file = tempfile::NamedTempFile::new()?;
    told("a bundle written", records, write(records, file.reopen()?)?);
    println!("         {} MB in the file", file.as_file().metadata()?.len() / 1_000_000);

    let start = Instant::now();
    let report = verify(&|| File::open(file.path()), &Demands::default(), &|_, _| {});
    told("a bundle verified", records, start.elapsed().as_secs_f64());
    if report.verdict != Verdict::Valid || report.records != records {
        return Err(format!("it should be valid: {:?}", report.faults.first()).into());
    }

    let draft = draft(40)?;
    let start = Instant::now();
    let document = draft.document();
    let page = html(&document).len();
    println!(
        "{:8.1} ms  HTML report, 40 spans ({page} bytes)",
        start.elapsed().as_secs_f64() * 1e3
    );
    let start = Instant::now();
    let paper = pdf(&document).len();
    println!(
        "{:8.1} ms  PDF report, 40 spans ({paper} bytes)",
        start.elapsed().as_secs_f64() * 1e3
    );
    Ok(())
}

fn told(what: &str, records: u64, seconds: f64) {
    let million = seconds * MILLION / records as f64;
    let how = if records as f64 >= MILLION { "measured" } else { "extrapolated" };
    println!("{seconds:8.2} s  {what}, {records} records ({million:.1} s for a million, {how})");
}

/// Text that packs about as well as prompts do.
struct Words(u64);

impl Words {
    fn text(&mut self, bytes: usize) -> String {
        const WORDS: [&str; 16] = [
            "model ",
            "answer ",
            "the ",
            "of ",
            "context ",
            "user ",
            "which ",
            "token ",
            "a ",
            "to ",
            "search ",
            "result ",
            "and ",
            "therefore ",
            "is ",
            "question ",
        ];
        let mut out = String::with_capacity(bytes + 24);
        while out.len() < bytes {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            out.push_str(WORDS[(self.0 >> 60) as usize]);
            if (self.0 >> 56).is_multiple_of(16) {
                out.push_str(&format!("{:x} ", self.0 >> 32));
            }
        }
        out.truncate(bytes);
        out
    }
}

/// One bundle of everything, and the seconds that writing it took. Two passes over the same records, for the
/// head stands before them; making them is not counted.
fn write(records: u64, out: File) -> Result<f64, Failure> {
    let key = NoteSigner::new(&format!("{ORIGIN}/1"), &[7; 32])?;
    let above = NoteSigner::new(ORIGIN, &[7; 32])?;
    let part_key = PartKey::new(&[9; 32]);
    let (mut log, mut leaves) = (Frontier::new(), Vec::new());
    let mut words = Words(1);
    for n in 0..records {
        let leaf = leaf(n, &parts(n, &mut words), &part_key)?;
        log.append(leaf_hash(&leaf));
        leaves.push(leaf);
    }
    let (origin, root) = (key.verifier().name().to_owned(), log.root());
    let head = LogHead { origin: origin.clone(), size: records, root: root.to_hex() };
    let selection = Selection { workspace: "default".to_owned(), ..Selection::default() };
    let created = "2027-01-15T08:00:00Z".to_owned();
    let mut bundle = BundleWriter::new(BufWriter::new(out), head, selection, created);
    let mut stated = Leaf::new(LeafKind::Head, RecordId([200; 16]), "server", 1);
    stated.facts.insert("log".into(), origin.clone());
    stated.facts.insert("size".into(), records.to_string());
    stated.facts.insert("root".into(), root.to_hex());
    let stated = stated.to_bytes()?;
    let sign = |name: &str, size, root, key: &NoteSigner| {
        SignedCheckpoint::sign(Checkpoint::new(name, size, root), key)
    };
    let proof = HeadProof { index: 0, leaf: String::from_utf8(stated.clone())?, proof: Vec::new() };
    for (name, content) in [
        ("keys/log.vkey", format!("{}\n", key.verifier())),
        ("keys/installation.vkey", format!("{}\n", above.verifier())),
        ("checkpoints/log", sign(&origin, records, root, &key)?.to_string()),
        ("checkpoints/installation", sign(ORIGIN, 1, leaf_hash(&stated), &above)?.to_string()),
        ("checkpoints/head.json", serde_json::to_string(&proof)?),
    ] {
        bundle.file(name, content.as_bytes())?;
    }
    let mut words = Words(1);
    let mut seconds = 0.0;
    for (n, leaf) in (0..records).zip(&leaves) {
        let parts = parts(n, &mut words);
        let record = record(n);
        let start = Instant::now();
        let lines = SPAN_PARTS.iter().zip(&parts).zip(0..);
        bundle.record(&RecordLine {
            trace_id: trace(n).into(),
            span_id: Some(format!("span-{n}").into()),
            kind: LeafKind::Span.as_str().into(),
            superseded: false,
            index: n,
            record: record.to_string().into(),
            parts: lines
                .map(|((name, text), part)| {
                    PartLine::shown(name, &part_key, &record, part, text.as_bytes())
                })
                .collect(),
        })?;
        bundle.leaf(n, leaf)?;
        seconds += start.elapsed().as_secs_f64();
    }
    let start = Instant::now();
    bundle.counts().traces = records.div_ceil(SPANS_PER_TRACE);
    bundle.finish(&key)?.flush()?;
    Ok(seconds + start.elapsed().as_secs_f64())
}

fn trace(n: u64) -> String {
    format!("trace-{}", n / SPANS_PER_TRACE)
}

fn record(n: u64) -> RecordId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&n.to_be_bytes());
    RecordId(id)
}

fn parts(n: u64, words: &mut Words) -> [String; 5] {
    let header = format!(
        r#"{{"trace_id":"{}","span_id":"span-{n}","name":"{}"}}"#,
        trace(n),
        words.text(100)
    );
    let more = [1_500, 700, 320, 100].map(|bytes| format!("\"{}\"", words.text(bytes)));
    let [input, output, attributes, events] = more;
    [header, input, output, attributes, events]
}

fn leaf(n: u64, parts: &[String; 5], key: &PartKey) -> Result<Vec<u8>, Failure> {
    let id = record(n);
    let mut leaf = Leaf::new(LeafKind::Span, id, "otlp", 1_800_000_000_000_000_000 + n);
    leaf.body_root = Some(body_root(key, &id, &parts.each_ref().map(String::as_bytes))?);
    leaf.lengths = parts.iter().map(|part| part.len() as u64).collect();
    Ok(leaf.to_bytes()?)
}

fn draft(spans: u64) -> Result<Draft, Failure> {
    let id = TraceId::new("trace-0").map_err(|_| "a trace id")?;
    let mut words = Words(2);
    let mut told = Vec::new();
    for n in 0..spans {
        let span_id = SpanId::new(&format!("span-{n}")).map_err(|_| "a span id")?;
        let mut span = Span::new(id.clone(), span_id, Door::Native);
        span.name = Some("answer a question".to_owned());
        let (input, output) = (Some(words.text(1_500)), Some(words.text(700)));
        told.push(ReportSpan { span, input, output, leaf: (Hash([n as u8; 32]), n) });
    }
    let mut summary = TraceSummary::new(id, Nanos(1_800_000_000_000_000_000));
    summary.span_count = spans;
    Ok(Draft {
        created: "2027-01-15T08:00:00Z".to_owned(),
        log: LogHead { origin: ORIGIN.to_owned(), size: spans, root: "0".repeat(64) },
        key: "key".to_owned(),
        selection: Selection::default(),
        counts: Counts { traces: 1, records: spans, ..Counts::default() },
        traces: vec![ReportTrace { summary, spans: told, seal: None }],
        erasures: Vec::new(),
    })
}
