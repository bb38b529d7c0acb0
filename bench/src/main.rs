//! Command line of the measuring instruments: parses the arguments and hands them to one command.

use anyhow::Result;
use clap::{Parser, Subcommand};
use exhibit_bench::{cold_start, corpus, freshness, load, measure, query, report, single};

/// Seeded corpus, load client and query timings for Exhibit.
#[derive(Parser)]
#[command(name = "exhibit-bench", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write a seeded, byte-reproducible corpus of agent traces with a manifest.
    Corpus(corpus::CorpusArgs),
    /// Send a corpus over keep-alive connections and count what became durable and queryable.
    Load(load::LoadArgs),
    /// One client, one span per request, one request at a time.
    Single(single::SingleArgs),
    /// Measure the latency of lists, filters, traces, analytics and full text.
    Query(query::QueryArgs),
    /// Measure how soon an acknowledged span is found by full-text search.
    Freshness(freshness::FreshnessArgs),
    /// Start a server repeatedly and measure the time until it answers healthy.
    ColdStart(cold_start::ColdStartArgs),
    /// Sample CPU, memory and bytes written of a process for a while or during a command.
    Measure(measure::MeasureArgs),
    /// Turn the result files of a run into a Markdown report.
    Report(report::ReportArgs),
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Corpus(args) => corpus::run(&args),
        Command::Load(args) => block_on(load::run(&args)),
        Command::Single(args) => block_on(single::run(&args)),
        Command::Query(args) => block_on(query::run(&args)),
        Command::Freshness(args) => block_on(freshness::run(&args)),
        Command::ColdStart(args) => block_on(cold_start::run(&args)),
        Command::Measure(args) => measure::run(&args),
        Command::Report(args) => report::run(&args),
    }
}

/// Runs a client on one thread: the less of the machine it takes, the truer the figures.
fn block_on(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
