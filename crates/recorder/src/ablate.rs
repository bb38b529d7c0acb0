//! Finds out what an answer depends on: every cause is taken away alone, what follows from it is
//! generated again several times, and the change is compared with how much unchanged repeats differ
//! among themselves.
//!
//! The exact captured prefix is held: only calls that a cause reaches are made again. Each call is a
//! span of a new trace, and so is the result; both are priced, governed and sealed like any other
//! record. An ablation that was broken off goes on from the spans it has left.

mod distance;
pub mod effect;
pub mod explain;
pub mod graph;
mod run;

use exhibit_model::{NanoUsd, SpanId, TraceId};
use serde::{Deserialize, Serialize};

pub use crate::replay::Progress;
use crate::replay::ReplayError;
pub use distance::{Distances, Measure};
pub use graph::{Cause, CauseKind, Graph};
pub use run::run;

/// Version of the method; stands in every result.
pub const VERSION: u32 = 1;
/// Most causes of one ablation: each costs several calls.
pub const CAUSES_MAX: usize = 64;

/// How to look for causes.
#[derive(Debug, Clone)]
pub struct Options {
    /// The answer in question; the last one by default.
    pub target: Option<SpanId>,
    /// Repeats of every variant, 2 to 50.
    pub repeats: u32,
    /// Orders that are drawn for Shapley values; 0 for none.
    pub orders: u32,
    /// No call is begun that could spend more than this in total.
    pub budget: Option<NanoUsd>,
    /// Seed of the intervals and orders.
    pub seed: u64,
    /// How far two answers are apart, where they are texts.
    pub measure: Measure,
    /// Whether the model that was asked puts the findings into words, beside the fixed template.
    pub explain: bool,
    /// The trace it is recorded as; a new one by default.
    pub trace: Option<TraceId>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            target: None,
            repeats: 5,
            orders: 0,
            budget: None,
            seed: 1,
            measure: Measure::Words,
            explain: false,
            trace: None,
        }
    }
}

/// What one cause does to the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The cause.
    pub cause: Cause,
    /// Change of the answer beyond sampling noise: 0 none, 1 another answer.
    pub effect: f64,
    /// 95 % interval.
    pub low: f64,
    /// 95 % interval.
    pub high: f64,
    /// Whether the interval lies above zero.
    pub significant: bool,
    /// Share of repeats whose tool calls or structured output differ from every unchanged repeat.
    pub changed: f64,
    /// Share in the answer over random orders, where asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shapley: Option<f64>,
    /// Answers without the cause.
    pub answers: Vec<String>,
}

/// The result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ablation {
    /// Version of the method.
    pub version: u32,
    /// The trace in which it is recorded.
    pub trace_id: String,
    /// The trace in question.
    pub ablation_of: String,
    /// The answer in question.
    pub target: String,
    /// The answer as captured.
    pub captured: String,
    /// The model that was asked.
    pub model: String,
    /// Repeats of every variant.
    pub repeats: u32,
    /// Seed of the intervals and orders.
    pub seed: u64,
    /// How much unchanged repeats differ among themselves, 0 to 1.
    pub noise: f64,
    /// Unchanged repeats.
    pub baseline: Vec<String>,
    /// The causes, strongest first.
    pub effects: Vec<Effect>,
    /// Model calls that were made.
    pub calls: u64,
    /// Billionths of a dollar; none when a price is not known.
    pub cost_nano_usd: Option<i64>,
    /// The causal graph with effects, for a Sankey drawing.
    pub sankey: graph::Sankey,
    /// How distances of answers were measured: `words`, `embedding` or `judge` with the model's name, and
    /// `values` where answers are structured.
    #[serde(default)]
    pub measure: String,
    /// In plain language, by a fixed template.
    pub explanation: String,
    /// The same in a model's words, where asked for. Written, not measured.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub explanation_by_model: Option<Written>,
}

/// A text that a model wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The model.
    pub model: String,
    /// What it wrote.
    pub text: String,
}

/// What it would take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// Causes that are tried.
    pub causes: usize,
    /// Model calls.
    pub calls: u64,
    /// Input tokens.
    pub tokens_in: u64,
    /// Output tokens.
    pub tokens_out: u64,
    /// Billionths of a dollar; none when a price is not known.
    pub cost_nano_usd: Option<i64>,
    /// A budget with which every call would begin, should each cost what is expected.
    pub budget_nano_usd: Option<i64>,
    /// Milliseconds, if calls take as long as they did.
    pub duration_ms: u64,
}

/// Why no causes can be looked for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AblationError {
    /// What replay refuses too.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// Redacted inputs are not the inputs the answer came from.
    #[error(
        "inputs of this trace were redacted before they were stored; what the answer depends on cannot be told from what is left"
    )]
    Redacted,
    /// Nothing to take away.
    #[error("the answer has no cause that could be taken away")]
    NoCauses,
    /// A number out of bounds.
    #[error("repeats must be 2 to 50 and orders at most 50")]
    Options,
    /// Calls failed.
    #[error("{code}: {message}")]
    Call {
        /// Stable name.
        code: String,
        /// For people.
        message: String,
    },
}

impl AblationError {
    /// A short, stable name.
    pub fn code(&self) -> &str {
        match self {
            Self::Replay(error) => error.code(),
            Self::Redacted => "redacted",
            Self::NoCauses => "no_causes",
            Self::Options => "options",
            Self::Call { code, .. } => code,
        }
    }
}

/// What an ablation would take, before any of it is spent.
///
/// # Errors
/// What [`run`] refuses before its first call.
pub fn estimate(
    steps: &[crate::replay::Step],
    options: &Options,
    pricer: &dyn crate::replay::Pricer,
) -> Result<Estimate, AblationError> {
    run::estimated(steps, options, pricer)
}
