//! Sends a corpus and counts only spans that are safe.
//!
//! A span counts when its request was answered 2xx and not rejected in `partial_success`; with
//! `--check-url` the run ends only when the query API shows that many spans more than before, and
//! that rate is the one to quote. 429, 502, 503 and 504 are retried after `Retry-After`, as
//! exporters do, and the waiting counts as latency.
//!
//! Bodies are made ready before the clock starts ([`feed`]), so that drawing text does not take the
//! server's cores.

pub mod analytics;
pub mod answer;
pub mod feed;
pub mod sender;
pub mod watch;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Serialize;

use self::{
    analytics::SpanCount,
    feed::Feed,
    sender::{Outcome, Sender, SenderPlan},
    watch::Watch,
};
use crate::{
    corpus::{Format, period::PeriodArgs, stream::StreamPlan},
    http::Target,
    process::{DirectorySize, Usage},
    stats::{LatencySummary, round3},
};

/// Arguments of `exhibit-bench load`.
#[derive(Debug, Clone, Args)]
pub struct LoadArgs {
    /// Where spans are sent.
    #[arg(long, default_value = "http://127.0.0.1:4318/v1/traces")]
    pub url: String,
    /// API key, sent as bearer token.
    #[arg(long, env = "EXHIBIT_KEY", hide_env_values = true, default_value = "")]
    pub key: String,
    /// Send a corpus file instead of drawing one: the PREFIX given to `corpus --out`.
    #[arg(long, conflicts_with_all = ["seed", "spans"])]
    pub corpus: Option<PathBuf>,
    /// Seed of the corpus; use another one for every run on the same store.
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// Number of spans.
    #[arg(long, default_value_t = 100_000)]
    pub spans: usize,
    /// Spans per request.
    #[arg(long, default_value_t = 100)]
    pub batch: usize,
    /// Encoding; must fit the URL.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// When the traces happened.
    #[command(flatten)]
    pub period: PeriodArgs,
    /// Keep-alive connections, each with one request at a time.
    #[arg(long, default_value_t = 8)]
    pub connections: usize,
    /// Send at this many spans per second whether or not answers come (open loop); latencies then
    /// count from the moment a request was due.
    #[arg(long, value_name = "SPANS_PER_S")]
    pub rate: Option<f64>,
    /// Compress bodies with gzip.
    #[arg(long)]
    pub gzip: bool,
    /// Memory for bodies that are made ready ahead, in MiB.
    #[arg(long, default_value_t = 1_024, value_name = "MIB")]
    pub ahead: usize,
    /// Base address of the query API; wait until all sent spans can be queried there.
    #[arg(long, value_name = "URL")]
    pub check_url: Option<String>,
    /// Longest wait for spans to be queryable, seconds.
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    pub check_timeout: u64,
    /// Measure CPU, memory and bytes written of this process during the run.
    #[arg(long, value_name = "PID")]
    pub server_pid: Option<u32>,
    /// Longest wait, in seconds, for the server to come to rest before its costs are read, so that
    /// work done after the acknowledgement counts.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    pub settle: u64,
    /// Measure how much this directory grows.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Result of a load run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LoadReport {
    /// Spans in all requests.
    pub spans_sent: u64,
    /// Spans acknowledged: 2xx, minus rejected.
    pub spans_acked: u64,
    /// Spans refused inside a 2xx answer.
    pub spans_rejected: u64,
    /// Spans of requests that failed for good.
    pub spans_failed: u64,
    /// Requests answered 2xx.
    pub requests: u64,
    /// Bytes of the bodies before compression.
    pub body_bytes: u64,
    /// Bytes of the bodies as sent.
    pub wire_bytes: u64,
    /// From the first request to the last acknowledgement.
    pub wall_seconds: f64,
    /// Acknowledged spans per second.
    pub spans_per_second: f64,
    /// Acknowledgement latency, retries included.
    pub ack: LatencySummary,
    /// Requests sent again after 429, 502, 503 or 504.
    pub retries_overload: u64,
    /// Requests sent again after a broken connection.
    pub retries_connection: u64,
    /// Connections.
    pub connections: usize,
    /// Requested rate, if paced.
    pub rate: Option<f64>,
    /// Time that connections waited for bodies: if this is not near 0 the client was the limit.
    pub starved_seconds: f64,
    /// CPU time of this client during the run.
    pub client_cpu_seconds: f64,
    /// The first failure that was not retried.
    pub first_failure: Option<String>,
    /// Present with `--check-url`.
    pub queryable: Option<Queryable>,
    /// Present with `--server-pid`.
    pub server: Option<ServerCost>,
    /// Present with `--data-dir`.
    pub disk: Option<DiskCost>,
}

