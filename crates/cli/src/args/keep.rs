//! `exhibit retention`, `exhibit holds` and `exhibit erase`.

use clap::{Args, Subcommand};

/// Commands about retention.
#[derive(Debug, Subcommand)]
pub(crate) enum RetentionCommand {
    /// Show the rules in force
    Show(Workspace),
    /// Set the rules; the first that finds a trace decides, what none finds is kept
    Set(RetentionSet),
    /// Take away what the rules no longer keep
    Run(RetentionRun),
}

/// Which workspace.
#[derive(Debug, Args)]
pub(crate) struct Workspace {
    /// Workspace
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
}

/// Options of `exhibit retention set`.
#[derive(Debug, Args)]
#[command(after_help = "\
A rule is NAME=DAYS or NAME=DAYS:FILTER, with `forever` for a rule that keeps:

  exhibit retention set --rule 'failed=forever:verdict = fail' --rule 'rest=184'
  exhibit retention set --preset ai-act")]
pub(crate) struct RetentionSet {
    /// A rule; may be given several times
    #[arg(long = "rule", value_name = "RULE")]
    pub(crate) rules: Vec<String>,
    /// A rule for everything else: ai-act, soc2, hipaa, sec-17a-4
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// Take all rules away: everything is kept
    #[arg(long, conflicts_with_all = ["rules", "preset"])]
    pub(crate) keep_everything: bool,
    #[command(flatten)]
    pub(crate) of: Workspace,
}

/// Options of `exhibit retention run`.
#[derive(Debug, Args)]
pub(crate) struct RetentionRun {
    /// Only say what would go
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) of: Workspace,
}

/// Commands about legal holds.
#[derive(Debug, Subcommand)]
pub(crate) enum HoldsCommand {
    /// List legal holds
    List(Workspace),
    /// Place a legal hold: it beats retention and erasure
    Place(HoldPlace),
    /// Release a legal hold
    Release(HoldRelease),
}

/// Options of `exhibit holds place`.
#[derive(Debug, Args)]
pub(crate) struct HoldPlace {
    /// Traces that this filter finds (no full text); without it, everything
    #[arg(long, short, value_name = "FILTER", default_value = "", hide_default_value = true)]
    pub(crate) filter: String,
    /// One trace
    #[arg(long, value_name = "ID", conflicts_with = "filter")]
    pub(crate) trace: Option<String>,
    /// Why, such as the name of a case
    #[arg(long)]
    pub(crate) reason: String,
    /// Who answers for it
    #[arg(long)]
    pub(crate) owner: String,
    #[command(flatten)]
    pub(crate) of: Workspace,
}

/// Options of `exhibit holds release`.
#[derive(Debug, Args)]
pub(crate) struct HoldRelease {
    /// Id of the hold, `hold_…`
    pub(crate) id: String,
    /// Why, and who says so
    #[arg(long)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) of: Workspace,
}

/// Options of `exhibit erase`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["trace", "user", "filter"]))]
pub(crate) struct EraseArgs {
    /// One trace
    #[arg(long, value_name = "ID")]
    pub(crate) trace: Option<String>,
    /// Everything of an end user
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// Traces that this filter finds (no full text)
    #[arg(long, short, value_name = "FILTER")]
    pub(crate) filter: Option<String>,
    /// Why; it stays in the certificate, so name no person
    #[arg(long)]
    pub(crate) reason: String,
    /// Only say what would go
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) of: Workspace,
}
