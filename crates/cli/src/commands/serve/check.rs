//! `exhibit serve --check`: everything that can be known to be wrong without starting.

use crate::{
    commands::doctor::rules,
    config::Loaded,
    failure::{Exit, Failure},
    installation::discovered_rules,
    output::Output,
    sink,
};

use super::Addresses;

/// Checks configuration, addresses, log filter and rules.
pub(crate) fn run(loaded: &Loaded, output: Output) -> anyhow::Result<Exit> {
    Addresses::of(&loaded.config)?;
    sink::place(&loaded.config)?;
    tracing_subscriber::EnvFilter::try_new(&loaded.config.log)
        .map_err(|error| Failure::usage(format!("log: {error}")))?;
    let dir = loaded.config.rules_dir.clone().or_else(|| discovered_rules(loaded));
    if let Some(dir) = &dir
        && !dir.is_dir()
    {
        return Err(
            Failure::usage(format!("rules_dir: {} is not a directory", dir.display())).into()
        );
    }
    let results = rules::check(dir.as_deref());
    let wrong: Vec<_> = results.iter().filter_map(|r| r.error.as_ref()).collect();
    if !wrong.is_empty() {
        let mut failure = Failure::usage(format!("{} rule files are wrong", wrong.len()));
        for error in wrong {
            failure = failure.hint(error);
        }
        return Err(failure.into());
    }
    if output.json {
        output.json(&serde_json::json!({"ok": true, "rule_files": results.len()}))?;
    } else {
        output
            .line(format!("configuration, addresses and {} rule files are right", results.len()))?;
    }
    Ok(Exit::Done)
}
