//! Tests of the arithmetic.

use exhibit_model::{
    Cost, CostSource, Door, NanoUsd, Nanos, Span, SpanHead, SpanId, SpanKind, Status, TraceId,
    Usage,
};
use proptest::prelude::*;

use super::*;
use crate::{AnalyticsQuery, StoreError};

const MINUTE: i64 = Grain::Minute.width_ns();
const DAY: i64 = Grain::Day.width_ns();

fn head(start: i64, latency: i64, model: Option<&str>) -> SpanHead {
    let mut span = Span::new(TraceId::new("t").unwrap(), SpanId::new("s").unwrap(), Door::Native);
    span.kind = Some(SpanKind::Llm);
    span.status = Status::Ok;
    span.start = Some(Nanos(start));
    span.end = Some(Nanos(start + latency));
    span.model = model.map(str::to_owned);
    span.usage = Some(Usage { input_uncached: 7, output_text: 3, ..Usage::default() });
    span.cost = Cost { amount: Some(NanoUsd(11)), source: CostSource::Table, rule: None };
    SpanHead::of(&span)
}

fn cell(cells: &[(Key, Cell)], dimension: Option<Dimension>, value: Option<&str>) -> Cell {
    let wanted = |key: &Key| {
        key.grain == Grain::Day && key.dimension == dimension && key.value.as_deref() == value
    };
    cells.iter().find(|(key, _)| wanted(key)).map(|(_, cell)| cell.clone()).unwrap_or_default()
}

#[test]
fn a_span_counts_once_in_every_dimension_and_grain() {
    let cells = contributions(&head(90_000_000_000, 5, None), true, true, Inherited::default());
    let dividing = Dimension::ALL.into_iter().filter(|d| !d.is_set()).count();
    assert_eq!(cells.len(), Grain::ALL.len() * (1 + dividing));
    for (key, cell) in &cells {
        let start = if key.grain == Grain::Minute { MINUTE } else { 0 };
        assert_eq!(key.bucket_start, start);
        let m = cell.measures();
        assert_eq!((m.traces, m.spans, m.errors, m.calls), (1, 1, 0, 1));
        assert_eq!((m.usage.input_tokens(), m.usage.output_tokens(), m.cost_nano_usd), (7, 3, 11));
        assert_eq!((m.latency.count, m.latency.p50), (1, 5));
    }
    assert!(cells.is_sorted_by(|a, b| a.0 < b.0));
    assert_eq!(cell(&cells, Some(Dimension::Model), None).spans, 1);
    assert_eq!(cell(&cells, Some(Dimension::Kind), Some("llm")).spans, 1);
}

#[test]
fn running_and_registration_records_count_nothing() {
    let mut running = head(0, 1, None);
    running.status = Status::Running;
    assert!(contributions(&running, true, true, Inherited::default()).is_empty());
    let mut registration = head(0, 1, None);
    registration.span_id = SpanId::registration();
    assert!(contributions(&registration, true, true, Inherited::default()).is_empty());
}

#[test]
fn a_span_stands_in_the_cell_of_each_of_its_rules_and_categories() {
    let mut hit = head(0, 1, None);
    hit.rules = vec!["p/a".to_owned(), "p/b".to_owned()];
    hit.categories = vec![FindingCategory::Pii];
    let cells = contributions(&hit, true, true, Inherited::default());
    let of = |dimension, value| cell(&cells, Some(dimension), value).spans;
    assert_eq!(of(Dimension::Rule, Some("p/a")), 1);
    assert_eq!(of(Dimension::Rule, Some("p/b")), 1);
    assert_eq!(of(Dimension::Category, Some("pii")), 1);
    assert_eq!((of(Dimension::Rule, None), of(Dimension::Category, Some("secret"))), (0, 0));

    let mut ruling = hit.clone();
    ruling.span_id = SpanId::registration();
    let cells = contributions(&ruling, true, false, Inherited::default());
    assert!(cells.iter().all(|(key, _)| key.dimension.is_some_and(Dimension::is_set)));
    assert_eq!(cell(&cells, Some(Dimension::Rule), Some("p/a")).spans, 1);
    let mut sum = Accumulator::new();
    sum.add(&ruling, true, false, Inherited::default());
    sum.add(&hit, true, true, Inherited::default());
    sum.subtract(&ruling, true, false, Inherited::default());
    assert_eq!(
        sum.into_cells(),
        contributions(&hit, true, true, Inherited::default()),
        "taken out exactly"
    );
}

#[test]
fn what_is_shifted_counts_elsewhere_in_one_dimension_alone() {
    let call = head(0, 1, None);
    let inherited = Inherited { agent: Some("planner"), user: None };
    let mut sum = Accumulator::new();
    let agents = [None, Some("planner")];
    sum.shift(&call, true, true, Dimension::Agent, agents);
    let alone = std::mem::take(&mut sum).into_cells();
    assert_eq!(cell(&alone, Some(Dimension::Agent), Some("planner")).spans, 1);
    assert_eq!(cell(&alone, Some(Dimension::Agent), None).spans, -1);
    assert!(alone.iter().all(|(key, _)| key.dimension == Some(Dimension::Agent)));
    sum.add(&call, true, true, Inherited::default());
    sum.shift(&call, true, true, Dimension::Agent, agents);
    sum.add(&call, true, false, Inherited::default());
    sum.shift(&call, true, false, Dimension::Agent, agents);
    let mut expected = Accumulator::new();
    expected.add(&call, true, true, inherited);
    expected.add(&call, true, false, inherited);
    assert_eq!(sum.into_cells(), expected.into_cells());
}

