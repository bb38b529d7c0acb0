//! What cannot work is named when the store is opened.

use std::time::Duration;

use exhibit_model::Limits;
use exhibit_store::{
    Filter, Order, SpanStore, TraceQuery,
    conformance::{
        Subject, Tenant,
        fixture::{START, Tweak, call, span},
    },
};
use exhibit_store_cluster::{ClusterStore, OpenError};

use crate::{crash::wait_until_shipped, engines::Databases};

/// An address at which nothing listens.
async fn nowhere() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_named_without_its_password() {
    let Some(databases) = Databases::make().await else { return };
    let mut options = databases.options(Limits::default());
    options.postgres = format!("postgres://somebody:hidden@{}/exhibit", nowhere().await);
    let error = ClusterStore::open(options).await.unwrap_err();
    assert!(matches!(&error, OpenError::Unreachable { database: "PostgreSQL", .. }), "{error}");
    assert!(!error.to_string().contains("hidden"), "{error}");
    let mut options = databases.options(Limits::default());
    options.clickhouse = format!("http://somebody:hidden@{}", nowhere().await);
    let error = ClusterStore::open(options).await.unwrap_err();
    assert!(matches!(&error, OpenError::Unreachable { database: "ClickHouse", .. }), "{error}");
    assert!(!error.to_string().contains("hidden"), "{error}");
}

#[tokio::test]
async fn an_address_that_cannot_be_read_is_named() {
    let Some(databases) = Databases::make().await else { return };
    for wrong in ["", "ftp://host", "localhost:8123", "http://host/path", "http://"] {
        let mut options = databases.options(Limits::default());
        options.clickhouse = wrong.to_owned();
        let error = ClusterStore::open(options).await.unwrap_err();
        assert!(matches!(error, OpenError::Address { name: "clickhouse-url", .. }), "{wrong}");
    }
    for wrong in
        ["nonsense", "postgres://a@b:c/d", "postgres://h/d?sslmode=allow", "host=h sslcert=x"]
    {
        let mut options = databases.options(Limits::default());
        options.postgres = wrong.to_owned();
        let error = ClusterStore::open(options).await.unwrap_err();
        assert!(matches!(error, OpenError::Address { name: "postgres-url", .. }), "{wrong}");
    }
}

#[tokio::test]
async fn a_clock_that_is_off_is_refused() {
    let Some(databases) = Databases::make().await else { return };
    let mut options = databases.options(Limits::default());
    options.skew_max = Duration::ZERO;
    let error = ClusterStore::open(options).await.unwrap_err();
    assert!(matches!(error, OpenError::Clock { database: "PostgreSQL", .. }), "{error}");
}

#[tokio::test]
async fn tables_of_a_newer_version_are_refused() {
    let Some(databases) = Databases::make().await else { return };
    databases.node().await.close().await;
    let psql = databases.psql().await;
    for name in ["postgres", "clickhouse"] {
        let change = |by: i64| {
            format!("UPDATE schema_versions SET version = version + {by} WHERE name LIKE '{name}%'")
        };
        psql.batch_execute(&change(1)).await.unwrap();
        let error = ClusterStore::open(databases.options(Limits::default())).await.unwrap_err();
        let next = |known: i64, found: i64| known >= 1 && found == known + 1;
        assert!(
            matches!(error, OpenError::Newer { found, known, .. } if next(known, found)),
            "{error}"
        );
        psql.batch_execute(&change(-1)).await.unwrap();
    }
    databases.node().await.close().await;
}

