//! A PostgreSQL and a ClickHouse database for every test.

use std::sync::atomic::{AtomicU32, Ordering};

use exhibit_model::Limits;
use exhibit_store_cluster::{ClusterStore, Options};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Addresses of the engines; none when they were not started.
pub(crate) fn addresses() -> Option<(String, String)> {
    Some((std::env::var("POSTGRES_URL").ok()?, std::env::var("CLICKHOUSE_URL").ok()?))
}

/// Databases of one test; they go when it is dropped, with the engines that the tests start.
pub(crate) struct Databases {
    pub(crate) postgres: String,
    pub(crate) clickhouse: String,
    pub(crate) database: String,
}

impl Databases {
    /// Makes them.
    pub(crate) async fn make() -> Option<Self> {
        let Some((server, clickhouse)) = addresses() else {
            println!("skipped: POSTGRES_URL and CLICKHOUSE_URL are not set (make test-cluster)");
            return None;
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let database = format!("t{}_{number}", std::process::id());
        let (client, connection) =
            tokio_postgres::connect(&server, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("CREATE DATABASE {database}")).await.unwrap();
        let (base, _) = server.rsplit_once('/').unwrap();
        Some(Self { postgres: format!("{base}/{database}"), clickhouse, database })
    }

    /// Options for them.
    pub(crate) fn options(&self, limits: Limits) -> Options {
        let mut options = Options::new(&self.postgres, &self.clickhouse);
        options.database.clone_from(&self.database);
        options.limits = limits;
        options.connections = 4;
        options
    }

    /// A node on them.
    pub(crate) async fn node(&self) -> ClusterStore {
        ClusterStore::open(self.options(Limits::default())).await.unwrap()
    }

    /// A connection of the test's own.
    pub(crate) async fn psql(&self) -> tokio_postgres::Client {
        let (client, connection) =
            tokio_postgres::connect(&self.postgres, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}
