//! A sink gets every sealed trace, loses none while it is away, and forgets what is erased.

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use exhibit_model::TraceId;
use exhibit_recorder::{
    Erase, RetentionRule, RuleSource, Sink, SinkDocument, SinkName, SinkRule, SinkStanding,
    SpanDetail, Unwritten,
};
use exhibit_store::TraceRow;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::house::{House, call};

/// A place that keeps what it is given, unless it is away.
#[derive(Default)]
struct Shelf {
    held: Mutex<BTreeMap<SinkName, Value>>,
    /// How many documents came at once, each time.
    writes: Mutex<Vec<usize>>,
    away: AtomicBool,
    /// The trace whose document is refused for good.
    refused: Mutex<Option<String>>,
    /// Erases a trace while its document is on its way.
    eraser: Mutex<Option<Arc<exhibit_recorder::Recorder>>>,
}

impl Shelf {
    fn traces(&self) -> Vec<String> {
        let held = self.held.lock();
        let mut ids: Vec<_> =
            held.values().map(|d| d["trace_id"].as_str().unwrap().into()).collect();
        ids.sort();
        ids
    }

    fn answers(&self) -> Result<(), String> {
        if self.away.load(Ordering::SeqCst) { Err("nobody is there".into()) } else { Ok(()) }
    }
}

#[async_trait]
impl Sink for Shelf {
    async fn greet(&self) -> Result<(), String> {
        self.answers()
    }

    fn encode(
        &self,
        _: &SinkName,
        row: &TraceRow,
        spans: &[SpanDetail],
    ) -> Result<Vec<u8>, String> {
        let texts: Vec<Value> =
            spans.iter().map(|s| json!([s.span.name, s.content.input, s.content.output])).collect();
        let summary = &row.summary;
        let document = json!({
            "trace_id": summary.trace_id, "spans": spans.len(), "texts": texts,
            "previews": [summary.input_preview, summary.output_preview],
        });
        Ok(document.to_string().into_bytes())
    }

    async fn write(&self, documents: &[SinkDocument]) -> Result<Vec<Unwritten>, String> {
        self.answers()?;
        self.writes.lock().push(documents.len());
        let eraser = self.eraser.lock().take();
        if let Some(recorder) = eraser {
            let workspace = recorder.default_workspace().await.unwrap();
            let what = Erase::Trace(documents[0].trace.clone());
            recorder.erase(&workspace, what, ("asked for", "local"), false).await.unwrap();
        }
        let refused = self.refused.lock().clone();
        let mut unwritten = Vec::new();
        for (index, document) in documents.iter().enumerate() {
            if refused.as_deref() == Some(document.trace.as_str()) {
                unwritten.push(Unwritten { index, reason: "it is too odd".into() });
                continue;
            }
            let read = serde_json::from_slice(&document.bytes).unwrap();
            self.held.lock().insert(document.name, read);
        }
        Ok(unwritten)
    }

    async fn remove(&self, names: &[SinkName]) -> Result<(), String> {
        self.answers()?;
        names.iter().for_each(|name| drop(self.held.lock().remove(name)));
        Ok(())
    }
}

fn rule(house: &House, shelf: &Arc<Shelf>, place: &str) -> SinkRule {
    let sink = Arc::clone(shelf) as Arc<dyn Sink>;
    SinkRule { sink, workspace: house.workspace, place: place.into() }
}

/// Each time from what was kept, as after a restart.
async fn fill(house: &House, shelf: &Arc<Shelf>) -> bool {
    house.recorder.fill_sink(&rule(house, shelf, "shelf")).await.unwrap()
}

async fn standing(house: &House) -> SinkStanding {
    house.recorder.sink_standing(house.workspace, "shelf").await.unwrap().unwrap()
}

async fn seal(house: &House) {
    house.turn(31);
    while house.recorder.complete_due().await.unwrap() > 0 {}
}

async fn erase(house: &House, trace: &str) {
    let workspace = house.recorder.default_workspace().await.unwrap();
    let what = Erase::Trace(TraceId::new(trace).unwrap());
    house.recorder.erase(&workspace, what, ("asked for", "local"), false).await.unwrap();
}

