//! A corpus on disk: repeated `u32 LE body length, u32 LE span count, body`, with a manifest of
//! counts and digests beside it.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    Format,
    law::Kind,
    stream::{Batch, BatchStream},
};
use crate::stats::percentile;

/// Largest body that is read back; a longer length means a damaged file.
const BODY_BYTES_MAX: u32 = 256 << 20;

/// Counts and digests of a corpus.
#[derive(Debug, Serialize)]
pub struct Manifest {
    /// Seed it was drawn from.
    pub seed: u64,
    /// `otlp` or `native`.
    pub format: &'static str,
    /// Spans.
    pub spans: u64,
    /// Traces.
    pub traces: u64,
    /// Requests.
    pub requests: u64,
    /// Spans per request as asked for.
    pub batch: usize,
    /// Bytes of all bodies.
    pub body_bytes: u64,
    /// Body bytes per span.
    pub mean_bytes_per_span: f64,
    /// Text bytes per span.
    pub mean_text_bytes_per_span: f64,
    /// Spans by kind.
    pub kinds: serde_json::Map<String, serde_json::Value>,
    /// Spans that failed.
    pub errors: u64,
    /// Model calls that carry sensitive text.
    pub sensitive_llm_spans: u64,
    /// Text of model calls in bytes: 50th, 95th and 99th percentile.
    pub llm_payload_bytes: [u64; 3],
    /// First and last start in nanoseconds since 1970.
    pub period_ns: [u64; 2],
    /// SHA-256 of all bodies, one after another.
    pub sha256_bodies: String,
}

/// Path of the requests of a corpus.
pub fn body_path(prefix: &Path, format: Format) -> PathBuf {
    with_extension(prefix, format.extension())
}

/// Path of the manifest of a corpus.
pub fn manifest_path(prefix: &Path) -> PathBuf {
    with_extension(prefix, "manifest.json")
}

fn with_extension(prefix: &Path, extension: &str) -> PathBuf {
    let mut name = prefix.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

/// Writes a corpus file.
pub struct CorpusWriter {
    out: BufWriter<File>,
    bodies: Sha256,
    requests: u64,
    spans: u64,
    body_bytes: u64,
}

impl CorpusWriter {
    /// Creates or overwrites the file.
    pub fn create(prefix: &Path, format: Format) -> Result<Self> {
        let path = body_path(prefix, format);
        let file =
            File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self {
            out: BufWriter::with_capacity(1 << 20, file),
            bodies: Sha256::new(),
            requests: 0,
            spans: 0,
            body_bytes: 0,
        })
    }

    /// Appends one request.
    pub fn write(&mut self, batch: &Batch) -> Result<()> {
        let mut header = [0; 8];
        header[..4].copy_from_slice(&u32::try_from(batch.body.len())?.to_le_bytes());
        header[4..].copy_from_slice(&batch.spans.to_le_bytes());
        for part in [header.as_slice(), &batch.body] {
            self.out.write_all(part)?;
        }
        self.bodies.update(&batch.body);
        self.requests += 1;
        self.spans += u64::from(batch.spans);
        self.body_bytes += batch.body.len() as u64;
        Ok(())
    }

    /// Flushes the file and draws up the manifest.
    pub fn finish(mut self, stream: &BatchStream) -> Result<Manifest> {
        self.out.flush()?;
        let (plan, tally) = (stream.plan(), stream.tally());
        let mut payload = tally.llm_payload_bytes.clone();
        payload.sort_unstable();
        let kinds = Kind::ALL
            .iter()
            .map(|kind| (kind.name().to_owned(), tally.kinds[kind.index()].into()))
            .collect();
        let spans = self.spans.max(1) as f64;
        Ok(Manifest {
            seed: plan.seed,
            format: match plan.format {
                Format::Otlp => "otlp",
                Format::Native => "native",
            },
            spans: self.spans,
            traces: tally.traces,
            requests: self.requests,
            batch: plan.batch,
            body_bytes: self.body_bytes,
            mean_bytes_per_span: self.body_bytes as f64 / spans,
            mean_text_bytes_per_span: tally.text_bytes as f64 / spans,
            kinds,
            errors: tally.errors,
            sensitive_llm_spans: tally.sensitive,
            llm_payload_bytes: [0.5, 0.95, 0.99].map(|share| percentile(&payload, share)),
            period_ns: [plan.period.start_ns, plan.period.end_ns],
            sha256_bodies: hex::encode(self.bodies.finalize()),
        })
    }
}

/// Reads the requests of a corpus file one by one.
pub struct CorpusReader {
    input: BufReader<File>,
}

impl CorpusReader {
    /// Opens the file of a prefix.
    pub fn open(prefix: &Path, format: Format) -> Result<Self> {
        let path = body_path(prefix, format);
        let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self { input: BufReader::with_capacity(1 << 20, file) })
    }

    fn read(&mut self) -> Result<Option<Batch>> {
        let mut header = [0; 8];
        match self.input.read_exact(&mut header[..1]) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        self.input.read_exact(&mut header[1..]).context("the corpus file ends inside a header")?;
        let both = u64::from_le_bytes(header);
        let (length, spans) = (both as u32, (both >> 32) as u32);
        ensure!(length <= BODY_BYTES_MAX, "a body of {length} bytes: the corpus file is damaged");
        let mut body = vec![0; length as usize];
        self.input.read_exact(&mut body).context("the corpus file ends inside a body")?;
        Ok(Some(Batch { spans, body }))
    }
}

impl Iterator for CorpusReader {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}
