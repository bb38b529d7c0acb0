//! A node that stops between any two steps: nothing acknowledged is lost, nothing is there in part, and
//! nothing counts twice.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use exhibit_model::{Attribute, Limits, Part, Span, SpanHead, record};
use exhibit_store::{
    AdminAct, Doomed, Store,
    conformance::{
        Subject, Tenant,
        fixture::{Tweak, at, call, leaf, running, trace_id},
    },
    rollup::{Accumulator, Cell, Inherited, Key},
};
use exhibit_store_cluster::{ClusterStore, Interrupt};

use crate::engines::Databases;

/// Every place at which a commit can be cut.
const COMMITTING: [&str; 3] = ["apply", "write", "commit"];
/// Every place at which shipping can be cut.
const SHIPPING: [&str; 9] = [
    "ship traces",
    "record traces",
    "ship blocks",
    "ship texts",
    "record payloads",
    "ship cells",
    "record cells",
    "ship erasure",
    "record erasure",
];

/// Stops at a step as often as told, once it is armed.
#[derive(Clone, Default)]
struct Trap {
    armed: Arc<AtomicBool>,
    left: Arc<AtomicU32>,
    sprung: Arc<AtomicU32>,
}

impl Trap {
    fn at(&self, step: &'static str, times: u32) -> Interrupt {
        let trap = self.clone();
        trap.left.store(times, Ordering::SeqCst);
        Interrupt::new(move |here| {
            let stops = here == step
                && trap.armed.load(Ordering::SeqCst)
                && trap
                    .left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
                    .is_ok();
            if stops {
                trap.sprung.fetch_add(1, Ordering::SeqCst);
            }
            stops
        })
    }
}

fn saying(trace: &str, id: &str, start: i64, text: &str) -> Span {
    call(trace, id, start, 10).with(|span| {
        let mut attribute = Attribute::new("input", text);
        attribute.part = Part::Input;
        span.attributes.push(attribute);
    })
}

