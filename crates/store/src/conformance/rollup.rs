//! Rollups and the analytics answered from them, against sums worked out span by span.

use std::collections::BTreeMap;

use exhibit_model::{Nanos, Span, SpanHead, SpanId, Status, Usage};

use super::{
    Subject,
    fixture::{Dice, MINUTE, SECOND, START, Tenant, Tweak, against, at, call, running, span},
    revision::any_span,
};
use crate::{
    Analytics, AnalyticsQuery, Dimension, Measures, StoreError,
    rollup::attribution::LEVELS,
    rollup::{Cell, Inherited, Key, contributes, contributions, dimension_value, set_values},
};

/// Every cell.
pub(super) async fn cells(tenant: &Tenant) -> Vec<(Key, Cell)> {
    let mut cells = Vec::new();
    let mut after = None;
    loop {
        let page = tenant.store.audit_rollups(tenant.workspace, after, 37).await.unwrap();
        assert!(page.rows.len() <= 37);
        cells.extend(page.rows);
        after = page.next;
        if after.is_none() {
            return cells;
        }
    }
}

pub(super) fn query(
    from: Nanos,
    to: Nanos,
    step_s: u64,
    group_by: Option<Dimension>,
) -> AnalyticsQuery {
    AnalyticsQuery { from, to, group_by, step_s, groups_max: 100 }
}

pub(super) async fn ask(tenant: &Tenant, query: &AnalyticsQuery) -> Analytics {
    tenant.store.analytics(tenant.workspace, query).await.unwrap()
}

async fn totals(tenant: &Tenant) -> Measures {
    ask(tenant, &query(at(-86_400), at(86_400 * 2), 86_400, None)).await.totals
}

/// What a back end should hold, kept span by span.
#[derive(Default)]
pub(super) struct Books {
    current: BTreeMap<(String, String), SpanHead>,
    /// The span of each trace that was sealed first.
    first: BTreeMap<String, String>,
}

impl Books {
    pub(super) fn enter(&mut self, spans: &[Span]) {
        for span in spans {
            let key = (span.trace_id.to_string(), span.span_id.to_string());
            let head = SpanHead::of(span);
            if contributes(&head) {
                self.first.entry(key.0.clone()).or_insert_with(|| key.1.clone());
            }
            self.current.insert(key, head);
        }
    }

    /// Every contributing head with the agent and user under which it counts, whether it counts, and
    /// whether it is its trace's first.
    async fn rows(&self, tenant: &Tenant) -> Vec<(SpanHead, bool, bool)> {
        let mut rows = Vec::new();
        let audited =
            tenant.store.audit_traces(tenant.workspace, None, 1_000, false).await.unwrap();
        for trace in audited.rows {
            let user = &trace.row.summary.user;
            for (row, _) in trace.spans {
                let trace = row.head.trace_id.to_string();
                let key = (trace.clone(), row.head.span_id.to_string());
                let first = self.first.get(&trace) == Some(&key.1);
                let mut head = self.current[&key].clone();
                head.agent = self.agent(&head);
                head.user = head.user.or_else(|| user.clone());
                rows.push((head, row.counted, first));
            }
        }
        assert_eq!(rows.len(), self.current.len());
        rows
    }

    /// The agent of a span or of the nearest above it, else of the registration.
    fn agent(&self, head: &SpanHead) -> Option<String> {
        let registration = (head.trace_id.to_string(), SpanId::registration().to_string());
        let registered = self.current.get(&registration).and_then(|head| head.agent.clone());
        self.nearest(head).or(registered)
    }

    fn nearest(&self, head: &SpanHead) -> Option<String> {
        let mut at = head;
        for _ in 0..=LEVELS {
            if at.agent.is_some() {
                return at.agent.clone();
            }
            let parent = at.parent_id.as_ref()?.to_string();
            at = self.current.get(&(head.trace_id.to_string(), parent))?;
        }
        None
    }

