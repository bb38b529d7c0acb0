//! Every field and operator, against `Filter::matches` on traces that look random.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_model::{
    CostSource, Decision, Finding, FindingCategory, NanoUsd, Part, Review, ReviewState, Severity,
    Span, SpanKind, Status, Usage,
};

use super::{
    Subject,
    fixture::{Dice, START, Tenant, Tweak, against, at, span, span_id},
};
use crate::{Filter, Order, TraceRow, search::Document};

const TESTS: &[&str] = &[
    "*",
    "not *",
    "status = ok",
    "status != error",
    "status in (running, incomplete)",
    "status not in (ok, error)",
    "kind = llm",
    "kind != tool",
    "kind in (agent, tool)",
    "model = gpt-4o",
    "model != gpt-4o",
    "model in (gpt-4o, \"claude-4\")",
    "not model in (gpt-4o)",
    "model ~ GPT",
    "model !~ gpt",
    "has(model)",
    "not has(model)",
    "provider = openai",
    "provider != openai",
    "has(provider)",
    "provider ~ open",
    "agent = planner",
    "agent != planner",
    "agent ~ PLAN",
    "agent ~ ''",
    "agent exists",
    "session = s1",
    "session in (s1, s2)",
    "not has(session)",
    "user = \"ann o'hara\"",
    "user ~ O'H",
    "user != ann",
    "environment = prod",
    "env = prod",
    "env ~ r",
    "has(env)",
    "version = 1.10",
    "version != 1.10",
    "has(version)",
    "service = api",
    "service ~ P",
    "has(service)",
    "tool = search",
    "tool != search",
    "tool ~ SEA",
    "tool in (shell, search)",
    "has(tool)",
    "tag = x",
    "tag != x",
    "tag in (x, \"y z\")",
    "tag not in (x, \"y z\")",
    "tag ~ Y",
    "has(tag)",
    "name = \"root of t3\"",
    "name ~ ROOT",
    "name ~ \"Of T1\"",
    "name !~ root",
    "name ~ ünï",
    "has(name)",
    "id = t7",
    "id != t7",
    "id in (t1, t2, nope)",
    "id ~ T1",
    "metadata.team = blue",
    "metadata.team != blue",
    "metadata.team in (blue, red)",
    "metadata.team ~ U",
    "has(metadata.team)",
    "metadata.\"odd key\" = \"odd value\"",
    "has(metadata.\"odd key\")",
    "has(metadata.nothing)",
    "metadata.Team = blue",
    "metadata.\"a.b'c\" ~ \"%\"",
    "cost > 0",
    "cost >= 0.00001",
    "cost < 0.00001",
    "cost <= 0.00001",
    "cost = 0.00001",
    "cost != 0.00001",
    "has(cost)",
    "not has(cost)",
    "cost in (0.00001, 0)",
    "not cost > 0",
    "tokens > 20",
    "tokens = 0",
    "tokens != 0",
    "tokens >= 10",
    "tokens < 10",
    "tokens <= 10",
    "has(tokens)",
    "tokens_in >= 10",
    "tokens_in < 5",
    "has(tokens_in)",
    "tokens_out >= 5",
    "tokens_out = 5",
    "has(tokens_out)",
    "tokens > 18446744073709551614",
    "tokens < 18446744073709551615",
    "latency > 5s",
    "latency <= 1500ms",
    "latency = 1s",
    "latency != 1s",
    "latency < 1",
    "latency >= 0s",
    "has(latency)",
    "not has(latency)",
    "spans = 1",
    "spans > 1",
    "spans >= 3",
    "spans != 1",
    "spans in (2, 3)",
    "has(spans)",
    "errors = 0",
    "errors > 0",
    "errors < 2",
    "has(errors)",
    "findings = 0",
    "findings > 0",
    "findings >= 2",
    "has(findings)",
    "verdict = pass",
    "verdict != pass",
    "verdict in (warning, fail)",
    "rule = a",
    "rule = p/a",
    "rule != p/b",
    "rule in (a, b)",
    "rule ~ P/",
    "has(rule)",
    "category = pii",
    "category != secret",
    "category in (pii, secret)",
    "has(category)",
    "review = open",
    "review = waiting",
    "review != approved",
    "review in (approved, expired)",
    "has(review)",
    "not has(review) rule = a",
    "review = waiting and category = pii or review = rejected",
    "cost_source = table",
    "cost_source != table",
    "cost_source in (agent, default)",
    "has(cost_source)",
    "sealed = true",
    "sealed = false",
    "has(sealed)",
    "sealed != true",
    "time = 2027-01-15",
    "time != 2027-01-15",
    "time >= 2027-01-15T08:00:30Z",
    "time < 2027-01-15T08:00:30Z",
    "time > now",
    "time <= now",
    "time = now",
    "time != now",
    "start >= now+20s",
    "end < now+30s",
    "end >= now+30s",
    "end = now+31s",
    "has(end)",
    "not has(end)",
    "has(time)",
    "time > -1h and time <= now+1h",
    "end != now+31s",
    "has(status)",
    "has(kind)",
    "has(verdict)",
    "has(id)",
    "ping",
    "not ping",
    "pong",
    "\"ping\"",
    "text ~ ping",
    "text != pong",
    "zebra",
    "… ! ?",
    "status = ok model = gpt-4o",
    "status = error or model = gpt-4o",
    "not (status = ok or has(session))",
    "(agent = planner or agent = writer) not tool = search",
    "status = ok ping",
    "ping or status = error",
    "not (ping status = ok)",
    "ping pong",
    "ping or pong",
    "model = gpt-4o and (ping or not pong) and cost > 0",
    "kind = tool kind = llm",
    "tag = x tag = \"y z\"",
    "not (tag = x and tag = \"y z\")",
    "spans > 1 or (errors > 0 and not (model = gpt-4o or (tokens > 10 and env = prod)))",
];

