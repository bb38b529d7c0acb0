//! Opening, locking, limits.

use std::{os::unix::fs::PermissionsExt, sync::Arc};

use exhibit_store::{
    AuditStore, CommitError, Filter, Order, SpanStore, StoreError, TraceQuery,
    conformance::fixture::{START, call, span, trace_id},
};
use exhibit_store_sqlite::{Options, SqliteStore};

use crate::batches::{Builder, WORKSPACE, open, verify};

#[tokio::test]
async fn a_directory_is_made_for_its_owner_only_and_opens_again() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("a/b");
    let mut builder = Builder::new(1);
    let store = open(&inner);
    store.commit(builder.batch(&[call("t", "a", 0, 5)])).await.unwrap();
    drop(store);
    let mode = std::fs::metadata(&inner).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let wal = std::fs::metadata(inner.join("exhibit.db-wal")).map_or(0, |m| m.len());
    assert_eq!(wal, 0, "closing empties the write-ahead log");
    let store = open(&inner);
    store.commit(builder.batch(&[call("t", "b", 1, 6)])).await.unwrap();
    verify(&store).await;
}

#[test]
fn a_second_process_is_told_who_has_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let error = SqliteStore::open(dir.path(), Options::default()).unwrap_err().to_string();
    assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    drop(first);
    open(dir.path());
}

#[tokio::test]
async fn a_reader_sees_what_a_server_writes_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut builder = Builder::new(2);
    store.commit(builder.batch(&[span("t", "a", 0)])).await.unwrap();
    let reader = SqliteStore::open_read_only(dir.path(), Options::default()).unwrap();
    assert!(reader.trace(WORKSPACE, &trace_id("t")).await.unwrap().is_some());
    store.commit(builder.batch(&[span("u", "a", 0)])).await.unwrap();
    assert!(reader.trace(WORKSPACE, &trace_id("u")).await.unwrap().is_some());
    let refused = reader.commit(builder.batch(&[span("v", "a", 0)])).await;
    assert!(matches!(refused, Err(CommitError::Store(StoreError::Unsupported(_)))));
    drop((store, reader));
    let alone = SqliteStore::open_read_only(dir.path(), Options::default()).unwrap();
    assert!(alone.trace(WORKSPACE, &trace_id("u")).await.unwrap().is_some());
    verify(&alone).await;
}

#[tokio::test]
async fn an_audit_names_the_record_that_does_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let spans = [span("t", "a", 0), span("t", "b", 0), span("u", "a", 0)];
    store.commit(Builder::new(8).batch(&spans)).await.unwrap();
    drop(store);
    let db = rusqlite::Connection::open(dir.path().join("exhibit.db")).unwrap();
    db.execute("UPDATE spans SET packed = x'01' WHERE span_id = 'b'", []).unwrap();
    drop(db);
    let store = open(dir.path());
    let error = store.audit_traces(WORKSPACE, None, 10, true).await.unwrap_err();
    let StoreError::Corrupt(what) = error else { panic!("{error}") };
    assert!(what.starts_with("trace t: span b: "), "{what}");
}

