//! `exhibit verify`: a data directory, one trace of it, or a log or trace of a server elsewhere.

pub(super) mod bar;
mod bundle;
mod elsewhere;
mod erased;
mod pin;
mod settle;
mod whole;

use exhibit_ledger::Policy;
use exhibit_model::TraceId;
use exhibit_recorder::{
    Error, Outside, OutsideWord,
    verify::{Answer, Depth, ErasureVerification, Fault, Report, Verdict},
};
use serde::Serialize;

use crate::{
    args::VerifyArgs,
    config::Loaded,
    failure::{Exit, Failure},
    installation::Installation,
    output::{Output, Style, printable},
    outside::outside,
};

use pin::Pin;

/// Runs the command.
pub(crate) async fn run(args: VerifyArgs, loaded: &Loaded, output: Output) -> anyhow::Result<Exit> {
    if let Some(file) = &args.file {
        return bundle::run(&args, file, output);
    }
    let pin = args.key.as_deref().map(Pin::parse).transpose()?;
    if let Some(id) = &args.trace {
        let id = TraceId::new(id).map_err(|error| {
            Failure::usage(format!("`{}` is not a trace id: {error}", printable(id)))
        })?;
        return match &args.server {
            Some(url) => elsewhere::run(&args, url, &id, pin.as_ref(), loaded, output).await,
            None => one(&args, &id, pin.as_ref(), loaded, output).await,
        };
    }
    if let Some(url) = &args.server {
        return whole::run(&args, url, pin.as_ref(), loaded, output).await;
    }
    all(&args, pin.as_ref(), loaded, output).await
}

/// The words of a verdict.
fn word(verdict: Verdict) -> String {
    serde_json::to_value(verdict)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// How the program ends on a verdict.
fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Valid | Verdict::ErasedWithCertificate => Exit::Done,
        Verdict::Pending | Verdict::Unverifiable => Exit::Undecided,
        _ => Exit::Failed,
    }
}

