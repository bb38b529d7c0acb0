//! How soon after its acknowledgement does a span stand under a signed checkpoint, and how soon is it
//! found by full-text search? Run it beside a paced `load` to see the answers under traffic.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::{
    corpus::{
        catalog::{Convention, SERVICES},
        law::{Kind, SpanSketch, TraceSketch},
        otlp,
        period::unix_time,
        rng::Rng,
    },
    http::{Connection, Request, Target},
    load::sender::authorization,
    query::rows,
    stats::{Latencies, LatencySummary},
};

const POLL: Duration = Duration::from_millis(20);

/// Arguments of `exhibit-bench freshness`.
#[derive(Debug, Args)]
pub struct FreshnessArgs {
    /// Where spans are sent.
    #[arg(long, default_value = "http://127.0.0.1:4318/v1/traces")]
    pub url: String,
    /// Base address of the query API.
    #[arg(long, default_value = "http://127.0.0.1:3000")]
    pub base: String,
    /// API key, sent as bearer token.
    #[arg(long, env = "EXHIBIT_KEY", hide_env_values = true, default_value = "")]
    pub key: String,
    /// Number of probes.
    #[arg(long, default_value_t = 20)]
    pub n: usize,
    /// Pause between two probes in milliseconds.
    #[arg(long, default_value_t = 400)]
    pub pause_ms: u64,
    /// Longest wait for one probe, seconds.
    #[arg(long, default_value_t = 30)]
    pub timeout: u64,
}

/// Result of `exhibit-bench freshness`.
#[derive(Debug, Serialize)]
pub struct FreshnessReport {
    /// Probes that were found and proved.
    pub found: usize,
    /// Probes that were not in time.
    pub missed: usize,
    /// From the acknowledgement to the answer that proved the span under a signed checkpoint.
    pub checkpointed: LatencySummary,
    /// From the acknowledgement to the answer that contained the span.
    pub searchable: LatencySummary,
}

/// Measures and prints JSON.
pub async fn run(args: &FreshnessArgs) -> Result<()> {
    let report = measure(args).await?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    ensure!(report.missed == 0, "{} probes were never found or never proved", report.missed);
    Ok(())
}

/// Sends probes, each with a word of its own, asks for their proofs and searches for them.
pub async fn measure(args: &FreshnessArgs) -> Result<FreshnessReport> {
    let ingest = Target::parse(&args.url)?;
    let base = Target::parse(&args.base)?;
    let key = authorization(&args.key);
    let headers = format!("{key}Content-Type: application/x-protobuf\r\n");
    let mut sending = Connection::new(&ingest.authority);
    let mut asking = Connection::new(&base.authority);
    let mut rng = Rng::new(unix_time().as_nanos() as u64);
    let mut latencies = [Latencies::default(), Latencies::default()];
    let mut missed = 0;
    for _ in 0..args.n {
        let word: String = (0..14).map(|_| char::from(b'a' + rng.below(26) as u8)).collect();
        let (trace, span) = (rng.bytes(), rng.bytes());
        let body = probe(trace, span, &word);
        let request =
            Request { method: "POST", path: &ingest.path, headers: &headers, body: &body };
        let response = sending.send(request).await.context("sending a probe")?;
        ensure!(response.is_success(), "the probe was answered {}", response.status);
        let (acked, limit) = (Instant::now(), Duration::from_secs(args.timeout));
        let traces = format!("{}/api/v1/traces", base.path.trim_end_matches('/'));
        let (trace, span) = (hex::encode(trace), hex::encode(span));
        let questions = [
            (format!("{traces}/{trace}/spans/{span}/verification"), is_proved as fn(&[u8]) -> bool),
            (format!("{traces}?limit=5&q={word}"), is_found),
        ];
        let mut waits = [None; 2];
        while waits.contains(&None) && acked.elapsed() < limit {
            for ((path, holds), wait) in questions.iter().zip(&mut waits) {
                let request = Request { method: "GET", path, headers: &key, body: b"" };
                if wait.is_none() && asked(&mut asking, request, *holds).await? {
                    *wait = Some(acked.elapsed());
                }
            }
            tokio::time::sleep(POLL).await;
        }
        missed += usize::from(waits.contains(&None));
        for (latencies, wait) in latencies.iter_mut().zip(waits) {
            wait.into_iter().for_each(|wait| latencies.push(wait));
        }
        tokio::time::sleep(Duration::from_millis(args.pause_ms)).await;
    }
    let [checkpointed, searchable] = latencies.map(|latencies| latencies.summary());
    Ok(FreshnessReport { found: args.n - missed, missed, checkpointed, searchable })
}

/// Asks, and says whether the answer is what is waited for.
async fn asked(
    connection: &mut Connection,
    request: Request<'_>,
    holds: fn(&[u8]) -> bool,
) -> Result<bool> {
    let response = connection.send(request).await.context("asking for a probe")?;
    ensure!(response.is_success(), "a question was answered {}", response.status);
    Ok(holds(&response.body))
}

fn is_found(body: &[u8]) -> bool {
    rows(body).is_some_and(|rows| rows > 0)
}

fn is_proved(body: &[u8]) -> bool {
    let answer: Option<Value> = serde_json::from_slice(body).ok();
    answer.is_some_and(|answer| answer["data"]["verdict"] == "valid")
}

/// A trace of one finished agent span that says `word`.
fn probe(trace: [u8; 16], span: [u8; 8], word: &str) -> Vec<u8> {
    let service = SERVICES.iter().position(|s| s.convention == Convention::OpenInference);
    let service = service.unwrap_or(0);
    let end_ns = unix_time().as_nanos() as u64;
    let agent = SERVICES[service].agents[0];
    let span = SpanSketch {
        kind: Kind::Agent,
        id: span,
        parent: None,
        subject: agent,
        agent,
        start_ns: end_ns.saturating_sub(5_000_000),
        end_ns,
        error: None,
        input: format!("please look for {word} in the handbook"),
        output: "found".to_owned(),
        call: None,
        documents: Vec::new(),
    };
    let trace = TraceSketch {
        id: trace,
        service,
        session: "sess-freshness".to_owned(),
        user: "user-probe".to_owned(),
        tags: Vec::new(),
        spans: Vec::new(),
    };
    let mut spans = Vec::new();
    otlp::push_span(&mut spans, &trace, &span);
    otlp::request(service, &spans)
}
