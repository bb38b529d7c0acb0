//! Detectors, rule files and policies: findings, verdicts, redaction.
//!
//! The one choke point that every span passes before anything is written. Deterministic: a verdict is a
//! function of the span, the rules and the engine's version, and nothing else. No I/O, no clock, no
//! randomness; files arrive as text, the fingerprint key as an argument. Work is linear in the text, and
//! matched text never leaves a span except as a keyed fingerprint.
//!
//! Start at [`RuleSet`]: `load` compiles files, `evaluate` judges a span. Inside, `scan` finds, `policy`
//! decides, `redact` replaces.

mod detector;
mod error;
mod expr;
mod key;
mod listing;
mod place;
mod policy;
mod redact;
mod rule_set;
mod sample;
mod scan;
mod shipped;

pub use error::{RuleErrors, RuleProblem};
pub use key::FingerprintKey;
pub use listing::{ListedBudget, ListedDetector, ListedPolicy, ListedRule, RuleListing};
pub use policy::{
    FollowUp, Mode, Phase, ReviewWanted, Scope,
    budget::{Charge, Released, Spending, Spent, Surroundings, Unspent},
    reads::Reads,
    trace::TraceView,
    window::Window,
};
pub use rule_set::{ENGINE_VERSION, Evaluated, RuleSet, TraceRuling, Versions};
pub use scan::{FINDINGS_MAX, TextFinding};
pub use shipped::{overlay, packs, shipped};

use exhibit_model::{Nanos, Span, SpanHead, TraceId, TraceSummary};

/// Reads a length of time such as `4h` or `-90d`; nanoseconds.
pub fn duration(text: &str) -> Option<i64> {
    policy::window::duration(text)
}

/// The summary of spans that belong together, each counted once; for traces that are not stored.
pub fn summary_of(trace: &TraceId, spans: &[Span]) -> TraceSummary {
    let start = spans.first().map_or(Nanos(0), |span| span.start.unwrap_or(span.received));
    let mut summary = TraceSummary::new(trace.clone(), start);
    for span in spans {
        summary.absorb(&SpanHead::of(span), true);
    }
    summary
}
