//! `exhibit scan`.

use std::path::PathBuf;

use clap::Args;

/// Options of `exhibit scan`.
#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    /// Files to look into; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Read JSON lines (`{"text": …}`) and answer one JSON line for each, in order
    #[arg(long)]
    pub(crate) jsonl: bool,
    /// Leave out what is less sure than this, from 0 to 1 [default: 0.4; with --jsonl 0, so that the
    /// reader decides]
    #[arg(long, value_name = "SCORE", value_parser = score)]
    pub(crate) min_score: Option<f64>,
    /// Rule files of your own, over the shipped ones
    #[arg(long, value_name = "DIR")]
    pub(crate) rules: Option<PathBuf>,
}

fn score(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(score) if (0.0..=1.0).contains(&score) => Ok(score),
        _ => Err("must be a number from 0 to 1".to_owned()),
    }
}
