//! Writes a few hundred thousand synthetic spans and reports what they cost.
//!
//! `cargo run --release -p exhibit-store-sqlite --example throughput -- [SPANS] [DIRECTORY] [now]`
//!
//! `WORKERS` commit at once (12), batches have `TRACES` traces (4), `SEARCH=0` leaves the index out.
//! With one worker and 40 traces the writer works alone on groups of about 1,000 spans.
//!
//! Spans are about 2.8 KB of raw records each, 24 to a trace, about 100 to a batch, spread over 30
//! days (or, with `now`, starting as they are written). CPU time is that of the store's own threads,
//! which is what stays comparable when the machine does other work.

#![allow(
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a measurement, not a program"
)]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use exhibit_model::{
    Attribute, Cost, CostSource, Door, NanoUsd, Nanos, Part, RecordId, Span, SpanHead, SpanId,
    SpanKind, Status, TraceId, Usage, WorkspaceId, record, text::searchable, trace::preview,
};
use exhibit_store::{
    AnalyticsQuery, AuditStore, Batch, Block, Dimension, Filter, LedgerStore, LogId, Order,
    SpanStore, SpanWindow, SpanWrite, TraceKey, TraceQuery, TraceWrite, span::Leaf,
};
use exhibit_store_sqlite::{Options, SqliteStore};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SPANS_PER_TRACE: usize = 24;
const TEMPLATES: usize = 600;
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

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A word of a vocabulary of 8,000 by Zipf's law.
    fn word(&mut self, words: &[String]) -> usize {
        let rank = (words.len() as f64).powf(self.unit()) - 1.0;
        rank as usize % words.len()
    }

    fn text(&mut self, words: &[String], bytes: usize) -> String {
        let mut text = String::with_capacity(bytes + 16);
        while text.len() < bytes {
            text.push_str(&words[self.word(words)]);
            text.push(if self.below(12) == 0 { '\n' } else { ' ' });
        }
        text
    }

    fn hex(&mut self, digits: usize) -> String {
        let mut text = String::new();
        while text.len() < digits {
            text.push_str(&format!("{:016x}", self.next()));
        }
        text.truncate(digits);
        text
    }
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |n| n.parse().unwrap())
}

fn vocabulary() -> Vec<String> {
    let mut dice = Dice(7);
    let syllables = ["ka", "ro", "min", "te", "sol", "ver", "an", "di", "pe", "lu", "gra", "th"];
    (0..8_000)
        .map(|n| {
            let mut word: String = (0..1 + n % 4)
                .map(|_| syllables[dice.below(syllables.len() as u64) as usize])
                .collect();
            word.push_str(&format!("{}", n % 97));
            word
        })
        .collect()
}

/// A trace that is written many times under new ids.
struct Template {
    spans: Vec<(SpanHead, u32, [u32; 5], i64)>,
    block: Block,
    text: String,
    wire_bytes: u64,
}