    /// Checks that the store's sums are those of these books.
    pub(super) async fn check(&self, tenant: &Tenant) {
        let mut expected: BTreeMap<Key, Cell> = BTreeMap::new();
        for (head, counted, first) in self.rows(tenant).await {
            for (key, cell) in contributions(&head, counted, first, Inherited::default()) {
                expected.entry(key).or_default().add(&cell);
            }
        }
        expected.retain(|_, cell| !cell.is_zero());
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(cells(tenant).await, expected, "in key order, nothing else");
    }
}

pub async fn cells_are_the_sum_of_current_terminal_revisions(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let mut dice = Dice::new(11);
    let mut books = Books::default();
    for round in 0..50 {
        let mut spans: Vec<Span> = Vec::new();
        for _ in 0..=dice.roll(4) {
            let span = any_span(&mut dice);
            let same = |s: &Span| (&s.trace_id, &s.span_id) == (&span.trace_id, &span.span_id);
            if !spans.iter().any(same) {
                spans.push(span);
            }
        }
        // Traces are committed together, so the order within the batch is by trace.
        tenant.put(&spans).await;
        books.enter(&spans);
        if round % 10 != 9 {
            continue;
        }
        books.check(&tenant).await;
    }
}

pub async fn running_spans_and_registrations_are_not_in_rollups(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    tenant.put(&[running("t", "a", 0), span("t", "~", 0)]).await;
    assert!(cells(&tenant).await.is_empty());
    assert_eq!(totals(&tenant).await, Measures::default());
    tenant.put(&[span("t", "a", 0)]).await;
    let m = totals(&tenant).await;
    assert_eq!((m.traces, m.spans, m.errors, m.latency.count), (1, 1, 0, 1));
}

pub async fn a_correction_takes_the_old_revision_out(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    tenant.put(&[call("t", "a", 0, 100)]).await;
    let moved = call("t", "a", 3_600, 8).with(|s| {
        s.model = Some("claude".into());
        s.status = Status::Error;
    });
    tenant.put(std::slice::from_ref(&moved)).await;
    let expected = contributions(&SpanHead::of(&moved), true, true, Inherited::default());
    assert_eq!(cells(&tenant).await, expected, "no trace of the old one, not even empty cells");
    tenant.put(&[running("t", "a", 0).with(|s| s.status = Status::Incomplete)]).await;
    tenant.put(&[running("t", "a", 0)]).await;
    assert!(cells(&tenant).await.is_empty(), "running again");
}

pub async fn a_trace_counts_once_where_its_first_span_is(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    tenant.put(&[running("t", "root", 0)]).await;
    tenant.put(&[call("t", "b", 120, 1).under("root"), call("t", "a", 60, 1).under("root")]).await;
    tenant.put(&[span("t", "root", 0)]).await;
    let steps = async || -> Vec<(i64, u64, u64)> {
        let answer = ask(&tenant, &query(START, at(240), 60, None)).await;
        let steps = answer.series.iter();
        steps
            .map(|s| ((s.start.0 - START.0) / MINUTE, s.measures.traces, s.measures.spans))
            .collect()
    };
    assert_eq!(steps().await, [(0, 0, 1), (1, 0, 1), (2, 1, 1), (3, 0, 0)]);
    tenant.put(&[call("t", "b", 180, 1).under("root")]).await;
    assert_eq!(
        steps().await,
        [(0, 0, 1), (1, 0, 1), (2, 0, 0), (3, 1, 1)],
        "it moves with its span"
    );
    assert_eq!(totals(&tenant).await.traces, 1);
}

pub async fn usage_that_counts_once_is_summed_once(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let answered = |id: &str| call("t", id, 0, 10).with(|s| s.response_id = Some("r".into()));
    tenant.put(&[answered("a"), answered("b")]).await;
    let m = totals(&tenant).await;
    assert_eq!((m.spans, m.calls, m.usage.input_uncached, m.cost_nano_usd), (2, 1, 10, 10_000));
    let unknown = call("t", "c", 0, 5).with(|s| s.cost.amount = None);
    tenant.put(&[unknown]).await;
    let m = totals(&tenant).await;
    assert_eq!((m.calls, m.cost_unknown, m.cost_nano_usd), (2, 1, 10_000));
}

