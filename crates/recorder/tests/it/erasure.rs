//! Erasure while clients go on sending.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
    mpsc::{Receiver, Sender, channel},
};

use exhibit_model::{Entropy, TraceId};
use exhibit_recorder::{Erase, OsEntropy, RuleSource};
use serde_json::json;

use crate::house::{House, call};

/// Randomness that keeps the next who asks for it waiting: a batch is stopped while it is being built.
struct Gate {
    armed: AtomicBool,
    reached: Sender<()>,
    go: Mutex<Receiver<()>>,
}

impl Entropy for Gate {
    fn fill(&self, bytes: &mut [u8]) {
        if self.armed.swap(false, Ordering::SeqCst) {
            self.reached.send(()).unwrap();
            self.go.lock().unwrap().recv().unwrap();
        }
        OsEntropy.fill(bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_being_built_while_its_trace_is_erased_does_not_bring_it_back() {
    let ((reached, is_reached), (proceed, go)) = (channel(), channel());
    let gate = Arc::new(Gate { armed: AtomicBool::new(false), reached, go: Mutex::new(go) });
    let house = House::with(RuleSource::default(), Arc::clone(&gate) as Arc<dyn Entropy>).await;
    let house = Arc::new(house);
    house.send(json!([call("t", "first")])).await;

    // Another span of the trace: built upon nothing, so no revision of it can be stale.
    gate.armed.store(true, Ordering::SeqCst);
    let sender = Arc::clone(&house);
    let sent = tokio::spawn(async move { sender.send(json!([call("t", "second")])).await });
    tokio::task::spawn_blocking(move || is_reached.recv().unwrap()).await.unwrap();
    let workspace = house.recorder.default_workspace().await.unwrap();
    let trace = TraceId::new("t").unwrap();
    let asked = ("request 17", "local");
    house.recorder.erase(&workspace, Erase::Trace(trace.clone()), asked, false).await.unwrap();
    proceed.send(()).unwrap();

    let accepted = sent.await.unwrap();
    assert_eq!((accepted.accepted, accepted.rejected.len()), (0, 1), "{:?}", accepted.rejected);
    assert!(house.recorder.trace(workspace.id, &trace).await.unwrap().is_none(), "it came back");
    let certificate = house.recorder.certificate(workspace.id, &trace).await.unwrap().unwrap();
    assert_eq!(certificate.erased.by.as_deref(), Some("local"));
}