/// Until the outbox is empty.
pub(crate) async fn wait_until_shipped(databases: &Databases) {
    let psql = databases.psql().await;
    for _ in 0..400 {
        let left: i64 = psql
            .query_one(
                "SELECT (SELECT count(*) FROM outbox_traces) + (SELECT count(*) FROM outbox_moved) \
                 + (SELECT count(*) FROM outbox_blocks) + (SELECT count(*) FROM outbox_texts) \
                 + (SELECT count(*) FROM outbox_deltas) + (SELECT count(*) FROM outbox_erased)",
                &[],
            )
            .await
            .unwrap()
            .get(0);
        if left == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the outbox is not shipped");
}

async fn cells(tenant: &Tenant) -> BTreeMap<Key, Cell> {
    let mut all = BTreeMap::new();
    let mut after = None;
    loop {
        let page = tenant.store.audit_rollups(tenant.workspace, after, 100).await.unwrap();
        all.extend(page.rows.into_iter().filter(|(_, cell)| !cell.is_zero()));
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

fn sums(spans: &[Span]) -> BTreeMap<Key, Cell> {
    let mut sum = Accumulator::new();
    let mut seen = std::collections::BTreeSet::new();
    for span in spans {
        let first = seen.insert(span.trace_id.clone());
        sum.add(&SpanHead::of(span), true, first, Inherited::default());
    }
    sum.into_cells().into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shipping_that_stops_between_any_two_steps_changes_nothing_that_is_read() {
    for step in SHIPPING {
        let Some(databases) = Databases::make().await else { return };
        let trap = Trap::default();
        let mut options = databases.options(Limits::default());
        options.ship_interval = Duration::from_millis(5);
        options.interrupt = Some(trap.at(step, 3));
        let store = ClusterStore::open(options).await.unwrap();
        let tenant = Tenant::open(Subject::new(store)).await;
        trap.armed.store(true, Ordering::SeqCst);

        let kept = [
            saying("kept", "a", 10, "alpha"),
            saying("kept", "b", 3, "beta"),
            saying("other", "a", 70, "alpha"),
        ];
        tenant.put(&kept[..1]).await;
        tenant.put(&[running("gone", "a", 5)]).await;
        // The trace's start moves, so its row over there has to move too.
        tenant.put(&kept[1..]).await;
        tenant.put(&[saying("gone", "a", 5, "alpha")]).await;
        let doomed = Doomed { trace_id: trace_id("gone"), leaves: 1, seals: 0, tombstone: [7; 16] };
        let act = AdminAct { leaf: leaf("an act"), body: b"an act".to_vec() };
        assert!(tenant.store.erase(tenant.workspace, vec![doomed], Vec::new(), act).await.unwrap());

        // What is read does not depend on how far shipping has come.
        let expected = sums(&[kept[0].clone(), kept[2].clone(), kept[1].clone()]);
        let check = async |when: &str| {
            assert_eq!(tenant.find("").await, ["other", "kept"], "{step}, {when}");
            assert_eq!(tenant.find("alpha").await, ["other", "kept"], "{step}, {when}");
            assert_eq!(tenant.find("alpha beta").await, ["kept"], "{step}, {when}");
            assert_eq!(cells(&tenant).await, expected, "{step}, {when}");
            for span in &kept {
                let ids = [(span.trace_id.clone(), span.span_id.clone())];
                let stored = tenant.store.load(tenant.workspace, &ids).await.unwrap().remove(0);
                assert_eq!(stored.unwrap().parts, record::encode(span).0, "{step}, {when}");
            }
        };
        for _ in 0..3 {
            check("while it is shipped").await;
        }
        wait_until_shipped(&databases).await;
        check("once it is shipped").await;
        assert_eq!(trap.sprung.load(Ordering::SeqCst), 3, "{step} was cut three times");
        assert_eq!(tenant.summary("kept").await.start, at(3));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_stops_between_any_two_steps_is_there_whole_or_not_at_all() {
    for step in COMMITTING {
        let Some(databases) = Databases::make().await else { return };
        let trap = Trap::default();
        let mut options = databases.options(Limits::default());
        options.interrupt = Some(trap.at(step, 1));
        let store = ClusterStore::open(options).await.unwrap();
        let tenant = Tenant::open(Subject::new(store)).await;
        tenant.put(&[call("t", "a", 0, 10)]).await;
        let size = tenant.log_size().await;
        trap.armed.store(true, Ordering::SeqCst);
        let spans = [call("t", "b", 1, 10), call("t", "c", 2, 10)];
        let batch = tenant.batch(&spans).await;
        assert!(tenant.commit(batch).await.is_err(), "{step}");
        let whole = step == "commit";
        // The same bytes on another node, which knows nothing of this one.
        let node: Arc<dyn Store> = Arc::new(databases.node().await);
        let head = node.head(tenant.log()).await.unwrap();
        assert_eq!(head.size, if whole { size + 2 } else { size }, "{step}");
        let ids = spans.each_ref().map(|s| (s.trace_id.clone(), s.span_id.clone()));
        let stored = node.load(tenant.workspace, &ids).await.unwrap();
        assert_eq!(stored.iter().filter(|s| s.is_some()).count(), if whole { 2 } else { 0 });
        let leaves = node.trace_leaves(tenant.workspace, &trace_id("t")).await.unwrap();
        assert_eq!(leaves.len(), if whole { 3 } else { 1 }, "{step}");
        let mut all = vec![call("t", "a", 0, 10)];
        if whole {
            all.extend(spans);
        }
        assert_eq!(cells(&tenant).await, sums(&all), "{step}");
        assert_eq!(tenant.summary("t").await.span_count, all.len() as u64, "{step}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_the_lead_records_nothing() {
    let Some(databases) = Databases::make().await else { return };
    let mut options = databases.options(Limits::default());
    options.ship_interval = Duration::from_hours(1);
    let store = ClusterStore::open(options).await.unwrap();
    assert!(store.leads());
    let psql = databases.psql().await;
    // Another node has taken over while this one slept.
    psql.batch_execute("UPDATE leases SET holder = 'another', epoch = epoch + 1, until = now() + interval '1 hour'")
        .await
        .unwrap();
    let root = exhibit_ledger::empty_root().0;
    let heads = [exhibit_store::LogHead {
        log: exhibit_store::LogId::Workspace(exhibit_model::WorkspaceId(1)),
        size: 0,
        root,
    }];
    let published = exhibit_store::LedgerStore::publish(&store, &heads, vec![leaf("head")]).await;
    assert!(published.is_err());
    let log = exhibit_store::LogId::Installation;
    assert_eq!(exhibit_store::LedgerStore::head(&store, log).await.unwrap().size, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_write_one_log_at_once_number_its_leaves_without_a_gap() {
    let Some(databases) = Databases::make().await else { return };
    let first = Tenant::open(Subject::new(databases.node().await)).await;
    let base = first.log_size().await;
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(Arc::new(databases.node().await));
    }
    let mut tasks = Vec::new();
    for (n, node) in nodes.into_iter().enumerate() {
        let mut batches = Vec::new();
        for round in 0..10 {
            let spans: Vec<Span> =
                (0..4).map(|k| call(&format!("t{n}.{round}"), &format!("s{k}"), k, 1)).collect();
            batches.push(first.batch(&spans).await);
        }
        tasks.push(tokio::spawn(async move {
            let mut indexes = Vec::new();
            for batch in batches {
                let done = exhibit_store::SpanStore::commit(&*node, batch).await.unwrap();
                indexes.extend(done.indexes);
            }
            indexes
        }));
    }
    let mut indexes = Vec::new();
    for task in tasks {
        indexes.extend(task.await.unwrap());
    }
    indexes.sort_unstable();
    assert_eq!(indexes, (base..base + 120).collect::<Vec<_>>());
    let head = first.store.head(first.log()).await.unwrap();
    let hashes = first.store.hashes(first.log(), 0, 0, head.size).await.unwrap();
    let mut tree = exhibit_ledger::Frontier::new();
    hashes.into_iter().for_each(|hash| tree.append(exhibit_ledger::Hash(hash)));
    assert_eq!((tree.size(), tree.root().0), (head.size, head.root));
}
