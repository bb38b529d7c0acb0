//! `exhibit traces`, `exhibit verify` and `exhibit export`.

use clap::{Args, Subcommand, ValueEnum};

/// Commands about traces.
#[derive(Debug, Subcommand)]
pub(crate) enum TracesCommand {
    /// List traces, newest first
    List(TracesList),
    /// Show one trace
    Show(TracesShow),
    /// Follow traces as they come
    Tail(TracesTail),
}

/// Which traces.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Filter, such as `status = error cost > 0.25 timeout`
    #[arg(long, short, value_name = "FILTER", default_value = "", hide_default_value = true)]
    pub(crate) filter: String,
    /// Workspace to read (with a key, the key decides)
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
}

/// Options of `exhibit traces list`.
#[derive(Debug, Args)]
pub(crate) struct TracesList {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Most rows
    #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
    /// Continue after this cursor, as a previous page gave it
    #[arg(long)]
    pub(crate) cursor: Option<String>,
}

/// Options of `exhibit traces show`.
#[derive(Debug, Args)]
pub(crate) struct TracesShow {
    /// Trace id
    pub(crate) id: String,
    /// Show its spans as a tree
    #[arg(long)]
    pub(crate) spans: bool,
    /// Show instead where a phrase stands in it: in whole inputs, outputs, attributes and tool calls
    #[arg(long, value_name = "TEXT", conflicts_with = "spans")]
    pub(crate) search: Option<String>,
    /// Workspace to read (with a key, the key decides)
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
}

/// Options of `exhibit traces tail`.
#[derive(Debug, Args)]
pub(crate) struct TracesTail {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Print this many of the newest traces first
    #[arg(long, short = 'n', default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub(crate) lines: u16,
    /// Seconds between two looks
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS")]
    pub(crate) interval: f64,
}

/// Options of `exhibit verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 everything holds, 1 something does not (it is named), 2 wrong usage,
3 not decided: records without a checkpoint yet, or missing evidence.

Without --key the key is the one beside the data, so whoever holds the signing key could have
rewritten everything. Keep a copy of the line that `exhibit verify` prints as `Key:` elsewhere.")]
pub(crate) struct VerifyArgs {
    /// Evidence bundle or tlog-proof file to verify, with no server and no data directory
    #[arg(value_name = "FILE", conflicts_with_all = ["trace", "server", "no_bodies"])]
    pub(crate) file: Option<std::path::PathBuf>,
    /// Witnesses that you trust (C2SP tlog-policy); for a data directory, instead of those configured
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    pub(crate) policy: Option<std::path::PathBuf>,
    /// Checkpoint of the log that you have kept, for a bundle
    #[arg(long, value_name = "FILE", requires = "file")]
    pub(crate) checkpoint: Option<std::path::PathBuf>,
    /// Certificates (PEM) that you trust to name time-stamp authorities, for a bundle
    #[arg(long, value_name = "FILE", requires = "file")]
    pub(crate) timestamp_roots: Option<std::path::PathBuf>,
    /// Without enough trusted cosignatures (or, for a bundle, your own checkpoint) nothing is decided
    #[arg(long, conflicts_with = "server")]
    pub(crate) require_witness: bool,
    /// The entry that a tlog-proof file proves
    #[arg(long, value_name = "FILE", requires = "file")]
    pub(crate) entry: Option<std::path::PathBuf>,
    /// Verify this trace only
    #[arg(long, value_name = "ID")]
    pub(crate) trace: Option<String>,
    /// Check leaves, proofs and checkpoints, but do not read the bodies of records
    #[arg(long, conflicts_with = "trace")]
    pub(crate) no_bodies: bool,
    /// Also look every word of every record up in the full-text index
    #[arg(long, conflicts_with_all = ["trace", "no_bodies"])]
    pub(crate) search: bool,
    /// Verifier key of the installation, pinned from outside
    #[arg(long, value_name = "VKEY")]
    pub(crate) key: Option<String>,
    /// Ask this server for the evidence instead of reading the data directory: of one trace, or every
    /// entry of the workspace's log
    #[arg(long, value_name = "URL", conflicts_with_all = ["no_bodies", "search"])]
    pub(crate) server: Option<String>,
    /// API key for --server [default: EXHIBIT_API_KEY]
    #[arg(long, value_name = "KEY", requires = "server")]
    pub(crate) api_key: Option<String>,
    /// Workspace of the trace
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
}

/// What to take away.
#[derive(Debug, Subcommand)]
pub(crate) enum ExportCommand {
    /// Write an evidence bundle: records, proofs, keys, a report, in one zip that verifies offline
    Evidence(ExportEvidence),
    /// Write spans as they are shown, for spreadsheets, notebooks and other stores
    Spans(ExportSpans),
    /// Write an agent audit trail: JSON lines, one hash chain per session (draft-sharif-agent-audit-trail)
    AuditTrail(ExportAuditTrail),
    /// Write an in-toto statement about a trace, signed by its log (DSSE)
    Statement(ExportStatement),
    /// Write a COSE receipt that an entry is in the log (RFC 9942)
    Receipt(ExportReceipt),
}

