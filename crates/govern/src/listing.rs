//! What the rules in force are, for people.

use exhibit_model::{FindingCategory, Severity};
use serde::Serialize;

use crate::{ENGINE_VERSION, Mode, Phase, Scope, detector::Detector, policy::Policy};

/// All rules in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleListing {
    /// SHA-256 over engine version and files, hex.
    pub hash: String,
    /// Version of the engine; verdicts of two versions may differ.
    pub engine_version: u32,
    /// In file order.
    pub detectors: Vec<ListedDetector>,
    /// In file order.
    pub policies: Vec<ListedPolicy>,
}

/// A detector.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListedDetector {
    /// Its id, as findings name it.
    pub id: String,
    /// What it finds, in words.
    pub title: String,
    /// What it finds, as findings name it.
    pub entity: String,
    /// What that is about.
    pub category: FindingCategory,
    /// How grave.
    pub severity: Severity,
    /// The file it comes from.
    pub file: String,
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListedPolicy {
    /// Its name.
    pub name: String,
    /// The file it comes from.
    pub file: String,
    /// What it is for.
    pub description: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Whether it acts.
    pub mode: Mode,
    /// Its rules.
    pub rules: Vec<ListedRule>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListedRule {
    /// Its id within the policy.
    pub id: String,
    /// What it says, in words.
    pub title: String,
    /// How grave.
    pub severity: Severity,
    /// What it looks at.
    pub scope: Scope,
    /// When it is asked.
    pub phase: Phase,
    /// What follows; of a budget, at its hard limit.
    pub then: Vec<&'static str>,
    /// What it answers to, such as articles of a law.
    pub refs: Vec<String>,
    /// What may be spent, where it is a budget.
    pub budget: Option<ListedBudget>,
    /// How many tests its file carries for it; they ran when it was loaded.
    pub tests: usize,
}

/// A budget.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListedBudget {
    /// What it is counted by; empty for the whole workspace.
    pub key: Vec<String>,
    /// Most that may be spent, nano-USD, as text.
    pub limit_nano_usd: Option<String>,
    /// Most tokens that may be used.
    pub limit_tokens: Option<u64>,
    /// Over which time: `hour`, `day`, `week`, `month`, or so many seconds (`86400s`).
    pub window: String,
    /// From which share of the limit on it warns.
    pub soft: f64,
    /// The same time, for the recorder.
    #[serde(skip)]
    pub over: crate::Window,
}

impl RuleListing {
    pub(crate) fn of(hash: [u8; 32], detectors: &[Detector], policies: &[Policy]) -> Self {
        Self {
            hash: hex::encode(hash),
            engine_version: ENGINE_VERSION,
            detectors: detectors
                .iter()
                .map(|d| ListedDetector {
                    id: d.id.clone(),
                    title: d.title.clone(),
                    entity: d.entity.clone(),
                    category: d.category,
                    severity: d.severity,
                    file: d.file.clone(),
                })
                .collect(),
            policies: policies
                .iter()
                .map(|p| ListedPolicy {
                    name: p.name.clone(),
                    file: p.file.clone(),
                    description: p.description.clone(),
                    owner: p.owner.clone(),
                    mode: p.mode,
                    rules: p
                        .rules
                        .iter()
                        .map(|r| ListedRule {
                            id: r.id.clone(),
                            title: r.title.clone(),
                            severity: r.severity,
                            scope: r.scope,
                            phase: r.phase,
                            then: r.then.iter().map(|step| step.action().as_str()).collect(),
                            refs: r.refs.clone(),
                            budget: r.budget.as_ref().map(|b| b.budget.listed()),
                            tests: r.tests,
                        })
                        .collect(),
                })
                .collect(),
        }
    }
}
