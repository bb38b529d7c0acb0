//! What rules and detectors say about a span.

use serde::{Deserialize, Serialize};

use crate::{Part, kind::words};

words! {
    /// How grave a finding or rule is.
    Severity {
        /// For information.
        Low = "low" = 1,
        /// Worth a look.
        Medium = "medium" = 2,
        /// Should be looked at.
        High = "high" = 3,
        /// Must be looked at.
        Critical = "critical" = 4,
    }
}

words! {
    /// What a finding is about.
    FindingCategory {
        /// Personal data.
        Pii = "pii" = 1,
        /// A credential.
        Secret = "secret" = 2,
        /// An attempt to steer the model.
        Injection = "injection" = 3,
        /// A term on a deny list.
        Term = "term" = 4,
    }
}

/// Something a detector found. It never holds the matched text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The detector's rule, such as `credit-card`.
    pub rule: String,
    /// What it found, such as `CREDIT_CARD`.
    pub entity: String,
    /// What it is about.
    pub category: FindingCategory,
    /// How grave.
    pub severity: Severity,
    /// The part it stands in.
    pub part: Part,
    /// JSON pointer (RFC 6901) into that part, to the text.
    pub pointer: String,
    /// Byte offset of the match in that text, before redaction.
    pub start: usize,
    /// Byte offset after the match.
    pub end: usize,
    /// How sure, in thousandths.
    pub score_milli: u16,
    /// Whether a checksum or structure confirmed it.
    pub validated: bool,
    /// Keyed fingerprint of the matched text, hex: the same value seen again has the same one.
    pub fingerprint: String,
    /// Whether the text was replaced before it was stored.
    #[serde(default)]
    pub redacted: bool,
}

impl Finding {
    /// What is less sure, in thousandths, is kept for those who ask for it and counts for nothing:
    /// neither for a verdict nor in lists and sums, and for a rule only where it asks for so low a score.
    pub const SURE_SCORE_MILLI: u16 = 400;

    /// Whether it counts.
    pub fn is_sure(&self) -> bool {
        self.score_milli >= Self::SURE_SCORE_MILLI
    }
}

words! {
    /// What a rule says.
    Outcome {
        /// The rule holds.
        Pass = "pass" = 1,
        /// It nearly failed, or failed softly.
        Warning = "warning" = 2,
        /// It is broken.
        Fail = "fail" = 3,
    }
}

/// What one rule says about one span.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The policy file's name.
    pub policy: String,
    /// The rule's id within it.
    pub rule: String,
    /// What it says.
    pub outcome: Outcome,
    /// How grave a failure is.
    pub severity: Severity,
    /// The rule's title; never text from the span.
    pub message: String,
}

words! {
    /// What follows, weakest to strongest.
    Action {
        /// Nothing.
        Allow = "allow" = 1,
        /// A tag is added.
        Tag = "tag" = 2,
        /// Somebody is told.
        Notify = "notify" = 3,
        /// The matched text is replaced before anything is stored.
        Redact = "redact" = 4,
        /// It is marked.
        Flag = "flag" = 5,
        /// A person has to look.
        Review = "review" = 6,
        /// It is stored but not indexed, not live, not exported.
        Quarantine = "quarantine" = 7,
        /// At ingest: quarantined and shown as such. What happened, happened.
        Block = "block" = 8,
    }
}

/// What followed from findings and evaluations: the strongest action, and all that contributed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Decision {
    /// The actions, strongest first, each once. Empty means allow.
    pub actions: Vec<Action>,
}

impl Decision {
    /// Adds an action; keeps order and uniqueness.
    pub fn add(&mut self, action: Action) {
        if action != Action::Allow && !self.actions.contains(&action) {
            self.actions.push(action);
            self.actions.sort_by(|a, b| b.cmp(a));
        }
    }

    /// The strongest action.
    pub fn strongest(&self) -> Action {
        self.actions.first().copied().unwrap_or(Action::Allow)
    }

    /// Whether nothing follows.
    pub fn is_allow(&self) -> bool {
        self.actions.is_empty()
    }

    /// Whether it keeps the record out of search, live view and exports.
    pub fn is_quarantine(&self) -> bool {
        self.strongest() >= Action::Quarantine
    }
}

words! {
    /// How a span or trace stands with the rules, best to worst.
    Verdict {
        /// Nothing spoke against it.
        Pass = "pass" = 1,
        /// Something is worth knowing.
        Warning = "warning" = 2,
        /// A rule is broken.
        Fail = "fail" = 3,
        /// A person has to look.
        Review = "review" = 4,
        /// Kept apart.
        Quarantined = "quarantined" = 5,
    }
}

impl Verdict {
    /// The verdict that findings, evaluations and decision add up to. Findings of low severity alone,
    /// such as an IP address, do not make a warning, nor do unsure ones.
    pub fn of(findings: &[Finding], evaluations: &[Evaluation], decision: &Decision) -> Self {
        let worst = evaluations.iter().map(|e| e.outcome).max().unwrap_or(Outcome::Pass);
        let telling = findings.iter().any(|f| f.is_sure() && f.severity >= Severity::Medium);
        match decision.strongest() {
            Action::Quarantine | Action::Block => Self::Quarantined,
            Action::Review => Self::Review,
            _ if worst == Outcome::Fail => Self::Fail,
            Action::Flag => Self::Warning,
            _ if worst == Outcome::Warning || telling => Self::Warning,
            _ => Self::Pass,
        }
    }
}