fn template(dice: &mut Dice, words: &[String]) -> Template {
    let trace_id = TraceId::new(&dice.hex(32)).unwrap();
    let service = format!("service-{}", dice.below(6));
    let model = format!("model-{}", dice.below(8));
    let user = format!("user-{}", dice.below(400));
    let session = format!("session-{}", dice.below(20_000));
    let agent = format!("agent-{}", dice.below(12));
    let tag = format!("tag-{}", dice.below(20));
    let customer = format!("customer-{}", dice.below(5_000));
    let shared = dice.text(words, 700);
    let mut raw = Vec::new();
    let mut spans = Vec::new();
    let mut text = String::new();
    let mut offset = 0;
    let root = SpanId::new(&dice.hex(16)).unwrap();
    for n in 0..SPANS_PER_TRACE {
        let id = if n == 0 { root.clone() } else { SpanId::new(&dice.hex(16)).unwrap() };
        let mut span = Span::new(trace_id.clone(), id, Door::Otlp);
        let start = n as i64 * 900_000_000;
        span.kind = Some(match n {
            0 => SpanKind::Agent,
            n if n % 3 == 0 => SpanKind::Llm,
            n if n % 3 == 1 => SpanKind::Tool,
            _ => SpanKind::Retriever,
        });
        span.parent_id = (n > 0).then(|| root.clone());
        span.name = Some(format!("step {} of plan", n % 9));
        span.start = Some(Nanos(start));
        span.end = Some(Nanos(start + 1_000_000 * (50 + dice.below(4_000) as i64)));
        span.status = if dice.below(33) == 0 { Status::Error } else { Status::Ok };
        span.service = Some(service.clone());
        span.agent = Some(agent.clone());
        span.user = Some(user.clone());
        span.session = Some(session.clone());
        span.environment = Some("production".to_owned());
        span.tags = vec![tag.clone()];
        span.metadata = BTreeMap::from([("customer".to_owned(), customer.clone())]);
        span.dialects = vec!["genai".to_owned()];
        span.mapping_version = 1;
        span.received = Nanos(NOW);
        let (input, output) = match span.kind() {
            SpanKind::Llm => {
                span.model = Some(model.clone());
                span.provider = Some("openai".to_owned());
                span.response_id = Some(format!("chatcmpl-{}", dice.hex(20)));
                span.usage = Some(Usage {
                    input_uncached: 200 + dice.below(3_000),
                    output_text: 50 + dice.below(800),
                    ..Usage::default()
                });
                span.cost = Cost {
                    amount: Some(NanoUsd(1_000 + dice.below(9_000_000) as i64)),
                    source: CostSource::Table,
                    rule: Some("rules/pricing.yaml".to_owned()),
                };
                span.ttft = Some(Nanos(200_000_000 + dice.below(900_000_000) as i64));
                (format!("{shared} {}", dice.text(words, 1_500)), dice.text(words, 900))
            }
            SpanKind::Tool => {
                span.tool = Some(format!("tool-{}", dice.below(9)));
                (dice.text(words, 250), dice.text(words, 800))
            }
            _ => (dice.text(words, 200), dice.text(words, 1_500)),
        };
        for (key, value, part) in [
            ("gen_ai.input.messages", &input, Part::Input),
            ("gen_ai.output.messages", &output, Part::Output),
        ] {
            let mut attribute = Attribute::new(key, value.as_str());
            attribute.part = part;
            span.attributes.push(attribute);
        }
        span.attributes.push(Attribute::new("thread.id", dice.below(64)));
        span.attributes.push(Attribute::new("code.function", format!("run_{}", dice.below(40))));
        searchable(&span, &mut text);
        let parts = record::encode(&span);
        let lengths = parts.lengths().map(|n| n as u32);
        parts.0.iter().for_each(|part| raw.extend_from_slice(part));
        let mut head = SpanHead::of(&span);
        head.input_preview = Some(preview(&input));
        head.output_preview = Some(preview(&output));
        spans.push((head, offset, lengths, start));
        offset = raw.len() as u32;
    }
    let data = zstd::bulk::compress(&raw, 1).unwrap();
    let wire_bytes = raw.len() as u64;
    Template { spans, block: Block { raw_bytes: raw.len() as u32, data }, text, wire_bytes }
}

fn stamped(template: &Template, dice: &mut Dice, base: i64) -> TraceWrite {
    let trace_id = TraceId::new(&dice.hex(32)).unwrap();
    let spans = template.spans.iter().map(|(head, offset, lengths, start)| {
        let mut head = head.clone();
        let shift = base + start - head.start.0;
        head.trace_id = trace_id.clone();
        head.start = Nanos(head.start.0 + shift);
        head.end = head.end.map(|end| Nanos(end.0 + shift));
        let bytes = format!(
            "{{\"body_root\":\"{}\",\"kind\":\"span\",\"lengths\":{lengths:?},\"received\":\
             \"{NOW}\",\"record\":\"{}\",\"rules\":\"{}\",\"source\":\"otlp\",\"v\":1}}",
            dice.hex(64),
            dice.hex(32),
            "0".repeat(32),
        )
        .into_bytes();
        let hash = exhibit_ledger::leaf_hash(&bytes).0;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&dice.next().to_le_bytes());
        id[8..].copy_from_slice(&dice.next().to_le_bytes());
        SpanWrite {
            head,
            record: RecordId(id),
            supersedes: None,
            digest: id,
            offset: *offset,
            lengths: *lengths,
            leaf: Some(Leaf { bytes, hash }),
        }
    });
    TraceWrite {
        key: TraceKey(vec![7; 60]),
        block: template.block.clone(),
        spans: spans.collect(),
        text: template.text.clone(),
        // Asked for in earnest, as the recorder does.
        tombstone: Some([0; 16]),
        trace_id,
    }
}

