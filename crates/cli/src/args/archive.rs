//! `exhibit archive`.

use clap::{Args, Subcommand};

/// Commands about the cold archive.
#[derive(Debug, Subcommand)]
pub(crate) enum ArchiveCommand {
    /// Show where payloads of old traces go, and how much is there
    Status(ArchiveStatusArgs),
    /// Move payloads of sealed, old traces there now
    Run(ArchiveRunArgs),
}

/// Options of `exhibit archive status`.
#[derive(Debug, Args)]
pub(crate) struct ArchiveStatusArgs {
    /// Workspace
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
}

/// Options of `exhibit archive run`.
#[derive(Debug, Args)]
pub(crate) struct ArchiveRunArgs {
    /// Only traces that were last added to this many days ago or earlier [default: archive.after_days]
    #[arg(long, value_name = "DAYS")]
    pub(crate) older_than: Option<u32>,
    /// Only say what would go
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Workspace
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
}
