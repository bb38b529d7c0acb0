//! Policy files: YAML, read strictly.

use exhibit_model::{Action, Json, Outcome, Severity};
use serde::Deserialize;
use serde_yaml_ng::Value;

use super::{
    Budgeted, Mode, Phase, Policy, Rule, Scope,
    budget::Budget,
    condition::{Condition, FindingTest, Names},
    step::{self, Step},
    trial::Trial,
};
use crate::error::{Problems, first_line};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPolicy {
    version: Option<u32>,
    /// `constitution` says the same where the rules say how an agent must behave.
    #[serde(alias = "constitution")]
    policy: String,
    description: Option<String>,
    owner: Option<String>,
    #[serde(default)]
    mode: Mode,
    on_error: Option<String>,
    #[serde(default)]
    defaults: RawDefaults,
    #[serde(default)]
    data: serde_yaml_ng::Mapping,
    #[serde(default)]
    detectors: serde_yaml_ng::Mapping,
    #[serde(default)]
    rules: Vec<RawRule>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawDefaults {
    scope: Scope,
    phase: Phase,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    id: String,
    title: Option<String>,
    #[serde(default = "medium")]
    severity: Severity,
    outcome: Option<Outcome>,
    scope: Option<Scope>,
    phase: Option<Phase>,
    /// When it applies.
    when: Option<Value>,
    /// What must hold where it applies; the rule is broken when it does not.
    must: Option<Value>,
    budget: Option<Value>,
    then: Option<Value>,
    #[serde(default)]
    refs: Vec<String>,
    record_pass: Option<bool>,
    #[serde(default)]
    tests: Vec<Trial>,
}

/// What `then` looks like.
const LISTS: &str = "then: must be a list of actions, such as `then: [flag]`; a budget has two, such as \
                     `then: {soft: [notify], hard: [flag]}`";

/// The actions of a budget's two limits.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLimits {
    #[serde(default)]
    soft: Vec<Value>,
    #[serde(default)]
    hard: Vec<Value>,
}

fn medium() -> Severity {
    Severity::Medium
}

/// A policy and the tests of its rules.
pub(crate) struct Tried {
    pub(crate) policy: Policy,
    /// Index of the rule, and its test.
    pub(crate) trials: Vec<(usize, Trial)>,
}

/// Reads a policy file; what is wrong goes to `problems`.
pub(crate) fn read(
    text: &str,
    detectors: &[String],
    entities: &[String],
    problems: &mut Problems<'_>,
) -> Option<Tried> {
    let raw: RawPolicy = match serde_yaml_ng::from_str(text) {
        Ok(raw) => raw,
        Err(error) => {
            problems.add("", error.to_string());
            return None;
        }
    };
    match raw.version {
        Some(1) => {}
        Some(other) => problems.add("version", format!("is {other}; this engine reads version 1")),
        None => {
            let line = Some(first_line(text));
            problems.add_at(line, "version", "is missing; begin the file with `version: 1`");
        }
    }
    if raw.policy.is_empty() {
        problems.add("policy", "needs a name");
    }
    let data = match serde_json::to_value(&raw.data) {
        Ok(data) => data,
        Err(error) => {
            problems.add("data", error.to_string());
            Json::Null
        }
    };
    let on_error = match raw.on_error.as_deref() {
        None | Some("flag") => Action::Flag,
        Some("allow") => Action::Allow,
        Some("block") => Action::Block,
        Some(other) => {
            problems.add("on_error", format!("`{other}` is not one of allow, flag, block"));
            Action::Flag
        }
    };
    let mut sets: Vec<(String, FindingTest)> = Vec::new();
    for (name, value) in &raw.detectors {
        let Some(name) = name.as_str() else {
            problems.add("detectors", "a name is not a text");
            continue;
        };
        let names = Names { sets: &[], detectors, entities };
        match FindingTest::read(value, &format!("detectors.{name}"), &names) {
            Ok(test) => sets.push((name.to_owned(), test)),
            Err(message) => problems.add("", message),
        }
    }
    let names = Names { sets: &sets, detectors, entities };
    let (raw_policy, raw_defaults) = (raw.policy.clone(), raw.defaults);
    let mut ids: Vec<String> = Vec::new();
    let (mut rules, mut trials): (Vec<Rule>, Vec<(usize, Trial)>) = (Vec::new(), Vec::new());
    for raw in raw.rules {
        let place = format!("rule `{}`", raw.id);
        let before = ids.iter().filter(|id| **id == raw.id).count();
        ids.push(raw.id.clone());
        if before > 0 {
            problems.add_twin(place, "rule", &raw.id, before, text);
            continue;
        }
        match rule(raw, &raw_policy, &raw_defaults, &names) {
            Ok((rule, tests)) => {
                trials.extend(tests.into_iter().map(|trial| (rules.len(), trial)));
                rules.push(rule);
            }
            Err(message) => problems.add(place, message),
        }
    }
    Some(Tried {
        trials,
        policy: Policy {
            name: raw.policy,
            file: problems.file.to_owned(),
            description: raw.description,
            owner: raw.owner,
            mode: raw.mode,
            on_error,
            data,
            rules,
        },
    })
}

