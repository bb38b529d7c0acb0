//! `exhibit import`.

use std::path::PathBuf;

use clap::{Args, builder::PossibleValuesParser};
use exhibit_capture::dialect::archive::Format;

/// Options of `exhibit import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// JSON, JSONL or Parquet files, as other products export them
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// What the records are [default: told by the first record]
    #[arg(long, value_parser = PossibleValuesParser::new(Format::names()))]
    pub(crate) format: Option<String>,
    /// Begin at the first record, even where an earlier run was interrupted
    #[arg(long)]
    pub(crate) restart: bool,
    /// Workspace that the records go to
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
}
