//! What a commit does: all or nothing, in order, visible at once.

use exhibit_model::{RecordId, Status, record};

use super::{
    Subject,
    fixture::{Tenant, Tweak, at, call, running, span, span_id, trace_id},
};
use crate::{Batch, CommitError, Filter, TraceKey};

/// Everything that a refused batch could have left behind.
async fn fingerprint(tenant: &Tenant) -> String {
    let head = tenant.store.head(tenant.log()).await.unwrap();
    let rollups = tenant.store.audit_rollups(tenant.workspace, None, 100_000).await.unwrap().rows;
    let traces =
        tenant.store.audit_traces(tenant.workspace, None, 100_000, true).await.unwrap().rows;
    format!("{head:?} {rollups:?} {traces:?}")
}

async fn assert_refused(tenant: &Tenant, batch: Batch) -> CommitError {
    let before = fingerprint(tenant).await;
    let refused = tenant.commit(batch).await.expect_err("the batch must be refused");
    assert_eq!(fingerprint(tenant).await, before, "a refused batch left something behind");
    tenant.store.search_settled().await.unwrap();
    assert_eq!(tenant.find("unwritten").await, Vec::<String>::new());
    refused
}

async fn assert_stale(tenant: &Tenant, batch: Batch) {
    let refused = assert_refused(tenant, batch).await;
    assert!(matches!(refused, CommitError::Stale), "{refused:?}");
}

pub async fn a_committed_span_reads_back_whole(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let sent = [call("t", "a", 0, 10), running("t", "b", 1), span("u", "a", 2)];
    let batch = tenant.batch(&sent).await;
    let done = tenant.commit(batch.clone()).await.unwrap();

    let ids = [("t", "b"), ("u", "missing"), ("t", "a"), ("u", "a"), ("nowhere", "a")]
        .map(|(trace, span)| (trace_id(trace), span_id(span)));
    let loaded = tenant.store.load(tenant.workspace, &ids).await.unwrap();
    let present: Vec<_> = loaded.iter().map(Option::is_some).collect();
    assert_eq!(present, [true, false, true, true, false], "the order asked is kept");
    let stored = loaded[2].as_ref().unwrap();
    assert_eq!(stored.parts, record::encode(&sent[0]).0);
    let write = &batch.traces[0].spans[0];
    assert_eq!((stored.record, stored.digest), (write.record, write.digest));
    assert_eq!(stored.index, Some(done.indexes[0]));
    assert_eq!(stored.leaf_hash, write.leaf.as_ref().map(|leaf| leaf.hash));
    assert!(stored.counted);
    let still = loaded[0].as_ref().unwrap();
    assert_eq!((still.index, still.leaf_hash), (None, None));
    assert_eq!(still.parts, record::encode(&sent[1]).0);

    let keys =
        tenant.store.trace_keys(tenant.workspace, &["u", "v", "t"].map(trace_id)).await.unwrap();
    let expected = [Some(batch.traces[1].key.clone()), None, Some(batch.traces[0].key.clone())];
    assert_eq!(keys, expected);
    let row = tenant.trace("t").await.unwrap();
    assert_eq!((&row.key, row.seal.is_none()), (&batch.traces[0].key, true));
    assert_eq!((row.first_received, row.last_received), (batch.received, batch.received));
    assert_eq!(row.summary, done.traces[0]);
    assert_eq!(done.traces.len(), 2);
    let place = tenant.store.locate(tenant.workspace, &trace_id("t"), &span_id("a")).await.unwrap();
    assert_eq!(place, Some((tenant.log(), done.indexes[0])));
    for (trace, span) in [("t", "b"), ("t", "missing"), ("nowhere", "a")] {
        let place = tenant.store.locate(tenant.workspace, &trace_id(trace), &span_id(span)).await;
        assert_eq!(place.unwrap(), None, "{trace}/{span}");
    }
}

pub async fn times_of_receipt_do_not_depend_on_the_order_of_commits(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    for (id, received) in [("a", 20), ("b", 10), ("c", 15)] {
        let mut batch = tenant.batch(&[span("t", id, 0)]).await;
        batch.received = at(received);
        tenant.commit(batch).await.unwrap();
    }
    let row = tenant.trace("t").await.unwrap();
    assert_eq!((row.first_received, row.last_received), (at(10), at(20)));
}

