//! `exhibit retention`, `exhibit holds` and `exhibit erase`: what is kept, and what goes.

use serde_json::{Value, json};

use crate::{
    args::{EraseArgs, HoldsCommand, RetentionCommand, RetentionSet},
    config::Loaded,
    door::{Door, Need},
    failure::{Exit, Failure},
    output::{Output, printable},
    remote::Remote,
};

const RULES: &str = "api/v1/retention/rules";

/// Runs `exhibit retention`.
pub(crate) async fn retention(
    command: RetentionCommand,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<Exit> {
    let need =
        if matches!(command, RetentionCommand::Show(_)) { Need::Read } else { Need::Administer };
    let door = Door::open(loaded, need).await?;
    let done = async {
        match command {
            RetentionCommand::Show(of) => {
                let found = door.remote.get(RULES, &[], &of.workspace).await?;
                show(&found.unwrap_or_default()["data"], output)
            }
            RetentionCommand::Set(args) => set(&args, &door.remote, output).await,
            RetentionCommand::Run(args) => {
                let body = json!({ "dry_run": args.dry_run });
                let done =
                    door.remote.post("api/v1/retention/run", &body, &args.of.workspace).await?;
                told(&done["data"], output)
            }
        }
    }
    .await;
    door.close(need).await?;
    done
}

fn show(found: &Value, output: Output) -> anyhow::Result<Exit> {
    if output.json {
        output.json(found)?;
        return Ok(Exit::Done);
    }
    let rules = found["rules"].as_array().cloned().unwrap_or_default();
    if rules.is_empty() {
        output.line("everything is kept: there is no rule")?;
    }
    for rule in rules {
        let text = |name: &str| printable(rule[name].as_str().unwrap_or_default());
        let days = rule["keep_days"].as_u64();
        let days = days.map_or_else(|| "for ever".to_owned(), |days| format!("{days} days"));
        output.line(format!("{}: {days}  {}", text("name"), text("filter")))?;
    }
    Ok(Exit::Done)
}

async fn set(args: &RetentionSet, remote: &Remote, output: Output) -> anyhow::Result<Exit> {
    let mut rules = args.rules.iter().map(|text| rule(text)).collect::<Result<Vec<_>, _>>()?;
    if let Some(name) = &args.preset {
        let preset = exhibit_recorder::PRESETS.iter().find(|preset| preset.name == name);
        let preset = preset.ok_or_else(|| {
            let known: Vec<_> = exhibit_recorder::PRESETS.iter().map(|p| p.name).collect();
            Failure::usage(format!(
                "there is no preset of this name; there are {}",
                known.join(", ")
            ))
        })?;
        rules.push(json!({ "name": preset.name, "keep_days": preset.keep_days }));
    }
    if rules.is_empty() && !args.keep_everything {
        return Err(
            Failure::usage("say what to keep: --rule, --preset or --keep-everything").into()
        );
    }
    remote.put(RULES, &Value::Array(rules), &args.of.workspace).await?;
    if !output.json {
        output
            .line("the rules are in force; `exhibit retention run --dry-run` says what would go")?;
    }
    Ok(Exit::Done)
}

/// `NAME=DAYS`, `NAME=DAYS:FILTER`, `NAME=forever:FILTER`.
fn rule(text: &str) -> Result<Value, Failure> {
    let wrong = || {
        Failure::usage(format!(
            "--rule {}: a rule is NAME=DAYS or NAME=DAYS:FILTER",
            printable(text)
        ))
    };
    let (name, rest) = text.split_once('=').ok_or_else(wrong)?;
    let (days, filter) = rest.split_once(':').unwrap_or((rest, ""));
    let days = match days.trim() {
        "forever" => None,
        days => Some(days.trim_end_matches('d').parse::<u32>().map_err(|_| wrong())?),
    };
    Ok(json!({ "name": name.trim(), "keep_days": days, "filter": filter.trim() }))
}

/// Runs `exhibit holds`.
pub(crate) async fn holds(
    command: HoldsCommand,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<Exit> {
    let need = if matches!(command, HoldsCommand::List(_)) { Need::Read } else { Need::Administer };
    let door = Door::open(loaded, need).await?;
    let done = async {
        match command {
            HoldsCommand::List(of) => {
                let found = door.remote.get("api/v1/holds", &[], &of.workspace).await?;
                list(&found.unwrap_or_default()["data"], output)
            }
            HoldsCommand::Place(args) => {
                let body = json!({
                    "filter": args.filter, "trace_id": args.trace,
                    "reason": args.reason, "owner": args.owner,
                });
                let hold = door.remote.post("api/v1/holds", &body, &args.of.workspace).await?;
                if output.json {
                    output.json(&hold["data"])?;
                } else {
                    output.line(hold["data"]["id"].as_str().unwrap_or_default())?;
                }
                Ok(Exit::Done)
            }
            HoldsCommand::Release(args) => {
                let path = format!("api/v1/holds/{}/release", args.id);
                let body = json!({ "reason": args.reason });
                door.remote.post(&path, &body, &args.of.workspace).await?;
                Ok(Exit::Done)
            }
        }
    }
    .await;
    door.close(need).await?;
    done
}

fn list(holds: &Value, output: Output) -> anyhow::Result<Exit> {
    if output.json {
        output.json(holds)?;
        return Ok(Exit::Done);
    }
    for hold in holds.as_array().into_iter().flatten() {
        let text = |name: &str| printable(hold[name].as_str().unwrap_or_default());
        let state = if hold["released"].is_null() { "in force" } else { "released" };
        let what = if hold["trace_id"].is_null() { text("filter") } else { text("trace_id") };
        output.line(format!(
            "{} {state}  {} ({})  {what}",
            text("id"),
            text("reason"),
            text("owner")
        ))?;
    }
    Ok(Exit::Done)
}

/// Runs `exhibit erase`.
pub(crate) async fn erase(
    args: EraseArgs,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<Exit> {
    let door = Door::open(loaded, Need::Administer).await?;
    let body = json!({
        "trace_id": args.trace, "user": args.user, "filter": args.filter,
        "reason": args.reason, "dry_run": args.dry_run,
    });
    let done = door.remote.post("api/v1/erasures", &body, &args.of.workspace).await;
    let done = done.and_then(|done| told(&done["data"], output));
    door.close(Need::Administer).await?;
    done
}

/// What a run did.
fn told(report: &Value, output: Output) -> anyhow::Result<Exit> {
    if output.json {
        output.json(report)?;
        return Ok(Exit::Done);
    }
    let word = if report["dry_run"] == true { "would go" } else { "gone" };
    for (name, count) in report["gone"].as_object().into_iter().flatten() {
        output.line(format!("{count} traces {word}: {}", printable(name)))?;
    }
    for (hold, count) in report["held"].as_object().into_iter().flatten() {
        output.line(format!("{count} traces kept by {hold}"))?;
    }
    for index in report["certificates"].as_array().into_iter().flatten() {
        output.line(format!("certificate: leaf {index}"))?;
    }
    let did = report["dry_run"] != true
        && report["certificates"].as_array().is_some_and(|c| !c.is_empty());
    if did && report["scrubbed"] != true {
        output.warn(
            "a reader keeps an older state of the database open; its bytes go from the write-ahead log \
             when it lets go",
        );
    }
    if report["gone"].as_object().is_none_or(serde_json::Map::is_empty) {
        output.line(format!("nothing {word}"))?;
    }
    Ok(Exit::Done)
}
