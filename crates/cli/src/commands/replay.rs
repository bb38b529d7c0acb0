//! `exhibit replay`: runs a trace again, shows it again, or compares many.

mod compare;
mod render;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use exhibit_model::SpanId;
use exhibit_recorder::{
    OsEntropy, SystemClock,
    ablate::{Distances, effect},
    replay::{self, Around, Options, ReplayError, Replayed, Step, ToolMode},
};
use serde_json::json;

use crate::{
    args::ReplayArgs,
    config::Loaded,
    door::{Door, Need},
    failure::{Exit, Failure},
    output::{Output, printable},
    rerun::{CommandTools, EnvironmentModels, LocalPrices, RemoteDesk, money, read},
};

/// Runs the command.
pub(crate) async fn run(args: ReplayArgs, loaded: &Loaded, output: Output) -> anyhow::Result<Exit> {
    let need = if args.render { Need::Read } else { Need::Write };
    let door = Door::open(loaded, need).await?;
    let done = match (&args.id, &args.filter) {
        (Some(id), _) if args.render => {
            let (_, steps) = read(&door.remote, id, &args.workspace).await?;
            render::run(&steps, args.speed, output).await
        }
        (Some(id), _) => again(id, &args, loaded, &door, output).await,
        (None, Some(filter)) => compare::run(filter, &args, loaded, &door, output).await,
        (None, None) => Err(Failure::usage("name a trace").into()),
    };
    door.close(need).await?;
    done
}

/// What the flags say.
fn options(args: &ReplayArgs) -> anyhow::Result<Options> {
    let words: Vec<&str> = args.tools.iter().map(String::as_str).collect();
    let tools = match words.as_slice() {
        ["captured"] => ToolMode::Captured,
        ["skip"] => ToolMode::Skip,
        ["live", command] => ToolMode::Live(Arc::new(CommandTools((*command).to_owned()))),
        _ => {
            return Err(Failure::usage("--tools: write captured, skip, or live COMMAND").into());
        }
    };
    let from = args.from.as_deref().map(SpanId::new).transpose();
    Ok(Options {
        tools,
        from: from.map_err(|error| Failure::usage(format!("--from: {error}")))?,
        model: args.model.clone(),
        temperature: args.temperature,
        system: args.system.clone(),
        prompt: args.prompt.clone(),
        budget: args.money.cap()?,
        repeat: 0,
        trace: None,
        job: None,
    })
}

/// A refusal, as a person should read it.
fn refused(error: &ReplayError) -> Failure {
    Failure::usage(error.to_string())
}

/// Runs one trace once.
async fn once(
    steps: &[Step],
    options: &Options,
    loaded: &Loaded,
    door: &Door,
    workspace: &str,
) -> anyhow::Result<Replayed> {
    let desk = RemoteDesk { remote: door.remote.clone(), workspace: workspace.to_owned() };
    let models = EnvironmentModels::new(loaded);
    let prices = LocalPrices::load(loaded)?;
    let cancel = AtomicBool::new(false);
    let around = Around {
        models: &models,
        pricer: &prices,
        desk: &desk,
        clock: &SystemClock,
        entropy: &OsEntropy,
        cancel: &cancel,
        progress: &|_| {},
    };
    let run = replay::run(steps, options, around);
    tokio::pin!(run);
    let told = tokio::select! {
        told = &mut run => told,
        _ = tokio::signal::ctrl_c() => {
            // The call at hand ends, no other begins, and what was made is recorded.
            cancel.store(true, Ordering::Relaxed);
            run.await
        }
    };
    told.map_err(|error| refused(&error).into())
}

async fn again(
    id: &str,
    args: &ReplayArgs,
    loaded: &Loaded,
    door: &Door,
    output: Output,
) -> anyhow::Result<Exit> {
    let (_, steps) = read(&door.remote, id, &args.workspace).await?;
    let mut options = options(args)?;
    let one = replay::estimate(&steps, &options, &LocalPrices::load(loaded)?)
        .map_err(|error| refused(&error))?;
    let times = u64::from(args.repeat);
    let agreed = args.money.agreed(
        one.calls * times,
        (one.tokens_in * times, one.tokens_out * times),
        one.cost_nano_usd.map(|c| c.saturating_mul(i64::from(args.repeat))),
        one.duration_ms * times,
        output,
    )?;
    if !agreed {
        return Ok(Exit::Done);
    }
    let mut replays: Vec<Replayed> = Vec::new();
    for repeat in 0..args.repeat {
        options.repeat = repeat;
        let told = once(&steps, &options, loaded, door, &args.workspace).await?;
        let spent = exhibit_model::NanoUsd(told.spent_nano_usd.unwrap_or(i64::MAX));
        // The cap holds over all repeats.
        options.budget =
            options.budget.map(|b| exhibit_model::NanoUsd(b.0.saturating_sub(spent.0)));
        let failed = told.failure.is_some();
        replays.push(told);
        if failed {
            break;
        }
    }
    let answers: Vec<String> = replays.iter().map(|r| r.answer.clone()).collect();
    let determinism = 1.0 - effect::noise(&Distances::default(), &answers);
    if output.json {
        output.json(&json!({ "replays": replays, "determinism": determinism }))?;
    } else {
        replays.iter().try_for_each(|told| show(told, output))?;
        if args.repeat > 1 {
            let mut distinct = answers.clone();
            distinct.sort();
            distinct.dedup();
            output.line(format!(
                "Determinism  {determinism:.3} ({} different answers in {} repeats)",
                distinct.len(),
                answers.len()
            ))?;
        }
    }
    match replays.iter().find_map(|r| r.failure.clone()) {
        Some((code, words)) => Err(Failure::new(words)
            .hint(format!("the replay is recorded; its error is {code}"))
            .into()),
        None => Ok(Exit::Done),
    }
}

fn show(told: &Replayed, output: Output) -> anyhow::Result<()> {
    output.line(format!("Replay       {} of {}", told.trace_id, told.replay_of))?;
    output.line(format!("Tools        {}", told.tools))?;
    if told.redacted_inputs {
        output
            .line("Inputs       redacted before they were stored; answers may differ for that")?;
    }
    let ms = |ms: Option<f64>| ms.map_or_else(|| "?".to_owned(), |ms| format!("{ms:.0}"));
    let count = |n: Option<u64>| n.map_or_else(|| "?".to_owned(), |n| n.to_string());
    for step in &told.steps {
        let mark = match (&step.error, step.same, step.diverged) {
            (Some(error), ..) => error.clone(),
            (None, true, _) => "same".to_owned(),
            (None, false, false) => format!("{:.0} % alike", step.similarity * 100.0),
            (None, false, true) => "other tools; the captured conversation is held".to_owned(),
        };
        output.line(format!(
            "  {} {}  {mark}  {}→{} ms  {}+{}→{}+{} tokens  {}→{}",
            step.span_id,
            printable(&step.name),
            ms(step.latency_ms.0),
            ms(step.latency_ms.1),
            count(step.tokens_in.0),
            count(step.tokens_out.0),
            count(step.tokens_in.1),
            count(step.tokens_out.1),
            money(step.cost_nano_usd.0),
            money(step.cost_nano_usd.1),
        ))?;
        for line in &step.changes {
            output.line(format!("    {}", printable(line)))?;
        }
    }
    output.line(format!("Spent        {}", money(told.spent_nano_usd)))?;
    Ok(())
}
