//! Lists: order, pages, cursors, windows, sessions, and what another workspace sees.

use std::collections::BTreeSet;

use exhibit_model::{Nanos, Span, SpanHead, Status, WorkspaceId};

use super::{
    Subject,
    fixture::{Dice, START, Tenant, Tweak, at, call, running, span, span_id, trace_id},
};
use crate::{Filter, HistoryQuery, Order, SessionSummary, SpanWindow, StoreError, TraceQuery};

fn ids(rows: &[crate::TraceRow]) -> Vec<String> {
    rows.iter().map(|row| row.summary.trace_id.to_string()).collect()
}

pub async fn pages_join_to_the_whole_list_in_both_orders(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let mut dice = Dice::new(5);
    // Many traces share a start, so that the order within one start matters.
    let spans: Vec<_> = (0..73).map(|n| span(&format!("t{n}"), "a", dice.roll(9) as i64)).collect();
    tenant.put(&spans).await;
    for order in [Order::Newest, Order::Oldest] {
        let whole = tenant.page(&Filter::All, order, None, 1_000).await;
        assert_eq!((whole.rows.len(), &whole.next), (73, &None));
        let starts: Vec<_> = whole.rows.iter().map(|row| row.summary.start).collect();
        assert!(starts.is_sorted_by(|a, b| if order == Order::Newest { a >= b } else { a <= b }));
        for limit in [1, 10, 73] {
            let mut joined = Vec::new();
            let mut after = None;
            loop {
                let page = tenant.page(&Filter::All, order, after, limit).await;
                assert!(page.rows.len() <= limit && !page.rows.is_empty());
                joined.extend(ids(&page.rows));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(joined, ids(&whole.rows), "{order:?} by {limit}");
        }
    }
}

pub async fn a_history_tells_every_trace_once_and_of_its_spans_what_lists_say(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    tenant.another().await.put(&[span("t3", "a", 0)]).await;
    for n in 0..23 {
        let trace = format!("t{n}");
        let mut spans = vec![
            span(&trace, "b", 10 + n),
            call(&trace, "c", 5 + n, 3),
            running(&trace, "d", 7 + n),
        ];
        for one in &mut spans {
            one.parent_id = Some(span_id("b"));
            one.agent = Some(format!("agent {n}"));
            one.metadata.insert("n".into(), n.to_string());
        }
        tenant.put(&spans).await;
    }
    let from = Nanos(START.0 + 20_000_000_000);
    for (from, names, context) in
        [(Nanos(0), true, true), (Nanos(0), false, false), (from, true, false)]
    {
        let expected = tenant.page(&Filter::All, Order::Oldest, None, 1_000).await;
        let expected = expected.rows.iter().filter(|row| row.summary.start >= from);
        let expected: BTreeSet<String> = expected.map(|r| r.summary.trace_id.to_string()).collect();
        let mut query =
            HistoryQuery { from, after: None, limit: 4, names, context, summaries: context };
        let mut seen = BTreeSet::new();
        loop {
            let page = tenant.store.history(tenant.workspace, &query).await.unwrap();
            assert!(page.rows.len() <= 4);
            for row in page.rows {
                assert!(seen.insert(row.trace_id.to_string()), "{} comes twice", row.trace_id);
                assert!(row.summary.is_some() || !context);
                let Some(heads) = row.heads else { continue };
                let window = SpanWindow { limit: 100, ..SpanWindow::default() };
                let listed = tenant.store.spans(tenant.workspace, &row.trace_id, &window).await;
                let listed = listed.unwrap().rows.into_iter().map(|row| row.head);
                let asked = |head: SpanHead| asked(head, names, context);
                assert_eq!(
                    heads.into_iter().map(asked).collect::<Vec<_>>(),
                    listed.map(asked).collect::<Vec<_>>()
                );
            }
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected);
    }
}

/// A head without what was not asked for.
fn asked(mut head: SpanHead, names: bool, context: bool) -> SpanHead {
    (head.response_id, head.input_preview, head.output_preview) = (None, None, None);
    if !names {
        (head.parent_id, head.model, head.provider, head.tool) = (None, None, None, None);
        head.name.clear();
    }
    if !context {
        (head.agent, head.session, head.user, head.environment) = (None, None, None, None);
        (head.version, head.service, head.trace_name) = (None, None, None);
        head.tags.clear();
        head.metadata.clear();
    }
    head
}

pub async fn pages_are_stable_while_traces_come_in(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let spans: Vec<_> = (0..30).map(|n| span(&format!("old{n}"), "a", 10 * n)).collect();
    tenant.put(&spans).await;
    let expected = ids(&tenant.page(&Filter::All, Order::Newest, None, 100).await.rows);
    let mut seen = Vec::new();
    let mut after = None;
    for round in 0.. {
        let page = tenant.page(&Filter::All, Order::Newest, after, 7).await;
        seen.extend(ids(&page.rows));
        after = page.next;
        if after.is_none() {
            break;
        }
        let newer = (0..5).map(|n| span(&format!("new{round}.{n}"), "a", 1_000 + n));
        tenant.put(&newer.collect::<Vec<_>>()).await;
    }
    assert_eq!(seen, expected, "nothing twice, nothing missing, nothing that came later");
}

pub async fn a_filtered_page_is_as_full_as_it_can_be(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let one = |n: i64| {
        span(&format!("t{n}"), "a", n).with(|s| {
            s.agent = (n % 20 == 0).then(|| "rare".into());
            s.status = if n % 3 == 0 { Status::Error } else { Status::Ok };
        })
    };
    tenant.put(&(0..200).map(one).collect::<Vec<_>>()).await;
    let filter = Filter::parse("agent = rare", START).unwrap();
    let first = tenant.page(&filter, Order::Newest, None, 6).await;
    assert_eq!(ids(&first.rows), ["t180", "t160", "t140", "t120", "t100", "t80"]);
    let rest = tenant.page(&filter, Order::Newest, first.next, 6).await;
    assert_eq!(ids(&rest.rows), ["t60", "t40", "t20", "t0"]);
    assert_eq!(rest.next, None);
}

pub async fn cursors_of_others_are_refused(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    tenant.put(&[span("t", "a", 0), span("u", "a", 0)]).await;
    let long = "a".repeat(100_000);
    for garbage in ["", "x", "0", "00", "🙂", "null", "eyJ9", "-1", "\u{0}", "ffffffffff", &long]
    {
        let after = Some(garbage.to_owned());
        let refused = |result: Result<(), StoreError>| {
            assert!(matches!(result, Err(StoreError::Cursor)), "{garbage:.20}: {result:?}");
        };
        for order in [Order::Newest, Order::Oldest] {
            let after = after.clone();
            let query = TraceQuery { filter: Filter::All, order, after, limit: 10 };
            refused(tenant.store.traces(tenant.workspace, &query).await.map(drop));
            refused(tenant.store.sessions(tenant.workspace, &query).await.map(drop));
        }
        let window = SpanWindow { after: after.clone(), limit: 10, parent: None };
        refused(tenant.store.spans(tenant.workspace, &trace_id("t"), &window).await.map(drop));
        let history = HistoryQuery {
            from: Nanos(0),
            after: after.clone(),
            limit: 10,
            names: false,
            context: false,
            summaries: false,
        };
        refused(tenant.store.history(tenant.workspace, &history).await.map(drop));
        let audited = tenant.store.audit_traces(tenant.workspace, after.clone(), 10, false).await;
        refused(audited.map(drop));
        refused(tenant.store.audit_rollups(tenant.workspace, after, 10).await.map(drop));
    }
}

pub async fn windows_of_a_big_trace_join_to_all_its_spans(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let mut dice = Dice::new(9);
    let mut spans: Vec<Span> = vec![running("t", "root", 0), span("t", "~", 0)];
    for n in 0..2_500 {
        let parent = dice.pick(&["root", "s1", "s2"]);
        spans.push(span("t", &format!("s{n}"), dice.roll(50) as i64).under(parent));
    }
    for chunk in spans.chunks(500) {
        tenant.put(chunk).await;
    }
    let window = async |parent: Option<&str>, limit| -> Vec<(i64, String)> {
        let mut window = SpanWindow { after: None, limit, parent: parent.map(span_id) };
        let mut joined = Vec::new();
        loop {
            let page = tenant.store.spans(tenant.workspace, &trace_id("t"), &window).await.unwrap();
            assert!(page.rows.len() <= limit);
            joined.extend(page.rows.iter().map(|r| (r.head.start.0, r.head.span_id.to_string())));
            window.after = page.next;
            if window.after.is_none() {
                return joined;
            }
        }
    };
    let expected = |parent: Option<&str>| -> Vec<(i64, String)> {
        let wanted = spans.iter().filter(|s| {
            let under = s.parent_id.as_ref().map(exhibit_model::SpanId::as_str);
            !s.span_id.is_registration() && (parent.is_none() || under == parent)
        });
        let mut places: Vec<_> =
            wanted.map(|s| (s.start.unwrap().0, s.span_id.to_string())).collect();
        places.sort();
        places
    };
    for parent in [None, Some("root"), Some("s2"), Some("s3")] {
        for limit in [400, 2_000] {
            assert_eq!(window(parent, limit).await, expected(parent), "{parent:?} by {limit}");
        }
    }
    assert!(window(Some("nobody"), 10).await.is_empty());
}

pub async fn a_listed_span_shows_its_columns(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let written = call("t", "a", 1, 40).under("root").with(|s| {
        s.ttft = Some(exhibit_model::Nanos(250_000_000));
        s.tool = Some("search".into());
        s.status = Status::Error;
    });
    let mut batch = tenant.batch(std::slice::from_ref(&written)).await;
    let head = &mut batch.traces[0].spans[0].head;
    head.input_preview = Some("what was asked".into());
    head.output_preview = Some("what came back".into());
    let expected = head.clone();
    tenant.commit(batch).await.unwrap();
    let row = tenant.rows("t").await.remove(0);
    let head = &row.head;
    assert_eq!((&head.trace_id, &head.span_id), (&expected.trace_id, &expected.span_id));
    assert_eq!((&head.parent_id, &head.name), (&expected.parent_id, &expected.name));
    assert_eq!((head.kind, head.status), (expected.kind, expected.status));
    assert_eq!((head.start, head.end, head.ttft), (expected.start, expected.end, expected.ttft));
    assert_eq!((&head.model, &head.provider), (&expected.model, &expected.provider));
    assert_eq!((&head.tool, head.usage), (&expected.tool, expected.usage));
    assert_eq!((head.usage_role, head.cost), (expected.usage_role, expected.cost));
    assert_eq!((head.cost_source, head.verdict), (expected.cost_source, expected.verdict));
    assert_eq!(head.input_preview, expected.input_preview);
    assert_eq!(head.output_preview, expected.output_preview);
}

pub async fn sessions_add_up_their_traces(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let of = |trace: &str, session: &str, user: &str, start| {
        call(trace, "a", start, 10).with(|s| {
            s.session = Some(session.into());
            s.user = Some(user.into());
        })
    };
    let failed = of("t2", "one", "bob", 10).with(|s| s.status = Status::Error);
    let unknown = of("t3", "two", "ann", 1_000).with(|s| s.cost.amount = None);
    let none = call("t4", "a", 5_000, 10);
    let more = call("t1", "b", 2, 4).under("a");
    tenant.put(&[of("t1", "one", "ann", 0), more, failed, unknown, none]).await;

    let query = |filter: &str, limit| TraceQuery {
        filter: Filter::parse(filter, START).unwrap(),
        order: Order::Newest,
        after: None,
        limit,
    };
    let all = tenant.store.sessions(tenant.workspace, &query("", 10)).await.unwrap();
    let names: Vec<_> = all.rows.iter().map(|row| row.session.as_str()).collect();
    assert_eq!(names, ["two", "one"], "newest first");
    let one: &SessionSummary = &all.rows[1];
    assert_eq!((one.trace_count, one.span_count, one.error_count), (2, 3, 1));
    assert_eq!((one.start, one.end), (at(0), Some(at(11))));
    assert_eq!((one.tokens_in, one.tokens_out, one.cost_nano_usd), (24, 12, 24_000));
    assert_eq!(one.users.iter().collect::<BTreeSet<_>>().len(), 2);
    assert_eq!((all.rows[0].trace_count, all.rows[0].cost_nano_usd), (1, 0));

    let first = tenant.store.sessions(tenant.workspace, &query("", 1)).await.unwrap();
    assert_eq!(first.rows.len(), 1);
    let rest = TraceQuery { after: first.next.clone(), ..query("", 1) };
    let rest = tenant.store.sessions(tenant.workspace, &rest).await.unwrap();
    assert_eq!((rest.rows[0].session.as_str(), &rest.next), ("one", &None));
    let found = tenant.store.sessions(tenant.workspace, &query("session = two", 9)).await.unwrap();
    assert_eq!(found.rows.len(), 1);
}

pub async fn another_workspace_sees_nothing(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let secret = call("t", "a", 0, 10).with(|s| {
        s.name = Some("unmistakable".into());
        s.session = Some("s1".into());
    });
    tenant.put(std::slice::from_ref(&secret)).await;
    tenant.put(&[secret]).await;
    tenant.put_seals(at(1), vec![tenant.seal("t", 1)]).await;
    let foreign = tenant.another().await;
    for workspace in [foreign.workspace, WorkspaceId(987_654), WorkspaceId(-1)] {
        let store = &tenant.store;
        let (trace, a) = (trace_id("t"), span_id("a"));
        let ids = [(trace.clone(), a.clone())];
        assert!(store.load(workspace, &ids).await.unwrap()[0].is_none());
        assert_eq!(
            store.trace_keys(workspace, std::slice::from_ref(&trace)).await.unwrap(),
            [None]
        );
        assert!(store.trace(workspace, &trace).await.unwrap().is_none());
        assert!(store.audit_trace(workspace, &trace).await.unwrap().is_none());
        for filter in ["", "id = t", "model = gpt-4o", "unmistakable"] {
            let filter = Filter::parse(filter, START).unwrap();
            let query = TraceQuery { filter, order: Order::Newest, after: None, limit: 9 };
            assert!(store.traces(workspace, &query).await.unwrap().rows.is_empty());
            assert!(store.sessions(workspace, &query).await.unwrap().rows.is_empty());
        }
        let window = SpanWindow { limit: 9, ..SpanWindow::default() };
        assert!(store.spans(workspace, &trace, &window).await.unwrap().rows.is_empty());
        assert!(store.superseded(workspace, &trace, &a).await.unwrap().is_empty());
        assert!(store.trace_leaves(workspace, &trace).await.unwrap().is_empty());
        assert!(store.seals(workspace, &trace).await.unwrap().is_empty());
        assert_eq!(store.locate(workspace, &trace, &a).await.unwrap(), None);
        assert_eq!(store.audit_size(workspace).await.unwrap(), 0);
        assert!(store.audit_rollups(workspace, None, 9).await.unwrap().rows.is_empty());
        assert!(store.audit_traces(workspace, None, 9, true).await.unwrap().rows.is_empty());
    }
    // The same ids there are other traces.
    foreign.put(&[span("t", "a", 7)]).await;
    assert_eq!(foreign.summary("t").await.start, at(7));
    assert_eq!(tenant.summary("t").await.start, at(0));
    assert_eq!(tenant.store.audit_size(tenant.workspace).await.unwrap(), 1);
}
