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
pub use listing::{ListedDetector, ListedPolicy, ListedRule, RuleListing};
pub use policy::Mode;
pub use rule_set::{ENGINE_VERSION, Evaluated, RuleSet, Versions};
pub use scan::{FINDINGS_MAX, TextFinding};
pub use shipped::{overlay, shipped};
