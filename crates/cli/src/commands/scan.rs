//! `exhibit scan`: the detectors over files and JSON lines, without a server.
//!
//! Prints where something stands and what it is, never the value itself.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read as _, Write},
    path::Path,
};

use anyhow::Context as _;
use exhibit_govern::{FingerprintKey, RuleSet, TextFinding, overlay};
use exhibit_model::FindingCategory;
use serde::{Deserialize, Serialize};

use crate::{
    args::ScanArgs,
    failure::{Exit, Failure},
};

/// Text files are read in pieces of so many bytes, cut at the end of a line.
const PIECE_BYTES: usize = 4 << 20;
/// The longest line of JSON that is read.
const LINE_BYTES_MAX: u64 = 256 << 20;
/// What is sure enough to be shown to a person unless they ask for more.
const MIN_SCORE: f64 = 0.4;

/// Files of a directory of rules that hold no detectors.
const OTHERS: [&str; 2] = ["pricing.yaml", "notifications.yaml"];

/// One line of input.
#[derive(Deserialize)]
struct Line {
    text: String,
}

/// The answer to one line.
#[derive(Serialize)]
struct Answer<'a> {
    findings: Vec<Found<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// One finding.
#[derive(Serialize)]
struct Found<'a> {
    entity: &'a str,
    rule: &'a str,
    category: FindingCategory,
    /// Code points, half open.
    start: usize,
    end: usize,
    score: f64,
    validated: bool,
}

/// What happened so far.
#[derive(Default, Clone, Copy)]
struct Tally {
    found: bool,
    unreadable: bool,
}

struct Scan {
    rules: RuleSet,
    min_score_milli: u16,
    widely: bool,
}

/// Runs it.
pub(crate) fn run(args: &ScanArgs, json: bool) -> anyhow::Result<Exit> {
    let min_score = args.min_score.unwrap_or(if args.jsonl { 0.0 } else { MIN_SCORE });
    let scan = Scan {
        rules: rules(args.rules.as_deref())?,
        min_score_milli: (min_score * 1_000.0).round() as u16,
        widely: min_score < MIN_SCORE,
    };
    let mut out = BufWriter::with_capacity(256 << 10, io::stdout().lock());
    let mut tally = Tally::default();
    for path in &args.files {
        let name = path.display().to_string();
        let mut input: Box<dyn BufRead> = if name == "-" {
            Box::new(BufReader::with_capacity(256 << 10, io::stdin().lock()))
        } else {
            let file = open(path)?;
            Box::new(BufReader::with_capacity(256 << 10, file))
        };
        let now = if args.jsonl {
            scan.lines(&mut *input, &mut out)
        } else {
            scan.text(&mut *input, &name, json, &mut out)
        };
        let now = now.with_context(|| format!("cannot read {name} or write the answer"))?;
        tally.found |= now.found;
        tally.unreadable |= now.unreadable;
    }
    out.flush()?;
    Ok(match tally {
        Tally { found: true, .. } => Exit::Failed,
        Tally { unreadable: true, .. } => Exit::Usage,
        Tally { .. } => Exit::Done,
    })
}

fn open(path: &Path) -> anyhow::Result<File> {
    let refused = |why: String| {
        Failure::usage(format!("cannot read {}: {why}", path.display()))
            .hint("give files, or `-` for standard input")
    };
    let file = File::open(path).map_err(|error| refused(error.to_string()))?;
    if file.metadata().is_ok_and(|data| data.is_dir()) {
        return Err(refused("it is a directory".to_owned()).into());
    }
    Ok(file)
}

/// The shipped detectors, with those of a directory over them.
fn rules(directory: Option<&Path>) -> anyhow::Result<RuleSet> {
    let mut own = Vec::new();
    if let Some(directory) = directory {
        for folder in ["", "detectors"] {
            let place = directory.join(folder);
            let entries = match std::fs::read_dir(&place) {
                Ok(entries) => entries,
                Err(_) if !folder.is_empty() => continue,
                Err(error) => {
                    let message = format!("cannot read {}: {error}", place.display());
                    return Err(Failure::usage(message).into());
                }
            };
            for entry in entries {
                let path = entry?.path();
                let yaml = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
                // In a directory of rules these stand beside the detectors.
                let other = |file: &OsStr| folder.is_empty() && OTHERS.iter().any(|o| file == *o);
                let file = path.file_name().filter(|file| yaml && !other(file));
                if let Some(file) = file {
                    let text = std::fs::read_to_string(&path)
                        .with_context(|| format!("cannot read {}", path.display()))?;
                    own.push((format!("detectors/{}", file.to_string_lossy()), text));
                }
            }
        }
    }
    // Fingerprints are not shown here, so that any key does.
    RuleSet::load(&overlay(own), FingerprintKey::new([0; 32]))
        .map_err(|errors| Failure::usage(errors.to_string()).into())
}

