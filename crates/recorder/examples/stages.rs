//! What each stage of the way of a span costs, measured one by one on one core.
//!
//! `exhibit-bench corpus --spans 20000 --out /tmp/c && cargo run --release -p exhibit-recorder
//! --example stages -- /tmp/c.otlpb`

#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use std::{
    collections::HashMap,
    hint::black_box,
    time::{Duration, Instant},
};

use exhibit_capture::{Context, Encoding, otlp};
use exhibit_govern::{FingerprintKey, RuleSet, shipped};
use exhibit_ledger::{
    Leaf, LeafKind, PartKey,
    record::{Body, body_roots},
    tree::leaf_hashes,
};
use exhibit_model::{Limits, Nanos, Span, SpanHead, TraceId, record, text};
use exhibit_pricing::PriceBook;

/// The allocator of the binary.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Failure = Box<dyn std::error::Error>;

/// Time spent in each stage, in order of first use.
#[derive(Default)]
struct Stages(Vec<(&'static str, Duration)>);

impl Stages {
    fn time<T>(&mut self, name: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let out = work();
        let spent = start.elapsed();
        match self.0.iter_mut().find(|(n, _)| *n == name) {
            Some((_, sum)) => *sum += spent,
            None => self.0.push((name, spent)),
        }
        out
    }

    fn print(&self, spans: usize) {
        let micros = |d: Duration| d.as_secs_f64() * 1e6 / spans as f64;
        for (name, spent) in &self.0 {
            println!("{name:<24} {:>8.2} µs/span", micros(*spent));
        }
        println!(
            "{:<24} {:>8.2} µs/span",
            "all of these",
            micros(self.0.iter().map(|s| s.1).sum())
        );
    }
}

fn main() -> Result<(), Failure> {
    let path = std::env::args().nth(1).ok_or("usage: stages CORPUS.otlpb")?;
    let bodies = read_corpus(&std::fs::read(path)?);
    let limits = Limits::default();
    let context =
        Context { received: Nanos(1_795_219_200_000_000_000), limits: &limits, labels: &[] };
    let files: Vec<_> = shipped().iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect();
    let rules = RuleSet::load(&files, FingerprintKey::new([7; 32]))?;
    let prices = PriceBook::from_yaml(exhibit_pricing::SHIPPED, "pricing.yaml")?;
    let mut compressor = zstd::bulk::Compressor::new(1)?;

    let mut stages = Stages::default();
    let (mut count, mut sealed, mut compressed, mut text_bytes) = (0, 0, 0, 0);
    for body in &bodies {
        let decoded = stages.time("decode", || otlp::traces(body, Encoding::Protobuf, &context))?;
        let mut spans: Vec<Span> = decoded.spans;
        count += spans.len();
        stages.time("map", || spans.iter_mut().for_each(exhibit_capture::map));
        stages.time("price", || spans.iter_mut().for_each(|s| s.cost = prices.price(s)));
        stages.time("govern", || {
            for span in &mut spans {
                if rules.evaluate(span).remap {
                    exhibit_capture::map(span);
                }
            }
        });
        let parts =
            stages.time("encode parts", || spans.iter().map(record::encode).collect::<Vec<_>>());
        stages.time("heads", || black_box(spans.iter().map(SpanHead::of).collect::<Vec<_>>()));
        stages.time("seal (roots, leaves)", || seal(&parts))?;
        let raw = by_trace(&spans, &parts);
        for block in &raw {
            compressed += stages.time("compress blocks", || compressor.compress(block))?.len();
        }
        let words = stages.time("words for search", || {
            let mut out = String::new();
            spans.iter().for_each(|s| text::searchable(s, &mut out));
            out
        });
        sealed += parts.iter().map(|p| p.lengths().iter().sum::<usize>()).sum::<usize>();
        text_bytes += words.len();
        stages.time("release", || drop((spans, parts, raw, words)));
    }
    let wire: usize = bodies.iter().map(Vec::len).sum();
    stages.print(count);
    println!(
        "bytes per span: {} on the wire, {} sealed, {} compressed, {} of text",
        wire / count,
        sealed / count,
        compressed / count,
        text_bytes / count
    );
    Ok(())
}

fn seal(parts: &[record::Parts]) -> Result<(), Failure> {
    let key = PartKey::new(&[1; 32]);
    for batch in parts.chunks(100) {
        let slices: Vec<_> = batch.iter().map(record::Parts::slices).collect();
        let id = exhibit_ledger::RecordId([9; 16]);
        let bodies: Vec<_> =
            slices.iter().map(|s| Body { key: &key, record: id, parts: s }).collect();
        let mut leaves = Vec::with_capacity(batch.len());
        for (root, parts) in body_roots(&bodies)?.into_iter().zip(batch) {
            let mut leaf = Leaf::new(LeafKind::Span, id, "otlp", 1);
            leaf.body_root = Some(root);
            leaf.lengths = parts.lengths().map(|n| n as u64).to_vec();
            leaves.push(leaf.to_bytes()?);
        }
        black_box(leaf_hashes(&leaves));
    }
    Ok(())
}

/// The spans of each trace that arrived within a hundred of one another, as blocks are made.
fn by_trace(spans: &[Span], parts: &[record::Parts]) -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    for (spans, parts) in spans.chunks(100).zip(parts.chunks(100)) {
        let mut traces: HashMap<&TraceId, Vec<u8>> = HashMap::new();
        for (span, parts) in spans.iter().zip(parts) {
            let block = traces.entry(&span.trace_id).or_default();
            parts.slices().iter().for_each(|part| block.extend_from_slice(part));
        }
        blocks.extend(traces.into_values());
    }
    blocks
}

/// Repeated: length (u32, little endian), span count (u32), body.
fn read_corpus(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<8>() {
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some((body, rest)) = rest.split_at_checked(length) else { break };
        bodies.push(body.to_vec());
        bytes = rest;
    }
    bodies
}