#[tokio::test]
async fn a_trace_goes_there_when_it_is_sealed_and_again_when_it_has_changed() {
    let (house, shelf) = (House::new().await, Arc::new(Shelf::default()));
    house.send(json!([call("a", "s"), call("b", "s")])).await;
    assert!(fill(&house, &shelf).await);
    assert!(shelf.traces().is_empty(), "nothing is sealed yet");
    seal(&house).await;
    assert!(fill(&house, &shelf).await);
    assert_eq!(shelf.traces(), ["a", "b"]);
    assert!(fill(&house, &shelf).await);
    assert_eq!(*shelf.writes.lock(), [2], "what is there is not written again");

    let mut late = call("a", "late");
    late["parent_span_id"] = json!("s");
    house.send(json!([late])).await;
    assert!(fill(&house, &shelf).await);
    assert_eq!(*shelf.writes.lock(), [2], "it is not sealed anew yet");
    seal(&house).await;
    assert!(fill(&house, &shelf).await);
    assert_eq!(
        (shelf.traces(), &*shelf.writes.lock()),
        (vec!["a".into(), "b".into()], &vec![2, 1])
    );
    assert!(shelf.held.lock().values().any(|d| d["trace_id"] == "a" && d["spans"] == 2));
    let standing = standing(&house).await;
    assert_eq!((standing.written, standing.behind, standing.problem), (3, 0, None));
    assert_eq!(standing.complete, Some(house.recorder.now()));
}

#[tokio::test]
async fn what_came_while_it_was_away_is_written_in_pieces_when_it_is_back() {
    let (house, shelf) = (House::new().await, Arc::new(Shelf::default()));
    house.send(json!([call("first", "s")])).await;
    seal(&house).await;
    assert!(fill(&house, &shelf).await);
    shelf.away.store(true, Ordering::SeqCst);
    for batch in 0..5 {
        let spans: Vec<Value> = (0..90).map(|n| call(&format!("t{batch}-{n}"), "s")).collect();
        house.send(json!(spans)).await;
        seal(&house).await;
        assert!(!fill(&house, &shelf).await);
    }
    let missing = standing(&house).await;
    let (since, problem) = missing.problem.unwrap();
    assert_eq!((problem.as_str(), missing.written), ("nobody is there", 1));
    assert!(missing.behind >= 450 && since < house.recorder.now(), "since the first failure");
    let gauges = house.recorder.gauges();
    let gauge = |name: &str| gauges.iter().find(|g| g.name == name).unwrap().value;
    assert!(gauge("sink_failing") > 0.5);
    assert!(gauge("sink_lag_seconds") >= 4.0 * 31.0, "{}", gauge("sink_lag_seconds"));
    assert!(gauge("sink_behind_entries") >= 450.0);

    shelf.away.store(false, Ordering::SeqCst);
    assert!(fill(&house, &shelf).await);
    assert_eq!(shelf.traces().len(), 451);
    let writes = shelf.writes.lock().clone();
    assert_eq!(writes.iter().sum::<usize>(), 451, "each once");
    assert!(writes.iter().all(|count| *count <= 100), "{writes:?}");
    let there = standing(&house).await;
    assert_eq!((there.written, there.behind, there.problem), (451, 0, None));
    let gauges = house.recorder.gauges();
    assert!(gauges.iter().any(|g| g.name == "sink_lag_seconds" && g.value == 0.0));
}

#[tokio::test]
async fn an_erased_trace_is_erased_there_too_however_it_went() {
    let (house, shelf) = (House::new().await, Arc::new(Shelf::default()));
    house.send(json!(["kept", "gone", "away", "never"].map(|t| call(t, "s")))).await;
    seal(&house).await;
    erase(&house, "never").await;
    assert!(fill(&house, &shelf).await);
    assert_eq!(shelf.traces(), ["away", "gone", "kept"]);
    erase(&house, "gone").await;
    assert!(fill(&house, &shelf).await);
    assert_eq!(shelf.traces(), ["away", "kept"]);

    shelf.away.store(true, Ordering::SeqCst);
    erase(&house, "away").await;
    assert!(!fill(&house, &shelf).await);
    assert_eq!(shelf.traces(), ["away", "kept"]);
    shelf.away.store(false, Ordering::SeqCst);
    assert!(fill(&house, &shelf).await);
    assert_eq!(shelf.traces(), ["kept"]);

    // Delivered again it is refused here, so it does not come back there.
    house.send(json!([call("gone", "s")])).await;
    seal(&house).await;
    let rules =
        vec![RetentionRule { name: "short".into(), filter: String::new(), keep_days: Some(1) }];
    assert!(fill(&house, &shelf).await);
    assert_eq!(shelf.traces(), ["kept"]);

    house.recorder.set_retention_rules(house.workspace, rules).await.unwrap();
    house.turn(3 * 86_400);
    let workspace = house.recorder.default_workspace().await.unwrap();
    house.recorder.run_retention(&workspace, "clock", false).await.unwrap();
    assert!(fill(&house, &shelf).await);
    assert!(shelf.traces().is_empty(), "what the rules of retention take away goes there too");
    assert_eq!(standing(&house).await.removed, 4);
}

