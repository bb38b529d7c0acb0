//! Policies: what findings and facts of a span lead to.
//!
//! A policy is one file; it holds rules; a rule is a [`Condition`] and what follows from it. `file` reads
//! them, `trial` runs the tests that a file carries.

pub(crate) mod condition;
pub(crate) mod field;
pub(crate) mod file;
pub(crate) mod trial;

use exhibit_model::{Action, Evaluation, Outcome, Severity, Span};
use serde::Serialize;

use condition::{Condition, FindingTest};

/// Whether a policy acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It acts.
    #[default]
    Enforce,
    /// It says what it would do, and does nothing.
    Shadow,
    /// It is not looked at.
    Off,
}

/// A compiled policy file.
pub(crate) struct Policy {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) description: Option<String>,
    pub(crate) owner: Option<String>,
    pub(crate) mode: Mode,
    /// What follows when the engine could not look at everything.
    pub(crate) on_error: Action,
    pub(crate) rules: Vec<Rule>,
}

/// A compiled rule.
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) severity: Severity,
    pub(crate) when: Condition,
    pub(crate) then: Vec<Step>,
    pub(crate) refs: Vec<String>,
    pub(crate) record_pass: bool,
}

/// What follows from a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Allow,
    Tag(String),
    Notify,
    Redact(Mask),
    Flag,
    Review,
    Quarantine,
    Block,
}

/// What stands in a redacted text's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Mask {
    /// `[REDACTED:ENTITY]`.
    #[default]
    Name,
    /// `[ENTITY:fingerprint]`: the same value can be told again.
    Fingerprint,
    /// Nothing.
    Nothing,
}

impl Step {
    pub(crate) fn action(&self) -> Action {
        match self {
            Self::Allow => Action::Allow,
            Self::Tag(_) => Action::Tag,
            Self::Notify => Action::Notify,
            Self::Redact(_) => Action::Redact,
            Self::Flag => Action::Flag,
            Self::Review => Action::Review,
            Self::Quarantine => Action::Quarantine,
            Self::Block => Action::Block,
        }
    }
}

/// What all policies together say of a span.
#[derive(Default)]
pub(crate) struct Ruling {
    pub(crate) evaluations: Vec<Evaluation>,
    pub(crate) decision: exhibit_model::Decision,
    pub(crate) tags: Vec<String>,
    /// By finding: what is to stand in its place. The most thorough wins.
    pub(crate) masks: Vec<Option<Mask>>,
}

impl Policy {
    /// Adds what this policy says of a span whose findings are known.
    pub(crate) fn rule_on(&self, span: &Span, ruling: &mut Ruling) {
        if self.mode == Mode::Off {
            return;
        }
        for rule in &self.rules {
            if !rule.when.holds(span) {
                if rule.record_pass && self.mode == Mode::Enforce {
                    ruling.evaluations.push(self.evaluation(
                        rule,
                        Outcome::Pass,
                        rule.title.clone(),
                    ));
                }
                continue;
            }
            if self.mode == Mode::Shadow {
                let message = format!("shadow: would {} ({})", rule.consequences(), rule.title);
                ruling.evaluations.push(self.evaluation(rule, Outcome::Pass, message));
                continue;
            }
            let outcome = match rule.severity {
                _ if rule.then.iter().all(|step| step.action() == Action::Allow) => Outcome::Pass,
                Severity::Low | Severity::Medium => Outcome::Warning,
                Severity::High | Severity::Critical => Outcome::Fail,
            };
            ruling.evaluations.push(self.evaluation(rule, outcome, rule.title.clone()));
            for step in &rule.then {
                ruling.decision.add(step.action());
                match step {
                    Step::Tag(tag) if !ruling.tags.contains(tag) => ruling.tags.push(tag.clone()),
                    Step::Redact(mask) => rule.mark(span, *mask, &mut ruling.masks),
                    _ => {}
                }
            }
        }
    }

    fn evaluation(&self, rule: &Rule, outcome: Outcome, message: String) -> Evaluation {
        Evaluation {
            policy: self.name.clone(),
            rule: rule.id.clone(),
            outcome,
            severity: rule.severity,
            message,
        }
    }
}

impl Rule {
    /// The actions as words, for people and for tests in files.
    pub(crate) fn consequences(&self) -> String {
        let words: Vec<&str> = self.then.iter().map(|step| step.action().as_str()).collect();
        words.join(", ")
    }

    /// Marks for redaction the findings that the rule's conditions speak of.
    fn mark(&self, span: &Span, mask: Mask, masks: &mut Vec<Option<Mask>>) {
        masks.resize(span.findings.len(), None);
        let mut tests: Vec<&FindingTest> = Vec::new();
        self.when.finding_tests(&mut tests);
        for (finding, slot) in span.findings.iter().zip(masks) {
            if tests.iter().any(|test| test.fits(finding)) {
                *slot = Some(slot.map_or(mask, |known| known.max(mask)));
            }
        }
    }
}
