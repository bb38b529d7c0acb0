//! Traces in the order of their seals: what a sink follows.

use exhibit_model::Nanos;

use super::{
    Subject,
    fixture::{Tenant, at, span, trace_id},
};
use crate::{Doomed, Sealed};

async fn sealed(tenant: &Tenant, from: u64, limit: usize) -> Sealed {
    tenant.store.sealed_from(tenant.workspace, from, limit).await.unwrap()
}

fn ids(sealed: &Sealed) -> Vec<&str> {
    sealed.rows.iter().map(|row| row.summary.trace_id.as_str()).collect()
}

async fn put_sealed(tenant: &Tenant, trace: &str) {
    tenant.put(&[span(trace, "a", 0)]).await;
    tenant.put_seals(at(100), vec![tenant.seal(trace, 1)]).await;
}

/// Everything from an index on, asked for a few at a time.
async fn in_pages(tenant: &Tenant, mut from: u64, limit: usize) -> Vec<String> {
    let mut all = Vec::new();
    let size = tenant.log_size().await;
    while from < size {
        let page = sealed(tenant, from, limit).await;
        assert!(page.next > from && page.rows.len() <= limit);
        all.extend(ids(&page).into_iter().map(str::to_owned));
        from = page.next;
    }
    all
}

pub async fn traces_are_given_in_the_order_of_their_latest_seals(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    assert!(sealed(&tenant, 0, 10).await.rows.is_empty());
    for trace in ["c", "a", "b"] {
        put_sealed(&tenant, trace).await;
    }
    tenant.put(&[span("open", "a", 0)]).await;
    let all = sealed(&tenant, 0, 10).await;
    assert_eq!((ids(&all), all.next), (vec!["c", "a", "b"], tenant.log_size().await));
    let indexes: Vec<u64> = all.rows.iter().map(|row| row.seal.as_ref().unwrap().index).collect();
    assert!(indexes.is_sorted());
    let row = tenant.trace("a").await.unwrap();
    assert_eq!((&all.rows[1].seal, &all.rows[1].key), (&row.seal, &row.key));
    for limit in [1, 2, 3] {
        assert_eq!(in_pages(&tenant, 0, limit).await, ["c", "a", "b"], "{limit} at a time");
    }
    assert_eq!(ids(&sealed(&tenant, indexes[1], 10).await), ["a", "b"], "the start belongs to it");
    assert_eq!(ids(&sealed(&tenant, indexes[1] + 1, 10).await), ["b"]);

    // Sealed again, a trace stands where its latest seal is, and there alone.
    let from = all.next;
    tenant.put(&[span("c", "late", 1)]).await;
    let mut again = tenant.seal("c", 2);
    again.late = true;
    tenant.put_seals(at(200), vec![again]).await;
    assert_eq!(ids(&sealed(&tenant, from, 10).await), ["c"]);
    assert_eq!(in_pages(&tenant, 0, 1).await, ["a", "b", "c"]);

    // The log grows by other things too.
    let from = sealed(&tenant, 0, 10).await.next;
    tenant.put_acts(3).await;
    let none = sealed(&tenant, from, 10).await;
    assert_eq!((none.rows.len(), none.next), (0, from + 3));
    assert_eq!(sealed(&tenant, u64::MAX, 10).await.next, from + 3, "the log is shorter");
    assert_eq!(ids(&sealed(&tenant, 0, usize::MAX).await).len(), 3);
}

pub async fn what_is_sealed_is_given_a_workspace_at_a_time(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let other = tenant.another().await;
    for n in 0..5 {
        put_sealed(&tenant, &format!("mine{n}")).await;
        put_sealed(&other, &format!("theirs{n}")).await;
    }
    for limit in [1, 3, 10] {
        let mine = in_pages(&tenant, 0, limit).await;
        assert_eq!(mine, ["mine0", "mine1", "mine2", "mine3", "mine4"]);
        assert!(in_pages(&other, 0, limit).await.iter().all(|id| id.starts_with("theirs")));
    }
}

pub async fn an_erased_trace_is_given_no_more(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    put_sealed(&tenant, "gone").await;
    put_sealed(&tenant, "kept").await;
    let doomed = Doomed { trace_id: trace_id("gone"), leaves: 1, seals: 1, tombstone: [7; 16] };
    let act = tenant.admin_act();
    assert!(tenant.store.erase(tenant.workspace, vec![doomed], Vec::new(), act).await.unwrap());
    assert_eq!(in_pages(&tenant, 0, 1).await, ["kept"]);
    assert_eq!(sealed(&tenant, 0, 10).await.next, tenant.log_size().await);
    let row = tenant.trace("kept").await.unwrap();
    assert!(row.last_received > Nanos(0));
}