#[tokio::test]
async fn a_trace_that_is_erased_while_its_document_is_on_its_way_does_not_stay() {
    let (house, shelf) = (House::new().await, Arc::new(Shelf::default()));
    house.send(json!([call("race", "s")])).await;
    seal(&house).await;
    *shelf.eraser.lock() = Some(Arc::clone(&house.recorder));
    assert!(fill(&house, &shelf).await);
    assert_eq!(shelf.writes.lock().len(), 1, "it was written");
    assert!(fill(&house, &shelf).await);
    assert!(shelf.traces().is_empty());
}

#[tokio::test]
async fn only_what_every_reader_may_see_goes_out() {
    const POLICY: &str = r#"
version: 1
policy: desk
rules:
  - id: no-iban
    title: An account number
    severity: high
    when: {finding: {entity: IBAN_CODE}}
    then: [{block: {message: "an account number"}}]
  - id: mail
    title: An address
    severity: low
    when: {finding: {entity: EMAIL_ADDRESS}}
    then: [{redact: {with: mask}}]
"#;
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("policies")).unwrap();
    fs::write(dir.path().join("policies/desk.yaml"), POLICY).unwrap();
    let house = House::with_rules(RuleSource { dir: Some(dir.path().to_owned()) }).await;
    let shelf = Arc::new(Shelf::default());
    let mut kept_apart = call("t", "s");
    kept_apart["input"] = json!({ "prompt": "Pay to DE89370400440532013000 today" });
    let mut masked = call("m", "s");
    masked["input"] = json!({ "prompt": "Write to ann.lee@shop-mail.org please" });
    house.send(json!([kept_apart, masked])).await;
    seal(&house).await;
    assert!(fill(&house, &shelf).await);
    assert_eq!(shelf.traces(), ["m", "t"]);
    let all = json!(shelf.held.lock().values().collect::<Vec<_>>()).to_string();
    assert!(!all.contains("DE8937") && !all.contains("Pay to"), "{all}");
    assert!(all.contains("Write to") && !all.contains("ann.lee"), "{all}");
}

#[tokio::test]
async fn a_document_that_is_refused_stops_no_other_and_is_told() {
    let (house, shelf) = (House::new().await, Arc::new(Shelf::default()));
    *shelf.refused.lock() = Some("odd".into());
    house.send(json!(["a", "odd", "z"].map(|t| call(t, "s")))).await;
    seal(&house).await;
    assert!(fill(&house, &shelf).await);
    assert_eq!(shelf.traces(), ["a", "z"]);
    let there = standing(&house).await;
    assert_eq!((there.written, there.refused, there.behind), (2, 1, 0));
    let letters = house.recorder.dead_letters(house.workspace, None, 10).await.unwrap().rows;
    assert_eq!(letters[0].trace_id.as_deref(), Some("odd"));
    assert_eq!(letters[0].reason, "shelf refuses its document: it is too odd");
}

#[tokio::test]
async fn another_place_is_filled_from_the_beginning() {
    let (house, shelf) = (House::new().await, Arc::new(Shelf::default()));
    house.send(json!([call("a", "s")])).await;
    seal(&house).await;
    assert!(fill(&house, &shelf).await);
    let other = Arc::new(Shelf::default());
    assert!(house.recorder.fill_sink(&rule(&house, &other, "elsewhere")).await.unwrap());
    assert_eq!(other.traces(), ["a"]);
    assert_eq!(shelf.writes.lock().len(), 1);
    assert!(house.recorder.sink_standing(house.workspace, "nowhere").await.unwrap().is_none());
}

#[tokio::test]
async fn the_server_feeds_it_until_it_is_stopped() {
    let (house, shelf) = (House::new().await, Arc::new(Shelf::default()));
    shelf.away.store(true, Ordering::SeqCst);
    house.send(json!([call("a", "s")])).await;
    seal(&house).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let recorder = Arc::clone(&house.recorder);
    let running = tokio::spawn(recorder.run_sink(rule(&house, &shelf, "shelf"), stopped));
    let eventually = async |what: &dyn Fn() -> bool| {
        for _ in 0..500 {
            if what() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("it did not come about");
    };
    let failing =
        || house.recorder.gauges().iter().any(|g| g.name == "sink_failing" && g.value > 0.5);
    eventually(&failing).await;
    shelf.away.store(false, Ordering::SeqCst);
    eventually(&|| shelf.traces() == ["a"]).await;
    stop.send(true).unwrap();
    running.await.unwrap();
}
