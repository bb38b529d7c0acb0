//! `exhibit replay --filter … --model NEW`: many traces, one report.

use exhibit_recorder::replay::{self, Replayed};
use serde_json::{Value, json};

use crate::{
    args::ReplayArgs,
    config::Loaded,
    door::Door,
    failure::{Exit, Failure},
    output::Output,
    rerun::{LocalPrices, money, read},
};

/// Before and after of one trace.
struct Row {
    told: Replayed,
    verdicts: (String, String),
}

impl Row {
    fn similarity(&self) -> f64 {
        replay::diff::similarity(&self.told.captured_answer, &self.told.answer)
    }

    fn cost(&self) -> (Option<i64>, Option<i64>) {
        let sum = |which: fn(&replay::diff::StepDiff) -> Option<i64>| {
            self.told.steps.iter().map(which).try_fold(0_i64, |a, b| Some(a.saturating_add(b?)))
        };
        (sum(|s| s.cost_nano_usd.0), sum(|s| s.cost_nano_usd.1))
    }

    fn latency(&self) -> (f64, f64) {
        let sum = |which: fn(&replay::diff::StepDiff) -> Option<f64>| {
            self.told.steps.iter().filter_map(which).sum::<f64>()
        };
        (sum(|s| s.latency_ms.0), sum(|s| s.latency_ms.1))
    }

    fn json(&self) -> Value {
        let ((cost, new_cost), (latency, new_latency)) = (self.cost(), self.latency());
        json!({
            "trace_id": self.told.replay_of, "replay": self.told.trace_id,
            "similarity": self.similarity(),
            "same_tools": self.told.steps.iter().all(|s| s.same_tools),
            "cost_nano_usd": [cost.map(|c| c.to_string()), new_cost.map(|c| c.to_string())],
            "latency_ms": [latency, new_latency],
            "verdict": [self.verdicts.0, self.verdicts.1],
            "failure": self.told.failure,
        })
    }
}

pub(super) async fn run(
    filter: &str,
    args: &ReplayArgs,
    loaded: &Loaded,
    door: &Door,
    output: Output,
) -> anyhow::Result<Exit> {
    let limit = args.limit.to_string();
    let query = [("filter", filter), ("limit", limit.as_str())];
    let list = door.remote.get("api/v1/traces", &query, &args.workspace).await?;
    let rows = list.and_then(|l| l.get("data")?.as_array().cloned()).unwrap_or_default();
    let prices = LocalPrices::load(loaded)?;
    let mut options = super::options(args)?;
    let mut traces = Vec::new();
    let mut sum = replay::Estimate { cost_nano_usd: Some(0), ..Default::default() };
    for row in &rows {
        let Some(id) = row.get("trace_id").and_then(Value::as_str) else { continue };
        let (trace, steps) = read(&door.remote, id, &args.workspace).await?;
        match replay::estimate(&steps, &options, &prices) {
            Ok(one) => {
                sum.calls += one.calls;
                sum.tokens_in += one.tokens_in;
                sum.tokens_out += one.tokens_out;
                sum.duration_ms += one.duration_ms;
                let both = sum.cost_nano_usd.zip(one.cost_nano_usd);
                sum.cost_nano_usd = both.map(|(a, b)| a.saturating_add(b));
                traces.push((trace, steps));
            }
            Err(error) => output.warn(format!("{id} is left out: {error}")),
        }
    }
    if traces.is_empty() {
        return Err(Failure::usage("no trace that can be run again matches").into());
    }
    let tokens = (sum.tokens_in, sum.tokens_out);
    if !args.money.agreed(sum.calls, tokens, sum.cost_nano_usd, sum.duration_ms, output)? {
        return Ok(Exit::Done);
    }
    let mut done: Vec<Row> = Vec::new();
    for (trace, steps) in traces {
        let told = super::once(&steps, &options, loaded, door, &args.workspace).await?;
        let spent = told.spent_nano_usd.unwrap_or(i64::MAX);
        options.budget = options.budget.map(|b| exhibit_model::NanoUsd(b.0.saturating_sub(spent)));
        let new = read(&door.remote, &told.trace_id, &args.workspace).await?.0;
        let verdict =
            |t: &Value| t.get("verdict").and_then(Value::as_str).unwrap_or("?").to_owned();
        let stopped = told
            .failure
            .as_ref()
            .is_some_and(|(code, _)| matches!(code.as_str(), "budget" | "cancelled"));
        done.push(Row { told, verdicts: (verdict(&trace), verdict(&new)) });
        if stopped {
            break;
        }
    }
    report(&done, output)?;
    Ok(if done.iter().any(|r| r.told.failure.is_some()) { Exit::Failed } else { Exit::Done })
}

fn report(rows: &[Row], output: Output) -> anyhow::Result<()> {
    let total = |which: fn(&Row) -> Option<i64>| {
        rows.iter().map(which).try_fold(0_i64, |a, b| Some(a.saturating_add(b?)))
    };
    let cost = (total(|r| r.cost().0), total(|r| r.cost().1));
    let count = rows.len().max(1) as f64;
    let likeness = rows.iter().map(Row::similarity).sum::<f64>() / count;
    let latency = (
        rows.iter().map(|r| r.latency().0).sum::<f64>() / count,
        rows.iter().map(|r| r.latency().1).sum::<f64>() / count,
    );
    let verdicts = rows.iter().filter(|r| r.verdicts.0 != r.verdicts.1).count();
    let failed = rows.iter().filter(|r| r.told.failure.is_some()).count();
    if output.json {
        output.json(&json!({
            "traces": rows.iter().map(Row::json).collect::<Vec<_>>(),
            "total": {
                "traces": rows.len(), "failed": failed, "similarity": likeness,
                "cost_nano_usd": [cost.0.map(|c| c.to_string()), cost.1.map(|c| c.to_string())],
                "latency_ms": [latency.0, latency.1], "verdicts_changed": verdicts,
            },
        }))?;
        return Ok(());
    }
    for row in rows {
        let ((cost, new_cost), (latency, new_latency)) = (row.cost(), row.latency());
        let failure = row.told.failure.as_ref().map(|(code, _)| format!("  {code}"));
        output.line(format!(
            "{}  {:.0} % alike  {}→{}  {latency:.0}→{new_latency:.0} ms  {}→{}{}",
            row.told.replay_of,
            row.similarity() * 100.0,
            money(cost),
            money(new_cost),
            row.verdicts.0,
            row.verdicts.1,
            failure.unwrap_or_default(),
        ))?;
    }
    output.line(format!(
        "\n{} traces, {failed} failed: {:.0} % alike, {}→{}, {:.0}→{:.0} ms on average, {verdicts} verdicts changed",
        rows.len(),
        likeness * 100.0,
        money(cost.0),
        money(cost.1),
        latency.0,
        latency.1,
    ))?;
    Ok(())
}