fn rule(
    raw: RawRule,
    policy: &str,
    defaults: &RawDefaults,
    names: &Names<'_>,
) -> Result<(Rule, Vec<Trial>), String> {
    if raw.id.is_empty() {
        return Err("`id` is empty".to_owned());
    }
    let when = raw.when.as_ref().map(|when| Condition::read(when, "when", names)).transpose()?;
    let must = raw.must.as_ref().map(|must| Condition::read(must, "must", names)).transpose()?;
    let is_duty = must.is_some();
    let when = match (when, must) {
        (Some(when), None) => when,
        (None, Some(must)) => Condition::Not(Box::new(must)),
        (Some(when), Some(must)) => Condition::All(vec![when, Condition::Not(Box::new(must))]),
        (None, None) if raw.budget.is_some() => Condition::True,
        (None, None) => return Err("needs `when`, `must` or `budget`".to_owned()),
    };
    // A condition on the whole trace says by itself what its scope is.
    let of_trace = when.is_of_trace();
    let scope = raw.scope.unwrap_or(if of_trace { Scope::Trace } else { defaults.scope });
    if of_trace && scope == Scope::Span {
        return Err("`when` looks at the whole trace, so the scope must be `trace`".to_owned());
    }
    let (then, soft) = match raw.then {
        None if is_duty => (vec![Step::Flag], None),
        None => return Err("needs `then`; write `then: [allow]` to only record it".to_owned()),
        Some(Value::Sequence(list)) => (step::steps(&list, "then")?, None),
        Some(limits @ Value::Mapping(_)) if raw.budget.is_some() => {
            let limits: RawLimits =
                serde_yaml_ng::from_value(limits).map_err(|error| format!("then: {error}"))?;
            let soft = step::steps(&limits.soft, "then.soft")?;
            (step::steps(&limits.hard, "then.hard")?, Some(soft))
        }
        Some(_) => return Err(LISTS.to_owned()),
    };
    if then.is_empty() && soft.as_ref().is_none_or(Vec::is_empty) {
        return Err("`then` is empty; write `then: [allow]` to only record it".to_owned());
    }
    if soft.is_some() != raw.budget.is_some() {
        return Err(
            "`then: {soft: […], hard: […]}` belongs to a `budget`, and a budget to it".to_owned()
        );
    }
    if then.iter().any(|step| matches!(step, Step::Redact(_))) {
        if scope == Scope::Trace {
            return Err("`redact` is for spans; what a trace holds is stored already".to_owned());
        }
        let mut tests = Vec::new();
        when.finding_tests(&mut tests);
        if tests.is_empty() {
            return Err("`redact` needs a `finding` condition to know what to replace".to_owned());
        }
    }
    let budget = match raw.budget {
        None => None,
        Some(_) if scope == Scope::Trace => {
            return Err("`budget` counts spans; its scope is `span`".to_owned());
        }
        Some(value) => Some(Budgeted {
            budget: Budget::read(&value, "budget")?,
            soft: soft.unwrap_or_default(),
            name: format!("{policy}/{}", raw.id),
        }),
    };
    let rule = Rule {
        title: raw.title.unwrap_or_else(|| raw.id.clone()),
        id: raw.id,
        severity: raw.severity,
        outcome: raw.outcome,
        scope,
        phase: raw.phase.unwrap_or(defaults.phase),
        when,
        then,
        budget,
        refs: raw.refs,
        record_pass: raw.record_pass.unwrap_or(is_duty),
        tests: raw.tests.len(),
    };
    Ok((rule, raw.tests))
}