pub async fn every_field_and_operator_finds_what_it_means(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let documents = plant(&tenant).await;
    let rows = tenant.page(&Filter::All, Order::Newest, None, 10_000).await.rows;
    assert_eq!(rows.len(), documents.len());
    let (mut hits, mut misses) = (0, 0);
    for text in TESTS {
        let filter = Filter::parse(text, START).unwrap();
        check(&tenant, &filter, text, &rows, &documents).await;
        let found = tenant.find(text).await.len();
        hits += usize::from(found > 0);
        misses += usize::from(found < rows.len());
    }
    assert!(hits > 130 && misses > 130, "the traces tell the tests apart: {hits}, {misses}");
}

pub async fn tests_combined_at_random_find_what_they_mean(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let documents = plant(&tenant).await;
    let rows = tenant.page(&Filter::All, Order::Newest, None, 10_000).await.rows;
    let mut dice = Dice::new(23);
    for _ in 0..150 {
        let filter = combined(&mut dice, 3);
        check(&tenant, &filter, &filter.to_string(), &rows, &documents).await;
    }
}

fn combined(dice: &mut Dice, depth: usize) -> Filter {
    if depth == 0 || dice.roll(4) == 0 {
        return Filter::parse(dice.pick(TESTS), START).unwrap();
    }
    let members: Vec<_> = (0..=dice.roll(3)).map(|_| combined(dice, depth - 1)).collect();
    match dice.roll(3) {
        0 => Filter::all_of(members),
        1 => Filter::any_of(members),
        _ => Filter::any_of(members).negate(),
    }
}

async fn check(
    tenant: &Tenant,
    filter: &Filter,
    text: &str,
    rows: &[TraceRow],
    documents: &BTreeMap<String, Document>,
) {
    let expected: Vec<_> = rows
        .iter()
        .filter(|row| {
            let document = &documents[row.summary.trace_id.as_str()];
            filter.matches(row, &mut |term| document.finds(term))
        })
        .map(|row| row.summary.trace_id.to_string())
        .collect();
    let found = async |order, limit| -> Vec<String> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = tenant.page(filter, order, after, limit).await;
            found.extend(page.rows.iter().map(|row| row.summary.trace_id.to_string()));
            after = page.next;
            if after.is_none() {
                return found;
            }
        }
    };
    assert_eq!(found(Order::Newest, 1_000).await, expected, "{text}");
    assert_eq!(found(Order::Newest, 7).await, expected, "{text}, by pages");
    let mut oldest = found(Order::Oldest, 11).await;
    oldest.reverse();
    assert_eq!(oldest, expected, "{text}, oldest first");
}

/// Forty traces with everything set or not, and the text of each.
async fn plant(tenant: &Tenant) -> BTreeMap<String, Document> {
    let mut dice = Dice::new(42);
    let mut documents = BTreeMap::new();
    let mut sealed = BTreeSet::new();
    for n in 0..40 {
        let trace = format!("t{n}");
        let spans = any_trace(&mut dice, &trace);
        let batch = tenant.batch(&spans).await;
        let mut document = Document::default();
        document.push(&batch.traces[0].text);
        documents.insert(trace.clone(), document);
        tenant.commit(batch).await.unwrap();
        for (number, state) in ReviewState::ALL.iter().enumerate() {
            if dice.roll(5) == 0 {
                let id = format!("rv_{n}_{number}");
                let review = Review { id, state: *state, ..super::review::review(n) };
                let review = Review { trace_id: super::fixture::trace_id(&trace), ..review };
                let act = tenant.admin_act();
                assert!(tenant.store.put_review(tenant.workspace, &review, act).await.unwrap());
            }
        }
        if dice.roll(3) == 0 {
            let mut seal = tenant.seal(&trace, 1);
            seal.partial = dice.roll(2) == 0;
            tenant.put_seals(at(500), vec![seal]).await;
            sealed.insert(trace);
        }
    }
    assert!(!sealed.is_empty());
    tenant.store.search_settled().await.unwrap();
    documents
}