#[test]
fn usage_that_is_not_counted_leaves_the_span_in_the_sums() {
    let m = cell(&contributions(&head(0, 1, None), false, false, Inherited::default()), None, None)
        .measures();
    assert_eq!(
        (m.traces, m.spans, m.calls, m.usage, m.cost_nano_usd),
        (0, 1, 0, Usage::default(), 0)
    );
}

#[test]
fn an_absurd_amount_cannot_overflow_a_sum() {
    let mut absurd = head(i64::MIN, i64::MAX, None);
    absurd.usage = Some(Usage::from_buckets([u64::MAX; 12]));
    absurd.cost = Some(NanoUsd(i64::MAX));
    absurd.ttft = Some(Nanos(i64::MIN));
    let mut sum = Accumulator::new();
    for _ in 0..1000 {
        sum.add(&absurd, true, false, Inherited::default());
    }
    let m = cell(&sum.into_cells(), None, None).measures();
    assert_eq!(m.usage.input_uncached, 1000 * ((1 << 53) - 1));
}

#[test]
fn dimension_codes_sort_as_keys_do_and_read_back() {
    let mut all: Vec<_> = Dimension::ALL.into_iter().map(Some).collect();
    all.insert(0, None);
    assert!(all.is_sorted());
    assert!(all.is_sorted_by_key(|d| dimension_code(*d)));
    assert!(all.iter().all(|d| dimension_from_code(dimension_code(*d)) == Some(*d)));
    assert_eq!((dimension_from_code(-1), dimension_from_code(14)), (None, None));
}

fn query(from: i64, to: i64, step_s: u64) -> AnalyticsQuery {
    AnalyticsQuery {
        from: Nanos(from),
        to: Nanos(to),
        group_by: Some(Dimension::Model),
        step_s,
        groups_max: 1,
    }
}

#[test]
fn whole_days_come_from_day_cells_and_the_edges_from_finer_ones() {
    let plan = Plan::of(&query(DAY / 2 + 1, 3 * DAY + 1, 86_400)).unwrap();
    let read = |grain, starts| Read { grain, starts };
    assert_eq!(
        plan.reads(),
        [
            read(Grain::Hour, DAY / 2..DAY),
            read(Grain::Day, DAY..3 * DAY),
            read(Grain::Minute, 3 * DAY..3 * DAY + MINUTE),
        ]
    );
    let hours = Plan::of(&query(0, 2 * DAY, 3600)).unwrap();
    assert_eq!(hours.reads(), [read(Grain::Hour, 0..2 * DAY)]);
    let minutes = Plan::of(&query(0, 2 * DAY, 60)).unwrap();
    assert_eq!(minutes.reads(), [read(Grain::Minute, 0..2 * DAY)]);
}

#[test]
fn impossible_steps_are_refused_and_extreme_ranges_survive() {
    for step in [0, 1, 61, u64::MAX] {
        let refused = Plan::of(&query(0, DAY, step));
        assert!(matches!(refused, Err(StoreError::Unsupported(_))), "{step}");
    }
    assert!(Plan::of(&query(i64::MIN, i64::MAX, 60)).is_err());
    let wide = Plan::of(&query(i64::MIN, i64::MAX, 86_400 * 365)).unwrap();
    assert!(wide.reads().len() <= 5 && wide.assemble([]).series.len() < 1000);
    assert!(Plan::of(&query(5 * DAY, DAY, 60)).unwrap().assemble([]).series.is_empty());
}

#[test]
fn the_answer_adds_up_and_cuts_groups() {
    let mut sum = Accumulator::new();
    for (at, model) in
        [(0, Some("a")), (DAY, Some("a")), (DAY, None), (2 * DAY + MINUTE, Some("b"))]
    {
        sum.add(&head(at, 10, model), true, true, Inherited::default());
    }
    let cells = sum.into_cells();
    let plan = Plan::of(&query(0, 2 * DAY + 2 * MINUTE, 86_400)).unwrap();
    let wanted = cells.into_iter().filter(|(key, _)| {
        let hit = |r: &Read| r.grain == key.grain && r.starts.contains(&key.bucket_start);
        plan.dimensions().contains(&key.dimension) && plan.reads().iter().any(hit)
    });
    let answer = plan.assemble(wanted);
    assert_eq!(answer.totals.spans, 4);
    let series: Vec<_> = answer.series.iter().map(|s| (s.start.0, s.measures.spans)).collect();
    assert_eq!(series, [(0, 1), (DAY, 2), (2 * DAY, 1)]);
    assert_eq!(answer.groups.len(), 1);
    assert_eq!(
        (answer.groups[0].value.as_deref(), answer.groups[0].measures.spans),
        (Some("a"), 2)
    );
    assert_eq!(answer.other.map(|m| m.spans), Some(2));
}

