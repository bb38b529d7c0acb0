//! The corpus: seeded, byte-reproducible traces of AI agents.
//!
//! Two runs with the same seed, number of spans, batch size, format and period give identical
//! bytes. [`law`] decides what is in a trace, [`catalog`] who takes part, [`prose`] what the text is
//! like; [`otlp`] and [`native`] encode; [`stream`] packs spans into requests as an exporter does;
//! [`file`] keeps them on disk.
//!
//! What it is not: recorded traffic. Text is drawn word by word, so compression by grammar is
//! missing; the same question and system prompt do come back within a trace, as in real agents.

pub mod catalog;
pub mod file;
pub mod genai;
pub mod law;
pub mod native;
pub mod openinference;
pub mod otlp;
pub mod period;
pub mod prose;
pub mod rng;
pub mod sensitive;
pub mod stream;
pub mod wire;
pub mod words;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use self::{
    file::CorpusWriter,
    period::PeriodArgs,
    stream::{BatchStream, StreamPlan},
};

/// Encoding of the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// OTLP protobuf for `POST /v1/traces`.
    #[default]
    Otlp,
    /// Native JSON for `POST /api/v1/ingest/spans`.
    Native,
}

impl Format {
    /// Media type of the bodies.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Otlp => "application/x-protobuf",
            Self::Native => "application/json",
        }
    }

    /// Extension of corpus files.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Otlp => "otlpb",
            Self::Native => "nativeb",
        }
    }
}

/// Arguments of `exhibit-bench corpus`.
#[derive(Debug, Args)]
pub struct CorpusArgs {
    /// Seed of everything that is drawn.
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// Number of spans.
    #[arg(long, default_value_t = 10_000)]
    pub spans: usize,
    /// Spans per request.
    #[arg(long, default_value_t = 100)]
    pub batch: usize,
    /// Path without extension: writes PREFIX.otlpb or PREFIX.nativeb, and PREFIX.manifest.json.
    #[arg(long)]
    pub out: PathBuf,
    /// Encoding of the requests.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// When the traces happened.
    #[command(flatten)]
    pub period: PeriodArgs,
}

/// Writes a corpus and its manifest, and prints the manifest.
pub fn run(args: &CorpusArgs) -> Result<()> {
    ensure!(args.batch > 0, "--batch must be at least 1");
    let plan = StreamPlan {
        seed: args.seed,
        spans: args.spans,
        batch: args.batch,
        format: args.format,
        period: args.period.reproducible()?,
    };
    let mut stream = BatchStream::new(plan);
    let mut writer = CorpusWriter::create(&args.out, args.format)?;
    for batch in &mut stream {
        writer.write(&batch)?;
    }
    let manifest = writer.finish(&stream)?;
    let text = serde_json::to_string_pretty(&manifest)?;
    let path = file::manifest_path(&args.out);
    std::fs::write(&path, format!("{text}\n"))
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("{text}");
    Ok(())
}
