//! The figures that must be reached, and where in the results they stand.

use serde_json::Value;

use super::{Results, number};

/// A mark to stay above or below.
#[derive(Debug, Clone, Copy)]
pub enum Limit {
    /// At least.
    AtLeast(f64),
    /// At most.
    AtMost(f64),
    /// Only reported.
    None,
}

impl Limit {
    /// Whether a value keeps it; none where there is no mark.
    pub fn holds(self, value: f64) -> Option<bool> {
        match self {
            Self::AtLeast(mark) => Some(value >= mark),
            Self::AtMost(mark) => Some(value <= mark),
            Self::None => None,
        }
    }

    /// The mark in words.
    pub fn text(self, unit: &str) -> String {
        match self {
            Self::AtLeast(mark) => format!("≥ {} {unit}", number(mark)),
            Self::AtMost(mark) => format!("≤ {} {unit}", number(mark)),
            Self::None => String::new(),
        }
    }
}

/// One line of the summary.
#[derive(Debug)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// The value, if it was measured.
    pub value: Option<f64>,
    /// Its unit.
    pub unit: &'static str,
    /// The mark.
    pub limit: Limit,
}

/// All figures of a run.
pub fn figures(results: &Results) -> Vec<Figure> {
    use Limit::{AtLeast, AtMost};
    let [sustained, half, single, idle, fill, cold, half_probes, paced_probes, verify] = [
        "sustained",
        "half",
        "single",
        "idle",
        "fill",
        "cold",
        "half_probes",
        "paced_probes",
        "verify",
    ]
    .map(|name| results.json(name));
    let mut figures = Vec::new();
    let mut add = |name: &str, value: Option<f64>, unit, limit| {
        figures.push(Figure { name: name.to_owned(), value, unit, limit });
    };
    let get = |run: &Value, pointer: &str| run.pointer(pointer).and_then(Value::as_f64);
    let peak = [&sustained, &fill]
        .iter()
        .filter_map(|run| get(run, "/server/usage/rss_max_mb"))
        .reduce(f64::max);
    let largest = if fill.is_null() { &sustained } else { &fill };

    add(
        "durable and queryable, sustained",
        get(&sustained, "/queryable/spans_per_second"),
        "spans/s",
        AtLeast(20_000.0),
    );
    add(
        "server CPU per span, all in",
        get(&sustained, "/server/cpu_us_per_span"),
        "µs",
        AtMost(85.0),
    );
    add("ack p50 at full load", get(&sustained, "/ack/p50_ms"), "ms", Limit::None);
    add("ack p99 at half load", get(&half, "/ack/p99_ms"), "ms", AtMost(100.0));
    add("one span at a time, ack p50", get(&single, "/ack/p50_ms"), "ms", AtMost(5.0));
    add("one span at a time, ack p99", get(&single, "/ack/p99_ms"), "ms", Limit::None);
    add("peak memory under load", peak, "MB", AtMost(300.0));
    add("idle memory, fresh start", get(&idle, "/rss_mb"), "MB", AtMost(60.0));
    add("idle CPU", get(&idle, "/cpu_percent"), "% of a core", AtMost(1.0));
    add("start to ready, median", get(&cold, "/ready/p50_ms"), "ms", AtMost(200.0));
    add(
        "disk per uncompressed byte received",
        get(largest, "/disk/ratio_to_body_bytes"),
        "",
        AtMost(0.8),
    );
    add("disk per span", get(largest, "/disk/bytes_per_span"), "B", Limit::None);
    add("bytes written per span", get(largest, "/server/written_bytes_per_span"), "B", Limit::None);
    for (name, group, mark) in [
        ("newest 50, p95", "list", 5.0),
        ("newest 50 with one filter, worst p95", "filter", 5.0),
        ("trace of about 40 spans, worst p95", "trace", 5.0),
        ("30-day analytics, worst p95", "analytics", 20.0),
        ("full text newest 50, worst p95", "text", 50.0),
    ] {
        add(name, worst(&results.json("query"), group), "ms", AtMost(mark));
    }
    add(
        "searchable after ack at 5,000 spans/s, max",
        get(&paced_probes, "/searchable/max_ms"),
        "ms",
        AtMost(2_000.0),
    );
    for (name, pointer, mark) in [
        ("signed checkpoint after ack at half load, p50", "/checkpointed/p50_ms", 300.0),
        ("signed checkpoint after ack at half load, p99", "/checkpointed/p99_ms", 1_000.0),
    ] {
        add(name, get(&half_probes, pointer), "ms", AtMost(mark));
    }
    add(
        "verification of the whole log",
        get(&verify, "/records_per_second"),
        "records/s",
        Limit::None,
    );
    figures
}

/// The slowest 95th percentile of a group; none if a query of it could not be measured.
fn worst(queries: &Value, group: &str) -> Option<f64> {
    let of_group = queries.as_array()?.iter().filter(|query| query["group"] == group);
    let values: Option<Vec<f64>> = of_group
        .map(|query| query["latency"]["p95_ms"].as_f64().filter(|_| query["problem"].is_null()))
        .collect();
    values?.into_iter().reduce(f64::max)
}
