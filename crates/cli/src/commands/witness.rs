//! `exhibit witness`: cosigns the logs of others.

use std::{fs, sync::Arc};

use anyhow::Context as _;
use exhibit_ledger::{Policy, VerifierKey};
use exhibit_model::Clock;
use exhibit_recorder::{OsEntropy, SystemClock, witness::Witness};
use exhibit_server::serve_witness;
use tokio::sync::watch;

use crate::{
    args::WitnessArgs,
    config::Loaded,
    failure::{Exit, Failure},
    output::Output,
};

use super::serve::{Signals, log};

/// Runs the command.
pub(crate) async fn run(
    args: WitnessArgs,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<Exit> {
    let cwd = &loaded.environment.cwd;
    let dir = args.dir.as_ref().map(|dir| cwd.join(dir));
    let dir = dir.unwrap_or_else(|| loaded.config.data_dir.join("witness"));
    let logs = logs(&args, loaded)?;
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    // Two processes on one state could cosign two histories.
    let lock = fs::File::create(dir.join("lock")).context("the witness's lock")?;
    if !args.print_key && lock.try_lock().is_err() {
        return Err(Failure::new(format!("another witness runs in {}", dir.display())).into());
    }
    let witness = Witness::open(&dir, &args.name, logs, &OsEntropy)
        .map_err(|error| Failure::usage(error.to_string()))?;
    if args.print_key {
        if output.json {
            output.json(&serde_json::json!({ "key": witness.key().to_string() }))?;
        } else {
            output.line(witness.key().to_string())?;
        }
        return Ok(Exit::Done);
    }
    if witness.logs().is_empty() {
        return Err(Failure::usage("a witness without logs has nothing to do")
            .hint("name a log with --log VKEY; `exhibit verify` prints it as `Key:`")
            .into());
    }
    let own_traces = log::start(&loaded.config)?;
    let mut signals = Signals::listen()?;
    let listener = tokio::net::TcpListener::bind(&args.listen)
        .await
        .map_err(|error| Failure::new(format!("cannot listen on {}: {error}", args.listen)))?;
    let address = listener.local_addr()?;
    let url = format!("http://{address}");
    let line = format!("witness {} {} {url}", policy_name(&args.name), witness.key());
    if output.json {
        let key = witness.key().to_string();
        output.json(&serde_json::json!({
            "url": url, "listen": address, "key": key, "policy_line": line,
        }))?;
    } else {
        output.line(format!("Witness {} on {url}", args.name))?;
        output.line(format!("Key: {}", witness.key()))?;
        output.line(format!("Line for the log's policy file:\n{line}"))?;
    }
    let (stop, stopped) = watch::channel(false);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let serving = tokio::spawn(serve_witness(listener, Arc::new(witness), clock, stopped));
    signals.next().await;
    let _ = stop.send(true);
    serving.await?.context("the witness failed")?;
    own_traces.end().await;
    drop(lock);
    Ok(Exit::Done)
}

/// A name for policy files: there, names are words of the file.
fn policy_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

fn logs(args: &WitnessArgs, loaded: &Loaded) -> anyhow::Result<Vec<VerifierKey>> {
    let mut logs = Vec::new();
    for text in &args.logs {
        let key = text.trim().parse();
        logs.push(key.map_err(|error| Failure::usage(format!("--log: {error}")))?);
    }
    if let Some(file) = &args.logs_file {
        let path = loaded.environment.cwd.join(file);
        let wrong =
            |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", path.display()));
        let text = fs::read_to_string(&path).map_err(|error| wrong(&error))?;
        // A list of logs asks for no witnesses of its own.
        let text = if text.contains("quorum") { text } else { text + "\nquorum none\n" };
        logs.extend(Policy::parse(&text).map_err(|error| wrong(&error))?.logs);
    }
    Ok(logs)
}