pub async fn a_batch_with_one_stale_span_writes_nothing(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    tenant.put(&[span("t", "a", 0), running("t", "b", 0)]).await;
    let named = |s: exhibit_model::Span| s.with(|s| s.name = Some("unwritten".into()));
    let fresh = [
        named(call("new", "x", 1, 5)),
        named(span("t", "a", 1)),
        named(span("t", "b", 1)),
        named(span("t", "c", 1)),
    ];
    for (at, supersedes) in [
        (0, None),
        (0, Some(RecordId([7; 16]))),
        (1, None),
        (1, Some(RecordId([7; 16]))),
        (2, Some(RecordId([7; 16]))),
    ] {
        let mut batch = tenant.batch(&fresh).await;
        batch.acts.push(tenant.act());
        batch.seals.push(tenant.seal("t", 1));
        batch.traces[1].spans[at].supersedes = supersedes;
        assert_stale(&tenant, batch).await;
    }
    let mut batch = tenant.batch(&fresh).await;
    batch.traces[0].spans[0].supersedes = Some(RecordId([7; 16]));
    assert_stale(&tenant, batch).await;
}

pub async fn a_batch_built_on_a_replaced_revision_is_stale(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    tenant.put(&[running("t", "a", 0)]).await;
    let unwritten = span("t", "a", 0).with(|s| s.name = Some("unwritten".into()));
    let late = tenant.batch(&[unwritten]).await;
    tenant.put(&[span("t", "a", 0)]).await;
    assert_stale(&tenant, late.clone()).await;
    assert_stale(&tenant, late).await;
}

pub async fn two_batches_built_on_the_same_revision_do_not_both_pass(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    tenant.put(&[running("t", "a", 0)]).await;
    for round in 1..20 {
        let mine = tenant.batch(&[running("t", "a", round)]).await;
        let theirs = tenant.batch(&[running("t", "a", round)]).await;
        let (mine, theirs) = futures_join(tenant.commit(mine), tenant.commit(theirs)).await;
        let stale = |r: &Result<_, CommitError>| matches!(r, Err(CommitError::Stale));
        assert!(mine.is_ok() != theirs.is_ok(), "exactly one passes");
        assert!(stale(&mine) || stale(&theirs));
    }
}

pub async fn another_key_for_a_known_trace_is_stale(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    tenant.put(&[span("t", "a", 0)]).await;
    let unwritten = |id| span("t", id, 0).with(|s| s.name = Some("unwritten".into()));
    let mut batch = tenant.batch(&[unwritten("b")]).await;
    batch.traces[0].key = TraceKey(b"another".to_vec());
    assert_stale(&tenant, batch).await;
}

pub async fn exactly_sealed_revisions_have_a_leaf(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let unwritten = |s: exhibit_model::Span| s.with(|s| s.name = Some("unwritten".into()));
    let mut batch = tenant.batch(&[unwritten(span("t", "a", 0))]).await;
    batch.traces[0].spans[0].leaf = None;
    assert_refused(&tenant, batch).await;
    let mut batch = tenant.batch(&[unwritten(running("t", "a", 0))]).await;
    batch.traces[0].spans[0].leaf = Some(tenant.act());
    assert_refused(&tenant, batch).await;
}

pub async fn leaves_are_numbered_in_the_order_of_the_batch(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let base = tenant.log_size().await;
    let spans = [span("t", "b", 3), running("t", "r", 0), span("u", "z", 1), span("t", "a", 0)];
    let mut batch = tenant.batch(&spans).await;
    batch.seals = vec![tenant.seal("u", 1), tenant.seal("t", 2)];
    batch.acts = vec![tenant.act(), tenant.act()];
    let of_spans = batch.traces.iter().flat_map(|t| t.spans.iter().filter_map(|s| s.leaf.clone()));
    let of_seals = batch.seals.iter().map(|seal| seal.leaf.clone());
    let leaves: Vec<_> = of_spans.chain(of_seals).chain(batch.acts.clone()).collect();
    assert_eq!(leaves.len(), 7);
    let done = tenant.commit(batch).await.unwrap();
    assert_eq!(done.indexes, (base..base + 7).collect::<Vec<_>>());
    let stored = tenant.store.leaves(tenant.log(), base, base + 7).await.unwrap();
    assert_eq!(stored, leaves.iter().map(|leaf| leaf.bytes.clone()).collect::<Vec<_>>());
    let of_trace = tenant.store.trace_leaves(tenant.workspace, &trace_id("t")).await.unwrap();
    assert_eq!(of_trace, [(base, leaves[0].hash), (base + 1, leaves[1].hash)]);
}

