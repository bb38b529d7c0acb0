//! Numbers in Prometheus' text format (version 0.0.4).

use std::{fmt::Write as _, sync::atomic::Ordering};

use exhibit_recorder::meters::{COMMIT_MS, Meters};
use exhibit_store::Gauge;

use super::Health;

/// The page.
pub(super) fn text(health: &Health, meters: &Meters, store: &[Gauge]) -> String {
    let mut page = Page(String::new());
    let connected = f64::from(u8::from(health.db_connected));
    page.gauge("up", "Whether the database answers.", connected);
    page.gauge("rules_loaded", "Rules and detectors in force.", health.rules_loaded as f64);
    page.gauge("uptime_seconds", "Seconds since the start.", health.uptime_seconds);
    let counters = [
        (
            "spans_accepted",
            "Spans that were made durable, re-deliveries included.",
            &meters.accepted,
        ),
        ("spans_rejected", "Spans that were refused.", &meters.rejected),
        (
            "batches_busy",
            "Batches refused because of overload or a database that did not answer.",
            &meters.busy,
        ),
        (
            "batches_stale",
            "Batches built anew, since another delivery of the same spans came first.",
            &meters.stale,
        ),
        ("rule_faults", "Rules that could not be evaluated.", &meters.rule_faults),
    ];
    for (name, help, counter) in counters {
        let name = format!("{name}_total");
        page.put(&name, help, "counter", counter.load(Ordering::Relaxed) as f64);
    }
    let depth = meters.committing.load(Ordering::Relaxed) as f64;
    page.gauge("commit_queue_batches", "Batches whose commit is under way.", depth);
    let due = meters.seals_due.load(Ordering::Relaxed) as f64;
    page.gauge("seals_due", "Traces that were due to be sealed when last looked.", due);
    page.commits(meters);
    for gauge in store {
        page.gauge(gauge.name, gauge.help, gauge.value);
    }
    let Page(mut text) = page;
    let _ = writeln!(
        text,
        "# HELP exhibit_build_info The version.\n# TYPE exhibit_build_info gauge\n\
         exhibit_build_info{{version=\"{}\"}} 1",
        health.version
    );
    text
}

struct Page(String);

impl Page {
    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.put(name, help, "gauge", value);
    }

    fn put(&mut self, name: &str, help: &str, kind: &str, value: f64) {
        self.head(name, help, kind);
        let _ = writeln!(self.0, "exhibit_{name} {value}");
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        let _ = writeln!(self.0, "# HELP exhibit_{name} {help}\n# TYPE exhibit_{name} {kind}");
    }

    /// How long commits took.
    fn commits(&mut self, meters: &Meters) {
        let name = "commit_seconds";
        self.head(name, "How long a batch took to become durable.", "histogram");
        let (counts, sum) = meters.commit_times();
        for (bound, count) in COMMIT_MS.iter().zip(&counts) {
            let seconds = *bound as f64 / 1e3;
            let _ = writeln!(self.0, "exhibit_{name}_bucket{{le=\"{seconds}\"}} {count}");
        }
        let all = counts.last().copied().unwrap_or_default();
        let _ = writeln!(
            self.0,
            "exhibit_{name}_bucket{{le=\"+Inf\"}} {all}\nexhibit_{name}_sum {sum}\n\
             exhibit_{name}_count {all}"
        );
    }
}