impl Scan {
    fn find(&self, text: &str) -> Vec<TextFinding> {
        let mut found = if self.widely {
            self.rules.scan_text_widely(text)
        } else {
            self.rules.scan_text(text)
        };
        found.retain(|finding| finding.score_milli >= self.min_score_milli);
        found
    }

    /// JSON lines in, JSON lines out.
    fn lines(&self, input: &mut dyn BufRead, out: &mut impl Write) -> io::Result<Tally> {
        let mut tally = Tally::default();
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut *input).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(tally);
            }
            let cut = read as u64 == LINE_BYTES_MAX && line.last() != Some(&b'\n');
            if cut {
                skip_line(input)?;
            }
            let error = if cut {
                format!("a line is longer than {LINE_BYTES_MAX} bytes")
            } else {
                match serde_json::from_slice::<Line>(&line) {
                    Ok(Line { text }) => {
                        let found = self.find(&text);
                        tally.found |= !found.is_empty();
                        let findings = with_code_points(&text, &found);
                        answer(out, &Answer { findings, error: None })?;
                        continue;
                    }
                    // The place, not the text: it may hold a credential.
                    Err(error) => format!(
                        "not a JSON object with a string `text` (column {})",
                        error.column()
                    ),
                }
            };
            tally.unreadable = true;
            answer(out, &Answer { findings: Vec::new(), error: Some(error) })?;
        }
    }

    /// Text in, one line per finding out.
    fn text(
        &self,
        input: &mut dyn BufRead,
        name: &str,
        json: bool,
        out: &mut impl Write,
    ) -> io::Result<Tally> {
        let mut tally = Tally::default();
        let (mut piece, mut line) = (Vec::new(), 1);
        loop {
            piece.clear();
            (&mut *input).take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
            if piece.is_empty() {
                return Ok(tally);
            }
            if piece.len() == PIECE_BYTES {
                (&mut *input).take(PIECE_BYTES as u64).read_until(b'\n', &mut piece)?;
            }
            let text = String::from_utf8_lossy(&piece);
            let mut at = 0;
            for finding in self.find(&text) {
                tally.found = true;
                line += newlines(&text[at..finding.start]);
                at = finding.start;
                let begin = text[..at].rfind('\n').map_or(0, |n| n + 1);
                let column = text[begin..at].chars().count() + 1;
                if json {
                    let found = serde_json::json!({
                        "file": name, "line": line, "column": column,
                        "entity": finding.entity, "rule": finding.rule,
                        "category": finding.category, "score": score(&finding),
                        "validated": finding.validated,
                    });
                    writeln!(out, "{found}")?;
                } else {
                    let TextFinding { entity, rule, .. } = &finding;
                    writeln!(
                        out,
                        "{name}:{line}:{column}: {entity} ({rule}, {:.2})",
                        score(&finding)
                    )?;
                }
            }
            line += newlines(&text[at..]);
        }
    }
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

fn score(finding: &TextFinding) -> f64 {
    f64::from(finding.score_milli) / 1_000.0
}

fn answer(out: &mut impl Write, answer: &Answer<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, answer)?;
    out.write_all(b"\n")
}

/// Reads to the end of a line and forgets it.
fn skip_line(input: &mut dyn BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let (length, ended) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        input.consume(length);
        if ended {
            return Ok(());
        }
    }
}

/// Findings with offsets in code points; they come in order of their starts, so one walk is enough.
fn with_code_points<'a>(text: &str, findings: &'a [TextFinding]) -> Vec<Found<'a>> {
    let ascii = text.is_ascii();
    let (mut byte, mut point) = (0, 0);
    findings
        .iter()
        .map(|finding| {
            if !ascii {
                point += text[byte..finding.start].chars().count();
                byte = finding.start;
            }
            let start = if ascii { finding.start } else { point };
            let length = if ascii {
                finding.end - finding.start
            } else {
                text[finding.start..finding.end].chars().count()
            };
            Found {
                entity: &finding.entity,
                rule: &finding.rule,
                category: finding.category,
                start,
                end: start + length,
                score: score(finding),
                validated: finding.validated,
            }
        })
        .collect()
}
