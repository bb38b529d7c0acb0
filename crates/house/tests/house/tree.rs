//! The workspace as files: where it is, what it holds, which lines are code under test only.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// One text file.
pub(crate) struct Text {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Text {
    /// Whether the whole file is test code: under `tests/` or `benches/`, or a module named `tests`.
    pub(crate) fn is_test(&self) -> bool {
        ["/tests/", "/benches/"].iter().any(|folder| self.path.contains(folder))
            || self.path.ends_with("/tests.rs")
    }

    /// Whether the file's name ends so.
    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }

    /// Numbered lines (from 1) up to the first `#[cfg(test)]` module: the code that ships.
    pub(crate) fn shipped_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let all = self.text.lines().zip(self.text.lines().skip(1).chain([""]));
        let end = all
            .enumerate()
            .find(|(_, (line, next))| {
                line.trim() == "#[cfg(test)]" && next.trim().starts_with("mod ")
            })
            .filter(|(_, (_, next))| next.trim().ends_with('{'))
            .map_or(usize::MAX, |(at, _)| at);
        self.text.lines().take(end).enumerate().map(|(at, line)| (at + 1, line))
    }
}

/// Every Rust file of the workspace and of `fuzz/`.
pub(crate) fn rust_files() -> Vec<Text> {
    let mut found = Vec::new();
    for top in ["crates", "bench", "fuzz"] {
        walk(&root().join(top), &mut found);
    }
    let files: Vec<Text> =
        found.into_iter().filter_map(read).filter(|file| file.has_extension("rs")).collect();
    assert!(files.len() > 50, "only {} Rust files found", files.len());
    files
}

/// Every file that git tracks or would track; where there is no git, every file on disk.
pub(crate) fn tracked_files() -> Vec<Text> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root())
        .output();
    let paths: Vec<String> = match listed {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout)
            .split('\0')
            .filter(|path| !path.is_empty())
            .map(str::to_owned)
            .collect(),
        _ => {
            let mut found = Vec::new();
            walk(&root(), &mut found);
            found
        }
    };
    paths.into_iter().filter_map(read).collect()
}

/// `None` for what is gone or not text.
fn read(path: String) -> Option<Text> {
    let text = String::from_utf8(fs::read(root().join(&path)).ok()?).ok()?;
    Some(Text { path, text })
}

fn walk(folder: &Path, found: &mut Vec<String>) {
    const PASSED_OVER: [&str; 6] = ["target", "node_modules", ".git", ".venv", "data", "dist"];
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if path.is_dir() {
            if !PASSED_OVER.contains(&name.as_str()) {
                walk(&path, found);
            }
        } else if let Ok(path) = path.strip_prefix(root()) {
            found.push(path.to_string_lossy().replace('\\', "/"));
        }
    }
}

/// Fails with all of `faults`, one per line, and the rule they break.
pub(crate) fn report(rule: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}
