//! `exhibit remap`.

use clap::Args;

/// Options of `exhibit remap`.
#[derive(Debug, Args)]
pub(crate) struct RemapArgs {
    /// Map those spans as well that this version has mapped
    #[arg(long)]
    pub(crate) all: bool,
    /// Go on after this cursor, as an interrupted run printed it
    #[arg(long)]
    pub(crate) cursor: Option<String>,
    /// Workspace whose spans are mapped
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
}
