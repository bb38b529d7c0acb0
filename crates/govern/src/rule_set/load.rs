//! From files to a rule set: read, compile, and prove with the files' own examples.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use serde_yaml_ng::Value;
use sha2::{Digest, Sha256};

use super::{ENGINE_VERSION, RuleSet, texts};
use crate::{
    FingerprintKey, RuleErrors, RuleProblem,
    detector::file::{self as detector_file, Proven},
    error::{Problems, lines_of},
    expr::Stop,
    policy::{
        Phase, Policy, Rule, Scope, budget::Surroundings, condition::Sight, file as policy_file,
        trace::TraceView, trial::Trial,
    },
    scan::{Engine, Scratch},
    shipped,
};

/// What identifies rules in a record: with these a verdict can be computed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Versions {
    /// The engine's version.
    pub engine: u32,
    /// The rule set's hash, hex.
    pub rules: String,
    /// How many files it was made of.
    pub files: usize,
}

enum Kind {
    Detectors,
    Policy,
    Nothing,
}

pub(super) fn load(
    files: &[(String, String)],
    key: FingerprintKey,
    before: Option<&RuleSet>,
) -> Result<RuleSet, RuleErrors> {
    let mut sorted: Vec<&(String, String)> = files.iter().collect();
    sorted.sort();
    let mut all = Vec::new();
    let mut detector_files = BTreeMap::new();
    let mut detectors = Vec::new();
    let mut policy_files = Vec::new();
    let mut counted = 0;
    for (name, text) in sorted.iter().copied() {
        let mut problems = Problems { file: name, all: &mut all };
        let digest: [u8; 32] = Sha256::digest(text).into();
        let ours = name.starts_with("detectors/")
            && shipped().iter().any(|(ours, same)| ours == name && same == text);
        let held = before.is_some_and(|before| before.detector_files.get(name) == Some(&digest));
        // What was read before need not be read again to know what it is.
        let kind = if ours || held { Kind::Detectors } else { kind(name, text, &mut problems) };
        match kind {
            Kind::Detectors => {
                detector_files.insert(name.clone(), digest);
                detectors.push((name, text, ours));
            }
            Kind::Policy => policy_files.push((name, text)),
            Kind::Nothing => continue,
        }
        counted += 1;
    }
    let detector_texts: Vec<(&str, &str)> =
        detectors.iter().map(|(name, text, _)| (name.as_str(), text.as_str())).collect();
    let engine = match before.filter(|before| before.detector_files == detector_files) {
        Some(before) => Arc::clone(&before.engine),
        None => {
            let mut proven: Vec<Proven> = Vec::new();
            for (name, text, ours) in detectors {
                let mut problems = Problems { file: name, all: &mut all };
                proven.extend(detector_file::read(text, ours, &mut problems));
            }
            Arc::new(compile(proven, &detector_texts, &mut all))
        }
    };
    let mut rules = RuleSet {
        engine,
        detector_files,
        policies: Vec::new(),
        key,
        hash: [0; 32],
        files: counted,
        clean: super::CleanSender::default(),
    };
    let (ids, entities): (Vec<String>, Vec<String>) =
        rules.engine.detectors.iter().map(|d| (d.id.clone(), d.entity.clone())).unzip();
    for (name, text) in policy_files {
        let mut problems = Problems { file: name, all: &mut all };
        let Some(tried) = policy_file::read(text, &ids, &entities, &mut problems) else { continue };
        if rules.policies.iter().any(|policy| policy.name == tried.policy.name) {
            let message = format!("another file has a policy named `{}`", tried.policy.name);
            problems.add("policy", message);
        }
        for (index, trial) in &tried.trials {
            if let Some(rule) = tried.policy.rules.get(*index)
                && let Err(message) = try_rule(&rules, &tried.policy, rule, trial)
            {
                problems.add(format!("rule `{}`", rule.id), message);
            }
        }
        rules.policies.push(tried.policy);
    }
    if !all.is_empty() {
        for problem in &mut all {
            if let Some((_, text)) = sorted.iter().find(|(name, _)| *name == problem.file) {
                problem.locate(text);
            }
        }
        all.sort_by(|a, b| a.file.cmp(&b.file));
        return Err(RuleErrors { problems: all });
    }
    rules.hash = hash(&sorted);
    Ok(rules)
}

fn kind(name: &str, text: &str, problems: &mut Problems<'_>) -> Kind {
    let is_prices = name.rsplit('/').next() == Some("pricing.yaml");
    if is_prices || text.trim().is_empty() {
        return Kind::Nothing;
    }
    match serde_yaml_ng::from_str::<Value>(text) {
        Err(error) => {
            problems.add("", error.to_string());
            Kind::Nothing
        }
        Ok(Value::Null) => Kind::Nothing,
        Ok(Value::Mapping(map))
            if map.contains_key("policy") || map.contains_key("constitution") =>
        {
            Kind::Policy
        }
        Ok(Value::Mapping(map)) if map.get("detectors").is_some_and(Value::is_sequence) => {
            Kind::Detectors
        }
        Ok(_) => {
            let message = "is neither a policy (`policy: name`) nor a list of `detectors:`";
            problems.add("", message);
            Kind::Nothing
        }
    }
}

