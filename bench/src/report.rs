//! Turns the result files of a run into one Markdown report: what was measured, what was wanted,
//! and whether it was reached.
//!
//! A figure whose file is missing is reported as not measured, never guessed.

pub mod figures;

use std::{fmt::Write as _, fs, path::PathBuf};

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use self::figures::{Figure, figures};

/// Arguments of `exhibit-bench report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Directory of the result files, as `run.sh` leaves it.
    #[arg(long)]
    pub dir: PathBuf,
}

/// The result files of a run.
#[derive(Debug)]
pub struct Results {
    directory: PathBuf,
}

impl Results {
    /// The results in a directory.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// `NAME.json`, or null when it is missing or was cut off.
    pub fn json(&self, name: &str) -> Value {
        let text = fs::read_to_string(self.directory.join(format!("{name}.json")));
        text.ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// `NAME.txt`, trimmed; empty when it is missing.
    pub fn text(&self, name: &str) -> String {
        let text = fs::read_to_string(self.directory.join(format!("{name}.txt")));
        text.map(|text| text.trim().to_owned()).unwrap_or_default()
    }
}

/// Prints the report.
pub fn run(args: &ReportArgs) -> Result<()> {
    print!("{}", render(&Results::new(args.dir.clone()))?);
    Ok(())
}

/// Writes the report.
pub fn render(results: &Results) -> Result<String> {
    let mut out = String::from("# Benchmark report\n\n");
    let environment = results.text("environment");
    if !environment.is_empty() {
        writeln!(out, "```text\n{environment}\n```\n")?;
    }
    out.push_str("| figure | measured | must reach | reached |\n|---|---:|---:|---|\n");
    for figure in figures(results) {
        writeln!(out, "{}", row(&figure))?;
    }
    push_loads(&mut out, results)?;
    push_threads(&mut out, results)?;
    push_queries(&mut out, results)?;
    push_disk(&mut out, results)?;
    let steps = results.text("steps");
    if !steps.is_empty() {
        writeln!(out, "\n## Steps\n\n```text\n{steps}\n```")?;
    }
    Ok(out)
}

fn row(figure: &Figure) -> String {
    let name = &figure.name;
    let Some(value) = figure.value else {
        return format!("| {name} | not measured | {} | |", figure.limit.text(figure.unit));
    };
    let reached = match figure.limit.holds(value) {
        Some(true) => "yes",
        Some(false) => "**no**",
        None => "",
    };
    let value = number(value);
    format!("| {name} | {value} {} | {} | {reached} |", figure.unit, figure.limit.text(figure.unit))
}

/// A number with as many decimals as its size deserves.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 => {
            let digits = format!("{value:.0}");
            let mut out = String::new();
            for (place, digit) in digits.chars().enumerate() {
                let left = digits.len() - place;
                if place > 0 && left % 3 == 0 && out != "-" {
                    out.push(',');
                }
                out.push(digit);
            }
            out
        }
        size if size.fract() == 0.0 || size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn at(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::Number(n)) => n.as_f64().map(number).unwrap_or_default(),
        Some(Value::String(text)) => text.clone(),
        _ => "–".to_owned(),
    }
}

fn push_loads(out: &mut String, results: &Results) -> Result<()> {
    let runs: Vec<(&str, Value)> = [
        ("sustained", "sustained"),
        ("half load", "half"),
        ("fill to 1 M", "fill"),
        ("5,000 spans/s", "paced"),
    ]
    .into_iter()
    .map(|(title, name)| (title, results.json(name)))
    .filter(|(_, value)| !value.is_null())
    .collect();
    if runs.is_empty() {
        return Ok(());
    }
    let columns = [
        ("spans", "/spans_acked"),
        ("conns", "/connections"),
        ("acked/s", "/spans_per_second"),
        ("queryable/s", "/queryable/spans_per_second"),
        ("lag ms", "/queryable/lag_ms"),
        ("ack p50 ms", "/ack/p50_ms"),
        ("p90", "/ack/p90_ms"),
        ("p99", "/ack/p99_ms"),
        ("max", "/ack/max_ms"),
        ("retries", "/retries_overload"),
        ("server CPU µs/span", "/server/cpu_us_per_span"),
        ("written B/span", "/server/written_bytes_per_span"),
        ("peak MB", "/server/usage/rss_max_mb"),
        ("client CPU s", "/client_cpu_seconds"),
        ("starved s", "/starved_seconds"),
    ];
    out.push_str("\n## Loads\n\n| run |");
    columns.iter().try_for_each(|(title, _)| write!(out, " {title} |"))?;
    writeln!(out, "\n|---|{}", "---:|".repeat(columns.len()))?;
    for (title, run) in runs {
        write!(out, "| {title} |")?;
        columns.iter().try_for_each(|(_, pointer)| write!(out, " {} |", at(&run, pointer)))?;
        writeln!(out)?;
    }
    Ok(())
}

