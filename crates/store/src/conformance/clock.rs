//! Clocks: what is due for a seal, and which running spans are stale. They run on receive time.

use exhibit_model::{Limits, Nanos, Span, Status};

use super::{
    Subject,
    fixture::{Tenant, Tweak, at, running, span},
    limits,
};

/// Seconds of a limit in milliseconds.
fn seconds(of: impl Fn(&Limits) -> u64) -> i64 {
    (of(&limits()) / 1_000) as i64
}

async fn sealable(tenant: &Tenant, now: Nanos) -> Vec<String> {
    let due = tenant.store.due(now, 100).await.unwrap();
    let mine = due.seals.iter().filter(|(workspace, _)| *workspace == tenant.workspace);
    let mut ids: Vec<_> = mine.map(|(_, trace)| trace.to_string()).collect();
    ids.sort();
    ids
}

async fn stale(tenant: &Tenant, now: Nanos) -> Vec<String> {
    let due = tenant.store.due(now, 100).await.unwrap();
    let mine = due.stale.iter().filter(|due| due.workspace == tenant.workspace);
    let mut ids: Vec<_> = mine.map(|d| format!("{}/{}", d.trace_id, d.span_id)).collect();
    ids.sort();
    ids
}

fn received(mut span: Span, at: Nanos) -> Span {
    span.received = at;
    span
}

pub async fn a_trace_is_due_after_its_root_has_ended(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let delay = seconds(|l| l.seal_after_root_ms);
    // The client's clock is a day behind; it must not matter.
    let root = received(span("t", "root", -86_400), at(100));
    tenant.put(&[received(span("t", "a", -86_400).under("root"), at(100)), root]).await;
    tenant.put(&[received(span("orphan", "a", 0).under("root"), at(100))]).await;
    assert!(sealable(&tenant, at(100 + delay - 1)).await.is_empty());
    assert_eq!(sealable(&tenant, at(100 + delay)).await, ["t"]);
    tenant.put_seals(at(100 + delay), vec![tenant.seal("t", 2)]).await;
    assert!(sealable(&tenant, at(101 + delay)).await.is_empty(), "nothing is unsealed");
    let late = received(span("t", "late", 0).under("root"), at(200 + delay));
    tenant.put(&[late]).await;
    assert_eq!(sealable(&tenant, at(200 + 2 * delay)).await, ["t"], "a late span seals again");
    tenant.put_seals(at(300 + delay), vec![tenant.seal("t", 3)]).await;
    assert!(sealable(&tenant, at(300 + 2 * delay)).await.is_empty());
}

pub async fn a_trace_without_a_root_is_due_after_silence(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let silence = seconds(|l| l.seal_after_silence_ms);
    let child = |id: &str, time| received(span("t", id, 0).under("root"), time);
    tenant.put(&[child("a", at(0))]).await;
    tenant.put(&[child("b", at(50))]).await;
    assert!(sealable(&tenant, at(50 + silence - 1)).await.is_empty());
    assert_eq!(sealable(&tenant, at(50 + silence)).await, ["t"]);
    tenant.put(&[received(running("quiet", "a", 0), at(0))]).await;
    assert!(!sealable(&tenant, at(50 + silence)).await.contains(&"quiet".to_owned()), "no leaves");
}

pub async fn an_endless_trace_is_due_by_its_size(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let most = limits().seal_partial_spans as usize;
    let child = |n: usize| received(span("t", &format!("s{n}"), 0).under("root"), at(0));
    tenant.put(&[received(running("t", "root", 0), at(0))]).await;
    tenant.put(&(0..most).map(child).collect::<Vec<_>>()).await;
    assert!(sealable(&tenant, at(1)).await.is_empty(), "as many as allowed");
    tenant.put(&[child(most)]).await;
    assert_eq!(sealable(&tenant, at(1)).await, ["t"]);
    let mut seal = tenant.seal("t", most as u64 + 1);
    seal.partial = true;
    tenant.put_seals(at(1), vec![seal]).await;
    assert!(sealable(&tenant, at(1)).await.is_empty());
}

pub async fn a_running_span_is_stale_after_its_last_update(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let after = seconds(|l| l.stale_after_ms);
    let sent = [received(running("t", "a", -86_400), at(0)), received(span("t", "b", 0), at(0))];
    tenant.put(&sent).await;
    assert!(stale(&tenant, at(after - 1)).await.is_empty());
    assert_eq!(stale(&tenant, at(after)).await, ["t/a"]);
    tenant.put(&[received(running("t", "a", 0), at(500))]).await;
    assert!(stale(&tenant, at(after)).await.is_empty(), "an update starts the clock again");
    tenant.put(&[received(span("t", "b", 1), at(900))]).await;
    assert_eq!(stale(&tenant, at(500 + after)).await, ["t/a"], "another span's update does not");
    let marked = received(running("t", "a", 0).with(|s| s.status = Status::Incomplete), at(5_000));
    tenant.put(&[marked]).await;
    assert!(stale(&tenant, at(50_000)).await.is_empty());
}

pub async fn what_is_due_is_limited_and_of_all_workspaces(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let other = tenant.another().await;
    for n in 0..4 {
        let trace = format!("t{n}");
        tenant
            .put(&[received(span(&trace, "a", 0), at(0)), received(running(&trace, "b", 0), at(0))])
            .await;
    }
    other.put(&[received(span("t0", "a", 0), at(0)), received(running("t0", "b", 0), at(0))]).await;
    let now = at(1_000_000);
    let due = tenant.store.due(now, 3).await.unwrap();
    assert_eq!((due.seals.len(), due.stale.len()), (3, 3));
    let due = tenant.store.due(now, 100).await.unwrap();
    assert_eq!((due.seals.len(), due.stale.len()), (5, 5));
    assert_eq!(sealable(&other, now).await, ["t0"]);
    assert_eq!(stale(&other, now).await, ["t0/b"]);
    for extreme in [Nanos(i64::MIN), Nanos(i64::MAX), Nanos(0)] {
        tenant.store.due(extreme, 1).await.unwrap();
    }
}
