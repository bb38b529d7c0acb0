//! `exhibit replay` and `exhibit ablate`.

use clap::Args;

/// Options of `exhibit replay`.
#[derive(Debug, Args)]
#[command(after_help = "\
Model calls are made again by the provider of the environment, as with `exhibit trace`; tools answer
from the capture unless --tools says otherwise. The original stays as it is; the result is a new trace.
What it may cost is shown and confirmed first; --budget is a cap that no call goes beyond.")]
pub(crate) struct ReplayArgs {
    /// Trace to run again
    #[arg(required_unless_present = "filter")]
    pub(crate) id: Option<String>,
    /// Where tools' results come from: `captured`, `skip`, or `live COMMAND` (the call comes as JSON on
    /// standard input, the result is read from standard output)
    #[arg(long, num_args = 1..=2, value_names = ["MODE", "COMMAND"], default_value = "captured")]
    pub(crate) tools: Vec<String>,
    /// First span that is run; what is before it stays as captured
    #[arg(long, value_name = "SPAN")]
    pub(crate) from: Option<String>,
    /// Another model for every call
    #[arg(long, short)]
    pub(crate) model: Option<String>,
    /// Another temperature
    #[arg(long)]
    pub(crate) temperature: Option<f64>,
    /// Another system prompt
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// Another text in the place of the first call's last user message
    #[arg(long, value_name = "TEXT")]
    pub(crate) prompt: Option<String>,
    /// How often; the report says how much the answers differ
    #[arg(long, short = 'n', default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub(crate) repeat: u32,
    /// Run every trace that matches, and compare in one report
    #[arg(long, conflicts_with_all = ["id", "from", "prompt", "render"])]
    pub(crate) filter: Option<String>,
    /// Most traces of a --filter
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
    /// Show the stored steps again instead of running anything; needs no provider
    #[arg(long)]
    pub(crate) render: bool,
    /// Pace of --render: 2 is twice as fast
    #[arg(long, default_value_t = 1.0)]
    pub(crate) speed: f64,
    #[command(flatten)]
    pub(crate) money: Money,
    /// Workspace of the trace (with a key, the key decides)
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
}

/// What may be spent.
#[derive(Debug, Args)]
pub(crate) struct Money {
    /// Most that may be spent, US dollars
    #[arg(long, value_name = "USD")]
    pub(crate) budget: Option<f64>,
    /// Do not ask before spending
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Say what it would take, and stop
    #[arg(long)]
    pub(crate) estimate: bool,
}

/// Options of `exhibit ablate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Every input of the answer is taken away alone, what follows from it is generated again --repeats times,
and the change is compared with unchanged repeats. The result is recorded as a trace of its own.")]
pub(crate) struct AblateArgs {
    /// Trace whose answer is in question
    pub(crate) id: String,
    /// The model call in question [default: the one that gave the final answer]
    #[arg(long, value_name = "SPAN")]
    pub(crate) target: Option<String>,
    /// Repeats of every variant
    #[arg(long, short = 'n', default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=50))]
    pub(crate) repeats: u32,
    /// Random orders for Shapley values; each costs a call per input
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=50))]
    pub(crate) orders: u32,
    /// Seed of intervals and orders
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Compare texts by the vectors of this embedding model [default: by words]
    #[arg(long, value_name = "MODEL", conflicts_with = "judge")]
    pub(crate) embedding: Option<String>,
    /// Compare texts by what this model says of each pair; the estimate counts these calls
    #[arg(long, value_name = "MODEL")]
    pub(crate) judge: Option<String>,
    /// Have the model put the findings into words, beside the fixed template
    #[arg(long)]
    pub(crate) explain: bool,
    /// Go on with an ablation that was broken off
    #[arg(long, value_name = "TRACE")]
    pub(crate) resume: Option<String>,
    #[command(flatten)]
    pub(crate) money: Money,
    /// Workspace of the trace (with a key, the key decides)
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
}
