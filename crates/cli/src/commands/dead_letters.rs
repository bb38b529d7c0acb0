//! `exhibit dead-letters`: what was refused, and why.

use serde_json::{Value, json};

use crate::{
    args::{DeadLettersCommand, DeadLettersList},
    config::Loaded,
    door::{Door, Need},
    failure::{Exit, Failure},
    output::{Output, Table, clipped},
    remote::Remote,
};

const PATH: &str = "api/v1/dead-letters";

/// Runs the command.
pub(crate) async fn run(
    command: DeadLettersCommand,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<Exit> {
    let need = match command {
        DeadLettersCommand::List(_) => Need::Read,
        DeadLettersCommand::Clear(_) => Need::Write,
    };
    let door = Door::open(loaded, need).await?;
    let done = match &command {
        DeadLettersCommand::List(args) => list(args, &door.remote, output).await,
        DeadLettersCommand::Clear(args) => {
            door.remote.delete(PATH, &args.workspace).await.and_then(|_| {
                if output.json {
                    output.json(&json!({"cleared": true}))?;
                } else {
                    output.line("the list of refused entries is empty")?;
                }
                Ok(Exit::Done)
            })
        }
    };
    door.close(need).await?;
    done
}

async fn list(args: &DeadLettersList, remote: &Remote, output: Output) -> anyhow::Result<Exit> {
    let limit = args.limit.to_string();
    let mut query = vec![("limit", limit.as_str())];
    query.extend(args.cursor.as_deref().map(|cursor| ("cursor", cursor)));
    let answer = remote.get(PATH, &query, &args.workspace).await?;
    let answer = answer.ok_or_else(|| Failure::new("the server has no list of refused entries"))?;
    if output.json {
        output.json(&answer)?;
        return Ok(Exit::Done);
    }
    let letters = answer.get("data").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut table = Table::new(&["RECEIVED", "DOOR", "TRACE", "POINTER", "REASON"]);
    for letter in letters {
        let text = |name: &str| letter.get(name).and_then(Value::as_str).unwrap_or("-");
        table.row(vec![
            text("received_at").chars().take(19).collect(),
            text("door").to_owned(),
            clipped(text("trace_id"), 32),
            clipped(text("pointer"), 40),
            clipped(text("reason"), 72),
        ]);
    }
    for line in table.lines() {
        output.line(line)?;
    }
    if let Some(cursor) = answer.get("next_cursor").and_then(Value::as_str) {
        output.note(format!("more: exhibit dead-letters list --cursor {cursor}"));
    }
    Ok(Exit::Done)
}
