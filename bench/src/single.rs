//! One client, one span per request, one request at a time: how long does a program that exports
//! synchronously wait?

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Serialize;

use crate::{
    corpus::{
        Format,
        period::PeriodArgs,
        stream::{BatchStream, StreamPlan},
    },
    http::{Connection, Request, Target},
    load::sender::authorization,
    stats::{Latencies, LatencySummary},
};

const WARM_UP: usize = 20;

/// Arguments of `exhibit-bench single`.
#[derive(Debug, Args)]
pub struct SingleArgs {
    /// Where spans are sent.
    #[arg(long, default_value = "http://127.0.0.1:4318/v1/traces")]
    pub url: String,
    /// API key, sent as bearer token.
    #[arg(long, env = "EXHIBIT_KEY", hide_env_values = true, default_value = "")]
    pub key: String,
    /// Number of requests that are measured.
    #[arg(long, default_value_t = 500)]
    pub n: usize,
    /// Pause between two requests in milliseconds; 0 sends as fast as answers come.
    #[arg(long, default_value_t = 0)]
    pub pause_ms: u64,
    /// Seed of the spans.
    #[arg(long, default_value_t = 4_711)]
    pub seed: u64,
    /// Encoding; must fit the URL.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Result of `exhibit-bench single`.
#[derive(Debug, Serialize)]
pub struct SingleReport {
    /// Requests measured.
    pub requests: usize,
    /// Acknowledgement latency.
    pub ack: LatencySummary,
}

/// Measures and prints JSON.
pub async fn run(args: &SingleArgs) -> Result<()> {
    let report = measure(args).await?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

/// Sends the spans and measures each acknowledgement.
pub async fn measure(args: &SingleArgs) -> Result<SingleReport> {
    let target = Target::parse(&args.url)?;
    let period = PeriodArgs { days: 0, now: true, end: None }.live()?;
    let spans = args.n + WARM_UP;
    let plan = StreamPlan { seed: args.seed, spans, batch: 1, format: args.format, period };
    let bodies: Vec<Vec<u8>> = BatchStream::new(plan).map(|batch| batch.body).collect();
    let headers =
        format!("{}Content-Type: {}\r\n", authorization(&args.key), args.format.content_type());
    let mut connection = Connection::new(&target.authority);
    let mut latencies = Latencies::default();
    for (place, body) in bodies.iter().enumerate() {
        let sent = Instant::now();
        let request = Request { method: "POST", path: &target.path, headers: &headers, body };
        let response = connection.send(request).await.context("sending a span")?;
        ensure!(
            response.is_success(),
            "HTTP {}: {:.200}",
            response.status,
            String::from_utf8_lossy(&response.body)
        );
        if place >= WARM_UP {
            latencies.push(sent.elapsed());
        }
        if args.pause_ms > 0 {
            tokio::time::sleep(Duration::from_millis(args.pause_ms)).await;
        }
    }
    Ok(SingleReport { requests: args.n, ack: latencies.summary() })
}