fn any_trace(dice: &mut Dice, trace: &str) -> Vec<Span> {
    let starts = [-86_400, -1, 0, 20, 30, 86_400];
    let base = dice.pick(&starts);
    let mut spans = Vec::new();
    for n in 0..=dice.roll(4) {
        let mut one = span(trace, &format!("s{n}"), base + dice.roll(4) as i64);
        one.parent_id = (n > 0 || dice.roll(8) == 0).then(|| span_id("s0"));
        one.name =
            (dice.roll(10) > 0).then(|| dice.pick(&["root of ", "Ünïted "]).to_owned() + trace);
        one.kind =
            Some(dice.pick(&[SpanKind::Llm, SpanKind::Agent, SpanKind::Tool, SpanKind::Span]));
        one.status = dice.pick(&[
            Status::Ok,
            Status::Ok,
            Status::Error,
            Status::Incomplete,
            Status::Running,
        ]);
        one.end = (one.status.is_terminal() && dice.roll(8) > 0)
            .then(|| at(base + dice.pick(&[1, 1, 1, 11, 0, 31])));
        one.model = dice.maybe(&["gpt-4o", "claude-4", "GPT-4o"]);
        one.provider = dice.maybe(&["openai", "anthropic"]);
        one.agent = dice.maybe(&["planner", "writer", "Planner", ""]);
        one.session = dice.maybe(&["s1", "s2"]);
        one.user = dice.maybe(&["ann o'hara", "ann"]);
        one.environment = dice.maybe(&["prod", "dev"]);
        one.version = dice.maybe(&["1.10", "1.9"]);
        one.service = dice.maybe(&["api"]);
        one.tool = dice.maybe(&["search", "shell"]);
        one.tags.extend(dice.maybe(&["x", "y z"]));
        one.metadata.extend(dice.maybe(&["blue", "red"]).map(|v| ("team".to_owned(), v)));
        one.metadata.extend(dice.maybe(&["odd value"]).map(|v| ("odd key".to_owned(), v)));
        one.metadata.extend(dice.maybe(&["100%"]).map(|v| ("a.b'c".to_owned(), v)));
        one.status_message = dice.maybe(&["ping", "pong", "ping pong"]);
        if dice.roll(2) == 0 {
            let tokens = dice.pick(&[0, 5, 10, 10, 300]);
            one.usage = Some(Usage { input_uncached: tokens, output_text: 5, ..Usage::default() });
            one.cost.amount = dice.pick(&[None, Some(0), Some(10_000), Some(10_001)]).map(NanoUsd);
            one.cost.source = match one.cost.amount {
                Some(_) => dice.pick(&[CostSource::Table, CostSource::Agent, CostSource::Default]),
                None => CostSource::None,
            };
        }
        one.findings.extend((0..dice.roll(3)).map(|_| finding(dice)));
        one.evaluations.extend(dice.maybe(&["a", "b"]).map(|rule| against(&rule)));
        if dice.roll(6) == 0 {
            one.decision = Decision { actions: vec![exhibit_model::Action::Review] };
        }
        spans.push(one);
    }
    spans
}

fn finding(dice: &mut Dice) -> Finding {
    Finding {
        rule: "credit-card".into(),
        entity: "CREDIT_CARD".into(),
        category: dice.pick(&[FindingCategory::Pii, FindingCategory::Secret]),
        severity: Severity::High,
        part: Part::Input,
        pointer: String::new(),
        start: 0,
        end: 1,
        score_milli: 900,
        validated: true,
        fingerprint: "00".into(),
        redacted: false,
    }
}

pub async fn hostile_values_are_values(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    tenant.put(&[span("t", "a", 0).with(|s| s.agent = Some("x".into()))]).await;
    for value in
        ["x' or '1'='1", "%", "_", "*", "\u{0}", "x\u{0}", "\\\\", "X", "NEAR(x)", "x OR y"]
    {
        let quoted = value.replace('\\', "\\\\");
        for filter in [format!("agent = \"{quoted}\""), format!("agent ~ \"{quoted}\"")] {
            let found = tenant.find(&filter).await;
            assert_eq!(found.is_empty(), value != "X" || filter.contains('='), "{filter:?}");
        }
        let found = tenant.find(&format!("\"{quoted}\" name = \"{quoted}\"")).await;
        assert!(found.is_empty(), "{value:?}");
    }
}
