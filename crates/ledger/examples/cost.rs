//! What sealing one record costs: `cargo run -p exhibit-ledger --release --example cost`. With a number, as
//! in `-- 10000000`, also what the full check of a log of so many leaves costs, without bodies.

use std::hint::black_box;
use std::time::Instant;

use exhibit_ledger::canonical::canonicalize_into;
use exhibit_ledger::leaf::{Leaf, LeafKind};
use exhibit_ledger::note::NoteSigner;
use exhibit_ledger::proof::{inclusion_proof, verify_inclusion};
use exhibit_ledger::record::{Body, PartKey, RecordId, body_root, body_roots};
use exhibit_ledger::tree::{Frontier, Hash, leaf_hash, leaf_hashes};
use exhibit_ledger::{Checkpoint, SignedCheckpoint};

/// Best mean of five runs over about 20,000 pieces of work, in microseconds for one.
fn cost(name: &str, batch: u64, mut work: impl FnMut(u64)) {
    let rounds = 20_000 / batch;
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        (0..rounds).for_each(&mut work);
        best = best.min(start.elapsed().as_secs_f64() * 1e6 / (rounds * batch) as f64);
    }
    println!("{best:8.3} µs  {name}");
}

fn leaf_of(n: u64, body_root: Hash) -> Leaf {
    Leaf {
        body_root: Some(body_root),
        lengths: vec![180, 1500, 700, 320, 100],
        rules: Some(Hash([3; 32])),
        epoch: Some(1),
        ..Leaf::new(LeafKind::Span, record(n), "otlp", 1_763_683_200_000_000_000 + n)
    }
}

fn record(n: u64) -> RecordId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&n.to_be_bytes());
    RecordId(id)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bytes = vec![b'x'; 2800];
    let parts: [&[u8]; 5] =
        [&bytes[..180], &bytes[..1500], &bytes[..700], &bytes[..320], &bytes[..100]];
    let small: [&[u8]; 5] =
        [&bytes[..100], &bytes[..1000], &bytes[..600], &bytes[..200], &bytes[..100]];
    let key = PartKey::new(&[7; 32]);
    let leaf_bytes = leaf_of(1, Hash([2; 32])).to_bytes()?;
    println!("span leaf: {} bytes", leaf_bytes.len());

    let mut out = Vec::with_capacity(512);
    for batch in [1, 10, 100] {
        let name = format!("body root + leaf + leaf hash + append, 2.8 KB, batches of {batch}");
        let mut log = Frontier::new();
        cost(&name, batch, |n| {
            let bodies: Vec<Body<'_>> = (0..batch)
                .map(|i| Body { key: &key, record: record(n + i), parts: &parts })
                .collect();
            let leaves: Vec<Vec<u8>> = body_roots(&bodies)
                .into_iter()
                .flatten()
                .filter_map(|root| leaf_of(n, root).to_bytes().ok())
                .collect();
            black_box(log.append_many(&leaf_hashes(&leaves)));
        });
        let name = format!("body root alone, 2.0 KB, batches of {batch}");
        cost(&name, batch, |n| {
            let bodies: Vec<Body<'_>> = (0..batch)
                .map(|i| Body { key: &key, record: record(n + i), parts: &small })
                .collect();
            black_box(body_roots(&bodies)).ok();
        });
    }
    cost("body root one record at a time, 2.8 KB", 1, |n| {
        black_box(body_root(&key, &record(n), &parts)).ok();
    });
    let hundred = vec![leaf_bytes.clone(); 100];
    cost("leaf hash, batches of 100", 100, |_| {
        black_box(leaf_hashes(black_box(&hundred)));
    });
    cost("leaf to bytes", 1, |n| {
        out.clear();
        black_box(leaf_of(n, Hash([2; 32])).encode(&mut out)).ok();
    });
    cost("leaf from bytes", 1, |_| {
        black_box(Leaf::parse(black_box(&leaf_bytes))).ok();
    });
    cost("leaf hash", 1, |_| {
        black_box(leaf_hash(black_box(&leaf_bytes)));
    });
    let mut frontier = Frontier::new();
    cost("frontier append", 1, |_| frontier.append(Hash([5; 32])));
    cost("part key of a trace", 1, |n| {
        black_box(PartKey::new(&[n as u8; 32]));
    });

    let value = serde_json::json!({
        "trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331",
        "name": "chat gpt-4o-mini", "kind": "CLIENT", "start": "1763683200123456789",
        "attributes": {
            "gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.usage.input_tokens": 412, "gen_ai.usage.output_tokens": 128,
            "gen_ai.request.temperature": 0.7, "server.address": "api.example.com",
            "input": "x".repeat(220), "output": "y".repeat(160), "stream": true, "user": null
        },
        "events": [{"name": "first_token", "at": "1763683200323456789"}, {"name": "end", "n": 2}]
    });
    canonicalize_into(&value, &mut out)?;
    out.clear();
    canonicalize_into(&value, &mut out)?;
    let name = format!("canonical JSON of {} bytes", out.len());
    cost(&name, 1, |_| {
        out.clear();
        black_box(canonicalize_into(black_box(&value), &mut out)).ok();
    });

    let hashes: Vec<Hash> = (0..256_u64).map(|n| leaf_hash(&n.to_be_bytes())).collect();
    let proof = inclusion_proof(hashes.as_slice(), 77, 256)?;
    let path: Vec<Hash> = proof.iter().cycle().take(20).copied().collect();
    let root = exhibit_ledger::proof::inclusion_root(77_777, 1 << 20, &hashes[77], &path)?;
    cost("verify an inclusion proof in 1 M leaves", 1, |_| {
        let _ = black_box(verify_inclusion(77_777, 1 << 20, &hashes[77], &path, &root));
    });
    let signer = NoteSigner::new("example.com/log", &[1; 32])?;
    cost("sign a checkpoint", 1, |n| {
        let head = Checkpoint::new("example.com/log", n, Hash([1; 32]));
        black_box(SignedCheckpoint::sign(head, &signer)).ok();
    });
    if let Some(leaves) = std::env::args().nth(1) {
        full_check(leaves.parse()?)?;
    }
    Ok(())
}

/// Reads, hashes and adds up every leaf of a log, as verification does, on one core. Leaves are made anew as
/// they are read: ten million of them would take four gigabytes.
fn full_check(leaves: u64) -> Result<(), Box<dyn std::error::Error>> {
    const CHUNK: u64 = 4_096;
    let (mut log, mut spent, mut at) = (Frontier::new(), 0.0, 0);
    while at < leaves {
        let to = (at + CHUNK).min(leaves);
        let bytes: Result<Vec<_>, _> =
            (at..to).map(|n| leaf_of(n, Hash([n as u8; 32])).to_bytes()).collect();
        let bytes = bytes?;
        let start = Instant::now();
        for leaf in &bytes {
            black_box(Leaf::parse(leaf))?;
        }
        black_box(log.append_many(&leaf_hashes(&bytes)));
        spent += start.elapsed().as_secs_f64();
        at = to;
    }
    println!("{spent:8.2} s   full check of a log of {leaves} leaves, root {}", log.root());
    Ok(())
}
