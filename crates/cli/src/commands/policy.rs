//! `exhibit policy`: test policy files, and see what they would change.

use std::{fs, path::Path};

use exhibit_model::Nanos;
use exhibit_recorder::{RuleSource, Simulated, SimulationProgress, try_rules};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::{
    args::{PolicyCommand, PolicySimulate, PolicyTest},
    config::Loaded,
    failure::{Exit, Failure},
    installation::{Installation, rules_dir},
    output::{Output, Table, clipped},
};

/// Runs the command.
pub(crate) async fn run(
    command: PolicyCommand,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<Exit> {
    match command {
        PolicyCommand::Test(args) => test(&args, loaded, output),
        PolicyCommand::Simulate(args) => simulate(&args, loaded, output).await,
    }
}

/// A file as it would be named in a directory of rules.
fn named(path: &Path) -> anyhow::Result<(String, String)> {
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok((format!("policies/{name}"), text))
}

fn test(args: &PolicyTest, loaded: &Loaded, output: Output) -> anyhow::Result<Exit> {
    let source = RuleSource { dir: rules_dir(loaded) };
    let mut files = args.files.iter().map(|file| named(file)).collect::<Result<Vec<_>, _>>()?;
    let all = files.is_empty();
    if all {
        // An empty file adds nothing.
        files.push(("policies/.none.yaml".to_owned(), String::new()));
    }
    let mut failed = false;
    let mut results: Vec<Value> = Vec::new();
    for file in files {
        let name = file.0.clone();
        match try_rules(&source, file) {
            Ok(listing) => {
                // A file of detectors, or an empty one, which switches off what has its name.
                if !all && !listing.policies.iter().any(|p| p.file == name) {
                    results.push(json!({"file": name, "ok": true, "rules": 0, "tests": 0}));
                    if !output.json {
                        output.line(format!("ok      {name}: it loads, and holds no policy"))?;
                    }
                }
                for policy in listing.policies.iter().filter(|p| all || p.file == name) {
                    let tests: usize = policy.rules.iter().map(|rule| rule.tests).sum();
                    let rules = policy.rules.len();
                    results.push(json!({
                        "file": policy.file, "policy": policy.name, "ok": true,
                        "rules": rules, "tests": tests,
                    }));
                    if !output.json {
                        output.line(format!(
                            "ok      {}: {} with {rules} rules, {tests} tests passed",
                            policy.file, policy.name
                        ))?;
                    }
                }
            }
            Err(error) => {
                failed = true;
                results.push(json!({"file": name, "ok": false, "error": error.to_string()}));
                if !output.json {
                    output.line(format!("failed  {error}"))?;
                }
            }
        }
    }
    if output.json {
        output.json(&results)?;
    }
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// A bar on the terminal, or nothing.
struct Bar(ProgressBar);

impl Bar {
    fn new(output: Output) -> Self {
        if !output.draws_progress() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{bar:32} {human_pos} traces, {per_sec}") {
            bar.set_style(style);
        }
        Self(bar)
    }
}

impl SimulationProgress for Bar {
    fn total(&self, traces: u64) {
        self.0.set_length(traces);
    }

    fn traces(&self, n: u64) {
        self.0.inc(n);
    }
}

async fn simulate(args: &PolicySimulate, loaded: &Loaded, output: Output) -> anyhow::Result<Exit> {
    let file = named(&args.file)?;
    let source = RuleSource { dir: rules_dir(loaded) };
    // What is wrong with the file is said before anything is opened.
    if let Err(error) = try_rules(&source, file.clone()) {
        return Err(Failure::usage(error.to_string()).into());
    }
    let installation = Installation::open_to_read(loaded).await?;
    let recorder = &installation.recorder;
    let from = since(&args.from, recorder.now())?;
    let workspace = recorder.workspace(&args.workspace).await?;
    let workspace = workspace.ok_or_else(|| Failure::usage("there is no such workspace"))?;
    let bar = Bar::new(output);
    let found = recorder.simulate(workspace.id, &source, file, from, &bar).await;
    bar.0.finish_and_clear();
    let found = found?;
    if output.json {
        output.json(&found)?;
    } else {
        show(&found, output)?;
    }
    Ok(Exit::Done)
}

fn since(text: &str, now: Nanos) -> anyhow::Result<Nanos> {
    if let Some(length) = exhibit_recorder::duration(text) {
        return Ok(Nanos(now.0.saturating_sub(length.saturating_abs())));
    }
    Nanos::parse_rfc3339(text).ok_or_else(|| {
        Failure::usage(format!("--from: `{text}` is neither a time such as -90d nor RFC 3339"))
            .into()
    })
}

fn show(found: &Simulated, output: Output) -> anyhow::Result<()> {
    let Simulated { spans, traces, opened, .. } = found;
    output
        .line(format!("Looked at:  {spans} spans in {traces} traces; {opened} records opened"))?;
    output.line(format!("Changed:    {}", found.changed))?;
    output.line(format!("Drifted:    {} (recorded under other rules)", found.drifted))?;
    output.line(format!("Reviews:    {} now, {} then", found.reviews[0], found.reviews[1]))?;
    output.line(format!("Reviewers:  {:.1} more minutes", found.reviewer_minutes))?;
    let stopped: i64 = found.cost_stopped_nano_usd.parse().unwrap_or_default();
    output.line(format!("Stopped:    calls worth {:.4} USD", stopped as f64 / 1e9))?;
    let mut actions = Table::new(&["ACTION", "NOW", "THEN"]);
    for (action, [now, then]) in &found.actions {
        actions.row(vec![(*action).to_owned(), now.to_string(), then.to_string()]);
    }
    let mut rules = Table::new(&["POLICY", "RULE", "NOW", "THEN", "NEWLY", "NO LONGER", "SAMPLE"]);
    for rule in &found.rules {
        let sample = rule.samples.first().map_or("-", |sample| sample.trace_id.as_str());
        rules.row(vec![
            clipped(&rule.policy, 24),
            clipped(&rule.rule, 32),
            rule.now.to_string(),
            rule.then.to_string(),
            rule.newly.to_string(),
            rule.no_longer.to_string(),
            clipped(sample, 36),
        ]);
    }
    for line in actions.lines().into_iter().chain(rules.lines()) {
        output.line(line)?;
    }
    if found.not_reevaluable > 0 && !found.rules_that_read_text.is_empty() {
        output.note(format!(
            "{} spans were redacted since; rules that read text may miss something in them: {}",
            found.not_reevaluable,
            found.rules_that_read_text.join(", ")
        ));
    }
    Ok(())
}
