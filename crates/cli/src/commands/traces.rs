//! `exhibit traces list|show|tail`.

mod tree;
mod within;

use std::{collections::VecDeque, time::Duration};

use serde_json::{Value, json};

use crate::{
    args::{TracesCommand, TracesList, TracesShow, TracesTail},
    config::Loaded,
    door::{Door, Need},
    failure::{Exit, Failure},
    output::{Output, Style, Table, clipped, dollars, latency, printable},
    remote::Remote,
};

/// Runs the command.
pub(crate) async fn run(
    command: TracesCommand,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<Exit> {
    let door = Door::open(loaded, Need::Read).await?;
    let done = match command {
        TracesCommand::List(args) => list(&args, &door.remote, output).await,
        TracesCommand::Show(args) => show(&args, &door.remote, output).await,
        TracesCommand::Tail(args) => tail(&args, &door.remote, output).await,
    };
    door.close(Need::Read).await?;
    done
}

/// One page of the list: the rows, newest first, and where the next page starts.
async fn page(
    remote: &Remote,
    filter: &str,
    workspace: &str,
    limit: u16,
    cursor: Option<&str>,
) -> anyhow::Result<(Vec<Value>, Option<String>)> {
    let limit = limit.to_string();
    let mut query = vec![("filter", filter), ("limit", limit.as_str())];
    query.extend(cursor.map(|cursor| ("cursor", cursor)));
    let answer = remote.get("api/v1/traces", &query, workspace).await?;
    let mut answer = answer.ok_or_else(|| Failure::new("the server has no list of traces"))?;
    let next = answer.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
    let Some(Value::Array(rows)) = answer.get_mut("data").map(Value::take) else {
        anyhow::bail!("the server's list of traces has another shape than expected");
    };
    Ok((rows, next))
}

async fn list(args: &TracesList, remote: &Remote, output: Output) -> anyhow::Result<Exit> {
    let which = &args.which;
    let (rows, next) =
        page(remote, &which.filter, &which.workspace, args.limit, args.cursor.as_deref()).await?;
    if output.json {
        output.json(&json!({"data": rows, "next_cursor": next}))?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&[
        "TRACE ID", "STARTED", "NAME", "STATUS", ">SPANS", ">TOKENS", ">COST", ">LATENCY",
        "VERDICT",
    ]);
    for row in &rows {
        table.row(cells(row));
    }
    for (n, line) in table.lines().iter().enumerate() {
        let heading = n == 0;
        output.line(if heading { output.styled(Style::Bold, line) } else { line.clone() })?;
    }
    if rows.is_empty() {
        output.note("no traces match");
    }
    if let Some(next) = next {
        output.hint(format!("more: --cursor {next}"));
    }
    Ok(Exit::Done)
}

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(row: &Value, name: &str) -> u64 {
    row.get(name).and_then(Value::as_u64).unwrap_or(0)
}

fn cost(row: &Value) -> String {
    match text(row, "cost_nano_usd").parse() {
        Ok(nano) => dollars(nano),
        Err(_) => "-".to_owned(),
    }
}

fn took(row: &Value) -> String {
    row.get("duration_ms").and_then(Value::as_f64).map_or_else(|| "-".to_owned(), latency)
}

/// RFC 3339 to the second; the rest is noise in a list.
fn second(stamp: &str) -> String {
    let stamp = stamp.split('.').next().unwrap_or(stamp).trim_end_matches('Z');
    stamp.replace('T', " ")
}

fn cells(row: &Value) -> Vec<String> {
    vec![
        text(row, "trace_id").to_owned(),
        second(text(row, "start_time")),
        clipped(text(row, "name"), 32),
        text(row, "status").to_owned(),
        number(row, "span_count").to_string(),
        number(row, "tokens_total").to_string(),
        cost(row),
        took(row),
        text(row, "verdict").to_owned(),
    ]
}

async fn show(args: &TracesShow, remote: &Remote, output: Output) -> anyhow::Result<Exit> {
    let path = format!("api/v1/traces/{}", path_segment(&args.id)?);
    let missing = || Failure::new(format!("there is no trace {} here", printable(&args.id)));
    if let Some(phrase) = &args.search {
        let found = within::find(remote, &path, phrase, &args.workspace).await?;
        let (found, more) = found.ok_or_else(missing)?;
        if output.json {
            output.json(&json!({"data": found, "has_more": more}))?;
            return Ok(Exit::Done);
        }
        for line in within::lines(&found, output) {
            output.line(line)?;
        }
        if found.is_empty() {
            output.note("it stands nowhere in this trace");
        } else if more {
            output.note("there is more; ask for a longer phrase");
        }
        return Ok(Exit::Done);
    }
    let answer = remote.get(&path, &[], &args.workspace).await?;
    let mut answer = answer.ok_or_else(missing)?;
    let mut trace = answer.get_mut("data").map(Value::take).unwrap_or_default();
    let spans = if args.spans {
        tree::all_spans(remote, &path, &args.workspace).await?
    } else {
        Vec::new()
    };
    if output.json {
        if args.spans {
            trace["spans"] = Value::Array(spans);
        }
        output.json(&json!({"data": trace}))?;
        return Ok(Exit::Done);
    }
    for line in details(&trace) {
        output.line(line)?;
    }
    if args.spans {
        output.line("")?;
        for line in tree::lines(&spans) {
            output.line(line)?;
        }
    }
    for (label, name) in [("Input", "input_preview"), ("Output", "output_preview")] {
        let preview = text(&trace, name);
        if !preview.is_empty() {
            output.line(format!(
                "\n{}\n{}",
                output.styled(Style::Bold, label),
                printable(preview)
            ))?;
        }
    }
    Ok(Exit::Done)
}

/// An id as one segment of a path. Ids hold nothing that needs escaping; anything else is no id.
pub(super) fn path_segment(id: &str) -> Result<&str, Failure> {
    match exhibit_model::TraceId::new(id) {
        Ok(_) => Ok(id),
        Err(error) => {
            Err(Failure::usage(format!("`{}` is not a trace id: {error}", printable(id))))
        }
    }
}

fn details(trace: &Value) -> Vec<String> {
    let list = |name: &str| {
        let items = trace.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
    };
    // Beside the one of the trace as a whole, where its steps name more.
    let several =
        |name: &str| Some(list(name)).filter(|all| all.contains(", ")).unwrap_or_default();
    let cost = match text(trace, "cost_source") {
        "" | "none" => cost(trace),
        source => format!("{} ({source})", cost(trace)),
    };
    let seal = trace.get("seal").filter(|s| !s.is_null()).map_or_else(String::new, |seal| {
        format!("leaf {} over {} records", number(seal, "index"), number(seal, "covered"))
    });
    let rows = [
        ("Trace ID", text(trace, "trace_id").to_owned()),
        ("Name", text(trace, "name").to_owned()),
        ("Status", text(trace, "status").to_owned()),
        ("Verdict", text(trace, "verdict").to_owned()),
        ("Started", text(trace, "start_time").to_owned()),
        ("Latency", took(trace)),
        ("Spans", number(trace, "span_count").to_string()),
        ("Models", list("models")),
        ("Prompt Tokens", number(trace, "tokens_in").to_string()),
        ("Completion Tokens", number(trace, "tokens_out").to_string()),
        ("Cost", cost),
        ("Agent", text(trace, "agent_name").to_owned()),
        ("Agents", several("agents")),
        ("Session", text(trace, "session_id").to_owned()),
        ("User", text(trace, "user_id").to_owned()),
        ("Users", several("users")),
        ("Environment", text(trace, "environment").to_owned()),
        ("Tags", list("tags")),
        ("Seal", seal),
    ];
    rows.into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(label, value)| format!("{:<19}{}", format!("{label}:"), clipped(&value, 300)))
        .collect()
}