#[tokio::test]
async fn a_table_that_was_changed_by_hand_is_named() {
    let Some(databases) = Databases::make().await else { return };
    databases.node().await.close().await;
    let psql = databases.psql().await;
    psql.batch_execute("ALTER TABLE spans DROP COLUMN digest").await.unwrap();
    let error = ClusterStore::open(databases.options(Limits::default())).await.unwrap_err();
    assert!(matches!(&error, OpenError::Altered { database: "PostgreSQL", .. }), "{error}");
    assert!(error.to_string().contains("spans.digest bytea"), "{error}");
    psql.batch_execute("ALTER TABLE spans ADD COLUMN digest bytea NOT NULL").await.unwrap();
    databases.node().await.close().await;
    let clickhouse = clickhouse::Client::default()
        .with_url(&databases.clickhouse)
        .with_compression(clickhouse::Compression::None)
        .with_database(&databases.database);
    clickhouse.query("ALTER TABLE blocks ADD COLUMN more UInt8").execute().await.unwrap();
    let error = ClusterStore::open(databases.options(Limits::default())).await.unwrap_err();
    assert!(matches!(&error, OpenError::Altered { database: "ClickHouse", .. }), "{error}");
    assert!(error.to_string().contains("blocks.more UInt8"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_at_once_make_the_tables_once_and_one_of_them_leads() {
    let Some(databases) = Databases::make().await else { return };
    let starting = (0..4).map(|_| {
        let options = databases.options(Limits::default());
        tokio::spawn(ClusterStore::open(options))
    });
    let mut nodes = Vec::new();
    for node in starting.collect::<Vec<_>>() {
        nodes.push(node.await.unwrap().unwrap());
    }
    assert_eq!(nodes.iter().filter(|node| node.leads()).count(), 1);
}

/// Tables whose summaries name one agent and one user each: migration 3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traces_of_older_tables_are_found_under_all_their_agents() {
    let Some(databases) = Databases::make().await else { return };
    let tenant = Tenant::open(Subject::new(databases.node().await)).await;
    let named = |agent: &str, user: &str| {
        let (agent, user) = (Some(agent.to_owned()), Some(user.to_owned()));
        move |s: &mut exhibit_model::Span| (s.agent, s.user) = (agent, user)
    };
    let sub = call("t", "sub", 1, 5).under("root").with(named("writer", "bob"));
    tenant.put(&[span("t", "root", 0).with(named("planner", "ann")), sub]).await;
    tenant.put(&[span("u", "a", 9).with(named("planner", "eve")), span("v", "a", 20)]).await;
    let whole = tenant.summary("t").await;
    let workspace = tenant.workspace;
    wait_until_shipped(&databases).await;
    drop(tenant);
    let psql = databases.psql().await;
    psql.batch_execute(
        "UPDATE traces SET summary = convert_to((convert_from(summary, 'UTF8')::jsonb \
         - 'agents' - 'users')::text, 'UTF8'); \
         UPDATE schema_versions SET version = 3 WHERE name = 'postgres'",
    )
    .await
    .unwrap();
    let clickhouse = clickhouse::Client::default()
        .with_url(&databases.clickhouse)
        .with_compression(clickhouse::Compression::None)
        .with_database(&databases.database);
    let gone = "ALTER TABLE traces UPDATE facets = arrayFilter(f -> NOT endsWith(f, 'writer') \
                AND NOT endsWith(f, 'bob'), facets) WHERE 1 SETTINGS mutations_sync = 1";
    clickhouse.query(gone).execute().await.unwrap();
    let node = databases.node().await;
    // First over what waits in the outbox, then over what was shipped.
    for _ in 0..2 {
        for (filter, found) in [
            ("agent = writer", vec!["t"]),
            ("agent = planner", vec!["u", "t"]),
            ("user = bob", vec!["t"]),
            ("agent != writer", vec!["v", "u"]),
        ] {
            let filter = Filter::parse(filter, START).unwrap();
            let query = TraceQuery { filter, order: Order::Newest, after: None, limit: 10 };
            let rows = node.traces(workspace, &query).await.unwrap().rows;
            let ids: Vec<_> = rows.iter().map(|row| row.summary.trace_id.as_str()).collect();
            assert_eq!(ids, found);
            assert!(
                rows.iter()
                    .all(|row| row.summary.trace_id != whole.trace_id || *row.summary == whole)
            );
        }
        wait_until_shipped(&databases).await;
    }
    node.close().await;
}
