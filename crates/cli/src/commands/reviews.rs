//! `exhibit reviews`: work through what rules want people to look at.

use serde_json::{Map, Value, json};

use crate::{
    args::{ReviewsAct, ReviewsCommand, ReviewsList},
    config::Loaded,
    door::{Door, Need},
    failure::{Exit, Failure},
    output::{Output, Table, clipped},
    remote::Remote,
};

const PATH: &str = "api/v1/reviews";

/// Runs the command.
pub(crate) async fn run(
    command: ReviewsCommand,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<Exit> {
    let need = match command {
        ReviewsCommand::List(_) | ReviewsCommand::Show(_) | ReviewsCommand::Precision(_) => {
            Need::Read
        }
        _ => Need::Write,
    };
    let door = Door::open(loaded, need).await?;
    let remote = &door.remote;
    let done = match &command {
        ReviewsCommand::List(args) => list(args, remote, output).await,
        ReviewsCommand::Show(args) => show(&args.review, &args.workspace, remote, output).await,
        ReviewsCommand::Precision(args) => precision(&args.workspace, remote, output).await,
        ReviewsCommand::Claim(args) => act("claimed", args, remote, output).await,
        ReviewsCommand::Release(args) => act("released", args, remote, output).await,
        ReviewsCommand::Assign(args) => act("assigned", args, remote, output).await,
        ReviewsCommand::Comment(args) => act("commented", args, remote, output).await,
        ReviewsCommand::Approve(args) => act("approved", args, remote, output).await,
        ReviewsCommand::Reject(args) => act("rejected", args, remote, output).await,
        ReviewsCommand::Escalate(args) => act("escalated", args, remote, output).await,
    };
    door.close(need).await?;
    done
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or("-")
}

fn rows(answer: &Value) -> &[Value] {
    answer.get("data").and_then(Value::as_array).map_or(&[][..], Vec::as_slice)
}

async fn list(args: &ReviewsList, remote: &Remote, output: Output) -> anyhow::Result<Exit> {
    let limit = args.limit.to_string();
    let mut query = vec![("limit", limit.as_str())];
    if args.state != "all" {
        query.push(("state", args.state.as_str()));
    }
    let options = [("queue", &args.queue), ("rule", &args.rule), ("cursor", &args.cursor)];
    query.extend(options.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))));
    let answer = remote.get(PATH, &query, &args.workspace).await?;
    let answer = answer.ok_or_else(|| Failure::new("the server has no reviews"))?;
    if output.json {
        output.json(&answer)?;
        return Ok(Exit::Done);
    }
    let mut table =
        Table::new(&["REVIEW", "STATE", "SEVERITY", "QUEUE", "RULE", "TRACE", "DUE", "WHO"]);
    for review in rows(&answer) {
        table.row(vec![
            text(review, "review_id").to_owned(),
            text(review, "state").to_owned(),
            text(review, "severity").to_owned(),
            clipped(text(review, "queue"), 16),
            clipped(text(review, "rule"), 28),
            clipped(text(review, "trace_id"), 32),
            moment(text(review, "due_at")),
            clipped(text(review, "assignee"), 24),
        ]);
    }
    for line in table.lines() {
        output.line(line)?;
    }
    if let Some(cursor) = answer.get("next_cursor").and_then(Value::as_str) {
        output.note(format!("more: exhibit reviews list --cursor {cursor}"));
    }
    Ok(Exit::Done)
}

async fn show(id: &str, workspace: &str, remote: &Remote, output: Output) -> anyhow::Result<Exit> {
    let answer = remote.get(&format!("{PATH}/{id}"), &[], workspace).await?;
    let answer = answer.ok_or_else(|| Failure::new("there is no such review"))?;
    if output.json {
        output.json(&answer)?;
        return Ok(Exit::Done);
    }
    let review = answer.get("data").unwrap_or(&Value::Null);
    output.line(format!("{}  {}", text(review, "review_id"), text(review, "state")))?;
    output.line(format!("Says:   {}", text(review, "title")))?;
    output.line(format!("Rule:   {}/{}", text(review, "policy"), text(review, "rule")))?;
    output.line(format!(
        "Weighs: {}, in queue {}",
        text(review, "severity"),
        text(review, "queue")
    ))?;
    output.line(format!("Trace:  {}", text(review, "trace_id")))?;
    output.line(format!("Span:   {}", text(review, "span_id")))?;
    output.line(format!("Who:    {}", text(review, "assignee")))?;
    output.line(format!("Due:    {}", moment(text(review, "due_at"))))?;
    if let Some(note) = wants_another(review) {
        output.line(format!("Waits:  {note}"))?;
    }
    for act in acts(review) {
        let told = |name: &str| act.get(name).and_then(Value::as_str);
        let words: Vec<&str> = [told("reason"), told("comment")].into_iter().flatten().collect();
        let line = format!(
            "  {}  {:<10} {}  {}",
            moment(text(act, "at")),
            text(act, "deed"),
            text(act, "by"),
            words.join(": ")
        );
        output.line(line.trim_end())?;
    }
    Ok(Exit::Done)
}