pub async fn analytics_are_exact_for_every_dimension_step_and_range(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let mut dice = Dice::new(3);
    let mut books = Books::default();
    for n in 0..120 {
        let spread = dice.pick(&[120, 7_200, 4 * 86_400]);
        let start = dice.roll(spread) as i64;
        let span = any_span(&mut dice).with(|s| {
            s.trace_id = super::fixture::trace_id(&format!("t{}", n % 40));
            s.start = Some(at(start));
            s.end = s.end.map(|_| at(start + 1 + n % 7));
        });
        tenant.put(std::slice::from_ref(&span)).await;
        books.enter(&[span]);
    }
    let rows = books.rows(&tenant).await;
    let ranges = [
        (at(-86_400), at(5 * 86_400)),
        (START, at(120)),
        (at(61), at(7_000)),
        (at(-30), at(86_400 * 2 + 1)),
        (at(10), at(10)),
    ];
    for (from, to) in ranges {
        let (low, high) =
            (from.0.div_euclid(MINUTE) * MINUTE, -(-to.0).div_euclid(MINUTE) * MINUTE);
        for step_s in [60, 3_600, 86_400, 2 * 86_400] {
            if (high - low) / (step_s as i64 * SECOND) > 3_000 {
                continue;
            }
            for group_by in [None].into_iter().chain(Dimension::ALL.map(Some)) {
                let answer = ask(&tenant, &query(from, to, step_s, group_by)).await;
                let here =
                    |head: &SpanHead| contributes(head) && (low..high).contains(&head.start.0);
                let rows: Vec<_> = rows.iter().filter(|(head, ..)| here(head)).collect();
                check(&answer, &rows, step_s as i64 * SECOND, group_by);
            }
        }
    }
}

type Row = (SpanHead, bool, bool);

fn check(answer: &Analytics, rows: &[&Row], step: i64, group_by: Option<Dimension>) {
    assert_same(&answer.totals, rows);
    let starts: Vec<_> = answer.series.iter().map(|s| s.start.0).collect();
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] == step), "no step is missing");
    for series in &answer.series {
        let within = |row: &&&Row| (series.start.0..series.start.0 + step).contains(&row.0.start.0);
        assert_same(&series.measures, &rows.iter().filter(within).copied().collect::<Vec<_>>());
    }
    let Some(dimension) = group_by else {
        assert!(answer.groups.is_empty() && answer.other.is_none());
        return;
    };
    assert!(answer.groups.is_sorted_by(|a, b| a.measures.spans >= b.measures.spans));
    let set = dimension.is_set();
    let values = |row: &&Row| set_values(&row.0, dimension).count() as u64;
    let expected = if set { rows.iter().map(values).sum() } else { answer.totals.spans };
    assert_eq!(answer.groups.iter().map(|g| g.measures.spans).sum::<u64>(), expected);
    for group in &answer.groups {
        let value = group.value.as_deref();
        let of = |row: &&&Row| match (set, value) {
            (true, Some(value)) => set_values(&row.0, dimension).any(|v| v == value),
            (true, None) => false,
            (false, _) => dimension_value(&row.0, Inherited::default(), dimension) == value,
        };
        let rows: Vec<_> = rows.iter().filter(of).copied().collect();
        assert_same(&group.measures, &rows);
        assert_eq!(group.series.iter().map(|s| s.measures.spans).sum::<u64>(), rows.len() as u64);
    }
}