pub async fn batches_do_not_interleave_and_the_sequence_grows(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let base = tenant.log_size().await;
    let mut batches = Vec::new();
    for round in 0..12 {
        let spans: Vec<_> =
            (0..5).map(|n| span(&format!("t{round}"), &format!("s{n}"), n)).collect();
        batches.push(tenant.batch(&spans).await);
    }
    let commits = batches.into_iter().map(|batch| tenant.commit(batch));
    let done: Vec<_> = join_all(commits).await.into_iter().map(Result::unwrap).collect();
    let mut starts: Vec<_> = done.iter().map(|d| d.indexes[0]).collect();
    for d in &done {
        assert_eq!(d.indexes, (d.indexes[0]..d.indexes[0] + 5).collect::<Vec<_>>());
    }
    starts.sort_unstable();
    assert_eq!(starts, (0..12).map(|n| base + 5 * n).collect::<Vec<_>>());
    let mut by_index: Vec<_> = done.iter().map(|d| (d.indexes[0], d.sequence)).collect();
    by_index.sort_unstable();
    assert!(by_index.is_sorted_by(|a, b| a.1 <= b.1), "the sequence follows the log");
    let last = by_index.last().unwrap().1;
    assert!(tenant.put_acts(1).await.sequence > last);
    assert!(tenant.another().await.put_acts(1).await.sequence > last + 1);
}

pub async fn a_batch_of_acts_alone_and_an_empty_one_are_fine(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let base = tenant.log_size().await;
    assert_eq!(tenant.put_acts(2).await.indexes, [base, base + 1]);
    let nothing = tenant.commit(tenant.empty(at(0))).await.unwrap();
    assert!(nothing.indexes.is_empty() && nothing.traces.is_empty());
    assert!(tenant.find("").await.is_empty());
}

pub async fn seals_are_kept_and_the_latest_is_shown(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    tenant.put(&[span("t", "a", 0)]).await;
    let mut partial = tenant.seal("t", 1);
    partial.partial = true;
    let first = tenant.put_seals(at(10), vec![partial.clone()]).await;
    assert_eq!(tenant.find("sealed = true").await, Vec::<String>::new());
    let mut late = tenant.seal("t", 1);
    late.late = true;
    let second = tenant.put_seals(at(20), vec![late.clone()]).await;
    assert_eq!(tenant.find("sealed = true").await, ["t"]);

    let seals = tenant.store.seals(tenant.workspace, &trace_id("t")).await.unwrap();
    assert_eq!(seals.len(), 2);
    for (stored, (write, done)) in seals.iter().zip([(partial, first), (late, second)]) {
        assert_eq!((stored.record, stored.index), (write.record, done.indexes[0]));
        assert_eq!(
            (&stored.body, stored.covered, stored.root),
            (&write.body, write.covered, write.root)
        );
        assert_eq!((stored.partial, stored.late), (write.partial, write.late));
    }
    assert_eq!(tenant.trace("t").await.unwrap().seal, Some(seals[1].clone()));
    let leaves = tenant.store.trace_leaves(tenant.workspace, &trace_id("t")).await.unwrap();
    assert_eq!(leaves.len(), 1, "a seal is no leaf of the trace's spans");
    let none = tenant.store.seals(tenant.workspace, &trace_id("u")).await.unwrap();
    assert!(none.is_empty());
}