/// When everything acknowledged could be queried.
#[derive(Debug, Clone, Serialize)]
pub struct Queryable {
    /// Spans that the query API has more than before.
    pub spans: u64,
    /// Whether they are all that were acknowledged.
    pub complete: bool,
    /// From the first request until then.
    pub wall_seconds: f64,
    /// Durable and queryable spans per second.
    pub spans_per_second: f64,
    /// From the last acknowledgement until then.
    pub lag_ms: f64,
}

/// What the server used.
#[derive(Debug, Clone, Serialize)]
pub struct ServerCost {
    /// CPU microseconds per acknowledged span.
    pub cpu_us_per_span: f64,
    /// CPU microseconds per span by thread name.
    pub cpu_us_per_span_by_thread: serde_json::Map<String, serde_json::Value>,
    /// Bytes sent to the disk per acknowledged span.
    pub written_bytes_per_span: Option<f64>,
    /// The whole reading.
    pub usage: Usage,
}

/// How much a data directory grew.
#[derive(Debug, Clone, Serialize)]
pub struct DiskCost {
    /// Size before.
    pub before_bytes: u64,
    /// Size after.
    pub after: DirectorySize,
    /// Growth per acknowledged span.
    pub bytes_per_span: f64,
    /// Growth over uncompressed body bytes.
    pub ratio_to_body_bytes: f64,
}

/// Runs a load, prints the report as JSON and fails when spans were lost.
pub async fn run(args: &LoadArgs) -> Result<()> {
    let report = measure(args).await?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    let failure = report.first_failure.as_deref().unwrap_or("none");
    ensure!(report.spans_failed == 0, "{} spans were not taken: {failure}", report.spans_failed);
    let complete = report.queryable.as_ref().is_none_or(|queryable| queryable.complete);
    ensure!(complete, "acknowledged spans did not become queryable in time");
    Ok(())
}

/// Runs a load and reports it.
pub async fn measure(args: &LoadArgs) -> Result<LoadReport> {
    ensure!(args.batch > 0 && args.connections > 0, "--batch and --connections must be at least 1");
    ensure!(args.rate.is_none_or(|rate| rate > 0.0), "--rate must be positive");
    let target = Target::parse(&args.url)?;
    let counter =
        args.check_url.as_deref().map(|url| SpanCount::new(url, &args.key)).transpose()?;
    let feed = open_feed(args)?;
    feed.wait_until_ready().await;

    let before = match &counter {
        Some(counter) => counter.read().await.context("cannot read the span count")?,
        None => 0,
    };
    let disk_before = disk(args)?.map_or(0, |size| size.allocated_bytes);
    let watch = args.server_pid.map(Watch::start).transpose()?;
    let own = crate::process::Sample::read(std::process::id()).unwrap_or_default();
    let started = Instant::now();
    let outcome = send_all(args, &target, &feed, started).await?;
    let wall = started.elapsed();

    let mut report = summarise(args, &outcome, wall);
    report.starved_seconds = round3(outcome.starved.as_secs_f64());
    let own_after = crate::process::Sample::read(std::process::id()).unwrap_or_default();
    report.client_cpu_seconds = round3(own_after.cpu_seconds - own.cpu_seconds);
    if let Some(counter) = &counter {
        let limit = Duration::from_secs(args.check_timeout);
        let wanted = before + outcome.acked;
        let found = counter.wait_for(wanted, limit).await?;
        let until = started.elapsed();
        report.queryable = Some(Queryable {
            spans: found.saturating_sub(before),
            complete: found >= wanted,
            wall_seconds: round3(until.as_secs_f64()),
            spans_per_second: rate(found.saturating_sub(before), until),
            lag_ms: round3((until.saturating_sub(wall)).as_secs_f64() * 1e3),
        });
    }
    let spans = outcome.acked.max(1) as f64;
    if let Some(watch) = &watch {
        watch.settle(Duration::from_secs(args.settle)).await?;
    }
    report.server = watch.map(Watch::finish).transpose()?.map(|usage| server_cost(usage, spans));
    report.disk = disk(args)?.map(|after| {
        let growth = after.allocated_bytes.saturating_sub(disk_before) as f64;
        DiskCost {
            before_bytes: disk_before,
            bytes_per_span: round3(growth / spans),
            ratio_to_body_bytes: round3(growth / outcome.body_bytes.max(1) as f64),
            after,
        }
    });
    Ok(report)
}