async fn all(
    args: &VerifyArgs,
    pin: Option<&Pin>,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<Exit> {
    let installation = match Installation::open_to_read(loaded).await {
        Ok(installation) => installation,
        Err(error) => return unreadable(error, output),
    };
    trust(&installation, args, loaded)?;
    settle::wait(&installation, loaded).await?;
    let bar = bar::Bar::new(output);
    let depth = Depth { bodies: !args.no_bodies, search: args.search };
    let report = installation.recorder.verify_all(depth, &bar).await;
    bar.finish();
    let mut report = match report {
        Ok(report) => report,
        Err(error) => return unreadable(error.into(), output),
    };
    if report.verdict == Verdict::Valid && report.pending > 0 {
        report.verdict = Verdict::Pending;
    }
    if let Some(pin) = pin {
        let Report { key, successions, verdict, qualifiers, faults, .. } = &mut report;
        let notes: Vec<&str> = successions.iter().map(|one| &*one.note).collect();
        pin.apply(key, &notes, verdict, qualifiers, faults);
    }
    if args.require_witness && report.vouched.witnessed_size.is_none() {
        report.verdict = report.verdict.max(Verdict::Unverifiable);
    }
    if output.json {
        output.json(&report)?;
        return Ok(exit(report.verdict));
    }
    verdict_line(report.verdict, output)?;
    output.line(format!("Log:        {}", report.log))?;
    output.line(format!("Key:        {}", report.key))?;
    output.line(format!("Workspaces: {}", report.workspaces))?;
    output.line(format!("Traces:     {}", report.traces))?;
    output.line(format!("Records:    {}", report.records))?;
    output.line(format!("Leaves:     {}", report.leaves))?;
    for one in &report.successions {
        output.line(format!("Succession: {}", one.in_words()))?;
    }
    let vouched = &report.vouched;
    if let Some(size) = vouched.witnessed_size {
        let names = printable(&vouched.witnesses.join(", "));
        output.line(format!("Witnessed:  {size} entries of the installation's log, by {names}"))?;
    }
    if let (Some(size), Some(time)) = (vouched.stamped_size, &vouched.stamped_at) {
        output.line(format!("Stamped:    {size} entries existed by {time}"))?;
    }
    if report.pending > 0 {
        output.line(format!("Pending:    {} leaves without a checkpoint yet", report.pending))?;
    }
    rest(&report.qualifiers, &report.faults, output)?;
    Ok(exit(report.verdict))
}

async fn one(
    args: &VerifyArgs,
    id: &TraceId,
    pin: Option<&Pin>,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<Exit> {
    let installation = match Installation::open_to_read(loaded).await {
        Ok(installation) => installation,
        Err(error) => return unreadable(error, output),
    };
    trust(&installation, args, loaded)?;
    settle::wait(&installation, loaded).await?;
    let recorder = &installation.recorder;
    let workspace = recorder.workspace(&args.workspace).await?;
    let workspace = workspace.ok_or_else(|| Failure::usage("there is no such workspace"))?;
    let found = match recorder.verification(workspace.id, id).await {
        Ok(found) => found,
        Err(error) => return unreadable(error.into(), output),
    };
    let Some(mut found) = found else {
        return match recorder.erasure_verification(workspace.id, id).await {
            Ok(Some(found)) => gone(args, found, pin, output),
            Ok(None) => {
                let what = format!("there is no trace {id} in workspace {}", args.workspace);
                Err(Failure::new(what).into())
            }
            Err(error) => unreadable(error.into(), output),
        };
    };
    demand(args, pin, &mut found.answer);
    let answer = &found.answer;
    if output.json {
        output.json(&found)?;
        return Ok(exit(answer.verdict));
    }
    verdict_line(answer.verdict, output)?;
    place_lines(&answer.trace_id, &answer.log, &answer.key, output)?;
    if let Some(fingerprint) = &answer.fingerprint {
        output.line(format!("Fingerprint: {fingerprint}"))?;
    }
    output.line(format!(
        "Records:    {} under a checkpoint of {} leaves",
        found.records.len(),
        answer.tree_size
    ))?;
    for seal in &found.seals {
        output.line(format!("Seal:       leaf {} over {} records", seal.index, seal.covered))?;
    }
    outside_lines(&answer.outside, output)?;
    for time in &found.times {
        output.line(format!(
            "Time:       {}: {}",
            printable(time.span_id.as_str()),
            time.detail
        ))?;
    }
    for gap in &found.gaps {
        let ranges: Vec<String> = gap.missing.iter().map(range).collect();
        output.line(format!(
            "Gaps:       {}: {} never arrived, between or next to this trace's numbers",
            printable(&gap.source),
            ranges.join(", ")
        ))?;
    }
    rest(&answer.qualifiers, &answer.faults, output)?;
    Ok(exit(answer.verdict))
}

/// Demands more than the data itself: that the key is the pinned one, that there is a witness.
fn demand(args: &VerifyArgs, pin: Option<&Pin>, answer: &mut Answer) {
    if let Some(pin) = pin {
        let Answer { key, successions, verdict, qualifiers, faults, .. } = &mut *answer;
        pin.apply(key, successions, verdict, qualifiers, faults);
    }
    if args.require_witness && answer.outside.witnesses.is_empty() {
        answer.verdict = answer.verdict.max(Verdict::Unverifiable);
    }
}

/// A trace that was erased.
fn gone(
    args: &VerifyArgs,
    mut found: ErasureVerification,
    pin: Option<&Pin>,
    output: Output,
) -> anyhow::Result<Exit> {
    demand(args, pin, &mut found.answer);
    if output.json {
        output.json(&found)?;
    } else {
        verdict_line(found.answer.verdict, output)?;
        erased::print(&found, output)?;
    }
    Ok(exit(found.answer.verdict))
}

/// Which trace, under which log and key.
fn place_lines(id: &TraceId, log: &str, key: &str, output: Output) -> std::io::Result<()> {
    output.line(format!("Trace:      {id}"))?;
    output.line(format!("Log:        {log}"))?;
    output.line(format!("Key:        {key}"))
}

/// What outsiders have said.
fn outside_lines(word: &OutsideWord, output: Output) -> std::io::Result<()> {
    for witness in &word.witnesses {
        let (name, size) = (printable(&witness.name), witness.size);
        output.line(format!("Witness:    {name} at {size} entries"))?;
    }
    if let Some(stamp) = &word.stamp {
        let by = if stamp.trusted { "" } else { " (by an authority that is not trusted)" };
        output.line(format!("Stamped:    existed by {}{by}", stamp.time))?;
    }
    Ok(())
}

/// A range of numbers, both ends included.
fn range((from, to): &(u64, u64)) -> String {
    if from == to { from.to_string() } else { format!("{from} to {to}") }
}

/// The witnesses of the command line, else those configured.
fn trust(installation: &Installation, args: &VerifyArgs, loaded: &Loaded) -> anyhow::Result<()> {
    let Some(path) = &args.policy else { return Ok(()) };
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("--policy {}: {error}", path.display()))
    };
    let text = std::fs::read_to_string(loaded.environment.cwd.join(path));
    let policy = Policy::parse(&text.map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
    installation.recorder.trust(Outside { policy: Some(policy), ..outside(loaded)? });
    Ok(())
}

fn verdict_line(verdict: Verdict, output: Output) -> std::io::Result<()> {
    let style = match exit(verdict) {
        Exit::Done => Style::Green,
        Exit::Undecided => Style::Yellow,
        _ => Style::Red,
    };
    output.line(format!("Verdict:    {}", output.styled(style, &word(verdict))))
}

/// Qualifiers and faults, the same for all kinds of verification.
fn rest(qualifiers: &[&'static str], faults: &[Fault], output: Output) -> std::io::Result<()> {
    if !qualifiers.is_empty() {
        output.line(format!("Rests on:   {}", qualifiers.join(", ")))?;
    }
    for fault in faults {
        let mut place = String::new();
        let trace = fault.trace_id.as_ref().map(|id| ("trace", id.clone()));
        let span = fault.span_id.as_ref().map(|id| ("span", id.clone()));
        let log = fault.log.as_ref().map(|log| ("log", log.clone()));
        let leaf = fault.index.map(|index| ("leaf", index.to_string()));
        for (name, value) in [trace, span, log, leaf].into_iter().flatten() {
            place.extend([name, " ", &printable(&value), " "]);
        }
        let verdict = output.styled(Style::Red, &word(fault.verdict));
        output.line(format!("{verdict}: {}: {}", place.trim_end(), fault.what))?;
    }
    if qualifiers.contains(&"key-self-asserted") && faults.is_empty() {
        output.hint("keep a copy of the key elsewhere and give it with --key to rely on more than the data itself");
    }
    Ok(())
}

/// What could not even be read. That a database contradicts its last signed checkpoint is a finding;
/// the rest is a failure.
fn unreadable(error: anyhow::Error, output: Output) -> anyhow::Result<Exit> {
    #[derive(Serialize)]
    struct Finding {
        verdict: Verdict,
        faults: Vec<Fault>,
    }
    let (verdict, what) = match error.chain().find_map(|cause| cause.downcast_ref::<Error>()) {
        Some(Error::Invalid { field: "data directory", message }) => {
            (Verdict::Truncated, message.clone())
        }
        Some(Error::Internal(message)) => (Verdict::Altered, message.clone()),
        _ => return Err(error),
    };
    let fault = Fault { verdict, trace_id: None, span_id: None, log: None, index: None, what };
    if output.json {
        output.json(&Finding { verdict, faults: vec![fault] })?;
    } else {
        verdict_line(verdict, output)?;
        rest(&[], &[fault], output)?;
    }
    Ok(exit(verdict))
}
