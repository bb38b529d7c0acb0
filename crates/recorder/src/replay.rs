//! Runs a recorded trace again: model calls with their captured messages and parameters, tools from
//! their captured results unless asked otherwise. The result is a new trace linked to the original,
//! which stays as it is.
//!
//! The engine knows neither HTTP nor a store: a [`Desk`] takes the new spans, [`Models`] give
//! providers, [`Tools`] run live tools, a [`Pricer`] says what calls cost. So the same engine runs in
//! the server and on the command line.
//!
//! Later inputs are kept as captured, except that an answer which was given anew stands where the old
//! one stood. As soon as a model asks for other tools than it did, the captured conversation is held
//! from there on and the step is marked `diverged`: nobody knows what those tools would have said.

mod call;
mod conversation;
pub mod diff;
mod recorded;
mod retold;
mod run;
mod step;

use std::sync::Arc;

use async_trait::async_trait;
use exhibit_model::{JsonMap, NanoUsd, SpanId, TraceId, Usage};
use exhibit_provider::{ConfigError, Provider};

pub use call::Answer;
pub(crate) use call::make;
pub use conversation::Unsendable;
pub(crate) use conversation::{parameters, request, spoken, text_of};
pub use recorded::price_with;
pub use retold::retold;
pub use run::{Around, Progress, Replayed, run};
pub use step::{Repeats, Step};

/// Takes the spans of a replay, as the native API writes them.
#[async_trait]
pub trait Desk: Send + Sync {
    /// Records spans; when it returns, they are durable.
    async fn record(&self, spans: Vec<JsonMap>) -> Result<(), String>;
}

/// Gives the provider of a model.
pub trait Models: Send + Sync {
    /// The provider for a model that was captured with `provider`.
    ///
    /// # Errors
    /// When none is configured for it.
    fn provider(
        &self,
        provider: Option<&str>,
        model: &str,
    ) -> Result<Arc<dyn Provider>, ConfigError>;
}

/// Runs tools.
#[async_trait]
pub trait Tools: Send + Sync {
    /// The result of a call as text.
    async fn call(&self, name: &str, arguments: &str) -> Result<String, String>;
}

/// Says what a call costs.
pub trait Pricer: Send + Sync {
    /// The cost of that usage; none while nobody knows the model's price.
    fn price(&self, provider: Option<&str>, model: &str, usage: &Usage) -> Option<NanoUsd>;
}

/// Where tools' results come from.
#[derive(Clone, Default)]
pub enum ToolMode {
    /// From the trace.
    #[default]
    Captured,
    /// They are run.
    Live(Arc<dyn Tools>),
    /// They are left out; the model is told so.
    Skip,
}

impl ToolMode {
    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Captured => "captured",
            Self::Live(_) => "live",
            Self::Skip => "skip",
        }
    }
}

impl std::fmt::Debug for ToolMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How to run a trace again.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where tools' results come from.
    pub tools: ToolMode,
    /// The first step that is run; everything before it is the captured prefix.
    pub from: Option<SpanId>,
    /// Another model for every call.
    pub model: Option<String>,
    /// Another temperature for every call.
    pub temperature: Option<f64>,
    /// Another system prompt.
    pub system: Option<String>,
    /// Another text in the place of the first call's last user message.
    pub prompt: Option<String>,
    /// No call is begun that could spend more than this in total.
    pub budget: Option<NanoUsd>,
    /// Number of this repeat, from 0.
    pub repeat: u32,
    /// The new trace's id; a new one by default.
    pub trace: Option<TraceId>,
    /// The job that it belongs to.
    pub job: Option<TraceId>,
}

