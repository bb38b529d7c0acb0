//! Reviews with their acts, and deliveries.

use exhibit_model::{
    Nanos, RecordId, Review, ReviewAct, ReviewDeed, ReviewState, Severity, WorkspaceId,
};

use super::{Subject, fixture::Tenant};
use crate::{Delivery, LogId, ReviewQuery};

pub(super) fn review(number: u64) -> Review {
    Review {
        id: format!("rv_{number}"),
        trace_id: format!("t{number}").parse().unwrap(),
        span_id: Some("s".parse().unwrap()),
        policy: "p".into(),
        rule: if number.is_multiple_of(2) { "even".into() } else { "odd".into() },
        title: "Räum auf".into(),
        severity: Severity::High,
        queue: "default".into(),
        state: ReviewState::Open,
        assignee: None,
        four_eyes: false,
        opened: Nanos(number as i64),
        due: Some(Nanos(100 + number as i64)),
        decided: None,
        acts: Vec::new(),
        version: 1,
    }
}

fn query() -> ReviewQuery {
    ReviewQuery { limit: 100, ..ReviewQuery::default() }
}

/// A review is kept with its act, once.
pub async fn a_review_is_kept_with_its_act_and_only_once(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let (store, workspace) = (&tenant.store, tenant.workspace);
    let log = LogId::Workspace(workspace);
    let before = store.head(log).await.unwrap().size;
    let act = tenant.admin_act();
    assert!(store.put_review(workspace, &review(1), act.clone()).await.unwrap());
    assert!(!store.put_review(workspace, &review(1), tenant.admin_act()).await.unwrap());
    assert_eq!(store.leaves(log, before, 99).await.unwrap(), [act.leaf.bytes]);
    assert_eq!(store.review(workspace, "rv_1").await.unwrap(), Some(review(1)));
    assert_eq!(store.review(WorkspaceId(77), "rv_1").await.unwrap(), None);
    assert_eq!(store.review(workspace, "rv_9").await.unwrap(), None);
}

/// A change is built upon the present version.
pub async fn a_change_replaces_exactly_the_version_before(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let (store, workspace) = (&tenant.store, tenant.workspace);
    store.put_review(workspace, &review(1), tenant.admin_act()).await.unwrap();
    let mut second = review(1);
    (second.version, second.state) = (2, ReviewState::Claimed);
    second.assignee = Some("ann".into());
    second.acts.push(ReviewAct {
        at: Nanos(5),
        by: "user:ann".into(),
        deed: ReviewDeed::Claimed,
        reason: None,
        comment: Some("mine".into()),
    });
    assert!(store.put_review(workspace, &second, tenant.admin_act()).await.unwrap());
    assert!(!store.put_review(workspace, &second, tenant.admin_act()).await.unwrap(), "stale");
    assert_eq!(store.review(workspace, "rv_1").await.unwrap(), Some(second));
}

/// Lists are filtered, paged and newest first; due ones are found.
pub async fn reviews_are_found_by_what_they_are(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let (store, workspace) = (&tenant.store, tenant.workspace);
    for number in 1..=5 {
        store.put_review(workspace, &review(number), tenant.admin_act()).await.unwrap();
    }
    let mut done = review(5);
    (done.version, done.state) = (2, ReviewState::Approved);
    store.put_review(workspace, &done, tenant.admin_act()).await.unwrap();
    let ids = async |query: ReviewQuery| {
        let page = store.reviews(workspace, &query).await.unwrap();
        (page.rows.into_iter().map(|r| r.id).collect::<Vec<_>>(), page.next)
    };
    assert_eq!(ids(query()).await.0, ["rv_5", "rv_4", "rv_3", "rv_2", "rv_1"]);
    let (first, next) = ids(ReviewQuery { limit: 2, ..query() }).await;
    assert_eq!(first, ["rv_5", "rv_4"]);
    let (rest, end) = ids(ReviewQuery { after: next, ..query() }).await;
    assert_eq!((rest, end), (vec!["rv_3".into(), "rv_2".into(), "rv_1".into()], None));
    let open = ReviewQuery { states: vec![ReviewState::Open, ReviewState::Claimed], ..query() };
    assert_eq!(ids(open).await.0.len(), 4);
    let even = ReviewQuery { rule: Some("even".into()), ..query() };
    assert_eq!(ids(even).await.0, ["rv_4", "rv_2"]);
    let of_trace = ReviewQuery { trace: Some("t3".parse().unwrap()), ..query() };
    assert_eq!(ids(of_trace).await.0, ["rv_3"]);
    let nobody = ReviewQuery { assignee: Some("ann".into()), ..query() };
    assert!(ids(nobody).await.0.is_empty());
    let due = store.reviews_due(Nanos(102), 10).await.unwrap();
    assert_eq!(due.iter().map(|(_, r)| r.id.as_str()).collect::<Vec<_>>(), ["rv_1", "rv_2"]);
    assert!(store.reviews_due(Nanos(999), 99).await.unwrap().iter().all(|(_, r)| r.id != "rv_5"));
    assert!(
        store
            .reviews(workspace, &ReviewQuery { after: Some("x".into()), ..query() })
            .await
            .is_err()
    );
}

/// Keys of locked records are there until they are destroyed.
pub async fn a_lock_is_there_until_it_is_destroyed(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let (store, workspace) = (&tenant.store, tenant.workspace);
    let (one, two) = (RecordId([1; 16]), RecordId([2; 16]));
    store.put_locks(workspace, vec![(one, vec![7; 8]), (two, vec![8; 8])]).await.unwrap();
    let held = store.locks(workspace, &[two, RecordId([3; 16]), one]).await.unwrap();
    assert_eq!(held, [Some(vec![8; 8]), None, Some(vec![7; 8])]);
    assert_eq!(store.locks(WorkspaceId(77), &[one]).await.unwrap(), [None]);
    store.destroy_locks(workspace, &[one]).await.unwrap();
    let held = store.locks(workspace, &[one, two]).await.unwrap();
    assert_eq!(held, [None, Some(vec![8; 8])]);
}

/// Deliveries wait, are changed under their id, and give way.
pub async fn deliveries_wait_until_they_are_done(subject: Subject) {
    let (store, workspace) = (&subject.store, WorkspaceId(1));
    let delivery = |number: i64| Delivery {
        id: format!("msg_{number}"),
        channel: "ops".into(),
        event: "review.opened".into(),
        body: "{}".into(),
        created: Nanos(number),
        next: Some(Nanos(10 - number)),
        attempts: 0,
        delivered: None,
        last: None,
    };
    store.put_deliveries(workspace, (1..=4).map(delivery).collect(), 2).await.unwrap();
    let due = store.deliveries_due(Nanos(8), 9).await.unwrap();
    let ids: Vec<&str> = due.iter().map(|(_, d)| d.id.as_str()).collect();
    assert_eq!(ids, ["msg_4", "msg_3", "msg_2"], "the longest waiting first");
    let done = |number| Delivery {
        next: None,
        attempts: 1,
        delivered: Some(Nanos(20)),
        last: Some("204".into()),
        ..delivery(number)
    };
    store.put_deliveries(workspace, (1..=4).map(done).collect(), 2).await.unwrap();
    assert!(store.deliveries_due(Nanos(99), 9).await.unwrap().is_empty());
    let page = store.deliveries(workspace, None, 9).await.unwrap();
    assert_eq!(page.rows, [done(4), done(3)], "the oldest gave way");
    assert!(store.deliveries(WorkspaceId(2), None, 9).await.unwrap().rows.is_empty());
}