/// A time to the second, with its zone.
fn moment(at: &str) -> String {
    at.get(..19).map_or_else(|| at.to_owned(), |at| format!("{at}Z"))
}

fn acts(review: &Value) -> &[Value] {
    review.get("acts").and_then(Value::as_array).map_or(&[][..], Vec::as_slice)
}

/// What is missing where two people must approve and one has.
fn wants_another(review: &Value) -> Option<&'static str> {
    let two = review.get("four_eyes").and_then(Value::as_bool) == Some(true);
    let approved = acts(review).iter().any(|act| text(act, "deed") == "approved");
    let decided = matches!(text(review, "state"), "approved" | "rejected");
    (two && approved && !decided).then_some("one has approved; somebody else must, too")
}

async fn precision(workspace: &str, remote: &Remote, output: Output) -> anyhow::Result<Exit> {
    let answer = remote.get(&format!("{PATH}/precision"), &[], workspace).await?;
    let answer = answer.ok_or_else(|| Failure::new("the server has no reviews"))?;
    if output.json {
        output.json(&answer)?;
        return Ok(Exit::Done);
    }
    let mut table =
        Table::new(&["POLICY", "RULE", "ASKED", "WAITING", "RIGHT", "WRONG", "PRECISION"]);
    for rule in rows(&answer) {
        let number = |name: &str| rule.get(name).map_or("-".to_owned(), Value::to_string);
        let precision = rule.get("precision").and_then(Value::as_f64);
        table.row(vec![
            clipped(text(rule, "policy"), 24),
            clipped(text(rule, "rule"), 32),
            number("asked"),
            number("waiting"),
            number("right"),
            number("wrong"),
            precision.map_or("-".to_owned(), |share| format!("{:.0} %", share * 100.0)),
        ]);
    }
    for line in table.lines() {
        output.line(line)?;
    }
    Ok(Exit::Done)
}

async fn act(
    deed: &str,
    args: &ReviewsAct,
    remote: &Remote,
    output: Output,
) -> anyhow::Result<Exit> {
    if deed == "commented" && args.comment.is_none() {
        return Err(Failure::usage("a comment needs words").hint("add -m TEXT").into());
    }
    if deed == "assigned" && args.to.is_none() {
        return Err(Failure::usage("to whom?").hint("add --to PERSON").into());
    }
    let mut act = Map::new();
    act.insert("deed".into(), deed.into());
    let options = [
        ("reason", &args.reason),
        ("comment", &args.comment),
        ("assignee", &args.to),
        ("handling", &args.handling),
    ];
    for (name, value) in options {
        if let Some(value) = value {
            act.insert(name.into(), value.as_str().into());
        }
    }
    let body = json!({ "ids": args.reviews, "act": act });
    let answer = remote.post(&format!("{PATH}/bulk"), &body, &args.workspace).await?;
    let failed = rows(&answer).iter().any(|row| row.get("error").is_some_and(Value::is_string));
    if output.json {
        output.json(&answer)?;
    } else {
        for row in rows(&answer) {
            let review = row.get("review").unwrap_or(&Value::Null);
            let line = match row.get("error").and_then(Value::as_str) {
                Some(error) => format!("{}  failed: {error}", text(row, "review_id")),
                None => format!("{}  {}", text(row, "review_id"), text(review, "state")),
            };
            match wants_another(review) {
                Some(note) => output.line(format!("{line}: {note}"))?,
                None => output.line(line)?,
            }
        }
    }
    Ok(if failed { Exit::Failed } else { Exit::Done })
}
