//! Revisions: replaced, corrected, counted once; and the summaries they add up to.

use std::collections::BTreeMap;

use exhibit_model::{NanoUsd, RecordId, Span, SpanHead, SpanKind, Status, TraceSummary, record};

use super::{
    Subject,
    fixture::{Dice, SECOND, START, Tenant, Tweak, at, call, running, span, span_id, trace_id},
};

pub async fn a_running_span_that_ends_is_replaced_in_place(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    tenant.put(&[running("t", "a", 0)]).await;
    assert_eq!(tenant.summary("t").await.status(), Status::Running);
    tenant.put(&[running("t", "a", 0)]).await;
    let done = tenant.put(&[span("t", "a", 0)]).await;
    let summary = tenant.summary("t").await;
    assert_eq!((summary.status(), summary.span_count, summary.running_count), (Status::Ok, 1, 0));
    let (rows, replaced) = (tenant.rows("t").await, superseded(&tenant, "t", "a").await);
    assert_eq!((rows.len(), rows[0].index), (1, Some(done.indexes[0])));
    assert!(replaced.is_empty(), "running revisions are not kept");
}

async fn superseded(tenant: &Tenant, trace: &str, span: &str) -> Vec<crate::StoredSpan> {
    tenant.store.superseded(tenant.workspace, &trace_id(trace), &span_id(span)).await.unwrap()
}

pub async fn a_replaced_terminal_revision_stays_readable(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let revisions = [
        call("t", "a", 0, 10),
        call("t", "a", 0, 20).with(|s| s.status = Status::Error),
        call("t", "a", 0, 30).with(|s| s.name = Some("renamed".into())),
    ];
    let mut written = Vec::new();
    for revision in &revisions {
        // Another span beside it shares the block.
        let beside = span("t", &format!("beside{}", written.len()), 0);
        let batch = tenant.batch(&[beside, revision.clone()]).await;
        let done = tenant.commit(batch.clone()).await.unwrap();
        written.push((batch.traces[0].spans[1].clone(), done.indexes[1]));
    }
    let kept = superseded(&tenant, "t", "a").await;
    assert_eq!(kept.len(), 2, "oldest first, without the current one");
    for ((stored, span), (write, index)) in kept.iter().zip(&revisions).zip(&written) {
        assert_eq!((stored.record, stored.digest), (write.record, write.digest));
        assert_eq!(stored.parts, record::encode(span).0);
        assert_eq!(stored.index, Some(*index));
        assert_eq!(stored.leaf_hash, write.leaf.as_ref().map(|leaf| leaf.hash));
    }
    let summary = tenant.summary("t").await;
    assert_eq!((summary.span_count, summary.error_count), (4, 0));
    assert_eq!((summary.leaf_usage.input_uncached, summary.leaf_cost), (30, NanoUsd(30_000)));
    let leaves = tenant.store.trace_leaves(tenant.workspace, &trace_id("t")).await.unwrap();
    assert_eq!(leaves.len(), 6, "superseded leaves stay");
    assert!(leaves.is_sorted_by(|a, b| a.0 < b.0));
    assert!(superseded(&tenant, "t", "unknown").await.is_empty());
    assert!(superseded(&tenant, "unknown", "a").await.is_empty());
}

pub async fn an_incomplete_mark_yields_and_stays_readable(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    tenant.put(&[running("t", "a", 0)]).await;
    tenant.put(&[running("t", "a", 0).with(|s| s.status = Status::Incomplete)]).await;
    assert_eq!(tenant.summary("t").await.status(), Status::Incomplete);
    tenant.put(&[running("t", "a", 0)]).await;
    let summary = tenant.summary("t").await;
    assert_eq!((summary.status(), summary.incomplete_count), (Status::Running, 0));
    assert_eq!(superseded(&tenant, "t", "a").await.len(), 1);
    let place = tenant.store.locate(tenant.workspace, &trace_id("t"), &span_id("a")).await.unwrap();
    assert_eq!(place, None, "the current revision runs");
    tenant.put(&[span("t", "a", 0)]).await;
    assert_eq!(tenant.summary("t").await.status(), Status::Ok);
}

pub async fn a_response_id_counts_once(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let answered =
        |id: &str, tokens| call("t", id, 0, tokens).with(|s| s.response_id = Some("resp_1".into()));
    tenant.put(&[answered("b", 10)]).await;
    tenant.put(&[answered("a", 1_000)]).await;
    let counted = async || -> Vec<(String, bool)> {
        let rows = tenant.rows("t").await;
        rows.iter().map(|row| (row.head.span_id.to_string(), row.counted)).collect()
    };
    let only_b = [("a".to_owned(), false), ("b".to_owned(), true)];
    assert_eq!(counted().await, only_b);
    let summary = tenant.summary("t").await;
    assert_eq!((summary.leaf_calls, summary.leaf_usage.input_uncached), (1, 10));

    tenant.put(&[answered("b", 30)]).await;
    tenant.put(&[answered("a", 2_000)]).await;
    assert_eq!(counted().await, only_b, "corrections keep counting, or not counting");
    let summary = tenant.summary("t").await;
    assert_eq!((summary.leaf_calls, summary.leaf_usage.input_uncached), (1, 30));

    let both = [answered("c", 5).with(|s| s.trace_id = trace_id("u")), {
        answered("d", 7).with(|s| s.trace_id = trace_id("u"))
    }];
    tenant.put(&both).await;
    let summary = tenant.summary("u").await;
    assert_eq!(summary.leaf_usage.input_uncached, 5, "once per trace, in the order of the batch");
    let ids = [(trace_id("u"), span_id("d")), (trace_id("u"), span_id("c"))];
    let loaded = tenant.store.load(tenant.workspace, &ids).await.unwrap();
    let counted: Vec<_> = loaded.iter().map(|s| s.as_ref().unwrap().counted).collect();
    assert_eq!(counted, [false, true]);
}

