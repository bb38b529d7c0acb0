//! Under which agent and user spans count that name none of their own.

use exhibit_model::{Span, SpanKind};

use super::{
    Subject,
    erase::{act, doomed},
    fixture::{Dice, START, Tenant, Tweak, at, call, running, span, span_id},
    rollup::{Books, ask, cells, query},
};
use crate::{Dimension, rollup::attribution::LEVELS};

/// Values of a dimension with how many spans and what cost count under each, by value.
async fn sums(tenant: &Tenant, dimension: Dimension) -> Vec<(Option<String>, u64, i64)> {
    let answer = ask(tenant, &query(START, at(3_600), 60, Some(dimension))).await;
    let of = |m: &crate::Measures| (m.spans, m.cost_nano_usd);
    let groups = answer.groups.iter().map(|group| (group.value.clone(), of(&group.measures)));
    let mut sums: Vec<_> = groups.map(|(value, (spans, cost))| (value, spans, cost)).collect();
    sums.sort_unstable();
    assert_eq!(sums.iter().map(|sum| sum.1).sum::<u64>(), answer.totals.spans, "the whole");
    sums
}

fn under(value: &str, spans: u64, cost: i64) -> (Option<String>, u64, i64) {
    (Some(value.to_owned()), spans, cost)
}

fn agent(id: &str, name: &str) -> Span {
    span("t", id, 0).with(|s| {
        s.kind = Some(SpanKind::Agent);
        s.agent = Some(name.into());
    })
}

pub async fn a_call_counts_under_the_agent_above_it_and_the_user_of_its_trace(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let root = agent("root", "planner").with(|s| s.user = Some("ann".into()));
    let batch = [
        root,
        call("t", "plan", 1, 1).under("root"),
        agent("sub", "writer").under("root"),
        span("t", "step", 2).under("sub"),
        call("t", "draft", 3, 10).under("step"),
        call("t", "own", 4, 100).under("sub").with(|s| {
            s.agent = Some("critic".into());
            s.user = Some("bob".into());
        }),
        call("t", "lost", 5, 1_000).under("nowhere"),
    ];
    tenant.put(&batch).await;
    let expected = [
        (None, 1, 1_000_000),
        under("critic", 1, 100_000),
        under("planner", 2, 1_000),
        under("writer", 3, 10_000),
    ];
    assert_eq!(sums(&tenant, Dimension::Agent).await, expected);
    let users = [under("ann", 6, 1_011_000), under("bob", 1, 100_000)];
    assert_eq!(sums(&tenant, Dimension::User).await, users);
    let shown = tenant.rows("t").await;
    let draft = shown.iter().find(|row| row.head.span_id == span_id("draft")).unwrap();
    assert_eq!((&draft.head.agent, &draft.head.user), (&None, &None), "a span shows its own");
}

/// What counts under a value is found under it: every number of a sum has its list.
pub async fn a_trace_is_found_under_every_agent_and_user_that_counts(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let by = |span: Span, user: &str| span.with(|s| s.user = Some(user.to_owned()));
    let sub = call("t", "sub", 1, 1).under("root").with(|s| s.agent = Some("writer".into()));
    tenant.put(&[by(agent("root", "planner"), "ann"), by(sub, "bob")]).await;
    tenant.put(&[by(span("u", "~", 9), "eve").with(|s| s.agent = Some("critic".into()))]).await;
    tenant.put(&[call("u", "a", 10, 1), by(running("v", "a", 20), "ann")]).await;
    for (filter, found) in [
        ("agent = planner", vec!["t"]),
        ("agent = writer", vec!["t"]),
        ("agent = critic", vec!["u"]),
        ("agent in (writer, critic)", vec!["u", "t"]),
        ("agent != writer", vec!["v", "u"]),
        ("not has(agent)", vec!["v"]),
        ("agent ~ RIT", vec!["u", "t"]),
        ("user = bob", vec!["t"]),
        ("user = ann", vec!["v", "t"]),
        ("user = eve", vec!["u"]),
        ("agent = writer user = ann", vec!["t"]),
        ("not (user = bob)", vec!["v", "u"]),
    ] {
        assert_eq!(tenant.find(filter).await, found, "{filter}");
    }
    let shown = tenant.summary("t").await;
    assert_eq!(shown.agent.as_deref(), Some("planner"), "the trace as a whole has one");
    assert_eq!(Vec::from_iter(&shown.agents), ["planner", "writer"]);
    assert_eq!(Vec::from_iter(&shown.users), ["ann", "bob"]);
    // A correction that names another takes the trace out of the list of the first.
    tenant.put(&[call("t", "sub", 1, 1).under("root")]).await;
    assert_eq!(tenant.find("agent = writer or user = bob").await, Vec::<String>::new());
    assert_eq!(tenant.find("agent = planner user = ann").await, ["t"]);
}