fn thread_cpu() -> BTreeMap<String, Duration> {
    let mut cpu = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        let stat = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let nanos: u64 = stat.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        *cpu.entry(name.trim().to_owned()).or_default() += Duration::from_nanos(nanos);
    }
    cpu
}

/// CPU time of the whole process, threads that have ended included.
fn process_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    let ticks = |n: usize| fields.get(n).and_then(|t| t.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(12) + ticks(13)) * 10)
}

fn rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.and_then(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn bytes_in(directory: &Path) -> u64 {
    std::fs::read_dir(directory)
        .map(|files| {
            files
                .flatten()
                .map(|f| match f.metadata() {
                    Ok(m) if m.is_dir() => bytes_in(&f.path()),
                    Ok(m) => m.len(),
                    Err(_) => 0,
                })
                .sum()
        })
        .unwrap_or(0)
}

async fn timed<T>(name: &str, runs: usize, mut run: impl AsyncFnMut(usize) -> T) {
    let mut times = Vec::new();
    for n in 0..runs {
        let begun = Instant::now();
        std::hint::black_box(run(n).await);
        times.push(begun.elapsed());
    }
    times.sort();
    let p = |q: usize| times[(times.len() * q / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
    println!("{name:44} p50 {:8.2} ms   p95 {:8.2} ms", p(50), p(95));
}

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let spans: usize = args.next().map_or(300_000, |n| n.parse().unwrap());
    let directory = args.next().map(PathBuf::from);
    let now = args.next().is_some_and(|word| word == "now");
    let temporary = tempfile::tempdir().unwrap();
    let directory = directory.unwrap_or_else(|| temporary.path().join("data"));
    let words = vocabulary();
    let mut dice = Dice(42);
    let templates: Arc<Vec<Template>> =
        Arc::new((0..TEMPLATES).map(|_| template(&mut dice, &words)).collect());
    let raw: u64 = templates.iter().map(|t| t.wire_bytes).sum();
    let zipped: usize = templates.iter().map(|t| t.block.data.len()).sum();
    let per = (TEMPLATES * SPANS_PER_TRACE) as f64;
    println!("raw {:.0} B/span, blocks {:.0} B/span", raw as f64 / per, zipped as f64 / per);

    let options =
        Options { search: std::env::var("SEARCH").as_deref() != Ok("0"), ..Options::default() };
    let search = options.search;
    let begun = Instant::now();
    let store = Arc::new(SqliteStore::open(&directory, options.clone()).unwrap());
    println!("open {:.1} ms", begun.elapsed().as_secs_f64() * 1e3);
    let known = store.audit_size(WORKSPACE).await.unwrap();
    if known == 0 {
        write(&store, &templates, spans, now).await;
    }
    let begun = Instant::now();
    store.search_settled().await.unwrap();
    println!("settled after another {:.2} s", begun.elapsed().as_secs_f64());
    if std::env::var("AGAIN").is_ok() {
        read(&store, &words, search).await;
    }
    drop(store);
    let begun = Instant::now();
    let store = SqliteStore::open(&directory, options).unwrap();
    println!("open again {:.1} ms, rss {} MB", begun.elapsed().as_secs_f64() * 1e3, rss_mb());
    store.search_settled().await.unwrap();
    read(&store, &words, search).await;
    println!("rss {} MB", rss_mb());
    drop(store);
    sizes(&directory, spans.max(known as usize) as f64);
}

async fn write(store: &Arc<SqliteStore>, templates: &Arc<Vec<Template>>, spans: usize, now: bool) {
    let traces_per_batch = setting("TRACES", 4);
    let batches = spans / (SPANS_PER_TRACE * traces_per_batch);
    let done = Arc::new(AtomicU64::new(0));
    let (before, process_before) = (thread_cpu(), process_cpu());
    let begun = Instant::now();
    let workers: Vec<_> = (0..setting("WORKERS", 12) as u64)
        .map(|worker| {
            let (store, templates, done) = (store.clone(), templates.clone(), done.clone());
            tokio::spawn(async move {
                let mut dice = Dice(1_000 + worker);
                let mut acks = Vec::new();
                while (done.fetch_add(1, Ordering::Relaxed) as usize) < batches {
                    let traces = (0..traces_per_batch)
                        .map(|_| {
                            let n = dice.below(templates.len() as u64) as usize;
                            let base = if now {
                                NOW + begun.elapsed().as_nanos() as i64
                            } else {
                                NOW - dice.below(30 * DAY as u64) as i64
                            };
                            stamped(&templates[n], &mut dice, base)
                        })
                        .collect();
                    let batch = Batch {
                        workspace: WORKSPACE,
                        received: Nanos(NOW),
                        traces,
                        seals: Vec::new(),
                        acts: Vec::new(),
                    };
                    let asked = Instant::now();
                    store.commit(batch).await.unwrap();
                    acks.push(asked.elapsed());
                }
                acks
            })
        })
        .collect();
    let mut acks = Vec::new();
    let mut peak = 0;
    for worker in workers {
        acks.extend(worker.await.unwrap());
        peak = peak.max(rss_mb());
    }
    let took = begun.elapsed();
    acks.sort();
    let written = (batches * SPANS_PER_TRACE * traces_per_batch) as f64;
    println!(
        "{written} spans in {:.2} s: {:.0} spans/s, ack p50 {:.1} ms p99 {:.1} ms, rss {peak} MB",
        took.as_secs_f64(),
        written / took.as_secs_f64(),
        acks[acks.len() / 2].as_secs_f64() * 1e3,
        acks[acks.len() * 99 / 100].as_secs_f64() * 1e3,
    );
    store.search_settled().await.unwrap();
    println!("all searchable after {:.2} s", begun.elapsed().as_secs_f64());
    let process = (process_cpu() - process_before).as_secs_f64() * 1e6 / written;
    println!("  {:24} {process:6.2} µs CPU per span", "whole process");
    for (name, cpu) in thread_cpu() {
        let spent = cpu - before.get(&name).copied().unwrap_or_default();
        let micros = spent.as_secs_f64() * 1e6 / written;
        if micros > 0.05 {
            println!("  {name:24} {micros:6.2} µs CPU per span");
        }
    }
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    if let Some(bytes) = io.lines().find_map(|l| l.strip_prefix("write_bytes: ")) {
        println!("written to disk: {:.0} B/span", bytes.parse::<f64>().unwrap_or(0.0) / written);
    }
}

async fn read(store: &SqliteStore, words: &[String], search: bool) {
    let mut dice = Dice(3);
    let query = |filter: &str| TraceQuery {
        filter: Filter::parse(filter, Nanos(NOW)).unwrap(),
        order: Order::Newest,
        after: None,
        limit: 50,
    };
    for filter in [
        "",
        "status = error",
        "status = ok",
        "model = model-3",
        "agent = agent-5",
        "tool = tool-4",
        "user = user-77",
        "session = session-9",
        "tag = tag-3",
        "metadata.customer = customer-17",
        "kind = llm",
        "verdict = pass",
        "model = model-3 status = error user = user-77",
        "model in (model-1, model-2) and not status = ok",
        "time >= -3d cost > 0.05",
        "cost > 100",
        "environment = nowhere",
    ] {
        let query = query(filter);
        timed(&format!("list {filter}"), 40, async |_| {
            store.traces(WORKSPACE, &query).await.unwrap()
        })
        .await;
    }
    if search {
        for n in [0, 3, 40, 600, 6_000] {
            let query = query(&words[n]);
            timed(&format!("text, word number {n}"), 40, async |_| {
                store.traces(WORKSPACE, &query).await.unwrap()
            })
            .await;
        }
        let two = query(&format!("{} {} status = error", words[50], words[300]));
        timed("text, two words and a status", 40, async |_| {
            store.traces(WORKSPACE, &two).await.unwrap()
        })
        .await;
    }
    let page = store.traces(WORKSPACE, &TraceQuery { limit: 1_000, ..query("") }).await.unwrap();
    let ids: Vec<_> = page.rows.iter().map(|row| row.summary.trace_id.clone()).collect();
    timed("one trace, its spans and payloads", 200, async |_| {
        let id = &ids[dice.below(ids.len() as u64) as usize];
        let row = store.trace(WORKSPACE, id).await.unwrap().unwrap();
        let window = SpanWindow { limit: 100, ..SpanWindow::default() };
        let spans = store.spans(WORKSPACE, id, &window).await.unwrap();
        let wanted: Vec<_> =
            spans.rows.iter().map(|s| (id.clone(), s.head.span_id.clone())).collect();
        (row, store.load(WORKSPACE, &wanted).await.unwrap())
    })
    .await;
    timed("sessions", 20, async |_| store.sessions(WORKSPACE, &query("")).await.unwrap()).await;
    for (name, from, step_s) in [
        ("30 days by the day", NOW - 30 * DAY, 86_400),
        ("30 days by the hour", NOW - 30 * DAY, 3_600),
        ("1 day by the minute", NOW - DAY, 60),
    ] {
        for group_by in [None, Some(Dimension::Model), Some(Dimension::User)] {
            let query = AnalyticsQuery {
                from: Nanos(from),
                to: Nanos(NOW),
                group_by,
                step_s,
                groups_max: 20,
            };
            timed(&format!("analytics {name} {group_by:?}"), 20, async |_| {
                store.analytics(WORKSPACE, &query).await.unwrap()
            })
            .await;
        }
    }
    audit(store).await;
}

fn all_cpu() -> Duration {
    thread_cpu().values().sum()
}

async fn audit(store: &SqliteStore) {
    for bodies in [false, true] {
        let (begun, cpu) = (Instant::now(), all_cpu());
        let (mut after, mut records) = (None, 0_usize);
        loop {
            let page = store.audit_traces(WORKSPACE, after, 200, bodies).await.unwrap();
            records += page.rows.iter().map(|t| t.spans.len()).sum::<usize>();
            after = page.next;
            if after.is_none() || begun.elapsed() > Duration::from_secs(10) {
                break;
            }
        }
        let rate = records as f64 / begun.elapsed().as_secs_f64();
        let per_core = records as f64 / (all_cpu() - cpu).as_secs_f64();
        println!("audit, bodies {bodies}: {rate:.0} spans/s, {per_core:.0} per CPU second");
    }
    let size = store.head(LogId::Workspace(WORKSPACE)).await.unwrap().size;
    let (begun, cpu) = (Instant::now(), all_cpu());
    let mut at = 0;
    while at < size {
        let to = (at + 20_000).min(size);
        let leaves = store.leaves(LogId::Workspace(WORKSPACE), at, to).await.unwrap();
        let hashes = store.hashes(LogId::Workspace(WORKSPACE), 0, at, to).await.unwrap();
        assert_eq!((leaves.len(), hashes.len()), ((to - at) as usize, (to - at) as usize));
        at = to;
    }
    let rate = size as f64 / begun.elapsed().as_secs_f64();
    let per_core = size as f64 / (all_cpu() - cpu).as_secs_f64();
    println!("leaves and hashes: {rate:.0} leaves/s, {per_core:.0} per CPU second");
    let begun = Instant::now();
    let (mut after, mut cells) = (None, 0);
    loop {
        let page = store.audit_rollups(WORKSPACE, after, 20_000).await.unwrap();
        cells += page.rows.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    println!("rollups: {cells} cells, {:.0} cells/s", cells as f64 / begun.elapsed().as_secs_f64());
}

fn sizes(directory: &Path, spans: f64) {
    let total = bytes_in(directory) as f64;
    println!(
        "on disk {:.0} B/span, search {:.0}",
        total / spans,
        bytes_in(&directory.join("search")) as f64 / spans
    );
    let db = rusqlite::Connection::open(directory.join("exhibit.db")).unwrap();
    let mut statement = db
        .prepare("SELECT name, sum(pgsize), sum(unused) FROM dbstat GROUP BY name ORDER BY 2 DESC")
        .unwrap();
    let rows = statement
        .query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, f64>(1)?, row.get::<_, f64>(2)?))
        })
        .unwrap();
    for row in rows {
        let (name, bytes, unused) = row.unwrap();
        if bytes / spans >= 1.0 {
            println!("  {name:28} {:7.1} B/span ({:.1} unused)", bytes / spans, unused / spans);
        }
    }
}
