use std::fmt::Write;

use exhibit_model::Nanos;
use exhibit_store::{Filter, Order};
use rusqlite::{Connection, params_from_iter};

use super::*;

const NOW: Nanos = Nanos(1_800_000_000_000_000_000);

/// The driver a list would have if its facets were equally selective.
fn driver(parts: &Parts<'_>) -> Driver {
    match parts.facets.first() {
        Some(set) if set.len() <= STREAMS_MAX => Driver::Facets(set.clone()),
        _ => Driver::Start,
    }
}

fn planned(filter: &str, order: Order, after: Option<&Place<i64>>) -> (Driver, Vec<Statement>) {
    let hasher = FacetHasher::new(1);
    let filter = Filter::parse(filter, NOW).unwrap();
    let parts = Parts::of(&filter, &hasher);
    let driver = driver(&parts);
    let asked = Asked { workspace: 1, filter: &filter, starts: parts.starts, order, after };
    let statements = statements(&driver, &hasher, &asked);
    (driver, statements)
}

fn explain(db: &Connection, statement: &Statement) -> Vec<String> {
    let mut explained = db.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sql)).unwrap();
    let rows = explained
        .query_map(params_from_iter(&statement.values), |row| row.get::<_, String>(3))
        .unwrap();
    rows.map(Result::unwrap).collect()
}

const FILTERS: &[&str] = &[
    "",
    "status = error",
    "status in (error, incomplete)",
    "not status = ok",
    "model = gpt-4o",
    "model in (gpt-4o, o3) user = ann",
    "agent = a and not tag = test",
    "metadata.customer = \"42\"",
    "time >= -7d time < -1d",
    "time >= -7d cost > 0.25 latency > 30s",
    "cost > 1 or errors > 0",
    "not cost > 1",
    "has(session) not has(metadata.k)",
    "name ~ billing",
    "model = gpt-4o (cost > 1 or name ~ x)",
    "sealed = true",
    "sealed = false",
    "tokens > 100 spans <= 3 findings = 0 end < -1d",
    "model = gpt-4o \"connection reset\"",
    "id != t1",
];

#[test]
fn statements_are_as_they_were_agreed() {
    let after = Place { start: 5, tie: 7 };
    let mut text = String::new();
    for filter in FILTERS {
        let (_, statements) = planned(filter, Order::Newest, None);
        writeln!(text, "── {filter}\n{}\n", statements[0].sql).unwrap();
    }
    let (_, statements) = planned("status = error time >= -7d", Order::Oldest, Some(&after));
    writeln!(text, "── status = error time >= -7d, oldest first, second page").unwrap();
    statements.iter().for_each(|s| writeln!(text, "{}", s.sql).unwrap());
    insta::assert_snapshot!("statements", text);
}

#[test]
fn every_list_walks_over_an_index_in_order_and_sorts_nothing() {
    let db = Connection::open_in_memory().unwrap();
    crate::migrate::run(&db).unwrap();
    let after = Place { start: 5, tie: 7 };
    for filter in FILTERS {
        for order in [Order::Newest, Order::Oldest] {
            for after in [None, Some(&after)] {
                let (driver, statements) = planned(filter, order, after);
                for statement in &statements {
                    let plan = explain(&db, statement);
                    let expected = match driver {
                        Driver::Start => "SEARCH t USING INDEX traces_by_start (workspace=?",
                        Driver::Facets(_) => "SEARCH f USING PRIMARY KEY (hash=?",
                    };
                    assert!(plan[0].starts_with(expected), "{filter}: {plan:?}");
                    let allowed = |step: &String| {
                        step.starts_with("SEARCH t USING INTEGER PRIMARY KEY")
                            || step.starts_with("SEARCH x ")
                                && step
                                    .ends_with("USING PRIMARY KEY (hash=? AND start=? AND trace=?)")
                            || step.starts_with("CORRELATED SCALAR SUBQUERY")
                    };
                    assert!(plan[1..].iter().all(allowed), "{filter}: {plan:?}");
                }
            }
        }
    }
}

#[test]
fn a_cursor_and_a_time_range_bound_the_walk() {
    let db = Connection::open_in_memory().unwrap();
    crate::migrate::run(&db).unwrap();
    let after = Place { start: NOW.0 - 5, tie: 7 };
    for filter in ["", "status = error"] {
        let filter = format!("time >= -7d {filter}");
        let plan = explain(&db, &planned(&filter, Order::Newest, Some(&after)).1[0]);
        assert!(plan[0].contains("start>? AND start<?"), "{plan:?}");
    }
}

#[test]
fn a_contradiction_of_times_finds_nothing_quickly() {
    let db = Connection::open_in_memory().unwrap();
    crate::migrate::run(&db).unwrap();
    let (_, statements) = planned("time < -7d time > -1d", Order::Newest, None);
    assert!(explain(&db, &statements[0])[0].contains("start>? AND start<?"));
}