pub async fn an_agent_that_comes_after_its_calls_takes_them(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    tenant.put(&[call("t", "a", 1, 1).under("step"), call("t", "b", 2, 10).under("sub")]).await;
    assert_eq!(sums(&tenant, Dimension::Agent).await, [(None, 2, 11_000)]);
    tenant.put(&[span("t", "step", 1).under("sub")]).await;
    tenant.put(&[agent("root", "planner")]).await;
    assert_eq!(
        sums(&tenant, Dimension::Agent).await,
        [(None, 3, 11_000), under("planner", 1, 0)],
        "between them one is missing"
    );
    // Without an agent of its own it connects those below it with the one above.
    tenant.put(&[span("t", "sub", 0).under("root")]).await;
    assert_eq!(sums(&tenant, Dimension::Agent).await, [under("planner", 5, 11_000)]);
    // A running one passes its agent on as well.
    tenant.put(&[call("t", "c", 3, 100).under("late")]).await;
    tenant.put(&[running("t", "late", 0).with(|s| s.agent = Some("writer".into()))]).await;
    let expected = [under("planner", 5, 11_000), under("writer", 1, 100_000)];
    assert_eq!(sums(&tenant, Dimension::Agent).await, expected);
}

pub async fn an_agent_that_changes_takes_its_calls_along(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    tenant.put(&[agent("root", "planner"), agent("sub", "writer").under("root")]).await;
    tenant.put(&[span("t", "step", 1).under("sub"), call("t", "a", 2, 1).under("step")]).await;
    tenant.put(&[agent("sub", "author").under("root")]).await;
    let of_author = [under("author", 3, 1_000), under("planner", 1, 0)];
    assert_eq!(sums(&tenant, Dimension::Agent).await, of_author);
    tenant.put(&[span("t", "sub", 0).under("root")]).await;
    assert_eq!(sums(&tenant, Dimension::Agent).await, [under("planner", 4, 1_000)]);
    // What is below moves with a step that gets another parent; a corrected cost moves once.
    tenant.put(&[agent("other", "critic"), span("t", "step", 1).under("other")]).await;
    tenant.put(&[call("t", "a", 2, 5).under("step")]).await;
    let expected = [under("critic", 3, 5_000), under("planner", 2, 0)];
    assert_eq!(sums(&tenant, Dimension::Agent).await, expected);
    tenant.put(&[span("t", "other", 0), span("t", "root", 0)]).await;
    assert_eq!(sums(&tenant, Dimension::Agent).await, [(None, 5, 5_000)]);
}

pub async fn a_registered_agent_takes_what_no_other_has(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let registered =
        |name: Option<&str>| [span("t", "~", 0).with(|s| s.agent = name.map(str::to_owned))];
    tenant.put(&[agent("sub", "writer"), call("t", "a", 1, 1).under("sub")]).await;
    tenant.put(&[call("t", "b", 2, 10).under("late"), call("t", "c", 3, 100)]).await;
    tenant.put(&registered(Some("planner"))).await;
    let expected = [under("planner", 2, 110_000), under("writer", 2, 1_000)];
    assert_eq!(sums(&tenant, Dimension::Agent).await, expected);
    // One that is nearer takes its own back, and what comes later counts at once.
    tenant.put(&[agent("late", "critic"), call("t", "d", 4, 1_000)]).await;
    let expected =
        [under("critic", 2, 10_000), under("planner", 2, 1_100_000), under("writer", 2, 1_000)];
    assert_eq!(sums(&tenant, Dimension::Agent).await, expected);
    tenant.put(&[span("t", "late", 0), call("t", "e", 5, 10_000).under("late")]).await;
    let of_planner = [under("planner", 5, 11_110_000), under("writer", 2, 1_000)];
    assert_eq!(sums(&tenant, Dimension::Agent).await, of_planner);
    tenant.put(&registered(Some("author"))).await;
    assert_eq!(sums(&tenant, Dimension::Agent).await[0], under("author", 5, 11_110_000));
    tenant.put(&registered(None)).await;
    assert_eq!(sums(&tenant, Dimension::Agent).await[0], (None, 5, 11_110_000));
}

pub async fn a_user_that_comes_last_takes_the_whole_trace(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let by = |user: &str| user.to_owned();
    tenant.put(&[call("t", "a", 1, 1).under("root"), call("t", "b", 2, 10).under("a")]).await;
    tenant.put(&[call("t", "c", 3, 100).under("root").with(|s| s.user = Some(by("bob")))]).await;
    assert_eq!(sums(&tenant, Dimension::User).await, [under("bob", 3, 111_000)], "the only one");
    tenant.put(&[call("u", "x", 1, 1_000)]).await;
    tenant.put(&[span("t", "root", 0).with(|s| s.user = Some(by("ann")))]).await;
    let expected = [(None, 1, 1_000_000), under("ann", 3, 11_000), under("bob", 1, 100_000)];
    assert_eq!(sums(&tenant, Dimension::User).await, expected, "the root's is the trace's");
    // A client that names the user of the trace as such names it for all.
    tenant.put(&[span("u", "~", 0).with(|s| s.user = Some(by("eve")))]).await;
    let sums = sums(&tenant, Dimension::User).await;
    assert_eq!(sums[2], under("eve", 1, 1_000_000));
}

