//! Time from starting a server to its first healthy answer.

use std::{
    fs::File,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::Serialize;

use crate::{
    http::{Connection, Request, Target},
    process::Sample,
    stats::{Latencies, LatencySummary},
};

const START_LIMIT: Duration = Duration::from_mins(1);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Arguments of `exhibit-bench cold-start`.
#[derive(Debug, Args)]
pub struct ColdStartArgs {
    /// Address that answers 200 once the server is ready.
    #[arg(long, default_value = "http://127.0.0.1:3000/api/v1/health")]
    pub health: String,
    /// How often the server is started.
    #[arg(long, default_value_t = 5)]
    pub runs: usize,
    /// File for the server's output; without it the output is dropped.
    #[arg(long)]
    pub log: Option<PathBuf>,
    /// The server and its arguments, after `--`.
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

/// Result of `exhibit-bench cold-start`.
#[derive(Debug, Serialize)]
pub struct ColdStartReport {
    /// From before the start of the process to the healthy answer.
    pub ready: LatencySummary,
    /// Memory right after the last start, MB.
    pub rss_mb: f64,
}

/// Measures and prints JSON.
pub async fn run(args: &ColdStartArgs) -> Result<()> {
    let target = Target::parse(&args.health)?;
    ensure!(
        Connection::new(&target.authority).send(ask(&target.path)).await.is_err(),
        "something answers at {} already",
        args.health
    );
    let mut latencies = Latencies::default();
    let mut rss_mb = 0.0;
    for _ in 0..args.runs {
        let mut server = Started::spawn(args)?;
        latencies.push(server.ready(&target).await?);
        rss_mb = Sample::read(server.child.id())?.rss_bytes as f64 / 1e6;
        server.stop().await?;
    }
    let report = ColdStartReport { ready: latencies.summary(), rss_mb };
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

fn ask(path: &str) -> Request<'_> {
    Request { method: "GET", path, headers: "", body: b"" }
}

/// A server that was started here, and ends with this value.
struct Started {
    child: Child,
    since: Instant,
}

impl Started {
    fn spawn(args: &ColdStartArgs) -> Result<Self> {
        let (program, rest) = args.command.split_first().context("no command given")?;
        let output = || -> Result<Stdio> {
            Ok(match &args.log {
                Some(path) => File::options().create(true).append(true).open(path)?.into(),
                None => Stdio::null(),
            })
        };
        let mut command = Command::new(program);
        command.args(rest).stdin(Stdio::null()).stdout(output()?).stderr(output()?);
        let since = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {program}"))?;
        Ok(Self { child, since })
    }

    async fn ready(&mut self, target: &Target) -> Result<Duration> {
        loop {
            let mut connection = Connection::new(&target.authority);
            if let Ok(response) = connection.send(ask(&target.path)).await
                && response.is_success()
            {
                return Ok(self.since.elapsed());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended before it was ready: {status}");
            }
            ensure!(self.since.elapsed() < START_LIMIT, "the server did not become ready");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Asks the server to end, as an operator would.
    async fn stop(&mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().context("cannot run kill")?;
        let asked = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(asked.elapsed() < STOP_LIMIT, "the server did not end when asked to");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // It is past being asked; nothing to do if that fails, too.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