fn open_feed(args: &LoadArgs) -> Result<Feed> {
    let ahead = args.ahead << 20;
    if let Some(prefix) = &args.corpus {
        return Feed::from_file(prefix, args.format, args.gzip, ahead);
    }
    let plan = StreamPlan {
        seed: args.seed,
        spans: args.spans,
        batch: args.batch,
        format: args.format,
        period: args.period.live()?,
    };
    Ok(Feed::from_seed(plan, args.gzip, ahead))
}

async fn send_all(
    args: &LoadArgs,
    target: &Target,
    feed: &Feed,
    started: Instant,
) -> Result<Outcome> {
    let plan = Arc::new(SenderPlan::new(args, target, started));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..args.connections {
        tasks.spawn(Sender::new(Arc::clone(&plan), feed.clone()).run());
    }
    let mut total = Outcome::default();
    while let Some(finished) = tasks.join_next().await {
        total.merge(finished.context("a connection task failed")?);
    }
    if let Some(error) = feed.failure() {
        return Err(error.context("the corpus could not be read to its end"));
    }
    Ok(total)
}

fn summarise(args: &LoadArgs, outcome: &Outcome, wall: Duration) -> LoadReport {
    LoadReport {
        spans_sent: outcome.acked + outcome.rejected + outcome.failed,
        spans_acked: outcome.acked,
        spans_rejected: outcome.rejected,
        spans_failed: outcome.failed,
        requests: outcome.requests,
        body_bytes: outcome.body_bytes,
        wire_bytes: outcome.wire_bytes,
        wall_seconds: round3(wall.as_secs_f64()),
        spans_per_second: rate(outcome.acked, wall),
        ack: outcome.latencies.summary(),
        retries_overload: outcome.retries_overload,
        retries_connection: outcome.retries_connection,
        connections: args.connections,
        rate: args.rate,
        first_failure: outcome.first_failure.clone(),
        ..LoadReport::default()
    }
}

fn server_cost(usage: Usage, spans: f64) -> ServerCost {
    let micros = |seconds: f64| round3(seconds * 1e6 / spans);
    ServerCost {
        cpu_us_per_span: micros(usage.cpu_seconds),
        cpu_us_per_span_by_thread: usage
            .threads
            .iter()
            .map(|(name, seconds)| (name.clone(), micros(*seconds).into()))
            .collect(),
        written_bytes_per_span: usage.written_bytes.map(|bytes| round3(bytes as f64 / spans)),
        usage,
    }
}

fn disk(args: &LoadArgs) -> Result<Option<DirectorySize>> {
    args.data_dir.as_deref().map(DirectorySize::read).transpose()
}

fn rate(spans: u64, wall: Duration) -> f64 {
    (spans as f64 / wall.as_secs_f64().max(1e-9)).round()
}