pub async fn what_is_delivered_again_moves_nothing(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let root = agent("root", "planner").with(|s| s.user = Some("ann".into()));
    let call = call("t", "a", 1, 1).under("root");
    tenant.put(std::slice::from_ref(&call)).await;
    tenant.put(std::slice::from_ref(&root)).await;
    let once = cells(&tenant).await;
    for batch in [vec![call.clone()], vec![root.clone()], vec![root, call]] {
        tenant.put(&batch).await;
        assert_eq!(cells(&tenant).await, once);
    }
}

pub async fn an_agent_is_looked_for_so_many_levels_up(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let id = |level: usize| format!("s{level}");
    let chain: Vec<Span> =
        (1..=LEVELS + 3).map(|n| call("t", &id(n), 1, 1).under(&id(n - 1))).collect();
    let levels = LEVELS as u64;
    let expected = [(None, 3, 3_000), under("planner", levels + 1, levels as i64 * 1_000)];
    // From the deepest up, each in a batch of its own; then the agent.
    for step in chain.iter().rev() {
        tenant.put(std::slice::from_ref(step)).await;
    }
    tenant.put(&[agent("s0", "planner")]).await;
    assert_eq!(sums(&tenant, Dimension::Agent).await, expected);
    // One in the middle that names nothing comes again: everything stays where it is.
    tenant.put(&[chain[LEVELS / 2].clone()]).await;
    assert_eq!(sums(&tenant, Dimension::Agent).await, expected);
    // A circle has no agent, and an end.
    let circle = [call("t", "x", 1, 1).under("y"), call("t", "y", 1, 1).under("x")];
    tenant.put(&circle).await;
    assert_eq!(sums(&tenant, Dimension::Agent).await[0], (None, 5, 5_000));
}

pub async fn an_erased_trace_leaves_no_sum_under_what_it_inherited(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    tenant.put(&[call("t", "a", 1, 1).under("root"), call("t", "b", 2, 10).under("a")]).await;
    tenant.put(&[agent("root", "planner").with(|s| s.user = Some("ann".into()))]).await;
    assert_eq!(sums(&tenant, Dimension::Agent).await, [under("planner", 3, 11_000)]);
    let doomed = doomed(&tenant, "t").await;
    assert!(
        tenant.store.erase(tenant.workspace, vec![doomed], Vec::new(), act("x")).await.unwrap()
    );
    let left = cells(&tenant).await;
    assert!(left.iter().all(|(_, cell)| cell.is_zero()), "{left:?}");
}

pub async fn trees_in_any_order_and_any_batches_add_up(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let mut dice = Dice::new(29);
    let mut books = Books::default();
    for tree in 0..6 {
        let trace = format!("tree{tree}");
        let mut spans: Vec<Span> = Vec::new();
        for n in 0..30_u64 {
            let mut span = call(&trace, &format!("s{n}"), n as i64, 1 + dice.roll(9));
            if n > 0 {
                span = span.under(&format!("s{}", dice.roll(n)));
            }
            span.agent = dice.maybe(&["planner", "writer"]).filter(|_| dice.roll(3) == 0);
            span.user = dice.maybe(&["ann", "bob"]).filter(|_| dice.roll(6) == 0);
            if n == 29 && dice.roll(2) == 0 {
                span.span_id = span_id("~");
            }
            // Each comes once or twice, the second time perhaps with another parent or agent.
            if dice.roll(4) == 0 {
                let mut first = span.clone();
                first.agent = dice.maybe(&["planner", "critic"]);
                first.parent_id = Some(span_id(&format!("s{}", dice.roll(30))));
                spans.push(first);
            }
            spans.push(span);
        }
        for n in (1..spans.len()).rev() {
            spans.swap(n, dice.roll(n as u64 + 1) as usize);
        }
        while !spans.is_empty() {
            let mut batch: Vec<Span> = Vec::new();
            for _ in 0..=dice.roll(7) {
                let Some(span) = spans.pop() else { break };
                if batch.iter().any(|other| other.span_id == span.span_id) {
                    spans.push(span);
                    break;
                }
                batch.push(span);
            }
            tenant.put(&batch).await;
            books.enter(&batch);
        }
        books.check(&tenant).await;
    }
}
