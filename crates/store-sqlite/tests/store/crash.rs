//! Killed at any instant: nothing acknowledged is lost, nothing half-written is shown.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use exhibit_model::{Span, SpanId, Status, TraceId};
use exhibit_store::{
    SpanStore,
    conformance::fixture::{Dice, Tweak, call, running, span},
};

use crate::batches::{Builder, WORKSPACE, open, verify};

const KILLS: u64 = 24;
const DIRECTORY: &str = "EXHIBIT_TEST_CRASH_DIRECTORY";
const SEED: &str = "EXHIBIT_TEST_CRASH_SEED";

/// Not a test of its own: what the killed process runs. Without a directory it does nothing.
#[test]
fn the_process_that_is_killed() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let seed: u64 = std::env::var(SEED).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        let store = Arc::new(open(Path::new(&directory)));
        let writers = (0..4_u64).map(|n| tokio::spawn(write_on(Arc::clone(&store), seed * 10 + n)));
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
    });
}

/// Commits batch after batch and says what was acknowledged, until it is killed.
async fn write_on(store: Arc<exhibit_store_sqlite::SqliteStore>, seed: u64) {
    let mut builder = Builder::new(seed);
    let mut dice = Dice::new(seed);
    let mut open_spans: Vec<Span> = Vec::new();
    for round in 0.. {
        let mut spans = Vec::new();
        for n in 0..1 + dice.roll(6) {
            let trace = format!("t{seed}.{}", round / 3);
            let id = format!("s{round}.{n}");
            let made = match dice.roll(3) {
                0 => running(&trace, &id, n as i64),
                1 => call(&trace, &id, n as i64, 10 + n),
                _ => span(&trace, &id, n as i64),
            };
            let made = if n > 0 { made.under("root") } else { made };
            if made.status == Status::Running {
                open_spans.push(made.clone());
            }
            spans.push(made);
        }
        if open_spans.len() > 8 {
            let done = open_spans.remove(0).with(|s| {
                s.status = Status::Ok;
                s.end = s.start.map(|start| exhibit_model::Nanos(start.0 + 5));
            });
            if !spans.iter().any(|s| (&s.trace_id, &s.span_id) == (&done.trace_id, &done.span_id)) {
                spans.push(done);
            }
        }
        let batch = builder.batch(&spans);
        let acked: String = batch
            .traces
            .iter()
            .flat_map(|t| t.spans.iter().map(move |s| (&t.trace_id, &s.head.span_id, s.record)))
            .map(|(trace, span, record)| format!("acked {trace} {span} {record}\n"))
            .collect();
        store.commit(batch).await.unwrap();
        let mut out = std::io::stdout().lock();
        out.write_all(acked.as_bytes()).unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_acknowledged_survives_being_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice::new(11);
    let mut acked: HashMap<(TraceId, SpanId), Vec<String>> = HashMap::new();
    for kill in 0..KILLS {
        let new = kill_while_writing(dir.path(), kill, Duration::from_millis(dice.roll(120)));
        assert!(!new.is_empty(), "it wrote something before kill {kill}");
        for (trace, span, record) in new {
            acked.entry((trace, span)).or_default().push(record);
        }
        let store = open(dir.path());
        let ids: Vec<_> = acked.keys().cloned().collect();
        let loaded = store.load(WORKSPACE, &ids).await.unwrap();
        for (id, found) in ids.iter().zip(loaded) {
            let found = found.unwrap_or_else(|| panic!("{id:?} was acknowledged and is lost"));
            // Either the last that was acknowledged, or one whose answer was cut off.
            let known = acked.get_mut(id).unwrap();
            if !known.contains(&found.record.to_string()) {
                known.push(found.record.to_string());
            } else {
                assert_eq!(known.last(), Some(&found.record.to_string()), "an older revision");
            }
        }
        if kill % 6 == 5 {
            verify(&store).await;
        }
    }
}

type Acked = Vec<(TraceId, SpanId, String)>;

fn kill_while_writing(directory: &Path, seed: u64, after: Duration) -> Acked {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::the_process_that_is_killed", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(SEED, seed.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acked = Vec::new();
    let mut read = |lines: &mut dyn Iterator<Item = std::io::Result<String>>, most: usize| {
        for line in lines.map_while(Result::ok).filter(|l| l.contains("acked ")).take(most) {
            let words: Vec<_> = line.split("acked ").last().unwrap().split(' ').collect();
            // The last line may be cut off.
            if let [trace, span, record] = words.as_slice()
                && record.len() == 32
            {
                let (trace, span) = (TraceId::new(trace).unwrap(), SpanId::new(span).unwrap());
                acked.push((trace, span, (*record).to_owned()));
            }
        }
    };
    read(&mut lines, 1);
    let killer = std::thread::spawn(move || {
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
    });
    read(&mut lines, usize::MAX);
    killer.join().unwrap();

    acked
}

#[tokio::test]
async fn a_log_that_was_cut_off_in_the_middle_of_a_commit_is_read_up_to_the_last_whole_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut builder = Builder::new(5);
    let store = open(dir.path());
    for n in 0..20 {
        let batch = builder.batch(&[call(&format!("t{n}"), "a", n, 5)]);
        store.commit(batch).await.unwrap();
    }
    // A copy of the files as a machine that lost its power would leave them.
    let torn = tempfile::tempdir().unwrap();
    for file in ["exhibit.db", "exhibit.db-wal"] {
        std::fs::copy(dir.path().join(file), torn.path().join(file)).unwrap();
    }
    let wal = torn.path().join("exhibit.db-wal");
    let length = std::fs::metadata(&wal).unwrap().len();
    for cut in [1, 100, 5_000, 60_000] {
        let file = std::fs::OpenOptions::new().write(true).open(&wal).unwrap();
        file.set_len(length - cut).unwrap();
        drop(file);
        let copy = tempfile::tempdir().unwrap();
        for file in ["exhibit.db", "exhibit.db-wal"] {
            std::fs::copy(torn.path().join(file), copy.path().join(file)).unwrap();
        }
        let reopened = open(copy.path());
        verify(&reopened).await;
    }
}