fn assert_same(told: &Measures, rows: &[&Row]) {
    let calls = || {
        rows.iter().filter(|(head, counted, _)| {
            *counted && head.usage_role == exhibit_model::UsageRole::Leaf
        })
    };
    let mut usage = Usage::default();
    calls().for_each(|(head, ..)| usage.add(&head.usage.unwrap_or_default()));
    let count = |pass: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| pass(row)).count() as u64;
    assert_eq!(told.spans, rows.len() as u64);
    assert_eq!(told.traces, count(&|row| row.2));
    assert_eq!(told.errors, count(&|row| row.0.status == Status::Error));
    assert_eq!(told.calls, calls().count() as u64);
    assert_eq!(told.usage, usage);
    assert_eq!(told.cost_nano_usd, calls().filter_map(|r| r.0.cost).map(|c| c.0).sum::<i64>());
    assert_eq!(told.cost_unknown, calls().filter(|r| r.0.cost.is_none()).count() as u64);
    let mut latencies: Vec<_> = rows.iter().filter_map(|r| r.0.duration()).map(|d| d.0).collect();
    latencies.sort_unstable();
    assert_eq!(told.latency.count, latencies.len() as u64);
    assert_eq!(told.ttft.count, count(&|row| row.0.ttft.is_some()));
    if let (Some(last), p) = (latencies.last(), &told.latency) {
        let median = latencies[latencies.len().div_ceil(2) - 1];
        for (told, exact) in [(p.p50, median), (p.max, *last)] {
            assert!((told - exact).abs() as f64 <= exact as f64 * 0.03, "{told} for {exact}");
        }
    }
}

pub async fn groups_beyond_the_limit_are_summed_as_other(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let mut spans = Vec::new();
    for (model, count) in [("many", 5), ("some", 3), ("few", 2), ("one", 1)] {
        for n in 0..count {
            let id = format!("{model}{n}");
            spans.push(call("t", &id, 0, 1).with(|s| s.model = Some(model.into())));
        }
    }
    tenant.put(&spans).await;
    let mut query = query(START, at(60), 60, Some(Dimension::Model));
    query.groups_max = 2;
    let answer = ask(&tenant, &query).await;
    let groups: Vec<_> =
        answer.groups.iter().map(|g| (g.value.as_deref(), g.measures.spans)).collect();
    assert_eq!(groups, [(Some("many"), 5), (Some("some"), 3)]);
    assert_eq!(answer.other.map(|m| (m.spans, m.calls)), Some((3, 3)));
    assert_eq!(answer.totals.spans, 11);
    query.groups_max = 4;
    assert!(ask(&tenant, &query).await.other.is_none());
}

/// What rules say is summed by rule and by category, a ruling on a whole trace with it.
pub async fn rules_and_categories_are_summed_for_every_span_they_concern(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let hit = |id: &str, rules: &[&str]| {
        call("t", id, 0, 1).with(|s| rules.iter().for_each(|r| s.evaluations.push(against(r))))
    };
    tenant.put(&[hit("a", &["x", "y"]), hit("b", &["x"]), hit("c", &[])]).await;
    tenant.put(&[span("t", "~", 0).with(|s| s.evaluations.push(against("z")))]).await;
    let mut query = query(START, at(60), 60, Some(Dimension::Rule));
    let answer = ask(&tenant, &query).await;
    let groups: Vec<_> =
        answer.groups.iter().map(|g| (g.value.as_deref(), g.measures.spans)).collect();
    assert_eq!(groups, [(Some("p/x"), 2), (Some("p/y"), 1), (Some("p/z"), 1)]);
    assert_eq!((answer.totals.spans, answer.other.is_none()), (3, true), "totals stay the whole");
    assert_eq!(answer.groups[0].measures.cost_nano_usd, 2 * answer.totals.cost_nano_usd / 3);
    query.groups_max = 1;
    let answer = ask(&tenant, &query).await;
    assert_eq!(answer.other.map(|m| m.spans), Some(2));
    tenant.put(&[hit("a", &[])]).await;
    tenant.put(&[span("t", "~", 0)]).await;
    let groups = ask(&tenant, &query).await.groups;
    assert_eq!(groups.len(), 1, "a correction takes them out again");
    assert_eq!(groups[0].measures.spans, 1);
    query.group_by = Some(Dimension::Category);
    assert!(ask(&tenant, &query).await.groups.is_empty());
}

pub async fn steps_that_cannot_be_answered_exactly_are_refused(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    for (step_s, to) in [(0, at(60)), (90, at(600)), (60, Nanos(i64::MAX))] {
        let refused =
            tenant.store.analytics(tenant.workspace, &query(START, to, step_s, None)).await;
        assert!(matches!(refused, Err(StoreError::Unsupported(_))), "{step_s}");
    }
}
