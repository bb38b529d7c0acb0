//! `exhibit archive`: payloads of old traces in other storage.

use serde_json::{Value, json};

use crate::{
    args::{ArchiveCommand, ArchiveRunArgs},
    config::Loaded,
    door::{Door, Need},
    failure::Exit,
    output::{Output, printable},
    remote::Remote,
};

/// Runs `exhibit archive`.
pub(crate) async fn run(
    command: ArchiveCommand,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<Exit> {
    let need = match command {
        ArchiveCommand::Status(_) => Need::Read,
        ArchiveCommand::Run(_) => Need::Administer,
    };
    let door = Door::open(loaded, need).await?;
    let done = match command {
        ArchiveCommand::Status(args) => status(&args.workspace, &door.remote, output).await,
        ArchiveCommand::Run(args) => moved(&args, &door.remote, output).await,
    };
    door.close(need).await?;
    done
}

async fn status(workspace: &str, remote: &Remote, output: Output) -> anyhow::Result<Exit> {
    let found = remote.get("api/v1/archive", &[], workspace).await?.unwrap_or_default();
    let found = &found["data"];
    if output.json {
        output.json(found)?;
        return Ok(Exit::Done);
    }
    match found["place"].as_str() {
        None => output.line("no archive is configured (archive.to)")?,
        Some(place) => {
            let days = found["after_days"].as_u64();
            let when = days.map_or("when asked".to_owned(), |days| format!("after {days} days"));
            output.line(format!("{}, {when}", printable(place)))?;
        }
    }
    output.line(format!("{} traces, {} bytes", found["traces"], found["bytes"]))?;
    Ok(Exit::Done)
}

async fn moved(args: &ArchiveRunArgs, remote: &Remote, output: Output) -> anyhow::Result<Exit> {
    let body = json!({ "older_than_days": args.older_than, "dry_run": args.dry_run });
    let done = remote.post("api/v1/archive/run", &body, &args.workspace).await?;
    let done = &done["data"];
    if output.json {
        output.json(done)?;
        return Ok(Exit::Done);
    }
    let verb = if args.dry_run { "would move" } else { "moved" };
    output.line(format!("{verb} {} traces, {} bytes", done["moved"], done["bytes"]))?;
    for trace in done["traces"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        output.line(format!("  {}", printable(trace)))?;
    }
    Ok(Exit::Done)
}