/// Detectors become an engine, and their examples are run.
fn compile(proven: Vec<Proven>, texts: &[(&str, &str)], all: &mut Vec<RuleProblem>) -> Engine {
    let mut detectors: Vec<crate::detector::Detector> = Vec::new();
    let mut examples = Vec::new();
    for one in proven {
        let (id, file) = (&one.detector.id, &one.detector.file);
        if let Some(twin) = detectors.iter().find(|detector| detector.id == *id) {
            let place = format!("detector `{id}`");
            let text =
                |file: &str| texts.iter().find(|(name, _)| *name == file).map_or("", |t| t.1);
            let mut problems = Problems { file, all };
            if twin.file == *file {
                problems.add_twin(place, "detector", id, 1, text(file));
            } else {
                let lines = lines_of(text(&twin.file), id);
                let line = lines.first().map_or_else(String::new, |line| format!(":{line}"));
                let what = format!("is also in {}{line}; give one of them another id", twin.file);
                problems.add(place, what);
            }
            continue;
        }
        examples.push((one.matching, one.not_matching));
        detectors.push(one.detector);
    }
    let engine = Engine::new(detectors);
    for (index, (matching, not_matching)) in examples.iter().enumerate() {
        let detector = &engine.detectors[index];
        let mut problems = Problems { file: &detector.file, all };
        let place = format!("detector `{}`", detector.id);
        let mut scratch = Scratch::default();
        let mut finds = |text: &str| engine.finds(index, text, &mut scratch);
        // Numbered, not quoted: an example may look like a credential.
        for (n, text) in matching.iter().enumerate() {
            if !finds(text) {
                problems.add(place.clone(), format!("examples.match[{n}] is not found"));
            }
        }
        for (n, text) in not_matching.iter().enumerate() {
            if finds(text) {
                problems.add(place.clone(), format!("examples.no_match[{n}] is found"));
            }
        }
    }
    engine
}

/// Runs a rule's test against the detectors.
fn try_rule(rules: &RuleSet, policy: &Policy, rule: &Rule, trial: &Trial) -> Result<(), String> {
    let mut spans = trial.spans().map_err(|message| format!("tests: {message}"))?;
    if trial.is_of_trace() != (rule.scope == Scope::Trace) {
        return Err("tests: a rule on spans is given a `span`, one on traces a `trace`".to_owned());
    }
    for span in &mut spans {
        let found = texts::find(&rules.engine, span, &rules.clean);
        span.findings =
            found.hits.iter().map(|(place, hit)| rules.finding(span, place, hit)).collect();
    }
    let around = Surroundings {
        spending: trial,
        api_key: Some("key_trial"),
        before_acting: rule.phase == Phase::Decide,
        released: None,
    };
    let Some(first) = spans.first() else { return Err("tests: there is no span".to_owned()) };
    let summary = crate::summary_of(&first.trace_id, &spans);
    let approvals = trial.approvals();
    let view = TraceView { summary: &summary, spans: &spans, approvals: &approvals };
    let sight = match spans.first() {
        Some(span) if !trial.is_of_trace() => {
            Sight { span: Some(span), trace: None, data: &policy.data }
        }
        _ => Sight { span: None, trace: Some(&view), data: &policy.data },
    };
    let mut actual: Vec<&str> = Vec::new();
    match rule.steps(&sight, &around, &mut Vec::new()) {
        Ok(steps) => {
            actual.extend(steps.into_iter().flatten().map(|step| step.action().as_str()));
        }
        Err(Stop::Fault(reason)) => return Err(format!("tests: {reason}")),
        Err(Stop::Absent) => {}
    }
    let mut expected: Vec<&str> = trial.expect.iter().map(String::as_str).collect();
    expected.sort_unstable();
    actual.sort_unstable();
    if expected == actual {
        return Ok(());
    }
    let shown =
        |words: &[&str]| if words.is_empty() { "nothing".to_owned() } else { words.join(", ") };
    let found = spans.iter().flat_map(|span| &span.findings);
    let mut found: Vec<&str> = found.map(|f| f.entity.as_str()).collect();
    found.dedup();
    Err(format!(
        "tests: a test expects {}, and the rule says {} (found in it: {})",
        shown(&expected),
        shown(&actual),
        shown(&found)
    ))
}

fn hash(files: &[&(String, String)]) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(ENGINE_VERSION.to_be_bytes());
    for (name, text) in files {
        for piece in [name, text] {
            digest.update((piece.len() as u64).to_be_bytes());
            digest.update(piece.as_bytes());
        }
    }
    digest.finalize().into()
}
