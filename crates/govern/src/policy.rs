//! Policies: what findings and facts of a span or a trace lead to.
//!
//! A policy is one file; it holds rules; a rule is a [`Condition`] (or a [`budget`]) and what follows from it.
//! `file` reads them, `trial` runs the tests that a file carries, `trace` holds the conditions on whole traces.

pub(crate) mod budget;
pub(crate) mod condition;
pub(crate) mod field;
pub(crate) mod file;
pub(crate) mod reads;
pub(crate) mod step;
pub(crate) mod trace;
pub(crate) mod trial;
pub(crate) mod window;

use exhibit_model::{Action, Evaluation, Json, Outcome, Severity, Span};
use serde::Serialize;

use crate::expr::Stop;
use budget::{Budget, Charge, Level, Surroundings};
use condition::{Condition, FindingTest, Sight};
pub(crate) use step::Mask;
use step::Step;
pub use step::{FollowUp, ReviewWanted};
use trace::TraceView;

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

/// What a rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Each span, before it is stored.
    #[default]
    Span,
    /// A whole trace, when it is sealed.
    Trace,
}

/// When a rule is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// When a span arrives and when somebody asks before acting.
    #[default]
    Both,
    /// When a span arrives.
    Ingest,
    /// When somebody asks before acting.
    Decide,
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
    /// What expressions see as `data`.
    pub(crate) data: Json,
    pub(crate) rules: Vec<Rule>,
}

/// A compiled rule.
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) severity: Severity,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) scope: Scope,
    pub(crate) phase: Phase,
    pub(crate) when: Condition,
    pub(crate) then: Vec<Step>,
    pub(crate) budget: Option<Budgeted>,
    pub(crate) refs: Vec<String>,
    pub(crate) record_pass: bool,
    /// How many tests the file carries for it.
    pub(crate) tests: usize,
}

impl Rule {
    /// The channels that it names.
    pub(crate) fn channels(&self) -> impl Iterator<Item = &str> {
        let soft = self.budget.iter().flat_map(|budget| &budget.soft);
        self.then.iter().chain(soft).filter_map(|step| match step {
            Step::Notify { channel, .. } => channel.as_deref(),
            _ => None,
        })
    }
}

/// A rule's budget; its `then` is what follows at the hard limit.
pub(crate) struct Budgeted {
    pub(crate) budget: Budget,
    pub(crate) soft: Vec<Step>,
    /// `policy/rule`.
    pub(crate) name: String,
}

/// What all policies together say of a span or trace.
#[derive(Default)]
pub(crate) struct Ruling {
    pub(crate) evaluations: Vec<Evaluation>,
    pub(crate) decision: exhibit_model::Decision,
    pub(crate) tags: Vec<String>,
    /// By finding: what is to stand in its place. The most thorough wins.
    pub(crate) masks: Vec<Option<Mask>>,
    pub(crate) follow_ups: Vec<FollowUp>,
    pub(crate) charges: Vec<Charge>,
    /// Rules that could not be evaluated, as `policy/rule: reason`.
    pub(crate) faults: Vec<String>,
}

impl Policy {
    /// Adds what this policy says of a span whose findings are known.
    pub(crate) fn rule_on(&self, span: &Span, around: &Surroundings<'_>, ruling: &mut Ruling) {
        if self.mode == Mode::Off {
            return;
        }
        let sight = Sight { span: Some(span), trace: None, data: &self.data };
        let skipped = if around.before_acting { Phase::Ingest } else { Phase::Decide };
        for rule in &self.rules {
            if rule.scope == Scope::Span && rule.phase != skipped {
                self.apply(rule, &sight, around, ruling);
            }
        }
    }

    /// Adds what this policy says of a whole trace.
    pub(crate) fn rule_on_trace(
        &self,
        trace: &TraceView<'_>,
        around: &Surroundings<'_>,
        ruling: &mut Ruling,
    ) {
        if self.mode == Mode::Off {
            return;
        }
        let sight = Sight { span: None, trace: Some(trace), data: &self.data };
        for rule in self.rules.iter().filter(|rule| rule.scope == Scope::Trace) {
            self.apply(rule, &sight, around, ruling);
        }
    }

