//! `exhibit-verify`: checks evidence bundles, and does nothing else. No server, no network, no
//! database; what it needs to know stands on its command line.

use std::{fs, process::ExitCode};

use exhibit_evidence::{Demands, Report, Verdict, stamp::Roots, verify};
use exhibit_ledger::{Policy, SignedCheckpoint};

const USAGE: &str = "\
Checks an evidence bundle of Exhibit.

Usage: exhibit-verify [OPTIONS] FILE.zip

  --key VKEY         verifier key of the log or installation, pinned from outside
  --policy FILE      witnesses that you trust (C2SP tlog-policy)
  --checkpoint FILE  checkpoint of the log that you have kept (C2SP tlog-checkpoint)
  --timestamp-roots FILE
                     certificates (PEM) that you trust to name time-stamp authorities
  --require-witness  a bundle without a trusted cosignature or your own checkpoint is not enough
  --json             print the report as JSON

Exit codes: 0 valid or erased-with-certificate, 1 not (it says what), 2 wrong usage, 3 cannot be decided from this bundle.";

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(mut args: impl Iterator<Item = String>) -> Result<ExitCode, String> {
    let (mut demands, mut file, mut json) = (Demands::default(), None, false);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} wants a value\n\n{USAGE}"));
        match &*arg {
            "--help" | "-h" => {
                println!("{USAGE}");
                return Ok(ExitCode::SUCCESS);
            }
            "--json" => json = true,
            "--require-witness" => demands.require_witness = true,
            "--key" => {
                demands.key = Some(value()?.trim().parse().map_err(|e| format!("--key: {e}"))?);
            }
            "--policy" => {
                let text = read(&value()?)?;
                let text = String::from_utf8(text).map_err(|e| format!("--policy: {e}"))?;
                demands.policy = Some(Policy::parse(&text).map_err(|e| format!("--policy: {e}"))?);
            }
            "--checkpoint" => {
                let note = SignedCheckpoint::parse(&read(&value()?)?);
                demands.checkpoint = Some(note.map_err(|e| format!("--checkpoint: {e}"))?);
            }
            "--timestamp-roots" => {
                let roots = Roots::from_pem(&read(&value()?)?);
                demands.roots = roots.map_err(|e| format!("--timestamp-roots: {e}"))?;
            }
            name if name.starts_with('-') => {
                return Err(format!("there is no option {name}\n\n{USAGE}"));
            }
            _ if file.is_none() => file = Some(arg),
            _ => return Err(format!("one file at a time\n\n{USAGE}")),
        }
    }
    let file = file.ok_or(format!("name a bundle\n\n{USAGE}"))?;
    fs::metadata(&file).map_err(|e| format!("{file}: {e}"))?;
    let report = verify(&|| fs::File::open(&file), &demands, &|_, _| {});
    if json {
        println!("{}", serde_json::to_string(&report).map_err(|e| e.to_string())?);
    } else {
        print(&report);
    }
    Ok(ExitCode::from(match report.verdict {
        Verdict::Valid | Verdict::ErasedWithCertificate => 0,
        Verdict::Unverifiable => 3,
        _ => 1,
    }))
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{path}: {error}"))
}

fn print(report: &Report) {
    let word = serde_json::to_value(report.verdict).unwrap_or_default();
    println!("Verdict:   {}", word.as_str().unwrap_or_default());
    if !report.qualifiers.is_empty() {
        println!("Rests on:  {}", report.qualifiers.join(", "));
    }
    println!("Log:       {}", report.log);
    println!("Key:       {}", report.key);
    println!("Leaves:    {} of {}", report.leaves, report.tree_size);
    println!("Traces:    {}", report.traces);
    println!("Records:   {}", report.records);
    if report.complete && report.verdict == Verdict::Valid {
        println!("Complete:  every entry of the log before the checkpoint is here");
    }
    if !report.witnesses.is_empty() {
        println!("Witnesses: {}", report.witnesses.join(", "));
    }
    for stamp in &report.stamps {
        let trust = if stamp.trusted { "" } else { " (an authority that you did not name)" };
        println!("Stamped:   {}{trust}", stamp.time);
    }
    for one in &report.erasures {
        println!("Erased:    {}", one.in_words());
    }
    for fault in &report.faults {
        let word = serde_json::to_value(fault.verdict).unwrap_or_default();
        let place = [
            fault.file.clone(),
            fault.trace_id.as_ref().map(|id| format!("trace {id}")),
            fault.index.map(|index| format!("leaf {index}")),
        ];
        let place: Vec<String> = place.into_iter().flatten().collect();
        let word = word.as_str().unwrap_or_default().to_owned();
        println!("{word} ({}): {} [{}]", fault.code, fault.what, place.join(", "));
    }
}
