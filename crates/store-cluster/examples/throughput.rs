//! Writes synthetic spans to a cluster and reports what they cost.
//!
//! `tests/cluster/engines.py cargo run --release -p exhibit-store-cluster --example throughput -- [SPANS]`
//!
//! `WORKERS` commit at once (8), batches have `TRACES` traces (4) of 24 spans. Spans are about 2.8 KB of raw
//! records, as those of the embedded store's example are. The engines run beside it on the same cores;
//! their CPU time is told apart by process.

#![allow(
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a measurement, not a program"
)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use exhibit_model::{
    Attribute, Cost, CostSource, Door, NanoUsd, Nanos, Part, RecordId, Span, SpanHead, SpanId,
    SpanKind, Status, TraceId, Usage, WorkspaceId, record, text::searchable,
};
use exhibit_store::{
    AnalyticsQuery, Batch, Block, Dimension, Filter, Order, SpanStore, SpanWindow, SpanWrite,
    TraceKey, TraceQuery, TraceWrite, span::Leaf,
};
use exhibit_store_cluster::{ClusterStore, Options};

const SPANS_PER_TRACE: usize = 24;
const NOW: i64 = 1_800_000_000_000_000_000;
const DAY: i64 = 86_400_000_000_000;
const WORKSPACE: WorkspaceId = WorkspaceId(1);

/// xorshift64*.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    fn text(&mut self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes + 16);
        while text.len() < bytes {
            // Few words are common and most are rare.
            let rank =
                (8_000_f64.powf(self.below(1 << 20) as f64 / f64::from(1 << 20)) - 1.0) as u64;
            text.push_str(&format!("w{:x} ", rank * 2_654_435_761 % 1_048_573));
        }
        text
    }

    fn hex(&mut self, digits: usize) -> String {
        let text: String =
            (0..digits.div_ceil(16)).map(|_| format!("{:016x}", self.next())).collect();
        text[..digits].to_owned()
    }
}

fn trace(dice: &mut Dice) -> TraceWrite {
    let trace_id = TraceId::new(&dice.hex(32)).unwrap();
    let base = NOW - dice.below(30 * DAY as u64) as i64;
    let (user, agent) = (dice.below(400), dice.below(12));
    let shared = dice.text(700);
    let root = SpanId::new(&dice.hex(16)).unwrap();
    let (mut raw, mut text, mut spans) = (Vec::new(), String::new(), Vec::new());
    for n in 0..SPANS_PER_TRACE {
        let id = if n == 0 { root.clone() } else { SpanId::new(&dice.hex(16)).unwrap() };
        let mut span = Span::new(trace_id.clone(), id, Door::Otlp);
        span.kind = Some([SpanKind::Llm, SpanKind::Tool, SpanKind::Custom][n % 3]);
        span.parent_id = (n > 0).then(|| root.clone());
        span.name = Some(format!("step {}", n % 7));
        span.status = if dice.below(50) == 0 { Status::Error } else { Status::Ok };
        span.start = Some(Nanos(base + n as i64 * 900_000_000));
        span.end = Some(Nanos(base + n as i64 * 900_000_000 + dice.below(2_000_000_000) as i64));
        span.model = Some(format!("model-{}", dice.below(8)));
        span.user = Some(format!("user-{user}"));
        span.agent = Some(format!("agent-{agent}"));
        span.usage = Some(Usage { input_uncached: dice.below(5_000), ..Usage::default() });
        span.cost = Cost {
            amount: Some(NanoUsd(dice.below(9_000_000) as i64)),
            source: CostSource::Table,
            rule: None,
        };
        for (name, part, words) in [
            ("input", Part::Input, format!("{shared}{}", dice.text(900))),
            ("output", Part::Output, dice.text(700)),
        ] {
            let mut attribute = Attribute::new(name, words);
            attribute.part = part;
            span.attributes.push(attribute);
        }
        let parts = record::encode(&span);
        searchable(&span, &mut text);
        let offset = raw.len() as u32;
        let lengths = parts.0.each_ref().map(|part| part.len() as u32);
        parts.0.iter().for_each(|part| raw.extend_from_slice(part));
        let mut record = [0; 16];
        record[..8].copy_from_slice(&dice.next().to_be_bytes());
        record[8..].copy_from_slice(&dice.next().to_be_bytes());
        let bytes = format!(
            "{{\"kind\":\"span\",\"record\":\"{}\",\"root\":\"{}\"}}",
            dice.hex(32),
            dice.hex(64)
        )
        .into_bytes();
        let hash = exhibit_ledger::leaf_hash(&bytes).0;
        spans.push(SpanWrite {
            head: SpanHead::of(&span),
            record: RecordId(record),
            supersedes: None,
            digest: record,
            offset,
            lengths,
            leaf: Some(Leaf { bytes, hash }),
        });
    }
    let block = Block { raw_bytes: raw.len() as u32, data: zstd::bulk::compress(&raw, 1).unwrap() };
    TraceWrite {
        trace_id,
        key: TraceKey(vec![7; 60]),
        block,
        spans,
        text,
        tombstone: Some([0; 16]),
    }
}

