//! `exhibit dead-letters`.

use clap::{Args, Subcommand};

/// Commands about what was refused.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// List refused entries, newest first, with where and why
    List(DeadLettersList),
    /// Remove them all
    Clear(DeadLettersClear),
}

/// Options of `exhibit dead-letters list`.
#[derive(Debug, Args)]
pub(crate) struct DeadLettersList {
    /// Most rows
    #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
    /// Continue after this cursor, as a previous page gave it
    #[arg(long)]
    pub(crate) cursor: Option<String>,
    /// Workspace to read (with a key, the key decides)
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
}

/// Options of `exhibit dead-letters clear`.
#[derive(Debug, Args)]
pub(crate) struct DeadLettersClear {
    /// Workspace whose list is emptied (with a key, the key decides)
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
}
