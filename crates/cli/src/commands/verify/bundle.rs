//! `exhibit verify FILE`: an evidence bundle, or a tlog-proof file with its entry.

use std::{fs, io::Read as _, path::Path};

use exhibit_evidence::{Demands, Report, Verdict, stamp::Roots, verify};
use exhibit_ledger::{Policy, SignedCheckpoint, TlogProof, VerifierKey, leaf_hash};
use serde_json::json;

use super::Pin;
use crate::{
    args::VerifyArgs,
    failure::{Exit, Failure},
    output::{Output, Style, printable},
};

/// First bytes of a tlog-proof file.
const PROOF: &[u8] = b"c2sp.org/tlog-proof@";

/// Runs the command.
pub(super) fn run(args: &VerifyArgs, file: &Path, output: Output) -> anyhow::Result<Exit> {
    let unreadable = |error| Failure::usage(format!("{}: {error}", file.display()));
    let mut start = Vec::new();
    fs::File::open(file)
        .and_then(|f| f.take(PROOF.len() as u64).read_to_end(&mut start))
        .map_err(unreadable)?;
    if start == PROOF {
        return proof(args, file, output);
    }
    let demands = demands(args)?;
    let bar = super::bar::bytes(output);
    let report = verify(&|| fs::File::open(file), &demands, &|done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    if output.json {
        output.json(&report)?;
    } else {
        print(&report, output)?;
    }
    Ok(match report.verdict {
        Verdict::Valid | Verdict::ErasedWithCertificate => Exit::Done,
        Verdict::Unverifiable => Exit::Undecided,
        _ => Exit::Failed,
    })
}

fn demands(args: &VerifyArgs) -> anyhow::Result<Demands> {
    let key = args.key.as_deref().map(|key| key.trim().parse::<VerifierKey>()).transpose();
    let key = key.map_err(|error| Failure::usage(format!("--key: {error}")))?;
    let mut demands = Demands { key, require_witness: args.require_witness, ..Demands::default() };
    if let Some(path) = &args.policy {
        let text = fs::read_to_string(path).map_err(|error| named("--policy", path, &error))?;
        let policy = Policy::parse(&text).map_err(|error| named("--policy", path, &error))?;
        demands.policy = Some(policy);
    }
    if let Some(path) = &args.checkpoint {
        let note = fs::read(path).map_err(|error| named("--checkpoint", path, &error))?;
        let note = SignedCheckpoint::parse(&note);
        demands.checkpoint = Some(note.map_err(|error| named("--checkpoint", path, &error))?);
    }
    if let Some(path) = &args.timestamp_roots {
        let pem = fs::read(path).map_err(|error| named("--timestamp-roots", path, &error))?;
        let roots = Roots::from_pem(&pem);
        demands.roots = roots.map_err(|error| named("--timestamp-roots", path, &error))?;
    }
    Ok(demands)
}

fn named(flag: &str, path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format!("{flag} {}: {error}", path.display()))
}

fn print(report: &Report, output: Output) -> anyhow::Result<()> {
    let word = serde_json::to_value(report.verdict).unwrap_or_default();
    let style = match report.verdict {
        Verdict::Valid | Verdict::ErasedWithCertificate => Style::Green,
        Verdict::Unverifiable => Style::Yellow,
        _ => Style::Red,
    };
    let word = word.as_str().unwrap_or_default();
    output.line(format!("Verdict:    {}", output.styled(style, word)))?;
    output.line(format!("Log:        {}", printable(&report.log)))?;
    output.line(format!("Key:        {}", printable(&report.key)))?;
    output.line(format!("Made:       {}", printable(&report.created)))?;
    output.line(format!("Traces:     {}", report.traces))?;
    output.line(format!("Records:    {}", report.records))?;
    output.line(format!("Leaves:     {} of {}", report.leaves, report.tree_size))?;
    if report.complete && report.verdict == Verdict::Valid {
        output.line("Complete:   every entry of the log before the checkpoint is here")?;
    }
    if !report.witnesses.is_empty() {
        output.line(format!("Witnesses:  {}", printable(&report.witnesses.join(", "))))?;
    }
    for stamp in &report.stamps {
        let trust = if stamp.trusted { "" } else { " (an authority that you did not name)" };
        output.line(format!("Stamped:    {}{trust}", stamp.time))?;
    }
    for one in &report.erasures {
        output.line(printable(&format!("Erased:     {}", one.in_words())))?;
    }
    if !report.qualifiers.is_empty() {
        output.line(format!("Rests on:   {}", report.qualifiers.join(", ")))?;
    }
    for fault in &report.faults {
        let word = serde_json::to_value(fault.verdict).unwrap_or_default();
        let place = [
            fault.file.clone(),
            fault.trace_id.as_ref().map(|id| format!("trace {id}")),
            fault.index.map(|index| format!("leaf {index}")),
        ];
        let place: Vec<String> = place.into_iter().flatten().collect();
        let place =
            if place.is_empty() { String::new() } else { format!(" [{}]", place.join(", ")) };
        let word = word.as_str().unwrap_or_default().to_owned();
        let what = format!("{word} ({}): {}{place}", fault.code, fault.what);
        output.line(printable(&what))?;
    }
    Ok(())
}

/// A tlog-proof file: does the entry stand under the checkpoint that it carries?
fn proof(args: &VerifyArgs, file: &Path, output: Output) -> anyhow::Result<Exit> {
    let entry = args.entry.as_ref().ok_or_else(|| {
        Failure::usage("this is a proof file: name the entry that it proves with --entry FILE")
    })?;
    let key = args.key.as_deref().ok_or_else(|| {
        Failure::usage("a proof file holds no key: give the log's with --key VKEY")
    })?;
    Pin::parse(key)?;
    let key: VerifierKey =
        key.trim().parse().map_err(|error| Failure::usage(format!("--key: {error}")))?;
    let entry = fs::read(entry).map_err(|error| named("--entry", entry, &error))?;
    let proof = fs::read(file).map_err(|error| named("", file, &error))?;
    let checked = TlogProof::parse(&proof).and_then(|proof| {
        // Every log of an installation has its key; the name is the origin of the log.
        proof.verify(&leaf_hash(&entry), key.name(), &key).map(|()| proof)
    });
    let (verdict, what) = match &checked {
        Ok(proof) => ("valid", format!("the entry is leaf {} of {}", proof.index, key.name())),
        Err(error) => ("bad-proof", error.to_string()),
    };
    if output.json {
        output.json(&json!({ "verdict": verdict, "what": what }))?;
    } else {
        let style = if checked.is_ok() { Style::Green } else { Style::Red };
        output.line(format!("Verdict:    {}", output.styled(style, verdict)))?;
        output.line(printable(&what))?;
    }
    Ok(if checked.is_ok() { Exit::Done } else { Exit::Failed })
}