/// What a replay would take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Estimate {
    /// Model calls.
    pub calls: u64,
    /// Input tokens.
    pub tokens_in: u64,
    /// Output tokens, if the answers are as long as they were.
    pub tokens_out: u64,
    /// Cost, billionths of a dollar; none when a model's price is not known.
    pub cost_nano_usd: Option<i64>,
    /// A budget with which every call would begin, should each cost what is expected: a call begins
    /// only when the budget covers a long answer.
    pub budget_nano_usd: Option<i64>,
    /// Time of the calls, milliseconds, if they take as long as they did.
    pub duration_ms: u64,
}

/// Why a trace cannot be run again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// Nothing to run.
    #[error("the trace holds no model call with captured messages; there is nothing to run again")]
    NoCalls,
    /// Not over yet.
    #[error("the trace is still running: span {0} has not ended; replay it when it has")]
    Running(String),
    /// Something it needs is in quarantine.
    #[error(
        "span {0} is quarantined, so its messages are not there; replay the trace when a reviewer has released it"
    )]
    Quarantined(String),
    /// `from` names nothing.
    #[error("the trace has no span {0}")]
    UnknownSpan(String),
    /// A message cannot be sent again.
    #[error("span {span}: {reason}")]
    Unsendable {
        /// The span.
        span: String,
        /// What is missing.
        reason: Unsendable,
    },
    /// No provider for a model.
    #[error("{0}")]
    Provider(#[from] ConfigError),
    /// The new spans could not be recorded.
    #[error("the replay could not be recorded: {0}")]
    Record(String),
    /// The next call could go beyond the budget.
    #[error(
        "the budget of ${:.6} does not cover the next call: ${:.6} is spent, and the call may cost {}",
        budget.0 as f64 / 1e9,
        spent.0 as f64 / 1e9,
        if next.0 == i64::MAX { "an unknown amount".to_owned() } else { format!("${:.6}", next.0 as f64 / 1e9) }
    )]
    Budget {
        /// What was spent.
        spent: NanoUsd,
        /// What might be spent.
        budget: NanoUsd,
        /// What the next call may cost.
        next: NanoUsd,
    },
    /// Somebody stopped it.
    #[error("cancelled")]
    Cancelled,
}

impl ReplayError {
    /// A short, stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoCalls => "no_calls",
            Self::Running(_) => "running",
            Self::Quarantined(_) => "quarantined",
            Self::UnknownSpan(_) => "unknown_span",
            Self::Unsendable { .. } => "unsendable",
            Self::Provider(error) => error.code(),
            Self::Record(_) => "record",
            Self::Budget { .. } => "budget",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What running a trace again would take, before any of it is spent.
///
/// # Errors
/// What [`run`] would refuse before its first call.
pub fn estimate(
    steps: &[Step],
    options: &Options,
    pricer: &dyn Pricer,
) -> Result<Estimate, ReplayError> {
    let mut sum = Estimate { cost_nano_usd: Some(0), ..Estimate::default() };
    let mut longest = Some(0);
    for step in run::executed(steps, options)? {
        let model = options.model.as_deref().or(step.model_asked()).unwrap_or_default();
        let same = options.model.is_none();
        let usage = step.expected_usage();
        sum.calls += 1;
        sum.tokens_in += usage.input_tokens();
        sum.tokens_out += usage.output_tokens();
        sum.duration_ms += step.duration_ms().unwrap_or(0);
        let captured = step.cost.filter(|_| same);
        let cost = captured.or_else(|| pricer.price(step.provider.as_deref(), model, &usage));
        sum.cost_nano_usd = sum.cost_nano_usd.zip(cost).map(|(a, b)| a.saturating_add(b.0));
        let limit = request(step).ok().and_then(|wanted| wanted.output_tokens_max);
        let most = pricer.price(step.provider.as_deref(), model, &run::most_usage(step, limit));
        longest = longest.zip(most).map(|(a, b): (i64, NanoUsd)| a.max(b.0));
    }
    sum.budget_nano_usd = sum.cost_nano_usd.zip(longest).map(|(a, b)| a.saturating_add(b));
    Ok(sum)
}