fn push_threads(out: &mut String, results: &Results) -> Result<()> {
    let run = results.json("sustained");
    let threads = run.pointer("/server/cpu_us_per_span_by_thread").and_then(Value::as_object);
    let Some(threads) = threads.filter(|threads| !threads.is_empty()) else { return Ok(()) };
    let mut sorted: Vec<(&String, f64)> =
        threads.iter().filter_map(|(name, micros)| Some((name, micros.as_f64()?))).collect();
    sorted.sort_by(|a, b| b.1.total_cmp(&a.1));
    out.push_str("\n## Server CPU by thread, sustained load\n\n| thread | µs/span |\n|---|---:|\n");
    for (name, micros) in sorted {
        writeln!(out, "| `{name}` | {} |", number(micros))?;
    }
    Ok(())
}

fn push_queries(out: &mut String, results: &Results) -> Result<()> {
    let queries = results.json("query");
    let Some(queries) = queries.as_array() else { return Ok(()) };
    out.push_str(
        "\n## Queries\n\n| group | query | n | p50 ms | p95 ms | p99 ms | max ms | rows | bytes | |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|---|\n",
    );
    for query in queries {
        let cells = [
            "/group",
            "/name",
            "/latency/n",
            "/latency/p50_ms",
            "/latency/p95_ms",
            "/latency/p99_ms",
            "/latency/max_ms",
            "/rows/1",
            "/bytes",
        ];
        cells.iter().try_for_each(|pointer| write!(out, "| {} ", at(query, pointer)))?;
        let problem = query.pointer("/problem").and_then(Value::as_str).unwrap_or_default();
        writeln!(out, "| {} |", problem.replace('|', "\\|"))?;
    }
    Ok(())
}

fn push_disk(out: &mut String, results: &Results) -> Result<()> {
    for name in ["fill", "sustained"] {
        let run = results.json(name);
        let Some(entries) = run.pointer("/disk/after/entries").and_then(Value::as_object) else {
            continue;
        };
        writeln!(out, "\n## Disk after the {name} run\n\n| entry | MB |\n|---|---:|")?;
        for (entry, bytes) in entries {
            let megabytes = bytes.as_f64().unwrap_or(0.0) / 1e6;
            writeln!(out, "| `{entry}` | {} |", number(megabytes))?;
        }
        break;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Results, number, render};

    #[test]
    fn numbers_are_written_with_their_size_in_mind() {
        assert_eq!(
            [1_234_567.0, 123.4, 12.34, 1.234, 8.0].map(number),
            ["1,234,567", "123", "12.3", "1.23", "8"]
        );
    }

    #[test]
    fn an_empty_directory_gives_a_report_of_nothing_measured() {
        let directory = tempfile::tempdir().unwrap();
        let text = render(&Results::new(directory.path().into())).unwrap();
        assert!(text.contains("| not measured | ≥ 20,000 spans/s |"), "{text}");
        assert!(!text.contains("| yes |"));
    }

    #[test]
    fn a_figure_that_misses_its_mark_is_marked() {
        let directory = tempfile::tempdir().unwrap();
        let json = r#"{"ack":{"p50_ms":7.5}}"#;
        std::fs::write(directory.path().join("single.json"), json).unwrap();
        let text = render(&Results::new(directory.path().into())).unwrap();
        assert!(text.contains("| 7.50 ms | ≤ 5 ms | **no** |"), "{text}");
    }
}