/// Options of `exhibit export spans`.
#[derive(Debug, Args)]
#[command(after_help = "\
Time windows are filters: --filter 'start >= 2026-10-01 start < 2026-11-01'.
A long series is written file by file with --traces-per-file; run the same command again
after an interruption, and it goes on after the last file that is whole.")]
pub(crate) struct ExportSpans {
    /// What to write: JSON lines, one JSON list, CSV, Parquet, or OTLP requests as JSON lines
    #[arg(long, value_enum, default_value_t = SpanFormat::Jsonl)]
    pub(crate) format: SpanFormat,
    /// One trace
    #[arg(long, value_name = "ID", conflicts_with = "filter")]
    pub(crate) trace: Option<String>,
    /// Traces that this filter finds; without it, everything
    #[arg(long, short, value_name = "FILTER", default_value = "", hide_default_value = true)]
    pub(crate) filter: String,
    /// Where to write it [default: spans.jsonl, spans.csv, …]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<std::path::PathBuf>,
    /// Most traces of one file; more become FILE-2 and so on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) traces_per_file: Option<u32>,
    /// Workspace to read (with a key, the key decides)
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
}

/// What spans are written as.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum SpanFormat {
    /// One span per line
    Jsonl,
    /// One list
    Json,
    /// One row per span, the usual fields
    Csv,
    /// The same columns, typed
    Parquet,
    /// One request of OTLP per line, as a collector's file exporter writes them
    Otlp,
}

impl SpanFormat {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Otlp => "otlp",
        }
    }
}

/// Options of `exhibit export audit-trail`.
#[derive(Debug, Args)]
pub(crate) struct ExportAuditTrail {
    /// One trace
    #[arg(long, value_name = "ID", conflicts_with = "filter")]
    pub(crate) trace: Option<String>,
    /// Traces that this filter finds; without it, everything
    #[arg(long, short, value_name = "FILTER", default_value = "", hide_default_value = true)]
    pub(crate) filter: String,
    /// Where to write it
    #[arg(long, short, value_name = "FILE", default_value = "audit-trail.jsonl")]
    pub(crate) out: std::path::PathBuf,
    /// Workspace to read (with a key, the key decides)
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
}

/// Options of `exhibit export statement`.
#[derive(Debug, Args)]
pub(crate) struct ExportStatement {
    /// The trace
    #[arg(long, value_name = "ID")]
    pub(crate) trace: String,
    /// Where to write it
    #[arg(long, short, value_name = "FILE", default_value = "statement.dsse.json")]
    pub(crate) out: std::path::PathBuf,
    /// Workspace to read (with a key, the key decides)
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
}

/// Options of `exhibit export receipt`.
#[derive(Debug, Args)]
pub(crate) struct ExportReceipt {
    /// Index of the entry in the workspace's log
    #[arg(long, value_name = "N")]
    pub(crate) index: u64,
    /// Where to write it
    #[arg(long, short, value_name = "FILE", default_value = "receipt.cose")]
    pub(crate) out: std::path::PathBuf,
    /// Workspace to read (with a key, the key decides)
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
}

/// Options of `exhibit export evidence`.
#[derive(Debug, Args)]
#[command(after_help = "\
Time windows are filters: --filter 'start >= 2026-10-01 start < 2026-11-01'.
A long series is written bundle by bundle with --traces-per-bundle; run the same command again
after an interruption, and it goes on after the last bundle that is whole.")]
pub(crate) struct ExportEvidence {
    /// One trace
    #[arg(long, value_name = "ID", conflicts_with = "filter")]
    pub(crate) trace: Option<String>,
    /// Traces that this filter finds; without it, everything
    #[arg(long, short, value_name = "FILTER", default_value = "", hide_default_value = true)]
    pub(crate) filter: String,
    /// Parts to show by their hash only, such as input,output
    #[arg(long, value_name = "PARTS", value_delimiter = ',')]
    pub(crate) withhold: Vec<String>,
    /// Checkpoint of an earlier bundle: shows that the log only grew since
    #[arg(long, value_name = "FILE")]
    pub(crate) since_checkpoint: Option<std::path::PathBuf>,
    /// Where to write it
    #[arg(long, short, value_name = "FILE", default_value = "evidence.zip")]
    pub(crate) out: std::path::PathBuf,
    /// Most traces of one bundle; more become FILE-2.zip and so on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) traces_per_bundle: Option<u32>,
    /// Workspace to read (with a key, the key decides)
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
}
