//! CPU, memory and bytes written of a process, for a while or as long as a command runs.

use std::{
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::process::{Sample, Usage};

const PERIOD: Duration = Duration::from_millis(50);

/// Arguments of `exhibit-bench measure`.
#[derive(Debug, Args)]
pub struct MeasureArgs {
    /// Process to observe.
    #[arg(long)]
    pub pid: u32,
    /// How long, when no command is given.
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// Observe while this command runs, after `--`.
    #[arg(last = true)]
    pub command: Vec<String>,
}

/// Measures and prints JSON.
pub fn run(args: &MeasureArgs) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(&measure(args)?)?);
    Ok(())
}

/// Observes the process.
pub fn measure(args: &MeasureArgs) -> Result<Usage> {
    ensure!(args.seconds >= 0.0 && args.seconds < 1e6, "--seconds is out of range");
    let first = Sample::read(args.pid)?;
    let started = Instant::now();
    let mut rss_max = first.rss_bytes;
    let mut look = || -> Result<()> {
        sleep(PERIOD);
        rss_max = rss_max.max(Sample::read(args.pid)?.rss_bytes);
        Ok(())
    };
    if let Some((program, rest)) = args.command.split_first() {
        let mut command = Command::new(program);
        // Standard output belongs to the result.
        command.args(rest).stdout(Stdio::from(std::io::stderr()));
        let mut child = command.spawn().with_context(|| format!("cannot start {program}"))?;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            look()?;
        };
        ensure!(status.success(), "{program} failed: {status}");
    } else {
        while started.elapsed().as_secs_f64() < args.seconds {
            look()?;
        }
    }
    let last = Sample::read(args.pid)?;
    Ok(Usage::between(&first, &last, started.elapsed().as_secs_f64(), rss_max))
}