/// CPU time by program: this one, PostgreSQL, ClickHouse.
fn cpu() -> BTreeMap<&'static str, f64> {
    let mut cpu = BTreeMap::new();
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(stat) = std::fs::read_to_string(process.path().join("stat")) else { continue };
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        let name = if process.file_name().to_string_lossy() == std::process::id().to_string() {
            "this program"
        } else if line.contains("postgres") {
            "PostgreSQL"
        } else if line.contains("clickhouse") {
            "ClickHouse"
        } else {
            continue;
        };
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split(' ').collect();
        // Those of children that have ended too: PostgreSQL has a process per connection.
        let ticks: u64 = fields[12..16].iter().filter_map(|t| t.parse::<u64>().ok()).sum();
        *cpu.entry(name).or_default() += ticks as f64 * 10_000.0;
    }
    cpu
}

async fn timed<T>(name: &str, mut run: impl AsyncFnMut() -> T) {
    let mut times = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        std::hint::black_box(run().await);
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    println!("{name:32} p50 {:8.1} ms   p95 {:8.1} ms", times[10], times[19]);
}

#[tokio::main]
async fn main() {
    let spans: usize = std::env::args().nth(1).map_or(100_000, |n| n.parse().unwrap());
    let setting = |name: &str, or: usize| std::env::var(name).map_or(or, |n| n.parse().unwrap());
    let (workers, per_batch) = (setting("WORKERS", 8), setting("TRACES", 4));
    let postgres = std::env::var("POSTGRES_URL").expect("run it under tests/cluster/engines.py");
    let mut options = Options::new(&postgres, std::env::var("CLICKHOUSE_URL").unwrap());
    options.database = "throughput".to_owned();
    let store = Arc::new(ClusterStore::open(options).await.unwrap());
    let (psql, connection) =
        tokio_postgres::connect(&postgres, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);

    let batches = spans / (SPANS_PER_TRACE * per_batch);
    let mut dice = Dice(42);
    let made: Vec<Batch> = (0..batches)
        .map(|_| Batch {
            workspace: WORKSPACE,
            received: Nanos(NOW),
            traces: (0..per_batch).map(|_| trace(&mut dice)).collect(),
            seals: Vec::new(),
            acts: Vec::new(),
        })
        .collect();
    let written = (batches * per_batch * SPANS_PER_TRACE) as f64;
    let raw: u64 = made.iter().flat_map(|b| &b.traces).map(|t| u64::from(t.block.raw_bytes)).sum();
    println!(
        "{written} spans of {:.0} B, {workers} workers, {} spans a batch",
        raw as f64 / written,
        per_batch * SPANS_PER_TRACE
    );

    let before = cpu();
    let transactions = async || -> i64 {
        let sql = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
        psql.query_one(sql, &[]).await.unwrap().get(0)
    };
    let (first, begun, next) = (transactions().await, Instant::now(), Arc::new(AtomicU64::new(0)));
    let made = Arc::new(made);
    let mut tasks = Vec::new();
    for _ in 0..workers {
        let (store, made, next) = (Arc::clone(&store), Arc::clone(&made), Arc::clone(&next));
        tasks.push(tokio::spawn(async move {
            let mut acks = Vec::new();
            loop {
                let Some(batch) = made.get(next.fetch_add(1, Ordering::Relaxed) as usize) else {
                    return acks;
                };
                let batch = batch.clone();
                let asked = Instant::now();
                store.commit(batch).await.unwrap();
                acks.push(asked.elapsed().as_secs_f64() * 1e3);
            }
        }));
    }
    let mut acks = Vec::new();
    for task in tasks {
        acks.extend(task.await.unwrap());
    }
    let took = begun.elapsed().as_secs_f64();
    acks.sort_by(f64::total_cmp);
    println!(
        "committed at {:.0} spans/s, ack p50 {:.0} ms p99 {:.0} ms, {:.2} transactions a batch in all",
        written / took,
        acks[acks.len() / 2],
        acks[acks.len() * 99 / 100],
        (transactions().await - first) as f64 / batches as f64,
    );
    for (name, micros) in cpu() {
        let spent = micros - before.get(name).copied().unwrap_or_default();
        println!("  {name:16} {:7.1} µs CPU per span until then", spent / written);
    }
    loop {
        let sql = "SELECT (SELECT count(*) FROM outbox_blocks) + (SELECT count(*) FROM outbox_texts) \
                   + (SELECT count(*) FROM outbox_deltas) + (SELECT count(*) FROM outbox_traces)";
        if psql.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("shipped {:.1} s after the first commit", begun.elapsed().as_secs_f64());
    for (name, micros) in cpu() {
        let spent = micros - before.get(name).copied().unwrap_or_default();
        println!("  {name:16} {:7.1} µs CPU per span in all", spent / written);
    }
    psql.batch_execute("VACUUM ANALYZE").await.unwrap();
    for table in ["spans", "traces", "leaf_runs", "outbox_blocks"] {
        let sql = format!("SELECT pg_total_relation_size('{table}')");
        let bytes: i64 = psql.query_one(&sql, &[]).await.unwrap().get(0);
        println!("  PostgreSQL, {table:14} {:7.0} B per span", bytes as f64 / written);
    }

    let query = |filter: &str| TraceQuery {
        filter: Filter::parse(filter, Nanos(NOW)).unwrap(),
        order: Order::Newest,
        after: None,
        limit: 50,
    };
    for filter in
        ["", "status = error", "user = user-77", "agent ~ NT-5", "cost > 0.05", "w0", "w0 wd1ac2"]
    {
        let query = query(filter);
        timed(&format!("list {filter}"), async || store.traces(WORKSPACE, &query).await.unwrap())
            .await;
    }
    let id = made[0].traces[0].trace_id.clone();
    let ids: Vec<_> =
        made[0].traces[0].spans.iter().map(|s| (id.clone(), s.head.span_id.clone())).collect();
    let window = SpanWindow { limit: 100, ..SpanWindow::default() };
    timed("a trace's spans", async || store.spans(WORKSPACE, &id, &window).await.unwrap()).await;
    timed("24 spans with their bytes", async || store.load(WORKSPACE, &ids).await.unwrap()).await;
    let analytics = AnalyticsQuery {
        from: Nanos(NOW - 30 * DAY),
        to: Nanos(NOW),
        group_by: Some(Dimension::Model),
        step_s: 86_400,
        groups_max: 10,
    };
    timed("analytics of 30 days by model", async || {
        store.analytics(WORKSPACE, &analytics).await.unwrap()
    })
    .await;
    store.close().await;
}
