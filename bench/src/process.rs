//! What a server costs: CPU time by thread, memory and bytes written, read from `/proc`, and the
//! size of a data directory. Linux only.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::stats::round3;

/// Clock ticks per second of `/proc/PID/stat` (`USER_HZ`, 100 on every Linux platform in use).
const TICKS_PER_SECOND: f64 = 100.0;
const MB: f64 = 1e6;

/// One reading.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// User and system time of the whole process in seconds.
    pub cpu_seconds: f64,
    /// Of these, system time.
    pub system_seconds: f64,
    /// Memory in use, bytes.
    pub rss_bytes: u64,
    /// Most memory ever in use, bytes.
    pub rss_peak_bytes: u64,
    /// Bytes that had to go to the disk (`write_bytes`); none where `/proc/PID/io` is unreadable.
    pub written_bytes: Option<u64>,
    /// CPU seconds by thread name, of the threads that live.
    pub threads: BTreeMap<String, f64>,
}

impl Sample {
    /// Reads a process.
    pub fn read(pid: u32) -> Result<Self> {
        let process = PathBuf::from(format!("/proc/{pid}"));
        let stat = read(&process.join("stat"))?;
        let (user, system) = cpu_seconds(&stat).context("cannot read the CPU time")?;
        let status = read(&process.join("status"))?;
        let kilobytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        let written = fs::read_to_string(process.join("io")).ok().and_then(|text| {
            text.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.trim().parse().ok())
        });
        Ok(Self {
            cpu_seconds: user + system,
            system_seconds: system,
            rss_bytes: kilobytes("VmRSS:") * 1_024,
            rss_peak_bytes: kilobytes("VmHWM:") * 1_024,
            written_bytes: written,
            threads: threads(&process.join("task")),
        })
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// User and system seconds, fields 14 and 15 of `stat` (proc(5)); the name before them may hold
/// blanks and brackets.
fn cpu_seconds(stat: &str) -> Option<(f64, f64)> {
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user / TICKS_PER_SECOND, system / TICKS_PER_SECOND))
}

fn threads(tasks: &Path) -> BTreeMap<String, f64> {
    let mut out = BTreeMap::new();
    for entry in fs::read_dir(tasks).into_iter().flatten().flatten() {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let name = stat.find('(').zip(stat.rfind(')')).and_then(|(a, b)| stat.get(a + 1..b));
        if let (Some(name), Some((user, system))) = (name, cpu_seconds(&stat)) {
            // Numbered workers count together.
            let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || "-:_ ".contains(c));
            *out.entry(name.to_owned()).or_default() += user + system;
        }
    }
    out
}

/// What a process used between two readings.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Usage {
    /// Wall time, seconds.
    pub wall_seconds: f64,
    /// CPU time, seconds.
    pub cpu_seconds: f64,
    /// Of these, in the kernel.
    pub system_seconds: f64,
    /// CPU time over wall time, in percent of one core.
    pub cpu_percent: f64,
    /// Memory at the end, MB.
    pub rss_mb: f64,
    /// Most memory seen between the readings, MB.
    pub rss_max_mb: f64,
    /// Most memory since the process started, MB.
    pub rss_peak_mb: f64,
    /// Bytes sent to the disk.
    pub written_bytes: Option<u64>,
    /// CPU seconds by thread name.
    pub threads: BTreeMap<String, f64>,
}

impl Usage {
    /// The difference of two readings; `rss_max_bytes` is the largest of the readings between.
    pub fn between(first: &Sample, last: &Sample, wall_seconds: f64, rss_max_bytes: u64) -> Self {
        let cpu = last.cpu_seconds - first.cpu_seconds;
        let threads = last.threads.iter().filter_map(|(name, seconds)| {
            let used = seconds - first.threads.get(name).copied().unwrap_or(0.0);
            (used >= 0.005).then(|| (name.clone(), round3(used)))
        });
        Self {
            wall_seconds: round3(wall_seconds),
            cpu_seconds: round3(cpu),
            system_seconds: round3(last.system_seconds - first.system_seconds),
            cpu_percent: round3(100.0 * cpu / wall_seconds.max(1e-9)),
            rss_mb: round3(last.rss_bytes as f64 / MB),
            rss_max_mb: round3(rss_max_bytes.max(last.rss_bytes) as f64 / MB),
            rss_peak_mb: round3(last.rss_peak_bytes as f64 / MB),
            written_bytes: last
                .written_bytes
                .zip(first.written_bytes)
                .map(|(b, a)| b.saturating_sub(a)),
            threads: threads.collect(),
        }
    }
}

/// The size of a data directory.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DirectorySize {
    /// Bytes that the file system has given out.
    pub allocated_bytes: u64,
    /// Sum of the file lengths.
    pub length_bytes: u64,
    /// Number of files.
    pub files: u64,
    /// Allocated bytes by first name below the directory.
    pub entries: BTreeMap<String, u64>,
}

impl DirectorySize {
    /// Adds up a directory; files that vanish meanwhile do not count.
    pub fn read(directory: &Path) -> Result<Self> {
        let mut size = Self::default();
        let first = fs::read_dir(directory)
            .with_context(|| format!("cannot read {}", directory.display()))?;
        for entry in first.flatten() {
            let before = size.allocated_bytes;
            size.add(entry.path());
            let name = entry.file_name().to_string_lossy().into_owned();
            size.entries.insert(name, size.allocated_bytes - before);
        }
        Ok(size)
    }

    fn add(&mut self, path: PathBuf) {
        let mut waiting = vec![path];
        while let Some(path) = waiting.pop() {
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            if metadata.is_dir() {
                waiting
                    .extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|e| e.path()));
            } else if metadata.is_file() {
                self.files += 1;
                self.length_bytes += metadata.len();
                self.allocated_bytes += metadata.blocks() * 512;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DirectorySize, Sample, cpu_seconds};

    #[test]
    fn cpu_time_is_found_behind_a_name_with_brackets() {
        let stat = "7 (a) b) (c)) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 1 2 3";
        assert_eq!(cpu_seconds(stat), Some((2.5, 0.5)));
    }

    #[test]
    fn this_process_uses_memory_and_has_a_thread() {
        let sample = Sample::read(std::process::id()).unwrap();
        assert!(sample.rss_bytes > 100_000 && sample.rss_peak_bytes >= sample.rss_bytes);
        assert!(!sample.threads.is_empty());
    }

    #[test]
    fn a_directory_is_as_large_as_its_files() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("blocks")).unwrap();
        std::fs::write(directory.path().join("blocks/1"), vec![7; 5_000]).unwrap();
        std::fs::write(directory.path().join("db"), vec![7; 100]).unwrap();
        let size = DirectorySize::read(directory.path()).unwrap();
        assert_eq!((size.length_bytes, size.files), (5_100, 2));
        assert_eq!(size.entries.keys().collect::<Vec<_>>(), ["blocks", "db"]);
    }
}
