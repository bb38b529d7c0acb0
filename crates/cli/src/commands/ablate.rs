//! `exhibit ablate`: what an answer depends on.

use std::sync::atomic::{AtomicBool, Ordering};

use exhibit_model::SpanId;
use exhibit_recorder::{
    OsEntropy, SystemClock,
    ablate::{self, Ablation, AblationError, Measure, Options},
    replay::Around,
};

use crate::{
    args::AblateArgs,
    config::Loaded,
    door::{Door, Need},
    failure::{Exit, Failure},
    output::{Output, printable},
    rerun::{EnvironmentModels, LocalPrices, RemoteDesk, money, read},
};

/// Runs the command.
pub(crate) async fn run(args: AblateArgs, loaded: &Loaded, output: Output) -> anyhow::Result<Exit> {
    let door = Door::open(loaded, Need::Write).await?;
    let done = measure(&args, loaded, &door, output).await;
    door.close(Need::Write).await?;
    done
}

fn refused(error: &AblationError) -> Failure {
    match error {
        AblationError::Call { .. } => Failure::new(error.to_string()),
        _ => Failure::usage(error.to_string()),
    }
}

async fn measure(
    args: &AblateArgs,
    loaded: &Loaded,
    door: &Door,
    output: Output,
) -> anyhow::Result<Exit> {
    let (_, steps) = read(&door.remote, &args.id, &args.workspace).await?;
    let target = args.target.as_deref().map(SpanId::new).transpose();
    let measure = match (&args.embedding, &args.judge) {
        (Some(model), _) => Measure::Embedding(model.clone()),
        (None, Some(model)) => Measure::Judge(model.clone()),
        (None, None) => Measure::Words,
    };
    let options = Options {
        target: target.map_err(|error| Failure::usage(format!("--target: {error}")))?,
        repeats: args.repeats,
        orders: args.orders,
        budget: args.money.cap()?,
        seed: args.seed,
        measure,
        explain: args.explain,
        trace: None,
    };
    let prices = LocalPrices::load(loaded)?;
    let estimate = ablate::estimate(&steps, &options, &prices).map_err(|error| refused(&error))?;
    let tokens = (estimate.tokens_in, estimate.tokens_out);
    let (calls, cost) = (estimate.calls, estimate.cost_nano_usd);
    if !args.money.agreed(calls, tokens, cost, estimate.duration_ms, output)? {
        return Ok(Exit::Done);
    }
    let resume = match &args.resume {
        Some(id) => read(&door.remote, id, &args.workspace).await?.1,
        None => Vec::new(),
    };
    let bar = output.draws_progress().then(|| indicatif::ProgressBar::new(0));
    let progress = |progress: ablate::Progress| {
        if let Some(bar) = &bar {
            bar.set_length(progress.all as u64);
            bar.set_position(progress.done as u64);
        }
    };
    let desk = RemoteDesk { remote: door.remote.clone(), workspace: args.workspace.clone() };
    let models = EnvironmentModels::new(loaded);
    let cancel = AtomicBool::new(false);
    let around = Around {
        models: &models,
        pricer: &prices,
        desk: &desk,
        clock: &SystemClock,
        entropy: &OsEntropy,
        cancel: &cancel,
        progress: &progress,
    };
    let run = ablate::run(&steps, &options, around, &resume);
    tokio::pin!(run);
    let found = tokio::select! {
        found = &mut run => found,
        _ = tokio::signal::ctrl_c() => {
            cancel.store(true, Ordering::Relaxed);
            run.await
        }
    };
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    let found = found.map_err(|error| {
        refused(&error).hint(
            "what was measured is recorded under the tag `ablation`; go on with --resume TRACE",
        )
    })?;
    if output.json {
        output.json(&serde_json::to_value(&found)?)?;
    } else {
        show(&found, output)?;
    }
    Ok(Exit::Done)
}

fn show(found: &Ablation, output: Output) -> anyhow::Result<()> {
    output.line(format!("Ablation     {} of {}", found.trace_id, found.ablation_of))?;
    output.line(format!("Target       {} ({})", found.target, found.model))?;
    output.line(format!("Noise        {:.2}, by {}", found.noise, printable(&found.measure)))?;
    for effect in &found.effects {
        let mark = if effect.significant { "●" } else { "·" };
        let label: String = effect.cause.label.chars().take(60).collect();
        let shapley = effect.shapley.map(|s| format!("  shapley {s:.2}")).unwrap_or_default();
        output.line(format!(
            "{mark} {:.2} [{:.2}, {:.2}]{shapley}  {:?}  {}",
            effect.effect,
            effect.low,
            effect.high,
            effect.cause.kind,
            printable(&label)
        ))?;
    }
    output.line(format!("\n{}", printable(&found.explanation)))?;
    if let Some(written) = &found.explanation_by_model {
        output.line(format!(
            "\nIn the words of {}: {}",
            written.model,
            printable(&written.text)
        ))?;
    }
    output.line(format!("{} calls, {}", found.calls, money(found.cost_nano_usd)))?;
    Ok(())
}
