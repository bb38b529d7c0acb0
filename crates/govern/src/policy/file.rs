//! Policy files: YAML, read strictly.

use exhibit_model::{Action, Severity};
use serde::Deserialize;
use serde_yaml_ng::Value;

use super::{
    Mask, Mode, Policy, Rule, Step,
    condition::{Condition, FindingTest, Names},
    trial::Trial,
};
use crate::error::Problems;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPolicy {
    version: u32,
    policy: String,
    description: Option<String>,
    owner: Option<String>,
    #[serde(default)]
    mode: Mode,
    on_error: Option<String>,
    defaults: Option<RawDefaults>,
    #[serde(default)]
    detectors: serde_yaml_ng::Mapping,
    #[serde(default)]
    rules: Vec<RawRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDefaults {
    scope: Option<String>,
    phase: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    id: String,
    title: Option<String>,
    #[serde(default = "medium")]
    severity: Severity,
    scope: Option<String>,
    when: Value,
    then: Vec<Value>,
    #[serde(default)]
    refs: Vec<String>,
    #[serde(default)]
    record_pass: bool,
    #[serde(default)]
    tests: Vec<Trial>,
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
    if raw.version != 1 {
        problems.add("version", format!("is {}; this engine reads version 1", raw.version));
    }
    if raw.policy.is_empty() {
        problems.add("policy", "needs a name");
    }
    let only = |value: Option<&String>, supported: &str| value.is_some_and(|v| v != supported);
    let defaults = raw.defaults.as_ref();
    if only(defaults.and_then(|d| d.scope.as_ref()), "span") {
        problems.add("defaults.scope", "only `span` is supported by this version");
    }
    if only(defaults.and_then(|d| d.phase.as_ref()), "ingest") {
        problems.add("defaults.phase", "only `ingest` is supported by this version");
    }
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
    let (mut rules, mut trials): (Vec<Rule>, Vec<(usize, Trial)>) = (Vec::new(), Vec::new());
    for raw in raw.rules {
        let place = format!("rule `{}`", raw.id);
        if rules.iter().any(|rule| rule.id == raw.id) {
            problems.add(place, "there are two rules with this id");
            continue;
        }
        match rule(raw, &names) {
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
            rules,
        },
    })
}

fn rule(raw: RawRule, names: &Names<'_>) -> Result<(Rule, Vec<Trial>), String> {
    if raw.id.is_empty() {
        return Err("`id` is empty".to_owned());
    }
    if raw.scope.as_ref().is_some_and(|scope| scope != "span") {
        return Err("`scope`: only `span` is supported by this version".to_owned());
    }
    let when = Condition::read(&raw.when, "when", names)?;
    let then = raw.then.iter().enumerate().map(|(n, value)| step(value, &format!("then[{n}]")));
    let then = then.collect::<Result<Vec<Step>, String>>()?;
    if then.is_empty() {
        return Err("`then` is empty; write `then: [allow]` to only record it".to_owned());
    }
    if then.iter().any(|step| matches!(step, Step::Redact(_))) {
        let mut tests = Vec::new();
        when.finding_tests(&mut tests);
        if tests.is_empty() {
            return Err("`redact` needs a `finding` condition to know what to replace".to_owned());
        }
    }
    let rule = Rule {
        title: raw.title.unwrap_or_else(|| raw.id.clone()),
        id: raw.id,
        severity: raw.severity,
        when,
        then,
        refs: raw.refs,
        record_pass: raw.record_pass,
    };
    Ok((rule, raw.tests))
}

/// `flag`, or `{redact: {with: hmac}}`.
fn step(value: &Value, place: &str) -> Result<Step, String> {
    let (name, options) = match value {
        Value::String(name) => (name.as_str(), None),
        Value::Mapping(map) if map.len() == 1 => match map.iter().next() {
            Some((Value::String(name), options)) => (name.as_str(), Some(options)),
            _ => return Err(format!("{place}: an action's name must be a text")),
        },
        _ => {
            return Err(format!(
                "{place}: must be an action such as `flag` or `{{redact: {{with: mask}}}}`"
            ));
        }
    };
    let allowed: &[&str] = match name {
        "redact" => &["with"],
        "tag" => &["name"],
        "notify" => &["channel", "message"],
        "review" => &["queue", "sla", "message"],
        "flag" | "quarantine" | "block" => &["message"],
        _ => &[],
    };
    if let Some(Value::Mapping(map)) = options
        && let Some(unknown) = map.keys().find(|k| k.as_str().is_none_or(|k| !allowed.contains(&k)))
    {
        let unknown = unknown.as_str().unwrap_or_default();
        return Err(format!("{place}.{name}: unknown key `{unknown}`"));
    }
    let option = |key: &str| match options {
        Some(Value::String(text)) => Some(text.as_str()),
        Some(Value::Mapping(map)) => map.get(key).and_then(Value::as_str),
        _ => None,
    };
    Ok(match name {
        "allow" => Step::Allow,
        "tag" => match option("name") {
            Some(tag) if !tag.is_empty() && tag.len() <= 128 => Step::Tag(tag.to_owned()),
            _ => return Err(format!("{place}: write `{{tag: name}}`")),
        },
        "notify" => Step::Notify,
        "redact" => Step::Redact(match option("with") {
            None | Some("mask") => Mask::Name,
            Some("hmac") => Mask::Fingerprint,
            Some("drop") => Mask::Nothing,
            Some(other) => {
                return Err(format!("{place}.redact: `{other}` is not one of mask, hmac, drop"));
            }
        }),
        "flag" => Step::Flag,
        "review" => Step::Review,
        "quarantine" => Step::Quarantine,
        "block" => Step::Block,
        other => {
            return Err(format!(
                "{place}: `{other}` is not one of allow, tag, notify, redact, flag, review, quarantine, block"
            ));
        }
    })
}
