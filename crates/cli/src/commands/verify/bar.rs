//! How far verification is.

use std::time::Duration;

use exhibit_recorder::verify::Progress;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::Output;

/// A bar on the terminal, or nothing.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new(output: Output) -> Self {
        if !output.draws_progress() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new(0);
        let style = "{bar:32} {human_pos}/{human_len} records, {per_sec}, {eta} left {msg}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Takes it away.
    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn total(&self, records: u64) {
        self.0.set_length(records);
    }

    fn records(&self, n: u64) {
        self.0.inc(n);
    }

    fn leaves(&self, _: u64) {
        self.0.set_message("(log)");
    }
}

/// A bar over bytes, or nothing.
pub(in crate::commands) fn bytes(output: Output) -> ProgressBar {
    if !output.draws_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:32} {bytes}/{total_bytes}, {eta} left") {
        bar.set_style(style);
    }
    bar
}

/// Bytes that have come so far, of nobody knows how many; or nothing.
pub(in crate::commands) fn stream(output: Output) -> ProgressBar {
    if !output.draws_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {bytes}, {bytes_per_sec} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