/// How many traces are remembered as printed; older ones would be printed again when they change.
const REMEMBERED: usize = 2_000;
/// Traces looked at each time.
const LOOK: u16 = 200;

async fn tail(args: &TracesTail, remote: &Remote, output: Output) -> anyhow::Result<Exit> {
    let interval = Duration::try_from_secs_f64(args.interval)
        .ok()
        .filter(|interval| *interval >= Duration::from_millis(50))
        .ok_or_else(|| Failure::usage("--interval: at least 0.05 seconds"))?;
    let which = &args.which;
    let mut printed: VecDeque<(String, String)> = VecDeque::new();
    let mut first = true;
    loop {
        let (rows, _) = page(remote, &which.filter, &which.workspace, LOOK, None).await?;
        // The list is newest first; a terminal reads downwards.
        for (n, row) in rows.iter().enumerate().rev() {
            let id = text(row, "trace_id").to_owned();
            let state = format!("{} {}", text(row, "status"), number(row, "span_count"));
            let known = printed.iter().position(|(held, _)| *held == id);
            if known.and_then(|at| printed.get(at)).is_some_and(|(_, held)| *held == state) {
                continue;
            }
            if let Some(at) = known {
                printed.remove(at);
            }
            if printed.len() >= REMEMBERED {
                printed.pop_front();
            }
            printed.push_back((id, state));
            if first && n >= usize::from(args.lines) {
                continue;
            }
            if output.json {
                output.json(row)?;
            } else {
                output.line(tail_line(row, output))?;
            }
        }
        first = false;
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Done),
        }
    }
}

fn tail_line(row: &Value, output: Output) -> String {
    let status = text(row, "status");
    let style = match status {
        "ok" => Style::Green,
        "error" => Style::Red,
        _ => Style::Yellow,
    };
    format!(
        "{}  {}  {}  {} spans  {}  {}  {}",
        second(text(row, "start_time")),
        text(row, "trace_id"),
        output.styled(style, status),
        number(row, "span_count"),
        cost(row),
        took(row),
        clipped(text(row, "name"), 60),
    )
}