pub async fn a_registration_names_the_trace_and_is_no_span(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let registration = span("t", "~", 5).with(|s| {
        s.trace_name = Some("nightly run".into());
        s.session = Some("s1".into());
    });
    tenant.put(&[registration]).await;
    let alone = tenant.summary("t").await;
    assert_eq!((alone.name.as_deref(), alone.span_count), (Some("nightly run"), 0));
    assert_eq!((alone.registered, alone.status()), (true, Status::Running));
    assert!(tenant.rows("t").await.is_empty());
    tenant.put(&[span("t", "a", 0)]).await;
    let summary = tenant.summary("t").await;
    assert_eq!((summary.name.as_deref(), summary.span_count), (Some("nightly run"), 1));
    assert_eq!((summary.status(), summary.start), (Status::Ok, at(0)));
    assert_eq!(tenant.rows("t").await.len(), 1);
    let ids = [(trace_id("t"), span_id("~"))];
    let stored = tenant.store.load(tenant.workspace, &ids).await.unwrap();
    assert!(stored[0].as_ref().is_some_and(|s| s.index.is_some()));
    let leaves = tenant.store.trace_leaves(tenant.workspace, &trace_id("t")).await.unwrap();
    assert_eq!(leaves.len(), 2);
}

pub async fn odd_text_reads_back_as_it_was_written(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let odd = [
        "",
        "\u{0}",
        "a\u{0}b",
        "'; drop table traces; --",
        "%_\\",
        "\"quoted\"",
        "日本語",
        "e\u{301} é",
        "👩‍👩‍👧‍👦",
        "\u{202e}rtl",
        "\u{feff}",
        "\u{10ffff}",
        "line\nline\r\n\ttab",
    ];
    for (n, text) in odd.iter().enumerate() {
        let text = (*text).to_owned();
        let written = span(&format!("t{n}"), "a", n as i64).with(|s| {
            s.name = Some(format!("x{text}"));
            s.agent = Some(text.clone());
            s.user = Some(text.clone());
            s.model = Some(text.clone());
            s.tags = vec![text.clone()];
            s.metadata.insert(text.clone(), text.clone());
            s.status_message = Some(text.clone());
        });
        let done = tenant.put(std::slice::from_ref(&written)).await;
        let row = tenant.trace(&format!("t{n}")).await.unwrap();
        assert_eq!(row.summary, done.traces[0], "{text:?}");
        assert_eq!(row.summary.metadata.get(&text), Some(&text));
        let ids = [(written.trace_id.clone(), written.span_id.clone())];
        let stored = tenant.store.load(tenant.workspace, &ids).await.unwrap().remove(0).unwrap();
        assert_eq!(stored.parts, record::encode(&written).0, "{text:?}");
        for field in [crate::filter::TextField::Agent, crate::filter::TextField::Tag] {
            let test = crate::filter::Test::OneOf { field, values: vec![text.clone()] };
            let page = tenant.page(&Filter::from(test), crate::Order::Newest, None, 100).await;
            let found: Vec<_> = page.rows.iter().map(|r| r.summary.trace_id.to_string()).collect();
            assert_eq!(found, [format!("t{n}")], "{text:?}");
        }
    }
}

pub async fn ids_that_differ_in_case_are_different(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    tenant.put(&[span("T", "a", 0), span("t", "A", 1), span("t", "a", 2)]).await;
    assert_eq!(tenant.summary("T").await.span_count, 1);
    assert_eq!(tenant.summary("t").await.span_count, 2);
    assert_eq!(tenant.find("id = T").await, ["T"]);
}

async fn futures_join<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (Box::pin(a), Box::pin(b));
    let (mut done_a, mut done_b) = (None, None);
    std::future::poll_fn(|context| {
        use std::task::Poll;
        if done_a.is_none()
            && let Poll::Ready(out) = a.as_mut().poll(context)
        {
            done_a = Some(out);
        }
        if done_b.is_none()
            && let Poll::Ready(out) = b.as_mut().poll(context)
        {
            done_b = Some(out);
        }
        if done_a.is_some() && done_b.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    (done_a.unwrap(), done_b.unwrap())
}

async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(|f| (Box::pin(f), None)).collect();
    std::future::poll_fn(|context| {
        use std::task::Poll;
        for (future, out) in &mut running {
            if out.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                *out = Some(value);
            }
        }
        let done = running.iter().all(|(_, out)| out.is_some());
        if done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, out)| out).collect()
}
