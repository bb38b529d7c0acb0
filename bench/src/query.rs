//! Latencies of the query API: lists, filters, whole traces, analytics and full text.
//!
//! Requests go one after another over one connection, so a figure is what one person waits. Values
//! to filter by are read from the API's own newest traces; words to search for are named by their
//! rank in the corpus vocabulary. The number of rows in the answers is reported, because an empty
//! answer is a fast one.

pub mod plan;

use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use self::plan::{Probe, plan};
use crate::{
    http::{Connection, Request, Target},
    load::sender::authorization,
    stats::{Latencies, LatencySummary},
};

const WARM_UP: usize = 3;

/// Arguments of `exhibit-bench query`.
#[derive(Debug, Args)]
pub struct QueryArgs {
    /// Base address of the query API.
    #[arg(long, default_value = "http://127.0.0.1:3000")]
    pub base: String,
    /// API key, sent as bearer token.
    #[arg(long, env = "EXHIBIT_KEY", hide_env_values = true, default_value = "")]
    pub key: String,
    /// Measurements per query.
    #[arg(long, default_value_t = 100)]
    pub n: usize,
    /// Days of the analytics queries.
    #[arg(long, default_value_t = 30)]
    pub days: u64,
}

/// Result of one query.
#[derive(Debug, Clone, Serialize)]
pub struct QueryFigure {
    /// Group: `list`, `filter`, `trace`, `analytics` or `text`.
    pub group: &'static str,
    /// What was asked.
    pub name: String,
    /// Latency.
    pub latency: LatencySummary,
    /// Fewest and most rows in an answer, where it holds a list.
    pub rows: Option<[usize; 2]>,
    /// Bytes of the largest answer.
    pub bytes: usize,
    /// Why it was not measured.
    pub problem: Option<String>,
    /// 95th percentile to stay under, milliseconds.
    pub target_p95_ms: f64,
}

/// A client of the query API.
pub struct Api {
    connection: Connection,
    prefix: String,
    headers: String,
}

impl Api {
    /// A client for the API at `base`.
    pub fn new(base: &str, key: &str) -> Result<Self> {
        let target = Target::parse(base)?;
        Ok(Self {
            connection: Connection::new(&target.authority),
            prefix: target.path.trim_end_matches('/').to_owned(),
            headers: authorization(key),
        })
    }

    /// Status and body of `GET path`.
    pub async fn get(&mut self, path: &str) -> Result<(u16, Vec<u8>)> {
        let path = format!("{}{path}", self.prefix);
        let request = Request { method: "GET", path: &path, headers: &self.headers, body: b"" };
        let response =
            self.connection.send(request).await.with_context(|| format!("GET {path}"))?;
        Ok((response.status, response.body))
    }
}

/// The first list in `data`: the array itself or the first member that is one.
pub fn list(answer: &Value) -> Option<&Vec<Value>> {
    let data = answer.get("data")?;
    data.as_array().or_else(|| data.as_object()?.values().find_map(Value::as_array))
}

/// Number of rows in an answer's list.
pub fn rows(body: &[u8]) -> Option<usize> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    list(&answer).map(Vec::len)
}

/// Measures everything, prints a table to standard error and JSON to standard output.
pub async fn run(args: &QueryArgs) -> Result<()> {
    let figures = measure(args).await?;
    eprintln!(
        "{:<10} {:<28} {:>8} {:>8} {:>8} {:>8} {:>10} {:>9}",
        "group", "query", "p50 ms", "p95 ms", "p99 ms", "max ms", "rows", "bytes"
    );
    for figure in &figures {
        let l = &figure.latency;
        let rows = figure.rows.map_or_else(String::new, |[low, high]| format!("{low}-{high}"));
        eprintln!(
            "{:<10} {:<28} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {:>10} {:>9} {}",
            figure.group,
            figure.name,
            l.p50_ms,
            l.p95_ms,
            l.p99_ms,
            l.max_ms,
            rows,
            figure.bytes,
            figure.problem.as_deref().unwrap_or_default()
        );
    }
    println!("{}", serde_json::to_string_pretty(&figures)?);
    Ok(())
}

/// Measures all queries.
pub async fn measure(args: &QueryArgs) -> Result<Vec<QueryFigure>> {
    let mut api = Api::new(&args.base, &args.key)?;
    let probes = plan(&mut api, args.days).await?;
    let mut figures = Vec::with_capacity(probes.len());
    for probe in probes {
        figures.push(measure_one(&mut api, &probe, args.n).await?);
    }
    Ok(figures)
}

async fn measure_one(api: &mut Api, probe: &Probe, n: usize) -> Result<QueryFigure> {
    let mut figure = QueryFigure {
        group: probe.group,
        name: probe.name.clone(),
        latency: LatencySummary::default(),
        rows: None,
        bytes: 0,
        problem: None,
        target_p95_ms: probe.target_p95_ms,
    };
    if probe.paths.is_empty() {
        figure.problem = Some("no value to ask for in the newest traces".to_owned());
        return Ok(figure);
    }
    let mut latencies = Latencies::default();
    for round in 0..WARM_UP + n {
        let path = &probe.paths[round % probe.paths.len()];
        let asked = Instant::now();
        let (status, body) = api.get(path).await?;
        let latency = asked.elapsed();
        if status != 200 {
            let text: String = String::from_utf8_lossy(&body).chars().take(160).collect();
            figure.problem = Some(format!("HTTP {status} for {path}: {text}"));
            return Ok(figure);
        }
        if round >= WARM_UP {
            latencies.push(latency);
        }
        figure.bytes = figure.bytes.max(body.len());
        if let Some(rows) = rows(&body) {
            let [low, high] = figure.rows.unwrap_or([rows, rows]);
            figure.rows = Some([low.min(rows), high.max(rows)]);
        }
    }
    figure.latency = latencies.summary();
    Ok(figure)
}