#[test]
fn a_directory_without_a_store_is_not_opened_to_read() {
    let dir = tempfile::tempdir().unwrap();
    let error = SqliteStore::open_read_only(dir.path(), Options::default()).unwrap_err();
    assert!(error.to_string().contains("exhibit.db"), "{error}");
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("exhibit.db");
    std::fs::write(&path, "not a database, and longer than a header would be".repeat(50)).unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(SqliteStore::open(dir.path(), Options::default()).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_store_of_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let db = rusqlite::Connection::open(dir.path().join("exhibit.db")).unwrap();
    db.pragma_update(None, "user_version", 1_000).unwrap();
    drop(db);
    for opened in [
        SqliteStore::open(dir.path(), Options::default()),
        SqliteStore::open_read_only(dir.path(), Options::default()),
    ] {
        let error = opened.unwrap_err().to_string();
        assert!(error.contains("schema 1000"), "{error}");
    }
}

/// A database whose sums know nothing of inherited agents and users, nor of rules: schema 7.
#[tokio::test(flavor = "multi_thread")]
async fn the_sums_of_an_older_database_are_derived_anew() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut builder = Builder::new(4);
    let under = |mut span: exhibit_model::Span, parent: &str| {
        span.parent_id = Some(exhibit_model::SpanId::new(parent).unwrap());
        span
    };
    let mut root = span("t", "root", 0);
    root.agent = Some("planner".to_owned());
    root.user = Some("ann".to_owned());
    let calls = [under(call("t", "a", 1, 5), "root"), call("u", "b", 2, 7)];
    store.commit(builder.batch(&calls)).await.unwrap();
    store.commit(builder.batch(&[root])).await.unwrap();
    verify(&store).await;
    let cells = store.audit_rollups(WORKSPACE, None, 1_000).await.unwrap().rows;
    drop(store);
    let db = rusqlite::Connection::open(dir.path().join("exhibit.db")).unwrap();
    db.execute_batch(
        "DROP INDEX spans_by_parent; DELETE FROM rollups; \
         UPDATE rollup_deltas SET id = id + 1000 WHERE id = (SELECT min(id) FROM rollup_deltas); \
         DELETE FROM rollup_deltas WHERE id < 1000; PRAGMA user_version = 7",
    )
    .unwrap();
    drop(db);
    let error = SqliteStore::open_read_only(dir.path(), Options::default()).unwrap_err();
    assert!(error.to_string().contains("schema 7"), "{error}");
    let store = open(dir.path());
    assert_eq!(store.audit_rollups(WORKSPACE, None, 1_000).await.unwrap().rows, cells);
    verify(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_answers_at_once_and_what_was_taken_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { queue_spans_max: 10, ..Options::default() };
    let store = Arc::new(SqliteStore::open(dir.path(), options).unwrap());
    let mut builder = Builder::new(3);
    let batches: Vec<_> = (0..200)
        .map(|n| {
            let spans: Vec<_> =
                (0..4).map(|m| call(&format!("t{n}"), &format!("s{m}"), m, 5)).collect();
            builder.batch(&spans)
        })
        .collect();
    let commits: Vec<_> = batches
        .into_iter()
        .map(|batch| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.commit(batch).await.map(drop) })
        })
        .collect();
    let (mut written, mut busy) = (0, 0);
    for commit in commits {
        match commit.await.unwrap() {
            Ok(()) => written += 1,
            Err(CommitError::Store(StoreError::Busy { retry_after_ms })) => {
                assert!(retry_after_ms > 0);
                busy += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(busy > 0, "{written} were written");
    let query = TraceQuery { filter: Filter::All, order: Order::Newest, after: None, limit: 1_000 };
    assert_eq!(store.traces(WORKSPACE, &query).await.unwrap().rows.len(), written);
    verify(&store).await;
}

#[tokio::test]
async fn a_batch_larger_than_the_queue_is_taken_when_nothing_waits() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { queue_spans_max: 10, ..Options::default() };
    let store = SqliteStore::open(dir.path(), options).unwrap();
    let spans: Vec<_> = (0..50).map(|n| span("t", &format!("s{n}"), n)).collect();
    store.commit(Builder::new(4).batch(&spans)).await.unwrap();
}

#[tokio::test]
async fn a_write_ahead_log_above_its_bound_is_emptied_and_writing_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { wal_bytes_max: 1, ..Options::default() };
    let store = SqliteStore::open(dir.path(), options).unwrap();
    let mut builder = Builder::new(6);
    let mut busy = 0;
    for n in 0..10 {
        let batch = builder.batch(&[span(&format!("t{n}"), "a", START.0 % 7 + n)]);
        loop {
            match store.commit(batch.clone()).await {
                Ok(_) => break,
                Err(CommitError::Store(StoreError::Busy { .. })) => busy += 1,
                Err(other) => panic!("{other}"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }
    assert!(busy > 0);
    verify(&store).await;
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.close();
    let refused = store.commit(Builder::new(7).batch(&[span("t", "a", 0)])).await;
    assert!(matches!(refused, Err(CommitError::Store(StoreError::Closed))));
    assert!(matches!(store.trace(WORKSPACE, &trace_id("t")).await, Err(StoreError::Closed)));
}

/// A database whose traces are found under one agent and one user each: schema 8.
#[tokio::test(flavor = "multi_thread")]
async fn traces_of_an_older_database_are_found_under_all_their_agents() {
    const FACETS: &str =
        "SELECT hash FROM facets UNION ALL SELECT hash FROM facets_late ORDER BY 1";
    let dir = tempfile::tempdir().unwrap();
    let database = || rusqlite::Connection::open(dir.path().join("exhibit.db")).unwrap();
    let facets = |db: &rusqlite::Connection| -> Vec<i64> {
        let mut statement = db.prepare(FACETS).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let by = |mut span: exhibit_model::Span, agent: &str, user: &str| {
        span.agent = Some(agent.to_owned());
        span.user = Some(user.to_owned());
        span
    };
    let mut builder = Builder::new(5);
    let store = open(dir.path());
    // The second is from long before, so that its facets wait apart from the others.
    for first in [
        by(span("t", "root", 0), "planner", "ann"),
        by(span("u", "a", -9_000), "planner", "eve"),
        span("v", "a", 30),
    ] {
        store.commit(builder.batch(&[first])).await.unwrap();
    }
    drop(store);
    let known = facets(&database());
    let store = open(dir.path());
    let of = |trace, agent, user| {
        let mut step = by(span(trace, "sub", 0), agent, user);
        step.parent_id = Some(exhibit_model::SpanId::new("root").unwrap());
        step
    };
    store.commit(builder.batch(&[of("t", "writer", "bob")])).await.unwrap();
    drop(store);
    let db = database();
    let all = facets(&db);
    assert_eq!(all.len(), known.len() + 2, "only an agent and a user came");
    let known: Vec<_> = known.iter().map(ToString::to_string).collect();
    let known = known.join(", ");
    db.execute_batch(&format!(
        "UPDATE traces SET summary = json_remove(summary, '$.agents', '$.users'); \
         DELETE FROM facets WHERE hash NOT IN ({known}); \
         DELETE FROM facets_late WHERE hash NOT IN ({known}); PRAGMA user_version = 8",
    ))
    .unwrap();
    drop(db);
    let store = open(dir.path());
    for (filter, found) in [
        ("agent = writer", vec!["t"]),
        ("agent = planner", vec!["t", "u"]),
        ("user = bob", vec!["t"]),
        ("agent != writer", vec!["v", "u"]),
    ] {
        let filter = Filter::parse(filter, START).unwrap();
        let query = TraceQuery { filter, order: Order::Newest, after: None, limit: 10 };
        let rows = store.traces(WORKSPACE, &query).await.unwrap().rows;
        let ids: Vec<_> = rows.iter().map(|row| row.summary.trace_id.as_str()).collect();
        assert_eq!(ids, found);
    }
    verify(&store).await;
    drop(store);
    assert_eq!(facets(&database()), all);
}
