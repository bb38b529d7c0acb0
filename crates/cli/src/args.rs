//! The command line as clap reads it. Help, man page, completions and the reference page all come
//! from the types in here; what the commands do is in `commands`.

mod admin;
mod archive;
mod dead_letters;
mod govern;
mod import;
mod keep;
mod migrate;
mod read;
mod remap;
mod replay;
mod scan;
mod serve;
mod trace;
mod witness;

use std::path::PathBuf;

use clap::{Args, ColorChoice, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub(crate) use admin::{
    BackupArgs, CompletionsArgs, ConfigCommand, KeysCommand, KeysCopyPayloadKeys, KeysCreate,
    KeysList, KeysMakeMaster, KeysRevoke, KeysRotateMaster, KeysRotateSigning, ManArgs,
    ReferenceArgs, ReferencePage, RestoreArgs,
};
pub(crate) use archive::{ArchiveCommand, ArchiveRunArgs};
pub(crate) use dead_letters::{DeadLettersCommand, DeadLettersList};
pub(crate) use govern::{
    PolicyCommand, PolicySimulate, PolicyTest, ReviewsAct, ReviewsCommand, ReviewsList,
};
pub(crate) use import::ImportArgs;
pub(crate) use keep::{EraseArgs, HoldsCommand, RetentionCommand, RetentionSet};
pub(crate) use migrate::MigrateArgs;
pub(crate) use read::{
    ExportAuditTrail, ExportCommand, ExportEvidence, ExportReceipt, ExportSpans, ExportStatement,
    TracesCommand, TracesList, TracesShow, TracesTail, VerifyArgs,
};
pub(crate) use remap::RemapArgs;
pub(crate) use replay::{AblateArgs, Money, ReplayArgs};
pub(crate) use scan::ScanArgs;
pub(crate) use serve::ServeArgs;
pub(crate) use trace::TraceArgs;
pub(crate) use witness::WitnessArgs;

/// The other name under which the binary answers.
const OTHER_NAME: &str = "tracellm";

const EXIT_CODES: &str = "\
Exit codes:
  0  done; `verify`: everything holds
  1  it failed; `verify`: something was altered, removed, inserted or reordered; `trace`: the call failed
  2  wrong usage or configuration
  3  `verify`: not decided yet (records without a checkpoint, or missing evidence)

Settings come from defaults, exhibit.toml, EXHIBIT_* variables and flags, in this order;
`exhibit config show --origin` tells where each one comes from.";

/// Flight recorder for AI: captures, prices, checks, seals and proves every model call.
#[derive(Debug, Parser)]
#[command(name = "exhibit", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = EXIT_CODES, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Debug, Args, Clone)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Directory that holds everything: database, keys, index [default: the user's data directory]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Configuration file [default: exhibit.toml here, else in the data directory]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print no notices, hints and progress
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorChoice,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the recorder: dashboard, API and OTLP receivers
    #[command(alias = "start")]
    Serve(ServeArgs),
    /// Send a prompt to the configured LLM provider and record the call as a trace
    Trace(TraceArgs),
    /// Run a trace again from its captured inputs, or show it step by step
    Replay(ReplayArgs),
    /// Find out what an answer depends on
    Ablate(AblateArgs),
    /// List, show and follow traces
    #[command(subcommand)]
    Traces(TracesCommand),
    /// Prove that nothing recorded has been changed, removed, inserted or reordered
    Verify(VerifyArgs),
    /// Take evidence and other exports away
    #[command(subcommand)]
    Export(ExportCommand),
    /// Show, set and run the rules of retention
    #[command(subcommand)]
    Retention(RetentionCommand),
    /// Place, list and release legal holds
    #[command(subcommand)]
    Holds(HoldsCommand),
    /// Erase records for ever, with a certificate
    Erase(EraseArgs),
    /// Move payloads of old traces to other storage
    #[command(subcommand)]
    Archive(ArchiveCommand),
    /// Cosign checkpoints of other installations' logs
    Witness(WitnessArgs),
    /// Create, list and revoke API keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Show what was refused at a door, and why
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Record what other products exported into files
    Import(ImportArgs),
    /// Read stored spans again with this version's mapping
    Remap(RemapArgs),
    /// Test policy files, and see what they would change
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Work through what rules want people to look at
    #[command(subcommand)]
    Reviews(ReviewsCommand),
    /// Look for credentials, personal data and injection in files or JSON lines
    ///
    /// Ends with 0 when nothing was found, 1 when something was, 2 when a line could not be read. What was
    /// found is named with its place; the value itself is never printed.
    Scan(ScanArgs),
    /// Copy the database while the server runs
    Backup(BackupArgs),
    /// Make a data directory from a backup
    Restore(RestoreArgs),
    /// Move an installation from a data directory to a cluster, or back
    Migrate(MigrateArgs),
    /// Check directory, permissions, ports, rules, database, disk and clock
    Doctor,
    /// Show the configuration in force
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the OpenAPI description of the HTTP API
    Openapi,
    /// Print shell completions
    Completions(CompletionsArgs),
    /// Print the man page, or write one page per command
    Man(ManArgs),
    /// Print a page of the reference documentation
    #[command(hide = true)]
    Reference(ReferenceArgs),
}

/// The command tree under the name the binary was called by.
pub(crate) fn command(program: Option<&str>) -> clap::Command {
    let stem = program.map(std::path::Path::new).and_then(|p| p.file_stem()?.to_str());
    let command = Cli::command();
    match stem {
        Some(OTHER_NAME) => command.name(OTHER_NAME).bin_name(OTHER_NAME),
        _ => command.bin_name("exhibit"),
    }
}

/// Reads the command line.
pub(crate) fn parse(args: Vec<std::ffi::OsString>) -> Result<Cli, clap::Error> {
    let program = args.first().map(|a| a.to_string_lossy().into_owned());
    let mut command = command(program.as_deref());
    let matches = command.try_get_matches_from_mut(args)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_tree_is_consistent() {
        super::command(None).debug_assert();
    }

    #[test]
    fn the_program_answers_to_its_other_name() {
        let mut command = super::command(Some("/usr/local/bin/tracellm"));
        assert!(command.render_help().to_string().contains("Usage: tracellm"));
        let mut command = super::command(Some("exhibit"));
        assert!(command.render_help().to_string().contains("Usage: exhibit"));
    }
}