pub async fn a_container_never_takes_the_count_from_its_call(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let answered = |id: &str, kind| {
        call("t", id, 0, 10).with(|s| {
            s.kind = Some(kind);
            s.response_id = Some("resp_1".into());
        })
    };
    let silent = span("t", "silent", 0).with(|s| s.response_id = Some("resp_1".into()));
    tenant.put(&[answered("agent", SpanKind::Agent), silent]).await;
    tenant.put(&[answered("call", SpanKind::Llm).under("agent")]).await;
    let summary = tenant.summary("t").await;
    assert_eq!((summary.leaf_calls, summary.usage().input_uncached), (1, 10));
}

pub async fn summaries_are_the_fold_of_current_revisions_in_any_order(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let mut dice = Dice::new(7);
    let mut current: BTreeMap<(String, String), SpanHead> = BTreeMap::new();
    for _ in 0..60 {
        let mut spans: Vec<Span> = Vec::new();
        for _ in 0..=dice.roll(5) {
            let span = any_span(&mut dice);
            let same = |s: &Span| (&s.trace_id, &s.span_id) == (&span.trace_id, &span.span_id);
            if !spans.iter().any(same) {
                spans.push(span);
            }
        }
        let done = tenant.put(&spans).await;
        for span in &spans {
            let key = (span.trace_id.to_string(), span.span_id.to_string());
            current.insert(key, SpanHead::of(span));
        }
        for told in &done.traces {
            let summary = tenant.summary(told.trace_id.as_str()).await;
            assert_eq!(summary, **told, "commit and read tell the same");
            assert_eq!(summary, folded(&tenant, &told.trace_id.to_string(), &current).await);
        }
    }
}

async fn folded(
    tenant: &Tenant,
    trace: &str,
    current: &BTreeMap<(String, String), SpanHead>,
) -> TraceSummary {
    let mut summary = TraceSummary::new(trace_id(trace), START);
    let audited =
        tenant.store.audit_trace(tenant.workspace, &trace_id(trace)).await.unwrap().unwrap();
    let counted = |id: &str| {
        let mut spans = audited.spans.iter();
        spans.find(|(row, _)| row.head.span_id.as_str() == id).map(|(row, _)| row.counted)
    };
    // Backwards: the order must not matter.
    for ((_, id), head) in current.iter().rev().filter(|((t, _), _)| t == trace) {
        summary.absorb(head, counted(id).expect("every written span is there"));
    }
    summary
}

/// A span of a few traces with anything set, so that revisions add, change and take away.
pub(super) fn any_span(dice: &mut Dice) -> Span {
    let trace = dice.pick(&["t1", "t2", "t3"]);
    let id = dice.pick(&["a", "b", "c", "d", "e", "~"]);
    let mut span = call(trace, id, dice.roll(200) as i64, dice.roll(50));
    if dice.roll(3) == 0 {
        span = running(trace, id, dice.roll(3) as i64);
    }
    if id == "~" {
        span = super::fixture::span(trace, id, dice.roll(200) as i64);
    }
    span.parent_id = dice.maybe(&["a", "b"]).map(|p| span_id(&p));
    span.kind = Some(dice.pick(&[SpanKind::Llm, SpanKind::Agent, SpanKind::Tool, SpanKind::Span]));
    if span.status != Status::Running {
        span.status = dice.pick(&[Status::Ok, Status::Ok, Status::Error, Status::Incomplete]);
        span.end = (dice.roll(5) > 0).then(|| at(dice.roll(400) as i64));
    }
    span.agent = dice.maybe(&["planner", "writer"]);
    span.session = dice.maybe(&["s1", "s2"]);
    span.user = dice.maybe(&["ann", "bob"]);
    span.environment = dice.maybe(&["prod", "dev"]);
    span.version = dice.maybe(&["1", "2"]);
    span.service = dice.maybe(&["api"]);
    span.trace_name = dice.maybe(&["named"]);
    span.tool = dice.maybe(&["search", "shell"]);
    span.model = dice.maybe(&["gpt-4o", "claude"]);
    span.provider = dice.maybe(&["openai", "anthropic"]);
    span.response_id = dice.maybe(&["r1", "r2"]);
    span.tags.extend(dice.maybe(&["x", "y"]));
    if let Some(value) = dice.maybe(&["blue", "red"]) {
        span.metadata.insert(dice.pick(&["team", "tier"]).to_owned(), value);
    }
    if dice.roll(4) == 0 {
        span.cost.amount = None;
    }
    if dice.roll(4) == 0 {
        span.usage = None;
        span.cost.amount = None;
    }
    span.ttft = dice.maybe(&["1"]).map(|_| exhibit_model::Nanos(dice.roll(90) as i64 * SECOND));
    span.received = at(500);
    span
}

pub async fn records_keep_their_own_ids(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let mut seen: Vec<RecordId> = Vec::new();
    for n in 0..3 {
        tenant.put(&[call("t", "a", 0, n)]).await;
        let row = tenant.rows("t").await.remove(0);
        assert!(!seen.contains(&row.record));
        assert_eq!(row.head.usage.map(|u| u.input_uncached), Some(n));
        seen.push(row.record);
    }
    let kept: Vec<_> = superseded(&tenant, "t", "a").await.iter().map(|s| s.record).collect();
    assert_eq!(kept, seen[..2]);
}
