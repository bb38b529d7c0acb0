//! `exhibit policy` and `exhibit reviews`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Commands about policies.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Load policy files as the server would and run the tests they carry
    Test(PolicyTest),
    /// Show what a policy file would have changed in what is recorded
    Simulate(PolicySimulate),
}

/// Options of `exhibit policy test`.
#[derive(Debug, Args)]
pub(crate) struct PolicyTest {
    /// The files; without any, all that are in force
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// Options of `exhibit policy simulate`.
#[derive(Debug, Args)]
pub(crate) struct PolicySimulate {
    /// The proposed file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// How far back: a time such as `-90d`, or RFC 3339
    #[arg(long, default_value = "-90d", allow_hyphen_values = true)]
    pub(crate) from: String,
    /// Workspace to read
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
}

/// Commands about reviews.
#[derive(Debug, Subcommand)]
pub(crate) enum ReviewsCommand {
    /// List reviews, newest first
    List(ReviewsList),
    /// Show one with all that was done
    Show(ReviewsShow),
    /// Take one
    Claim(ReviewsAct),
    /// Give one back
    Release(ReviewsAct),
    /// Give one to somebody
    Assign(ReviewsAct),
    /// Add a comment
    Comment(ReviewsAct),
    /// Say that what happened may stand; what is quarantined is released
    Approve(ReviewsAct),
    /// Say that it must not
    Reject(ReviewsAct),
    /// Pass one up
    Escalate(ReviewsAct),
    /// Show how often each rule was right
    Precision(ReviewsPrecision),
}

/// Options of `exhibit reviews list`.
#[derive(Debug, Args)]
pub(crate) struct ReviewsList {
    /// States, separated by commas; `waiting` for those that need somebody, `all` for every one
    #[arg(long, default_value = "waiting")]
    pub(crate) state: String,
    /// Only this queue
    #[arg(long)]
    pub(crate) queue: Option<String>,
    /// Only what this rule asked for
    #[arg(long)]
    pub(crate) rule: Option<String>,
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

/// Options of `exhibit reviews show`.
#[derive(Debug, Args)]
pub(crate) struct ReviewsShow {
    /// The review
    #[arg(value_name = "REVIEW")]
    pub(crate) review: String,
    /// Workspace to read (with a key, the key decides)
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
}

/// Options of `exhibit reviews precision`.
#[derive(Debug, Args)]
pub(crate) struct ReviewsPrecision {
    /// Workspace to read (with a key, the key decides)
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
}

/// Options of an act on reviews.
#[derive(Debug, Args)]
pub(crate) struct ReviewsAct {
    /// The reviews
    #[arg(value_name = "REVIEW", required = true)]
    pub(crate) reviews: Vec<String>,
    /// Why
    #[arg(long, value_parser = ["true_positive", "false_positive", "accepted_risk", "remediated", "other"])]
    pub(crate) reason: Option<String>,
    /// In words; a comment needs it, and so does the reason `other`
    #[arg(long, short = 'm')]
    pub(crate) comment: Option<String>,
    /// To whom it goes; assigning needs it
    #[arg(long, value_name = "PERSON")]
    pub(crate) to: Option<String>,
    /// What becomes of what is quarantined
    #[arg(long, value_parser = ["release", "redact", "erase"])]
    pub(crate) handling: Option<String>,
    /// Workspace of the reviews (with a key, the key decides)
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
}
