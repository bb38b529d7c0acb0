//! Removal of traces: gone from everything that is shown, while their leaves stay.

use exhibit_model::ReviewState;

use super::{
    Subject, Tenant,
    fixture::{call, leaf, trace_id},
    review::review,
};
use crate::{AdminAct, CommitError, Doomed, Filter, LogId, Order, TraceQuery};

pub(super) fn act(body: &str) -> AdminAct {
    AdminAct { leaf: leaf(format!("an act {body}")), body: body.as_bytes().to_vec() }
}

pub(super) async fn doomed(tenant: &Tenant, trace: &str) -> Doomed {
    let trace_id = trace_id(trace);
    let leaves = tenant.store.trace_leaves(tenant.workspace, &trace_id).await.unwrap().len() as u64;
    let seals = tenant.store.seals(tenant.workspace, &trace_id).await.unwrap().len() as u64;
    Doomed { trace_id, leaves, seals, tombstone: [leaves as u8; 16] }
}

/// An erased trace is in no list, no sum and no search; its leaves and a tombstone stay.
pub async fn an_erased_trace_is_gone_and_its_leaves_stay(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let (store, workspace) = (&tenant.store, tenant.workspace);
    tenant.put(&[call("gone", "a", 0, 100), call("gone", "b", 1, 10)]).await;
    tenant.put(&[call("kept", "a", 0, 7)]).await;
    let log = LogId::Workspace(workspace);
    let before = store.head(log).await.unwrap().size;
    let id = trace_id("gone");
    let wrong = Doomed { leaves: 1, ..doomed(&tenant, "gone").await };
    assert!(
        !store.erase(workspace, vec![wrong], Vec::new(), act("x")).await.unwrap(),
        "it has two leaves"
    );
    assert!(store.tombstones(workspace, &[]).await.unwrap().is_empty());
    let right = doomed(&tenant, "gone").await;
    assert!(store.erase(workspace, vec![right.clone()], Vec::new(), act("y")).await.unwrap());
    assert!(
        !store.erase(workspace, vec![right], Vec::new(), act("z")).await.unwrap(),
        "it is gone"
    );

    assert!(store.trace(workspace, &id).await.unwrap().is_none());
    assert!(store.audit_trace(workspace, &id).await.unwrap().is_none());
    assert!(store.trace_leaves(workspace, &id).await.unwrap().is_empty());
    let query = TraceQuery { filter: Filter::All, order: Order::Newest, after: None, limit: 10 };
    let rows = store.traces(workspace, &query).await.unwrap().rows;
    assert_eq!(rows.len(), 1);
    let cells = store.audit_rollups(workspace, None, 1_000).await.unwrap().rows;
    let mut expected = crate::rollup::Accumulator::new();
    let kept = exhibit_model::SpanHead::of(&call("kept", "a", 0, 7));
    expected.add(&kept, true, true, crate::rollup::Inherited::default());
    let mut expected: std::collections::BTreeMap<_, _> =
        expected.into_cells().into_iter().collect();
    for (key, cell) in cells {
        assert_eq!(expected.remove(&key).unwrap_or_default(), cell, "{key:?}");
    }
    assert!(expected.is_empty());
    assert_eq!(store.head(log).await.unwrap().size, before + 1, "the act came, nothing went");
    assert_eq!(store.tombstones(workspace, &[]).await.unwrap(), [true]);
    let found = store.tombstones(workspace, &[[2; 16], [9; 16]]).await.unwrap();
    assert_eq!(found, [true, false]);
    // A batch that was begun before does not bring it back.
    let mut late = tenant.batch(&[call("gone", "late", 5, 1)]).await;
    late.traces[0].tombstone = Some([2; 16]);
    let refused = store.commit(late.clone()).await;
    assert!(matches!(refused, Err(CommitError::Stale)), "{refused:?}");
    assert!(store.trace(workspace, &id).await.unwrap().is_none());
    let mut other = tenant.batch(&[call("other", "a", 5, 1)]).await;
    other.traces[0].tombstone = Some([9; 16]);
    assert!(store.commit(other).await.is_ok(), "another trace is not concerned");
    // The id may be used again by whoever does not ask for tombstones.
    tenant.put(&[call("gone", "a", 0, 1)]).await;
    assert_eq!(store.trace_leaves(workspace, &id).await.unwrap().len(), 1);
}

/// With a trace its undecided reviews are closed, exactly those and all of them.
pub async fn the_undecided_reviews_of_an_erased_trace_are_closed_with_it(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let (store, workspace) = (&tenant.store, tenant.workspace);
    tenant.put(&[call("t1", "a", 0, 1)]).await;
    tenant.put(&[call("t2", "a", 0, 1)]).await;
    for number in [1, 2, 3] {
        let mut asked = review(number);
        // The third is another one of the first trace, and decided.
        if number == 3 {
            (asked.trace_id, asked.state) = (trace_id("t1"), ReviewState::Approved);
        }
        assert!(store.put_review(workspace, &asked, act(&format!("r{number}"))).await.unwrap());
    }
    let log = LogId::Workspace(workspace);
    let before = store.head(log).await.unwrap().size;
    let one = doomed(&tenant, "t1").await;
    let closed = |number: u64, version: u64| {
        let mut closed = review(number);
        (closed.state, closed.version) = (ReviewState::Closed, version);
        (closed, act(&format!("closed {number}")))
    };
    for wrong in [vec![], vec![closed(1, 3)], vec![closed(2, 2)], vec![closed(1, 2), closed(2, 2)]]
    {
        let done = store.erase(workspace, vec![one.clone()], wrong, act("erased")).await.unwrap();
        assert!(!done, "other reviews are undecided");
    }
    assert_eq!(store.head(log).await.unwrap().size, before, "nothing was done");
    let right = vec![closed(1, 2)];
    assert!(store.erase(workspace, vec![one], right, act("erased")).await.unwrap());
    let state = async |id: &str| store.review(workspace, id).await.unwrap().unwrap().state;
    assert_eq!(state("rv_1").await, ReviewState::Closed);
    assert_eq!(state("rv_2").await, ReviewState::Open, "that of another trace");
    assert_eq!(state("rv_3").await, ReviewState::Approved);
    assert_eq!(store.head(log).await.unwrap().size, before + 2, "an act each");
}
