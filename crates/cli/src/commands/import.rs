//! `exhibit import`: records what other products exported, through the doors that their clients use.
//!
//! What a door refuses is in its list of refused entries (`exhibit dead-letters`), and the rest is
//! kept. Records are told by their own ids, so that importing a file twice records it once. How far a
//! file has come stands in `FILE.import` until it is done; an interrupted run goes on there.

mod progress;
mod records;
mod table;

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use exhibit_capture::dialect::archive::{self, Format, Request};
use reqwest::StatusCode;
use serde_json::{Value, json};

use self::{
    progress::Progress,
    records::{Record, Records},
};
use crate::{
    args::ImportArgs,
    config::Loaded,
    door::{Door, Need},
    failure::{Exit, Failure},
    output::Output,
    remote::Remote,
};

/// Records of one request, at most.
const BATCH_RECORDS: usize = 200;
/// Bytes of records of one request, about.
const BATCH_BYTES: u64 = 2 << 20;
/// How often a server that is busy is asked again.
const ATTEMPTS: u32 = 60;

/// What became of a file's records.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    read: u64,
    refused: u64,
}

/// Runs the command.
pub(crate) async fn run(args: ImportArgs, loaded: &Loaded, output: Output) -> anyhow::Result<Exit> {
    let door = Door::open(loaded, Need::Write).await?;
    let done = all(&args, &door.remote, output).await;
    door.close(Need::Write).await?;
    done
}

async fn all(args: &ImportArgs, remote: &Remote, output: Output) -> anyhow::Result<Exit> {
    let mut total = Counts::default();
    let mut files = Vec::new();
    for path in &args.files {
        let (format, counts) = file(path, args, remote, output).await?;
        total.read += counts.read;
        total.refused += counts.refused;
        let name = path.display().to_string();
        if !output.json {
            output.line(format!(
                "{name}: {} records of {} read, {} refused",
                counts.read,
                format.name(),
                counts.refused
            ))?;
        }
        files.push(json!({ "file": name, "format": format.name(), "records": counts.read,
            "refused": counts.refused }));
    }
    if output.json {
        output.json(&json!({ "files": files, "records": total.read, "refused": total.refused }))?;
    }
    if total.refused > 0 {
        output.note("`exhibit dead-letters list` says what was refused, and why");
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

async fn file(
    path: &Path,
    args: &ImportArgs,
    remote: &Remote,
    output: Output,
) -> anyhow::Result<(Format, Counts)> {
    let named = || format!("cannot read {}", path.display());
    let mut records = Records::open(path).with_context(named)?;
    let mut progress = Progress::open(path, &records, args.restart, output)?;
    let mut format = args.format.as_deref().and_then(Format::named);
    let mut counts = Counts { read: 0, refused: progress.refused() };
    let mut batch = Batch::default();
    while let Some(record) = records.next() {
        let record = record.with_context(named)?;
        counts.read += 1;
        let known = match (format, &record) {
            (Some(format), _) => format,
            (None, Record::Json(value)) => {
                let found = Format::of(value).ok_or_else(|| {
                    let names: Vec<&str> = Format::names().collect();
                    Failure::usage(format!("{} holds records of no known kind", path.display()))
                        .hint(format!("name it with --format: {}", names.join(", ")))
                })?;
                *format.insert(found)
            }
            (None, Record::Broken(_)) => {
                let message = format!("{} does not begin with a JSON record", path.display());
                return Err(Failure::usage(message).into());
            }
        };
        if counts.read <= progress.done() {
            continue;
        }
        match record {
            Record::Json(value) => batch.records.push(value),
            Record::Broken(bytes) => {
                // The door refuses it and keeps a note of it.
                let path = archive::door(known);
                remote.post_bytes(path, bytes, &args.workspace).await?;
                counts.refused += 1;
            }
        }
        if batch.records.len() >= BATCH_RECORDS || records.position() - batch.from >= BATCH_BYTES {
            counts.refused += send(remote, known, &args.workspace, batch.take()).await?;
            batch.from = records.position();
            progress.reached(counts.read, counts.refused, records.position());
        }
    }
    let Some(format) = format else {
        return Err(Failure::usage(format!("{} holds no records", path.display())).into());
    };
    counts.refused += send(remote, format, &args.workspace, batch.take()).await?;
    progress.finish();
    Ok((format, counts))
}

/// Records that wait for their request.
#[derive(Default)]
struct Batch {
    records: Vec<Value>,
    from: u64,
}

impl Batch {
    fn take(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.records)
    }
}

/// Sends records; gives how many of what they held were refused.
async fn send(
    remote: &Remote,
    format: Format,
    workspace: &str,
    records: Vec<Value>,
) -> anyhow::Result<u64> {
    let mut refused = 0;
    let count = records.len();
    for request in archive::requests(format, records.clone()) {
        match post(remote, workspace, &request).await? {
            Some(n) => refused += n,
            // The whole request was refused: one by one, so that only the bad ones are.
            None if count > 1 => {
                for record in records {
                    for request in archive::requests(format, vec![record]) {
                        refused += post(remote, workspace, &request).await?.unwrap_or(1);
                    }
                }
                return Ok(refused);
            }
            None => refused += 1,
        }
    }
    Ok(refused)
}

/// Sends a request until it is answered. `None`: it was refused as a whole.
async fn post(remote: &Remote, workspace: &str, request: &Request) -> anyhow::Result<Option<u64>> {
    let body = serde_json::to_vec(&request.body)?;
    for attempt in 1..=ATTEMPTS {
        let (status, answer, wait) =
            remote.post_bytes(request.path, body.clone(), workspace).await?;
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                let wait = wait.unwrap_or(Duration::from_secs(1)).min(Duration::from_secs(30));
                tokio::time::sleep(wait * attempt.min(4)).await;
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                let said = ["detail", "message", "error"].iter().find_map(|n| answer.get(*n));
                let said = said.and_then(Value::as_str).unwrap_or("it gave no reason");
                return Err(Failure::new(format!("the server refused ({status}): {said}")).into());
            }
            status if status.is_server_error() => {
                return Err(Failure::new(format!("the server failed with {status}")).into());
            }
            _ => return Ok(refusals(status, &answer)),
        }
    }
    Err(Failure::new("the server stays busy").hint("run the command again later").into())
}

/// How many entries an answer says were refused; each door says it its own way.
fn refusals(status: StatusCode, answer: &Value) -> Option<u64> {
    let number = |value: &Value| match value {
        Value::Array(list) => Some(list.len() as u64),
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let partial = answer.get("partialSuccess");
    let told = ["rejectedSpans", "rejectedLogRecords"]
        .iter()
        .find_map(|name| partial?.get(*name))
        .or_else(|| ["rejected", "errors"].iter().find_map(|name| answer.get(*name)))
        .and_then(number);
    match told {
        Some(count) => Some(count),
        None if status.is_success() => Some(0),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_doors_way_to_refuse_is_understood() {
        let ok = StatusCode::OK;
        assert_eq!(refusals(ok, &json!({})), Some(0));
        assert_eq!(refusals(ok, &json!({"partialSuccess": {"rejectedSpans": "2"}})), Some(2));
        assert_eq!(refusals(ok, &json!({"errors": [{}], "successes": []})), Some(1));
        let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
        assert_eq!(refusals(unprocessable, &json!({"rejected": [{}, {}]})), Some(2));
        assert_eq!(refusals(StatusCode::BAD_REQUEST, &json!({"detail": "no"})), None);
    }
}
