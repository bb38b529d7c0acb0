//! `exhibit witness`.

use std::path::PathBuf;

use clap::Args;

/// Options of `exhibit witness`.
#[derive(Debug, Args)]
#[command(after_help = "\
A witness remembers the last checkpoint of every log that it watches, and cosigns a newer one only if
the log proves that it merely grew. Run it where the operator of the log has no rights: at a customer,
an auditor, another site. It needs neither an installation nor the network beyond its own port.

Losing its directory means retiring the witness: an empty one would cosign a rewritten past.")]
pub(crate) struct WitnessArgs {
    /// Name of the witness, such as example.org/witness; stands in every cosignature
    #[arg(long)]
    pub(crate) name: String,
    /// Verifier key of a log to watch, as `exhibit verify` prints it; may be given several times
    #[arg(long = "log", value_name = "VKEY")]
    pub(crate) logs: Vec<String>,
    /// File with `log` lines (C2SP tlog-policy) of further logs to watch
    #[arg(long, value_name = "FILE")]
    pub(crate) logs_file: Option<PathBuf>,
    /// Address to answer on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7380")]
    pub(crate) listen: String,
    /// Directory of its key and state [default: `witness` in the data directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Print the witness's verifier key and stop; makes the key where there is none
    #[arg(long)]
    pub(crate) print_key: bool,
}
