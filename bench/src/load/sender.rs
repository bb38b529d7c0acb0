//! One connection at work: takes parcels, sends each until it is acknowledged, keeps count.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{sleep, sleep_until};

use super::{
    LoadArgs,
    answer::{rejected_native, rejected_otlp},
    feed::{Feed, Parcel},
};
use crate::{
    corpus::Format,
    http::{Connection, Request, Target},
    stats::Latencies,
};

/// A request is given up after so many attempts.
const ATTEMPTS_MAX: u32 = 100;
/// Wait before another attempt when the server names none, and the longest that is obeyed.
const RETRY_DEFAULT: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// What all connections of a run share.
pub struct SenderPlan {
    authority: String,
    path: String,
    headers: String,
    format: Format,
    started: Instant,
    /// Time between two requests over all connections, when paced.
    interval: Option<Duration>,
}

impl SenderPlan {
    /// Request line, headers and pace by the arguments.
    pub fn new(args: &LoadArgs, target: &Target, started: Instant) -> Self {
        let encoding = if args.gzip { "Content-Encoding: gzip\r\n" } else { "" };
        Self {
            authority: target.authority.clone(),
            path: target.path.clone(),
            headers: format!(
                "{}Content-Type: {}\r\n{encoding}",
                authorization(&args.key),
                args.format.content_type()
            ),
            format: args.format,
            started,
            interval: args.rate.map(|rate| Duration::from_secs_f64(args.batch as f64 / rate)),
        }
    }
}

/// The header line that carries a key; empty without one.
pub fn authorization(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("Authorization: Bearer {key}\r\n") }
}

/// What became of the requests.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Spans acknowledged.
    pub acked: u64,
    /// Spans refused inside a 2xx answer.
    pub rejected: u64,
    /// Spans of requests given up.
    pub failed: u64,
    /// Requests answered 2xx.
    pub requests: u64,
    /// Bytes of acknowledged bodies before compression.
    pub body_bytes: u64,
    /// The same as sent.
    pub wire_bytes: u64,
    /// Acknowledgement latencies.
    pub latencies: Latencies,
    /// Attempts answered 429, 502, 503 or 504.
    pub retries_overload: u64,
    /// Attempts that ended in a broken connection.
    pub retries_connection: u64,
    /// Time spent waiting for parcels.
    pub starved: Duration,
    /// First failure that was not retried.
    pub first_failure: Option<String>,
}

impl Outcome {
    /// Adds the outcome of another connection.
    pub fn merge(&mut self, other: Self) {
        self.acked += other.acked;
        self.rejected += other.rejected;
        self.failed += other.failed;
        self.requests += other.requests;
        self.body_bytes += other.body_bytes;
        self.wire_bytes += other.wire_bytes;
        self.latencies.merge(&other.latencies);
        self.retries_overload += other.retries_overload;
        self.retries_connection += other.retries_connection;
        self.starved += other.starved;
        self.first_failure = self.first_failure.take().or(other.first_failure);
    }
}

/// One connection.
pub struct Sender {
    plan: Arc<SenderPlan>,
    feed: Feed,
    connection: Connection,
    outcome: Outcome,
}

impl Sender {
    /// A connection that takes its requests from `feed`.
    pub fn new(plan: Arc<SenderPlan>, feed: Feed) -> Self {
        let connection = Connection::new(&plan.authority);
        Self { plan, feed, connection, outcome: Outcome::default() }
    }

    /// Sends until the feed ends.
    pub async fn run(mut self) -> Outcome {
        loop {
            let waiting = Instant::now();
            let Some(parcel) = self.feed.take().await else { break };
            self.outcome.starved += waiting.elapsed();
            let due = match self.plan.interval {
                Some(interval) => {
                    let due = self.plan.started + interval.mul_f64(parcel.index as f64);
                    sleep_until(due.into()).await;
                    due
                }
                None => Instant::now(),
            };
            self.deliver(&parcel, due).await;
        }
        self.outcome
    }

    async fn deliver(&mut self, parcel: &Parcel, due: Instant) {
        let mut last = String::new();
        for _ in 0..ATTEMPTS_MAX {
            let request = Request {
                method: "POST",
                path: &self.plan.path,
                headers: &self.plan.headers,
                body: &parcel.body,
            };
            match self.connection.send(request).await {
                Ok(response) if response.is_success() => {
                    self.acknowledge(parcel, &response.body, due.elapsed());
                    return;
                }
                Ok(response) if matches!(response.status, 429 | 502 | 503 | 504) => {
                    self.outcome.retries_overload += 1;
                    last = format!("still {} after {ATTEMPTS_MAX} attempts", response.status);
                    sleep(response.retry_after.unwrap_or(RETRY_DEFAULT).min(RETRY_MAX)).await;
                }
                Ok(response) => {
                    let text = String::from_utf8_lossy(&response.body);
                    let start: String = text.chars().take(300).collect();
                    last = format!("HTTP {}: {start}", response.status);
                    break;
                }
                Err(error) => {
                    self.outcome.retries_connection += 1;
                    last = error.to_string();
                    sleep(RETRY_DEFAULT).await;
                }
            }
        }
        self.outcome.failed += u64::from(parcel.spans);
        self.outcome.first_failure.get_or_insert(last);
    }

    fn acknowledge(&mut self, parcel: &Parcel, answer: &[u8], latency: Duration) {
        let rejected = match self.plan.format {
            Format::Otlp => rejected_otlp(answer),
            Format::Native => rejected_native(answer),
        };
        let rejected = rejected.min(u64::from(parcel.spans));
        let outcome = &mut self.outcome;
        outcome.rejected += rejected;
        outcome.acked += u64::from(parcel.spans) - rejected;
        outcome.requests += 1;
        outcome.body_bytes += parcel.plain_bytes as u64;
        outcome.wire_bytes += parcel.body.len() as u64;
        outcome.latencies.push(latency);
    }
}
