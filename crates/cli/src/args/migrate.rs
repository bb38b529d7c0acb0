//! `exhibit migrate`.

use clap::Args;

/// Options of `exhibit migrate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is recorded anew: ids, proofs and checkpoints stay what they are, and evidence that was exported before
verifies after. It compares both stores and carries over what differs, so it can be stopped at any time and run
again.

While a server runs on the data directory the command follows it, and ends once that server was stopped. A
cluster may go on until all but the last seconds are carried over; from then on its nodes answer 503. The source
stays as it is, says that it was moved and is not written to any more.

The cluster is named by EXHIBIT_POSTGRES_URL and EXHIBIT_CLICKHOUSE_URL or in exhibit.toml.")]
pub(crate) struct MigrateArgs {
    /// Where the installation is: a data directory, or the word `cluster`
    #[arg(long, value_name = "DIR|cluster")]
    pub(crate) from: String,
    /// Where it is to go
    #[arg(long, value_name = "DIR|cluster")]
    pub(crate) to: String,
    /// Compare once and end, although the source may be written to
    #[arg(long)]
    pub(crate) once: bool,
}
