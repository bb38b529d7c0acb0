//! Reads for verification: everything, once, page by page.

use std::collections::BTreeSet;

use exhibit_model::record;

use super::{
    Subject,
    fixture::{Tenant, at, call, running, span, trace_id},
};
use crate::AuditTrace;

async fn audited(tenant: &Tenant, limit: usize, bodies: bool) -> Vec<AuditTrace> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = tenant.store.audit_traces(tenant.workspace, after, limit, bodies).await.unwrap();
        assert!(page.rows.len() <= limit);
        all.extend(page.rows);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

pub async fn pages_hold_every_record_of_every_trace_once(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let mut ids = BTreeSet::new();
    for n in 0..23 {
        let trace = format!("t{n}");
        tenant.put(&[call(&trace, "a", n, 5), running(&trace, "b", n), span(&trace, "~", n)]).await;
        ids.insert(trace);
    }
    tenant.put(&[call("t7", "a", 7, 6)]).await;
    tenant.put(&[call("t7", "a", 7, 7)]).await;
    tenant.put_seals(at(99), vec![tenant.seal("t7", 4), tenant.seal("t7", 4)]).await;
    assert_eq!(tenant.store.audit_size(tenant.workspace).await.unwrap(), 23 * 3);
    for (limit, bodies) in [(1, false), (7, true), (100, true), (100, false)] {
        let all = audited(&tenant, limit, bodies).await;
        let seen: Vec<_> = all.iter().map(|t| t.row.summary.trace_id.to_string()).collect();
        assert_eq!(seen.len(), 23);
        assert_eq!(seen.iter().cloned().collect::<BTreeSet<_>>(), ids);
        for trace in &all {
            let spans: BTreeSet<_> =
                trace.spans.iter().map(|(r, _)| r.head.span_id.as_str()).collect();
            assert_eq!(spans, BTreeSet::from(["a", "b", "~"]));
            assert_eq!(trace.lengths.len(), 3);
            for ((row, stored), lengths) in trace.spans.iter().zip(&trace.lengths) {
                assert_eq!((row.record, row.index), (stored.record, stored.index));
                assert_eq!((row.leaf_hash, row.counted), (stored.leaf_hash, stored.counted));
                let stored: Vec<_> = stored.parts.iter().map(|p| p.len() as u32).collect();
                assert!(lengths[0] > 0);
                assert_eq!(stored, if bodies { lengths.to_vec() } else { vec![0; 5] });
            }
        }
        let seventh = all.iter().find(|t| t.row.summary.trace_id.as_str() == "t7").unwrap();
        assert_eq!((seventh.superseded.len(), seventh.seals.len()), (2, 2));
        assert!(seventh.superseded.iter().all(|(_, s)| s.index.is_some() && s.leaf_hash.is_some()));
        assert!(seventh.superseded.iter().all(|(_, s)| s.parts[0].is_empty() != bodies));
    }
}

pub async fn one_trace_is_audited_with_its_bytes(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let (old, new) = (call("t", "a", 0, 5), call("t", "a", 0, 6));
    tenant.put(std::slice::from_ref(&old)).await;
    tenant.put(std::slice::from_ref(&new)).await;
    tenant.put(&[span("u", "a", 0)]).await;
    tenant.put_seals(at(9), vec![tenant.seal("t", 2)]).await;
    let audited =
        tenant.store.audit_trace(tenant.workspace, &trace_id("t")).await.unwrap().unwrap();
    let shown = tenant.trace("t").await.unwrap();
    assert_eq!(audited.row.summary, shown.summary);
    assert_eq!((&audited.row.seal, &audited.row.key), (&shown.seal, &shown.key));
    assert_eq!((audited.spans.len(), audited.superseded.len(), audited.seals.len()), (1, 1, 1));
    assert_eq!(audited.spans[0].1.parts, record::encode(&new).0);
    assert_eq!(audited.superseded[0].1.parts, record::encode(&old).0);
    let none = tenant.store.audit_trace(tenant.workspace, &trace_id("v")).await.unwrap();
    assert!(none.is_none());
}
