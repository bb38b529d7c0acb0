//! `exhibit remap`: reads stored raw attributes again with today's mapping.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::{
    args::RemapArgs,
    config::Loaded,
    door::{Door, Need},
    failure::Exit,
    output::Output,
    remote::Remote,
};

/// Runs the command.
pub(crate) async fn run(args: RemapArgs, loaded: &Loaded, output: Output) -> anyhow::Result<Exit> {
    let door = Door::open(loaded, Need::Administer).await?;
    let done = all(&args, &door.remote, output).await;
    door.close(Need::Administer).await?;
    done
}

async fn all(args: &RemapArgs, remote: &Remote, output: Output) -> anyhow::Result<Exit> {
    let bar = bar(output);
    let mut cursor = args.cursor.clone();
    let (mut traces, mut spans, mut mapped) = (0, 0, 0);
    loop {
        let body = json!({ "cursor": cursor, "all": args.all });
        let answer = match remote.post("api/v1/remap", &body, &args.workspace).await {
            Ok(answer) => answer,
            Err(error) => {
                bar.finish_and_clear();
                if let Some(cursor) = &cursor {
                    output.note(format!("go on with: exhibit remap --cursor {cursor}"));
                }
                return Err(error);
            }
        };
        let data = answer.get("data").cloned().unwrap_or_default();
        let count = |name: &str| data.get(name).and_then(Value::as_u64).unwrap_or(0);
        traces += count("traces");
        spans += count("spans");
        mapped += count("mapped");
        bar.set_position(spans);
        bar.set_message(format!("{traces} traces, {mapped} spans mapped again"));
        cursor = data.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    bar.finish_and_clear();
    if output.json {
        output.json(&json!({ "traces": traces, "spans": spans, "mapped": mapped }))?;
    } else {
        output.line(format!("{mapped} of {spans} spans in {traces} traces were mapped again"))?;
    }
    Ok(Exit::Done)
}

/// How many spans have been read; how many there are is known only at the end.
fn bar(output: Output) -> ProgressBar {
    if !output.draws_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} spans, {per_sec} {msg}")
    {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