    fn apply(
        &self,
        rule: &Rule,
        sight: &Sight<'_>,
        around: &Surroundings<'_>,
        ruling: &mut Ruling,
    ) {
        let steps = match rule.steps(sight, around, &mut ruling.charges) {
            Ok(Some(steps)) => steps,
            Ok(None) => {
                if rule.record_pass && self.mode == Mode::Enforce {
                    ruling.evaluations.push(self.evaluation(
                        rule,
                        Outcome::Pass,
                        rule.title.clone(),
                    ));
                }
                return;
            }
            Err(stop) => return self.fault(rule, stop, ruling),
        };
        if self.mode == Mode::Shadow {
            let message = format!("shadow: would {} ({})", step::words(steps), rule.title);
            ruling.evaluations.push(self.evaluation(rule, Outcome::Pass, message));
            return;
        }
        let outcome = rule.outcome.unwrap_or(match rule.severity {
            _ if steps.iter().all(|step| step.action() == Action::Allow) => Outcome::Pass,
            Severity::Low | Severity::Medium => Outcome::Warning,
            Severity::High | Severity::Critical => Outcome::Fail,
        });
        let released = around.released.is_some_and(|all| all.releases(&self.name, &rule.id));
        let rejected = around.released.is_some_and(|all| all.rejects(&self.name, &rule.id));
        let decided = released || rejected;
        let outcome = if rejected { Outcome::Fail } else { outcome };
        ruling.evaluations.push(self.evaluation(rule, outcome, rule.title.clone()));
        let done = steps.iter().filter(|step| !decided || step.action() < Action::Review);
        ruling.follow_ups.extend(step::follow_ups(done, &self.name, rule));
        for step in steps {
            let met = match step.action() {
                Action::Review => decided,
                action => released && action > Action::Review,
            };
            if met {
                ruling.decision.add(Action::Flag);
                continue;
            }
            ruling.decision.add(step.action());
            match step {
                Step::Tag(tag) if !ruling.tags.contains(tag) => ruling.tags.push(tag.clone()),
                Step::Redact(mask) => {
                    if let Some(span) = sight.span {
                        rule.mark(span, *mask, &mut ruling.masks);
                    }
                }
                _ => {}
            }
        }
    }

    /// A rule that could not be evaluated: what the policy wants of that.
    fn fault(&self, rule: &Rule, stop: Stop, ruling: &mut Ruling) {
        let Stop::Fault(reason) = stop else { return };
        ruling.faults.push(format!("{}/{}: {reason}", self.name, rule.id));
        if self.mode == Mode::Shadow {
            return;
        }
        ruling.decision.add(self.on_error);
        let message = format!("The rule could not be evaluated: {reason}");
        let outcome = if self.on_error == Action::Allow { Outcome::Pass } else { Outcome::Warning };
        ruling.evaluations.push(self.evaluation(rule, outcome, message));
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
    /// What follows; none when the rule does not apply.
    pub(crate) fn steps(
        &self,
        sight: &Sight<'_>,
        around: &Surroundings<'_>,
        charges: &mut Vec<Charge>,
    ) -> Result<Option<&[Step]>, Stop> {
        if !self.when.holds(sight)? {
            return Ok(None);
        }
        let (Some(budgeted), Some(span)) = (&self.budget, sight.span) else {
            return Ok(Some(&self.then));
        };
        let Some(key) = budgeted.budget.key_of(span, around.api_key) else { return Ok(None) };
        let window = budgeted.budget.window();
        let amount = budget::amount(span, around.before_acting);
        let spent = around.spending.spent(&budgeted.name, &key, window);
        let level = budgeted.budget.level(spent, amount);
        if amount != budget::Spent::default() {
            charges.push(Charge { budget: budgeted.name.clone(), key, window, amount });
        } else if !around.before_acting {
            return Ok(None);
        }
        Ok(match level {
            Level::Within => None,
            Level::Soft if budgeted.soft.is_empty() => None,
            Level::Soft => Some(&budgeted.soft),
            Level::Hard => Some(&self.then),
        })
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