prop_compose! {
    fn any_head()(
        start in prop_oneof![0..2 * MINUTE, 0..3 * DAY, any::<i64>()],
        latency in prop_oneof![0..1_000_000_000_000_i64, Just(-1)],
        model in proptest::option::of("[ab]"),
        user in proptest::option::of("[a-m]"),
        error in any::<bool>(),
        cost in proptest::option::of(0..1_000_000_i64),
        ttft in proptest::option::of(any::<i64>()),
        tokens in any::<u64>(),
    ) -> SpanHead {
        let mut head = head(0, 0, model.as_deref());
        head.user = user;
        head.start = Nanos(start);
        head.end = Some(Nanos(start.saturating_add(latency)));
        head.status = if error { Status::Error } else { Status::Ok };
        head.cost = cost.map(NanoUsd);
        head.ttft = ttft.map(Nanos);
        head.usage = Some(Usage { output_text: tokens, ..Usage::default() });
        head
    }
}

proptest! {
    #[test]
    fn what_is_added_and_taken_away_leaves_nothing(
        heads in proptest::collection::vec((any_head(), any::<bool>(), any::<bool>()), 1..20)
    ) {
        let mut sum = Accumulator::new();
        for (head, counted, first) in &heads {
            sum.add(head, *counted, *first, Inherited::default());
        }
        for (head, counted, first) in heads.iter().rev() {
            sum.subtract(head, *counted, *first, Inherited::default());
        }
        prop_assert_eq!(sum.into_cells(), vec![]);
    }

    #[test]
    fn a_group_commit_adds_up_to_its_single_spans(
        heads in proptest::collection::vec((any_head(), any::<bool>()), 1..40)
    ) {
        let mut together = Accumulator::new();
        let mut apart = std::collections::BTreeMap::<Key, Cell>::new();
        for (head, counted) in &heads {
            together.add(head, *counted, false, Inherited::default());
            for (key, cell) in contributions(head, *counted, false, Inherited::default()) {
                apart.entry(key).or_default().add(&cell);
            }
        }
        prop_assert_eq!(together.into_cells(), apart.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn cells_read_back_and_no_other_bytes_do(
        heads in proptest::collection::vec(any_head(), 0..8), extra in any::<u8>(), minus in any::<bool>()
    ) {
        let mut cell = Cell::default();
        for head in &heads {
            let of = if minus { Sample::taking_out } else { Sample::of };
            cell.apply(&of(head, true, true).unwrap());
        }
        let bytes = cell.to_bytes();
        prop_assert_eq!(Cell::from_bytes(&bytes), Ok(cell));
        prop_assert!(Cell::from_bytes(&bytes[..bytes.len() - 1]).is_err());
        let mut longer = bytes;
        longer.push(extra);
        prop_assert_eq!(Cell::from_bytes(&longer), Err(CodecError::Long));
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_have_one_form(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(cell) = Cell::from_bytes(&bytes) {
            prop_assert_eq!(cell.to_bytes(), bytes.clone());
        }
        if let Ok(histogram) = Histogram::from_bytes(&bytes) {
            prop_assert_eq!(histogram.to_bytes(), bytes);
        }
    }

    #[test]
    fn a_bucket_holds_its_value_and_is_narrow(value in prop_oneof![0..10_000_i64, 0..=i64::MAX]) {
        let bucket = Histogram::bucket(value);
        let (low, high) = Histogram::bounds(bucket);
        prop_assert!(low <= value && value <= high);
        prop_assert!(bucket == 0 || Histogram::bounds(bucket - 1).1 == low - 1);
        prop_assert!((high - low) as f64 <= value as f64 / 32.0);
    }

    #[test]
    fn percentiles_are_within_three_percent(
        values in proptest::collection::vec(1..10_000_000_000_i64, 1..200)
    ) {
        let mut histogram = Histogram::default();
        for value in &values {
            histogram.record(Histogram::bucket(*value), 1);
        }
        let mut sorted = values.clone();
        sorted.sort_unstable();
        let p = histogram.percentiles();
        for (told, percent) in [(p.p50, 50), (p.p90, 90), (p.p95, 95), (p.p99, 99), (p.max, 100)] {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            let exact = sorted[rank - 1];
            prop_assert!((told - exact).abs() as f64 <= exact as f64 * 0.03, "{told} for {exact}");
        }
        prop_assert_eq!(p.count, values.len() as u64);
    }

    #[test]
    fn histograms_merge_like_their_values(
        a in proptest::collection::vec(any::<i64>(), 0..20),
        b in proptest::collection::vec(any::<i64>(), 0..20),
    ) {
        let of = |values: &[i64]| {
            let mut h = Histogram::default();
            for value in values {
                h.record(Histogram::bucket(*value), 1);
            }
            h
        };
        let mut sum = of(&a);
        sum.add(&of(&b));
        prop_assert_eq!(&sum, &of(&[a.clone(), b.clone()].concat()));
        sum.subtract(&of(&a));
        prop_assert_eq!(sum, of(&b));
    }
}
